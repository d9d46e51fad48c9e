using Osa.Domain.Validation;
using static Osa.Domain.Validation.RunCommand;
using static Osa.Domain.Validation.RunStatus;

namespace Osa.Domain.Tests.Validation;

public class RunLifecycleTests
{
    private static readonly Dictionary<(RunStatus, RunCommand), RunStatus> Table = new()
    {
        [(Pending, Start)] = Running,
        [(Pending, Cancel)] = Cancelled,
        [(Running, Start)] = Running,
        [(Running, Pass)] = Passed,
        [(Running, Reject)] = Rejected,
        [(Running, Fail)] = Failed,
        [(Running, Cancel)] = Cancelled,
    };

    [Fact]
    public void The_whole_table_of_states_and_commands_holds()
    {
        foreach (RunStatus status in Enum.GetValues<RunStatus>())
        {
            foreach (RunCommand command in Enum.GetValues<RunCommand>())
            {
                RunStatus? expected = Table.TryGetValue((status, command), out RunStatus next) ? next : null;
                Assert.True(expected == RunLifecycle.Next(status, command), $"{status} x {command}");
            }
        }
    }

    [Fact]
    public void A_final_run_takes_no_command_and_every_other_takes_one() =>
        Assert.All(Enum.GetValues<RunStatus>(), status =>
            Assert.Equal(RunLifecycle.IsFinal(status), Enum.GetValues<RunCommand>().All(command => RunLifecycle.Next(status, command) is null)));
}
