using System.Buffers.Binary;
using System.Text;

namespace Osa.Containers.Probe;

/// <summary>The messages of one nf_tables transaction. Lengths and types are in the machine's order (little-endian wherever .NET runs), values in the network's.</summary>
internal sealed class NetlinkBatch
{
    public const int HeaderLength = 16;
    public const ushort ErrorMessage = 2;
    public const uint HookForward = 2;
    public const uint HookOutput = 3;

    private const byte Subsystem = 10;
    private const byte FamilyInet = 1;
    private const ushort BatchBegin = 0x10;
    private const ushort BatchEnd = 0x11;
    private const ushort NewTableMessage = (Subsystem << 8) | 0;
    private const ushort NewChainMessage = (Subsystem << 8) | 3;
    private const ushort NewRuleMessage = (Subsystem << 8) | 6;
    private const ushort Request = 0x1;
    private const ushort Acknowledge = 0x4;
    private const ushort Exclusive = 0x200;
    private const ushort Create = 0x400;
    private const ushort Append = 0x800;
    private const uint PolicyDrop = 0;

    private readonly NetlinkBuffer _buffer = new();
    private uint _serial;

    public NetlinkBatch() => Message(BatchBegin, Request, 0, Subsystem, () => { });

    public void NewTable(string table) => Message(NewTableMessage, Request | Create | Exclusive, FamilyInet, 0, () => _buffer.Text(1, table));

    /// <summary>A chain that drops what no rule of it decides.</summary>
    public void NewChain(string table, string chain, uint hook) => Message(
        NewChainMessage,
        Request | Create,
        FamilyInet,
        0,
        () =>
        {
            _buffer.Text(1, table);
            _buffer.Text(3, chain);
            _buffer.Nested(
                4,
                () =>
                {
                    _buffer.Number(1, hook);
                    _buffer.Number(2, 0);
                });
            _buffer.Number(5, PolicyDrop);
            _buffer.Text(7, "filter");
        });

    public void NewRule(string table, string chain, bool isLast, Action<RuleExpressions> expressions) => Message(
        NewRuleMessage,
        (ushort)(Request | Create | Append | (isLast ? Acknowledge : 0)),
        FamilyInet,
        0,
        () =>
        {
            _buffer.Text(1, table);
            _buffer.Text(2, chain);
            _buffer.Nested(4, () => expressions(new RuleExpressions(_buffer)));
        });

    public byte[] End()
    {
        Message(BatchEnd, Request, 0, Subsystem, () => { });
        return _buffer.ToArray();
    }

    private void Message(ushort type, ushort flags, byte family, ushort resource, Action attributes)
    {
        int start = _buffer.Length;
        _buffer.Raw(4);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.Raw(2), type);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.Raw(2), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.Raw(4), _serial++);
        _buffer.Raw(4);
        _buffer.Raw(2)[0] = family;
        BinaryPrimitives.WriteUInt16BigEndian(_buffer.Raw(2), resource);
        attributes();
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.At(start, 4), _buffer.Length - start);
    }
}

/// <summary>What a rule asks of a packet, in order, and what it decides then.</summary>
internal sealed class RuleExpressions(NetlinkBuffer buffer)
{
    private const uint Register = 1;
    private const uint VerdictRegister = 0;
    private const uint OutputInterfaceName = 7;
    private const uint NetworkProtocol = 15;
    private const uint TransportProtocol = 16;
    private const uint NetworkHeader = 1;
    private const uint TransportHeader = 2;
    private const uint VerdictAccept = 1;
    private const uint IcmpUnreachable = 0;
    private const byte AdministrativelyProhibited = 13;

    public RuleExpressions ToLoopback()
    {
        byte[] name = new byte[16];
        Encoding.ASCII.GetBytes("lo", name);
        return Meta(OutputInterfaceName).IsEqual(name);
    }

    public RuleExpressions IPv4() => Meta(NetworkProtocol).IsEqual([2]);

    public RuleExpressions Protocol(byte number) => Meta(TransportProtocol).IsEqual([number]);

