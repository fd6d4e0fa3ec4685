#!/bin/sh
# check.sh - tests trace.sh: each request of the walk has its tree, and the tree shows the way through the
# files. The last line is `N passed, N failed`.
cd "$(dirname "$0")/../.." || exit 1
. tests/check.sh
trace=$(sh tests/trace/trace.sh) || echo "trace.sh failed: $trace"
work=build/trace

# part TITLE: prints the lines below the title. Of two parts with one title it prints both.
part() {
    printf '%s\n' "$trace" | awk -v title="==== $1" '/^====/ { on = $0 == title; next } on && NF'
}

# goes_through TITLE PLACE...: PLACE is a file and a function; the part has all of them, in this order.
goes_through() {
    part "$1" | sed 's/^\([a-z0-9]*\.[ch]\):[0-9]* */\1:/' >$work/part
    shift
    for place; do
        line=$(grep -nE "^$place( |:|$)" $work/part | head -n 1 | cut -d : -f 1)
        [ -n "$line" ] || { echo "     $place is missing"; return 1; }
        sed "1,${line}d" $work/part >$work/rest
        mv $work/rest $work/part
    done
}

titles() { printf '%s\n' "$trace" | sed -n 's/^==== //p'; }

are_complete() {
    titles >$work/titles
    cat >$work/expected <<'TITLES'
The start
A client connects
POST /login HTTP/1.1 -> 200
GET /home HTTP/1.1 -> 200
POST /logout HTTP/1.1 -> 200
GET /home HTTP/1.1 -> 401
The client closes the connection
The stop
TITLES
    diff $work/expected $work/titles
}

is_short() {
    titles | while read -r title; do
        [ "$(part "$title" | wc -l)" -le 45 ] || echo "     $title"
    done >$work/long
    cat $work/long
    [ ! -s $work/long ]
}

shows_more() { [ "$(sh tests/trace/trace.sh "$@" | wc -l)" -gt "$(printf '%s\n' "$trace" | wc -l)" ]; }

check 'Each request has a tree, and so have start, connection and stop' are_complete
check 'A login goes through all modules' goes_through 'POST /login HTTP/1.1 -> 200' \
    server.c:handle_event server.c:receive http.c:http_parse route.c:route_request \
    app.c:handle_login json.c:json_find_members db.c:db_authenticate sha1.c:sha1_update \
    db.c:db_add_session http.c:http_format_response log.c:log_request server.c:send_output
check 'A greeting asks for the session' goes_through 'GET /home HTTP/1.1 -> 200' \
    server.c:receive http.c:http_parse app.c:handle_home http.c:http_find_cookie \
    db.c:db_use_session server.c:send_output
check 'A refusal is an error' goes_through 'GET /home HTTP/1.1 -> 401' \
    app.c:handle_home app.c:unauthorized route.c:route_error server.c:send_output
check 'A client is accepted' goes_through 'A client connects' listen.c:listen_accept
check 'No tree is longer than 45 lines' is_short
check 'With -i 2 there are more lines' shows_more -i 2
check 'With -a there are more lines' shows_more -a
report
