#!/bin/sh
# Builds the soak and runs it against ./server, which must be built. From the top:
#
#     sh tests/soak/run.sh [SECONDS]
#
# The default is 600 seconds. CC, CFLAGS and SERVER come from the environment. It draws
# build/soak/soak.svg; the last line is `N passed, N failed`.
set -e
mkdir -p build/soak
${CC:-cc} -std=c99 ${CFLAGS:--O2 -Wall -Wextra} $LDFLAGS -pthread -o build/soak/soak \
    tests/soak/soak.c
SERVER="${SERVER:-./server}" exec build/soak/soak "${1:-600}" build/soak/soak.svg
