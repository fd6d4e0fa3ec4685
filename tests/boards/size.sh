#!/bin/sh
# size.sh - the flash and the static memory that the rooms take: text, data and bss of each room, as
# size(1) has them (text is machine code and constants), native and for each cross compiler in the
# table `targets` that is installed. The C library is left out; static.sh tells what it adds.
#
#     CC=cc sh tests/boards/size.sh
#
# A board with 32-bit Arm in Thumb code is the measure: the rooms together have a limit there.
# shellcheck disable=SC2086 # lists of rooms and of flags are words
. tests/boards/common.sh
# 16 KB was hoped for, and is out of reach: doing without all inlining and tables left 21 KB.
most_arm_text=25600
work=build/size

compile() { # COMPILER FLAGS...
    rm -rf "$work"
    mkdir -p "$work"
    for room in $rooms; do "$@" -std=c99 -c -o "$work/$room.o" "$room.c" || return; done
}

# Prints three rows: a room's figure is its column.
print_rows() { # TITLE
    (cd "$work" && for room in $rooms; do size "$room.o" | sed 1d; done) | awk -v title="$1" '
        { for (i = 1; i <= 3; i++) { row[i] = row[i] sprintf("%8d", $i); all[i] += $i } }
        END { split("text data bss", name)
              for (i = 1; i <= 3; i++) printf "%-14s%-4s%s%8d\n", title, name[i], row[i], all[i] }'
}

measure() { # TITLE COMPILER FLAGS...
    title=$1
    shift
    compile "$@" && print_rows "$title"
}

# Position-independent code is for shared machines; a board's one program stands where it stands.
measure_boards() {
    targets | grep -v -e '-64 ' -e '^musl' -e '^tcc' | while read -r name _ compiler _; do
        is_installed "$compiler" || {
            echo "$name: skipped, as $compiler is not installed"
            continue
        }
        case $name in
        arm) measure 'arm Thumb -Os' "$compiler" -Os -mthumb -fno-pie ;;
        *) measure "$name -Os" "$compiler" -Os -fno-pie ;;
        esac
    done
}

printf '%-18s' ''
printf '%8s' $rooms all
echo
measure 'native -O2' "${CC:-cc}" -O2 && measure 'native -Os' "${CC:-cc}" -Os
table=$(measure_boards)
echo "$table"
arm_text=$(echo "$table" | awk '$1 == "arm" && $4 == "text" { print $NF }')
[ -z "$arm_text" ] ||
    check "the rooms are $most_arm_text bytes of 32-bit Arm at most, and not $arm_text" \
        [ "$arm_text" -le "$most_arm_text" ]
report
