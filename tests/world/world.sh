# world.sh - what every script in this folder begins with. They test ./server, which must have been
# built, together with programs that others wrote.
#
#     needs haproxy curl           ends the script with one line where a program is missing
#     start -p 0 -q                runs the server; $pid, $name, $port and $url tell about it; not
#                                  in a check, whose command is a process that forgets it
#     adopt $!                     a program that is to end with the script, or earlier:
#     end PID [SIGNAL]             sends it SIGTERM or SIGNAL, and waits for its end
#     check "A sentence" command   passes where the command succeeds; what it said is shown if not
#     finish                       the last line: how many passed
#
# All files go into the folder $work, outside the tree, which is removed at the end. Everything
# listens on addresses of this machine alone. SERVER names another server to test.
set -u
server=${SERVER:-./server}
work=$(mktemp -d) || exit 1
export HOME="$work" # no program brings settings along, or leaves any
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
passed=0 failed=0 children=''

clean_up() {
    trap - TERM # or the process below may miss the one it is sent, and hold on to our output
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

# What cannot be tested here is named; where CI is set, nothing may be missing.
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

# Succeeds where the command does and says nothing, the lines that match PATTERN left out.
finds_no_fault() {
    pattern=$1
    shift
    said=$("$@" 2>&1) || said="$said (status $?)"
    said=$(printf '%s' "$said" | grep -v "$pattern")
    echo "$said"
    [ -z "$said" ]
}

# Tries the command again and again, for ten seconds or so.
eventually() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$@" >/dev/null 2>&1 && return
        sleep 0.5
    done
    "$@"
}

# Runs a server, and reads where it serves from what it says; nothing where it did not start.
start() {
    rm -f "$work/said"
    mkfifo "$work/said"
    "$server" "$@" >"$work/said" 2>>"$work/log" &
    pid=$!
    adopt "$pid"
    name=$(sed -n '/^Serving on /{s///;s/\.\.\.$//;p;q;}' "$work/said")
    port=${name##*:}
    url=http://127.0.0.1:$port
}

is_over() { ! kill -0 "$1"; }

# A port that was free a moment ago, for programs that cannot take a free one by themselves.
take_port() {
    start -a 127.0.0.1 -p 0 -q
    end "$pid"
}

# says STATUS URL [OPTION...]: the status that curl gets with these options.
says() {
    wanted=$1
    shift
    status=$(curl -sk -m 10 -o "$work/answer" -w '%{http_code}' "$@")
    echo "$status"
    [ "$status" = "$wanted" ]
}

# greets URL [OPTION...]: with these options of curl, foo logs in, is greeted and logs out. $inside
# is a command that runs curl somewhere else.
inside=''
greets() {
    site=$1
    shift
    set -- $inside curl -sS -m 10 -b "$work/jar" -c "$work/jar" "$@"
    "$@" -d '{"username": "foo", "password": "foo"}' "$site/login" >"$work/answer" &&
        "$@" "$site/home" | grep -Fx '{"message": "Hello, foo"}' &&
        "$@" -d '' "$site/logout" | grep -Fx '{"message": "logged out"}'
}
