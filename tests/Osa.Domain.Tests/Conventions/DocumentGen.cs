using System.Text.Json.Nodes;
using CsCheck;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;
using Osa.Domain.Schemas;
using Osa.Domain.Sources;

namespace Osa.Domain.Tests.Conventions;

/// <summary>Generates valid conventions of every shape.</summary>
internal static class DocumentGen
{
    private static readonly Gen<string> Word = Gen.String[Gen.Char["abcdeXYZ äß蛋🧬\"\\<0189"], 1, 20]
        .Select(text => string.Concat(text.EnumerateRunes().Where(rune => rune.Value != 0xFFFD)).Trim())
        .Where(text => text.Length > 0);

    private static readonly Gen<string> Identifier =
        from head in Gen.Char["abcxyz"]
        from tail in Gen.String[Gen.Char["abcxyz019_"], 0, 20]
        select "n" + head + tail;

    private static readonly Gen<string> Digest = Gen.String[Gen.Char["0123456789abcdef"], 64, 64].Select(hex => "sha256:" + hex);

    private static readonly Gen<FieldConstraints> Text =
        from min in Gen.Int[0, 10]
        from more in Gen.Int[0, 10]
        from which in Gen.Int[0, 3]
        from pattern in Gen.OneOf<string?>(null, "^[A-Z]+$", "a|b\\d", "\\p{L}*")
        select (FieldConstraints)new TextConstraints(which % 2 == 0 ? min : null, which < 2 ? min + more : null, pattern);

    private static readonly Gen<FieldConstraints> Number =
        from min in Gen.Double[-1e300, 1e300]
        from max in Gen.OneOf(Gen.Double[0, 1e-5], Gen.Double[0, 1e5], Gen.Int.Select(value => (double)value))
        from which in Gen.Int[0, 3]
        from integer in Gen.Bool
        select (FieldConstraints)new NumberConstraints(which % 2 == 0 ? Math.Min(min, max) : null, which < 2 ? Math.Max(min, max) : null, integer);

    private static readonly Gen<FieldConstraints> Term = Gen.Int[0, 99999].Array[0, 4].Select(ids =>
        (FieldConstraints)new TermConstraints(ids.Length == 0 ? null : [.. ids.Distinct().Select(id => $"GO:{id}")]));

    private static readonly Gen<FieldDefinition> Field =
        from type in Gen.Enum<FieldType>()
        from name in Word
        from required in Gen.Bool
        from cardinality in Gen.Enum<Cardinality>()
        from description in Word.Null()
        from unit in Gen.OneOf<string?>(null, "Da", "Å")
        from constraints in type switch
        {
            FieldType.Text => Text,
            FieldType.Number => Number,
            FieldType.Term => Term,
            FieldType.Url => Gen.OneOf<string?>(null, "org$").Select(pattern => (FieldConstraints)new UrlConstraints(pattern)),
            FieldType.Date => Gen.Const((FieldConstraints)new DateConstraints()),
            _ => Gen.Const((FieldConstraints)new BooleanConstraints()),
        }
        from given in Gen.Bool
        select new FieldDefinition(name, type, required, cardinality, description, given ? constraints with { Unit = unit } : null);

    private static readonly Gen<ColumnDefinition> Column =
        from name in Identifier
        from type in Gen.Enum<JsonType>()
        from format in Gen.OneOf<string?>(null, "date-time", "date", "uuid")
        from required in Gen.Bool
        select new ColumnDefinition(name, type, type == JsonType.String ? format : null, required);

    private static readonly Gen<string> Image = Gen.OneOf("a", "ghcr.io/x/y:1", "localhost:5000/z@sha256:0123456789012345678901234567890123456789012345678901234567890123");

    private static readonly Gen<HookDefinition> Hook =
        from name in Identifier
        from image in Image
        from digest in Digest.Null()
        from configured in Gen.Bool
        from config in Gen.Select(Word, Gen.Int).Array[0, 4]
        from contract in Gen.Enum<HookContract>()
        from batch in Gen.Int[1, HookLimits.MaxBatchSize]
        from limits in Gen.Select(Gen.Int[1, 86_400], Gen.Long[HookLimits.MinMemoryBytes, 8L << 30], Gen.Int[10, 16_000], Gen.Int[1, 1_024])
        from cardinality in Gen.Enum<FeatureCardinality>()
        from columns in Column.Array[0, 5]
        select new HookDefinition(
            image,
            digest,
            configured ? Config(config) : null,
            new HookLimits(limits.Item1, limits.Item2, limits.Item3 / 1000.0, limits.Item4) { BatchSize = batch },
            new HookManifest(name, name + "Record", contract, cardinality, [.. columns.DistinctBy(column => column.Name)]));

    private static readonly Gen<SourceDefinition> Source =
        from image in Image
        from digest in Digest.Null()
        from configured in Gen.Bool
        from config in Gen.Select(Word, Gen.Int).Array[0, 4]
        from limits in Gen.Select(Gen.Int[1, 86_400], Gen.Long[HookLimits.MinMemoryBytes, 8L << 30], Gen.Int[10, 16_000], Gen.Int[1, 1_024])
        from cron in Gen.OneOf<string?>(null, "* * * * *", "0 3 * * *", "*/5 8-17 1,15 * MON-FRI")
        from scheduled in Gen.Long[1, int.MaxValue]
        from first in Gen.Long[1, int.MaxValue]
        from which in Gen.Int[0, 7]
        from batch in Gen.Int[1, SourceDefinition.MaxBatchSize]
        select new SourceDefinition(image, digest, configured ? Config(config) : null, new HookLimits(limits.Item1, limits.Item2, limits.Item3 / 1000.0, limits.Item4))
        {
            Schedule = cron is null ? null : new SourceSchedule(cron, which % 2 == 0 ? scheduled : null),
            InitialRun = which < 2 ? null : new InitialRun(which < 5 ? first : null),
            BatchSize = which % 3 == 0 ? batch : null,
        };

    public static readonly Gen<ConventionDocument> Convention =
        from id in Gen.String[Gen.Char["abc019-"], 3, 64]
        from version in Gen.OneOf("0.0.0", "1.2.3", "10.0.1-rc.1+5")
        from title in Word
        from description in Word.Null()
        from schema in Field.Array[1, 6]
        from types in Gen.OneOf(".a", ".fastq.gz", ".c++", ".7z").Array[0, 3]
        from counts in Gen.Select(Gen.Int[0, 5_000], Gen.Int[0, 5_000])
        from size in Gen.Long[1, 100L << 30]
        from hooks in Hook.Array[0, 4]
        from curation in Gen.Enum<Curation>()
        from share in Gen.Bool
        from source in Source.Null()
        select new ConventionDocument(
            id,
            version,
            title,
            description,
            [.. schema.DistinctBy(field => field.Name)],
            new FileRequirements([.. types.Distinct()], counts.Item1, counts.Item1 + counts.Item2, size),
            [.. hooks.DistinctBy(hook => hook.Name)])
        { Curation = curation, Share = share, Source = source };

    private static JsonObject Config((string Name, int Value)[] members)
    {
        var config = new JsonObject();
        foreach ((string name, int value) in members)
        {
            config[name] = (value & 3) switch
            {
                0 => value,
                1 => new JsonArray(value, null, true),
                2 => new JsonObject { ["z"] = name, ["a"] = value / 4.0m },
                _ => name,
            };
        }

        return config;
    }
}
