using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Osa.Domain.Errors;

namespace Osa.Storage.Embedded;

/// <summary>
/// The PostgreSQL of a node that was given no connection string: a cluster in the node's data directory, run from the machine's
/// binaries by an unprivileged user, reached through a socket that nobody else can enter (or, where the path is too long for one,
/// on a loopback port), with a password either way. One node at a time has it. It outlives a killed node, and the next start takes it over.
/// </summary>
public sealed class EmbeddedPostgres : IAsyncDisposable
{
    private readonly Postmaster _postmaster;
    private readonly ClusterLock _lock;
    private readonly TimeSpan _stopTimeout;
    private readonly ILogger _log;
    private bool _stopped;

    private EmbeddedPostgres(Postmaster postmaster, ClusterLock taken, string connectionString, bool adopted, TimeSpan stopTimeout, ILogger log)
    {
        _postmaster = postmaster;
        _lock = taken;
        ConnectionString = connectionString;
        Adopted = adopted;
        _stopTimeout = stopTimeout;
        _log = log;
    }

    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(1);

    /// <summary>Npgsql's, of the node's own role and database (<c>osa</c>), password included.</summary>
    public string ConnectionString { get; }

    /// <summary>True when the server was already running: the node before this one was killed.</summary>
    public bool Adopted { get; }

    /// <summary>Starts the server, or takes over the one that a killed node left; makes the cluster first where there is none.</summary>
    /// <exception cref="OsaException">Unavailable: no binaries (says which package to install), none of the cluster's version, no unprivileged user,
    /// or the server does not start. FailedPrecondition: another node runs on this data directory. InvalidArgument: an unusable path.</exception>
    public static async Task<EmbeddedPostgres> StartAsync(EmbeddedPostgresOptions options, ILogger log, CancellationToken ct)
    {
        ClusterHome home = await ClusterHome.PrepareAsync(options, ct);
        ClusterLock taken = ClusterLock.Take(home, options.DataDirectory);
        try
        {
            PostgresBinaries binaries = await PostgresBinaries.FindAsync(options.BinDirectory, home.Version, home.Cluster, ct);
            if (!home.IsInitialised)
            {
                log.InitialisingCluster(home.Cluster, binaries.MajorVersion, home.Owner.Name);
                await ClusterInitialisation.RunAsync(home, binaries, options.Durable, ct);
            }

            await home.WriteSettingsAsync(ServerSettings.Write(options.MaxConnections, options.Durable), ct);
            var postmaster = new Postmaster(home, binaries);
            bool adopted = await RunAsync(postmaster, options.StartTimeout, log, ct);
            return new EmbeddedPostgres(postmaster, taken, postmaster.ConnectionString()!, adopted, options.StopTimeout, log);
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    /// <summary>Starts the server again whenever it has ended, whoever ended it, until <paramref name="ct"/> says so. Clients come back by themselves.</summary>
    public async Task KeepRunningAsync(TimeProvider time, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (!ct.IsCancellationRequested && _postmaster.ProcessId() is null)
                {
                    _log.ServerEnded();
                    await RunAsync(_postmaster, StartTimeout, _log, ct);
                }
            }
            catch (Exception e) when (e is OsaException or IOException or OperationCanceledException)
            {
                // The next round tries again.
                _log.ServerDoesNotStart(e.Message);
            }
        }
    }

    /// <summary>Stops the server, ending its sessions; call it when the node's own work is done. Again: nothing happens.</summary>
    /// <exception cref="OsaException">Unavailable: it did not stop.</exception>
    public async Task StopAsync()
    {
        if (!_stopped)
        {
            _stopped = true;
            try
            {
                await _postmaster.StopAsync(_stopTimeout);
                _log.ServerStopped();
            }
            finally
            {
                _lock.Dispose();
            }
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    /// <returns>True when the server was running already.</returns>
    private static async Task<bool> RunAsync(Postmaster postmaster, TimeSpan timeout, ILogger log, CancellationToken ct)
    {
        var waited = Stopwatch.StartNew();
        bool adopted = true;
        while (true)
        {
            int? pid = postmaster.ProcessId();
            if (pid is null)
            {
                adopted = false;
                await postmaster.ClearAsync(patience: TimeSpan.FromSeconds(5), ct);
                await postmaster.StartAsync(timeout, ct);
                pid = postmaster.ProcessId();
            }

            if (pid is { } running)
            {
                if (await postmaster.AnswersAsync(ct))
                {
                    log.ServerReady(adopted ? "taken over" : "started", running);
                    return adopted;
                }

                log.WaitingForServer(running);
            }

            if (waited.Elapsed > timeout)
            {
                throw OsaException.Unavailable($"the node's PostgreSQL (process {pid}) does not answer after {timeout}: end that process, then start the node again");
            }

            await Task.Delay(100, ct);
        }
    }
}
