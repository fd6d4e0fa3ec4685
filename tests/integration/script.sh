#!/bin/sh
# Runs the lines that the README shows for scripts, with several shells: twice in the same folder, at
# first with the options -e and -u.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/world.sh
needs curl
job="$work/job"

# lines_with SHELL... [-OPTION]: runs the lines. In the folder, ./server leaves its process ID behind.
# What is in the folder `first` is used instead of the program of that name. The output goes to a
# file, because a server that is left over would keep a pipe open.
lines_with() {
    (cd "$job" && PATH="$job/first:$path" "$timeout" 20 "$@" "$work/lines") >"$work/output" 2>&1
    status=$?
    echo "status $status"
    cat "$work/output"
}

# new_job PROGRAM: makes a folder in which ./server is that program.
new_job() {
    rm -rf "$job"
    mkdir -p "$job/first"
    printf '#!%s\necho $$ >pid\nexec "%s" "$@"\n' "$(command -v sh)" "$1" >"$job/server"
    chmod +x "$job/server"
}

replace_curl() {
    printf '#!%s\n%s\n' "$(command -v sh)" "$1" >"$job/first/curl"
    chmod +x "$job/first/curl"
}

are_few() { [ "$(grep -c . "$work/lines")" -eq 5 ]; }

# Neither the server nor the FIFO.
left_nothing() { ! kill "$(cat "$job/pid")" && [ ! -e "$job/said" ]; }

work_out() {
    lines_with "$@"
    left_nothing && [ "$status" -eq 0 ] && grep '"Logged in"' "$work/output"
}

# A script that is killed runs no trap.
work_out_after_kill() {
    mkfifo "$job/said"
    work_out "$@"
}

# Without a port, curl would ask whatever listens on port 80.
fail_at_once() {
    new_job "$(command -v false)"
    replace_curl 'exit 0'
    lines_with "$@"
    left_nothing && [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
}

# This curl sends SIGTERM to the shell that runs the lines.
stop_with_script() {
    replace_curl 'kill $PPID'
    lines_with "$@"
    left_nothing && [ "$status" -eq 1 ]
}

# test_with SHELL...
test_with() {
    has "$1" || {
        skip "$1 is not installed"
        return
    }
    new_job "$(realpath "$server")"
    check "$*: the lines start a server, test it, stop it, and succeed" work_out "$@" -eu
    check "$*: they do so again in the same folder" work_out "$@"
    check "$*: and after they were killed" work_out_after_kill "$@" -eu
    check "$*: if the script is stopped, the server stops" stop_with_script "$@"
    check "$*: they fail at once if the server does not start" fail_at_once "$@"
}

awk '/^## / { on = /^## For scripts/ } on && sub(/^    /, "")' README.md >"$work/lines"
check 'The README shows five lines for scripts' are_few
timeout=$(command -v timeout) path=$PATH
test_with dash
test_with bash
test_with busybox sh
has busybox || finish
mkdir "$work/applets"
busybox --install -s "$work/applets"
ln -s "$(command -v curl)" "$work/applets/curl"
path="$work/applets"
test_with "$path/sh" # with BusyBox's own utilities
finish
