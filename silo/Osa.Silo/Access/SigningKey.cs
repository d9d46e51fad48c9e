using Osa.Domain.Errors;

namespace Osa.Silo.Access;

/// <summary>The secret that signs tokens (HMAC-SHA256). There is no default: a node without one does not start.</summary>
public sealed class SigningKey
{
    private const int LeastBytes = 32;

    private SigningKey(byte[] bytes) => Bytes = bytes;

    public byte[] Bytes { get; }

    /// <summary>Reads a file that holds the base64 of at least 32 random bytes.</summary>
    /// <exception cref="OsaException">FailedPrecondition: no such file, others may read it, too short, or not random.</exception>
    public static SigningKey Read(string path)
    {
        if (!File.Exists(path))
        {
            throw OsaException.Precondition($"There is no signing key at {path}; make one with `osa node key`, or name another file in OSA_SIGNING_KEY_FILE");
        }

        if ((File.GetUnixFileMode(path) & (UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != UnixFileMode.None)
        {
            throw OsaException.Precondition($"Others can read the signing key at {path}; `chmod 600` it and, if it was readable for long, make a new one");
        }

        byte[] bytes;
        try
        {
            bytes = Convert.FromBase64String(File.ReadAllText(path).Trim());
        }
        catch (FormatException)
        {
            throw OsaException.Precondition($"The signing key at {path} is not base64; make one with `osa node key`");
        }

        // A placeholder ("changeme", zeros, a repeated word) has few different bytes; 32 random ones have about 30.
        return bytes.Length < LeastBytes ? throw OsaException.Precondition($"The signing key at {path} has {bytes.Length} bytes; at least {LeastBytes} random ones are needed")
            : bytes.Distinct().Count() < 20 || IsText(bytes) ? throw OsaException.Precondition($"The signing key at {path} is a placeholder, not random bytes; make one with `osa node key`")
            : new SigningKey(bytes);
    }

    // Random bytes are printable ASCII throughout with a chance below 1 in 10^13.
    private static bool IsText(byte[] bytes) => bytes.All(b => b is >= 0x20 and < 0x7F);
}
