# common.sh - what the scripts in this folder share. They run from the top folder.
# shellcheck shell=sh disable=SC2034

rooms='app server http json db sha1'
sources='app.c server.c http.c json.c db.c sha1.c'
strict='-pedantic -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wformat=2 -Wvla -Werror'
passed=0 failed=0

# check SENTENCE COMMAND...: the sentence holds where the command succeeds.
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

is_installed() { command -v "$1" >/dev/null 2>&1; }

# The rows of the table of targets, without its comments.
targets() { grep -v '^#' tests/boards/targets; }

# The emulator as it is installed: the table says qemu-arm, some systems qemu-arm-static.
find_emulator() {
    case $1 in
    -) ;;
    *) command -v "$1" || command -v "$1-static" ;;
    esac
}
