using System.ComponentModel;
using System.Globalization;
using Osa.Domain.Errors;
using Osa.Storage.Files;

namespace Osa.Storage.Embedded;

/// <summary>The user that PostgreSQL runs as: the node's own, or, where that is root, an unprivileged one.</summary>
internal sealed class ServerOwner
{
    private readonly string[] _prefix;

    private ServerOwner(string name, uint user, uint group, string[] prefix)
    {
        Name = name;
        User = user;
        Group = group;
        _prefix = prefix;
    }

    public string Name { get; }

    private uint User { get; }

    private uint Group { get; }

    private bool IsSelf => _prefix.Length == 0;

    /// <summary>Who owns, or shall own, the cluster.</summary>
    /// <param name="runAs">The configured user, for a new cluster of a node that is root.</param>
    /// <param name="cluster">The cluster's directory, if it exists: its owner counts.</param>
    /// <exception cref="OsaException">Unavailable: the cluster is another user's, no such user, or no way to become that user.</exception>
    public static async Task<ServerOwner> ResolveAsync(string? runAs, string? cluster, CancellationToken ct)
    {
        uint self = await NumberAsync("id", ["-u"], ct);
        uint? existing = cluster is null ? null : await NumberAsync("stat", ["-c", "%u", cluster], ct);
        if (self != 0)
        {
            return existing is null || existing == self
                ? new ServerOwner(Environment.UserName, self, 0, [])
                : throw OsaException.Unavailable($"the cluster in {cluster} belongs to user id {existing} and the node runs as {self}: start the node as the user that it was first started as");
        }

        if (existing == 0)
        {
            throw OsaException.Unavailable($"the cluster in {cluster} belongs to root, which PostgreSQL refuses to run as: run 'chown -R postgres {cluster}'");
        }

        string name = existing is null ? await ChooseAsync(runAs, ct) : await TextAsync("stat", ["-c", "%U", cluster!], ct);
        uint user = existing ?? await NumberAsync("id", ["-u", name], ct);
        if (user == 0)
        {
            throw OsaException.Unavailable("PostgreSQL refuses to run as root: name another user for it");
        }

        uint group = cluster is null ? await NumberAsync("id", ["-g", name], ct) : await NumberAsync("stat", ["-c", "%g", cluster], ct);
        return new ServerOwner(name, user, group, await FindPrefixAsync(name, user, group, ct));
    }

    /// <summary>Runs a program as this user.</summary>
    public Task<CommandResult> RunAsync(string program, IEnumerable<string> arguments, string input, CancellationToken ct) =>
        IsSelf ? Command.RunAsync(program, arguments, input, ct) : Command.RunAsync(_prefix[0], [.. _prefix[1..], program, .. arguments], input, ct);

    /// <summary>Writes a file in a directory of this user with this user's rights, so that a link planted there leads nowhere.</summary>
    /// <exception cref="OsaException">Unavailable: it could not be written.</exception>
    public async Task WriteFileAsync(string path, string text, bool append, CancellationToken ct)
    {
        CommandResult result = await RunAsync("/bin/sh", ["-c", append ? "umask 077; cat >> \"$0\"" : "umask 077; cat > \"$0\"", path], text, ct);
        if (!result.Succeeded)
        {
            throw OsaException.Unavailable($"{path} could not be written by user {Name}: {result.Tail}");
        }
    }

    /// <summary>True when this user can enter the directory, all of its parents included.</summary>
    public async Task<bool> CanReachAsync(string directory, CancellationToken ct) =>
        (await RunAsync("/bin/sh", ["-c", "test -x \"$0\"", directory], "", ct)).Succeeded;

    /// <summary>Makes a directory this user's alone; its parent must be one that only the node can write to.</summary>
    public void CreatePrivateDirectory(string path)
    {
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(path, mode);
        File.SetUnixFileMode(path, mode);
        GiveAway(path);
    }

    /// <summary>Makes this user the owner of what the node made.</summary>
    public void GiveAway(string path)
    {
        if (!IsSelf)
        {
            Posix.ChangeOwner(path, User, Group);
        }
    }

    private static async Task<string> ChooseAsync(string? runAs, CancellationToken ct)
    {
        string[] names = runAs is null ? ["postgres", "nobody"] : [runAs];
        foreach (string name in names)
        {
            if ((await Command.RunAsync("id", ["-u", name], "", ct)).Succeeded)
            {
                return name;
            }
        }

        throw OsaException.Unavailable($"PostgreSQL refuses to run as root, and there is no user {string.Join(" or ", names)} to run it as: run 'adduser --system postgres'");
    }

    /// <summary>The first program that can become the user here: busybox, for one, has a setpriv that cannot.</summary>
    private static async Task<string[]> FindPrefixAsync(string name, uint user, uint group, CancellationToken ct)
    {
        string[][] ways =
        [
            ["setpriv", $"--reuid={user}", $"--regid={group}", "--clear-groups", "--"],
            ["runuser", "-u", name, "--"],
            ["su", name, "-s", "/bin/sh", "-c", "exec \"$0\" \"$@\"", "--"],
        ];
        foreach (string[] way in ways)
        {
            try
            {
                CommandResult result = await Command.RunAsync(way[0], [.. way[1..], "/bin/sh", "-c", "id -u"], "", ct);
                if (result.Succeeded && string.Equals(result.Output.Trim(), user.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))
                {
                    return way;
                }
            }
            catch (Win32Exception)
            {
                // Not installed: the next one.
            }
        }

        throw OsaException.Unavailable($"PostgreSQL refuses to run as root, and none of setpriv, runuser and su can start it as user {name}: run 'apt-get install util-linux', or start the node as an ordinary user");
    }

    private static async Task<uint> NumberAsync(string program, string[] arguments, CancellationToken ct) =>
        uint.Parse(await TextAsync(program, arguments, ct), CultureInfo.InvariantCulture);

    private static async Task<string> TextAsync(string program, string[] arguments, CancellationToken ct)
    {
        CommandResult result = await Command.RunAsync(program, arguments, "", ct);
        return result.Succeeded ? result.Output.Trim() : throw OsaException.Unavailable($"'{program} {string.Join(' ', arguments)}' failed: {result.Tail}");
    }
}
