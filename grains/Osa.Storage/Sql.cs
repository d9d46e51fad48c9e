using Npgsql;

namespace Osa.Storage;

/// <summary>Short forms for one statement with positional parameters (<c>$1</c>, <c>$2</c>, ...).</summary>
internal static class Sql
{
    public static NpgsqlCommand Command(this NpgsqlConnection connection, string text, params ReadOnlySpan<object?> parameters)
    {
        var command = new NpgsqlCommand(text, connection);
        foreach (object? value in parameters)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        }

        return command;
    }

    public static NpgsqlBatch And(this NpgsqlBatch batch, string text, params ReadOnlySpan<object?> parameters)
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (object? value in parameters)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        }

        batch.BatchCommands.Add(command);
        return batch;
    }

    /// <summary>The rows that <paramref name="read"/> makes of the answer.</summary>
    public static async Task<List<T>> ToList<T>(this NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
    {
        await using (command)
        {
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellation);
            return await reader.Rows(read, cancellation);
        }
    }

    /// <summary>The rows of the result where the reader stands; the next call, those of the next one.</summary>
    public static async Task<List<T>> Rows<T>(this NpgsqlDataReader reader, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
    {
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellation))
        {
            rows.Add(read(reader));
        }

        await reader.NextResultAsync(cancellation);
        return rows;
    }

    /// <summary>Reads to the end of a batch: what went wrong behind its last row that was read is thrown here, where closing the reader would swallow a cancellation.</summary>
    public static async Task Finish(this NpgsqlDataReader reader)
    {
        while (await reader.NextResultAsync(CancellationToken.None))
        {
        }
    }

    public static async Task<T?> FirstOrDefault<T>(this NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
        where T : class
    {
        await using (command)
        {
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellation);
            return await reader.ReadAsync(cancellation) ? read(reader) : null;
        }
    }

    /// <summary>The number of rows that were changed.</summary>
    public static async Task<int> Execute(this NpgsqlCommand command, CancellationToken cancellation)
    {
        await using (command)
        {
            return await command.ExecuteNonQueryAsync(cancellation);
        }
    }

    public static string? TextOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static T? ValueOrNull<T>(this NpgsqlDataReader reader, int column)
        where T : struct =>
        reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
}
