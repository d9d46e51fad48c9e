using System.CommandLine;
using Osa.Cli.Input;
using Osa.Cli.Nodes;
using Osa.Cli.Output;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa node</c>: run a node, make its key and tokens, and ask how it is.</summary>
internal static class NodeCommands
{
    private static Option<DirectoryInfo> Data { get; } = new("--data")
    {
        Description = "The node's data directory [env OSA_DATA; default ~/.local/share/osa]",
        HelpName = "DIR",
    };

    public static Command Create() => new("node", "The node itself: start it, make its key and tokens, ask how it is")
    {
        Start(),
        Key(),
        Token(),
        Status(),
        Stuck(),
        Orphans(),
        Dashboard(),
        Limits(),
        Info(),
    };

    private static string DataDirectory(CommandContext context) =>
        context.Get(Data)?.FullName
        ?? (Environment.GetEnvironmentVariable("OSA_DATA") is { Length: > 0 } data ? Path.GetFullPath(data) : null)
        ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "osa");

    private static Command Start()
    {
        var listen = new Option<string>("--listen")
        {
            Description = $"Where the node answers, e.g. {GlobalOptions.DefaultNode} [env OSA_LISTEN]",
            HelpName = "URL",
        };
        listen.Validators.Add(static result =>
        {
            if (!Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.PathAndQuery != "/")
            {
                result.AddError($"--listen: '{result.Tokens[0].Value}' is not an address such as {GlobalOptions.DefaultNode}");
            }
        });
        var database = new Option<string>("--database")
        {
            Description = "PostgreSQL connection string; without one the node starts a private cluster in its data directory [env OSA_DATABASE]",
            HelpName = "CONN",
        };
        var roles = new Option<string[]>("--roles")
        {
            Description = "What this process does, e.g. api containers; default everything [env OSA_ROLES]",
            AllowMultipleArgumentsPerToken = true,
        };
        var start = new Command(
            "start",
            "Run a node in the foreground, in place of this process. Settings travel as OSA_DATA, OSA_LISTEN, OSA_DATABASE and OSA_ROLES. The node's "
            + "program osa-silo is taken from OSA_SILO, from beside osa, or from ../silo.")
        {
            Data,
            listen,
            database,
            roles,
        };
        start.Does(context => Task.FromResult(NodeProcess.Become(new Dictionary<string, string?>
        {
            ["OSA_DATA"] = DataDirectory(context),
            ["OSA_LISTEN"] = context.Get(listen),
            ["OSA_DATABASE"] = context.Get(database),
            ["OSA_ROLES"] = context.Get(roles) is { Length: > 0 } given ? string.Join(',', given) : null,
        })));
        return start;
    }

    private static Command Key()
    {
        var key = new Command("key", "Make the key that signs tokens: 32 random bytes in DATA/secrets/signing.key, readable by you only. Never overwrites one.")
        {
            Data,
        };
        key.Does(context =>
        {
            var path = SigningKey.Create(DataDirectory(context));
            return Task.FromResult(context.Screen.Done(new() { ["path"] = path }, path));
        });
        return key;
    }

    private static Command Token()
    {
        var role = new Option<string>("--role") { Description = "What the token allows", DefaultValueFactory = static _ => "depositor" };
        role.AcceptOnlyFromAmong("depositor", "curator", "admin", "superadmin");
        var user = new Option<string>("--user")
        {
            Description = "Whose it is: a UUID, or a name, which always becomes the same UUID [default: your login name]",
            HelpName = "NAME",
        };
        user.Validators.Add(static result =>
        {
            if (result.Tokens[0].Value is not { Length: > 0 and <= 200 } name || name.Any(char.IsControl))
            {
                result.AddError("--user: a name has 1 to 200 characters, none of them a control character");
            }
        });
        var days = new Option<int>("--days") { Description = "How long it is valid, 1 to 3650", DefaultValueFactory = static _ => 30 };
        days.Between(1, 3650);
        var save = new Option<bool>("--save") { Description = "Also keep it in ~/.config/osa/token, where osa finds it from then on" };
        var token = new Command("token", "Issue a bearer token, signed with the node's key in DATA/secrets/signing.key. Asks no node.") { Data, role, user, days, save };
        token.Does(async context =>
        {
            var issued = TokenIssuer.Issue(
                SigningKey.Read(DataDirectory(context)), context.Get(user) ?? Environment.UserName, context.Get(role)!, context.Get(days), TimeProvider.System);
            if (context.Get(save))
            {
                await SecretFile.ReplaceAsync(GlobalOptions.TokenFile, issued.Token, context.CancellationToken);
                context.Screen.Note($"kept in {GlobalOptions.TokenFile}");
            }

            return context.Screen.Done(
                new()
                {
                    ["token"] = issued.Token,
                    ["user_id"] = issued.UserId.ToString(),
                    ["name"] = issued.Name,
                    ["role"] = issued.Role,
                    ["expires_at"] = issued.ExpiresAt.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ"),
                },
                issued.Token);
        });
        return token;
    }

    private static Command Status()
    {
        var status = new Command("status", "Silos, container hosts and what is wrong with them (admins only)");
        status.Does(async context =>
        {
            var node = await context.Osa.Node.StatusAsync(context.CancellationToken);
            context.Screen.Show(node, () => Write(context.Screen, node));
            return node.Health == "healthy" ? ExitCode.Ok : ExitCode.Verdict;
        });
        return status;
    }

    private static void Write(Screen screen, NodeStatus node)
    {
        screen.Facts(
            ("health", node.Health),
            ("cluster", node.ClusterId),
            ("database", node.Database),
            ("database size", Show.Bytes(node.DatabaseBytes)),
            ("files", Show.Bytes(node.FileBytes)),
            ("operations", node.Operations),
            ("runs waiting", $"{node.RunsPending}{(node.RunsPending > 0 ? $", the oldest for {node.OldestWaitSeconds:0} s" : "")}"),
            ("runs running", node.RunsRunning.ToString()),
            ("runs in review", node.RunsInReview.ToString()));
        foreach (var warning in node.Warnings)
        {
            screen.Line($"warning: {warning}");
        }

        foreach (var problem in node.Problems)
        {
            screen.Line($"problem: {problem}");
        }

        foreach (var silo in node.Silos)
        {
            screen.Line($"silo {silo.Name} ({silo.Address}): {silo.Status}, roles {string.Join(", ", silo.Roles)}, disk {Show.Bytes(silo.DiskFreeBytes)} free of {Show.Bytes(silo.DiskTotalBytes)}");
        }

        foreach (var host in node.ContainerHosts)
        {
            screen.Line(
                $"container host {host.EngineId} on {host.Silo}: {host.State}, {host.SlotsUsed} of {host.Slots} slots, "
                + $"{Show.Bytes(host.MemoryUsedBytes)} of {Show.Bytes(host.MemoryBytes)}, engine {host.EngineVersion} (API {host.ApiVersion}), "
                + $"runc {host.RuncVersion}, kernel {host.Kernel}, cgroup {host.CgroupVersion}");
        }
    }

    private static Command Stuck()
    {
        var stuck = new Command("stuck", "What the node should have done by now and has not, and why; exit code 1 if there is anything (admins only)");
        stuck.Does(async context =>
        {
            var items = await context.Osa.Node.StuckAsync(context.CancellationToken);
            await context.Screen.ListAsync(
                items.ToAsyncEnumerable(),
                0,
                context.CancellationToken,
                new ListColumn<StuckItem>("kind", static item => item.Kind),
                new ListColumn<StuckItem>("subject", static item => item.Subject),
                new ListColumn<StuckItem>("late", static item => $"{item.LateSeconds:0} s"),
                new ListColumn<StuckItem>("setbacks", static item => item.Setbacks.ToString()),
                new ListColumn<StuckItem>("owner", static item => item.Owner),
                new ListColumn<StuckItem>("reason", static item => item.Reason));
            return items.Count == 0 ? ExitCode.Ok : ExitCode.Verdict;
        });
        return stuck;
    }

    private static Command Orphans()
    {
        var orphans = new Command("orphans", "Containers and directories that no run claims any more, which the node is about to remove (admins only)");
        orphans.Does(async context =>
        {
            var all = await context.Osa.Node.OrphansAsync(context.CancellationToken);
            return await context.Screen.ListAsync(
                all.ToAsyncEnumerable(),
                0,
                context.CancellationToken,
                new ListColumn<Orphan>("name", static orphan => orphan.Name),
                new ListColumn<Orphan>("container", static orphan => orphan.ContainerId),
                new ListColumn<Orphan>("engine", static orphan => orphan.EngineId));
        });
        return orphans;
    }

    private static Command Dashboard()
    {
        var dashboard = new Command("dashboard", "A link that opens the Orleans dashboard once, within a minute, on the node's machine (admins only)");
        dashboard.Does(async context =>
        {
            var url = await context.Osa.Node.OpenDashboardAsync(context.CancellationToken);
            return context.Screen.Done(new() { ["url"] = url }, url);
        });
        return dashboard;
    }

    private static Command Limits()
    {
        var limits = new Command("limits", "The node's public limits");
        limits.Does(async context =>
        {
            var all = await context.Osa.Node.LimitsAsync(context.CancellationToken);
            return await context.Screen.ListAsync(
                all.ToAsyncEnumerable(),
                0,
                context.CancellationToken,
                new ListColumn<Limit>("name", static limit => limit.Name),
                new ListColumn<Limit>("value", static limit => limit.Value),
                new ListColumn<Limit>("description", static limit => limit.Description));
        });
        return limits;
    }

    private static Command Info()
    {
        var info = new Command("info", "The node's domain and version");
        info.Does(async context =>
        {
            var node = await context.Osa.Node.InfoAsync(context.CancellationToken);
            return context.Screen.Show(node, () => context.Screen.Facts(("domain", node.Domain), ("version", node.Version)));
        });
        return info;
    }
}
