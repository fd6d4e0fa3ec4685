#!/bin/sh
# The matrix: the tests of `make test` under other compilers, optimizations and watchers.
#
#     sh tests/matrix.sh [ROW]
#
# Each row is built from a copy of the sources in build/matrix, with warnings as errors, and prints
# one line. A row whose compiler or watcher is not installed is named and skipped. ROW picks rows
# by the start of their names. A row that fails shows the first lines of what it said; all of
# it is in build/matrix/ROW.log. Five minutes.
strict='-std=c99 -pedantic -Wall -Wextra -Werror'
hard='-fPIE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3'
watched='-O1 -g -fno-sanitize-recover=all'
top=build/matrix
picked=$*
passed=0 failed=0

# NAME|CC|CFLAGS|LDFLAGS
rows() {
    cat <<END
gcc -O0|gcc|-O0|
gcc -O2|gcc|-O2|
gcc -O3 -flto|gcc|-O3 -flto|
clang -O0|clang|-O0|
clang -O2|clang|-O2|
clang -O3 -flto|clang|-O3 -flto|
addresses, leaks and undefined behaviour|gcc|$watched -fsanitize=address,undefined|
unset memory|clang|$watched -fsanitize=memory|
hardened|gcc|-O2 $hard|-pie -Wl,-z,relro,-z,now,-z,noexecstack
valgrind|gcc|-O1 -g|
END
}

is_picked() {
    [ -z "$picked" ] && return
    case $1 in "$picked"*) return 0 ;; esac
    return 1
}

# Whether a program can be built so.
can_build() {
    echo 'int main(void) { return 0; }' >$top/try.c
    $1 $2 $3 -o $top/try $top/try.c 2>/dev/null
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
    make -s CC="$3" CFLAGS="$strict $4" LDFLAGS="$5" server programs || exit
    [ "$1" = valgrind ] && watch_programs
    run_tests
    [ "$1" = valgrind ] && complain
)

mkdir -p $top
rows >$top/rows
while IFS='|' read -r name cc flags link; do
    is_picked "$name" || continue
    printf '%-40s ' "$name"
    if ! can_build "$cc" "$flags" "$link" || { [ "$name" = valgrind ] && ! valgrind --version; }
    then
        echo 'skipped: not installed'
        continue
    fi >/dev/null
    folder=$top/$(echo "$name" | tr -c 'a-z0-9\n' _)
    copy_sources "$folder"
    start=$(date +%s)
    run_row "$name" "$folder" "$cc" "$flags" "$link" >"$folder.log" 2>&1 </dev/null
    last=$(tail -n 1 "$folder.log")
    echo "$last, $(($(date +%s) - start)) s"
    case $last in
    [1-9]*' passed, 0 failed') passed=$((passed + 1)) ;;
    *) failed=$((failed + 1)) && grep -v 'passed, ' "$folder.log" | uniq | head -n 20 ;;
    esac
done <$top/rows
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
