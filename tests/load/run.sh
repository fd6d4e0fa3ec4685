#!/bin/sh
# Builds the tests under load and runs them against ./server, which must be built. From the top:
#
#     sh tests/load/run.sh [PROGRAM]...      timing, secrets, stops, neighbours: two or three minutes
#     sh tests/load/run.sh soak [SECONDS]    600 seconds by default
#
# CC, CFLAGS and SERVER come from the environment. The last line is `N passed, N failed`.
set -e
out=build/load
export SERVER="${SERVER:-./server}"
mkdir -p $out

build() {
    libraries=-pthread
    [ "$1" != timing ] || libraries='db.c sha1.c str.c -lm'
    # shellcheck disable=SC2086 # the compiler, the options and the libraries are words
    ${CC:-cc} -std=c99 ${CFLAGS:--O2 -Wall -Wextra} -I. $LDFLAGS -o "$out/$1" "tests/load/$1.c" $libraries
}

[ $# -gt 0 ] || set -- timing secrets stops neighbours
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
