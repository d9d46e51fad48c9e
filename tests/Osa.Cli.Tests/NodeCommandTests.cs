using Grpc.Core;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Osa.Cli.Nodes;
using Osa.ScriptedNodes;
using Osa.V1;

namespace Osa.Cli.Tests;

public sealed class NodeCommandTests
{
    [Fact]
    public async Task A_token_verifies_with_the_key_that_osa_made()
    {
        using var data = new TemporaryDirectory();
        var made = await OsaProcess.RunAsync(null, "node", "key", "--data", data.Path);
        Assert.Equal(0, made.ExitCode);
        var path = Path.Combine(data.Path, "secrets", "signing.key");
        Assert.Equal(path, made.Output.Trim());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        var key = Convert.FromBase64String((await File.ReadAllTextAsync(path)).Trim());
        Assert.Equal(32, key.Length);

        var issued = await OsaProcess.RunAsync(null, "node", "token", "--data", data.Path, "--role", "curator", "--user", "ada", "--days", "7");

        Assert.Equal(0, issued.ExitCode);
        var verified = await new JsonWebTokenHandler().ValidateTokenAsync(issued.Output.Trim(), new TokenValidationParameters
        {
            IssuerSigningKey = new SymmetricSecurityKey(key),
            ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
            ValidAudience = "authenticated",
            ValidateIssuer = false,
        });
        Assert.True(verified.IsValid, verified.Exception?.Message);
        var token = (JsonWebToken)verified.SecurityToken;
        Assert.Equal(TokenIssuer.IdOf("ada").ToString(), token.Subject);
        Assert.Equal("ada", verified.Claims["name"]);
        Assert.Equal("curator", verified.Claims["role"]);
        Assert.Matches("^[0-9a-f]{32}$", (string)verified.Claims["jti"]);
        Assert.Equal(TimeSpan.FromDays(7), token.ValidTo - token.IssuedAt);
    }

    [Fact]
    public async Task A_key_is_never_overwritten()
    {
        using var data = new TemporaryDirectory();
        await OsaProcess.RunAsync(null, "node", "key", "--data", data.Path);
        var before = await File.ReadAllTextAsync(SigningKey.PathIn(data.Path));

        var again = await OsaProcess.RunAsync(null, "node", "key", "--data", data.Path);

        Assert.Equal(2, again.ExitCode);
        Assert.Contains("there is a key already", again.Error, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(SigningKey.PathIn(data.Path)));
    }

