namespace Osa.Domain.Features;

/// <summary>What a hook emitted cannot be taken; the message is path and problem, e.g. <c>features[3].score: expected number, got string</c>.</summary>
public sealed class FeatureFileException(string path, string problem) : Exception($"{path}: {problem}")
{
    /// <summary>Where, e.g. <c>features[3].score</c>; <c>features</c> is the whole file.</summary>
    public string Path { get; } = path;

    /// <summary>What is wrong and what would be right.</summary>
    public string Problem { get; } = problem;
}
