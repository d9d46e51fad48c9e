namespace Osa.Testing;

/// <summary>How much is tried: the short form of every test, or with <c>OSA_TESTS_LONG</c> the full one.</summary>
public static class TestLength
{
    public static bool IsLong { get; } = Environment.GetEnvironmentVariable("OSA_TESTS_LONG") == "1";

    /// <summary>Repeats a long run: what is drawn at random is drawn alike.</summary>
    public static int Seed { get; } = Number("OSA_TESTS_SEED") ?? Random.Shared.Next(1, 1_000_000);

    /// <summary>Runs a fault test once, or <c>OSA_TESTS_REPEAT</c> times in a row.</summary>
    public static async Task RepeatAsync(Func<Task> test)
    {
        int times = Number("OSA_TESTS_REPEAT") ?? 1;
        for (int i = 1; i <= times; i++)
        {
            try
            {
                await test();
            }
            catch (Exception e) when (times > 1)
            {
                throw new InvalidOperationException($"repetition {i} of {times}: {e.Message}", e);
            }
        }
    }

    private static int? Number(string name) => int.TryParse(Environment.GetEnvironmentVariable(name), out int number) ? number : null;
}
