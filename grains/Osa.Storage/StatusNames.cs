using System.Text;

namespace Osa.Storage;

/// <summary>Enum members as the database and the wire name them: <c>InValidation</c> is <c>in_validation</c>.</summary>
public static class StatusNames
{
    public static string ToName<T>(this T status)
        where T : struct, Enum =>
        Names<T>.ByStatus[status];

    public static T FromName<T>(string name)
        where T : struct, Enum =>
        Names<T>.ByName[name];

    private static class Names<T>
        where T : struct, Enum
    {
        public static readonly Dictionary<T, string> ByStatus = Enum.GetValues<T>().ToDictionary(x => x, x => Snake(x.ToString()));

        public static readonly Dictionary<string, T> ByName = ByStatus.ToDictionary(x => x.Value, x => x.Key);

        private static string Snake(string pascal)
        {
            var snake = new StringBuilder();
            foreach (char c in pascal)
            {
                if (char.IsUpper(c) && snake.Length > 0)
                {
                    snake.Append('_');
                }

                snake.Append(char.ToLowerInvariant(c));
            }

            return snake.ToString();
        }
    }
}
