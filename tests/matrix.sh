#!/bin/sh
# The matrix: the tests of `make test` under other compilers, optimizations and watchers.
#
#     sh tests/matrix.sh [ROW]
#
# Each row is built from a copy of the sources in build/matrix, with warnings as errors, and prints
# one line. A row whose compiler or watcher is not installed is named and skipped. ROW picks rows
# by the start of their names. A row that fails shows the first lines of what it said; all of
# it is in build/matrix/ROW.log. LANES rows, two if it is not set, are tried at a time: two to three
# minutes.
strict='-std=c99 -pedantic -Wall -Wextra -Werror'
hard=$(sed -n 's/^HARD_[A-Z]* = //p' Makefile | tr '\n' ' ')
watched='-O1 -g -fno-sanitize-recover=all'
top=build/matrix
picked=$*

# NAME|CC|CFLAGS, the longest first
rows() {
    cat <<END
valgrind|gcc|-O1 -g
addresses, leaks and undefined behaviour|gcc|$watched -fsanitize=address,undefined
unset memory|clang|$watched -fsanitize=memory
gcc -O0|gcc|-O0
gcc -O2|gcc|-O2
gcc -O3 -flto|gcc|-O3 -flto
clang -O0|clang|-O0
clang -O2|clang|-O2
clang -O3 -flto|clang|-O3 -flto
hardened with gcc|gcc|-O2 $hard
hardened with clang|clang|-O2 $hard -Wno-unused-command-line-argument
END
}

is_picked() {
    [ -z "$picked" ] && return
    case $1 in "$picked"*) return 0 ;; esac
    return 1
}

# Whether a program can be built so.
can_build() {
    $1 $2 -o "$3" $top/try.c 2>/dev/null
}

copy_sources() {
    rm -rf "$1"
    mkdir -p "$1"
    for file in *; do [ -f "$file" ] && cp "$file" "$1"; done
    cp -R tests "$1"
    make -s -C "$1" clean
}

# Puts a script in the place of each program made of the rooms, which runs it under valgrind.
watch_programs() {
    for program in server build/server build/test_*; do
        case $program in *_server | *_options) continue ;; esac # clients, and no rooms in them
        mv $program $program.real
        cat >$program <<END
#!/bin/sh
exec valgrind --leak-check=full --track-fds=yes --child-silent-after-fork=yes \\
    --error-exitcode=99 --log-file=$PWD/valgrind.%p "$PWD/$program.real" "\$@"
END
        chmod +x $program
    done
}

# What valgrind found: an error, lost memory, or a descriptor that the program opened and left
# open.
complain() {
    sed 's/^==[0-9]*== *//; s/0x[0-9A-F]*: //' valgrind.* | awk '
        /^ERROR SUMMARY: [1-9]/ || /^(definitely|indirectly) lost: [1-9]/
        /^Open / { open = 1; next }
        open && /^<inherited from parent>/ { open = 0 }
        open && /^by / { print "left open " $0; open = 0 }
    ' | sort | uniq -c | grep . && echo '0 passed, 1 failed'
}

# The tests as `make test` runs them, with programs that may have been replaced.
run_tests() { eval "$(make -n test | tail -n 1)"; }

run_row() (
    cd "$2" || exit
    make -s CC="$3" CFLAGS="$strict $4" server programs || exit
    [ "$1" = valgrind ] && watch_programs
    run_tests
    [ "$1" = valgrind ] && complain
)

# NAME CC CFLAGS: tries a row, says what came of it, and notes whether it was well.
try_row() {
    folder=$top/$(echo "$1" | tr -c 'a-z0-9\n' _)
    if ! can_build "$2" "$3" "$folder.try" || { [ "$1" = valgrind ] && ! valgrind --version; }
    then
        printf '%-40s skipped: not installed\n' "$1" >&2
        return
    fi >/dev/null
    copy_sources "$folder"
    start=$(date +%s)
    run_row "$1" "$folder" "$2" "$3" >"$folder.log" 2>&1 </dev/null
    last=$(tail -n 1 "$folder.log")
    printf '%-40s %s, %s s\n' "$1" "$last" $(($(date +%s) - start))
    case $last in
    [1-9]*' passed, 0 failed') echo passed >>$top/results ;;
    *)
        echo failed >>$top/results
        grep -v 'passed, ' "$folder.log" | uniq | head -n 20
        ;;
    esac
}

# Tries row after row that nobody else has taken: whoever makes its folder has.
run_lane() {
    number=0
    while IFS='|' read -r name cc flags; do
        number=$((number + 1))
        is_picked "$name" && mkdir "$top/taken/$number" 2>/dev/null && try_row "$name" "$cc" "$flags"
    done <$top/rows
}

rm -rf $top
mkdir -p $top/taken
rows >$top/rows
: >$top/results
echo 'int main(void) { return 0; }' >$top/try.c
lane=0
while [ $lane -lt "${LANES:-2}" ]; do
    run_lane 2>&1 &
    lane=$((lane + 1))
done
wait
echo "$(grep -c passed $top/results) passed, $(grep -c failed $top/results) failed"
! grep -q failed $top/results
