using System.Text.Json.Nodes;
using Google.Protobuf;
using Osa.V1;
using Spectre.Console;

namespace Osa.Cli.Output;

/// <summary>One column of a list.</summary>
/// <param name="Value">What to show of an item, as the node sent it; cleaned when it is written.</param>
internal sealed record ListColumn<T>(string Header, Func<T, string?> Value);

/// <summary>
/// stdout, in one of three dresses: tables and colours on a terminal, tab-separated lines when piped (rows of queries are CSV), JSON with <c>--json</c>. Notes go to stderr.
/// </summary>
internal sealed class Screen(bool json)
{
    private const int RowsOnATerminal = 50;

    public bool Json => json;

    /// <summary>Somebody is looking at it.</summary>
    public bool Interactive { get; } = !json && !Console.IsOutputRedirected;

    /// <summary>One thing: its JSON, or what <paramref name="human"/> prints.</summary>
    public int Show(IMessage message, Action human)
    {
        if (json)
        {
            WriteJson(message.ToJson());
        }
        else
        {
            human();
        }

        return ExitCode.Ok;
    }

    public static void WriteJson(JsonNode node) => Console.WriteLine(node.ToLine());

    /// <summary>One line for people; nothing with --json.</summary>
    public void Line(string text)
    {
        if (!json)
        {
            Console.WriteLine(TerminalText.Line(text));
        }
    }

    public void Block(string text)
    {
        if (!json)
        {
            Console.WriteLine(TerminalText.Block(text));
        }
    }

    /// <summary>What was done: an object for programs, a line for people.</summary>
    public int Done(JsonObject result, string line)
    {
        if (json)
        {
            WriteJson(result);
        }
        else
        {
            Line(line);
        }

        return ExitCode.Ok;
    }

    /// <summary>Something beside the result, to stderr; nothing with --json.</summary>
    public void Note(string text)
    {
        if (!json)
        {
            Console.Error.WriteLine(TerminalText.Line(text));
        }
    }

    /// <summary>Names and values, one per line; empty values are left out.</summary>
    public void Facts(params IEnumerable<(string Name, string? Value)> facts)
    {
        var shown = facts.Where(static fact => !string.IsNullOrEmpty(fact.Value)).ToList();
        if (Interactive)
        {
            var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
            foreach (var (name, value) in shown)
            {
                grid.AddRow($"[grey]{name.EscapeMarkup()}[/]", TerminalText.Markup(value));
            }

            AnsiConsole.Write(grid);
            return;
        }

        foreach (var (name, value) in shown)
        {
            Console.WriteLine($"{name}\t{TerminalText.Line(value)}");
        }
    }

    /// <summary>A list: a table on a terminal, else a line per item as it arrives, under a line of headers.</summary>
    /// <param name="limit">At most so many items; null shows 50 on a terminal and all elsewhere; 0 shows all.</param>
    public async Task<int> ListAsync<T>(
        IAsyncEnumerable<T> items, int? limit, Func<T, JsonNode> toJson, Func<T, IReadOnlyList<ListColumn<T>>> columns, CancellationToken cancellationToken)
    {
        var most = limit switch { 0 => int.MaxValue, null => Interactive ? RowsOnATerminal : int.MaxValue, _ => limit.Value };
        Table? table = null;
        IReadOnlyList<ListColumn<T>>? shape = null;
        var count = 0;
        await foreach (var item in items.WithCancellation(cancellationToken))
        {
            if (++count > most)
            {
                break;
            }

            if (json)
            {
                WriteJson(toJson(item));
                continue;
            }

            if (shape is null)
            {
                shape = columns(item);
                table = StartTable(shape.Select(static column => column.Header));
            }

            var values = shape.Select(column => column.Value(item));
            if (table is null)
            {
                Console.WriteLine(string.Join('\t', values.Select(TerminalText.Line)));
            }
            else
            {
                table.AddRow([.. values.Select(static value => new Text(TerminalText.Line(value)))]);
            }
        }

        if (table is not null)
        {
            AnsiConsole.Write(table);
        }

        if (Interactive && count == 0)
        {
            Note("nothing there");
        }
        else if (Interactive && count > most)
        {
            Note(limit is null ? $"the first {most}; --limit 0 shows all" : $"the first {most}; there are more");
        }

        return ExitCode.Ok;
    }

    public Task<int> ListAsync<T>(IAsyncEnumerable<T> items, int? limit, CancellationToken cancellationToken, params ListColumn<T>[] columns)
        where T : IMessage =>
        ListAsync(items, limit, static item => item.ToJson(), _ => columns, cancellationToken);

    public void WriteViolations(IEnumerable<RuleViolation> violations)
    {
        foreach (var violation in violations)
        {
            Line($"{violation.Field}: {violation.Message}{(violation.Rule.Length > 0 ? $" ({violation.Rule})" : "")}");
        }
    }

    private Table? StartTable(IEnumerable<string> headers)
    {
        if (!Interactive)
        {
            Console.WriteLine(string.Join('\t', headers.Select(TerminalText.Line)));
            return null;
        }

        var table = new Table().Border(TableBorder.Simple);
        foreach (var header in headers)
        {
            table.AddColumn(new TableColumn($"[grey]{TerminalText.Markup(header)}[/]"));
        }

        return table;
    }
}
