using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;

namespace Osa.Containers.Probe;

/// <summary>
/// A packet filter of this network namespace, made by nf_tables in one transaction: what leaves is asked rule by rule, the first that matches
/// decides, and what none matches is dropped. Routes would not do: any user may bind a socket to the interface, and then the kernel takes a
/// destination without a route to be on the link. The wire format is that of linux/netfilter/nf_tables.h.
/// </summary>
internal static unsafe partial class PacketFilter
{
    private const int AddressFamilyIPv4 = 2;
    private const int AddressFamilyNetlink = 16;
    private const int DatagramSocket = 2;
    private const int RawSocket = 3;
    private const int CloseOnExec = 0x80000;
    private const int NetlinkNetfilter = 12;
    private const int EPERM = 1;

    private const string Table = "osa";
    private const string Output = "output";

    /// <param name="rules">In the order in which they are asked: <c>accept 10.1.2.0/24</c>, <c>reject 10.1.2.3/32 any 5432</c>, <c>accept 10.1.2.3/32 tcp 443</c>.</param>
    /// <exception cref="FormatException">A rule that is none.</exception>
    /// <exception cref="IOException">The kernel refused; nothing was installed then.</exception>
    public static void Install(IReadOnlyList<string> rules)
    {
        NetlinkBatch batch = new();
        batch.NewTable(Table);
        batch.NewChain(Table, Output, NetlinkBatch.HookOutput);
        // Nothing is passed on for anybody else.
        batch.NewChain(Table, "forward", NetlinkBatch.HookForward);
        batch.NewRule(Table, Output, isLast: false, rule => rule.ToLoopback().Accept());
        for (int i = 0; i < rules.Count; i++)
            batch.NewRule(Table, Output, isLast: i == rules.Count - 1, Parse(rules[i]));
        Send(batch.End());
        Verify();
    }

    private static Action<RuleExpressions> Parse(string text)
    {
        string[] words = text.Split(' ');
        if (words is not (["accept" or "reject", _] or ["accept" or "reject", _, "any" or "tcp" or "udp", _]))
            throw new FormatException($"'{text}' is not a rule");
        string[] network = words[1].Split('/');
        byte[] address = IPAddress.Parse(network[0]).GetAddressBytes();
        int length = int.Parse(network[1], NumberStyles.None, CultureInfo.InvariantCulture);
        ushort? port = words.Length > 2 ? ushort.Parse(words[3], NumberStyles.None, CultureInfo.InvariantCulture) : null;
        if (address.Length != 4 || length > 32)
            throw new FormatException($"'{text}' does not name a network of IPv4");
        return rule =>
        {
            rule.IPv4().To(address, length);
            if (words.Length > 2 && words[2] != "any")
                rule.Protocol(words[2] == "tcp" ? (byte)6 : (byte)17);
            if (port is { } number)
                rule.ToPort(number);
            if (words[0] == "accept")
                rule.Accept();
            else
                rule.Reject();
        };
    }

    private static void Send(byte[] batch)
    {
        int socket = OpenSocket(AddressFamilyNetlink, RawSocket | CloseOnExec, NetlinkNetfilter);
        if (socket < 0)
            throw Refused("netlink socket");
        try
        {
            fixed (byte* message = batch)
            {
                if (Send(socket, message, (nuint)batch.Length, 0) != batch.Length)
                    throw Refused("sending the rules");
            }

            // Refusals come in order, and the last rule alone asks for an answer when all is well.
            byte[] answer = new byte[1 << 16];
            while (true)
            {
                nint length;
                fixed (byte* buffer = answer)
                    length = Receive(socket, buffer, (nuint)answer.Length, 0);
                if (length < 0)
                    throw Refused("the kernel's answer");
                if (IsAcknowledged(answer.AsSpan(0, (int)length)))
                    return;
            }
        }
        finally
        {
            _ = Close(socket);
        }
    }

    private static bool IsAcknowledged(ReadOnlySpan<byte> answer)
    {
        while (answer.Length >= NetlinkBatch.HeaderLength + 4)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(answer);
            if (BinaryPrimitives.ReadUInt16LittleEndian(answer[4..]) == NetlinkBatch.ErrorMessage)
            {
                int error = -BinaryPrimitives.ReadInt32LittleEndian(answer[NetlinkBatch.HeaderLength..]);
                return error == 0 ? true : throw new IOException($"nf_tables refused message {BinaryPrimitives.ReadUInt32LittleEndian(answer[8..])} of the packet filter with error {error}; the kernel must have nf_tables with the family inet and reject");
            }

            answer = answer[Math.Min(answer.Length, Math.Max(NetlinkBatch.HeaderLength, (length + 3) & ~3))..];
        }

        return false;
    }

    // No packet filter lets this address out, and nothing but a packet filter says that it is not permitted.
    private static void Verify()
    {
        ReadOnlySpan<byte> address = [AddressFamilyIPv4, 0, 0, 9, 240, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        int socket = OpenSocket(AddressFamilyIPv4, DatagramSocket | CloseOnExec, 0);
        if (socket < 0)
            throw Refused("socket");
        byte nothing = 0;
        nint sent;
        fixed (byte* to = address)
            sent = SendTo(socket, &nothing, 1, 0, to, address.Length);
        int error = Marshal.GetLastPInvokeError();
        _ = Close(socket);
        if (sent >= 0 || error != EPERM)
            throw new IOException($"the packet filter is installed and does not work: a packet to 240.0.0.1 {(sent >= 0 ? "was sent" : $"ended with error {error}")}");
    }

    private static IOException Refused(string what) => new($"{what}: error {Marshal.GetLastPInvokeError()}");

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int socket, byte* message, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    private static partial nint SendTo(int socket, byte* message, nuint length, int flags, byte* address, int addressLength);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
