# world.sh - shared by the scripts in this folder. They test ./server, which must be built, together
# with programs of other projects.
#
#     needs haproxy curl           ends the script with one line if a program is missing
#     start -p 0 -q                runs the server and sets $pid, $name, $port and $url; not in a
#                                  check, whose command is a process of its own
#     adopt $!                     a program that must end with the script, or earlier:
#     end PID [SIGNAL]             sends SIGTERM or SIGNAL, and waits for the end
#     check "A sentence" command   passes if the command succeeds; otherwise its output is shown
#     finish                       prints the last line: how many passed
#
# All files go into the folder $work, outside the tree, which is removed at the end. Everything
# listens only on addresses of this machine. SERVER names another server to test.
set -u
. tests/server.sh
server=${SERVER:-./server}
work=$(mktemp -d) || exit 1
export HOME="$work" # no program reads or leaves settings
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
passed=0 failed=0 children=''

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

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# Reports what cannot be tested here; if CI is set, that is a failure.
skip() {
    echo "SKIPPED $1"
    [ -z "${CI-}" ] || failed=$((failed + 1))
}

has() { command -v "$1" >/dev/null 2>&1; }

needs() {
    for program; do
        has "$program" && continue
        skip "${0##*/}: $program is not installed"
        finish
    done
}

adopt() { children="$children $1"; }

end() {
    kill -"${2:-TERM}" "$1"
    wait "$1" 2>/dev/null
    ended=$?
    kept=''
    for child in $children; do [ "$child" = "$1" ] || kept="$kept $child"; done
    children=$kept
    return "$ended"
}

check() {
    sentence=$1
    shift
    if said=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n     %s\n     %s\n' "$sentence" "$*" "$said"
    fi
}

# Succeeds if the command does and prints nothing but lines that match PATTERN.
finds_no_fault() {
    pattern=$1
    shift
    said=$("$@" 2>&1) || said="$said (status $?)"
    said=$(printf '%s' "$said" | grep -v "$pattern")
    echo "$said"
    [ -z "$said" ]
}

# Tries the command again and again, for about ten seconds.
eventually() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$@" >/dev/null 2>&1 && return
        sleep 0.5
    done
    "$@"
}

# Runs a server and reads its address from its output; $name is empty if it did not start.
start() {
    serve "$work" "$server" "$@"
    adopt "$pid"
}

is_over() { ! kill -0 "$1"; }

# Finds a free port, for programs that cannot choose one themselves.
take_port() {
    start -a 127.0.0.1 -p 0 -q
    end "$pid"
}

# says STATUS URL [OPTION...]: whether curl gets this status with these options.
says() {
    wanted=$1
    shift
    status=$(curl -sk -m 10 -o "$work/response" -w '%{http_code}' "$@")
    echo "$status"
    [ "$status" = "$wanted" ]
}

# greets URL [OPTION...]: with these options of curl, foo logs in, is greeted and logs out. $inside
# is a command that runs curl in another place.
inside=''
greets() {
    site=$1
    shift
    set -- $inside curl -sS -m 10 -b "$work/jar" -c "$work/jar" "$@"
    "$@" -d '{"username": "foo", "password": "foo"}' "$site/login" >"$work/response" &&
        "$@" "$site/home" | grep -Fx '{"message": "Hello, foo"}' &&
        "$@" -d '' "$site/logout" | grep -Fx '{"message": "logged out"}'
}
