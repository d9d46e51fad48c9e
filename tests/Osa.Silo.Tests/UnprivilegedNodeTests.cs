using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>The node as a user without rights who may use the engine.</summary>
public sealed class UnprivilegedNodeTests
{
    // On every Debian: its own group, and none of root's.
    private const string User = "daemon";

    [Fact]
    public async Task A_node_without_roots_rights_takes_a_deposition_to_its_record()
    {
        Assert.SkipUnless(Unprivileged.IsPossible, "Only root can start the node as somebody else.");
        using var data = new TempDirectory();
        await GiveAsync(data.Path);
        await using EngineProxy door = await EngineProxy.StartAsync(data["docker.sock"], User);
        await using NodeProcess node = await NodeProcess.StartAsync(new NodeSetup(data.Path)
        {
            User = User,
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["OSA_ENGINE"] = $"unix://{data["docker.sock"]}" },
        });
        Archive archive = Archive.Of(node, data.Path);
        await node.WaitForEngineAsync();
        string id = Documents.NewId("unprivileged");
        string table = Documents.NewTable("unprivileged");
        await archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));

        // What this node may neither read nor delete itself.
        (_, ValidationRun locked) = await archive.JudgeAsync(id, Documents.Steps(Documents.Do("output", ("kind", "locked-directory")), Documents.Do("output", ("kind", "unreadable"))));
        Record record = await archive.PublishAsync(id, Documents.Rows(4));

        Assert.Equal(RunStatus.Failed, locked.Status);
        Assert.Equal(4, (await archive.RowsAsync(table, record.Srn)).Count);
        await Cleanup.IsDoneAsync(archive, locked.Srn, record.Provenance.RunSrn);
        (_, string user) = await Unprivileged.RunAsync("ps", "-o", "user=", "-p", $"{node.ProcessId}");
        Assert.Equal(User, user.Trim());
    }

    private static async Task GiveAsync(string directory)
    {
        // The key is made first, so that it is the node's own too.
        Directory.CreateDirectory(Path.Combine(directory, "secrets"));
        await File.WriteAllTextAsync(Path.Combine(directory, "secrets", "signing.key"), Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(Path.Combine(directory, "secrets", "signing.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        (int code, string output) = await Unprivileged.RunAsync("chown", "-R", User, directory);
        Assert.True(code == 0, output);
    }
}
