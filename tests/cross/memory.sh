#!/bin/sh
# memory.sh - measures the memory of a small board's server: buffers of 2,048 bytes, 16 failure counts
# for unknown usernames, and `-c 2 -s 2`, `-c 4 -s 4` or `-c 16 -s 32`. The server prints with -h how much it sets aside: the access log, which is static, and the heap. Both
# are measured here as well, the heap by heap.c while the server starts, serves and stops. Stack and C
# library come in addition.
#
#     CC=cc sh tests/cross/memory.sh
#
# It is measured natively, and with 32 bits if arm's compiler and emulator are installed. The limit is
# for 32 bits.
# shellcheck disable=SC2086 # lists of modules and of flags are words
. tests/cross/common.sh
. tests/server.sh
work=build/memory
max=28672 # with -c 4 -s 4
wrap=-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free

build() { # COMPILER
    rm -rf "$work"
    mkdir -p "$work/run"
    for module in $modules; do
        "$1" -std=c99 -O2 -DHTTP_BUFFER_SIZE=2048 -DDB_SHARED_COUNTS=16 -c -o "$work/$module.o" "$module.c" || return
    done
    (cd "$work" && size ./*.o) | awk '{ sum += $2 + $3 } END { print sum }' >"$work/static"
    nm -S -t d "$work/app.o" | awk '$4 == "access_log" { print $2 + 0 }' >"$work/log"
    "$1" -std=c99 -O2 $wrap -o "$work/server" "$work"/*.o tests/cross/heap.c
}

# Starts the server, requests a page if curl is installed, and stops the server.
run_server() { # RUNNER...
    HEAP_COUNT=$work/heap serve "$work/run" "$@" "$work/server" $options -p 0 || return
    ! is_installed curl || curl -s -o "$work/run/page" "$url/home"
    kill -TERM "$pid"
    wait "$pid"
}

# The last line of the help: the bytes with the options before -h, and those of a user without the
# name. The example has one user, whose name has 3 bytes.
printed_by_help() { # RUNNER...
    "$@" "$work/server" $options -h | tail -n 1 | tr -cs '0-9' '\n' |
        awk '{ sum += $1 } END { print sum + 3 }'
}

measure_options() { # TITLE RUNNER...
    title="$1, $options"
    shift
    if ! run_server "$@"; then
        check "$title: the server runs" false
        return
    fi
    printed=$(printed_by_help "$@") heap=$(cat "$work/heap") log=$(cat "$work/log")
    echo "$title: -h prints $printed bytes; heap $heap, data and bss $(cat "$work/static")"
    check "$title: -h prints the size of the heap and the log, $heap + $log bytes, not $printed" \
        [ "$printed" -eq $((heap + log)) ]
}

measure() { # TITLE COMPILER RUNNER...
    machine=$1 compiler=$2
    shift 2
    if ! build "$compiler"; then
        check "$machine: the server is built" false
        return
    fi
    for options in '-c 16 -s 32' '-c 2 -s 2' '-c 4 -s 4'; do measure_options "$machine" "$@"; done
}

measure native "${CC:-cc}"
if is_installed arm-linux-gnueabihf-gcc && emulator=$(find_emulator qemu-arm); then
    measure '32 bits' arm-linux-gnueabihf-gcc "$emulator" -L /usr/arm-linux-gnueabihf
    check "32 bits, $options: -h prints at most $max bytes" [ "$printed" -le "$max" ]
else
    echo '32 bits: skipped, because arm-linux-gnueabihf-gcc or qemu-arm is not installed'
fi
report
