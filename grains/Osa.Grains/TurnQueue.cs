namespace Osa.Grains;

/// <summary>
/// Callers in line, each with a ticket, for grain calls that wait a little and are asked again: whoever stops asking loses its
/// place. Only the first in line is woken when something changes. Used from one grain's turns only.
/// </summary>
internal sealed class TurnQueue(TimeProvider time)
{
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(15);

    private readonly LinkedList<Waiter> _line = [];

    /// <summary>The place of a ticket, from 0; a new ticket is put at the end.</summary>
    public int Place(string ticket)
    {
        int place = 0;
        for (LinkedListNode<Waiter>? node = _line.First; node is not null;)
        {
            LinkedListNode<Waiter>? next = node.Next;
            if (node.Value.Ticket == ticket)
            {
                return place;
            }

            if (node.Value.IsWaiting || time.GetElapsedTime(node.Value.LeftAt) < Forgotten)
            {
                place++;
            }
            else
            {
                _line.Remove(node);
            }

            node = next;
        }

        _line.AddLast(new Waiter(ticket, time.GetTimestamp()));
        return place;
    }

    public void Leave(string ticket)
    {
        if (Find(ticket) is { } waiter)
        {
            _line.Remove(waiter);
        }

        Move();
    }

    /// <summary>Lets the first in line look again.</summary>
    public void Move() => _line.First?.Value.Wake();

    /// <summary>Until this ticket is woken, or <paramref name="atMost"/>.</summary>
    public async Task WaitAsync(string ticket, TimeSpan atMost, CancellationToken cancellation)
    {
        if (Find(ticket) is not { } waiter)
        {
            return;
        }

        try
        {
            await waiter.Sleep().WaitAsync(atMost, time, cancellation);
        }
        catch (TimeoutException)
        {
            // The caller looks again.
        }
        finally
        {
            waiter.GetUp(time.GetTimestamp());
        }
    }

    private Waiter? Find(string ticket) => _line.FirstOrDefault(w => w.Ticket == ticket);

    private sealed class Waiter(string ticket, long now)
    {
        private TaskCompletionSource? _sleep;

        public string Ticket => ticket;

        public bool IsWaiting => _sleep is not null;

        /// <summary>When it last stopped waiting; it has to ask again soon.</summary>
        public long LeftAt { get; private set; } = now;

        public Task Sleep() => (_sleep = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public void Wake() => _sleep?.TrySetResult();

        public void GetUp(long at)
        {
            _sleep = null;
            LeftAt = at;
        }
    }
}
