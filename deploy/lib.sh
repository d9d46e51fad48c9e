# What deploy/quickstart and tests/run share; to be sourced by bash scripts that set -euo pipefail.
# Everything that is started here is remembered by its process id in a file and stopped by it, never by name.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
# No build process outlives the script: none waits for a next build, and the compiler server, without which a build takes
# three times as long, is our own, stopped at the end.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=true SharedCompilationId=osa-$$

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Runs a command as root: at once, or through sudo, which may ask for a password at a terminal only.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

can_be_root() { [ "$(id -u)" = 0 ] || { command -v sudo > /dev/null && { [ -t 0 ] || sudo -n true 2> /dev/null; }; }; }

require_dotnet() {
    command -v dotnet > /dev/null || die "the .NET 10 SDK is missing: install it (https://dotnet.microsoft.com/download) and run this again"
    (cd "$root" && dotnet --version > /dev/null 2>&1) || die "this needs the .NET 10 SDK, and dotnet --list-sdks shows: $(dotnet --list-sdks | tr '\n' ' ')"
}

# dotnet publish, by a compiler that does not profile itself: it lives too short to gain by that what it costs, half of its time.
publish() { DOTNET_TieredPGO=0 dotnet publish "$@"; }

engine_answers() { docker version --format '{{.Server.Version}}' > /dev/null 2>&1; }

postgres_is_there() { compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || command -v initdb > /dev/null; }

# Installs from Debian what is missing: a Docker engine, PostgreSQL's binaries, the linker for native code, and the packages named.
install_missing() {
    local missing=()
    engine_answers || { command -v docker && PATH=$PATH:/usr/sbin command -v dockerd; } > /dev/null || missing+=(docker.io)
    postgres_is_there || missing+=(postgresql)
    command -v gcc > /dev/null || missing+=(gcc libc6-dev)
    command -v pgrep > /dev/null || missing+=(procps)
    [ -e /usr/include/zlib.h ] || missing+=(zlib1g-dev)
    local package
    for package in "$@"; do
        dpkg --status "$package" 2> /dev/null | grep -q '^Status: install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get > /dev/null || die "this machine has no apt: install ${missing[*]} with its own package manager and run this again"
    can_be_root || die "missing ${missing[*]}: run 'apt-get install ${missing[*]}' as root, then this again"
    say "Installing ${missing[*]}"
    local no_cluster=/etc/postgresql-common/createcluster.d/osa-no-main-cluster.conf
    # Only PostgreSQL's binaries are wanted: without this, Debian makes and starts a cluster of its own.
    as_root mkdir -p "$(dirname "$no_cluster")"
    printf 'create_main_cluster = false\n' | as_root tee "$no_cluster" > /dev/null
    as_root apt-get -qq update < /dev/null
    # From trixie on, the engine and its command line are two packages.
    [[ " ${missing[*]} " != *" docker.io "* ]] || ! apt-cache show docker-cli > /dev/null 2>&1 || missing+=(docker-cli)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" < /dev/null > /dev/null
    as_root rm -f "$no_cluster"
}

# Sees to it that a Docker engine answers, starting one if need be: with systemd as a service, else in the background, its
# process id in $1/dockerd.pid.
start_engine() {
    local state=$1
    ! engine_answers || return 0
    [[ $(docker version 2>&1) != *'permission denied'* ]] || join_docker_group

    can_be_root || die "no Docker engine answers: start one, or run this as root"
    say "Starting a Docker engine"
    if [ -d /run/systemd/system ]; then
        as_root systemctl start docker
    else
        mkdir -p "$state"
        # The socket is for the group docker, or for whoever starts the engine here through sudo.
        local group=docker
        [ "$(id -u)" = 0 ] || group=$(id -g)
        as_root bash -c 'PATH=$PATH:/usr/sbin:/sbin; setsid dockerd --group "$1" < /dev/null > "$2/dockerd.log" 2>&1 & echo $! > "$2/dockerd.pid"' \
            start "$group" "$state"
    fi
    wait_for 60 "the Docker engine to answer" engine_answers || die "the Docker engine does not start: $(tail -n 3 "$state/dockerd.log" 2> /dev/null)"
}

# An engine that runs but lets us not in: its group does. Whoever is in it can become root, so this is said, not hidden.
join_docker_group() {
    local me
    me=$(id -un)
    [ -z "${OSA_IN_DOCKER_GROUP:-}" ] || die "the Docker engine refuses $me, even as a member of the group docker: see 'docker version'"
    if ! id -nG "$me" | grep -qw docker; then
        can_be_root || die "the Docker engine refuses $me: run 'usermod -aG docker $me' as root, log in again, and run this again"
        say "Adding $me to the group docker, whose members can use the engine (and could become root through it)"
        as_root usermod -aG docker "$me"
    fi
    # This login does not know of the group yet; a new shell of that group does.
    exec sg docker -c "OSA_IN_DOCKER_GROUP=1 $(printf '%q ' "$(realpath "$0")" "${arguments[@]}")"
}

stop_engine() { stop_process "$1/dockerd.pid" dockerd as_root; }

# stop_process FILE NAME [as_root]: ends the process whose id is in FILE, if it still is one called NAME.
stop_process() {
    local file=$1 name=$2 pid
    pid=$(cat "$file" 2> /dev/null) || return 0
    if is_running "$file" "$name"; then
        ${3:-} kill -TERM "$pid"
        wait_for 90 "$name ($pid) to stop" not is_running "$file" "$name" || ${3:-} kill -KILL "$pid"
    fi
    ${3:-} rm -f "$file"
}

# Whether the process whose id is in $1 runs and is called $2: ids are used again.
is_running() {
    local pid
    pid=$(cat "$1" 2> /dev/null) && [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "$2" ]
}

not() { ! "$@"; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; false, and said so, when it does not in time.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf 'waited in vain for %s\n' "$what" >&2
            return 1
        fi
        sleep 0.2
    done
}

# free_port PORT [ADDRESS]: the first port from PORT on that nobody listens on, on loopback or at the address.
free_port() {
    local port=$1
    while (exec 3<> "/dev/tcp/${2:-127.0.0.1}/$port") 2> /dev/null; do
        port=$((port + 1))
    done
    echo "$port"
}

# The address at which this machine is reached by containers of the engine.
bridge_address() {
    local address
    # An engine that has been started again tells the network alone, whose first address is the bridge's.
    address=$(docker network inspect bridge --format '{{with index .IPAM.Config 0}}{{or .Gateway .Subnet}}{{end}}')
    [ -n "$address" ] || die "the Docker engine has no network 'bridge'"
    echo "${address/%.0\/*/.1}"
}

# Ends the compiler server of this script's builds.
stop_compiler() {
    local pid
    for pid in $(pgrep -f -- "-pipename:$SharedCompilationId\$"); do
        kill "$pid" 2> /dev/null || true
    done
}
