#!/bin/sh
# Builds the tests under load and runs them against ./server, which must be built. From the top:
#
#     sh tests/load/run.sh [PROGRAM]...
#
# The programs are timing, sessions, stops and neighbours. CC, CFLAGS and SERVER come from the
# environment. It takes four minutes; the last line is `N passed, N failed`.
set -e
out=build/load
build="${CC:-cc} -std=c99 ${CFLAGS:--O2 -Wall -Wextra} -I. $LDFLAGS"
mkdir -p $out
[ $# -gt 0 ] || set -- timing sessions stops neighbours
for program; do
    case $program in
    timing) $build -o $out/timing tests/load/timing.c db.c sha1.c str.c -lm ;;
    *) $build -o "$out/$program" "tests/load/$program.c" -pthread ;;
    esac
    shift
    set -- "$@" "$out/$program"
done
export SERVER="${SERVER:-./server}"
exec sh tests/run.sh "$@"
