#!/bin/sh
# programs.sh [NAME] [FOLDER]: runs the proofs that are programs, or one of them, on the sources in FOLDER:
#   db, server  visit all reachable states of the tables of db.c and server.c
#   sha1        compares sha1.c with FIPS 180-4, whatever the bytes of the message are
# Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
names=${1:-db server sha1} sources=${2:-.} passed=0 failed=0 build=${2:-build/proofs}/programs
rm -rf $build && mkdir -p $build/tests/proofs $build/tests/fault

# In a copy, so that "../../server.c" means the one there.
cp "$sources"/*.[ch] $build && cp tests/proofs/*.c* tests/proofs/*.h $build/tests/proofs &&
    cp tests/fault/invariants.h $build/tests/fault && cd $build || exit 1

compile() {
    if [ "$1" = sha1 ]; then
        for file in sha1.c sha1.h; do
            sed 's/uint32_t/Word/g; s/unsigned char/Byte/g; s/const void \*data/const Byte *data/' $file \
                >tests/proofs/$file
        done
        c++ -std=c++11 -O2 -w -o sha1 tests/proofs/sha1.cc
    else
        ${CC:-cc} -std=c99 -O2 -DHTTP_BUFFER_SIZE=2048 -o "$1" "tests/proofs/states_$1.c" str.c http.c
    fi
}

for name in $names; do
    if compile "$name" && timeout 600 "./$name"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL: $name"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
