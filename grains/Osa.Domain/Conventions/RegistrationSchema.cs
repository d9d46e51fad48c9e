namespace Osa.Domain.Conventions;

/// <summary>
/// The JSON Schema (draft 7) of registration documents, for editors and other programs. It never refuses what the node takes; the
/// node's own limits, uniqueness, and rules between members are beyond it.
/// </summary>
public static class RegistrationSchema
{
    /// <summary>The schema as JSON.</summary>
    public static string Json { get; } = Load();

    private static string Load()
    {
        using Stream stream = typeof(RegistrationSchema).Assembly.GetManifestResourceStream("Osa.Domain.registration.schema.json")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
