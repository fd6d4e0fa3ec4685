#!/bin/sh
# Which lines and branches of the rooms, and of str.h in them, the tests walk. From the top:
#
#     sh tests/coverage.sh
#
# The sources are copied to build/coverage and built there for gcov, without optimization; then
# all tests run, those of `make test` and the faults. A room is in several programs: what is
# walked in one of them is walked. Each line, and each branch of a line that is walked, that none
# of them walks is listed; then the figures of each room stand in a table. Exit status 1 where a
# test fails or something was not walked.
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
CFLAGS=$flags sh tests/faults/run.sh || status=1

# One "FILE|LINE|WHAT|COUNT|SOURCE" a line or branch and program. -b -c: branches, in counts.
tell() {
    find . -name '*.gcda' | while read -r data; do gcov -t -b -c "$data" 2>/dev/null; done | awk '
    { line = $0 }
    match(line, /^ *-: *0:Source:/) { file = line; sub(/.*[:\/]/, "", file) }
    match(line, /^ *[0-9#=]+[*]?: *[0-9]+:/) {
        split(substr(line, 1, RLENGTH), part, ":")
        number = part[2] + 0
        source = substr(line, RLENGTH + 1)
        print file "|" number "|line|" part[1] + 0 "|" source
    }
    /^branch/ {
        taken = line
        sub(/.*taken /, "", taken)
        print file "|" number "|branch " $2 "|" taken + 0 "|" source
    }'
}

# Adds up what the programs tell.
tell | awk -F'|' '
    BEGIN { rooms = split("app.c server.c http.c json.c db.c sha1.c str.h", room, " ") }
    { key = sprintf("%s|%6d|%s", $1, $2, $3); count[key] += $4; source[key] = $0 }
    END {
        list = "sort"
        for (key in count) {
            split(key, part, "|")
            kind = part[3] == "line" ? "line" : "branch"
            all[part[1], kind]++
            walked[part[1], kind] += count[key] > 0
            if (count[key] || (kind == "branch" && !count[part[1] "|" part[2] "|line"])) continue
            split(source[key], field, "|")
            text = substr(source[key], length(field[1] field[2] field[3] field[4]) + 5)
            for (i = 1; i <= rooms; i++)
                if (room[i] == part[1]) print part[1] ":" part[2] ": " part[3] ":" text | list
        }
        close(list)
        for (i = 1; i <= rooms; i++) {
            r = room[i]
            printf "%-9s lines %4d of %4d, branches %4d of %4d\n", r, walked[r, "line"],
                all[r, "line"], walked[r, "branch"], all[r, "branch"]
            bad = bad || walked[r, "line"] < all[r, "line"]
            bad = bad || walked[r, "branch"] < all[r, "branch"]
        }
        exit bad
    }' || status=1
exit $status
