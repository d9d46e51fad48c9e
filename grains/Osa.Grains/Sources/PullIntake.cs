using System.Security.Cryptography;
using Osa.Containers.Output;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Faults;
using Osa.Domain.Sources;
using Osa.Storage.Files;
using Osa.Storage.Sources;
using Osa.Storage.Validation;

namespace Osa.Grains.Sources;

/// <summary>
/// Takes what a source's container has left, part by part, in constant memory: of each record whether it is known, new, changed or to be
/// kept aside. What is taken gets its run in the same transaction. Nothing that the container wrote is trusted.
/// </summary>
public sealed class PullIntake(PullStore pulls, PullBatch batches, PullRunner runner, BlobStore blobs, NodeLimits limits, IGrainFactory grains, TimeProvider time)
{
    /// <summary>The file of a source's records.</summary>
    internal const string Records = "records.jsonl";

    private const int InFlight = 3;
    private const int FirstBatch = 500;
    private const long MaxPartBytes = 2 << 20;
    private const int FilesAtOnce = 4;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>Takes the rest of a chunk.</summary>
    /// <returns>What it has met, or null where it was cancelled, or is not here: then the attempt is lost.</returns>
    /// <exception cref="OsaException">Infrastructure is away: it goes on from the last part that was committed.</exception>
    /// <exception cref="FenceLostException"/>
    internal async Task<Intake?> TakeAsync(PullDrive drive, PullAttempt attempt, CancellationToken cancellation)
    {
        if (!await runner.IsHereAsync(drive, attempt, cancellation))
        {
            return null;
        }

        if (runner.Left(attempt) is not var (output, files))
        {
            await runner.LoseAsync(drive, attempt, "what its container left is on another machine", cancellation);
            return null;
        }

        if (output.Open(Records, limits.MaxSourceBytes) is not OutputFile.Readable readable)
        {
            return new Intake(0, 0, false);
        }

        long most = drive.Limit is { } limit ? limit - drive.Offset : long.MaxValue;
        (long line, long fresh) = (attempt.Line, attempt.Fresh);
        await using Stream content = readable.Content;
        using var lines = new OutputLines(content, limits.MaxSourceLineBytes, takeUnended: true, passOverLong: true);
        while (lines.Number < line && await lines.NextAsync(cancellation) is not null)
        {
        }

        var room = new FileRoom(limits.MaxSourceBytes);
        Candidate? ahead = null;
        while (true)
        {
            await RoomAsync(drive, cancellation);
            if (drive.Wish.Because is not null)
            {
                return null;
            }

            int size = await BatchSizeAsync(drive, cancellation);
            List<Candidate> candidates = [];
            // Megabytes of JSON and files are no work for a grain's scheduler.
            ahead = await Task.Run(() => ReadAsync(lines, candidates, ahead, size, most, cancellation), cancellation);
            if (candidates.Count == 0)
            {
                return new Intake(line, fresh, lines.Number >= most && await lines.NextAsync(cancellation) is not null);
            }

            line = candidates[^1].Line;
            PullPart part = await Task.Run(() => JudgeAsync(drive, attempt, candidates, files, room, line, cancellation), cancellation);
            fresh += part.Fresh;
            if (await batches.TakeAsync(drive.Fence, drive.Convention, part, cancellation) is { } run)
            {
                await grains.ValidationRun(run).Wake();
                FaultPoint.Reached("pull.woken");
            }

            // What a setback makes it read again, it reads behind this.
            attempt = attempt with { Line = line, Fresh = fresh };
            drive.Change(attempt);
        }
    }

    /// <summary>Waits while enough batches are on their way.</summary>
    private async Task RoomAsync(PullDrive drive, CancellationToken cancellation)
    {
        for (bool said = false; drive.Wish.Because is null && await pulls.InFlightAsync(drive.Convention.Id, cancellation) >= InFlight; said = true)
        {
            if (!said)
            {
                await pulls.WaitAsync(drive.Fence, "the hooks, which have enough of it", Fence.Lease, setback: false, cancellation);
            }

            await Task.Delay(Look, time, cancellation);
        }
    }

