#!/bin/sh
# trace.sh - runs the walk of the README and prints, for each request, the tree of calls as it happened:
# the way of a request through the files, to look at before reading them.
#
#     sh tests/trace/trace.sh             calls from one file to another, and system calls
#     sh tests/trace/trace.sh -a          all calls
#
# Needs gcc or clang (CC), curl, python3, and addr2line of the binutils. trace.c records the calls,
# and tree.py prints them. The records stay in build/trace.
cd "$(dirname "$0")/../.." || exit 1
work=build/trace
calls='poll socket bind listen accept recv send shutdown read write close'
sources='app.c server.c listen.c log.c route.c http.c json.c db.c sha1.c str.c'

for program in curl python3 addr2line; do
    command -v $program >/dev/null && continue
    echo "trace.sh: $program is needed, but not installed"
    exit 1
done

# No inlining, so that every call is seen; fixed addresses, and a format of the lines that every addr2line
# reads.
build() {
    ${CC:-cc} -std=c99 -gdwarf-4 -O0 -fno-pie -c -o $work/trace.o tests/trace/trace.c &&
        ${CC:-cc} -std=c99 -gdwarf-4 -O0 -fno-pie -no-pie -finstrument-functions -I. \
            $(printf ' -Wl,--wrap=%s' $calls) -o $work/server $sources $work/trace.o
}

# One connection for all requests. The cookie is kept in memory.
walk() {
    set -- -sS -m 20 --noproxy '*' -o "$work/body"
    curl -c "$work/jar" "$@" -d '{"username":"foo","password":"foo"}' "$url/login" \
        --next -b "$work/jar" "$@" "$url/home" \
        --next -b "$work/jar" "$@" -X POST "$url/logout" \
        --next -b "$work/jar" "$@" "$url/home"
}

rm -rf "$work"
mkdir -p "$work"
build || exit 1
. tests/server.sh
serve $work $work/server -a 127.0.0.1 -p 0 9>$work/calls || exit 1
trap 'kill "$pid" 2>/dev/null' EXIT
walk || exit 1
for _ in 1 2 3 4 5 6 7 8 9 10; do # until the server has seen that the client is gone
    grep -q '= recv 0' $work/calls && break
    sleep 0.5
done
kill "$pid" && wait "$pid" || exit 1
trap - EXIT
python3 tests/trace/tree.py "$@" $work/server $work/calls $work/log
