using System.Text;
using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Hooks that want to harm the node, its neighbours or the data: each gets its verdict within its limits, and whoever comes next notices nothing.</summary>
public sealed class HostileHookTests : IAsyncLifetime
{
    // For hooks that only the clock ends; what another rule ends has time for it on the slowest machine.
    private const int TimeoutSeconds = 8;
    private const int AmpleSeconds = 240;

    // Does what the deposition's title says, in hexadecimal digits, as a shell script.
    private const string Obedient = """
        sed -n 's/.*"title": *"\([^"]*\)".*/\1/p' "$OSA_IN/record.json" | xxd -r -p > /tmp/do
        cd "$OSA_OUT"
        . /tmp/do
        """;

    // The engine needs longer for each than whoever writes it.
    private static readonly int LogLines = TestLength.IsLong ? 1_000_000 : 100_000;

    private const string Pass = "printf '[{\"label\": \"fine\"}]' > features.json";

    // What it does, how it ends, and what its reason says.
    private static readonly (string Name, string Script, string Status, string Reason)[] Hooks =
    [
        // The hook's own shell forks once, before there is a bomb: a fork that is refused would end it, and with it the container.
        ("fork bomb", "bomb() { bomb | bomb & }; bomb & exec sleep 1000", "failed", $"{TimeoutSeconds} s"),
        ("memory hog", "x=$(yes | head -c 300000000)", "failed", "memory"),
        ("memory hog in a child", "(x=$(yes | head -c 300000000)) & wait; exit 0", "failed", "memory"),
        ("infinite loop", "while :; do :; done", "failed", $"{TimeoutSeconds} s"),
        ("deaf to signals", "trap '' TERM INT HUP; sleep 1000", "failed", $"{TimeoutSeconds} s"),
        ("10 GB in one file", "dd if=/dev/zero of=big bs=1M count=10240", "failed", ""),
        ("10 GB in many files", "i=0; while :; do dd if=/dev/zero of=big$i bs=1M count=1 2> /dev/null; i=$((i+1)); done", "failed", "output"),
        ("too many files", "i=0; while :; do : > f$i; i=$((i+1)); done", "failed", "output"),
        ($"{LogLines} log lines", $"yes 'a line of a log that nobody reads' | head -n {LogLines}; {Pass}", "passed", ""),
        ("a link to a file of the host", "ln -s /etc/passwd features.json", "failed", "features.json"),
        ("a hard link to the input", "ln $OSA_IN/record.json features.json 2> /dev/null || exit 3", "failed", ""),
        ("a fifo", "mkfifo features.json", "failed", "features.json"),
        ("a directory", "mkdir features.json", "failed", "features.json"),
        ("deeply nested", "yes '[' | head -n 200000 | tr -d '\n' > features.json", "failed", "features[0]"),
        ("deeply nested in a column", "{ printf '[{\"details\": '; yes '{\"a\":' | head -n 1000 | tr -d '\n'; printf 1; yes '}' | head -n 1000 | tr -d '\n'; printf '}]'; } > features.json", "failed", ""),
        ("1 GB of features", "{ printf '['; yes '{\"label\": \"x\"},' | head -c 1000000000; } > features.json", "failed", "output"),
        ("not UTF-8", "printf '[{\"label\": \"\\377\\376\"}]' > features.json", "failed", "features[0].label: not valid UTF-8"),
        ("wrong types", "printf '[{\"position\": \"five\"}]' > features.json", "failed", "expected integer, got string"),
        ("unknown columns", "printf '[{\"other\": 1}]' > features.json", "failed", "other"),
        ("a forged record_srn", "printf '[{\"record_srn\": \"urn:osa:localhost:rec:00000000-0000-0000-0000-000000000000@1\"}]' > features.json", "failed", "record_srn"),
        ("NaN", "printf '[{\"score\": NaN}]' > features.json", "failed", ""),
        ("NUL", "printf '[{\"label\": \"a\\\\u0000b\"}]' > features.json", "failed", "features[0].label"),
        ("writing to its input", $"if echo x > $OSA_IN/record.json || echo x > $OSA_IN/new; then exit 3; fi; {Pass}", "passed", ""),
        ("writing to its image", $"if echo x > /bin/new || rm /bin/busybox; then exit 3; fi; {Pass}", "passed", ""),
        ("a network connection", $"if wget -q -T 3 -O - http://PEER/ || ping -c 1 -W 1 127.0.0.2; then exit 3; fi; {Pass}", "passed", ""),
        ("becoming root", $"if [ $(id -u) != 65534 ] || mknod /tmp/d b 8 0 || mount -t tmpfs t /tmp || chroot / id; then exit 3; fi; {Pass}", "passed", ""),
        ("reading another deposition", $"if [ $(find / -name record.json -not -path '/proc/*' 2> /dev/null | wc -l) != 1 ] || [ -e /var/run/docker.sock ] || [ -e /proc/1/root/etc/passwd ]; then exit 3; fi; {Pass}", "passed", ""),
        ("a sparse file", "dd if=/dev/zero of=features.json bs=1 count=1 seek=10737418240", "failed", "file size limit"),
        ("folders in folders", $"i=0; while [ $i -lt 450 ] && mkdir d && cd d; do i=$((i+1)); done; cd $OSA_OUT; {Pass}", "passed", ""),
        ("locked folders", $"mkdir -p a/b; : > a/b/c; chmod 000 a/b a; {Pass}", "passed", ""),
        ("names of any bytes", $": > \"$(printf 'a\\nb\\377')\"; : > -rf; {Pass}", "passed", ""),
        ("links in a circle", "ln -s . loop; ln -s loop/features.json features.json", "failed", "features.json"),
        ("a child that stays", $"sleep 1000 & {Pass}", "passed", ""),
        ("the exit code of a kill", "exit 137", "failed", "137"),
        ("a program of its own", $"cp /bin/busybox /tmp/mine; if /tmp/mine true; then exit 3; fi; {Pass}", "passed", ""),
    ];

