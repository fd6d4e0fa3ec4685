# check.sh - how scripts check sentences and report the sum; they include this file.
# shellcheck shell=sh
passed=0 failed=0

# check SENTENCE COMMAND...: the sentence is true if the command succeeds. If not, its output is shown.
# The command is a process of its own, so it cannot set variables of the script.
check() {
    sentence=$1
    shift
    if seen=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        [ "$1" = equal ] || seen="$*
     $seen"
        printf 'FAIL %s\n     %s\n' "$sentence" "$seen"
    fi
}

# equal EXPECTED SEEN: for check.
equal() { [ "$1" = "$2" ] || { printf 'expected: %s\n     seen:     %s\n' "$1" "$2"; return 1; }; }

is_installed() { command -v "$1" >/dev/null 2>&1; }

# Says what cannot be tested here; if CI is set, that is a failure.
skip() {
    echo "SKIPPED $1"
    [ -z "${CI-}" ] || failed=$((failed + 1))
}

# Prints the last line, and ends the script.
report() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}