    /// <summary>So many that a batch takes a quarter of its hooks' time at most.</summary>
    private async Task<int> BatchSizeAsync(PullDrive drive, CancellationToken cancellation)
    {
        if ((drive.Pull.BatchSize ?? drive.Source.BatchSize) is { } given)
        {
            return given;
        }

        if (drive.Convention.Document.Hooks.Count == 0)
        {
            return SourceDefinition.MaxBatchSize;
        }

        TimeSpan? cost = await pulls.CostPerRecordAsync(drive.Convention.Id, drive.Convention.Version, cancellation);
        double seconds = drive.Convention.Document.Hooks.Min(h => h.Limits.TimeoutSeconds) / 4.0;
        return cost is { TotalSeconds: var each } ? (int)Math.Clamp(seconds / Math.Max(each, 1e-6), 1, SourceDefinition.MaxBatchSize) : FirstBatch;
    }

    /// <summary>The next lines, until the part is full or names an id a second time.</summary>
    /// <returns>The line that was read and belongs to the next part, or null.</returns>
    private async Task<Candidate?> ReadAsync(OutputLines lines, List<Candidate> part, Candidate? ahead, int size, long most, CancellationToken cancellation)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        long bytes = 0;
        while (part.Count < size && bytes < MaxPartBytes)
        {
            Candidate? next = ahead ?? (lines.Number < most && await lines.NextAsync(cancellation) is { } line ? Read(lines, line) : null);
            ahead = null;
            if (next is null)
            {
                return null;
            }

            if (next.Record is { } record && !ids.Add(record.SourceId))
            {
                return next;
            }

            part.Add(next);
            bytes += next.Content.Length;
        }

