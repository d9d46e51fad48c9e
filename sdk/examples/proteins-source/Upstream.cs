using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace Osa.Examples.ProteinSource;

/// <summary>One page of the upstream catalogue.</summary>
/// <param name="Next">The cursor of the next page; null on the last one.</param>
internal sealed record CataloguePage(IReadOnlyList<CatalogueEntry> Entries, string? Next = null);

/// <summary>An entry of the upstream catalogue, in its own words.</summary>
internal sealed record CatalogueEntry(string Id, string Title, string Organism, string Accession, IReadOnlyList<CatalogueFile> Files, int? Taxon = null);

/// <param name="Url">Absolute, or from the catalogue's root.</param>
/// <param name="Sha256">Of the content, in lower-case hex.</param>
internal sealed record CatalogueFile(string Name, string Url, string Sha256);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(CataloguePage))]
internal sealed partial class CatalogueJson : JsonSerializerContext;

/// <summary>
/// The upstream catalogue over HTTP. A request that fails in passing is made again: a broken connection, 408, 429 and 5xx, after the
/// time that <c>Retry-After</c> says, else after an ever longer one.
/// </summary>
internal sealed class Upstream : IDisposable
{
    /// <summary>Largest page read, in bytes.</summary>
    public const int MaxPageBytes = 8 << 20;

    /// <summary>Largest file taken, in bytes: what the convention takes.</summary>
    public const int MaxFileBytes = 1 << 20;

    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(0.3);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan TimePerAttempt = TimeSpan.FromSeconds(60);

    /// <summary>Whoever asks for more patience than this gets it from the node's schedule.</summary>
    private static readonly TimeSpan MostPatience = TimeSpan.FromMinutes(1);

    private readonly Uri root;
    private readonly TimeProvider clock;
    private readonly ResiliencePipeline retries;
    private readonly HttpClient http = new(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.All }) { Timeout = Timeout.InfiniteTimeSpan };

    /// <param name="log">Told of each request that is made again.</param>
    public Upstream(Uri root, int attempts, TimeProvider clock, TextWriter log)
    {
        this.root = root;
        this.clock = clock;
        http.DefaultRequestHeaders.UserAgent.ParseAdd("osa-example-proteins-source/1");
        retries = new ResiliencePipelineBuilder { TimeProvider = clock }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<HttpRequestException>(IsPassing).Handle<HttpIOException>().Handle<TimeoutRejectedException>(),
                MaxRetryAttempts = attempts - 1,
                Delay = FirstWait,
                MaxDelay = LongestWait,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                DelayGenerator = attempt => ValueTask.FromResult((attempt.Outcome.Exception as AnswerException)?.RetryAfter),
                OnRetry = attempt => new ValueTask(log.WriteLineAsync($"{attempt.Outcome.Exception!.Message}; again in {attempt.RetryDelay.TotalSeconds:0.0} s")),
            })
            .AddTimeout(TimePerAttempt)
            .Build();
    }

    /// <summary>At most <paramref name="limit"/> entries that changed since then, after the cursor.</summary>
    /// <exception cref="UpstreamException">Upstream stays away, refuses, or answers something else.</exception>
    public Task<CataloguePage> ListAsync(DateTimeOffset? since, string? cursor, int limit, CancellationToken cancellationToken)
    {
        var query = $"entries?limit={limit}";
        if (since is { } time)
            query += $"&since={Uri.EscapeDataString(time.UtcDateTime.ToString("O"))}";
        if (cursor is not null)
            query += $"&cursor={Uri.EscapeDataString(cursor)}";
        return AskAsync(
            new Uri(root, query),
            async (answer, token) =>
            {
                await answer.Content.LoadIntoBufferAsync(MaxPageBytes, token);
                await using var body = await answer.Content.ReadAsStreamAsync(token);
                return await JsonSerializer.DeserializeAsync(body, CatalogueJson.Default.CataloguePage, token) ?? throw new JsonException("null");
            },
            cancellationToken);
    }

    /// <summary>Streams the file to <paramref name="path"/>, and holds it against its checksum.</summary>
    /// <exception cref="UpstreamException">As <see cref="ListAsync"/>.</exception>
    public Task DownloadAsync(CatalogueFile file, string path, CancellationToken cancellationToken) =>
        AskAsync(
            Resolve(file.Url),
            async (answer, token) =>
            {
                var checksum = await SaveAsync(answer.Content, path, token);
                return checksum == file.Sha256
                    ? checksum
                    : throw new HttpRequestException($"its SHA-256 is {checksum}, the catalogue says {file.Sha256}");
            },
            cancellationToken);

    public void Dispose() => http.Dispose();

    private static async Task<string> SaveAsync(HttpContent content, string path, CancellationToken token)
    {
        await using var body = await content.ReadAsStreamAsync(token);
        await using var file = File.Create(path);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 << 10];
        while (await body.ReadAsync(buffer, token) is > 0 and var read)
        {
            if (file.Length + read > MaxFileBytes)
                throw new UpstreamException($"{Path.GetFileName(path)} has more than {MaxFileBytes} bytes");
            hash.AppendData(buffer, 0, read);
            await file.WriteAsync(buffer.AsMemory(0, read), token);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private Uri Resolve(string reference) => Uri.TryCreate(root, reference, out var url) && url.Scheme is "http" or "https"
        ? url
        : throw new UpstreamException($"'{reference}' is no address of a file on HTTP");

    private async Task<T> AskAsync<T>(Uri url, Func<HttpResponseMessage, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        try
        {
            return await retries.ExecuteAsync(
                async token =>
                {
                    using var answer = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, token);
                    return answer.IsSuccessStatusCode ? await read(answer, token) : throw new AnswerException(answer, clock);
                },
                cancellationToken);
        }
        catch (Exception fault) when (fault is HttpRequestException or HttpIOException or TimeoutRejectedException)
        {
            throw new UpstreamException($"{url}: {fault.Message}", fault);
        }
        catch (JsonException fault)
        {
            throw new UpstreamException($"{url} answered something else than a page of the catalogue: {fault.Message}", fault);
        }
    }

    private static bool IsPassing(HttpRequestException fault) => fault switch
    {
        AnswerException { RetryAfter: { } wait } when wait > MostPatience => false,
        { StatusCode: null or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError } => true,
        _ => false,
    };

    /// <summary>Upstream answered, but not with what was asked for.</summary>
    private sealed class AnswerException(HttpResponseMessage answer, TimeProvider clock)
        : HttpRequestException($"{answer.RequestMessage!.RequestUri!.PathAndQuery} was answered {(int)answer.StatusCode} {answer.ReasonPhrase}", null, answer.StatusCode)
    {
        public TimeSpan? RetryAfter { get; } = answer.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } when date > clock.GetUtcNow() => date - clock.GetUtcNow(),
            _ => null,
        };
    }
}

/// <summary>Upstream does not give what the pull needs; the message says what happened.</summary>
#pragma warning disable CA1064 // Thrown and caught inside one program.
internal sealed class UpstreamException(string message, Exception? cause = null) : Exception(message, cause);
#pragma warning restore CA1064
