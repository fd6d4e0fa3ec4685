#!/bin/sh
# The matrix: runs `make test` with other compilers, optimizations and sanitizers.
#
#     sh tests/tools/matrix.sh [ROW]
#
# Each row is built from a copy of the sources in build/matrix, with warnings as errors, and prints
# one line. A row whose compiler or sanitizer is not installed is reported and skipped. ROW selects the
# rows whose names begin with it. A row that fails shows the first lines of its output; the whole output
# is in build/matrix/ROW.log. LANES rows are tested at a time, by default two: two to three minutes.
strict='-std=c99 -pedantic -Wall -Wextra -Werror'
harden=$(sed -n 's/^HARDEN_[A-Z]* = //p' Makefile | tr '\n' ' ')
sanitize='-O1 -g -fno-sanitize-recover=all'
top=build/matrix
selected=$*

# NAME|CC|CFLAGS, the longest first
rows() {
    cat <<END
valgrind|gcc|-O1 -g
addresses, leaks and undefined behaviour|gcc|$sanitize -fsanitize=address,undefined
unset memory|clang|$sanitize -fsanitize=memory
gcc -O0|gcc|-O0
gcc -O2|gcc|-O2
gcc -O3 -flto|gcc|-O3 -flto
clang -O0|clang|-O0
clang -O2|clang|-O2
clang -O3 -flto|clang|-O3 -flto
hardened with gcc|gcc|-O2 $harden
hardened with clang|clang|-O2 $harden -Wno-unused-command-line-argument
END
}

is_selected() {
    [ -z "$selected" ] && return
    case $1 in "$selected"*) return 0 ;; esac
    return 1
}

# can_build CC FLAGS OUTPUT: whether an empty program can be built.
can_build() {
    $1 $2 -o "$3" $top/try.c 2>/dev/null
}

copy_sources() {
    rm -rf "$1"
    mkdir -p "$1"
    for file in *; do [ -f "$file" ] && cp "$file" "$1"; done
    cp -R tests "$1"
    (cd "$1" && make -s clean)
}

# Replaces each program that contains a module by a script that runs it under valgrind.
use_valgrind() {
    for program in server build/server build/test_*; do
        case $program in *_server | *_options | *_smoke) continue ;; esac # clients without modules
        case $program in *_exhaustive) continue ;; esac                   # takes too long
        mv $program $program.real
        cat >$program <<END
#!/bin/sh
exec valgrind --leak-check=full --track-fds=yes --child-silent-after-fork=yes \\
    --error-exitcode=99 --log-file=$PWD/valgrind.%p "$PWD/$program.real" "\$@"
END
        chmod +x $program
    done
    export VALGRIND=yes # for the tests that cannot pass under it
}

# Prints what valgrind found: an error, lost memory, or a descriptor that was not closed.
report_findings() {
    sed 's/^==[0-9]*== *//; s/0x[0-9A-F]*: //' valgrind.* | awk '
        /^ERROR SUMMARY: [1-9]/ || /^(definitely|indirectly) lost: [1-9]/
        /^Open / { open = 1; next }
        open && /^<inherited from parent>/ { open = 0 }
        open && /^by / { print "not closed " $0; open = 0 }
    ' | sort | uniq -c | grep . && echo '0 passed, 1 failed'
}

# Runs the last command of `make test`, with programs that may have been replaced. This make must not
# know that another one runs, or it prints "Leaving directory" as its last line. A sanitizer is slow.
run_tests() { export TIMEOUT=600 && eval "$(MAKEFLAGS='' MAKELEVEL=0 make -n test | tail -n 1)"; }

run_row() (
    cd "$2" || exit
    make -s CC="$3" CFLAGS="$strict $4" server programs || exit
    [ "$1" = valgrind ] && use_valgrind
    run_tests
    [ "$1" = valgrind ] && report_findings
)

# try_row NAME CC CFLAGS: tests a row, prints the result, and adds it to the file of results.
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

# Tests the rows that no other lane has taken. A lane takes a row by creating its folder.
run_lane() {
    number=0
    while IFS='|' read -r name cc flags; do
        number=$((number + 1))
        is_selected "$name" && mkdir "$top/taken/$number" 2>/dev/null && try_row "$name" "$cc" "$flags"
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
