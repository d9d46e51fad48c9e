namespace Osa.Storage.Embedded;

/// <summary>The configuration files of the node's own server.</summary>
internal static class ServerSettings
{
    /// <summary>End of postgresql.conf.</summary>
    public const string Inclusion =
        """

        # The node writes osa.conf at every start. Settings of yours go below this line: the last one wins.
        include_if_exists '../osa.conf'

        """;

    /// <summary>pg_hba.conf: the node by its password, and the operating system's owner of the files as superuser. Nobody else, and nobody on trust.</summary>
    public const string HostBasedAuthentication =
        $"""
        # type  database     user      address        method
        local   all          {ClusterInitialisation.NodeName}                      scram-sha-256
        host    all          {ClusterInitialisation.NodeName}       127.0.0.1/32   scram-sha-256
        local   all          postgres                 peer map=owner
        local   replication  postgres                 peer map=owner

        """;

    /// <summary>pg_ident.conf.</summary>
    public static string UserMap(string owner) =>
        $"""
        # map   system user   role
        owner   "{owner}"   postgres
        owner   root   postgres

        """;

    /// <summary>osa.conf. Where the server listens is said on its command line, where no file overrules it.</summary>
    public static string Write(int maxConnections, bool durable)
    {
        // What the container or the machine allows this process; an eighth is modest beside the hooks that the same machine runs.
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20;
        string durability = durable
            ? """
              fsync = on
              full_page_writes = on
              synchronous_commit = on
              """
            : """
              fsync = off
              full_page_writes = off
              synchronous_commit = off
              """;
        return
            $"""
            # Written by the node at every start; change postgresql.conf, below the line that includes this file.
            max_connections = {maxConnections}
            shared_buffers = {Math.Clamp(memory / 8, 64, 1024)}MB
            effective_cache_size = {Math.Clamp(memory / 2, 256, 8192)}MB
            maintenance_work_mem = 128MB
            max_wal_size = 4GB
            checkpoint_timeout = 15min
            {durability}
            password_encryption = 'scram-sha-256'
            random_page_cost = 1.1
            jit = off
            timezone = 'UTC'
            log_timezone = 'UTC'
            logging_collector = on
            log_directory = '../log'
            log_filename = 'postgresql-%a.log'
            log_truncate_on_rotation = on
            log_rotation_age = 1d
            log_rotation_size = 0
            log_file_mode = 0600
            log_line_prefix = '%m [%p] %a '

            """;
    }
}
