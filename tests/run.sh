#!/bin/sh
# run.sh PROGRAM... - runs test programs one after another, shows their output, and adds up their last
# lines. The exit status is 1 if a test failed, or a program did not reach its end.
passed=0 failed=0
for program; do
    printf '%s: ' "$program"
    output=$("$program" 2>&1)
    last=$(printf '%s\n' "$output" | tail -n 1)
    case $last in
    [0-9]*' passed, '[0-9]*' failed') ;;
    *) output="$output
$program did not reach its end
0 passed, 1 failed" last='0 passed, 1 failed' ;;
    esac
    printf '%s\n' "$output"
    passed=$((passed + ${last%% passed*}))
    last=${last#*, }
    failed=$((failed + ${last%% failed*}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
