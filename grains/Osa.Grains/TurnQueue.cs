namespace Osa.Grains;

/// <summary>
/// Callers in line, each with a ticket, for grain calls that wait a little and are asked again: whoever stops asking loses its
/// place. Used from one grain's turns only.
/// </summary>
internal sealed class TurnQueue(TimeProvider time)
{
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(15);

    private readonly LinkedList<Waiter> _line = [];
    private TaskCompletionSource _moved = New();

    public int Count => _line.Count;

    /// <summary>The place of a ticket, from 0; a new ticket is put at the end.</summary>
    public int Place(string ticket)
    {
        DropForgotten(except: ticket);
        int place = 0;
        foreach (Waiter waiter in _line)
        {
            if (waiter.Ticket == ticket)
            {
                waiter.AskedAt = time.GetTimestamp();
                return place;
            }

            place++;
        }

        _line.AddLast(new Waiter { Ticket = ticket, AskedAt = time.GetTimestamp() });
        return place;
    }

    public void Leave(string ticket)
    {
        for (LinkedListNode<Waiter>? node = _line.First; node is not null; node = node.Next)
        {
            if (node.Value.Ticket == ticket)
            {
                _line.Remove(node);
                break;
            }
        }

        Move();
    }

    /// <summary>Lets everybody look again.</summary>
    public void Move()
    {
        TaskCompletionSource moved = _moved;
        _moved = New();
        moved.TrySetResult();
    }

    /// <summary>Until <see cref="Move"/>, or <paramref name="atMost"/>.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellation)
    {
        try
        {
            await _moved.Task.WaitAsync(atMost, time, cancellation);
        }
        catch (TimeoutException)
        {
            // The caller looks again.
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void DropForgotten(string except)
    {
        for (LinkedListNode<Waiter>? node = _line.First; node is not null;)
        {
            LinkedListNode<Waiter>? next = node.Next;
            if (node.Value.Ticket != except && time.GetElapsedTime(node.Value.AskedAt) > Forgotten)
            {
                _line.Remove(node);
            }

            node = next;
        }
    }

    private sealed class Waiter
    {
        public required string Ticket { get; init; }

        public long AskedAt { get; set; }
    }
}
