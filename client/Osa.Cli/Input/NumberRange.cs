using System.CommandLine;

namespace Osa.Cli.Input;

/// <summary>Numbers checked when they are parsed.</summary>
internal static class NumberRange
{
    public static Option<int?> Limit()
    {
        var limit = new Option<int?>("--limit")
        {
            Description = "Show at most so many; 0 shows all [default: 50 on a terminal, else all]",
            HelpName = "N",
        };
        limit.Between(0, int.MaxValue);
        return limit;
    }

    public static void Between<T>(this Option<T> option, int least, int most) =>
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && (!int.TryParse(result.Tokens[0].Value, out var number) || number < least || number > most))
            {
                result.AddError($"{option.Name}: '{result.Tokens[0].Value}' is not a whole number from {least} to {most}");
            }
        });
}
