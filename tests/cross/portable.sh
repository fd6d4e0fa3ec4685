#!/bin/sh
# portable.sh - checks that the sources are C99 and POSIX.1-2008, and nothing else:
#
#   - gcc, clang, tcc and musl's compiler compile them as C99, C11 and C17 without a warning. With
#     only _POSIX_C_SOURCE=200809L, headers such as musl's do not declare an extension.
#   - Every header, function and constant that they use is listed in the file `names`.
#   - No #if tests for a system: it may only test names that the sources themselves define.
#   - dietlibc builds them, if it is given the two constants that it lacks.
#   - They run over lwIP, and compile for a board without an operating system, with examples/lwip/port.c in
#     place of listen.c and log.c.
#
#     CC=cc sh tests/cross/portable.sh
#
# What is not installed is reported and skipped.
. tests/cross/common.sh
work=build/portable

# ---- Compilers and standards ----

compiles() { # COMPILER STANDARD
    flags="$strict -O2"
    if [ "$1" = tcc ]; then flags='-Wall -Werror'; fi
    for module in $modules; do
        "$1" $flags -std="$2" -D_POSIX_C_SOURCE=200809L -c -o "$work/$module.o" "$module.c" || return
    done
}

# dietlibc lacks two constants of POSIX. Its programs are static.
builds_with_dietlibc() {
    diet gcc -std=c99 -Os -D_POSIX_PIPE_BUF=512 -DIPV6_V6ONLY=26 -o "$work/diet" $sources \
        2>"$work/diet.log" && SERVER=$work/diet sh tests/server/smoke.sh
}

# ---- Names ----

# The names of these kinds in the list.
listed() { grep -E "^($1) " tests/cross/names | cut -d ' ' -f 2- | tr -s ' ' '\n' | sort -u; }

# Prints what stands in the input, but neither in the list of names nor in the file.
beyond() { # KINDS [FILE]
    listed "$1" | sort -u - ${2-} >"$work/known"
    sort -u | comm -13 "$work/known" -
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
    grep -E '^# *(if|ifdef|ifndef|elif)' "$work/bare" | words | grep -vxE 'if|ifdef|ifndef|elif|defined'
}

# ---- lwIP ----

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
        -D_POSIX_TIMERS=1 -D_POSIX_MONOTONIC_CLOCK=1 -isystem examples/lwip/newlib
}

runs_over_lwip() {
    compile_for_lwip "$work/lwip" ${CC:-cc} -D_GNU_SOURCE &&
        ${CC:-cc} $lwip_flags -Dmain=app_main -c -o "$work/lwip/app.o" app.c &&
        ${CC:-cc} $lwip_flags -D_GNU_SOURCE -isystem $lwip_headers -o "$work/lwip/smoke" \
            tests/cross/lwip.c "$work"/lwip/*.o -llwip -lpthread &&
        "$work/lwip/smoke"
}

export LC_ALL=C
rm -rf "$work"
mkdir -p "$work"
check 'one command builds the server' ${CC:-cc} -o "$work/server" ./*.c
for compiler in gcc clang tcc musl-gcc; do
    is_installed $compiler || { skip "$compiler is not installed"; continue; }
    for standard in c99 c11 c17; do
        check "$compiler compiles the sources as $standard" compiles $compiler $standard
    done
done
if is_installed diet; then
    check 'dietlibc builds a server that works, with two definitions' builds_with_dietlibc
else
    skip 'dietlibc is not installed'
fi
bare_sources >"$work/bare"
own_constants >"$work/own_constants"
check 'every header is in the list of names' \
    equal '' "$(sed -n 's/^# *include *<\(.*\)>.*/\1/p' ./*.c ./*.h | beyond header)"
check 'every function is in the list of names' equal '' "$(used_functions | beyond 'function|internal')"
check 'every constant is in the list of names' \
    equal '' "$(used_constants | beyond constant "$work/own_constants")"
check 'no #if tests for a system' equal '' "$(tested_names | beyond none "$work/own_constants")"
if [ -f $lwip_headers/lwip/sockets.h ] && is_installed arm-none-eabi-gcc; then
    check 'the sources compile with newlib and lwIP for a Cortex-M3' compiles_for_newlib
    arm-none-eabi-size -t "$work"/newlib/*.o | awk 'END { print "lwip: text", $1, "bytes for a Cortex-M3" }'
    check 'a login, a greeting and a logout over lwIP, on this machine' runs_over_lwip
else
    skip "lwIP's headers or arm-none-eabi-gcc are not installed"
fi
report
