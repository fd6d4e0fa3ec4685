#!/bin/sh
# Runs the lines that the README shows for scripts.
cd "$(dirname "$0")/../.." || exit 1
. tests/world/world.sh
needs curl

# lines_with PROGRAM: runs them in a folder where ./server is that program.
lines_with() {
    rm -rf "$work/job"
    mkdir "$work/job"
    ln -s "$1" "$work/job/server"
    (cd "$work/job" && timeout 20 sh -e "$work/lines")
}

are_four() { [ "$(grep -c . "$work/lines")" -eq 4 ]; }

work_out() { said=$(lines_with "$1") && echo "$said" | grep '"Logged in"'; }

fail_at_once() {
    lines_with "$1"
    status=$?
    echo "status $status"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
}

awk '/^## / { on = /^## For scripts/ } on && sub(/^    /, "")' README.md >"$work/lines"
check 'The README shows four lines for scripts' are_four
check 'They start a server, test it, stop it, and succeed' work_out "$(realpath "$server")"
check 'They fail at once if the server does not start' fail_at_once "$(command -v false)"
finish
