using System.Buffers.Text;
using System.Text;
using Osa.Domain.Errors;

namespace Osa.Storage;

/// <summary>Page cursors: opaque to callers, checked when they come back.</summary>
public static class Cursor
{
    public static string Encode(string position) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(position));

    /// <returns>The position, or null for the first page.</returns>
    /// <exception cref="OsaException">InvalidArgument: this node did not give that cursor.</exception>
    public static Guid? DecodeGuid(string cursor) => Decode<Guid>(cursor);

    /// <inheritdoc cref="DecodeGuid"/>
    public static long? DecodeLong(string cursor) => Decode<long>(cursor);

    /// <summary>1 to <paramref name="most"/>; 0 means <paramref name="usual"/>.</summary>
    /// <exception cref="OsaException">InvalidArgument: outside that range.</exception>
    public static int PageSize(int asked, int usual, int most) =>
        asked == 0 ? usual
        : asked > 0 && asked <= most ? asked
        : throw OsaException.Invalid("page_size", "range", $"{asked} is not between 1 and {most} (0 means {usual})");

    private static T? Decode<T>(string cursor)
        where T : struct, IParsable<T>
    {
        if (cursor.Length == 0)
        {
            return null;
        }

        byte[] bytes = new byte[64];
        return cursor.Length <= 64
            && Base64Url.IsValid(cursor)
            && Base64Url.TryDecodeFromChars(cursor, bytes, out int length)
            && T.TryParse(Encoding.UTF8.GetString(bytes, 0, length), null, out T position)
            ? position
            : throw OsaException.Invalid("cursor", "cursor", "not a cursor that this node gave; use next_cursor of the page before, or leave it empty");
    }
}
