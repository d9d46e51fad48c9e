using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using Osa.Cli.Commands;
using Osa.Cli.Output;

namespace Osa.Cli;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        using var interrupted = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        return await RunAsync(Root(), args, interrupted.Token);

        void Interrupt(PosixSignalContext context)
        {
            // The second one ends the process at once.
            context.Cancel = !interrupted.IsCancellationRequested;
            interrupted.Cancel();
        }
    }

    public static RootCommand Root()
    {
        var root = new RootCommand("osa: the command line of an Open Science Archive node.")
        {
            NodeCommands.Create(),
            ConventionCommands.Create(),
            DepositCommand.Create(),
            DepositionCommands.Create(),
            RunCommands.Create(),
            CurateCommands.Create(),
            RecordCommands.Create(),
            FeatureCommands.Create(),
            SourceCommands.Create(),
            EventCommands.Create(),
            CompletionCommand.Create(),
        };
        GlobalOptions.AddTo(root);
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExitCodes((HelpAction)help.Action!);
        return root;
    }

    private static async Task<int> RunAsync(RootCommand root, string[] args, CancellationToken cancellationToken)
    {
        var parsed = root.Parse(args);
        var json = parsed.GetResult(GlobalOptions.Json) is { Implicit: false };
        if (parsed.Action is ParseErrorAction)
        {
            var problems = string.Join('\n', parsed.Errors.Select(static error => error.Message));
            return ErrorReport.Print(new UsageException($"{problems}\nsee {Path(parsed.CommandResult)} --help"), json);
        }

        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (Exception error)
        {
            return ErrorReport.Print(error, json);
        }
    }

    private static string Path(SymbolResult? result) => result switch
    {
        CommandResult { Parent: null } => "osa",
        CommandResult command => $"{Path(command.Parent)} {command.Command.Name}",
        _ => "osa",
    };

    private sealed class HelpWithExitCodes(HelpAction help) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var result = help.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(ExitCode.Help);
            return result;
        }
    }
}
