using Osa.Domain.Errors;

namespace Osa.Storage.Files;

/// <summary>An immutable file of the store.</summary>
/// <param name="Id">Random; says nothing about the content or its name.</param>
/// <param name="Size">In bytes.</param>
/// <param name="Sha256">64 lower-case hexadecimal digits.</param>
public sealed record Blob(Guid Id, long Size, string Sha256);

/// <summary>What a blob must satisfy while it streams in.</summary>
/// <param name="MaxBytes">Greatest size in bytes.</param>
/// <param name="ExpectedSize">The size that the sender announced, in bytes; null where it announced none.</param>
/// <param name="ExpectedSha256">The checksum that the sender computed, 64 hexadecimal digits; null where it sent none.</param>
/// <param name="Field">What errors call the file, e.g. <c>files[reads.fastq]</c>.</param>
public sealed record BlobLimits(long MaxBytes, long? ExpectedSize = null, string? ExpectedSha256 = null, string Field = "file")
{
    /// <summary>Refuses what cannot come out right before a byte is read.</summary>
    internal void CheckAnnounced()
    {
        if (ExpectedSize is < 0)
        {
            throw OsaException.Invalid(Field, "size", $"the announced size is {ExpectedSize}; a size is 0 or more bytes");
        }

        if (ExpectedSize > MaxBytes)
        {
            throw TooLarge($"is {ExpectedSize} bytes");
        }

        if (ExpectedSha256 is { } sha && !(sha.Length == 64 && sha.All(char.IsAsciiHexDigit)))
        {
            throw OsaException.Invalid(Field, "sha256", "the announced checksum is not a SHA-256: 64 hexadecimal digits");
        }
    }

    /// <summary>Refuses the first chunk that goes too far.</summary>
    internal void CheckGrowth(long length)
    {
        if (length > MaxBytes)
        {
            throw TooLarge("goes on after that");
        }

        if (length > ExpectedSize)
        {
            throw OsaException.Invalid(Field, "size", $"{ExpectedSize} bytes were announced, and more were sent");
        }
    }

    internal void CheckComplete(long length, string sha256)
    {
        if (ExpectedSize is { } size && size != length)
        {
            throw OsaException.Invalid(Field, "size", $"{size} bytes were announced and {length} arrived; send the whole file again");
        }

        if (ExpectedSha256 is { } expected && !string.Equals(expected, sha256, StringComparison.OrdinalIgnoreCase))
        {
            throw OsaException.Invalid(Field, "sha256", $"what arrived has SHA-256 {sha256}, announced was {expected.ToLowerInvariant()}; send the file again");
        }
    }

    private OsaException TooLarge(string how)
    {
        string message = $"the file may have at most {MaxBytes} bytes and {how}";
        return new OsaException(ErrorCode.ResourceExhausted, $"{Field}: {message}", [new Violation(Field, "max_size", message)]);
    }
}
