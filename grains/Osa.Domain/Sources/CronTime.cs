using Cronos;

namespace Osa.Domain.Sources;

/// <summary>The times that a cron expression names: five fields (minute, hour, day of month, month, day of week), in UTC.</summary>
public static class CronTime
{
    /// <summary>What is wrong with the expression, or null.</summary>
    public static string? Problem(string cron)
    {
        try
        {
            return Next(cron, DateTime.UnixEpoch) is null ? "names no time that ever comes" : null;
        }
        catch (MissingSeedException)
        {
            return "leaves a time to chance (H): name it";
        }
        catch (CronFormatException e)
        {
            return $"is not a cron expression of five fields such as '0 3 * * *': {e.Message}";
        }
    }

    /// <summary>The first time after <paramref name="after"/>, or null where none comes.</summary>
    /// <param name="after">UTC.</param>
    /// <exception cref="CronFormatException">It is no such expression.</exception>
    public static DateTime? Next(string cron, DateTime after) => CronExpression.Parse(cron).GetNextOccurrence(after);
}
