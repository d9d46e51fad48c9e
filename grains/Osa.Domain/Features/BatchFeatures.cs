using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>The checked features of one of many: a canonical file that stands between others in one stream.</summary>
/// <param name="Offset">Where it begins.</param>
public sealed record FeatureSegment(long Offset, FeatureFileSummary Summary);

/// <summary>
/// Checks the features that a container over many depositions emitted, each by the rules of <see cref="FeatureFile"/>, and writes them
/// one behind the other. What is wrong with one of them is that one's failure; its remains stay between the others and mean nothing.
/// </summary>
public sealed class BatchFeatures(HookManifest manifest, NodeLimits limits, Stream canonical) : IDisposable
{
    private readonly CanonicalFeatureWriter output = new(canonical, manifest.Columns, limits.MaxFeatureBytes);
    private FeatureFileParser? parser;

    /// <param name="features">The JSON value that was emitted for one: an array, an object or null.</param>
    /// <exception cref="FeatureFileException">The first thing that is wrong with it, with its path.</exception>
    public async Task<FeatureSegment> AddAsync(ReadOnlyMemory<byte> features, CancellationToken cancellationToken)
    {
        output.Begin();
        long offset = output.Start;
        FeatureFileParser reading = parser ?? new FeatureFileParser(manifest, limits, output);
        // Kept only when it has come to a good end: in the middle of a value it holds what no other may see.
        parser = null;
        var state = new JsonReaderState(new JsonReaderOptions { MaxDepth = limits.MaxJsonDepth + 1 });
        bool more = true;
        while (more)
        {
            (int consumed, more) = reading.Consume(features.Span, isFinal: true, ref state);
            features = features[consumed..];
            if (more)
                await output.FlushAsync(cancellationToken);
        }

        FeatureFileSummary summary = output.End();
        if (output.IsFull)
            await output.FlushAsync(cancellationToken);
        reading.Reset();
        parser = reading;
        return new FeatureSegment(offset, summary);
    }

    /// <summary>Writes out what is still held back.</summary>
    public ValueTask CompleteAsync(CancellationToken cancellationToken) => output.FlushAsync(cancellationToken);

    public void Dispose() => output.Dispose();
}
