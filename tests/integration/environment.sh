# shellcheck shell=sh
# environment.sh - shared by the scripts in this folder. They test ./server, which must be built, together
# with programs of other projects. All files go into the folder $work, which is removed at the end.
# Everything listens only on addresses of this machine. SERVER names another server to test.
set -u
. tests/check.sh
. tests/server.sh
server=${SERVER:-./server}
work=$(mktemp -d) || exit 1
export HOME="$work" # no program reads or leaves settings
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
children=''

clean_up() {
    trap - TERM # or the process below may ignore it, and keep our output open
    for child in $children; do kill "$child"; done
    (sleep 5; kill -KILL $children) &
    for child in $children; do wait "$child"; done
    kill $!
    eventually rm -rf "$work"
}
trap 'clean_up >/dev/null 2>&1' EXIT
trap 'exit 1' HUP INT TERM

# needs PROGRAM...: ends the script if one is missing.
needs() {
    for program; do
        is_installed "$program" && continue
        skip "${0##*/}: $program is not installed"
        report
    done
}

# Runs a server and sets $pid, $port and $url. Not for check, whose command is another process.
start() {
    serve "$work" "$server" "$@"
    children="$children $pid"
}

# Tries the command again and again, for about ten seconds.
eventually() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$@" >/dev/null 2>&1 && return
        sleep 0.5
    done
    "$@"
}

# says STATUS URL [OPTION...]: whether curl gets this status with these options.
says() {
    wanted=$1
    shift
    equal "$wanted" "$(curl -sk -m 10 -o "$work/response" -w '%{http_code}' "$@")"
}
