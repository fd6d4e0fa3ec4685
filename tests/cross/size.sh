#!/bin/sh
# size.sh - the flash and the static memory that the sources take: text, data and bss of each module,
# as size(1) prints them (text is machine code and constants), native and for each installed cross
# compiler of the table `targets`. The C library is not included; static.sh shows what it adds.
#
#     CC=cc sh tests/cross/size.sh
#
# The text of all modules together has a limit for a board with 32-bit Arm in Thumb code.
# shellcheck disable=SC2086 # lists of modules and of flags are words
. tests/cross/common.sh
max_arm_text=23039
work=build/size

compile() { # COMPILER FLAGS...
    rm -rf "$work"
    mkdir -p "$work"
    for module in $modules; do
        "$@" -std=c99 -c -o "$work/$module.o" "$module.c" || return
    done
}

# Prints three rows, with a column for each module.
print_rows() { # TITLE
    (cd "$work" && for module in $modules; do size "$module.o" | sed 1d; done) | awk -v title="$1" '
        { for (i = 1; i <= 3; i++) { row[i] = row[i] sprintf("%8d", $i); all[i] += $i } }
        END { split("text data bss", name)
              for (i = 1; i <= 3; i++) printf "%-14s%-4s%s%8d\n", title, name[i], row[i], all[i] }'
}

measure() { # TITLE COMPILER FLAGS...
    title=$1
    shift
    compile "$@" && print_rows "$title"
}

# A board runs one program at a fixed address, so it does not need position-independent code.
measure_boards() {
    targets | grep -v -e '-64 ' -e '^musl' -e '^tcc' | while read -r name _ compiler _; do
        is_installed "$compiler" || {
            echo "$name: skipped, because $compiler is not installed"
            continue
        }
        case $name in
        arm) measure 'arm Thumb -Os' "$compiler" -Os -mthumb -fno-pie ;;
        *) measure "$name -Os" "$compiler" -Os -fno-pie ;;
        esac
    done
}

printf '%-18s' ''
printf '%8s' $modules all
echo
measure 'native -O2' "${CC:-cc}" -O2 && measure 'native -Os' "${CC:-cc}" -Os
table=$(measure_boards)
echo "$table"
arm_text=$(echo "$table" | awk '$1 == "arm" && $4 == "text" { print $NF }')
[ -z "$arm_text" ] ||
    check "the text is at most $max_arm_text bytes of 32-bit Arm, not $arm_text" \
        [ "$arm_text" -le "$max_arm_text" ]
report
