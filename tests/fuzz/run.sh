#!/bin/sh
# Builds the fuzzers with clang, replays their seeds and everything that was ever found, and lets
# each of them search for more.
#
#     tests/fuzz/run.sh [SECONDS [FUZZER...]]
#
# A fuzzer searches for 60 seconds by default, and with 0 not at all. They run with the address and
# the undefined-behaviour sanitizer, except `memory`, which is `server` again with the memory
# sanitizer. Nothing is written outside build/fuzz:
#
#     build/fuzz/NAME.log   the output of the fuzzer NAME
#     build/fuzz/corpus/    inputs that reach something new; the next run begins with them
#     build/fuzz/broken/    inputs that break something; build/fuzz/NAME FILE shows it again
#
# After the cause was fixed, an input that broke something belongs into tests/fuzz/found, with a
# name that begins with the name of the fuzzer. It is replayed in every run.
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- request json cookies server memory
out=build/fuzz passed=0 failed=0

build() { # NAME
    case $1 in
    server | memory) source=server size=6144 sources='str.c http.c json.c db.c sha1.c route.c' ;;
    *) source=$1 size=2048 sources='str.c http.c json.c' ;; # a small buffer is soon full
    esac
    case $1 in
    memory) checks=memory ;;
    *) checks=address,undefined ;;
    esac
    # shellcheck disable=SC2086 # the list of sources is words
    "${CLANG:-clang}" -std=c99 -D_POSIX_C_SOURCE=200809L -DHTTP_BUFFER_SIZE=$size -I. -g -O1 \
        -fsanitize=fuzzer,$checks -fno-sanitize-recover=all \
        -o "$out/$1" "tests/fuzz/$source.c" $sources >"$out/$1.log" 2>&1
}

replay() { # NAME
    name=$1
    set --
    for file in "$out/seeds/$source"/* tests/fuzz/found/"$source"-* "$out/corpus/$name"/*; do
        [ -f "$file" ] && set -- "$@" "$file"
    done
    printf '%6d known' $#
    "$out/$name" "$@" >"$out/$name.log" 2>&1
}

search() { # NAME
    "$out/$1" -max_total_time="$seconds" -max_len=$((size + 4)) -timeout=10 -print_final_stats=1 \
        -dict=tests/fuzz/dictionary -artifact_prefix="$out/broken/$1-" \
        "$out/corpus/$1" "$out/seeds/$source" >"$out/$1.log" 2>&1
    status=$?
    awk '{ for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        /^stat::average_exec_per_sec/ { speed = $2 }
        END { printf "%10d runs %7d/s %5d edges", runs, speed, edges }' "$out/$1.log"
    return $status
}

# try COMMAND NAME: runs it; if it fails, the log of the fuzzer contains the reason.
try() {
    if "$@"; then
        passed=$((passed + 1))
        return 0
    fi
    failed=$((failed + 1))
    printf '\nFAIL %s, see %s/%s.log\n' "$2" "$out" "$2"
    grep -a -e ' error: ' -e 'does not hold' -e '^SUMMARY' -e 'Test unit written' "$out/$2.log"
    return 1
}

mkdir -p "$out/broken"
rm -rf "$out/seeds"
sh tests/fuzz/seeds.sh "$out/seeds"
for name; do
    mkdir -p "$out/corpus/$name"
    printf '%-8s' "$name"
    if try build "$name"; then
        try replay "$name"
        [ "$seconds" -eq 0 ] || try search "$name"
    fi
    echo
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
