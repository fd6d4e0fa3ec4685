#!/bin/sh
# Counts what measurement noise does not change: instructions and system calls per request, and the size
# of the program's text. The instructions are reported, and it fails only if they are more than twice those
# of the first edition, which took 2,402 for a GET and 8,408 for a login. That one was tuned for this
# count, which nobody can feel: most of the time of a request passes in the kernel. The other counts have
# limits of their own.
#
#     sh tests/bench/count.sh     from the top of the project, with ./server built (`make count`)
#
# Requests are sent one at a time on one connection, with a pause between two. Each count is made for one
# request and for many more. The difference, divided by how many more, is the cost of one request without
# start and end. Instructions are those outside of the kernel, the C library's included. It needs
# valgrind, strace and size; what cannot be counted has failed. Counted with gcc 12 and -O2.
. tests/server.sh
more=10000
work=build/count
passed=0 failed=0
mkdir -p "$work"
${CC:-cc} -std=c99 -O2 -o "$work/load" tests/bench/load.c || exit 1

# send_requests WHAT TIMES: sends them and stops the server, which is a child of strace.
send_requests() {
    "$work/load" -p 300 -n "$2" "${port:-0}" "$1" >/dev/null
    child=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
    # shellcheck disable=SC2086 # a blank follows the number of the child
    kill -TERM ${child:-"$pid"} 2>/dev/null
    wait "$pid"
}

instructions() {
    : >"$work/log"
    serve "$work" valgrind --tool=callgrind --callgrind-out-file=/dev/null ./server -q -a 127.0.0.1 -p 0
    send_requests "$1" "$2"
    sed -n 's/.*Collected : //p' "$work/log"
}

system_calls() {
    serve "$work" strace -c -U calls,name -o "$work/calls" ./server -q -a 127.0.0.1 -p 0
    send_requests "$1" "$2"
    awk '$2 == "total" { print $1 }' "$work/calls"
}

# cost COUNT WHAT: the cost of one WHAT.
cost() {
    few=$("$1" "$2" 1) many=$("$1" "$2" $((more + 1)))
    echo "$few $many" | awk -v more="$more" 'NF == 2 { printf "%.2f\n", ($2 - $1) / more }'
}

# limit NAME MAX VALUE...: the least of the values counts, because a busy machine only adds to them.
limit() {
    name=$1 max=$2
    shift 2
    least=$(printf '%s\n' "$@" | sort -n | head -n 1)
    if echo "$least $max" | awk '{ exit !(NF == 2 && $1 > 0 && $1 <= $2) }'; then
        passed=$((passed + 1))
        echo "$name: $least, at most $max"
    else
        failed=$((failed + 1))
        echo "FAIL $name: ${least:-not counted}, at most $max"
    fi
}

limit 'instructions of a GET /home' 4804 "$(cost instructions home)"
limit 'instructions of a POST /login' 16816 "$(cost instructions login)"
limit 'instructions of a POST /login and its POST /logout' 23590 "$(cost instructions logout)"
# poll, recv and send; and one more poll every 8 ms, which looks at all connections.
limit 'system calls of a GET /home' 3.2 "$(cost system_calls home)" "$(cost system_calls home)"
limit 'bytes of text, constants and unwind tables' 56500 \
    "$(size ./server | awk 'NR == 2 { print $1 }')"
limit 'bytes of text alone' 40960 "$(size -A ./server | awk '$1 == ".text" { print $2 }')"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
