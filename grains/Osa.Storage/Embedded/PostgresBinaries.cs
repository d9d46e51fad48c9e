using System.Globalization;
using System.Text.RegularExpressions;
using Osa.Domain.Errors;

namespace Osa.Storage.Embedded;

/// <summary>An installed PostgreSQL server.</summary>
/// <param name="Directory">Where <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c> are.</param>
internal sealed partial record PostgresBinaries(string Directory, int MajorVersion)
{
    /// <summary>The oldest major version that the node's SQL runs on.</summary>
    private const int Oldest = 15;

    private static readonly string[] Programs = ["initdb", "pg_ctl", "postgres"];

    public string this[string program] => Path.Combine(Directory, program);

    /// <summary>Finds the binaries for a new cluster, or for one that <paramref name="clusterVersion"/> made.</summary>
    /// <exception cref="OsaException">Unavailable: none is installed, or none of the cluster's major version; says which package to install.</exception>
    public static async Task<PostgresBinaries> FindAsync(string? configured, int? clusterVersion, string cluster, CancellationToken ct)
    {
        var found = new List<PostgresBinaries>();
        foreach (string directory in configured is null ? Candidates() : [Path.GetFullPath(configured)])
        {
            if (Programs.All(program => File.Exists(Path.Combine(directory, program)))
                && await VersionAsync(Path.Combine(directory, "postgres"), ct) is { } version)
            {
                found.Add(new PostgresBinaries(directory, version));
            }
        }

        if (configured is not null && found.Count == 0)
        {
            throw OsaException.Unavailable($"{configured} is not a directory with the programs {string.Join(", ", Programs)} of a PostgreSQL server");
        }

        PostgresBinaries? best = found.Where(b => clusterVersion is null ? b.MajorVersion >= Oldest : b.MajorVersion == clusterVersion).MaxBy(b => b.MajorVersion);
        if (best is not null)
        {
            return best;
        }

        string others = found.Count == 0 ? "no PostgreSQL server is installed" : "installed is only " + string.Join(", ", found.Select(b => $"{b.MajorVersion} ({b.Directory})"));
        throw OsaException.Unavailable(clusterVersion is null
            ? $"the node needs PostgreSQL {Oldest} or later and {others}: run 'apt-get install postgresql', or name a server of yours by its connection string"
            : $"the cluster in {cluster} was made by PostgreSQL {clusterVersion} and {others}: run 'apt-get install postgresql-{clusterVersion}', or move the cluster to another version with pg_upgrade");
    }

    /// <summary>Debian's, Red Hat's and Alpine's places, a build's own, and the search path; each once.</summary>
    private static IEnumerable<string> Candidates()
    {
        IEnumerable<string> packaged = Matching("/usr/lib/postgresql", "*", "bin")
            .Concat(Matching("/usr", "pgsql-*", "bin"))
            .Concat(Matching("/usr/libexec", "postgresql*", ""))
            .Append("/usr/local/pgsql/bin");
        IEnumerable<string> onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(directory => Path.Combine(directory, "pg_ctl"))
            .Where(File.Exists)
            .Select(program => Path.GetDirectoryName(File.ResolveLinkTarget(program, returnFinalTarget: true)?.FullName ?? program)!);
        return packaged.Concat(onPath).Distinct(StringComparer.Ordinal);
    }

    private static IEnumerable<string> Matching(string parent, string pattern, string child) => System.IO.Directory.Exists(parent)
        ? System.IO.Directory.EnumerateDirectories(parent, pattern).Select(directory => Path.Combine(directory, child))
        : [];

    private static async Task<int?> VersionAsync(string postgres, CancellationToken ct)
    {
        try
        {
            CommandResult result = await Command.RunAsync(postgres, ["--version"], "", ct);
            return Version().Match(result.Output) is { Success: true } match ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\(PostgreSQL\) ([0-9]{1,4})", RegexOptions.NonBacktracking)]
    private static partial Regex Version();
}
