#!/bin/sh
# smoke.sh - the example of the README with curl: log in, be greeted, log out, be refused.
#
# Run it with `make test TEST=smoke`. It starts ./server, or the program that SERVER names, on a free
# port, and stops it again. The last line is `N passed, N failed`. Without curl it is skipped, which is
# a failure if CI is set.
. tests/check.sh
. tests/server.sh

# Prints the body and the status of a response. The id of a session is shown as <id>.
ask() {
    curl --silent --show-error --max-time 20 --noproxy '*' --cookie "$jar" --cookie-jar "$jar" \
        --write-out ' %{http_code}' "$@" 2>&1 | sed 's/[0-9a-f]\{40\}/<id>/'
}

is_installed curl || { skip 'the example with curl: there is none'; report; }
folder=$(mktemp -d) || exit 1
jar=$folder/jar pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
serve "$folder" "${SERVER:-./server}" -a 127.0.0.1 -p 0 -q || exit

refusal="{\"status\": \"401 Unauthorized\", \"status_code\": 401, \"error\": \"I can't let you do\
 that\", \"data\": null} 401"
login='{"username":"foo","password":"foo"}'
check 'before the login' equal "$refusal" "$(ask "$url/home")"
check 'the login' equal '{"message": "Logged in", "session_id": "<id>"} 200' "$(ask -d "$login" "$url/login")"
check 'the greeting' equal '{"message": "Hello, foo"} 200' "$(ask "$url/home")"
check 'the logout' equal '{"message": "logged out"} 200' "$(ask -X POST "$url/logout")"
check 'after the logout' equal "$refusal" "$(ask "$url/home")"

kill -TERM "$pid"
wait "$pid"
check 'the exit status' equal 0 $?
pid=
check 'the last line' equal 'Done' "$(tail -n 1 "$folder/said")"
report
