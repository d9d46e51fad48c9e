using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Osa.Examples.ProteinCatalogue;

namespace Osa.Examples.Tests;

/// <summary>The source's image in a container as hardened as a node's, against a catalogue on the engine's bridge.</summary>
public sealed class SourceImageTests(SourceImage image) : IClassFixture<SourceImage>
{
    private static readonly IPEndPoint OnBridge = new(SourceImage.Bridge, 0);

    [Fact(Skip = "of the long form: its image takes a minute to build", SkipUnless = nameof(SourceImage.IsLong), SkipType = typeof(SourceImage))]
    public async Task The_image_pulls_the_whole_catalogue_through_its_failures()
    {
        await using var catalogue = await CatalogueServer.StartAsync(OnBridge, failEvery: 10);

        var chunk = (await image.RunAsync(SourceCall.To(catalogue.Address, attempts: 7))).Complete;

        Assert.Null(chunk.Session);
        Assert.Equal(
            catalogue.Catalogue.Entries.Select(entry => (entry.Protein.Id, entry.Protein.Sha256)),
            chunk.Records.Select(record => (record.SourceId, record.Files.Single().Sha256)));
        Assert.InRange(catalogue.Troubles.Failed, 1, int.MaxValue);
    }

    [Fact(Skip = "of the long form: its image takes a minute to build", SkipUnless = nameof(SourceImage.IsLong), SkipType = typeof(SourceImage))]
    public async Task The_image_goes_on_from_a_session_within_limit_and_time_as_slowly_as_it_is_told_to()
    {
        await using var catalogue = await CatalogueServer.StartAsync(OnBridge, rate: 1);
        var all = catalogue.Catalogue.Entries.Select(entry => entry.Protein.Id).ToList();
        var call = SourceCall.To(catalogue.Address, attempts: 7) with { Since = Catalogue.Founded.AddMinutes(10).ToString("O"), Limit = 3 };

        var first = (await image.RunAsync(call)).Complete;
        var second = (await image.RunAsync(call with { Session = first.Session, Offset = 3 })).Complete;

        Assert.Equal(all[10..13], first.Ids);
        Assert.Equal(all[13..16], second.Ids);
        Assert.InRange(catalogue.Troubles.Refused, 1, int.MaxValue);
    }

    [Fact(Skip = "of the long form: its image takes a minute to build", SkipUnless = nameof(SourceImage.IsLong), SkipType = typeof(SourceImage))]
    public async Task The_image_resolves_names_and_speaks_TLS_with_whom_it_trusts()
    {
        using var certificate = SelfSigned(SourceImage.Upstream);
        await using var catalogue = await CatalogueServer.StartAsync(OnBridge, certificate: certificate);
        var call = SourceCall.To(new UriBuilder(Uri.UriSchemeHttps, SourceImage.Upstream, catalogue.Address.Port).Uri) with { Limit = 2 };
        var authorities = Path.GetTempFileName();
        await File.WriteAllTextAsync(authorities, certificate.ExportCertificatePem());
        File.SetUnixFileMode(authorities, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

        var trusting = (await image.RunAsync(call, authorities)).Complete;
        var wary = await image.RunAsync(call);

        File.Delete(authorities);
        Assert.Equal(2, trusting.Records.Count);
        Assert.Equal(1, wary.ExitCode);
        Assert.Contains("The SSL connection could not be established", wary.Log, StringComparison.Ordinal);
    }

    [Fact(Skip = "of the long form: its image takes a minute to build", SkipUnless = nameof(SourceImage.IsLong), SkipType = typeof(SourceImage))]
    public async Task The_image_says_what_is_wrong_when_upstream_stays_away()
    {
        var catalogue = await CatalogueServer.StartAsync(OnBridge);
        await catalogue.DisposeAsync();

        var chunk = await image.RunAsync(SourceCall.To(catalogue.Address));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Contains($"{catalogue.Address}entries?limit=50: Connection refused", chunk.Log, StringComparison.Ordinal);
    }

    [Fact(Skip = "of the long form: its image takes a minute to build", SkipUnless = nameof(SourceImage.IsLong), SkipType = typeof(SourceImage))]
    public async Task A_name_that_nobody_knows_is_named()
    {
        var chunk = await image.RunAsync(SourceCall.To(new Uri("http://nobody.invalid:7410")));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Contains("http://nobody.invalid:7410/entries?limit=50: ", chunk.Log, StringComparison.Ordinal);
    }

    private static X509Certificate2 SelfSigned(string host)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddHours(-1), now.AddHours(1));
    }
}
