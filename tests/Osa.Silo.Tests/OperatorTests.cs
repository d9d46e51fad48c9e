using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>What an operator sees and opens.</summary>
public sealed class OperatorTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task The_dashboard_opens_by_a_link_that_is_good_once_and_for_admins()
    {
        OsaCommand refused = await OsaCommand.RunAsync(Archive, "curator", "node", "dashboard");
        var link = new Uri((await OsaCommand.DoneAsync(Archive, "admin", "node", "dashboard")).Output.Trim());
        using var browser = new HttpClient(new HttpClientHandler { CookieContainer = new CookieContainer(), AllowAutoRedirect = false });
        using var stranger = new HttpClient();
        var dashboard = new Uri(link, "/dashboard/");

        Assert.Equal(4, refused.ExitCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync(dashboard)).StatusCode);
        HttpResponseMessage entered = await browser.GetAsync(link);
        Assert.Equal(HttpStatusCode.OK, entered.StatusCode);
        string cookie = entered.Headers.GetValues("Set-Cookie").Single();
        Expect.Says("httponly", cookie);
        Expect.Says("samesite=strict", cookie);
        HttpResponseMessage opened = await browser.GetAsync(dashboard);
        Assert.Equal(HttpStatusCode.OK, opened.StatusCode);
        Expect.Says("<html", (await opened.Content.ReadAsStringAsync()).ToLowerInvariant());
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync(link)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync(new Uri(link, "/dashboard/DashboardCounters"))).StatusCode);
    }

    [Fact]
    public async Task Health_and_metrics_are_on_the_operations_listener_and_nothing_else_is()
    {
        await Archive.PublishAsync(shared.Obedient, Documents.Rows(3));
        NodeStatus status = await Archive.Admin.Node.StatusAsync();
        using var http = new HttpClient { BaseAddress = new Uri(status.Operations) };

        Assert.Equal("Healthy", await http.GetStringAsync("/health/live"));
        Assert.Equal("Healthy", await http.GetStringAsync("/health/ready"));
        string metrics = await http.GetStringAsync("/metrics");
        foreach (string name in (string[])["osa_submissions_total", "osa_runs_total", "osa_feature_rows_total", "osa_container_duration_seconds_bucket", "osa_slot_wait_seconds_count", "osa_verdict_duration_seconds_sum"])
        {
            Expect.Says(name, metrics);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/osa.v1.Node/Info")).StatusCode);
        using var clients = new HttpClient { BaseAddress = Archive.Node.Address, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        Assert.Equal(HttpStatusCode.NotFound, (await clients.GetAsync("/metrics")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await clients.GetAsync("/dashboard/")).StatusCode);
    }

    [Fact]
    public async Task Status_shows_engine_runc_kernel_disk_and_queue()
    {
        OsaCommand status = await OsaCommand.DoneAsync(Archive, "admin", "node", "status", "--json");
        JsonNode node = status.Lines[0];

        Assert.NotEqual("", (string?)node["container_hosts"]![0]!["runc_version"]);
        Assert.NotEqual("", (string?)node["container_hosts"]![0]!["kernel"]);
        Assert.True((long)node["silos"]![0]!["disk_free_bytes"]! > 0);
        Assert.True((long)node["database_bytes"]! > 1 << 20);
        Assert.NotNull(node["oldest_wait_seconds"]);
    }

    [Fact]
    public async Task What_no_run_claims_is_listed_before_it_is_removed()
    {
        string cluster = (await Archive.Admin.Node.StatusAsync()).ClusterId;
        string name = "";
        await Eventually.True(
            async () =>
            {
                // The reaper may have come by in between.
                name = $"osa-nobodys-{Guid.NewGuid():N}";
                (int code, string output) = await Unprivileged.RunAsync(
                    "docker", "create", "--name", name, "--label", $"osa.cluster={cluster}", "--label", $"osa.run={Guid.NewGuid()}", "--label", "osa.hook=x", "--label", "osa.unit=0", "--label", "osa.attempt=1", Documents.HooksDigest);
                Assert.True(code == 0, output);
                OsaCommand orphans = await OsaCommand.DoneAsync(Archive, "admin", "node", "orphans", "--json");
                return orphans.Lines.Any(o => (string?)o["name"] == name);
            },
            Archive.Patience,
            "the orphan is not listed");

        await Eventually.True(async () => (await Unprivileged.RunAsync("docker", "inspect", name)).ExitCode != 0, Archive.Patience, "the orphan is not removed");
        Assert.Equal(4, (await OsaCommand.RunAsync(Archive, "curator", "node", "orphans")).ExitCode);
        Assert.Equal(4, (await OsaCommand.RunAsync(Archive, "curator", "node", "stuck")).ExitCode);
    }

    [Fact]
    public async Task A_claim_on_an_engine_that_nobody_reaches_is_listed_as_stuck()
    {
        (_, ValidationRun run) = await Archive.JudgeAsync(shared.Obedient, Documents.Rows(1));
        Guid id = Archive.IdOf(run.Srn);
        await Archive.QueryAsync(
            """
            insert into osa.run_units (run_id, hook_ordinal, unit, attempt, hook, first_ordinal, last_ordinal, engine_id, container_name, memory_bytes, cpu, claimed_at)
            values ($1, 9, 0, 1, 'gone', 0, 0, 'an engine that was taken away', 'osa-gone', 1, 1, now() - interval '1 minute')
            """,
            id);
        try
        {
            StuckItem stuck = Assert.Single(await Archive.Admin.Node.StuckAsync(), s => s.Kind == "claim");
            Assert.Equal(run.Srn, stuck.Subject);
            Expect.Says("an engine that was taken away", stuck.Reason);
            Assert.InRange(stuck.LateSeconds, 60, 120);
        }
        finally
        {
            await Archive.QueryAsync("delete from osa.run_units where run_id = $1 and hook = 'gone'", id);
        }
    }

    [Fact]
    public async Task Bash_completes_commands_and_options()
    {
        string program = Path.Combine(TestHooks.Support.StaticPrograms.SolutionDirectory, "artifacts", "bin", "Osa.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name);
        const string Script = """
            eval "$(osa completion bash)"
            COMP_LINE="osa curate " COMP_POINT=11; _osa; echo "${COMPREPLY[*]}"
            COMP_LINE="osa run logs --fo" COMP_POINT=17; _osa; echo "${COMPREPLY[*]}"
            """;
        var start = new ProcessStartInfo("bash", ["-c", Script]) { UseShellExecute = false, RedirectStandardOutput = true };
        start.Environment["PATH"] = program + ":" + Environment.GetEnvironmentVariable("PATH");
        using Process bash = Process.Start(start)!;
        string output = await bash.StandardOutput.ReadToEndAsync();
        await bash.WaitForExitAsync();

        Expect.Says("approve", output);
        Expect.Says("return", output);
        Expect.Says("--follow", output);
    }
}
