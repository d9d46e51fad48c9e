using System.Buffers.Binary;
using System.Numerics;

namespace Osa.TestHooks;

/// <summary>SHA-256 (FIPS 180-4) in plain code: .NET's own needs OpenSSL, which a static program has not.</summary>
internal static class Sha256
{
    // The first 32 bits of the fractional parts of the roots of the first primes.
    private static readonly uint[] Constants = Primes(64, Math.Cbrt);

    public static string Hex(Stream stream)
    {
        uint[] state = Primes(8, Math.Sqrt);
        byte[] block = new byte[64];
        long length = 0;
        int read;
        while ((read = stream.ReadAtLeast(block, 64, throwOnEndOfStream: false)) == 64)
        {
            Add(state, block);
            length += 64;
        }

        length += read;
        block[read] = 0x80;
        block.AsSpan(read + 1).Clear();
        if (read >= 56)
        {
            Add(state, block);
            Array.Clear(block);
        }

        BinaryPrimitives.WriteInt64BigEndian(block.AsSpan(56), length * 8);
        Add(state, block);
        return string.Concat(state.Select(word => word.ToString("x8")));
    }

    private static void Add(uint[] state, byte[] block)
    {
        Span<uint> w = stackalloc uint[64];
        for (int i = 0; i < 16; i++)
            w[i] = BinaryPrimitives.ReadUInt32BigEndian(block.AsSpan(4 * i));
        for (int i = 16; i < 64; i++)
            w[i] = w[i - 16] + (Turn(w[i - 15], 7) ^ Turn(w[i - 15], 18) ^ (w[i - 15] >> 3)) + w[i - 7] + (Turn(w[i - 2], 17) ^ Turn(w[i - 2], 19) ^ (w[i - 2] >> 10));
        (uint a, uint b, uint c, uint d) = (state[0], state[1], state[2], state[3]);
        (uint e, uint f, uint g, uint h) = (state[4], state[5], state[6], state[7]);
        for (int i = 0; i < 64; i++)
        {
            uint first = h + (Turn(e, 6) ^ Turn(e, 11) ^ Turn(e, 25)) + ((e & f) ^ (~e & g)) + Constants[i] + w[i];
            uint second = (Turn(a, 2) ^ Turn(a, 13) ^ Turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + first, c, b, a, first + second);
        }

        (state[0], state[1], state[2], state[3]) = (state[0] + a, state[1] + b, state[2] + c, state[3] + d);
        (state[4], state[5], state[6], state[7]) = (state[4] + e, state[5] + f, state[6] + g, state[7] + h);
    }

    private static uint Turn(uint x, int by) => BitOperations.RotateRight(x, by);

    private static uint[] Primes(int count, Func<double, double> root) =>
        [.. Enumerable.Range(2, 400).Where(n => Enumerable.Range(2, n - 2).All(m => n % m != 0)).Take(count).Select(n => (uint)(root(n) % 1 * 4294967296.0))];
}
