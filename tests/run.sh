#!/bin/sh
# run.sh PROGRAM... - runs test programs one after another, shows their output, and adds up their last
# lines. The exit status is 1 if a test failed, or a program did not reach its end.
#
# If TIMEOUT is set, all together may take about so many seconds: each program is ended when it has
# taken half of those that are left.
passed=0 failed=0
start=$(date +%s)

# run PROGRAM SECONDS: becomes the program, after starting a process that ends it.
# shellcheck disable=SC2016 # the second shell expands it
run() {
    exec sh -c '(
        left=$1
        while [ $((left -= 1)) -ge 0 ]; do kill -0 $$ && sleep 1 || exit; done
        kill $$ && sleep 1 && kill -KILL $$
    ) >/dev/null 2>&1 & exec "$0"' "$1" "$2" 2>&1
}

for program; do
    printf '%s: ' "$program"
    begin=$(date +%s)
    seconds=$(((${TIMEOUT:-0} - begin + start) / 2 + 1))
    if [ -n "${TIMEOUT-}" ]; then
        output=$(run "$program" $seconds)
    else
        output=$("$program" 2>&1)
    fi
    status=$?
    last=$(printf '%s\n' "$output" | tail -n 1)
    case $last in
    [0-9]*' passed, '[0-9]*' failed') ;;
    *)
        took=$(($(date +%s) - begin))
        [ -z "${TIMEOUT-}" ] || [ $took -lt $seconds ] || status="$status, ended after $took s"
        output="$output
FAIL $program did not reach its end: status $status
0 passed, 1 failed" last='0 passed, 1 failed' ;;
    esac
    printf '%s\n' "$output"
    passed=$((passed + ${last%% passed*}))
    last=${last#*, }
    failed=$((failed + ${last%% failed*}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
