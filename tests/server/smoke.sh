#!/bin/sh
# smoke.sh - the example of the README with curl: log in, be greeted, log out, be refused.
#
# It starts ./server, or the program that SERVER names, on a free port, and stops it again. It prints
# what was wrong; the last line is `N passed, N failed`. Without curl it is skipped.
passed=0 failed=0

report() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# check WHAT EXPECTED SEEN
check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAIL %s\n     expected: %s\n     seen:     %s\n' "$1" "$2" "$3"
}

# Prints the body and the status of a response. The id of a session is shown as <id>.
ask() {
    curl --silent --show-error --max-time 20 --noproxy '*' --cookie "$jar" --cookie-jar "$jar" \
        --write-out ' %{http_code}' "$@" 2>&1 | sed 's/[0-9a-f]\{40\}/<id>/'
}

if ! command -v curl >/dev/null; then
    echo 'skipped: there is no curl'
    report
fi

folder=$(mktemp -d) || exit 1
jar=$folder/jar pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
. tests/server.sh
if ! serve "$folder" "${SERVER:-./server}" -a 127.0.0.1 -p 0 -q; then
    check 'the start' 'Serving on ...' ''
    report
fi

foo='{"username":"foo","password":"foo"}'
refusal="{\"status\": \"401 Unauthorized\", \"status_code\": 401, \"error\": \"I can't let you do\
 that\", \"data\": null} 401"
check 'before the login' "$refusal" "$(ask "$url/home")"
check 'the login' '{"message": "Logged in", "session_id": "<id>"} 200' \
    "$(ask -d "$foo" "$url/login")"
check 'the greeting' '{"message": "Hello, foo"} 200' "$(ask "$url/home")"
check 'the greeting by POST' '{"message": "Hello, foo"} 200' "$(ask -X POST "$url/home")"
check 'the logout' '{"message": "logged out"} 200' "$(ask -X POST "$url/logout")"
check 'after the logout' "$refusal" "$(ask "$url/home")"

kill -TERM "$pid"
wait "$pid"
check 'the exit status' 0 $?
pid=
check 'the last line' 'Done' "$(tail -n 1 "$folder/said")"
report
