using Osa.Domain.Hosts;

namespace Osa.Domain.Tests.Hosts;

public sealed class KnownEscapesTests
{
    [Theory]
    [InlineData("1.1.5+ds1", "6.1.0-18-amd64", "CVE-2024-21626", "CVE-2025-31133")]
    [InlineData("1.1.12", "6.1.0", "CVE-2025-31133")]
    [InlineData("1.2.7", "6.1.0", "CVE-2025-31133")]
    [InlineData("1.2.8", "6.1.0")]
    [InlineData("1.3.2", "6.1.0", "CVE-2025-31133")]
    [InlineData("1.3.3", "6.1.0")]
    [InlineData("1.4.1", "5.7.19")]
    [InlineData("1.4.1", "5.8.0-1", "CVE-2022-0847")]
    [InlineData("1.4.1", "5.10.101", "CVE-2022-0847")]
    [InlineData("1.4.1", "5.10.102")]
    [InlineData("1.4.1", "5.11.3", "CVE-2022-0847")]
    [InlineData("1.4.1", "5.17.0")]
    [InlineData("v1.3.3-0ubuntu", "Linux 6.8")]
    [InlineData("", "unknown")]
    public void A_version_is_warned_of_until_its_line_is_mended(string runc, string kernel, params string[] names)
    {
        IReadOnlyList<string> warnings = KnownEscapes.Of(runc, kernel);

        Assert.Equal(names.Length, warnings.Count);
        Assert.All(names.Zip(warnings), pair => Assert.Contains(pair.First, pair.Second, StringComparison.Ordinal));
    }
}
