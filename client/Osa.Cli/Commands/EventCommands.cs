using System.CommandLine;
using Osa.Cli.Output;
using Osa.Client;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa events</c>: what happened and what happens.</summary>
internal static class EventCommands
{
    public static Command Create() => new("events", "The event feed: what happened, and what happens")
    {
        Tail(),
    };

    private static Command Tail()
    {
        var from = new Option<long?>("--from") { Description = "Begin behind this position; 0 is the beginning [default: now, with --no-follow the beginning]", HelpName = "POSITION" };
        var type = new Option<string[]>("--type") { Description = "Only events of this type, to be repeated", HelpName = "TYPE", AllowMultipleArgumentsPerToken = false };
        var subject = new Option<string>("--subject") { Description = "Only what is about this", HelpName = "SRN" };
        var noFollow = new Option<bool>("--no-follow") { Description = "End with what has happened until now" };
        var tail = new Command("tail", "Events as they happen, one per line; JSON lines when piped") { from, type, subject, noFollow };
        tail.Does(async context =>
        {
            var filter = new EventFilter { Types_ = { context.Get(type) ?? [] }, Subject = context.Get(subject) ?? "" };
            var lost = new Report<OsaClientException>(error => context.Screen.Note($"connection lost, trying again: {error.Message}"));
            var events = context.Get(noFollow)
                ? context.Osa.Events.ReadAsync(context.Get(from) ?? 0, filter, cancellationToken: context.CancellationToken)
                : context.Osa.Events.WatchAsync(context.Get(from), filter, lost, context.CancellationToken);
            await foreach (var happened in events)
            {
                if (context.Screen.Interactive)
                {
                    context.Screen.Line($"{happened.Position}  {Show.Time(happened.CreatedAt)}  {happened.Type}  {happened.Subject}");
                }
                else
                {
                    Screen.WriteJson(happened.ToJson());
                }
            }

            return ExitCode.Ok;
        });
        return tail;
    }
}
