#!/bin/sh
# The matrix: runs `make test` with other compilers, optimizations and sanitizers.
#
#     sh tests/tools/matrix.sh [ROW]
#
# ROW selects the rows whose names begin with it. Each row is built in a folder of its own, build/matrix/ROW,
# with warnings as errors, and prints one line; if it fails, also the first lines of its output, which is in
# build/matrix/ROW.log. LANES rows are tested at a time, by default two.
strict='-std=c99 -pedantic -Wall -Wextra -Werror'
harden=$(sed -n 's/^HARDEN_[A-Z]* = //p' Makefile | tr '\n' ' ')
sanitize='-O1 -g -fno-sanitize-recover=all'
top=build/matrix

# NAME|CC|CFLAGS, the longest first
rows() {
    cat <<END
valgrind|gcc|-O1 -g
addresses, leaks and undefined behaviour|gcc|$sanitize -fsanitize=address,undefined
unset memory|clang|$sanitize -fsanitize=memory
gcc -O0|gcc|-O0
gcc -O3 -flto|gcc|-O3 -flto
clang -O0|clang|-O0
clang -O2|clang|-O2
clang -O3 -flto|clang|-O3 -flto
hardened with gcc|gcc|-O2 $harden
hardened with clang|clang|-O2 $harden -Wno-unused-command-line-argument
END
}

# Replaces each program that contains a module by a script that runs it under valgrind. The tests in
# tests/server are clients without modules; the exhaustive one would take too long.
use_valgrind() {
    for program in server build/server build/test_*; do
        case $program in *_server | *_options | *_smoke | *_exhaustive) continue ;; esac
        mv "$program" "$program.real"
        cat >"$program" <<END
#!/bin/sh
exec valgrind --leak-check=full --track-fds=yes --child-silent-after-fork=yes \\
    --error-exitcode=99 --log-file=$PWD/valgrind.%p "$PWD/$program.real" "\$@"
END
        chmod +x "$program"
    done
    export VALGRIND=yes # for the tests that cannot pass under it
}

# Prints what valgrind found: an error, lost memory, or a descriptor that was not closed.
valgrind_findings() {
    sed 's/^==[0-9]*== *//; s/0x[0-9A-F]*: //' valgrind.* | awk '
        /^ERROR SUMMARY: [1-9]/ || /^(definitely|indirectly) lost: [1-9]/
        /^Open / { open = 1; next }
        open && /^<inherited from parent>/ { open = 0 }
        open && /^by / { print "not closed " $0; open = 0 }
    ' | sort | uniq -c | grep . && echo '0 passed, 1 failed'
}

# Runs the last command of `make test`, with programs that may have been replaced. A sanitizer is slow.
test_row() ( # NAME CC CFLAGS
    make -s CC="$2" CFLAGS="$strict $3" server programs || exit
    [ "$1" != valgrind ] || use_valgrind
    export TIMEOUT=600
    eval "$(make -n test | tail -n 1)"
    [ "$1" != valgrind ] || valgrind_findings
)

try_row() { # NAME CC CFLAGS
    folder=$top/$(echo "$1" | tr -c 'a-z0-9\n' _)
    mkdir "$folder"
    cp -R ./*.[ch] Makefile README.md tests "$folder"
    start=$(date +%s)
    (cd "$folder" && test_row "$@") >"$folder.log" 2>&1 </dev/null
    last=$(tail -n 1 "$folder.log")
    printf '%-40s %s, %s s\n' "$1" "$last" $(($(date +%s) - start))
    case $last in
    [1-9]*' passed, 0 failed') echo passed >>$top/results ;;
    *) grep -vE ' (passed|strings), ' "$folder.log" | uniq | head -n 20 ;;
    esac
}

if [ "${1-}" = --row ]; then
    IFS='|'
    set -f
    set -- $2
    set +f
    unset IFS MAKEFLAGS MAKELEVEL # or make prints "Leaving directory" as its last line
    try_row "$@"
    exit
fi
rm -rf $top
mkdir -p $top
: >$top/results
rows | grep "^${1-}" >$top/rows
tr '\n' '\0' <$top/rows | xargs -0 -n 1 -P "${LANES:-2}" sh "$0" --row
passed=$(grep -c . $top/results) failed=$(($(grep -c . $top/rows) - $(grep -c . $top/results)))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
