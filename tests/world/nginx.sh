#!/bin/sh
# A server with a Unix socket behind nginx, with the configuration in examples/.
cd "$(dirname "$0")/../.." || exit 1
. tests/world/world.sh
needs nginx curl

serves_at_path() { [ "$name" = "$work/server.sock" ]; }

# All files of nginx are in $work, and it runs as the user who runs this.
start_nginx() {
    take_port
    site=http://127.0.0.1:$port
    sed -e "s,/run/server.sock,$work/server.sock," -e "s/listen 80/listen 127.0.0.1:$port/" \
        examples/nginx.conf >"$work/site.conf"
    {
        echo "daemon off; master_process off; pid $work/pid; events {} http { access_log off;"
        for kind in client_body proxy fastcgi uwsgi scgi; do
            echo "${kind}_temp_path $work/$kind;"
        done
        echo "include $work/site.conf; }"
    } >"$work/nginx.conf"
    nginx -e stderr -c "$work/nginx.conf" >"$work/nginx.log" 2>&1 &
    adopt $!
    eventually curl -s -o "$work/response" "$site/home"
}

takes_chunks() {
    echo '{"username": "foo", "password": "foo"}' | curl -sS -m 10 -X POST -T - "$site/login" |
        grep '"Logged in"'
}

start_nginx
check 'Without a server, nginx responds with 502' says 502 "$site/home"
start -a "$work/server.sock" -q
check 'The server prints the path of its socket' serves_at_path
check 'foo logs in, is greeted and logs out through nginx' greets "$site"
check 'A chunked body is accepted' takes_chunks
check "A browser's post from a page of the site is accepted" \
    says 200 "$site/logout" -d '' -H "Origin: $site"
check 'One from a page of another origin is refused' \
    says 403 "$site/logout" -d '' -H 'Origin: http://example.org'
end "$pid" KILL
start -a "$work/server.sock" -q
check 'After a server was killed, the next one can use the path of its socket' serves_at_path
check 'nginx reaches it by the same path' greets "$site"
finish
