#!/bin/sh
# Counts what does not depend on the machine's mood: instructions and system calls a request, and
# the size of the program's text; and fails where they are over their bounds.
#
#     sh tests/bench/count.sh     from the top of the project, with ./server built (`make count`)
#
# Requests are sent one at a time on one connection, with a rest between two that is long for the
# server. Each count is made twice, for one request and for many more; the difference, divided by
# how many more, is what one costs, without start and end. Instructions are those outside of the
# kernel, the C library's among them. It needs valgrind, strace and size; what cannot be counted has
# failed. The bounds are what has been reached with gcc 12 and -O2; where more was aimed at, the line
# says so.
more=10000
work=build/count
passed=0 failed=0
mkdir -p "$work"
${CC:-cc} -std=c99 -O2 -o "$work/load" tests/bench/load.c || exit 1

# serve COMMAND ...: runs the server under COMMAND; its process is $server then, and its port $port.
serve() {
    : >"$work/said"
    "$@" ./server -q -a 127.0.0.1 -p 0 >"$work/said" 2>"$work/errors" &
    server=$!
    port=
    tries=0
    while [ -z "$port" ] && [ "$tries" -lt 100 ] && kill -0 "$server" 2>/dev/null; do
        sleep 0.1
        tries=$((tries + 1))
        port=$(sed -n 's/^Serving on .*:\([0-9]*\)\.\.\.$/\1/p' "$work/said")
    done
}

# ask WHAT TIMES: the requests, and the server's end. Under strace the server is a child.
ask() {
    "$work/load" -p 300 -n "$2" "${port:-0}" "$1" >/dev/null
    child=$(cat "/proc/$server/task/$server/children" 2>/dev/null)
    kill -TERM ${child:-"$server"} 2>/dev/null
    wait "$server"
}

instructions() {
    serve valgrind --tool=callgrind --callgrind-out-file=/dev/null
    ask "$1" "$2"
    sed -n 's/.*Collected : //p' "$work/errors"
}

system_calls() {
    serve strace -c -U calls,name -o "$work/calls"
    ask "$1" "$2"
    awk '$2 == "total" { print $1 }' "$work/calls"
}

# each COUNT WHAT: what one round of WHAT costs.
each() {
    few=$("$1" "$2" 1) many=$("$1" "$2" $((more + 1)))
    echo "$few $many" | awk -v more="$more" 'NF == 2 { printf "%.2f\n", ($2 - $1) / more }'
}

# hold NAME BOUND AIM VALUE ...: the least of the values counts, as a busy machine only adds to them.
hold() {
    name=$1 bound=$2 aim=$3
    shift 3
    least=$(printf '%s\n' "$@" | sort -n | head -n 1)
    if echo "$least $bound" | awk '{ exit !(NF == 2 && $1 > 0 && $1 <= $2) }'; then
        passed=$((passed + 1))
        echo "$name: $least, at most $bound (aimed at: $aim)"
    else
        failed=$((failed + 1))
        echo "FAIL $name: ${least:-not counted}, at most $bound (aimed at: $aim)"
    fi
}

hold 'instructions a GET /home' 2440 1500 "$(each instructions home)"
hold 'instructions a POST /login' 8560 5000 "$(each instructions login)"
hold 'instructions a POST /login with its POST /logout' 11950 6500 "$(each instructions turn)"
hold 'system calls a GET /home, which are poll, recv and send' 3.03 3 \
    "$(each system_calls home)" "$(each system_calls home)" "$(each system_calls home)"
hold 'bytes of text, constants and unwind tables' 56500 40960 \
    "$(size ./server | awk 'NR == 2 { print $1 }')"
hold 'bytes of text alone' 40960 40960 "$(size -A ./server | awk '$1 == ".text" { print $2 }')"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
