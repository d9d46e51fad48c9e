using System.Text.Json.Nodes;

namespace Osa.Domain.Tests.Conventions;

/// <summary>Registration documents for tests: one that is right, and changes to it.</summary>
internal static class Documents
{
    public const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    public static JsonObject Valid() => JsonNode.Parse(
        """
        {
          "id": "proteins",
          "title": "Protein sequences",
          "version": "1.0.0",
          "description": "Sequences of single proteins",
          "schema": [
            {"name": "name", "type": "text", "required": true, "cardinality": "exactly_one",
             "constraints": {"type": "text", "min_length": 1, "max_length": 200, "pattern": "^\\S", "unit": "none"}},
            {"name": "mass", "type": "number", "required": false, "cardinality": "exactly_one",
             "constraints": {"type": "number", "min_value": 0, "max_value": 1e6, "integer_only": false, "unit": "Da"}},
            {"name": "process", "type": "term", "required": false, "cardinality": "zero_or_more",
             "constraints": {"type": "term", "allowed_terms": ["GO:0008150", "GO:0003674"]}},
            {"name": "published", "type": "date", "required": false, "cardinality": "exactly_one", "constraints": {"type": "date"}},
            {"name": "link", "type": "url", "required": false, "cardinality": "one_or_more", "constraints": {"type": "url", "pattern": "org"}},
            {"name": "reviewed", "type": "boolean", "required": false, "cardinality": "exactly_one", "constraints": {"type": "boolean"}}
          ],
          "file_requirements": {"accepted_types": [".fasta", ".fastq.gz"], "min_count": 1, "max_count": 2, "max_file_size": 1048576},
          "hooks": [
            {"image": "ghcr.io/group/check:1", "digest": "DIGEST", "runner": "oci", "config": {"b": [1, 1.0, 1e2], "a": {"z": null, "y": "ü"}},
             "limits": {"timeout_seconds": 60, "memory": "1g", "cpu": "1.0", "pids": 64},
             "manifest": {"name": "sequence_check", "record_schema": "Protein", "cardinality": "one", "runner": "oci", "feature_schema": {"columns": []}}},
            {"image": "ghcr.io/group/digest:1",
             "manifest": {"name": "digest", "record_schema": "Protein", "cardinality": "many", "contract": "record", "feature_schema": {"columns": [
               {"name": "peptide", "json_type": "string", "format": null, "required": true},
               {"name": "mass", "json_type": "number", "format": "double", "required": true},
               {"name": "seen", "json_type": "string", "format": "date-time", "required": false}]}}}
          ],
          "source": null
        }
        """.Replace("DIGEST", Digest, StringComparison.Ordinal))!.AsObject();

    /// <summary>The valid document after one change at a path such as <c>hooks[0].limits.memory</c>; null JSON removes the member.</summary>
    public static string With(string path, string? json)
    {
        JsonObject document = Valid();
        JsonNode node = document;
        string[] steps = path.Replace("[", ".[", StringComparison.Ordinal).Split('.', StringSplitOptions.RemoveEmptyEntries);
        foreach (string step in steps[..^1])
        {
            node = step[0] == '[' ? node[int.Parse(step[1..^1])]! : node[step]!;
        }

        JsonNode? value = json is null ? null : JsonNode.Parse(json);
        switch (steps[^1])
        {
            case "[+]":
                node.AsArray().Add(value);
                break;
            case ['[', ..] index:
                node[int.Parse(index[1..^1])] = value;
                break;
            case var name when json is null:
                node.AsObject().Remove(name);
                break;
            case var name:
                node[name] = value;
                break;
        }

        return document.ToJsonString();
    }
}
