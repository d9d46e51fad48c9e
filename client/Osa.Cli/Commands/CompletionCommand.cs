using System.CommandLine;

namespace Osa.Cli.Commands;

/// <summary><c>osa completion</c>: what a shell must know to complete commands, options and their values.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _osa() {
            local IFS=$'\n'
            COMPREPLY=($(osa "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null))
        }
        complete -F _osa osa
        """;

    private const string Zsh = """
        _osa() {
            local -a suggestions
            suggestions=("${(@f)$(osa "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
            compadd -- "${suggestions[@]}"
        }
        compdef _osa osa
        """;

    private const string Fish = """
        complete -f -c osa -a "(osa '[suggest:'(commandline -C)']' (commandline -p) 2>/dev/null)"
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var completion = new Command("completion", "Completion for a shell: eval \"$(osa completion bash)\" in ~/.bashrc, the same with zsh, osa completion fish | source") { shell };
        completion.SetAction(parsed =>
        {
            Console.WriteLine(parsed.GetRequiredValue(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
            return ExitCode.Ok;
        });
        return completion;
    }
}
