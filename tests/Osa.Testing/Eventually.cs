using System.Diagnostics;

namespace Osa.Testing;

/// <summary>Waits for a condition, never for a duration.</summary>
public static class Eventually
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>Returns as soon as the condition holds.</summary>
    /// <param name="message">What was expected, and what was there instead.</param>
    /// <exception cref="TimeoutException">It did not hold within the deadline.</exception>
    public static Task True(Func<Task<bool>> condition, TimeSpan deadline, Func<string> message) =>
        Value(async () => await condition() ? "" : null, deadline, message);

    /// <inheritdoc cref="True(Func{Task{bool}}, TimeSpan, Func{string})"/>
    public static Task True(Func<bool> condition, TimeSpan deadline, string message) =>
        True(() => Task.FromResult(condition()), deadline, () => message);

    /// <inheritdoc cref="True(Func{Task{bool}}, TimeSpan, Func{string})"/>
    public static Task True(Func<Task<bool>> condition, TimeSpan deadline, string message) => True(condition, deadline, () => message);

    /// <summary>Returns the first value that is not null.</summary>
    /// <exception cref="TimeoutException">There was none within the deadline.</exception>
    public static async Task<T> Value<T>(Func<Task<T?>> value, TimeSpan deadline, Func<string> message)
        where T : class
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            if (await value() is { } found)
            {
                return found;
            }

            if (waited.Elapsed > deadline)
            {
                throw new TimeoutException($"after {waited.Elapsed.TotalSeconds:F1} s: {message()}");
            }

            await Task.Delay(Interval);
        }
    }
}
