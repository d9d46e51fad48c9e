using System.Threading.RateLimiting;

namespace Osa.Examples.ProteinCatalogue;

/// <summary>What makes this catalogue like others: now and then it fails, and it refuses whoever asks too fast. Only reading is troubled.</summary>
/// <param name="failEvery">Each request of this number is answered 503; 0 never fails.</param>
/// <param name="rate">Requests answered in a second; those beyond it are answered 429. 0 refuses none.</param>
internal sealed class Troubles(int failEvery, int rate) : IDisposable
{
    private readonly FixedWindowRateLimiter? limiter = rate == 0
        ? null
        : new FixedWindowRateLimiter(new FixedWindowRateLimiterOptions { PermitLimit = rate, Window = TimeSpan.FromSeconds(1), AutoReplenishment = true });

    private int requests;
    private int failed;
    private int refused;

    /// <summary>Requests answered 503 so far.</summary>
    public int Failed => failed;

    /// <summary>Requests answered 429 so far.</summary>
    public int Refused => refused;

    public async Task Meet(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Method != HttpMethods.Get)
        {
            await next(context);
            return;
        }

        using var permit = limiter?.AttemptAcquire();
        if (permit is { IsAcquired: false })
        {
            Interlocked.Increment(ref refused);
            context.Response.Headers.RetryAfter = "1";
            await Answer(context, StatusCodes.Status429TooManyRequests, $"more than {rate} requests in a second: come back in a second");
        }
        else if (failEvery > 0 && Interlocked.Increment(ref requests) % failEvery == 0)
        {
            Interlocked.Increment(ref failed);
            await Answer(context, StatusCodes.Status503ServiceUnavailable, $"each request number {failEvery} fails");
        }
        else
        {
            await next(context);
        }
    }

    public void Dispose() => limiter?.Dispose();

    private static Task Answer(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(message);
    }
}
