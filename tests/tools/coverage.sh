#!/bin/sh
# Finds out which lines and branches of the sources, str.h included, the tests execute. From the top:
#
#     sh tests/tools/coverage.sh
#
# The sources are built in build/coverage for gcov, without optimization. Then the tests of `make test` and
# the faults run. A source is part of several programs: it is enough if one of them executes a line. Each
# line and branch that none of them executes is listed.
. tests/check.sh
out=build/coverage
flags='-std=c99 -O0 --coverage -fno-builtin'

run_tests() { (cd $out && "$@"); }

# Prints "FILE|LINE|line or branch|COUNT|TEXT" for each line or branch of each program.
print_counts() {
    find . -name '*.gcda' -exec gcov -t -b -c {} \; 2>/dev/null | awk '
    match($0, /^ *-: *0:Source:/) { file = $0; sub(/.*[:\/]/, "", file); next }
    match($0, /^ *[0-9#=]+[*]?: *[0-9]+:/) {
        split(substr($0, 1, RLENGTH), part, ":")
        number = part[2] + 0
        text = substr($0, RLENGTH + 1)
        print file "|" number "|line|" part[1] + 0 "|" text
    }
    /^branch/ {
        taken = $0
        sub(/.*taken /, "", taken)
        print file "|" number "|branch " $2 "|" taken + 0 "|" text
    }'
}

# missed FILE: adds up the counts of all programs, and prints what was never executed.
missed() {
    grep "^$1|" $out/counts | awk -F '|' '
    { key = $1 ":" $2 ": " $3; count[key] += $4; text[key] = substr($0, length($1 $2 $3 $4) + 5) }
    END {
        for (key in count) if (!count[key]) print key ":" text[key]
        if (NR == 0) print "nothing was counted"
    }' | sort -t : -k 2n
}

rm -rf $out
mkdir -p $out
cp -R ./*.[ch] Makefile tests $out
check 'make test passes, built for gcov' run_tests make -s test CFLAGS="$flags"
check 'make faults passes, built for gcov' run_tests env CFLAGS="$flags" sh tests/fault/run.sh
run_tests print_counts >$out/counts
for source in *.c str.h; do
    check "the tests execute all of $source" equal '' "$(missed "$source")"
    grep "^$source|" $out/counts | cut -d '|' -f 2,3 | sort -u | awk -v file="$source" '
        { all[$1 ~ /line/]++ } END { printf "%-9s %4d lines, %4d branches\n", file, all[1], all[0] }'
done
report
