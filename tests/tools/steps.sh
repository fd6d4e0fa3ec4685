#!/bin/sh
# steps.sh STEP... [-- STEP...] - runs `make STEP` for each; those behind `--` two at a time.
#
# Prints for each how long it took and the end of its output. The last line is the sum of their last lines,
# `N passed, N failed`. A step without such a line counts as one, by its exit status.
work=build/steps

run_step() { # STEP, words for make
    log=$work/$(echo "$1" | tr -c 'A-Za-z0-9\n' _)
    begin=$(date +%s)
    make -s $1 >"$log" 2>&1 </dev/null
    status=$?
    grep -v '^make: ' "$log" | tail -n 1 | awk -v status=$status '
        /^[0-9]+ passed, [0-9]+ failed$/ { passed = $1; failed = $3; is_sum = 1 }
        END {
            if (!is_sum) passed = status == 0
            if (status && !failed) failed = 1
            printf "%d passed, %d failed\n", passed, failed
        }' >"$log.sum"
    printf '\n==== make %s: %s, %s s (at %s s)\n' "$1" "$(cat "$log.sum")" $(($(date +%s) - begin)) \
        $((begin - start)) >"$log.title"
    tail -n 200 "$log" | cat "$log.title" -
}

if [ "${1-}" = --step ]; then
    run_step "$2"
    exit 0
fi
rm -rf $work
mkdir -p $work
start=$(date +%s)
export start
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    run_step "$1"
    shift
done
[ $# -lt 2 ] || { shift && printf '%s\0' "$@"; } | xargs -0 -n 1 -P 2 sh "$0" --step
printf '\n%s s in all\n' $(($(date +%s) - start))
cat $work/*.sum | awk '
    { passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }'
