using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>A call that is repeated because its answer was lost.</summary>
public sealed class IdempotencyTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task Creating_again_with_the_same_key_answers_with_the_same_deposition()
    {
        string key = Guid.NewGuid().ToString();

        DepositionHandle[] answers = await Expect.AllAsync(Enumerable.Range(0, 20).Select(_ => Archive.Ada.Depositions.CreateAsync(shared.Obedient, idempotencyKey: key)));

        Assert.Single(answers.Select(a => a.Srn).Distinct());
    }

    [Fact]
    public async Task A_key_is_its_callers_own()
    {
        string key = Guid.NewGuid().ToString();

        DepositionHandle adas = await Archive.Ada.Depositions.CreateAsync(shared.Obedient, idempotencyKey: key);
        DepositionHandle eves = await Archive.Node.Client("depositor", "eve").Depositions.CreateAsync(shared.Obedient, idempotencyKey: key);

        Assert.NotEqual(adas.Srn, eves.Srn);
    }

    [Fact]
    public async Task A_key_that_made_a_deposition_of_another_convention_is_refused()
    {
        string other = Documents.NewId("other");
        await Archive.RegisterAsync(Documents.Convention(other, "1.0.0"));
        string key = Guid.NewGuid().ToString();
        DepositionHandle made = await Archive.Ada.Depositions.CreateAsync(shared.Obedient, idempotencyKey: key);

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.Ada.Depositions.CreateAsync(other, idempotencyKey: key));

        FieldViolation violation = Assert.Single(refusal.Violations);
        Assert.Equal(("idempotency_key", "reused"), (violation.Field, violation.Rule));
        Expect.Says(made.Srn, violation.Message);
        Assert.Empty(await Archive.Ada.Depositions.ListAsync(convention: other).ToListAsync());
    }

    [Fact]
    public async Task Submitting_again_with_the_same_key_answers_with_the_same_run_also_after_its_verdict()
    {
        string key = Guid.NewGuid().ToString();
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient, Documents.Reject("no"));
        RunHandle first = await draft.SubmitAsync(key);
        await Archive.VerdictAsync(first);

        RunHandle again = await draft.SubmitAsync(key);
        RunHandle another = await draft.SubmitAsync(Guid.NewGuid().ToString());

        Assert.Equal(first.Srn, again.Srn);
        Assert.NotEqual(first.Srn, another.Srn);
        await Archive.VerdictAsync(another);
        Assert.Equal(2, (await Archive.Ada.Runs.ListAsync(draft.Srn)).Count);
    }

    [Fact]
    public async Task What_is_in_validation_answers_with_the_run_it_has_whatever_the_key()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient, Documents.Steps(Documents.Sleep(1), Documents.Rows(1)));
        RunHandle first = await draft.SubmitAsync();

        RunHandle second = await draft.SubmitAsync();

        Assert.Equal(first.Srn, second.Srn);
        Assert.Equal(RunStatus.Passed, (await Archive.VerdictAsync(first)).Status);
    }

    [Fact]
    public async Task A_key_of_more_than_128_characters_is_refused()
    {
        OsaClientException refusal = await Expect.RefusedAsync(
            StatusCode.InvalidArgument, () => Archive.Ada.Depositions.CreateAsync(shared.Obedient, idempotencyKey: new string('k', 129)));

        Assert.Equal("idempotency_key", Assert.Single(refusal.Violations).Field);
    }
}
