namespace Osa.Grains;

/// <summary>
/// Callers in line, each with a ticket, for grain calls that wait a little and are asked again: whoever stops asking loses its
/// place. Only the first in line is woken when something changes. Used from one grain's turns only.
/// </summary>
/// <param name="held">
/// How much a flow holds already. Of several flows the one comes first that holds the least for its weight, so that none keeps another
/// waiting by asking for more; null where all are one flow.
/// </param>
internal sealed class TurnQueue(TimeProvider time, Func<Flow, int>? held = null)
{
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Tidying = TimeSpan.FromSeconds(1);

    // Each in order of arrival; none is empty.
    private readonly Dictionary<Flow, LinkedList<Waiter>> _lines = [];
    private readonly Dictionary<string, LinkedListNode<Waiter>> _tickets = new(StringComparer.Ordinal);
    private long _arrivals;
    private long _tidied = time.GetTimestamp();

    /// <summary>The place of a ticket, from 0; a new ticket is put behind all others of its flow.</summary>
    public int Place(string ticket, Flow flow = default)
    {
        Tidy(ticket);
        if (!_tickets.ContainsKey(ticket))
        {
            if (!_lines.TryGetValue(flow, out LinkedList<Waiter>? line))
            {
                _lines.Add(flow, line = []);
            }

            _tickets.Add(ticket, line.AddLast(new Waiter(ticket, flow, _arrivals++, time.GetTimestamp())));
        }

        return InTurn().TakeWhile(w => w.Ticket != ticket).Count();
    }

    public void Leave(string ticket)
    {
        Remove(ticket);
        Move();
    }

    /// <summary>Lets the first in line look again.</summary>
    public void Move() => InTurn().FirstOrDefault()?.Wake();

    /// <summary>Until this ticket is woken, or <paramref name="atMost"/>.</summary>
    public async Task WaitAsync(string ticket, TimeSpan atMost, CancellationToken cancellation)
    {
        if (!_tickets.TryGetValue(ticket, out LinkedListNode<Waiter>? its))
        {
            return;
        }

        Waiter waiter = its.Value;

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

    // The n-th of a flow has its turn when the flow would hold n more than now. Thousands may wait: whoever looks for the first reads no further.
    private IEnumerable<Waiter> InTurn()
    {
        List<(LinkedListNode<Waiter> Next, int Holds)> heads = [.. _lines.Select(l => (l.Value.First!, held?.Invoke(l.Key) ?? 0))];
        while (heads.Count > 0)
        {
            (int first, (LinkedListNode<Waiter> node, int holds)) = heads.Index().MinBy(h => (h.Item.Holds / (double)h.Item.Next.Value.Flow.Weight, -h.Item.Next.Value.Flow.Weight, h.Item.Next.Value.Arrival));
            yield return node.Value;
            if (node.Next is { } next)
            {
                heads[first] = (next, holds + 1);
            }
            else
            {
                heads.RemoveAt(first);
            }
        }
    }

    private void Tidy(string asks)
    {
        if (time.GetElapsedTime(_tidied) < Tidying)
        {
            return;
        }

        _tidied = time.GetTimestamp();
        List<Waiter> gone = [.. _tickets.Values.Select(n => n.Value).Where(w => w.Ticket != asks && !w.IsWaiting && time.GetElapsedTime(w.LeftAt) >= Forgotten)];
        foreach (Waiter waiter in gone)
        {
            Remove(waiter.Ticket);
        }

        if (gone.Count > 0)
        {
            Move();
        }
    }

    private void Remove(string ticket)
    {
        if (!_tickets.Remove(ticket, out LinkedListNode<Waiter>? its))
        {
            return;
        }

        LinkedList<Waiter> line = its.List!;
        line.Remove(its);
        if (line.Count == 0)
        {
            _lines.Remove(its.Value.Flow);
        }
    }

    private sealed class Waiter(string ticket, Flow flow, long arrival, long now)
    {
        private TaskCompletionSource? _sleep;

        public string Ticket => ticket;

        public Flow Flow => flow;

        public long Arrival => arrival;

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

/// <summary>Who shares what a queue is for: one convention's submissions by people, or its bulk.</summary>
internal readonly record struct Flow(string Name, bool IsBulk)
{
    /// <summary>How many turns people have for one of a bulk.</summary>
    private const int People = 4;

    public int Weight => IsBulk ? 1 : People;
}
