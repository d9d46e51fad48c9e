using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Osa.Cli.Input;

/// <summary>A deposition of a set with what is in it.</summary>
/// <param name="Key">An idempotency key that says convention, metadata and files: the same set once more makes nothing twice.</param>
/// <param name="Checksums">Of its files, in their order, as the node writes them.</param>
internal sealed record KeyedDeposition(PlannedDeposition Planned, string Key, IReadOnlyList<string> Checksums)
{
    /// <summary>Reads every file. Of several with the same content each has a key of its own, whatever their order.</summary>
    public static async Task<IReadOnlyList<KeyedDeposition>> OfAsync(string conventionSrn, IReadOnlyList<PlannedDeposition> planned, CancellationToken cancellationToken)
    {
        var keyed = new KeyedDeposition[planned.Count];
        await Parallel.ForAsync(0, planned.Count, cancellationToken, async (i, token) =>
        {
            var checksums = new List<string>();
            foreach (var file in planned[i].Files)
            {
                await using var content = file.OpenRead();
                checksums.Add("sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(content, token)));
            }

            // No part can hold what separates them.
            string[] parts = [conventionSrn, planned[i].Metadata.ToJsonString(), .. planned[i].Files.Select(static file => file.Name), .. checksums];
            keyed[i] = new KeyedDeposition(planned[i], Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts)))), checksums);
        });
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        return
        [
            .. keyed.Select(deposition =>
            {
                var before = seen.GetValueOrDefault(deposition.Key);
                seen[deposition.Key] = before + 1;
                return deposition with { Key = string.Create(CultureInfo.InvariantCulture, $"set-{deposition.Key}-{before}") };
            }),
        ];
    }
}
