#!/bin/sh
# memory.sh - measures the memory of a small board's server: buffers of 2,048 bytes, 16 failure counts
# for unknown usernames, and few connections and sessions. The server prints with -h how much it sets aside:
# the access log, which is static, and the heap. Both are measured here as well, the heap by heap.c while
# the server starts, serves and stops. Stack and C library come in addition.
#
#     CC=cc sh tests/cross/memory.sh
#
# It is measured natively, and with 32 bits if arm's compiler and emulator are installed.
. tests/cross/common.sh
. tests/server.sh
work=build/memory
max=28672 # with 32 bits and -c 4 -s 4
export HEAP_COUNT=$work/heap
wrap=-Wl,--wrap=malloc,--wrap=calloc

build() { # COMPILER
    rm -rf "$work"
    mkdir -p "$work/run"
    "$1" -std=c99 -O2 -DHTTP_BUFFER_SIZE=2048 -DDB_SHARED_COUNTS=16 $wrap -o "$work/server" \
        $sources tests/cross/heap.c
}

# Starts the server, requests a page, and stops the server. Prints the largest size of heap and log.
measured() { # RUNNER...
    serve "$work/run" "$@" "$work/server" $options -p 0 || return
    curl -s -o "$work/run/page" "$url/home"
    kill -TERM "$pid"
    wait "$pid"
    log=$(nm -S -t d "$work/server" | awk '$4 == "access_log" { print $2 + 0 }')
    echo $(($(cat "$work/heap") + log))
}

# The last line of the help: the bytes with the options before -h, and those of a user without the
# name. The example has one user, whose name has 3 bytes.
printed() { # RUNNER...
    "$@" "$work/server" $options -h | tail -n 1 | tr -cs '0-9' '\n' |
        awk '{ sum += $1 } END { print sum + 3 }'
}

measure() { # TITLE COMPILER RUNNER...
    machine=$1 compiler=$2
    shift 2
    check "$machine: the server is built" build "$compiler"
    for options in '-c 16 -s 32' '-c 2 -s 2' '-c 4 -s 4'; do
        bytes=$(printed "$@")
        echo "$machine, $options: $bytes bytes"
        check "$machine, $options: -h prints the size of the heap and the log" \
            equal "$(measured "$@")" "$bytes"
    done
}

measure native "${CC:-cc}"
if is_installed arm-linux-gnueabihf-gcc && emulator=$(find_emulator qemu-arm); then
    measure '32 bits' arm-linux-gnueabihf-gcc "$emulator" -L /usr/arm-linux-gnueabihf
    check "32 bits, $options: that is at most $max bytes" [ "$bytes" -le "$max" ]
else
    skip '32 bits: arm-linux-gnueabihf-gcc or qemu-arm is not installed'
fi
report
