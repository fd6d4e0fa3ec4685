#!/bin/sh
# Builds the server with stand-ins for its calls, and makes them fail. From the top:
#
#     sh tests/fault/run.sh          all tests
#     sh tests/fault/run.sh recv     the faults of one call
#
# CC, CFLAGS and LDFLAGS are taken from the environment. The last line is `N passed, N failed`.
# shellcheck disable=SC2086 # lists of words
set -e
out=build/fault
here=tests/fault
modules='log.c route.c http.c json.c db.c sha1.c str.c' # without app.c, server.c and listen.c
# A fortified call has another name, and so would escape its stand-in.
flags="-std=c99 -D_POSIX_C_SOURCE=200809L ${CFLAGS:--O2} -I. -fno-builtin -U_FORTIFY_SOURCE"
cc="${CC:-cc} $flags"
mkdir -p $out

wrap=
for call in $(sh $here/names.sh) server_run; do wrap="$wrap -Wl,--wrap=$call"; done
second=200 # ms
$cc -DSERVER_SECOND=${second}000000LL $wrap $LDFLAGS -o $out/server \
    app.c listen.c $modules $here/checked_server.c $here/injection.c # the former includes server.c

for source in app.c server.c listen.c $modules; do $cc -c -o "$out/${source%.c}.o" "$source"; done
$cc $LDFLAGS -DSECOND=$second -o $out/test_server tests/server/test_server.c
$cc $LDFLAGS -DSERVER_SECOND=${second}000000LL -o $out/faults $here/faults.c $here/scenario.c

if [ $# -gt 0 ]; then exec $out/faults "$@"; fi
exec sh tests/run.sh $here/table.sh $out/faults $here/one_byte.sh
