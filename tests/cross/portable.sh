#!/bin/sh
# portable.sh - checks that the sources are C99 and POSIX.1-2008, and nothing else:
#
#   - gcc, clang, tcc and musl's compiler compile them as C99, C11 and C17 without a warning. With
#     only _POSIX_C_SOURCE=200809L, headers such as musl's do not declare an extension.
#   - Every header, function and constant that they use is listed in the file `names`.
#   - No #if tests for a system: it may only test names that the sources themselves define.
#   - dietlibc builds them, if it is given the two constants that it lacks.
#   - lwip.sh: they compile for a board without an operating system.
#
#     CC=cc sh tests/cross/portable.sh
#
# A compiler that is not installed is reported and skipped.
# shellcheck disable=SC2086 # lists of modules and of flags are words
. tests/cross/common.sh
work=build/portable
. tests/cross/lwip.sh

# ---- Compilers and standards ----

compiles() { # COMPILER STANDARD
    flags=$strict
    if [ "$1" = tcc ]; then flags='-Wall -Werror'; fi
    for module in $modules; do
        "$1" $flags -std="$2" -D_POSIX_C_SOURCE=200809L -c -o "$work/$module.o" "$module.c" || return
    done
}

try_compilers() {
    for compiler in gcc clang tcc musl-gcc; do
        is_installed $compiler || {
            echo "$compiler: skipped, as it is not installed"
            continue
        }
        for standard in c99 c11 c17; do
            check "$compiler compiles the sources as $standard" compiles $compiler $standard
        done
    done
}

# dietlibc lacks two constants of POSIX. Its programs are static.
builds_with_dietlibc() {
    diet gcc -std=c99 -Os -D_POSIX_PIPE_BUF=512 -DIPV6_V6ONLY=26 -o "$work/diet" $sources \
        2>"$work/diet.log" && SERVER=$work/diet sh tests/server/smoke.sh
}

try_dietlibc() {
    if is_installed diet; then
        check 'dietlibc builds a server that works, with two definitions' builds_with_dietlibc
    else
        echo 'dietlibc: skipped, as it is not installed'
    fi
}

# ---- Names ----

listed() { # KIND...
    for kind; do sed -n "s/^$kind //p" tests/cross/names; done | tr -s ' ' '\n' | sort -u
}

# Succeeds if every line of the second list is in the first; otherwise prints those that are not. Both
# are sorted.
is_subset() {
    beyond=$(comm -13 "$1" "$2")
    [ -z "$beyond" ] || echo "$beyond"
    [ -z "$beyond" ]
}

# At -O0 and without builtins the objects call exactly what the sources call.
used_functions() {
    for module in $modules; do
        ${CC:-cc} -std=c99 -O0 -fno-builtin -fno-stack-protector -c -o "$work/$module.o" "$module.c"
    done
    (
        cd "$work" || exit
        nm -g ./*.o | awk 'NF == 3 && $2 != "U" { print $3 }' | sort -u >own
        nm -u ./*.o | awk 'NF == 2 { print $2 }' | sort -u | comm -13 own -
    )
}

# The sources without comments, and with empty strings and characters.
bare_sources() {
    for file in *.c *.h; do
        ${CC:-cc} -std=c99 -fpreprocessed -dD -E -P "$file" 2>/dev/null
    done | sed -e "s/'[^']*'/0/g" -e 's/\\"//g' -e 's/"[^"]*"/0/g'
}

words() { tr -cs 'A-Za-z0-9_' '\n' | grep '^[A-Za-z_]' | sort -u; }

# Names with capitals that the sources define: by #define, in an enum, or as a static name.
own_constants() {
    {
        sed -n 's/^# *define *\([A-Za-z0-9_]*\).*/\1/p' "$work/bare"
        sed -n '/enum[^;()]*{/,/}/p' "$work/bare" | words
        sed -n 's/^static [a-z0-9_ ]* \([A-Z][A-Z0-9_]*\)[[(].*/\1/p' "$work/bare"
    } | grep '[A-Z]' | grep -v '^_POSIX_C_SOURCE$' | sort -u
}

used_constants() { grep -v '^# *include' "$work/bare" | words | grep -E '^[A-Z_][A-Z0-9_]+$'; }

tested_names() {
    grep -E '^# *(if|ifdef|ifndef|elif)' "$work/bare" | words |
        grep -v -x -e if -e ifdef -e ifndef -e elif -e defined
}

check_names() {
    bare_sources >"$work/bare"
    own_constants >"$work/own_constants"
    listed header >"$work/headers"
    listed function internal >"$work/functions"
    listed constant | sort -u - "$work/own_constants" >"$work/constants"

    used_functions >"$work/used_functions"
    used_constants | sort -u >"$work/used_constants"
    sed -n 's/^# *include *<\(.*\)>.*/\1/p' ./*.c ./*.h | sort -u >"$work/used_headers"
    tested_names | sort -u >"$work/tested_names"

    check 'every header is in the list of names' is_subset "$work/headers" "$work/used_headers"
    check 'every function is in the list of names' \
        is_subset "$work/functions" "$work/used_functions"
    check 'every constant is in the list of names' \
        is_subset "$work/constants" "$work/used_constants"
    check 'no #if tests for a system' is_subset "$work/own_constants" "$work/tested_names"
}

LC_ALL=C
export LC_ALL
rm -rf "$work"
mkdir -p "$work"
try_compilers
try_dietlibc
check_names
try_lwip
report