        return null;
    }

    private Candidate Read(OutputLines lines, ReadOnlyMemory<byte> line)
    {
        if (lines.IsTooLong)
        {
            return new Candidate(lines.Number, null, null, $"the line is longer than {limits.MaxSourceLineBytes} bytes", line[..Math.Min(line.Length, 64 << 10)].ToArray(), true);
        }

        (SourceLine? record, string? sourceId, string? problem) = SourceLine.Read(line.Span, limits);
        return new Candidate(lines.Number, record, sourceId, problem, line.ToArray(), false);
    }

    private async Task<PullPart> JudgeAsync(
        PullDrive drive, PullAttempt attempt, List<Candidate> candidates, OutputDirectory files, FileRoom filesRoom, long toLine, CancellationToken cancellation)
    {
        Dictionary<string, SourceItem> known = await batches.KnownAsync(drive.Convention.Id, [.. candidates.Select(c => c.Record?.SourceId).OfType<string>()], cancellation);
        var brought = new (IReadOnlyList<StoredFile> Files, string? Hash, string? Problem)[candidates.Count];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, candidates.Count),
            new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellation },
            async (i, token) => brought[i] = await BringAsync(drive.Convention.Document, candidates[i], files, filesRoom, candidates[i].Record is { } record ? known.GetValueOrDefault(record.SourceId) : null, token));

        List<TakenRecord> taken = [];
        List<QuarantinedRecord> quarantined = [];
        List<string> met = [];
        (long unchanged, long blocked, long fresh) = (0, 0, 0);
        long room = limits.MaxQuarantined - await pulls.QuarantinedAsync(drive.Fence.Subject, cancellation);
        for (int i = 0; i < candidates.Count; i++)
        {
            Candidate candidate = candidates[i];
            (IReadOnlyList<StoredFile> stored, string? hash, string? problem) = brought[i];
            if (problem is not null)
            {
                bool isKept = quarantined.Count < room;
                quarantined.Add(new QuarantinedRecord(candidate.Line, candidate.SourceId, problem, isKept ? candidate.Content : null, candidate.IsCut, stored));
                continue;
            }

            string id = candidate.Record!.SourceId;
            SourceItem? item = known.GetValueOrDefault(id);
            bool isMetHere = item?.MetBy.Pull == drive.Fence.Subject;
            bool isOfThisChunk = isMetHere && item!.MetBy.Chunk == attempt.Chunk;
            bool isMetBefore = isOfThisChunk && item!.MetBy.Attempt != attempt.Attempt;
            fresh += !isMetHere || isMetBefore ? 1 : 0;
            if (item is not null && (item.IsWithdrawn || item.ContentHash == hash))
            {
                if (!isOfThisChunk || isMetBefore)
                {
                    met.Add(id);
                }

                blocked += item.IsWithdrawn ? 1 : 0;
                // An attempt of this chunk that was lost had taken it already: it is counted there.
                unchanged += item.IsWithdrawn || (isMetBefore && item.TakenBy == drive.Fence.Subject) ? 0 : 1;
                continue;
            }

            taken.Add(new TakenRecord(id, candidate.Record.MetadataJson, hash!, (item?.Sequence ?? 0) + 1, stored));
        }

        return new PullPart(attempt, toLine, taken, quarantined, met, unchanged, blocked, fresh);
    }

    /// <summary>Looks at a record's files and stores those of one that is new or changed.</summary>
    private async Task<(IReadOnlyList<StoredFile> Files, string? Hash, string? Problem)> BringAsync(
        ConventionDocument convention, Candidate candidate, OutputDirectory files, FileRoom room, SourceItem? known, CancellationToken cancellation)
    {
        if (candidate.Record is not { } record)
        {
            return ([], null, candidate.Problem);
        }

        if (known is { IsWithdrawn: true })
        {
            return ([], known.ContentHash, null);
        }

        (List<SourceFile> named, string? unsafeFile) = Named(record, files, convention.FileRequirements);
        if (unsafeFile is not null)
        {
            return ([], null, unsafeFile);
        }

        var sizes = new List<SubmittedFile>(named.Count);
        var hashes = new List<(string, string)>(named.Count);
        foreach (SourceFile file in named)
        {
            if (files.Open(file.Path, convention.FileRequirements.MaxFileSize) is not OutputFile.Readable readable)
            {
                return ([], null, files.Open(file.Path, convention.FileRequirements.MaxFileSize) is OutputFile.Refused refused ? $"files: {refused.Problem}" : $"files: '{file.Path}' is missing");
            }

            await using (readable.Content)
            {
                sizes.Add(new SubmittedFile(file.Name, readable.Length));
                if (known is not null)
                {
                    hashes.Add((file.Name, Convert.ToHexStringLower(await SHA256.HashDataAsync(readable.Content, cancellation))));
                }
            }
        }

        string? problem = record.Problem(convention, sizes, limits);
        if (problem is null && known is not null && SourceLine.ContentHash(record.MetadataJson, hashes) is var same && same == known.ContentHash)
        {
            return ([], same, null);
        }

        if (!room.Take(sizes.Sum(f => f.Size)))
        {
            return ([], null, problem ?? $"files: with those of the records before it, they are more than the {limits.MaxSourceBytes} bytes that a container may leave; name each file for one record");
        }

        var stored = new List<StoredFile>(named.Count);
        foreach (SourceFile file in problem is null ? named : named.Where(f => FileRules.CheckName(f.Name, limits) is null))
        {
            if (files.Open(file.Path, convention.FileRequirements.MaxFileSize) is OutputFile.Readable readable)
            {
                await using (readable.Content)
                {
                    Blob blob = await blobs.WriteAsync(readable.Content, new BlobLimits(convention.FileRequirements.MaxFileSize), cancellation);
                    stored.Add(new StoredFile(file.Name, blob.Id, blob.Size, blob.Sha256, "", time.GetUtcNow().UtcDateTime));
                }
            }
        }

        return (stored, SourceLine.ContentHash(record.MetadataJson, stored.Select(f => (f.Name, f.Sha256))), problem);
    }

    /// <summary>The files that the record names, and those that lie in its directory without being named.</summary>
    private static (List<SourceFile> Files, string? Problem) Named(SourceLine record, OutputDirectory files, FileRequirements requirements)
    {
        List<SourceFile> named = [.. record.Files];
        // Each would be read, and kept, before the rules had their say: a line of 4 MiB can name one file 100,000 times.
        string tooMany = $"files: are more than the {requirements.MaxCount} that the convention takes";
        if (named.Count > requirements.MaxCount)
        {
            return (named, tooMany);
        }

        if (files.List(record.SourceId, requirements.MaxCount + 1) is not { } entries)
        {
            return (named, null);
        }

        foreach (string entry in entries)
        {
            string path = $"{record.SourceId}/{entry}";
            if (!named.Exists(f => f.Path == path))
            {
                if (named.Exists(f => f.Name == entry))
                {
                    return (named, $"files: '{entry}' is named for another file, and lies in the record's directory too");
                }

                named.Add(new SourceFile(entry, path));
            }
        }

        return (named, named.Count > requirements.MaxCount ? tooMany : null);
    }

    /// <summary>How much of a chunk's files is stored: as much as a container may leave, however many of its lines name the same file.</summary>
    private sealed class FileRoom(long bytes)
    {
        private long _left = bytes;

        public bool Take(long size)
        {
            if (Interlocked.Add(ref _left, -size) >= 0)
            {
                return true;
            }

            Interlocked.Add(ref _left, size);
            return false;
        }
    }

    /// <param name="Content">The line, as far as it is kept.</param>
    private sealed record Candidate(long Line, SourceLine? Record, string? SourceId, string? Problem, byte[] Content, bool IsCut);
}
