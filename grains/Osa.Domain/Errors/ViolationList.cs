namespace Osa.Domain.Errors;

/// <summary>
/// Gathers broken rules in the order they are found. Keeps the first <see cref="Max"/>: a hostile document can break a rule a
/// million times, and the answer has to fit into an error.
/// </summary>
internal sealed class ViolationList
{
    public const int Max = 100;

    private readonly List<Violation> _kept = [];
    private int _found;

    public bool IsEmpty => _found == 0;

    public int Count => _found;

    /// <summary>What is added from now on is only counted: its message need not be made.</summary>
    public bool IsFull => _found >= Max;

    public void Add(string field, string rule, string message)
    {
        if (_found++ < Max)
        {
            _kept.Add(new Violation(field, rule, message));
        }
    }

    public IReadOnlyList<Violation> ToList() => _found <= Max
        ? _kept
        : [.. _kept, new Violation("", "too_many", $"{_found - Max} more problems are not listed; fix these first")];
}
