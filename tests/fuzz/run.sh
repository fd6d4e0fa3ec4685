#!/bin/sh
# Builds the fuzzers with clang, gives them their seeds and everything that was ever found, and lets each
# of them search for more.
#
#     tests/fuzz/run.sh [SECONDS [FUZZER...]]
#
# A fuzzer searches for 60 seconds by default, and with 0 only the known inputs are tried. They run with
# the address and the undefined-behaviour sanitizer, except `memory`, which is `server` again with the
# memory sanitizer. Nothing is written outside build/fuzz:
#
#     build/fuzz/NAME.log   the output of the fuzzer NAME
#     build/fuzz/corpus/    inputs that reach something new; the next run begins with them
#     build/fuzz/broken/    inputs that break something; build/fuzz/NAME FILE shows it again
#
# After the cause was fixed, an input that broke something belongs into tests/fuzz/found, with a name that
# begins with the name of the fuzzer. It is replayed in every run.
cd "$(dirname "$0")/../.." || exit 1
. tests/check.sh
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- request json server memory
out=build/fuzz
tab=$(printf '\t')

# Writes the seeds, and what was found, to build/fuzz/seeds/FUZZER.
write_seeds() {
    number=0
    while IFS= read -r line; do
        case $line in
        '#'*) continue ;;
        [a-z]*) number=$((number + 1)) folder=$out/seeds/${line%%"$tab"*} ;;
        esac
        mkdir -p "$folder"
        # shellcheck disable=SC2059 # printf has to interpret the escapes
        printf "${line#*"$tab"}" >>"$folder/$number"
    done <tests/fuzz/seeds
    for file in tests/fuzz/found/*; do
        source=${file##*/}
        cp "$file" "$out/seeds/${source%%-*}"
    done
}

# build CHECKS MODULE...
build() {
    checks=$1
    shift
    "${CLANG:-clang}" -std=c99 -D_POSIX_C_SOURCE=200809L "-DHTTP_BUFFER_SIZE=$size" -I. -g -O1 \
        "-fsanitize=fuzzer,$checks" -fno-sanitize-recover=all \
        -o "$out/$name" "tests/fuzz/$source.c" str.c http.c json.c "$@"
}

search() {
    limit=-max_total_time=$seconds
    [ "$seconds" -gt 0 ] || limit=-runs=0
    "$out/$name" "$limit" -max_len=$((size + 4)) -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$out/broken/$name-" "$out/corpus/$name" "$out/seeds/$source"
}

# try SENTENCE COMMAND...: the log of the fuzzer contains the reason of a failure.
try() {
    sentence="$name $1" log=$out/$name.log
    shift
    "$@" >"$log" 2>&1
    status=$?
    check "$sentence, see $log" [ $status -eq 0 ]
    [ $status -eq 0 ] ||
        grep -a -e ' error: ' -e 'does not hold' -e '^SUMMARY' -e 'Test unit written' "$log"
    return $status
}

rm -rf "$out/seeds"
write_seeds
for name; do
    mkdir -p "$out/broken" "$out/corpus/$name"
    source=$name size=2048 # a small buffer is soon full
    set -- address,undefined
    case $name in server | memory) source=server size=6144 ;; esac
    [ "$name" != memory ] || set -- memory
    [ "$source" != server ] || set -- "$@" db.c sha1.c route.c
    try 'is built' build "$@" && try 'finds nothing wrong' search
    awk -v name="$name" '{ for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        END { printf "%-8s %10d runs %5d edges\n", name, runs, edges }' "$out/$name.log"
done
report
