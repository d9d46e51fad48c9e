using Osa.Containers.Probe;
using Osa.Containers.Scratch;

// The node's own image. It proves what a container host can do before hooks depend on it, and removes what the node may not.
//   self-test   reads $OSA_IN/nonce and $OSA_IN/files/nonce, writes both and its own uid to $OSA_OUT/nonce, and a directory that nobody may enter
//   empty DIR   removes everything in DIR
//   gate RULE…  closes its network namespace off, says "ready" and stays, so that a container without any right may use it
try
{
    return args switch
    {
        ["empty", string directory] => UnixTree.Empty(directory) ? 0 : Fail(4, $"something in {directory} could not be removed"),
        ["self-test"] => SelfTest(),
        ["gate", .. { Length: > 0 } rules] => Gate(rules),
        _ => Fail(2, "usage: osa-probe self-test | empty DIR | gate RULE…"),
    };
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
{
    return Fail(3, e.Message);
}

static int SelfTest()
{
    string input = Environment.GetEnvironmentVariable("OSA_IN")!;
    string output = Environment.GetEnvironmentVariable("OSA_OUT")!;
    string document = Path.Combine(input, "nonce");
    string file = Path.Combine(input, "files", "nonce");
    if (!File.Exists(document) || !File.Exists(file))
        return Fail(5, $"{(File.Exists(document) ? file : document)} is not there: the engine mounts another directory than the node writes to");
    string uid = File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
    File.WriteAllText(Path.Combine(output, "nonce"), $"{File.ReadAllText(document)}\n{File.ReadAllText(file)}\n{uid}");
    File.WriteAllText("/tmp/probe", uid);
    string closed = Path.Combine(output, "closed");
    Directory.CreateDirectory(Path.Combine(closed, "inner"));
    File.SetUnixFileMode(closed, UnixFileMode.None);
    return 0;
}

static int Gate(string[] rules)
{
    // An address of IPv6 is a line of this file; without IPv6 there is no file.
    const string addresses = "/proc/net/if_inet6";
    if (File.Exists(addresses) && File.ReadAllText(addresses) is { Length: > 0 } found)
        return Fail(6, $"the network has addresses of IPv6, which were to be off: {found.Trim()}");
    PacketFilter.Install(rules);
    Console.WriteLine("ready");
    Thread.Sleep(Timeout.Infinite);
    return 0;
}

static int Fail(int code, string message)
{
    Console.Error.WriteLine(message);
    return code;
}
