using CsCheck;
using Osa.Domain.Sources;

namespace Osa.Domain.Tests.Sources;

public class CronTimeTests
{
    [Theory]
    [InlineData("* * * * *", "2027-01-31T10:00:30Z", "2027-01-31T10:01:00Z")]
    [InlineData("*/15 * * * *", "2027-01-31T10:00:00Z", "2027-01-31T10:15:00Z")]
    [InlineData("0 3 * * *", "2027-01-31T03:00:00Z", "2027-02-01T03:00:00Z")]
    [InlineData("30 2 * * *", "2027-03-28T00:00:00Z", "2027-03-28T02:30:00Z")]
    [InlineData("0 0 29 2 *", "2027-01-31T00:00:00Z", "2028-02-29T00:00:00Z")]
    [InlineData("0 0 * * MON", "2027-01-31T00:00:00Z", "2027-02-01T00:00:00Z")]
    public void The_next_time_is_the_first_one_after_in_UTC(string cron, string after, string next)
    {
        Assert.Null(CronTime.Problem(cron));
        Assert.Equal(Utc(next), CronTime.Next(cron, Utc(after)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("every day")]
    [InlineData("* * * *")]
    [InlineData("* * * * * *")]
    [InlineData("60 * * * *")]
    [InlineData("0 25 * * *")]
    public void What_is_no_expression_of_five_fields_is_told_with_an_example(string cron) => Assert.Contains("such as '0 3 * * *'", CronTime.Problem(cron), StringComparison.Ordinal);

    [Theory]
    [InlineData("0 0 30 2 *")]
    [InlineData("0 0 31 4,6,9,11 *")]
    public void A_time_that_never_comes_is_no_schedule(string cron) => Assert.Equal("names no time that ever comes", CronTime.Problem(cron));

    [Theory]
    [InlineData("H * * * *")]
    [InlineData("0 H(1-3) * * *")]
    public void A_time_that_is_left_to_chance_is_refused(string cron) => Assert.Contains("leaves a time to chance (H)", CronTime.Problem(cron), StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_a_schedule_or_has_a_problem() => Gen.OneOf(Gen.String, Gen.String[Gen.Char["0123456789*/,- LW#?MONH"], 0, 20]).Sample(cron =>
    {
        if (CronTime.Problem(cron) is null)
        {
            Assert.True(CronTime.Next(cron, DateTime.UnixEpoch) > DateTime.UnixEpoch);
        }
    });

    private static DateTime Utc(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture).UtcDateTime;
}
