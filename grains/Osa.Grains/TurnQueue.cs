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

    // In order of arrival.
    private readonly LinkedList<Waiter> _line = [];

    /// <summary>The place of a ticket, from 0; a new ticket is put behind all others of its flow.</summary>
    public int Place(string ticket, Flow flow = default)
    {
        for (LinkedListNode<Waiter>? node = _line.First; node is not null;)
        {
            LinkedListNode<Waiter>? next = node.Next;
            if (node.Value.Ticket != ticket && !node.Value.IsWaiting && time.GetElapsedTime(node.Value.LeftAt) >= Forgotten)
            {
                _line.Remove(node);
            }

            node = next;
        }

        if (Find(ticket) is null)
        {
            _line.AddLast(new Waiter(ticket, flow, time.GetTimestamp()));
        }

        return InTurn().TakeWhile(w => w.Ticket != ticket).Count();
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
    public void Move() => InTurn().FirstOrDefault()?.Wake();

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

    // The n-th of a flow has its turn when the flow would hold n more than now.
    private IEnumerable<Waiter> InTurn()
    {
        if (held is null)
        {
            return _line;
        }

        var holds = new Dictionary<Flow, int>();
        return _line
            .Select((waiter, arrival) =>
            {
                int before = holds.TryGetValue(waiter.Flow, out int counted) ? counted : held(waiter.Flow);
                holds[waiter.Flow] = before + 1;
                return (Waiter: waiter, Share: before / (double)waiter.Flow.Weight, Arrival: arrival);
            })
            .OrderBy(w => w.Share).ThenByDescending(w => w.Waiter.Flow.Weight).ThenBy(w => w.Arrival)
            .Select(w => w.Waiter);
    }

    private Waiter? Find(string ticket) => _line.FirstOrDefault(w => w.Ticket == ticket);

    private sealed class Waiter(string ticket, Flow flow, long now)
    {
        private TaskCompletionSource? _sleep;

        public string Ticket => ticket;

        public Flow Flow => flow;

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