    private readonly TempDirectory _data = new();
    private string _image = "";

    private Archive Archive { get; set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _image = await ShellImage.ImportAsync(Obedient);
        // Low, so that what has to reach them does so soon.
        Archive = await Archive.StartAsync(
            _data.Path, await PostgresServer.CreateDatabaseAsync(), engine: true, ("OSA_LIMITS__MaxOutputBytes", $"{64 << 20}"), ("OSA_LIMITS__MaxFeatureBytes", $"{64 << 20}"), ("OSA_LIMITS__MaxOutputFiles", "500"));
    }

    public async ValueTask DisposeAsync()
    {
        await Archive.DisposeAsync();
        await ShellImage.RemoveAsync(_image);
        _data.Dispose();
    }

    [Fact]
    public async Task Each_gets_its_verdict_within_its_limits_and_the_next_hook_is_normal()
    {
        string id = Documents.NewId("hostile");
        string table = Documents.NewTable("hostile");
        await RegisterAsync(id, table, AmpleSeconds);
        string brief = Documents.NewId("brief");
        await RegisterAsync(brief, Documents.NewTable("brief"), TimeoutSeconds);
        string peer = $"{Archive.Node.Address.Host}:{Archive.Node.Address.Port}";

        (DepositionHandle Deposition, ValidationRun Run)[] judged = await Expect.AllAsync(Hooks.Select(async h =>
        {
            string script = Convert.ToHexString(Encoding.UTF8.GetBytes(h.Script.Replace("PEER", peer, StringComparison.Ordinal))).ToLowerInvariant();
            DepositionHandle deposition = await Archive.Ada.Depositions.CreateAsync(IsEndedByTheClock(h.Reason) ? brief : id, Documents.Metadata(null, script));
            // Somebody's run of one hook after the other, beside all of the others.
            return (deposition, await (await deposition.SubmitAsync()).WaitAsync().WaitAsync(TimeSpan.FromMinutes(9)));
        }));

        var wrong = new List<string>();
        foreach (((string name, _, string status, string reason), (_, ValidationRun run)) in Hooks.Zip(judged))
        {
            DepositionVerdict verdict = Assert.Single(run.Depositions);
            if (verdict.Status != status || !verdict.Reason.Contains(reason, StringComparison.OrdinalIgnoreCase) || (IsEndedByTheClock(reason) && run.Hooks[0].Duration.ToTimeSpan() > TimeSpan.FromSeconds(2 * TimeoutSeconds)))
            {
                wrong.Add($"{name}: expected {status} ({reason}), got after {run.Hooks[0].Duration} {verdict.Status}: {verdict.Reason}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));

        DepositionHandle next = await Archive.Ada.Depositions.CreateAsync(id, Documents.Metadata(null, Convert.ToHexString(Encoding.UTF8.GetBytes(Pass))));
        Assert.Equal(RunStatus.Passed, (await Archive.VerdictAsync(await next.SubmitAsync())).Status);
        Assert.Equal("healthy", (await Archive.Admin.Node.StatusAsync()).Health);
        Assert.Equal(Hooks.Count(h => h.Status == "passed") + 1, (await Archive.RowsAsync(table)).Count);
        await Cleanup.IsDoneAsync(Archive, [.. judged.Select(j => j.Run.Srn)]);
    }

    private static bool IsEndedByTheClock(string reason) => reason == $"{TimeoutSeconds} s";

    private async Task RegisterAsync(string id, string table, int timeoutSeconds)
    {
        JsonObject hook = Documents.Hook(table, Documents.RowColumns, new JsonObject(), timeoutSeconds: timeoutSeconds, image: _image);
        hook["digest"] = _image;
        hook["limits"]!["pids"] = 64;
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", hook));
    }
}
