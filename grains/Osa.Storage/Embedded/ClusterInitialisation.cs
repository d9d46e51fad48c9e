using System.Security.Cryptography;
using Osa.Domain.Errors;
using Osa.Storage.Files;

namespace Osa.Storage.Embedded;

/// <summary>Makes the node's cluster, whole or not at all: it is built aside and renamed into its place as the last step.</summary>
internal static class ClusterInitialisation
{
    /// <summary>The node's role and database.</summary>
    public const string NodeName = "osa";

    private const string Superuser = "postgres";

    public static async Task RunAsync(ClusterHome home, PostgresBinaries binaries, bool durable, CancellationToken ct)
    {
        foreach (string abandoned in Directory.GetDirectories(home.Path, "cluster.new-*"))
        {
            TryDelete(abandoned);
        }

        string password = await PasswordAsync(home, ct);
        string cluster = home.In("cluster.new-" + Guid.NewGuid().ToString("N"));
        home.Owner.CreatePrivateDirectory(cluster);
        try
        {
            // The C locale orders by bytes: no upgrade of the system's libraries can change the order that indexes were built in.
            // Nobody but the operating system's owner of the files is let in as superuser, so initdb is given no password.
            await MustAsync(home, binaries["initdb"],
                ["-D", cluster, "-U", Superuser, "--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=reject", "--no-sync", "--no-instructions"], "", ct);
            // The server without its network, one statement a line.
            await MustAsync(home, binaries["postgres"], ["--single", "-F", "-D", cluster, "-c", "exit_on_error=true", "postgres"],
                $"""
                create role {NodeName} login createdb password '{password}'
                create database {NodeName} owner {NodeName}

                """, ct);
            await home.Owner.WriteFileAsync(Path.Combine(cluster, "pg_hba.conf"), ServerSettings.HostBasedAuthentication, append: false, ct);
            await home.Owner.WriteFileAsync(Path.Combine(cluster, "pg_ident.conf"), ServerSettings.UserMap(home.Owner.Name), append: false, ct);
            await home.Owner.WriteFileAsync(Path.Combine(cluster, "postgresql.conf"), ServerSettings.Inclusion, append: true, ct);
            if (durable)
            {
                await MustAsync(home, binaries["initdb"], ["--sync-only", "-D", cluster], "", ct);
            }

            Directory.Move(cluster, home.Cluster);
            Posix.SyncDirectory(home.Path);
        }
        catch
        {
            TryDelete(cluster);
            throw;
        }
    }

    /// <summary>The password that an interrupted initialisation chose, or a new one.</summary>
    private static async Task<string> PasswordAsync(ClusterHome home, CancellationToken ct)
    {
        if (!File.Exists(home.PasswordFile))
        {
            string temporary = home.PasswordFile + ".new";
            File.Delete(temporary);
            await using (var file = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                await file.WriteAsync(System.Text.Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(64, lowercase: true) + "\n"), ct);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, home.PasswordFile);
        }

        return (await File.ReadAllTextAsync(home.PasswordFile, ct)).Trim();
    }

    private static async Task MustAsync(ClusterHome home, string program, string[] arguments, string input, CancellationToken ct)
    {
        CommandResult result = await home.Owner.RunAsync(program, arguments, input, ct);
        if (!result.Succeeded)
        {
            throw OsaException.Unavailable($"the node's PostgreSQL cluster could not be made in {home.Path}: {program} ended with {result.ExitCode}: {result.Tail}");
        }
    }

    /// <summary>A program that outlived a killed node may still be writing there: the next start tries again.</summary>
    private static void TryDelete(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }
}
