#!/bin/sh
# static.sh - builds one small executable that needs no other file, build/server-static. It runs on any
# kernel of this system with this instruction set. It is built with musl's compiler if that is installed,
# because its C library is by far the smallest, otherwise with CC.
#
#     CC=cc CPPFLAGS=-DHTTP_BUFFER_SIZE=2048 sh tests/cross/static.sh
. tests/cross/common.sh
file=build/server-static
max=90112
compiler=${CC:-cc}
if is_installed musl-gcc; then compiler=musl-gcc; fi

# Only for the size: no tables to unwind the stack, no unused functions, no gaps up to the next page. A
# linker that does not know these options links without them.
small='-fno-pie -no-pie -fno-asynchronous-unwind-tables -flto -ffunction-sections -fdata-sections
       -Wl,--gc-sections,--build-id=none,-z,noseparate-code,-z,norelro,-z,common-page-size=64'

build() { $compiler ${CPPFLAGS-} -std=c99 -Os "$@" -static -s -o "$file" $sources; }

mkdir -p build
build $small 2>/dev/null || build || exit 1
bytes=$(wc -c <"$file" | tr -d ' ')
echo "$file: $bytes bytes, by $compiler"
check 'the file starts' equal 'server ' "$("$file" -V | cut -c 1-7)"
if is_installed readelf; then
    check 'the file needs no shared library' equal '' "$(readelf -l "$file" | grep INTERP)"
fi
if [ "$compiler $(uname -m)" = 'musl-gcc x86_64' ]; then
    check "the file has at most $max bytes, not $bytes" [ "$bytes" -le "$max" ]
fi
report
