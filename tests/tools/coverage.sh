#!/bin/sh
# Finds out which lines and branches of the sources, str.h included, the tests execute. From the top:
#
#     sh tests/tools/coverage.sh
#
# The sources are copied to build/coverage and built there for gcov, without optimization. Then the
# tests of `make test` and the faults run. A source is part of several programs: it is enough if one of
# them executes a line. Each line that none of them executes is listed, and each such branch of an
# executed line. A table shows the figures of each source. The exit status is 1 if a test fails or
# something was not executed.
out=build/coverage
flags='-std=c99 -O0 --coverage -fno-builtin'
status=0
rm -rf $out
mkdir -p $out
for file in *; do if [ -f "$file" ]; then cp "$file" $out; fi; done
cp -R tests $out
cd $out || exit 1

make -s clean
make -s test CFLAGS="$flags" || status=1
CFLAGS=$flags sh tests/fault/run.sh || status=1

# Prints "FILE|LINE|WHAT|COUNT|TEXT" for each line or branch of each program. -b -c: count branches.
print_counts() {
    find . -name '*.gcda' | while read -r data; do gcov -t -b -c "$data" 2>/dev/null; done | awk '
    { line = $0 }
    match(line, /^ *-: *0:Source:/) { file = line; sub(/.*[:\/]/, "", file) }
    match(line, /^ *[0-9#=]+[*]?: *[0-9]+:/) {
        split(substr(line, 1, RLENGTH), part, ":")
        number = part[2] + 0
        text = substr(line, RLENGTH + 1)
        print file "|" number "|line|" part[1] + 0 "|" text
    }
    /^branch/ {
        taken = line
        sub(/.*taken /, "", taken)
        print file "|" number "|branch " $2 "|" taken + 0 "|" text
    }'
}

# Adds up the counts of all programs.
print_counts | awk -F'|' '
    BEGIN {
        list = "app.c server.c listen.c log.c route.c http.c json.c db.c sha1.c str.c str.h"
        sources = split(list, source, " ")
    }
    { key = sprintf("%s|%6d|%s", $1, $2, $3); count[key] += $4; row[key] = $0 }
    END {
        for (key in count) {
            split(key, part, "|")
            kind = part[3] == "line" ? "line" : "branch"
            all[part[1], kind]++
            done[part[1], kind] += count[key] > 0
            if (count[key] || (kind == "branch" && !count[part[1] "|" part[2] "|line"])) continue
            split(row[key], field, "|")
            text = substr(row[key], length(field[1] field[2] field[3] field[4]) + 5)
            for (i = 1; i <= sources; i++)
                if (source[i] == part[1]) print part[1] ":" part[2] ": " part[3] ":" text | "sort"
        }
        close("sort")
        for (i = 1; i <= sources; i++) {
            s = source[i]
            printf "%-9s lines %4d of %4d, branches %4d of %4d\n", s, done[s, "line"],
                all[s, "line"], done[s, "branch"], all[s, "branch"]
            bad = bad || done[s, "line"] < all[s, "line"]
            bad = bad || done[s, "branch"] < all[s, "branch"]
        }
        exit bad
    }' || status=1
exit $status
