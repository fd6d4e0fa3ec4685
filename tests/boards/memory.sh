#!/bin/sh
# memory.sh - measures the memory that a small board's server takes: `-c 16 -s 32` with buffers of
# 2,048 bytes. Its own memory is the data and bss of the rooms, by size(1), and the most bytes they
# ever held of the heap, counted by heap.c while the server starts, serves and stops. Stack and the
# C library come on top.
#
#     CC=cc sh tests/boards/memory.sh
#
# Measured natively, and with 32 bits where arm's compiler and emulator are installed. In both the
# help must end with what was measured.
# shellcheck disable=SC2086 # lists of rooms and of flags are words
. tests/boards/common.sh
work=build/memory
options='-c 16 -s 32'
most=65536
wrap=-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free

build() { # COMPILER
    rm -rf "$work"
    mkdir -p "$work"
    for room in $rooms; do
        "$1" -std=c99 -O2 -DHTTP_BUFFER=2048 -c -o "$work/$room.o" "$room.c" || return
    done
    (cd "$work" && size ./*.o) | awk '{ sum += $2 + $3 } END { print sum }' >"$work/fixed"
    "$1" -std=c99 -O2 $wrap -o "$work/server" "$work"/*.o tests/boards/heap.c
}

# Starts the server, asks it for a page where curl is there to do so, and stops it.
run_server() { # RUNNER...
    : >"$work/said"
    HEAP_COUNT=$work/heap "$@" "$work/server" $options -p 0 >"$work/said" 2>&1 &
    server=$!
    until grep -q '^Serving on' "$work/said"; do
        kill -0 $server || return
        sleep 1
    done
    port=$(sed -n 's/^Serving on .*:\([0-9]*\)\.\.\.$/\1/p' "$work/said")
    ! is_installed curl || curl -s -o "$work/page" "http://127.0.0.1:$port/home"
    kill -TERM $server
    wait $server
}

# The help ends with the bytes that the options before it cost, and those of a user without the
# name: the example has one user, whose name has 3 bytes.
told_by_help() {
    "$@" "$work/server" $options -h | tail -n 1 | tr -cs '0-9' '\n' |
        awk '{ sum += $1 } END { print sum + 3 }'
}

measure() { # NAME COMPILER RUNNER...
    name=$1 compiler=$2
    shift 2
    if ! build "$compiler" || ! run_server "$@"; then
        check "$name: the server runs" false
        return
    fi
    bytes=$(($(cat "$work/fixed") + $(cat "$work/heap")))
    echo "$name: $bytes bytes: data and bss $(cat "$work/fixed"), heap $(cat "$work/heap")"
    check "$name: the server takes $most bytes at most" [ "$bytes" -le "$most" ]
    told=$(told_by_help "$@")
    check "$name: the help tells what the heap is asked for, and not $told" \
        [ "$told" -eq "$(cat "$work/heap")" ]
}

measure native "${CC:-cc}"
if is_installed arm-linux-gnueabihf-gcc && emulator=$(find_emulator qemu-arm); then
    measure '32 bits' arm-linux-gnueabihf-gcc "$emulator" -L /usr/arm-linux-gnueabihf
else
    echo '32 bits: skipped, as arm-linux-gnueabihf-gcc or qemu-arm is not installed'
fi
report
