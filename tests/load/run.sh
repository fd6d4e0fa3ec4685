#!/bin/sh
# Builds the tests under load and runs them against ./server, which must be built. From the top:
#
#     sh tests/load/run.sh [PROGRAM]...
#     sh tests/load/run.sh soak [SECONDS]
#
# The programs are timing, sessions, stops and neighbours; they take four minutes. The soak takes 600
# seconds by default. CC, CFLAGS and SERVER come from the environment. The last line is `N passed, N
# failed`.
set -e
out=build/load
build="${CC:-cc} -std=c99 ${CFLAGS:--O2 -Wall -Wextra} -I. $LDFLAGS"
export SERVER="${SERVER:-./server}"
mkdir -p $out

build() {
    case $1 in
    timing) $build -o $out/timing tests/load/timing.c db.c sha1.c str.c -lm ;;
    *) $build -o "$out/$1" "tests/load/$1.c" -pthread ;;
    esac
}

[ $# -gt 0 ] || set -- timing sessions stops neighbours
if [ "$1" = soak ]; then
    build soak
    exec $out/soak "${2:-600}"
fi
for program; do
    build "$program"
    shift
    set -- "$@" "$out/$program"
done
exec sh tests/run.sh "$@"
