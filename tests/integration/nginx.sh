#!/bin/sh
# A server with a Unix socket behind nginx as Debian installs it: examples/nginx.conf is installed as
# its head says. That needs root, and happens in namespaces of its own: the machine's nginx, its
# files and its port 80 are not touched.
cd "$(dirname "$0")/../.." || exit 1
if [ $# -eq 0 ] && unshare --mount --net --pid --fork true 2>/dev/null; then
    exec unshare --mount --net --pid --fork --kill-child --mount-proc sh tests/integration/nginx.sh inside
fi
. tests/integration/environment.sh
needs nginx curl ip sg unshare
[ $# -eq 1 ] || { skip 'nginx: only root may make namespaces'; report; }
site=http://127.0.0.1

# Everything that the head or nginx writes is in $work or a file system of ours. ./server leaves its
# process ID behind.
prepare() {
    cp -a /etc/nginx "$work/nginx" || return
    cp "$work/nginx/sites-available/default" "$work/nginx/sites-enabled" || return
    mount --bind "$work/nginx" /etc/nginx
    for folder in /run /var/log/nginx /var/lib/nginx; do mount -t tmpfs tmpfs $folder; done
    ip link set lo up
    mkdir "$work/bin"
    printf '#!/bin/sh\necho $$ >"%s/pid"\nexec "%s" "$@" -q\n' "$work" "$(realpath "$server")" \
        >"$work/bin/server"
    chmod +x "$work/bin/server"
    sed -n 's/^#     //p' examples/nginx.conf >"$work/head"
}

# Runs these lines of the head, counted from its end.
run_head() {
    tail -n "$1" "$work/head" >"$work/lines"
    (cd examples && PATH="$work/bin:$PATH" exec sh -e "$work/lines") >"$work/said" 2>&1 &
    eventually grep -x 'Serving on /run/server.sock...' "$work/said"
}

takes_chunks() {
    echo '{"username": "foo", "password": "foo"}' | curl -sS -m 10 -X POST -T - "$site/login" |
        grep '"Logged in"'
}

prepare || exit 1
nginx -g 'daemon off;' >"$work/nginx.log" 2>&1 &
children=$!
check "Debian's default site responds at first" eventually says 404 "$site/home"
check 'The commands in the head install the example, and start a server' run_head 100
check 'foo logs in, is greeted and logs out through nginx' eventually greets "$site"
check 'So do those who call the site by another name' greets "$site" -H 'Host: www.example.org'
check 'A chunked body is accepted' takes_chunks
check "A browser's post from a page of the site is accepted" \
    says 200 "$site/logout" -d '' -H "Origin: $site"
check 'One from a page of another origin is refused' \
    says 403 "$site/logout" -d '' -H 'Origin: http://example.org'
kill -KILL "$(cat "$work/pid")"
check 'Without a server, nginx responds with 502' eventually says 502 "$site/home"
check 'After a server was killed, the next one can use the path of its socket' run_head 1
check 'nginx reaches it by the same path' greets "$site"
report
