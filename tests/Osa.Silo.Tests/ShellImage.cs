using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>Images of Debian's static busybox and a script, with nothing else.</summary>
internal static class ShellImage
{
    /// <returns>The image's id.</returns>
    public static async Task<string> ImportAsync(string script)
    {
        using var root = new TempDirectory();
        Directory.CreateDirectory(root["bin"]);
        await File.WriteAllTextAsync(root["hook"], script);
        (int code, string output) = await Unprivileged.RunAsync("sh", "-c", $$"""
            set -eu
            cd "{{root.Path}}"
            cp "$(command -v busybox)" bin/busybox
            for tool in $(busybox --list); do [ "$tool" = busybox ] || ln -s busybox "bin/$tool"; done
            chmod -R a+rX .
            tar --owner=0 --group=0 -c . | docker import --change 'ENTRYPOINT ["/bin/busybox", "sh", "/hook"]' --change 'ENV PATH=/bin' -
            """);
        return code == 0 ? output.Trim() : throw new InvalidOperationException(output);
    }

    public static Task RemoveAsync(params string[] images) => Unprivileged.RunAsync(["docker", "rmi", "--force", .. images]);
}
