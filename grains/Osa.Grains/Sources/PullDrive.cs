using Osa.Domain.Sources;
using Osa.Storage.Conventions;
using Osa.Storage.Sources;
using Osa.Storage.Validation;

namespace Osa.Grains.Sources;

/// <summary>What an activation knows of the pull that it drives: a cache of rows that only it writes.</summary>
internal sealed class PullDrive(ClaimedPull claimed, Convention convention, Wish wish)
{
    public Fence Fence => claimed.Fence;

    public ClaimedPull Pull => claimed;

    public Convention Convention => convention;

    public SourceDefinition Source => convention.Document.Source!;

    public Wish Wish => wish;

    public long? Limit => claimed.Limit;

    public int Chunk { get; private set; } = claimed.Chunk;

    /// <summary>Records that earlier chunks offered.</summary>
    public long Offset { get; private set; } = claimed.Offset;

    /// <summary>What the chunk before this one left.</summary>
    public string? SessionJson { get; private set; } = claimed.SessionJson;

    public int IdleChunks { get; private set; } = claimed.IdleChunks;

    /// <summary>Of this chunk, in order.</summary>
    public List<PullAttempt> Attempts { get; } = claimed.Attempts;

    /// <summary>The container that runs now.</summary>
    public string? Running { get; set; }

    public void Change(PullAttempt attempt)
    {
        Attempts.RemoveAll(a => a.Attempt == attempt.Attempt);
        Attempts.Add(attempt);
    }

    public void NextChunk(long lines, string? session, int idle)
    {
        Chunk++;
        Offset += lines;
        SessionJson = session;
        IdleChunks = idle;
        Attempts.Clear();
    }
}

/// <summary>What taking a chunk has met.</summary>
/// <param name="Lines">All lines.</param>
/// <param name="Fresh">Ids that the pull had not met in an earlier chunk.</param>
/// <param name="IsCut">The source left more than the pull's limit lets in.</param>
internal sealed record Intake(long Lines, long Fresh, bool IsCut);
