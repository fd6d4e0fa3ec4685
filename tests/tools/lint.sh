#!/bin/sh
# Checks the sources with three static analyzers: gcc's and clang-tidy, one module at a time, and
# cppcheck, all modules together. A check that is turned off stands here with its reason. An exception
# for a single line stands above that line.
cd "$(dirname "$0")/../.." || exit 1
. tests/check.sh

# cert-err33-c                  a message that cannot be printed cannot be reported either
# easily-swappable-parameters   memcpy and strcmp, too, have two parameters of one type in a row
# not-null-terminated-result    views and literals go through memchr and memcpy, which need no NUL
# reserved-identifier           _POSIX_C_SOURCE is reserved for being defined: it asks for POSIX
checks='-*,bugprone-*,cert-*,clang-analyzer-*,-cert-err33-c'
checks="$checks,-bugprone-easily-swappable-parameters"
checks="$checks,-bugprone-not-null-terminated-result,-bugprone-reserved-identifier"
checks="$checks,-cert-dcl37-c,-cert-dcl51-cpp" # two other names of reserved-identifier

for source in *.c; do
    check "gcc -fanalyzer $source" gcc -std=c99 -O2 -fanalyzer -Werror -c -o /dev/null "$source"
    check "clang-tidy $source" clang-tidy --quiet --checks="$checks" --warnings-as-errors='*' \
        --header-filter='.*' "$source" -- -std=c99
done
check cppcheck cppcheck -q --std=c99 --enable=all --suppress=missingIncludeSystem \
    --error-exitcode=1 ./*.c
report
