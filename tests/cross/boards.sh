#!/bin/sh
# boards.sh - builds the server for each target in the table `targets`, in build/boards, and tests it.
#
#     sh tests/cross/boards.sh [TARGET...]
#
# The unit tests and event_loop.c are programs of the target and run under an emulator. Then native clients talk
# to the target's server, so that the two ends of a connection differ in byte order and word size: those of
# smoke.sh on each target, and all of tests/server on one target of each kind.
#
# A target whose compiler or emulator is not installed is skipped. Three are tested at a time, because
# clients mostly wait for timeouts.
. tests/cross/common.sh
top=build/boards
second=-DSERVER_SECOND=50000000LL # as in the Makefile

# Other C libraries and compilers; 32 and 64 bits of either byte order; 64 bits of time on 32-bit machines.
is_tested_by_all() { case $1 in tcc | musl | arm | mips | mips-64 | s390x | aarch64 | m68k) ;; *) false ;; esac }

# qemu-sparc64 refuses to map /dev/zero, because its pages are larger than the host's. These two tests put
# the input in front of a page that they must not touch.
is_skipped() { case $1 in sparc64/test_http | sparc64/test_json) ;; *) false ;; esac }

has_time_bits() { # BITS COMPILER...
    echo "#include <time.h>
char size[8 * sizeof(time_t) == $1 ? 1 : -1];" >"$folder/time.c"
    shift
    "$@" -c -o "$folder/time" "$folder/time.c"
}

build() { # COMPILER...
    mkdir "$folder/objects"
    for source in $sources; do
        "$@" -std=c99 -O2 $second -c -o "$folder/objects/${source%.c}.o" "$source" || return
    done
    "$@" -o "$folder/server.target" "$folder"/objects/*.o || return
    (cd "$folder/objects" && rm app.o server.o listen.o log.o)
    for test in tests/unit/test_*.c tests/fault/event_loop.c; do
        to=$(basename "$test" .c)
        "$@" -std=c99 -O2 -I. -o "$folder/test_${to#test_}.target" "$test" "$folder"/objects/*.o || return
    done
}

# Writes a script for each program, which runs it under the emulator.
write_scripts() { # EMULATOR
    for program in "$folder"/*.target; do
        is_skipped "$name/$(basename "$program" .target)" && continue
        printf '#!/bin/sh\nexec %s %s "$@"\n' "$1" "$program" >"${program%.target}"
        chmod +x "${program%.target}"
    done
}

# Tests one row of the table, and prints its output. The last line is its result.
test_target() { # BITS EMULATOR COMPILER FLAGS...
    bits=$1 emulator=$2
    shift 2
    has_time_bits "$bits" "$@" && build "$@" || return
    write_scripts "$emulator"
    export SERVER="$folder/server" TIMEOUT=600
    clients=build/test_smoke
    is_tested_by_all "$name" && clients='build/test_smoke build/test_server build/test_options'
    # Another C library on this processor has other messages; so the options are tested with it.
    if [ -z "$emulator" ]; then
        "$@" -std=c99 -O2 -I. -o "$folder/options" tests/server/test_options.c || return
        clients="build/test_smoke build/test_server $folder/options"
    fi
    sh tests/run.sh $(find "$folder" -name 'test_*' ! -name '*.target' | sort) $clients
}

try_target() { # NAME BITS COMPILER EMULATOR FLAGS...
    name=$1 bits=$2 compiler=$3 folder=$top/$1
    if ! is_installed "$compiler" || ! emulator=$(find_emulator "$4"); then
        echo "$name: skipped, because $compiler or $4 is not installed"
        return
    fi
    shift 4
    mkdir "$folder"
    test_target "$bits" "$emulator" "$compiler" "$@" >"$folder/output" 2>&1
    last=$(tail -n 1 "$folder/output")
    echo "$name: $last"
    case $last in
    *' passed, 0 failed') ;;
    *' passed, '*' failed') grep -e 'FAIL ' -e '^     ' "$folder/output" | head -n 20 ;;
    *) last='0 passed, 1 failed' ;;
    esac
    echo "$last" >"$folder/result"
}

if [ "${1-}" = --row ]; then
    try_target $2
    exit
fi
rm -rf $top
mkdir -p $top
make -s CC="${CC:-cc}" TEST='server options smoke' programs || exit 1
targets | awk -v wanted=" $* " 'wanted == "  " || index(wanted, " " $1 " ")' | tr '\n' '\0' |
    xargs -0 -n 1 -P 3 sh "$0" --row
cat $top/*/result | awk '
    { passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }'
