using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Grpc.Core;
using Polly;
using Polly.Retry;

namespace Osa.Client.Calls;

/// <summary>How every call is made: with the token, a deadline per attempt, retries, and errors as <see cref="OsaClientException"/>.</summary>
internal sealed class NodeCalls
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly Uri node;
    private readonly OsaClientOptions options;
    private readonly Metadata headers = [];
    private readonly ResiliencePipeline retries;

    public NodeCalls(Uri node, string? token, OsaClientOptions options)
    {
        this.node = node;
        this.options = options;
        if (token is not null)
        {
            headers.Add("authorization", $"Bearer {token}");
        }

        retries = options.MaxRetries == 0
            ? ResiliencePipeline.Empty
            : new ResiliencePipelineBuilder()
                .AddRetry(new RetryStrategyOptions
                {
                    ShouldHandle = new PredicateBuilder().Handle<OsaClientException>(static error => error.IsTransient),
                    MaxRetryAttempts = options.MaxRetries,
                    Delay = options.RetryDelay,
                    MaxDelay = LongestDelay,
                    BackoffType = DelayBackoffType.Exponential,
                    UseJitter = true,
                })
                .Build();
    }

    /// <summary>A key that makes repetitions of one logical call the same call.</summary>
    public static string NewIdempotencyKey() => Guid.NewGuid().ToString("N");

    public Task<T> UnaryAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) =>
        RetryAsync(
            async token =>
            {
                var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + options.CallTimeout;
                using var unary = call(new CallOptions(headers, deadline, token));
                return await unary;
            },
            cancellationToken);

    /// <summary>Runs <paramref name="attempt"/> until it succeeds or fails for good.</summary>
    public async Task<T> RetryAsync<T>(Func<CancellationToken, Task<T>> attempt, CancellationToken cancellationToken) =>
        await retries.ExecuteAsync(async token => await TranslateAsync(attempt, token), cancellationToken);

    /// <summary>Runs <paramref name="attempt"/> once: for what cannot be repeated.</summary>
    public async Task<T> TranslateAsync<T>(Func<CancellationToken, Task<T>> attempt, CancellationToken cancellationToken)
    {
        try
        {
            return await attempt(cancellationToken);
        }
        catch (RpcException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (RpcException error)
        {
            throw OsaClientException.From(error, node);
        }
    }

    public CallOptions StreamOptions(CancellationToken cancellationToken) => new(headers, cancellationToken: cancellationToken);

    /// <summary>
    /// The messages of a stream that may be asked for again, until the one that <paramref name="isLast"/>. A connection that breaks, or ends too
    /// early, is made again: after the first message for as long as it takes, before it, when nobody may be there at all,
    /// <see cref="OsaClientOptions.MaxRetries"/> times.
    /// A message equal to the one before it is left out.
    /// </summary>
    /// <param name="refusalsEnd">
    /// A node that answers UNAVAILABLE itself is asked again <see cref="OsaClientOptions.MaxRetries"/> times and no more: its reason is the caller's
    /// to act on. False: it is asked for as long as it takes.
    /// </param>
    public async IAsyncEnumerable<T> ReconnectingAsync<T>(
        Func<CallOptions, AsyncServerStreamingCall<T>> start,
        Func<T, bool> isLast,
        bool refusalsEnd,
        IProgress<OsaClientException>? reconnecting,
        [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IEquatable<T>
    {
        T? last = null;
        for (var failures = 0; ; failures++)
        {
            OsaClientException? failure = null;
            using (var call = start(StreamOptions(cancellationToken)))
            {
                while (failure is null)
                {
                    try
                    {
                        if (!await TranslateAsync(call.ResponseStream.MoveNext, cancellationToken))
                        {
                            failure = new OsaClientException(StatusCode.Unavailable, $"the node at {node} ended the stream early");
                        }
                    }
                    catch (OsaClientException error) when (error.IsTransient)
                    {
                        failure = error;
                    }

                    if (failure is null && !call.ResponseStream.Current.Equals(last))
                    {
                        last = call.ResponseStream.Current;
                        failures = 0;
                        yield return last;
                        if (isLast(last))
                        {
                            yield break;
                        }
                    }
                }
            }

            if ((IsAnswer(failure) ? refusalsEnd : last is null) && failures >= options.MaxRetries)
            {
                throw failure;
            }

            reconnecting?.Report(failure);
            await Task.Delay(Backoff(failures), cancellationToken);
        }
    }

    /// <summary>The messages of a stream that is asked for once.</summary>
    public async IAsyncEnumerable<T> StreamAsync<T>(Func<CallOptions, AsyncServerStreamingCall<T>> start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var call = start(StreamOptions(cancellationToken));
        while (await TranslateAsync(call.ResponseStream.MoveNext, cancellationToken))
        {
            yield return call.ResponseStream.Current;
        }
    }

    /// <summary>Every item of a list, page after page.</summary>
    /// <param name="fetch">Cursor to (items, next cursor); the first and the last cursor are empty.</param>
    public static async IAsyncEnumerable<T> PagesAsync<T>(
        Func<string, CancellationToken, Task<(IReadOnlyList<T> Items, string NextCursor)>> fetch,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var cursor = "";
        do
        {
            var (items, next) = await fetch(cursor, cancellationToken);
            foreach (var item in items)
            {
                yield return item;
            }

            if (next.Length > 0 && next == cursor)
            {
                throw new OsaClientException(StatusCode.Internal, "the node answered with the same page twice");
            }

            cursor = next;
        }
        while (cursor.Length > 0);
    }

    // A connection that could not be made, or broke, carries a local exception.
    private static bool IsAnswer(OsaClientException failure) => failure.InnerException is RpcException { Status.DebugException: null };

    private TimeSpan Backoff(int failures)
    {
        var delay = options.RetryDelay * Math.Pow(2, Math.Min(failures, 10));
        var bounded = delay < LongestDelay ? delay : LongestDelay;
        return bounded * (0.5 + (RandomNumberGenerator.GetInt32(1000) / 2000.0));
    }
}
