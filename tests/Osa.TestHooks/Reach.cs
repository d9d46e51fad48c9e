using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Osa.TestHooks;

/// <summary>What can be reached over the network. A target is <c>tcp ADDRESS PORT</c>, <c>udp ADDRESS PORT</c> (sent is reached) or <c>dns NAME</c>; an interface after it is what the socket is bound to.</summary>
internal static class Reach
{
    private const int SocketLevel = 1;
    private const int BindToDevice = 25;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>One JSON object: per target <c>reached</c> or the error, and how many milliseconds it took.</summary>
    public static void Write(string path, IEnumerable<string> targets)
    {
        using FileStream file = new(path, FileMode.Create);
        using Utf8JsonWriter json = new(file);
        json.WriteStartObject();
        foreach (string target in targets)
        {
            long started = Stopwatch.GetTimestamp();
            string found = Try(target.Split(' '));
            json.WriteStartObject(target);
            json.WriteString("found", found);
            json.WriteNumber("ms", (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static string Try(string[] words)
    {
        try
        {
            return words switch
            {
                ["tcp", var address, var port, .. var device] => Connect(new IPEndPoint(IPAddress.Parse(address), int.Parse(port)), device),
                ["udp", var address, var port, .. var device] => Send(new IPEndPoint(IPAddress.Parse(address), int.Parse(port)), device),
                ["dns", var name] => Ask(name),
                _ => "no such target",
            };
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode.ToString();
        }
    }

    private static string Connect(IPEndPoint target, string[] device)
    {
        using Socket socket = new(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
        Bind(socket, device);
        try
        {
            socket.Connect(target);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            // The rest is seen below.
        }

        // Ends at once for an error too, which it does not tell.
        bool connected = socket.Poll(Patience, SelectMode.SelectWrite);
        SocketError error = (SocketError)(int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
        return error != SocketError.Success ? error.ToString() : connected ? "reached" : "timeout";
    }

    private static string Send(IPEndPoint target, string[] device)
    {
        using Socket socket = new(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { EnableBroadcast = true };
        Bind(socket, device);
        socket.SendTo([1], target);
        return "reached";
    }

    // A question for an A record, put to the resolver that the engine gives.
    private static string Ask(string name)
    {
        byte[] question =
        [
            0x05, 0x0a, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0,
            .. name.Split('.').SelectMany(label => (byte[])[(byte)label.Length, .. Encoding.ASCII.GetBytes(label)]), 0,
            0, 1, 0, 1,
        ];
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = (int)Patience.TotalMilliseconds };
        socket.Connect(new IPEndPoint(IPAddress.Parse("127.0.0.11"), 53));
        socket.Send(question);
        byte[] answer = new byte[512];
        int length = socket.Receive(answer);
        return length > 3 && (answer[3] & 0xf) == 0 ? "reached" : $"code {answer[3] & 0xf}";
    }

    private static void Bind(Socket socket, string[] device)
    {
        if (device is [var name])
            socket.SetRawSocketOption(SocketLevel, BindToDevice, Encoding.ASCII.GetBytes(name));
    }
}
