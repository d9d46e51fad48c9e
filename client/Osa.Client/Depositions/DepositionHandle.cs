using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client.Calls;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Client.Depositions;

/// <summary>One deposition, by name. Making a handle does no I/O and does not say that the deposition exists.</summary>
public sealed class DepositionHandle
{
    private readonly V1.Depositions.DepositionsClient client;
    private readonly RunsClient runs;
    private readonly NodeCalls calls;

    internal DepositionHandle(string srn, V1.Depositions.DepositionsClient client, RunsClient runs, NodeCalls calls)
    {
        Srn = srn;
        this.client = client;
        this.runs = runs;
        this.calls = calls;
    }

    public string Srn { get; }

    public Task<Deposition> GetAsync(CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetAsync(new GetDepositionRequest { Srn = Srn }, options), cancellationToken);

    /// <summary>Replaces the whole metadata of a draft.</summary>
    public Task<Deposition> SetMetadataAsync(JsonObject metadata, CancellationToken cancellationToken = default)
    {
        var request = new SetMetadataRequest { Srn = Srn, MetadataJson = metadata.ToJsonString() };
        return calls.UnaryAsync(options => client.SetMetadataAsync(request, options), cancellationToken);
    }

    /// <summary>Uploads a file of this machine.</summary>
    /// <param name="name">Its name in the deposition. Default: the last part of <paramref name="path"/>.</param>
    /// <param name="progress">Told how many bytes were sent; starts over when a broken connection is made again.</param>
    public async Task<DepositionFile> UploadFileAsync(
        string path, string? name = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        await using var file = new FileStream(path, new FileStreamOptions { Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
        return await UploadAsync(name ?? Path.GetFileName(path), file, null, progress, cancellationToken);
    }

    /// <summary>
    /// Uploads <paramref name="content"/> from where it stands to its end. A stream that can seek is hashed first, so that the node refuses what
    /// arrives damaged, and is sent again after a broken connection. Any other is sent once, and what the node stored compared afterwards.
    /// </summary>
    /// <exception cref="OsaClientException">DataLoss: the node stored other bytes than were sent.</exception>
    public Task<DepositionFile> UploadAsync(
        string name, Stream content, string? contentType = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var header = new UploadHeader { DepositionSrn = Srn, Name = name, ContentType = contentType ?? "" };
        return calls.UploadAsync(client, header, content, progress, cancellationToken);
    }

    /// <summary>Writes a file to <paramref name="destination"/> and verifies its checksum.</summary>
    /// <exception cref="OsaClientException">NotFound; DataLoss: other bytes than announced.</exception>
    public async Task DownloadAsync(
        string name, Stream destination, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var deposition = await GetAsync(cancellationToken);
        var file = deposition.Files.FirstOrDefault(file => file.Name == name)
            ?? throw new OsaClientException(StatusCode.NotFound, $"{Srn} has no file '{name}'");
        var request = new DownloadDepositionFileRequest { DepositionSrn = Srn, Name = name };
        await calls.DownloadAsync(
            options => client.Download(request, options), (file.Name, file.Size, file.Checksum), destination, progress, cancellationToken);
    }

    public async Task<Deposition> DeleteFileAsync(string name, CancellationToken cancellationToken = default)
    {
        var attempts = 0;
        try
        {
            return await calls.UnaryAsync(
                options =>
                {
                    attempts++;
                    return client.DeleteFileAsync(new DeleteFileRequest { DepositionSrn = Srn, Name = name }, options);
                },
                cancellationToken);
        }
        catch (OsaClientException error) when (error.Code is StatusCode.NotFound && attempts > 1)
        {
            // An earlier attempt whose answer was lost deleted it.
            return await GetAsync(cancellationToken);
        }
    }

    /// <summary>Everything that <see cref="SubmitAsync"/> would refuse; empty when it can be submitted.</summary>
    public async Task<IReadOnlyList<RuleViolation>> ValidateAsync(CancellationToken cancellationToken = default)
    {
        var answer = await calls.UnaryAsync(
            options => client.ValidateAsync(new ValidateDepositionRequest { Srn = Srn }, options), cancellationToken);
        return answer.Violations;
    }

    /// <summary>Takes it out of the run or review it is in, back to draft.</summary>
    public Task<Deposition> CancelAsync(string reason = "", CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.CancelAsync(new CancelDepositionRequest { Srn = Srn, Reason = reason }, options), cancellationToken);

    /// <summary>Gives it up for good. What is published is a record, which only a curator withdraws.</summary>
    public Task<Deposition> WithdrawAsync(string reason = "", CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.WithdrawAsync(new WithdrawDepositionRequest { Srn = Srn, Reason = reason }, options), cancellationToken);

    /// <summary>Says until when the record that a draft becomes is held.</summary>
    /// <param name="embargo">Null: not at all.</param>
    public Task<Deposition> SetEmbargoAsync(Embargo? embargo, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.SetEmbargoAsync(new SetEmbargoRequest { Srn = Srn, Embargo = embargo }, options), cancellationToken);

    /// <summary>Starts a validation run. A deposition that is in validation answers with the run it has.</summary>
    /// <param name="idempotencyKey">1 to 128 characters; the same key again answers with the same run. Default: a new one.</param>
    public async Task<RunHandle> SubmitAsync(string? idempotencyKey = null, CancellationToken cancellationToken = default)
    {
        var request = new SubmitDepositionRequest { Srn = Srn, IdempotencyKey = idempotencyKey ?? NodeCalls.NewIdempotencyKey() };
        var submission = await calls.UnaryAsync(options => client.SubmitAsync(request, options), cancellationToken);
        // Others may be in the same run: what it is for this one is what whoever submitted it asks.
        return runs.Handle(submission.RunSrn, Srn);
    }
}
