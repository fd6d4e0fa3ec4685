#!/bin/sh
# portable.sh - proves that the rooms are C99 and POSIX.1-2008, and nothing beside:
#
#   - gcc, clang, tcc and musl's compiler take them as C99, C11 and C17 without a warning. With
#     _POSIX_C_SOURCE=200809L alone an extension would be declared nowhere, in musl's headers at
#     the least.
#   - Every header, function and constant that they use is listed in the file `names`.
#   - No #if asks for a system: it may only ask for names that the rooms themselves define.
#
#     CC=cc sh tests/boards/portable.sh
#
# A compiler that is not installed is named and skipped.
# shellcheck disable=SC2086 # lists of rooms and of flags are words
. tests/boards/common.sh
work=build/portable

# ---- Compilers and standards ----

compiles() { # COMPILER STANDARD
    flags=$strict
    if [ "$1" = tcc ]; then flags='-Wall -Werror'; fi
    for room in $rooms; do
        "$1" $flags -std="$2" -D_POSIX_C_SOURCE=200809L -c -o "$work/$room.o" "$room.c" || return
    done
}

try_compilers() {
    for compiler in gcc clang tcc musl-gcc; do
        is_installed $compiler || {
            echo "$compiler: skipped, as it is not installed"
            continue
        }
        for standard in c99 c11 c17; do
            check "$compiler takes the rooms as $standard" compiles $compiler $standard
        done
    done
}

# ---- Names ----

listed() { # KIND...
    for kind; do sed -n "s/^$kind //p" tests/boards/names; done | tr -s ' ' '\n' | sort -u
}

# What is in the second list and not in the first, which are sorted, is told.
nothing_beyond() {
    beyond=$(comm -13 "$1" "$2")
    [ -z "$beyond" ] || echo "$beyond"
    [ -z "$beyond" ]
}

# At -O0 and without builtins the objects name what the sources name.
used_functions() {
    for room in $rooms; do
        ${CC:-cc} -std=c99 -O0 -fno-builtin -fno-stack-protector -c -o "$work/$room.o" "$room.c"
    done
    (
        cd "$work" || exit
        nm -g ./*.o | awk 'NF == 3 && $2 != "U" { print $3 }' | sort -u >own
        nm -u ./*.o | awk 'NF == 2 { print $2 }' | sort -u | comm -13 own -
    )
}

# The sources without comments and the contents of strings and characters.
bare_sources() {
    for file in *.c *.h; do
        ${CC:-cc} -std=c99 -fpreprocessed -dD -E -P "$file" 2>/dev/null
    done | sed -e "s/'[^']*'/0/g" -e 's/\\"//g' -e 's/"[^"]*"/0/g'
}

words() { tr -cs 'A-Za-z0-9_' '\n' | grep '^[A-Za-z_]' | sort -u; }

# Names with capitals that the rooms define, by #define or in an enum.
own_constants() {
    {
        sed -n 's/^# *define *\([A-Za-z0-9_]*\).*/\1/p' "$work/bare"
        sed -n '/enum[^;()]*{/,/}/p' "$work/bare" | words
    } | grep '[A-Z]' | grep -v '^_POSIX_C_SOURCE$' | sort -u
}

used_constants() { grep -v '^# *include' "$work/bare" | words | grep -E '^[A-Z_][A-Z0-9_]+$'; }

asked_for() {
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
    asked_for | sort -u >"$work/asked_for"

    check 'every header is in the list of names' nothing_beyond "$work/headers" "$work/used_headers"
    check 'every function is in the list of names' \
        nothing_beyond "$work/functions" "$work/used_functions"
    check 'every constant is in the list of names' \
        nothing_beyond "$work/constants" "$work/used_constants"
    check 'no #if asks for a system' nothing_beyond "$work/own_constants" "$work/asked_for"
}

LC_ALL=C
export LC_ALL
rm -rf "$work"
mkdir -p "$work"
try_compilers
check_names
report
