#!/bin/sh
# Runs the test programs named as arguments, one after another, shows what they say, and adds up
# their last lines. Exit status 1 where a test failed or a program did not come to its end.
passed=0 failed=0
for program; do
    printf '%s: ' "$program"
    said=$("$program" 2>&1)
    last=$(printf '%s\n' "$said" | tail -n 1)
    case $last in
    [0-9]*' passed, '[0-9]*' failed') ;;
    *) said="$said
$program did not come to its end
0 passed, 1 failed" last='0 passed, 1 failed' ;;
    esac
    printf '%s\n' "$said"
    passed=$((passed + ${last%% passed*}))
    last=${last#*, }
    failed=$((failed + ${last%% failed*}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
