using System.CommandLine;
using System.CommandLine.Parsing;
using Osa.Cli.Output;
using Osa.Client;

namespace Osa.Cli;

/// <summary>What every command takes.</summary>
internal static class GlobalOptions
{
    public const string DefaultNode = "http://127.0.0.1:7400";

    public static Option<Uri> Node { get; } = new("--node")
    {
        Description = $"Address of the node, http://HOST:PORT or https://HOST:PORT [env OSA_NODE; default {DefaultNode}]",
        HelpName = "URL",
        Recursive = true,
        CustomParser = static result => ParseNode(result.Tokens[0].Value, "--node", result),
    };

    public static Option<string> Token { get; } = new("--token")
    {
        Description = "Bearer token, as osa node token issues it [env OSA_TOKEN; default the file ~/.config/osa/token]",
        HelpName = "JWT",
        Recursive = true,
    };

    public static Option<bool> Json { get; } = new("--json")
    {
        Description = "Write JSON to stdout and nothing else: one object, or one line per item for lists and streams",
        Recursive = true,
    };

    public static Option<bool> Insecure { get; } = new("--insecure")
    {
        Description = "Send the token over http:// to other machines, where everybody on the way can read it",
        Recursive = true,
    };

    /// <summary>Where the token is kept between calls.</summary>
    public static string TokenFile => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "osa", "token");

    public static void AddTo(Command root)
    {
        root.Options.Add(Node);
        root.Options.Add(Token);
        root.Options.Add(Json);
        root.Options.Add(Insecure);
    }

    public static OsaClient Connect(ParseResult parsed)
    {
        var node = parsed.GetValue(Node)
            ?? ParseNode(Environment.GetEnvironmentVariable("OSA_NODE") is { Length: > 0 } url ? url : DefaultNode, "OSA_NODE", null)!;
        try
        {
            return OsaClient.Connect(node, ReadToken(parsed), new OsaClientOptions { AllowPlaintextToken = parsed.GetValue(Insecure) });
        }
        catch (ArgumentException error) when (error.ParamName == "node")
        {
            throw new UsageException(
                $"{node}: the token would travel in plain text to another machine: use https://, or --insecure if nobody can listen");
        }
        catch (ArgumentException)
        {
            throw new UsageException("the token is not a bearer token: see osa node token --help");
        }
    }

    /// <summary>An action with its client and output.</summary>
    public static void Does(this Command command, Func<CommandContext, Task<int>> action) =>
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var context = new CommandContext(parsed, new Screen(parsed.GetValue(Json)), cancellationToken);
            return await action(context);
        });

    private static string? ReadToken(ParseResult parsed)
    {
        if ((parsed.GetValue(Token) ?? Environment.GetEnvironmentVariable("OSA_TOKEN")) is { Length: > 0 } token)
        {
            return token.Trim();
        }

        try
        {
            return File.ReadAllText(TokenFile).Trim() is { Length: > 0 } saved ? saved : null;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static Uri? ParseNode(string text, string from, ArgumentResult? result)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out var node)
            && (node.Scheme == Uri.UriSchemeHttp || node.Scheme == Uri.UriSchemeHttps)
            && node.PathAndQuery == "/"
            && node.UserInfo.Length == 0)
        {
            return node;
        }

        var problem = $"{from}: '{text}' is not a node's address such as {DefaultNode}";
        if (result is null)
        {
            throw new UsageException(problem);
        }

        result.AddError(problem);
        return null;
    }
}

/// <summary>What an action works with.</summary>
internal sealed class CommandContext(ParseResult parsed, Screen screen, CancellationToken cancellationToken) : IDisposable
{
    private OsaClient? client;

    public Screen Screen => screen;

    public CancellationToken CancellationToken => cancellationToken;

    /// <summary>The node; connects with the first call.</summary>
    public OsaClient Osa => client ??= GlobalOptions.Connect(parsed);

    public T? Get<T>(Option<T> option) => parsed.GetValue(option);

    public T Get<T>(Argument<T> argument) => parsed.GetRequiredValue(argument);

    /// <summary>The values of an argument that may have none.</summary>
    public T[] GetAll<T>(Argument<T[]> argument) => parsed.GetValue(argument) ?? [];

    public void Dispose() => client?.Dispose();
}
