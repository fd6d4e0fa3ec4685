#!/bin/sh
# check.sh - tests trace.sh: each request of the walk has its tree, and the tree shows the way through the
# files.
cd "$(dirname "$0")/../.." || exit 1
. tests/check.sh
trace=build/trees
mkdir -p build
sh tests/trace/trace.sh >$trace || cat $trace

# part TITLE: prints the lines below the title. Of two parts with one title it prints both.
part() { awk -v title="==== $1" '/^====/ { on = $0 == title; next } on && NF' $trace; }

# goes_through TITLE PLACES: a place is a file and a function; the part has all of them, in this order.
goes_through() {
    part "$1" | awk -v places="$2" '
        BEGIN { count = split(places, place); next_one = 1 }
        { sub(/:[0-9]*$/, "", $1); sub(/:$/, "", $2) }
        $1 ":" $2 == place[next_one] { next_one++ }
        END { if (next_one <= count) { print place[next_one], "is missing"; exit 1 } }'
}

long_parts() {
    awk '/^====/ { title = $0 } NF && ++lines[title] == 47 { print title }' $trace # with the title itself
}

shows_more() { [ "$(sh tests/trace/trace.sh -a | wc -l)" -gt "$(wc -l <$trace)" ]; }

check 'Each request has a tree, and so have start, connection and stop' equal 'The start
A client connects
POST /login HTTP/1.1 -> 200
GET /home HTTP/1.1 -> 200
POST /logout HTTP/1.1 -> 200
GET /home HTTP/1.1 -> 401
The client closes the connection
The stop' "$(sed -n 's/^==== //p' $trace)"
check 'A login goes through all modules' goes_through 'POST /login HTTP/1.1 -> 200' \
    'server.c:handle_event server.c:receive http.c:http_parse route.c:route_request
    app.c:handle_login json.c:json_find_members db.c:db_authenticate sha1.c:sha1_update
    db.c:db_add_session http.c:http_format_response log.c:log_request server.c:send_output'
check 'A greeting asks for the session' goes_through 'GET /home HTTP/1.1 -> 200' \
    'server.c:receive http.c:http_parse app.c:handle_home http.c:http_find_cookie db.c:db_use_session
    server.c:send_output'
check 'A refusal is an error' goes_through 'GET /home HTTP/1.1 -> 401' \
    'app.c:handle_home app.c:unauthorized route.c:route_error server.c:send_output'
check 'A client is accepted' goes_through 'A client connects' listen.c:listen_accept
check 'No tree is longer than 45 lines' equal '' "$(long_parts)"
check 'With -a there are more lines' shows_more
report
