using Osa.Domain.Depositions;
using static Osa.Domain.Depositions.DepositionCommand;
using static Osa.Domain.Depositions.DepositionStatus;

namespace Osa.Domain.Tests.Depositions;

public class DepositionLifecycleTests
{
    private static readonly Dictionary<(DepositionStatus, DepositionCommand), DepositionStatus> Table = new()
    {
        [(Draft, Edit)] = Draft,
        [(Draft, Submit)] = InValidation,
        [(Draft, Withdraw)] = Withdrawn,
        [(Rejected, Submit)] = InValidation,
        [(Failed, Submit)] = InValidation,
        [(InValidation, EnterReview)] = InReview,
        [(InValidation, Publish)] = Accepted,
        [(InValidation, ReturnToDraft)] = Draft,
        [(InValidation, Reject)] = Rejected,
        [(InValidation, Fail)] = Failed,
        [(InValidation, Supersede)] = Superseded,
        [(InValidation, Withdraw)] = Withdrawn,
        [(InReview, Publish)] = Accepted,
        [(InReview, ReturnToDraft)] = Draft,
        [(InReview, Reject)] = Rejected,
        [(InReview, Fail)] = Failed,
        [(InReview, Supersede)] = Superseded,
        [(InReview, Withdraw)] = Withdrawn,
    };

    [Fact]
    public void The_whole_table_of_states_and_commands_holds()
    {
        foreach (DepositionStatus status in Enum.GetValues<DepositionStatus>())
        {
            foreach (DepositionCommand command in Enum.GetValues<DepositionCommand>())
            {
                DepositionStatus? expected = Table.TryGetValue((status, command), out DepositionStatus next) ? next : null;
                Assert.True(expected == DepositionLifecycle.Next(status, command), $"{status} x {command}");
                Assert.Equal(expected is not null, DepositionLifecycle.Allows(status, command));
            }
        }
    }

    [Theory]
    [InlineData(Accepted)]
    [InlineData(Withdrawn)]
    [InlineData(Superseded)]
    public void Nothing_leaves_a_final_state(DepositionStatus status) =>
        Assert.All(Enum.GetValues<DepositionCommand>(), command => Assert.False(DepositionLifecycle.Allows(status, command)));

    [Theory]
    [InlineData(Rejected)]
    [InlineData(Failed)]
    public void A_verdict_is_left_only_by_being_judged_again(DepositionStatus status) =>
        Assert.All(Enum.GetValues<DepositionCommand>(), command => Assert.Equal(command == Submit, DepositionLifecycle.Allows(status, command)));
}
