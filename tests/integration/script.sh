#!/bin/sh
# Runs the lines that the README shows for scripts, with several shells: twice in the same folder, at
# first with the options -e and -u.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/environment.sh
needs curl dash bash busybox
job="$work/job"

# write PROGRAM LINES: a program in the folder of the job. In `first` it is used instead of another.
write() {
    printf '#!%s\n%s\n' "$(command -v sh)" "$2" >"$job/$1"
    chmod +x "$job/$1"
}

# A server that leaves its process ID behind.
new_job() { # PROGRAM
    rm -rf "$job"
    mkdir -p "$job/first"
    write server "echo \$\$ >pid; exec '$1' \"\$@\""
}

# lines_end STATUSES SHELL...: runs the lines, which end with one of these. Neither the server nor the FIFO
# is left. The output goes to a file, because a server that is left over would keep a pipe open.
lines_end() {
    expected=$1
    shift
    (cd "$job" && PATH="$job/first:$path" "$timeout" 20 "$@" "$work/lines") >"$work/output" 2>&1
    status=$?
    echo "status $status"
    cat "$work/output"
    ! kill "$(cat "$job/pid")" && [ ! -e "$job/said" ] || return
    case " $expected " in *" $status "*) ;; *) return 1 ;; esac
}

log_in() { lines_end 0 "$@" && grep '"Logged in"' "$work/output"; }

# A script that is killed runs no trap.
log_in_after_kill() { mkfifo "$job/said" && log_in "$@"; }

# This curl sends SIGTERM to the shell that runs the lines.
stop_with_script() { write first/curl 'kill $PPID' && lines_end 1 "$@"; }

# Without a port, curl would ask whatever listens on port 80. Shells differ in the status of ${port:?}.
fail_at_once() {
    new_job "$(command -v false)"
    write first/curl 'exit 0'
    lines_end '1 2 127' "$@"
}

test_with() { # SHELL...
    new_job "$(realpath "$server")"
    check "$*: the lines start a server, test it, stop it, and succeed" log_in "$@" -eu
    check "$*: they do so again in the same folder" log_in "$@"
    check "$*: and after they were killed" log_in_after_kill "$@" -eu
    check "$*: if the script is stopped, the server stops" stop_with_script "$@"
    check "$*: they fail at once if the server does not start" fail_at_once "$@"
}

awk '/^## / { on = /^## For scripts/ } on && sub(/^    /, "")' README.md >"$work/lines"
check 'The README shows five lines for scripts' equal 5 "$(grep -c . "$work/lines")"
timeout=$(command -v timeout) path=$PATH
test_with dash
test_with bash
test_with busybox sh
mkdir "$work/applets"
busybox --install -s "$work/applets"
ln -s "$(command -v curl)" "$work/applets/curl"
path="$work/applets"
test_with "$path/sh" # with BusyBox's own utilities
report
