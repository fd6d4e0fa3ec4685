#!/bin/sh
# Socket activation: a supervisor (handover.c) listens, and the server inherits its socket.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/world.sh
needs curl cc

supervise() {
    "$work/handover" "$1" "$server" -p 0 -q >"$work/supervisor" 2>"$work/errors" &
    supervisor=$!
    adopt "$supervisor"
    eventually grep -q '^Listening on ' "$work/supervisor"
    place=$(sed -n 's/^Listening on //p' "$work/supervisor")
}

latest() { sed -n 's/^Started //p' "$work/supervisor" | tail -n 1; }

adopts_port() { grep -Fx "Serving on 127.0.0.1:$place..." "$work/supervisor"; }

survives() {
    before=$(latest)
    kill -"$1" "$before"
    shift
    eventually is_over "$before" && "$@" && [ "$before" != "$(latest)" ]
}

handed() { LISTEN_FDS=$1 timeout 5 sh -c 'LISTEN_PID=$$ exec "$0" -p 0' "$server"; }

refuses() {
    said=$("$@" 3</dev/null 2>&1)
    [ $? -eq 1 ] || { echo "$said"; return 1; }
    echo "$said"
    [ "$(echo "$said" | grep -c '^server: cannot ')" -eq 1 ]
}

"${CC:-cc}" -o "$work/handover" tests/integration/handover.c || exit 1
supervise -
check 'An inherited port is served, whatever -p is' greets "http://127.0.0.1:$place"
check 'The port in "Serving on" is the inherited one' adopts_port
check 'After a server was killed, the next one inherits the socket' \
    survives KILL greets "http://127.0.0.1:$place"
check 'So it does after a server was stopped' survives TERM greets "http://127.0.0.1:$place"
end "$supervisor"
supervise "$work/socket"
check 'An inherited Unix socket is served' greets http://site --unix-socket "$work/socket"
check 'The server does not remove its socket file' \
    survives TERM greets http://site --unix-socket "$work/socket"
end "$supervisor"
LISTEN_PID=1 LISTEN_FDS=1 start -a 127.0.0.1 -p 0 -q
check 'A socket that is meant for another process is ignored' greets "$url"
check 'A descriptor that does not listen is refused in one line' refuses handed 1
check 'Two descriptors are refused in one line' refuses handed 2
finish
