using System.CommandLine;
using System.Globalization;

namespace Osa.Cli.Input;

/// <summary>Moments: a date, or an instant; UTC where it does not say.</summary>
internal static class Moment
{
    /// <summary>Null where it is neither.</summary>
    public static DateTimeOffset? Parse(string text) =>
        DateTimeOffset.TryParseExact(text, ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mmK"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    public static Option<string> Option(string name, string description)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "DATE" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && Parse(text) is null)
            {
                result.AddError($"{name}: '{text}' is neither a date such as 2027-01-31 nor an instant such as 2027-01-31T12:00:00Z");
            }
        });
        return option;
    }
}
