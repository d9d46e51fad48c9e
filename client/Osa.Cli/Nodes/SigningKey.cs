using System.Security.Cryptography;

namespace Osa.Cli.Nodes;

/// <summary>The key that signs and checks tokens: <c>DATA/secrets/signing.key</c>, base64 of at least 32 random bytes.</summary>
internal static class SigningKey
{
    private const int Bytes = 32;

    public static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, "secrets", "signing.key");

    /// <summary>Makes the key, and answers where.</summary>
    /// <exception cref="UsageException">There is one already.</exception>
    public static string Create(string dataDirectory)
    {
        var path = PathIn(dataDirectory);
        if (File.Exists(path))
        {
            throw new UsageException($"there is a key already at {path}: every token it signed would end with it. Remove it first if that is what you want");
        }

        SecretFile.Create(path, Convert.ToBase64String(RandomNumberGenerator.GetBytes(Bytes)));
        return path;
    }

    /// <exception cref="UsageException">There is no key, or it is too short.</exception>
    public static byte[] Read(string dataDirectory)
    {
        var path = PathIn(dataDirectory);
        if (!File.Exists(path))
        {
            throw new UsageException($"there is no key at {path}: make one with osa node key, or say with --data where the node's data is");
        }

        try
        {
            var key = Convert.FromBase64String(File.ReadAllText(path).Trim());
            return key.Length >= Bytes ? key : throw new UsageException($"{path}: {key.Length} bytes; a key has {Bytes} random bytes or more");
        }
        catch (FormatException)
        {
            throw new UsageException($"{path}: not base64");
        }
    }
}
