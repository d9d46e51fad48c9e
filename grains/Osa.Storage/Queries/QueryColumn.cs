using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Schemas;
using static Osa.Storage.Features.SqlIdentifier;

namespace Osa.Storage.Queries;

/// <summary>A column that can be selected, filtered and mostly sorted by.</summary>
/// <param name="Sql">The expression that is its value.</param>
/// <param name="IsNullable">May have no value.</param>
/// <param name="MetadataField">The field of the record's metadata that it is.</param>
/// <param name="IsList">The field has several values: it is equal to each of them.</param>
internal sealed record QueryColumn(string Name, JsonType Type, string? Format, string Sql, bool IsNullable, string? MetadataField = null, bool IsList = false)
{
    /// <summary>As much of a text as is indexed and sorted by, in characters.</summary>
    public const int IndexedLength = 500;

    public FeatureColumnType StoredAs => FeatureColumnTypes.Of(Type, Format);

    public bool IsText => StoredAs == FeatureColumnType.Text;

    /// <summary>What it is sorted by; the expression of its index where it is a feature's.</summary>
    /// <exception cref="OsaException">InvalidArgument.</exception>
    public string Order(string field) => StoredAs == FeatureColumnType.Json
        ? throw OsaException.Invalid(field, "type", $"'{Name}' holds {(IsList ? "several values" : "arrays or objects")}, by which nothing can be sorted or grouped")
        : IsText ? $"left({Sql}, {IndexedLength}) collate \"C\"" : Sql;

    /// <summary>What an export shows of it: one spelling for every format.</summary>
    public string Text => StoredAs == FeatureColumnType.Timestamp ? $"replace(({Sql} at time zone 'UTC')::text, ' ', 'T') || 'Z'" : Sql;

    public static QueryColumn Of(FeatureColumn column) => new(column.Name, column.Type, column.Format, $"f.{Quote(column.Name)}", !column.Required || !column.Declared);

    /// <summary>A field of the records' metadata; null where a record of another version has it with another type.</summary>
    public static QueryColumn Of(FieldDefinition field)
    {
        string key = "'" + field.Name.Replace("'", "''", StringComparison.Ordinal) + "'";
        string name = "metadata." + field.Name;
        string Typed(string type, string cast) => $"(case when jsonb_typeof(r.metadata -> {key}) = '{type}' then (r.metadata ->> {key}){cast} end)";
        return field.Cardinality != Cardinality.ExactlyOne
            ? new QueryColumn(name, JsonType.Array, null, $"(r.metadata -> {key})", true, field.Name, IsList: true)
            : field.Type switch
            {
                FieldType.Number => new QueryColumn(name, JsonType.Number, null, Typed("number", "::double precision"), true, field.Name),
                FieldType.Boolean => new QueryColumn(name, JsonType.Boolean, null, Typed("boolean", "::boolean"), true, field.Name),
                _ => new QueryColumn(name, JsonType.String, null, Typed("string", ""), true, field.Name),
            };
    }
}
