using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Osa.V1;

namespace Osa.Cli.Input;

/// <summary><c>--embargo</c>: a date, an instant, or <c>until-released</c>.</summary>
internal static class EmbargoInput
{
    private const string UntilReleased = "until-released";

    public static Option<string> Option { get; } = Create();

    /// <summary>Null for none.</summary>
    public static Embargo? Parse(string? text) =>
        text is null or "none" ? null
        : text == UntilReleased ? new Embargo { UntilReleased = true }
        : new Embargo { Until = Timestamp.FromDateTimeOffset(Moment.Parse(text)!.Value) };

    public static string? Show(Embargo? embargo) => embargo?.EndCase switch
    {
        Embargo.EndOneofCase.Until => "until " + Output.Show.Time(embargo.Until),
        Embargo.EndOneofCase.UntilReleased => UntilReleased.Replace('-', ' '),
        _ => null,
    };

    private static Option<string> Create()
    {
        var option = new Option<string>("--embargo") { Description = $"Hold the record until a date (2027-01-31), an instant (2027-01-31T12:00:00Z), or '{UntilReleased}'; 'none' holds nothing", HelpName = "DATE" };
        option.Validators.Add(static result =>
        {
            if (result.Tokens is [{ Value: var text }] && text != UntilReleased && text != "none" && Moment.Parse(text) is null)
            {
                result.AddError($"--embargo: '{text}' is neither a date such as 2027-01-31, nor '{UntilReleased}', nor 'none'");
            }
        });
        return option;
    }
}
