using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Osa.Domain.Errors;

namespace Osa.Storage.Embedded;

/// <summary>
/// The directory of everything that the node's own server has: <c>cluster/</c> (PostgreSQL's data directory), <c>run/</c> (its socket),
/// <c>log/</c>, <c>password</c>, <c>osa.conf</c> and <c>lock</c>. It is <c>postgres/</c> in the node's data directory, or what a link of that name leads to.
/// </summary>
internal sealed class ClusterHome
{
    /// <summary>The node may write here, anybody may pass through: the directories inside have their own modes.</summary>
    private const UnixFileMode PassThrough = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private ClusterHome(string path, ServerOwner owner)
    {
        Path = path;
        Owner = owner;
    }

    /// <summary>Absolute, and free of links.</summary>
    public string Path { get; }

    public ServerOwner Owner { get; }

    public string Cluster => In("cluster");

    public string Sockets => In("run");

    public string Logs => In("log");

    public string StartLog => System.IO.Path.Combine(Logs, "start.log");

    public string Settings => In("osa.conf");

    public string PasswordFile => In("password");

    public bool IsInitialised => File.Exists(System.IO.Path.Combine(Cluster, "PG_VERSION"));

    /// <summary>Major version of PostgreSQL that made the cluster; null where there is none yet.</summary>
    public int? Version => IsInitialised
        ? int.Parse(File.ReadAllText(System.IO.Path.Combine(Cluster, "PG_VERSION")).Trim(), CultureInfo.InvariantCulture)
        : null;

    public string In(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Finds the home, or makes it where the server's user can reach it.</summary>
    /// <exception cref="OsaException">InvalidArgument: the path cannot be handed to pg_ctl; Unavailable: no usable user or place.</exception>
    public static async Task<ClusterHome> PrepareAsync(EmbeddedPostgresOptions options, CancellationToken ct)
    {
        string data = System.IO.Path.GetFullPath(options.DataDirectory);
        if (data.Any(c => char.IsControl(c) || c is '"' or '$' or '`' or '\\'))
        {
            throw OsaException.Invalid("dataDirectory", "path", $"{data}: pg_ctl hands the path to a shell: use one without quotation marks, $, ` and \\");
        }

        string entry = System.IO.Path.Combine(data, "postgres");
        string? existing = Directory.Exists(System.IO.Path.Combine(entry, "cluster")) ? System.IO.Path.Combine(entry, "cluster") : null;
        ServerOwner owner = await ServerOwner.ResolveAsync(options.RunAs, existing, ct);
        if (new FileInfo(entry) is { LinkTarget: { } target } && !Directory.Exists(entry))
        {
            throw OsaException.Unavailable($"the node's PostgreSQL cluster was put into {target}, which is gone: restore it, or delete {entry} to begin with an empty one");
        }

        if (!Directory.Exists(entry))
        {
            await CreateAsync(data, entry, options.FallbackDirectory, owner, ct);
        }

        CommandResult real = await Command.RunAsync("readlink", ["-f", entry], "", ct);
        var home = new ClusterHome(real.Output.TrimEnd('\n'), owner);
        if (!await owner.CanReachAsync(home.Path, ct))
        {
            throw OsaException.Unavailable($"user {owner.Name}, who runs the node's PostgreSQL, cannot enter {home.Path}: make every directory on the way to it passable (chmod o+x)");
        }

        owner.CreatePrivateDirectory(home.Sockets);
        owner.CreatePrivateDirectory(home.Logs);
        return home;
    }

    /// <summary>Writes osa.conf, which the server's user reads and only the node writes.</summary>
    public async Task WriteSettingsAsync(string text, CancellationToken ct)
    {
        await File.WriteAllTextAsync(Settings, text, ct);
        File.SetUnixFileMode(Settings, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    private static async Task CreateAsync(string data, string entry, string fallback, ServerOwner owner, CancellationToken ct)
    {
        if (!Directory.Exists(data))
        {
            Directory.CreateDirectory(data);
            File.SetUnixFileMode(data, PassThrough);
        }

        if (await owner.CanReachAsync(data, ct))
        {
            MakeHome(entry);
            return;
        }

        // Root's home, for one, is closed to everybody else.
        string elsewhere = System.IO.Path.Combine(fallback, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(data)))[..16]);
        if (!Directory.Exists(fallback))
        {
            MakeHome(fallback);
        }

        MakeHome(elsewhere);
        if (!await owner.CanReachAsync(elsewhere, ct))
        {
            throw OsaException.Unavailable($"user {owner.Name}, who runs the node's PostgreSQL, can enter neither {data} nor {elsewhere}: make every directory on the way to one of them passable (chmod o+x)");
        }

        try
        {
            File.CreateSymbolicLink(entry, elsewhere);
        }
        catch (IOException) when (Directory.Exists(entry))
        {
            // Another start of the same node was faster, and chose the same place.
        }
    }

    private static void MakeHome(string path)
    {
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, PassThrough);
    }
}
