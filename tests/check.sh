# check.sh - how scripts check sentences and report the sum; they include this file.
# shellcheck shell=sh
passed=0 failed=0

# check SENTENCE COMMAND...: the sentence is true if the command succeeds.
check() {
    sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $sentence"
    fi
}

report() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