    /// <param name="address">Four bytes.</param>
    /// <param name="length">Of the prefix, in bits.</param>
    public RuleExpressions To(byte[] address, int length)
    {
        if (length == 0)
            return this;
        Payload(NetworkHeader, 16, 4);
        if (length < 32)
        {
            byte[] mask = new byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(mask, uint.MaxValue << (32 - length));
            Expression(
                "bitwise",
                () =>
                {
                    buffer.Number(1, Register);
                    buffer.Number(2, Register);
                    buffer.Number(3, 4);
                    buffer.Nested(4, () => buffer.Bytes(1, mask));
                    buffer.Nested(5, () => buffer.Bytes(1, new byte[4]));
                });
        }

        return IsEqual(address);
    }

    /// <summary>The destination port stands at the same place in every protocol that has one.</summary>
    public RuleExpressions ToPort(ushort port)
    {
        byte[] value = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(value, port);
        return Payload(TransportHeader, 2, 2).IsEqual(value);
    }

    public RuleExpressions Accept() => Expression(
        "immediate",
        () =>
        {
            buffer.Number(1, VerdictRegister);
            buffer.Nested(2, () => buffer.Nested(2, () => buffer.Number(1, VerdictAccept)));
        });

    /// <summary>Refuses the packet so that its sender is told at once.</summary>
    public RuleExpressions Reject() => Expression(
        "reject",
        () =>
        {
            buffer.Number(1, IcmpUnreachable);
            buffer.Bytes(2, [AdministrativelyProhibited]);
        });

    private RuleExpressions Meta(uint key) => Expression(
        "meta",
        () =>
        {
            buffer.Number(1, Register);
            buffer.Number(2, key);
        });

    private RuleExpressions Payload(uint header, uint offset, uint length) => Expression(
        "payload",
        () =>
        {
            buffer.Number(1, Register);
            buffer.Number(2, header);
            buffer.Number(3, offset);
            buffer.Number(4, length);
        });

    private RuleExpressions IsEqual(byte[] value) => Expression(
        "cmp",
        () =>
        {
            buffer.Number(1, Register);
            buffer.Number(2, 0);
            buffer.Nested(3, () => buffer.Bytes(1, value));
        });

    private RuleExpressions Expression(string name, Action data)
    {
        buffer.Nested(
            1,
            () =>
            {
                buffer.Text(1, name);
                buffer.Nested(2, data);
            });
        return this;
    }
}

/// <summary>Netlink attributes, one after the other, each on a boundary of four bytes.</summary>
internal sealed class NetlinkBuffer
{
    private const ushort NestedFlag = 0x8000;

    private byte[] _bytes = new byte[1 << 14];

    public int Length { get; private set; }

    public byte[] ToArray() => _bytes[..Length];

    public Span<byte> At(int offset, int length) => _bytes.AsSpan(offset, length);

    /// <summary>The next bytes, zero.</summary>
    public Span<byte> Raw(int length)
    {
        if (Length + length > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + length));
        Length += length;
        return At(Length - length, length);
    }

    public void Bytes(ushort type, ReadOnlySpan<byte> value)
    {
        Header(type, 4 + value.Length);
        value.CopyTo(Raw((value.Length + 3) & ~3));
    }

    public void Number(ushort type, uint value)
    {
        Header(type, 8);
        BinaryPrimitives.WriteUInt32BigEndian(Raw(4), value);
    }

    /// <summary>ASCII with its end, as the kernel's strings are.</summary>
    public void Text(ushort type, string value) => Bytes(type, Encoding.ASCII.GetBytes(value + '\0'));

    public void Nested(ushort type, Action inner)
    {
        int start = Length;
        Header((ushort)(type | NestedFlag), 0);
        inner();
        BinaryPrimitives.WriteUInt16LittleEndian(At(start, 2), (ushort)(Length - start));
    }

    private void Header(ushort type, int length)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(Raw(2), (ushort)length);
        BinaryPrimitives.WriteUInt16LittleEndian(Raw(2), type);
    }
}
