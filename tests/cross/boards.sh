#!/bin/sh
# boards.sh - builds the server for each target in the table `targets` and runs its tests.
#
#     sh tests/cross/boards.sh [TARGET...]
#
# The unit tests run as programs of the target, under an emulator if it is another machine. The live
# tests, which include client.h, are then native programs that start the target's server with RUNNER.
# So the two ends of a connection differ in byte order and word size. The Makefile builds everything
# in a copy of the sources, build/boards/TARGET. Its file `output` holds the output of the tests.
#
# Prints one line for each target. A target whose compiler or emulator is not installed is reported
# and skipped. Two targets are tested at a time.
# shellcheck disable=SC2086 # lists of tests and of flags are words
. tests/cross/common.sh
top=$PWD
work=build/boards
unit_tests=$(cd tests/unit && echo test_*.c | sed 's/\.c//g')
live_tests=$(cd tests/server && echo test_*.c | sed 's/\.c//g')
tests="$unit_tests $live_tests"
names=$(echo "$tests" | sed 's/test_//g')

# qemu-sparc64 refuses to map /dev/zero, because its pages are larger than the host's. These two tests put
# the input in front of a page that they must not touch.
is_skipped() { # TARGET TEST
    case "$1 $2" in
    'sparc64 test_http' | 'sparc64 test_json') echo "$1: $2 is skipped, as qemu refuses the mapping" ;;
    *) return 1 ;;
    esac
}

is_live() { [ -f "tests/server/$1.c" ]; }

copy_sources() { # to FOLDER
    rm -rf "$1"
    mkdir -p "$1"
    cp -R Makefile ./*.c ./*.h tests "$1"
    mkdir "$1/run"
}

# Writes a script for each test program, because tests/run.sh takes programs without arguments.
write_runs() { # EMULATOR
    live=build
    if [ -n "$1" ]; then live=$top/$work/native/build; fi
    for test in $tests; do
        if is_skipped "$name" "$test"; then continue; fi
        if is_live "$test"; then
            echo "RUNNER='$1' exec timeout 300 $live/$test"
        else
            echo "exec timeout 300 $1 build/$test"
        fi >"run/$test"
        chmod +x "run/$test"
    done
}

has_time_bits() { # BITS COMPILER FLAGS...
    bits=$1
    shift
    printf '#include <time.h>\nchar size[8 * sizeof(time_t) == %d ? 1 : -1];\n' "$bits" >time.c
    "$@" -c -o time.o time.c
}

build_and_test() { # BITS COMPILER EMULATOR FLAGS...
    bits=$1 compiler=$2 emulator=$3
    shift 3
    has_time_bits "$bits" "$compiler" "$@" || return
    make -s CC="$compiler $*" CFLAGS='-std=c99 -O2' TEST="$names" programs || return
    write_runs "$emulator"
    sh tests/run.sh run/*
}

# Tests one row of the table. The last line of `output` is its result.
try_target() { # NAME BITS COMPILER EMULATOR FLAGS...
    name=$1 bits=$2 compiler=$3
    if ! is_installed "$compiler" || ! emulator=$(find_emulator "$4"); then
        echo "$name: skipped, because $compiler or $4 is not installed"
        return
    fi
    shift 4
    copy_sources "$work/$name"
    (cd "$work/$name" && build_and_test "$bits" "$compiler" "$emulator" "$@") \
        >"$work/$name/output" 2>&1
    grep 'is skipped, as' "$work/$name/output"
    last=$(tail -n 1 "$work/$name/output")
    case $last in
    *' passed, 0 failed') ;;
    [0-9]*' passed, '*' failed')
        grep -e 'FAIL ' -e '^     ' "$work/$name/output" | head -n 20 ;;
    *)
        tail -n 5 "$work/$name/output"
        last='0 passed, 1 failed'
        ;;
    esac
    echo "$last" >"$work/$name/result"
    echo "$name: $last"
}

# Tests every second row of the table, beginning with the first or the second.
try_half() {
    targets | awk "NR % 2 == $1" | while read -r row; do
        [ -z "$wanted" ] || case " $wanted " in *" ${row%% *} "*) ;; *) continue ;; esac
        try_target $row </dev/null
    done
}

wanted=$*
rm -rf "$work"
copy_sources "$work/native"
make -s -C "$work/native" CC="${CC:-cc}" TEST="$names" programs || exit 1
try_half 1 &
try_half 0
wait
cat "$work"/*/result 2>/dev/null | awk '
    { passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }'
