#!/bin/sh
# states.sh [NAME] [FOLDER]: visits all reachable states of the tables of db.c and server.c, or of one of them,
# as the sources in FOLDER define them. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
names=${1:-'db server'} sources=${2:-.} passed=0 failed=0 build=build/proofs
mkdir -p $build
for name in $names; do
    # In the folder, so that "../../server.c" means the one there.
    if [ "$sources" != . ]; then
        mkdir -p "$sources/tests/proofs" "$sources/tests/fault"
        cp "tests/proofs/states_$name.c" "$sources/tests/proofs/"
        cp tests/fault/invariants.h "$sources/tests/fault/"
    fi
    if ${CC:-cc} -std=c99 -O2 -DHTTP_BUFFER_SIZE=2048 -o "$build/states_$name" \
        "$sources/tests/proofs/states_$name.c" "$sources/str.c" "$sources/http.c" &&
        timeout 600 "$build/states_$name"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL: the states of $name.c"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
