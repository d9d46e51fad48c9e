using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>How the values of a declared column are stored. The numbers stand in canonical files and are never reused.</summary>
public enum FeatureColumnType : byte
{
    Text = 1,

    /// <summary>An instant with microseconds.</summary>
    Timestamp = 2,

    /// <summary>A calendar day.</summary>
    Date = 3,
    Uuid = 4,

    /// <summary>IEEE 754 binary64.</summary>
    Double = 5,

    /// <summary>A signed 64-bit integer.</summary>
    Bigint = 6,
    Boolean = 7,

    /// <summary>An array or object, kept as structured JSON.</summary>
    Json = 8,
}

/// <summary>The mapping from declarations to storage.</summary>
public static class FeatureColumnTypes
{
    /// <summary>How a declared column is stored; an unknown format counts as none.</summary>
    public static FeatureColumnType Of(JsonType type, string? format) => (type, format) switch
    {
        (JsonType.String, "date-time") => FeatureColumnType.Timestamp,
        (JsonType.String, "date") => FeatureColumnType.Date,
        (JsonType.String, "uuid") => FeatureColumnType.Uuid,
        (JsonType.String, _) => FeatureColumnType.Text,
        (JsonType.Number, _) => FeatureColumnType.Double,
        (JsonType.Integer, _) => FeatureColumnType.Bigint,
        (JsonType.Boolean, _) => FeatureColumnType.Boolean,
        (JsonType.Array or JsonType.Object, _) => FeatureColumnType.Json,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };
}
