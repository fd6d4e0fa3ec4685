#!/bin/sh
# Has the rooms read by three programs that look for mistakes without running anything: the analyzer
# of gcc and clang-tidy, one room after the other, and cppcheck, all together. Needs the three; the
# last line is `N passed, N failed`. What they are told not to look for stands here with its reason,
# and what one line alone is excused for stands in front of that line.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
rooms='app.c server.c http.c json.c db.c sha1.c'

# easily-swappable-parameters   two of one type in a row are how memcpy and strcmp look, too
# macro-parentheses             SHA-1's steps are macros that assign to their arguments
# not-null-terminated-result    views and literals go through memchr and memcpy, which want no NUL
# reserved-identifier           _POSIX_C_SOURCE is reserved for being defined: it asks for POSIX
checks='-*,bugprone-*,cert-*,clang-analyzer-*'
checks="$checks,-bugprone-easily-swappable-parameters,-bugprone-macro-parentheses"
checks="$checks,-bugprone-not-null-terminated-result,-bugprone-reserved-identifier"
checks="$checks,-cert-dcl37-c,-cert-dcl51-cpp" # two other names of reserved-identifier

# check NAME COMMAND...: what it says is shown where it is not content.
check() {
    name=$1
    shift
    if said=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n%s\n' "$name" "$said"
    fi
}

for room in $rooms; do
    check "gcc -fanalyzer $room" gcc -std=c99 -O2 -fanalyzer -Werror -c -o /dev/null "$room"
    check "clang-tidy $room" clang-tidy --quiet --checks="$checks" --warnings-as-errors='*' \
        --header-filter='.*' "$room" -- -std=c99
done
# shellcheck disable=SC2086 # a list of rooms is words
check cppcheck cppcheck -q --std=c99 --enable=all --suppress=missingIncludeSystem \
    --error-exitcode=1 $rooms
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
