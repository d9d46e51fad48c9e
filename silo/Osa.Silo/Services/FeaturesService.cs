using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Names;
using Osa.Silo.Access;
using Osa.Storage.Features;
using Osa.V1;
using FeatureRow = Osa.Storage.Features.FeatureRow;
using FeatureRows = Osa.Storage.Features.FeatureRows;
using FeatureTable = Osa.Domain.Features.FeatureTable;

namespace Osa.Silo.Services;

/// <summary>Feature tables over gRPC: public.</summary>
public sealed class FeaturesService(FeatureTables tables, FeatureRows rows) : V1.Features.FeaturesBase
{
    public override async Task<FeatureCatalog> Catalog(FeatureCatalogRequest request, ServerCallContext context) => new()
    {
        Tables = { (await tables.ListAsync(context.CancellationToken)).Select(Message) },
    };

    public override async Task<V1.FeatureRows> Rows(FeatureRowsRequest request, ServerCallContext context)
    {
        FeatureTable table = await tables.FindAsync(request.Table, context.CancellationToken) ?? throw OsaException.NotFound($"Feature table '{(request.Table.Length <= 63 ? request.Table : request.Table[..63])}'");
        string? record = request.RecordSrn.Length == 0 ? null : Srn.Parse(request.RecordSrn, SrnType.Record, "record_srn").ToString();
        return Message(await rows.PageAsync(CallerInterceptor.CallerOf(context), table, record, request.PageSize, request.Cursor, context.CancellationToken));
    }

    internal static V1.FeatureRows Message(FeatureRowPage page) => new()
    {
        Columns = { page.Columns.Select(Message) },
        Rows = { page.Rows.Select(Message) },
        NextCursor = page.NextCursor ?? "",
    };

    private static V1.FeatureTable Message(FeatureTable table) => new()
    {
        Name = table.Name,
        ConventionId = table.ConventionId,
        Cardinality = WireName.Of(table.Cardinality),
        Columns = { table.Columns.Select(Message) },
        SchemaVersion = table.SchemaVersion,
        CreatedAt = Timestamp.FromDateTimeOffset(table.CreatedAt),
        PgTable = table.PgTable,
    };

    private static Column Message(FeatureColumn column) => new()
    {
        Name = column.Name,
        Type = WireName.Of(column.Type),
        Format = column.Format ?? "",
        Required = column.Required,
    };

    private static V1.FeatureRow Message(FeatureRow row) => new()
    {
        RecordSrn = row.RecordSrn,
        RunId = row.RunId.ToString("D"),
        CreatedAt = row.CreatedAt == default ? null : Timestamp.FromDateTime(row.CreatedAt),
        Values = { row.Values.Select(Message) },
    };

    private static FeatureValue Message(object? value) => value switch
    {
        null => new FeatureValue(),
        string text => new FeatureValue { Text = text },
        long integer => new FeatureValue { Integer = integer },
        double number => new FeatureValue { Number = number },
        bool boolean => new FeatureValue { Boolean = boolean },
        DateTime time => new FeatureValue { DateTime = time.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture) },
        DateOnly date => new FeatureValue { Text = date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) },
        Guid uuid => new FeatureValue { Text = uuid.ToString("D") },
        JsonText json => new FeatureValue { Json = json.Json },
        _ => throw new InvalidOperationException($"a feature value of type {value.GetType()}"),
    };
}
