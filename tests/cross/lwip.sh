# lwip.sh - a part of portable.sh: the sources on a board without an operating system, with
# examples/lwip/port.c in place of listen.c and log.c.
#
#   - Compiled, and not run: for a Cortex-M3 with newlib and the headers of lwIP.
#   - Run: with lwip.c on this machine, with Debian's library liblwip.
# shellcheck shell=sh disable=SC2086,SC2154 # lists of modules and of flags are words

lwip_headers=/usr/include/lwip
lwip_flags="$strict -std=c99 -DHTTP_BUFFER_SIZE=2048 -I."

# Compiles the modules that use sockets with names.h, and the others without.
compile_for_lwip() { # FOLDER COMPILER FLAGS...
    folder=$1
    shift
    mkdir -p "$folder"
    for module in route http json db sha1 str; do
        "$@" $lwip_flags -isystem $lwip_headers -c -o "$folder/$module.o" $module.c || return
    done
    for file in server.c examples/lwip/port.c; do
        "$@" $lwip_flags -isystem $lwip_headers -include examples/lwip/names.h -c \
            -o "$folder/$(basename "$file" .c).o" "$file" || return
    done
}

# newlib declares clocks only if it is told that the board has them.
compiles_for_newlib() {
    compile_for_lwip "$work/newlib" arm-none-eabi-gcc -Os -mthumb -mcpu=cortex-m3 \
        -D_POSIX_TIMERS=1 -D_POSIX_MONOTONIC_CLOCK=1 -isystem examples/lwip/newlib || return
    arm-none-eabi-size -t "$work"/newlib/*.o |
        awk 'END { print "lwip: text", $1, "bytes for a Cortex-M3; this was compiled, and not run" }'
}

runs_over_lwip() {
    compile_for_lwip "$work/lwip" ${CC:-cc} -D_GNU_SOURCE &&
        ${CC:-cc} $lwip_flags -Dmain=app_main -c -o "$work/lwip/app.o" app.c &&
        ${CC:-cc} $lwip_flags -D_GNU_SOURCE -isystem $lwip_headers -o "$work/lwip/smoke" \
            tests/cross/lwip.c "$work"/lwip/*.o -llwip -lpthread &&
        "$work/lwip/smoke" >"$work/lwip/output" && return
    cat "$work/lwip/output"
    return 1
}

try_lwip() {
    if [ ! -f $lwip_headers/lwip/sockets.h ]; then
        echo 'lwip: skipped, as its headers are not installed'
        return
    fi
    if is_installed arm-none-eabi-gcc; then
        check 'the sources compile with newlib and lwIP' compiles_for_newlib
    else
        echo 'lwip for newlib: skipped, as arm-none-eabi-gcc is not installed'
    fi
    check 'a login, a greeting and a logout over lwIP, on this machine' runs_over_lwip
}
