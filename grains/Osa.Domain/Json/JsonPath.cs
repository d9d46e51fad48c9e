using System.Text.RegularExpressions;
using Osa.Domain.Errors;

namespace Osa.Domain.Json;

/// <summary>Paths in error messages: <c>hooks[1].limits.memory</c>, <c>metadata["Organism name"]</c>.</summary>
internal static partial class JsonPath
{
    public static string Member(string path, string name) => Simple().IsMatch(name)
        ? path.Length == 0 ? name : $"{path}.{name}"
        : $"{path}[\"{Shown.Clean(name)}\"]";

    public static string Item(string path, int index) => $"{path}[{index}]";

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_\-]{0,127}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Simple();
}