    [Fact]
    public async Task A_token_without_a_key_says_how_to_make_one()
    {
        using var data = new TemporaryDirectory();

        var refused = await OsaProcess.RunAsync(null, "node", "token", "--data", data.Path);

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("osa node key", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_saved_token_is_sent_from_then_on()
    {
        using var data = new TemporaryDirectory();
        var environment = new Dictionary<string, string> { ["XDG_CONFIG_HOME"] = Path.Combine(data.Path, "config"), ["OSA_DATA"] = data.Path };
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<NodeInfoRequest, NodeInfo>("Node/Info", _ => new NodeInfo { Domain = "archive.example.org", Version = "0.1.0" }));
        await OsaProcess.RunAsync(null, environment, "node", "key");

        var saved = await OsaProcess.RunAsync(null, environment, "node", "token", "--save");
        var info = await OsaProcess.RunAsync(node.Address, environment, "node", "info");

        Assert.Equal("domain\tarchive.example.org\nversion\t0.1.0\n", info.Output);
        Assert.Equal($"Bearer {saved.Output.Trim()}", Assert.Single(node.Calls).Authorization);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(data.Path, "config", "osa", "token")));
    }

    [Fact]
    public async Task Start_becomes_the_node_with_its_settings_and_exit_code()
    {
        using var data = new TemporaryDirectory();
        var environment = Silo(data, "env | grep ^OSA_ | sort; echo $$; exit 7");

        using var osa = OsaProcess.Start(null, environment, "node", "start", "--data", data.Path, "--listen", "http://127.0.0.1:7401", "--roles", "api", "containers");
        var started = await osa.FinishAsync();

        Assert.Equal(7, started.ExitCode);
        Assert.Contains($"OSA_DATA={data.Path}", started.Lines);
        Assert.Contains("OSA_LISTEN=http://127.0.0.1:7401", started.Lines);
        Assert.Contains("OSA_ROLES=api,containers", started.Lines);
        Assert.DoesNotContain(started.Lines, static line => line.StartsWith("OSA_DATABASE", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task Signals_reach_the_node(string signal)
    {
        using var data = new TemporaryDirectory();
        var environment = Silo(data, $"trap 'echo stopped; exit 3' {signal}; echo ready; while :; do sleep 0.05; done");
        using var osa = OsaProcess.Start(null, environment, "node", "start", "--data", data.Path);
        await osa.LineAsync("ready");

        osa.Signal(signal);
        var stopped = await osa.FinishAsync();

        Assert.Equal("stopped", stopped.Output.Trim());
        Assert.Equal(3, stopped.ExitCode);
    }

    [Fact]
    public async Task Start_without_the_nodes_program_says_where_it_looked()
    {
        var refused = await OsaProcess.RunAsync(null, "node", "start");

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("OSA_SILO", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_degraded_node_is_said_so_by_words_and_exit_code()
    {
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<NodeStatusRequest, NodeStatus>(
            "Node/Status", _ => new NodeStatus { Health = "degraded", Problems = { "no container engine answers" }, RunsPending = 3 }));

        var words = await OsaProcess.RunAsync(node.Address, "node", "status");
        var json = await OsaProcess.RunAsync(node.Address, "node", "status", "--json");

        Assert.Equal((1, 1), (words.ExitCode, json.ExitCode));
        Assert.Contains("problem: no container engine answers", words.Lines);
        var status = Assert.Single(json.JsonLines);
        Assert.Equal("degraded", (string?)status["health"]);
        Assert.Equal(3, (long?)status["runs_pending"]);
        Assert.Equal("no container engine answers", (string?)status["problems"]![0]);
    }

    [Fact]
    public async Task An_unreachable_node_says_how_to_start_one()
    {
        var refused = await OsaProcess.RunAsync(new Uri("http://127.0.0.1:1"), "record", "list");

        Assert.Equal(5, refused.ExitCode);
        Assert.Equal("", refused.Output);
        Assert.Contains("the node at http://127.0.0.1:1/ cannot be reached: Connection refused", refused.Error, StringComparison.Ordinal);
        Assert.Contains("osa node start", refused.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument, 2)]
    [InlineData(StatusCode.NotFound, 3)]
    [InlineData(StatusCode.PermissionDenied, 4)]
    [InlineData(StatusCode.Unauthenticated, 4)]
    [InlineData(StatusCode.AlreadyExists, 6)]
    [InlineData(StatusCode.FailedPrecondition, 6)]
    [InlineData(StatusCode.ResourceExhausted, 7)]
    [InlineData(StatusCode.Internal, 8)]
    public async Task Each_kind_of_error_has_its_exit_code_and_json(StatusCode code, int exitCode)
    {
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<GetRecordRequest, Osa.V1.Record>(
            "Records/Get", _ => throw ScriptedNode.Error(code, "no, \u001b[31mbecause", ("metadata.organism", "required", "is missing"))));

        var words = await OsaProcess.RunAsync(node.Address, "record", "show", "urn:osa:localhost:rec:abc@1");
        var json = await OsaProcess.RunAsync(node.Address, "record", "show", "urn:osa:localhost:rec:abc@1", "--json");

        Assert.Equal((exitCode, exitCode), (words.ExitCode, json.ExitCode));
        Assert.Equal(("", ""), (words.Output, json.Output));
        Assert.StartsWith("osa: no, \uFFFD[31mbecause\n  metadata.organism: is missing\n", words.Error, StringComparison.Ordinal);
        var error = System.Text.Json.Nodes.JsonNode.Parse(json.Error)!["error"]!;
        Assert.Equal(code.ToString(), (string?)error["code"]);
        Assert.Equal(exitCode, (int?)error["exit_code"]);
        Assert.Equal("required", (string?)error["violations"]![0]!["rule"]);
    }

    [Theory]
    [InlineData("node", "info", "--node", "ftp://x")]
    [InlineData("node", "info", "--node", "http://127.0.0.1:7400/path")]
    [InlineData("node", "token", "--days", "0")]
    [InlineData("node", "token", "--days", "many")]
    [InlineData("node", "token", "--role", "king")]
    [InlineData("node", "start", "--listen", "7400")]
    [InlineData("record", "list", "--limit", "-1")]
    [InlineData("features", "query", "t", "--limit", "x")]
    [InlineData("deposition", "set", "urn:x")]
    [InlineData("deposit", "--convention", "c", "--set", "a")]
    [InlineData("deposit", "--convention", "c", "--set", "a=1", "--set", "a=2")]
    [InlineData("deposit", "--convention", "c", "--set", "a=1", "--metadata", "m.json")]
    [InlineData("deposit", "--convention", "c", "/nonexistent/a.fasta")]
    [InlineData("deposit", "--metadata", "m.json")]
    [InlineData("nonsense")]
    [InlineData("node")]
    public async Task Wrong_usage_is_refused_before_anything_is_done(params string[] arguments)
    {
        var refused = await OsaProcess.RunAsync(null, arguments);

        Assert.Equal(2, refused.ExitCode);
        Assert.Equal("", refused.Output);
        Assert.StartsWith("osa: ", refused.Error, StringComparison.Ordinal);
        Assert.Contains("--help", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_of_every_command_tells_the_exit_codes()
    {
        var help = await OsaProcess.RunAsync(null, "deposit", "--help");

        Assert.Equal(0, help.ExitCode);
        Assert.Contains("--check", help.Output, StringComparison.Ordinal);
        Assert.Contains("Exit codes:", help.Output, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Silo(TemporaryDirectory data, string script)
    {
        var path = data.File("osa-silo", $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return new Dictionary<string, string> { ["OSA_SILO"] = path };
    }
}
