using CsCheck;
using Osa.Domain.Hooks;

namespace Osa.Domain.Tests.Hooks;

public class HookGrammarTests
{
    [Theory]
    [InlineData("2g", 2L << 30)]
    [InlineData("2G", 2L << 30)]
    [InlineData("2gi", 2L << 30)]
    [InlineData("2Gi", 2L << 30)]
    [InlineData("1.5g", 3L << 29)]
    [InlineData("512m", 512L << 20)]
    [InlineData("1024k", 1L << 20)]
    [InlineData("1048576", 1L << 20)]
    [InlineData(" 1048576i ", 1L << 20)]
    [InlineData("0.3k", 307L)]
    [InlineData("2gb", null)]
    [InlineData("abc", null)]
    [InlineData("-1g", null)]
    [InlineData("", null)]
    [InlineData("1.g", null)]
    [InlineData("1 g", null)]
    [InlineData("1e9", null)]
    [InlineData("٣g", null)]
    [InlineData("512\u212A", null)]
    [InlineData("999999999999999g", null)]
    [InlineData("99999999999999999999999999999999999999999", null)]
    public void Memory_is_an_amount_in_binary_multiples(string text, long? bytes) => Assert.Equal(bytes, HookGrammar.ParseMemory(text));

    [Theory]
    [InlineData("2.0", 2.0)]
    [InlineData("0.5", 0.5)]
    [InlineData(" 4 ", 4.0)]
    [InlineData("-1", null)]
    [InlineData("1e1", null)]
    [InlineData("NaN", null)]
    [InlineData("", null)]
    [InlineData(".5", null)]
    public void Cpu_is_a_number_of_cores(string text, double? cores) => Assert.Equal(cores, HookGrammar.ParseCpu(text));

    [Fact]
    public void Bytes_read_back_as_they_are_written() =>
        Gen.Long[0, 1L << 49].Sample(bytes => Assert.Equal(bytes, HookGrammar.ParseMemory($"{bytes}")));

    [Theory]
    [InlineData(512L << 20, "512 MiB")]
    [InlineData(3L << 29, "1.5 GiB")]
    [InlineData(2048L, "2 KiB")]
    [InlineData(1000L, "1000 bytes")]
    public void Bytes_are_shown_as_people_write_them(long bytes, string text) => Assert.Equal(text, HookGrammar.FormatBytes(bytes));

    [Theory]
    [InlineData("busybox", true)]
    [InlineData("osa-hooks/h:latest", true)]
    [InlineData("ghcr.io/group/hook:1.2", true)]
    [InlineData("localhost:5000/a/b__c/d-e.f:v_1", true)]
    [InlineData("[::1]:5000/a", true)]
    [InlineData("Registry.Example.ORG/a", true)]
    [InlineData("a@sha256:0123456789012345678901234567890123456789012345678901234567890123", true)]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123", false)]
    [InlineData("", false)]
    [InlineData("Upper", false)]
    [InlineData("a b", false)]
    [InlineData("a:", false)]
    [InlineData("a//b", false)]
    [InlineData("-a", false)]
    [InlineData("a@sha256:012", false)]
    [InlineData("http://a/b", false)]
    [InlineData("a:b\n", false)]
    public void An_image_reference_follows_the_distribution_grammar(string text, bool valid) => Assert.Equal(valid, HookGrammar.IsImageReference(text));

    [Fact]
    public void Parts_of_an_image_reference_have_their_lengths()
    {
        Assert.True(HookGrammar.IsImageReference(new string('a', 255) + ":" + new string('t', 128)));
        Assert.False(HookGrammar.IsImageReference(new string('a', 256)));
        Assert.False(HookGrammar.IsImageReference("a:" + new string('t', 129)));
    }

    [Theory]
    [InlineData("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true)]
    [InlineData("sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false)]
    [InlineData("sha256:…", false)]
    [InlineData("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false)]
    public void A_digest_is_SHA_256_in_lower_case(string text, bool valid) => Assert.Equal(valid, HookGrammar.IsDigest(text));
}
