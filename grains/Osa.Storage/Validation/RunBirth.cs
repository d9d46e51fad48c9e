using Npgsql;
using Osa.Storage.Conventions;

namespace Osa.Storage.Validation;

/// <summary>The rows that a run is born with, in the transaction that needs it.</summary>
internal static class RunBirth
{
    // Whoever made it wakes it at once; the sweep only where that got lost.
    private static readonly TimeSpan Hint = TimeSpan.FromSeconds(3);

    /// <param name="share">Others may join until its first container is claimed.</param>
    /// <param name="pull">The pull that brought its depositions, or null.</param>
    public static void AppendRun(NpgsqlBatch batch, Guid run, Convention convention, bool share, Guid? pull) =>
        batch.And(
            "insert into osa.validation_runs (id, convention_id, convention_version, next_step_at, share, pull_id) values ($1, $2, $3, now() + $4, $5, $6::uuid)",
            run, convention.Id, convention.Version, Hint, share, pull?.ToString());

    public static void AppendMembers(NpgsqlBatch batch, Guid run, Guid[] depositions) =>
        batch.And("insert into osa.run_depositions (run_id, ordinal, deposition_id) select $1, m.n - 1, m.id from unnest($2::uuid[]) with ordinality as m(id, n)", run, depositions);
}
