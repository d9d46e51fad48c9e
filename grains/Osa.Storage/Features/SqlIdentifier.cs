namespace Osa.Storage.Features;

/// <summary>The one place where a name becomes a part of a statement.</summary>
internal static class SqlIdentifier
{
    /// <summary>The identifier in double quotes, which are doubled inside.</summary>
    public static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>A table of schema <c>features</c>.</summary>
    public static string FeatureTable(string pgTable) => $"features.{Quote(pgTable)}";
}
