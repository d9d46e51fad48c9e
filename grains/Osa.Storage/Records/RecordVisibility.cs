using Osa.Domain.Access;

namespace Osa.Storage.Records;

/// <summary>
/// Who sees which records, in one place for every surface: a record that is held is its owner's and the curators'; of a withdrawn one
/// only the tombstone is left; an old version is shown to whoever asks for all of them, or for it by name.
/// </summary>
public static class RecordVisibility
{
    /// <summary>A condition on the record whose name is <paramref name="srn"/> (an expression of the statement).</summary>
    /// <param name="caller">The place of a parameter with the caller's id.</param>
    internal static string Shows(string srn, bool oldVersions, bool isCurator, string caller) =>
        // As few records are anything but plain, looking for them in their own index costs nothing.
        $"""
        not exists (
          select from osa.records hidden where hidden.srn = {srn} and (not hidden.is_current or hidden.embargo_until is not null or hidden.withdrawn_at is not null)
            and (hidden.withdrawn_at is not null{(oldVersions ? "" : " or not hidden.is_current")}{(isCurator ? "" : $" or (hidden.embargo_until > now() and hidden.owner_id <> {caller})")}))
        """;

    internal static bool SeesAll(Caller caller) => caller.Has(Role.Curator);
}
