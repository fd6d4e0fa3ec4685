# server.sh - how scripts start a server, and log in; they include this file.
#
#     serve FOLDER COMMAND...
#
# runs the server in the background, and waits until it serves. Sets $pid, $name (what is printed
# behind "Serving on"), $port and $url. Its output is in FOLDER/said, and its standard error is added
# to FOLDER/log. If it ends, or does not serve within 20 seconds, serve prints both and fails.
# shellcheck shell=sh disable=SC2034

serve() {
    said_file=$1/said log_file=$1/log name='' tries=0
    shift
    "$@" >"$said_file" 2>>"$log_file" &
    pid=$!
    while [ -z "$name" ] && [ $((tries += 1)) -le 400 ] && kill -0 $pid 2>/dev/null; do
        sleep 0.05
        name=$(sed -n 's/^Serving on \(.*\)\.\.\.$/\1/p' "$said_file")
    done
    port=${name##*:}
    url=http://127.0.0.1:$port
    [ -n "$name" ] || { cat "$said_file" "$log_file"; return 1; }
}

# greets URL [OPTION...]: with these options of curl, foo logs in, is greeted and logs out. $inside
# is a command that runs curl in another place.
inside=''
greets() {
    site=$1
    shift
    set -- $inside curl -sS -m 10 -b "$work/jar" -c "$work/jar" "$@"
    "$@" -d '{"username": "foo", "password": "foo"}' "$site/login" >"$work/response" &&
        "$@" "$site/home" | grep -Fx '{"message": "Hello, foo"}' &&
        "$@" -d '' "$site/logout" | grep -Fx '{"message": "logged out"}'
}
