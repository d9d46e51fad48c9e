using Osa.Domain.Access;

namespace Osa.Domain.Tests.Access;

public class CallerTests
{
    private static readonly Guid Owner = Guid.NewGuid();

    [Fact]
    public void Each_role_includes_the_ones_before_it()
    {
        Role[] roles = Enum.GetValues<Role>();
        foreach (Role has in roles)
        {
            foreach (Role asked in roles)
            {
                Assert.Equal(Array.IndexOf(roles, has) >= Array.IndexOf(roles, asked), new Caller(Owner, has).Has(asked));
            }
        }
    }

    [Theory]
    [InlineData(Role.Public, true, false, false)]
    [InlineData(Role.Depositor, true, true, true)]
    [InlineData(Role.Depositor, false, false, false)]
    [InlineData(Role.Curator, false, true, false)]
    [InlineData(Role.Superadmin, false, true, false)]
    [InlineData(Role.Admin, true, true, true)]
    public void Owners_read_and_change_their_own_and_curators_read_all(Role role, bool isOwner, bool mayRead, bool mayChange)
    {
        var caller = new Caller(isOwner ? Owner : Guid.NewGuid(), role);
        Assert.Equal(mayRead, caller.MayRead(Owner));
        Assert.Equal(mayChange, caller.MayChange(Owner));
    }

    [Fact]
    public void Somebody_without_a_token_owns_nothing() => Assert.False(Caller.Anonymous.MayRead(Guid.Empty) || Caller.Anonymous.MayChange(Guid.Empty));
}
