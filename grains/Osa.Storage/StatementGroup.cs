using System.Threading.Channels;
using Npgsql;

namespace Osa.Storage;

/// <summary>
/// Statements that stand alone and that many ask for at once. Those that come while others are on their way go together, in one message
/// and one transaction: to commit, and to wake everybody who takes part in it, costs more than such a statement does.
/// </summary>
/// <param name="hasty">Connections for what goes together, where nothing waits for a lock for long.</param>
/// <param name="patient">Connections for a statement that goes alone because of one that it was with.</param>
/// <param name="mayRepeat">Whether an error says for certain that nothing of the transaction was committed.</param>
internal sealed class StatementGroup(NpgsqlDataSource hasty, NpgsqlDataSource patient, Func<PostgresException, bool> mayRepeat)
{
    /// <summary>How many transactions at once: while PostgreSQL carries one out, the next one gathers. More of them gather less each.</summary>
    public static readonly int AtOnce = Math.Max(1, Environment.ProcessorCount / 4);

    private const int Most = 64;
    // Beyond what PostgreSQL itself allows a statement: it has gone without a word.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(40);

    private readonly Channel<Statement> _waiting = Channel.CreateUnbounded<Statement>();

    public void Start()
    {
        for (int i = 0; i < AtOnce; i++)
        {
            _ = Task.Run(WorkAsync);
        }
    }

    public void Stop() => _waiting.Writer.TryComplete();

    /// <summary>The first row of a statement's answer; null where there is none. What it wrote is committed when this returns.</summary>
    /// <param name="cancellation">Once it is on its way it is not called back: its outcome is not waited for.</param>
    /// <exception cref="NpgsqlException"/>
    public Task<T?> FirstOrDefault<T>(string text, object?[] parameters, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
        where T : class
    {
        var statement = new Statement<T>(text, parameters, read, cancellation);
        return _waiting.Writer.TryWrite(statement) ? statement.Answer.WaitAsync(cancellation) : throw new ObjectDisposedException(nameof(StatementGroup));
    }

    private async Task WorkAsync()
    {
        while (await _waiting.Reader.WaitToReadAsync())
        {
            var together = new List<Statement>();
            while (together.Count < Most && _waiting.Reader.TryRead(out Statement? next))
            {
                if (!next.Cancellation.IsCancellationRequested)
                {
                    together.Add(next);
                }
            }

            if (together.Count > 0)
            {
                await CarryOutAsync(hasty, together);
            }
        }
    }

    private async Task CarryOutAsync(NpgsqlDataSource source, List<Statement> together)
    {
        try
        {
            await using (NpgsqlConnection connection = await source.OpenConnectionAsync())
            {
                await using var batch = new NpgsqlBatch(connection) { Timeout = (int)Silence.TotalSeconds };
                together.ForEach(s => batch.And(s.Text, s.Parameters));
                await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync();
                foreach (Statement statement in together)
                {
                    await statement.ReadAsync(reader);
                    // Behind the last one PostgreSQL says that it has committed.
                    await reader.NextResultAsync();
                }
            }

            together.ForEach(s => s.Complete());
        }
        catch (PostgresException e) when (source == hasty && mayRepeat(e))
        {
            // One is at fault, or waits for a lock. Each for itself, and whoever comes next waits for none of them.
            together.ForEach(s => _ = CarryOutAsync(patient, [s]));
        }
#pragma warning disable CA1031 // Whatever it is, it is the answer.
        catch (Exception e)
#pragma warning restore CA1031
        {
            together.ForEach(s => s.Fail(e));
        }
    }

    private abstract class Statement(string text, object?[] parameters, CancellationToken cancellation)
    {
        public string Text => text;

        public object?[] Parameters => parameters;

        public CancellationToken Cancellation => cancellation;

        public abstract Task ReadAsync(NpgsqlDataReader reader);

        public abstract void Complete();

        public abstract void Fail(Exception e);
    }

    private sealed class Statement<T>(string text, object?[] parameters, Func<NpgsqlDataReader, T> read, CancellationToken cancellation)
        : Statement(text, parameters, cancellation)
        where T : class
    {
        private readonly TaskCompletionSource<T?> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _row;
        private Exception? _unreadable;

        public Task<T?> Answer => _answer.Task;

        public override async Task ReadAsync(NpgsqlDataReader reader)
        {
            if (!await reader.ReadAsync())
            {
                return;
            }

            try
            {
                _row = read(reader);
            }
#pragma warning disable CA1031 // Its own, and no other statement's.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _unreadable = e;
            }
        }

        public override void Complete() => _ = _unreadable is null ? _answer.TrySetResult(_row) : _answer.TrySetException(_unreadable);

        public override void Fail(Exception e) => _answer.TrySetException(e);
    }
}
