#!/bin/sh
# Counts what measurement noise does not change: instructions and system calls per request, and the size
# of the program's text. The instructions may be twice those of the first edition, which took 2,402 for a
# GET and 8,408 for a login, because most of the time of a request passes in the kernel.
#
#     sh tests/bench/count.sh     from the top of the project, with ./server built (`make count`)
#
# curl sends the requests, one at a time on one connection. Each count is made for one request and for
# many more. The difference, divided by how many more, is the cost of one request without start and end.
# Instructions are those outside of the kernel, the C library's included. It needs valgrind, strace, curl
# and size; what cannot be counted has failed. Counted with gcc 12 and -O2.
. tests/server.sh
. tests/check.sh
more=10000
work=build/count
foo='{"username":"foo","password":"foo"}'
mkdir -p "$work"

# send TIMES PATH [OPTION...]: logs in, sends the requests, and stops the server, which is a child of
# strace. curl does not send what follows the #, so all requests are the same.
send() {
    times=$1 path=$2
    shift 2
    curl -s -o "$work/out" -c "$work/jar" -d "$foo" "$url/login"
    curl -s -o "$work/out" -A '' -H Host:127.0.0.1 -H Accept: -H Content-Type: "$@" "$url$path#[1-$times]"
    child=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
    # shellcheck disable=SC2086 # a blank follows the number of the child
    kill -TERM ${child:-"$pid"} 2>/dev/null
    wait "$pid"
}

instructions() {
    : >"$work/log"
    serve "$work" valgrind --tool=callgrind --callgrind-out-file=/dev/null ./server -q -a 127.0.0.1 -p 0
    send "$@"
    sed -n 's/.*Collected : //p' "$work/log"
}

system_calls() {
    serve "$work" strace -c -U calls,name -o "$work/calls" ./server -q -a 127.0.0.1 -p 0
    send "$@"
    awk '$2 == "total" { print $1 }' "$work/calls"
}

# cost COUNT PATH [OPTION...]: the cost of one request.
cost() {
    count=$1
    shift
    few=$("$count" 1 "$@") many=$("$count" $((more + 1)) "$@")
    echo "$few $many" | awk -v more="$more" 'NF == 2 { printf "%.2f\n", ($2 - $1) / more }'
}

# limit NAME MAX VALUE
limit() {
    echo "$1: ${3:-not counted}, at most $2"
    check "$1" awk -v value="${3:-0}" -v max="$2" 'BEGIN { exit !(value > 0 && value <= max) }'
}

limit 'instructions of a GET /home' 4804 "$(cost instructions /home -b "$work/jar")"
limit 'instructions of a POST /login' 16816 "$(cost instructions /login -d "$foo")"
# poll, recv and send; and one more poll every 8 ms, which looks at all connections.
limit 'system calls of a GET /home' 3.2 "$(cost system_calls /home -b "$work/jar")"
limit 'bytes of text, constants and unwind tables' 56500 \
    "$(size ./server | awk 'NR == 2 { print $1 }')"
limit 'bytes of text alone' 40960 "$(size -A ./server | awk '$1 == ".text" { print $2 }')"
report
