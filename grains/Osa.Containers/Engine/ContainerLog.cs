using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Domain.Validation;

namespace Osa.Containers.Engine;

/// <summary>The first 16 KiB and the last 48 KiB of what a container wrote to stdout and stderr.</summary>
internal static class ContainerLog
{
    public const int HeadBytes = 16 << 10;
    public const int TailBytes = 48 << 10;

    // An entry of the engine's log is at most 16 KiB long and often a short line.
    private const string TailEntries = "4000";

    public static Task<string> ReadAsync(EngineApi api, string containerId, CancellationToken cancellationToken) => api.CallAsync(
        "read a container's log",
        async (client, token) =>
        {
            byte[] head = new byte[HeadBytes + TailBytes];
            int length;
            using (MultiplexedStream log = await OpenAsync(client, containerId, "all", token))
                length = await FillAsync(log, head, token);
            if (length < head.Length)
                return Text(head.AsSpan(0, length));
            byte[] tail = new byte[TailBytes];
            long total = 0;
            using (MultiplexedStream log = await OpenAsync(client, containerId, TailEntries, token))
            {
                byte[] buffer = new byte[1 << 16];
                while (await log.ReadOutputAsync(buffer, 0, buffer.Length, token) is { Count: > 0 } read)
                {
                    foreach (byte b in buffer.AsSpan(Math.Max(0, read.Count - TailBytes), Math.Min(read.Count, TailBytes)))
                        tail[total++ % TailBytes] = b;
                }
            }

            int start = (int)(total > TailBytes ? total % TailBytes : 0);
            byte[] ordered = total > TailBytes ? [.. tail[start..], .. tail[..start]] : tail[..(int)total];
            return $"{Text(head.AsSpan(0, HeadBytes))}\n… the middle of the log is left out …\n{Text(ordered)}";
        },
        cancellationToken);

    private static Task<MultiplexedStream> OpenAsync(DockerClient client, string containerId, string tail, CancellationToken cancellationToken) =>
        client.Containers.GetContainerLogsAsync(containerId, tty: false, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Tail = tail }, cancellationToken);

    private static async Task<int> FillAsync(MultiplexedStream log, byte[] buffer, CancellationToken cancellationToken)
    {
        int length = 0;
        while (length < buffer.Length && await log.ReadOutputAsync(buffer, length, buffer.Length - length, cancellationToken) is { Count: > 0 } read)
            length += read.Count;
        return length;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => PlainText.Clean(Encoding.UTF8.GetString(bytes));
}
