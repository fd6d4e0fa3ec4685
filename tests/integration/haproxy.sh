#!/bin/sh
# Three servers behind HAProxy, with the configuration in examples/, in a network namespace that has its
# addresses and ports: 1,000 clients, each a user with an address and a connection of its own, log in and
# are greeted through HTTPS, while HAProxy reloads and starts anew, and a server is killed. Before, the
# limits are tried, and an attack.
cd "$(dirname "$0")/../.." || exit 1
if [ $# -eq 0 ] && unshare --map-root-user --net true 2>/dev/null; then
    exec unshare --map-root-user --net sh tests/integration/haproxy.sh inside
fi
. tests/integration/world.sh
needs haproxy curl openssl pgrep ip unshare python3
[ $# -eq 1 ] || {
    skip 'HAProxy: there are no network namespaces'
    finish
}
clients=1000
site=https://127.0.0.1

# ---- The clients, 50 at a time, are curl ----

# visit NAME SITE: every client that has logged in requests /home of SITE; the responses go to
# $work/NAME. If NAME is `login`, they log in instead, and the heads of the responses go to
# $work/cookies. A client sends the cookie as it was set, but without HAProxy's prefix if SITE is a
# server.
visit() {
    mkdir -p "$work/$1" "$work/cookies"
    awk -v clients=$clients -v work="$work" -v name="$1" -v site="$2" '
    function cookie(file,  field, found) {
        found = "session_id="
        while ((getline field <file) > 0)
            if (tolower(field) ~ /^set-cookie: session_id=/) {
                found = substr(field, 13)
                sub(/;.*/, "", found)
            }
        close(file)
        if (site ~ /^http:/) sub(/=.*~/, "=", found)
        return found
    }
    BEGIN {
        for (i = 1; i <= clients; i++) {
            if (i > 1) print "next"
            print "silent\ninsecure\nmax-time = 20\noutput = " work "/" name "/" i
            printf "interface = 127.1.%d.%d\n", i / 250, i % 250 + 1
            if (name == "login") {
                printf "data = {\"username\":\"user%d\",\"password\":\"pw\"}\n", i
                print "dump-header = " work "/cookies/" i
            } else {
                print "cookie = " cookie(work "/cookies/" i)
            }
            print "url = " site (name == "login" ? "/login" : "/home")
        }
    }' >"$work/$1.curl"
    curl --parallel --parallel-max 50 --config "$work/$1.curl" 2>/dev/null
    sort_out "$1"
}

# Makes a list of what each client got: its own greeting, a 401, or something else.
sort_out() {
    awk -v clients=$clients -v from="$work/$1" 'BEGIN {
        for (i = 1; i <= clients; i++) {
            response = ""
            getline response <(from "/" i)
            close(from "/" i)
            if (response == "{\"message\": \"Hello, user" i "\"}") print i, "right"
            else if (response ~ /"Logged in"/) print i, "in"
            else print i, (response ~ /"status_code": 401/ ? "lost" : "wrong")
        }
    }' >"$work/$1.list"
}

# those KIND NAME: the clients that got such a response; count KIND NAME: their number.
those() { sed -n "s/ $1\$//p" "$work/$2.list" | sort; }

count() { those "$1" "$2" | grep -c .; }

all_are() {
    for visit in $2; do
        count "$1" "$visit"
        [ "$(count "$1" "$visit")" -eq $clients ] || return
    done
}

# ---- The servers ----

start_servers() {
    awk -v clients=$clients 'BEGIN { for (i = 1; i <= clients; i++) print "user" i ":pw" }' \
        >"$work/users"
    echo 'foo:foo' >>"$work/users"
    chmod 600 "$work/users"
    start -a 10.0.0.11 -S -q -u "$work/users"
    pid_a=$pid
    start -a 10.0.0.12 -S -q -u "$work/users"
    start -a 10.0.0.13 -S -q -u "$work/users"
}

# Three addresses for IPv6, two of them in one /64 network.
add_addresses() {
    ip link set lo up
    for server_address in 10.0.0.11 10.0.0.12 10.0.0.13; do
        ip address add "$server_address/24" dev lo || return
    done
    for client_address in fd00:0:0:1::1 fd00:0:0:1::2 fd00:0:0:2::1; do
        ip address add "$client_address/64" dev lo nodad || return
    done
}

start_haproxy() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=localhost -keyout "$work/key" -out "$work/certificate" 2>/dev/null
    cat "$work/certificate" "$work/key" >"$work/site.pem"
    sed "s,/etc/haproxy/site.pem,$work/site.pem," examples/haproxy.cfg >"$work/haproxy.cfg"
    run_haproxy
}

run_haproxy() {
    haproxy -W -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
    haproxy=$!
    adopt "$haproxy"
    eventually curl -sk -o "$work/response" "$site/home"
}

# ---- What is promised ----

cookie_is_secure() {
    curl -sk -i -d '{"username": "foo", "password": "foo"}' "$site/login" |
        grep -i '^set-cookie: session_id=[abc]~[0-9a-f]*; Path=/; HttpOnly; SameSite=Lax; Secure'
}

speaks_http2() { curl -sk --http2 -o "$work/response" -w '%{http_version}' "$site/home" | grep -x 2; }

redirects() {
    for place in '127.0.0.1' '[::1]'; do
        [ "$(curl -s -m 10 -o "$work/response" -w '%{http_code} %{redirect_url}' \
            "http://$place/home")" = "301 https://$place/home" ] || return
    done
}

# posts ADDRESS COUNT SITE: posts from this address, and prints how many were accepted.
posts() {
    curl -sk -m 50 --interface "$1" -o "$work/response" -w '%{http_code}\n' -d '' "$3/logout?[1-$2]" |
        grep -c 200
}

limits_posts() {
    accepted="$(posts 127.2.2.2 250 "$site") $(posts 127.2.2.3 10 "$site")"
    echo "$accepted"
    [ "$accepted" = '200 10' ]
}

limits_networks() {
    accepted="$(posts fd00:0:0:1::1 150 'https://[::1]') $(posts fd00:0:0:1::2 150 'https://[::1]')"
    accepted="$accepted $(posts fd00:0:0:2::1 10 'https://[::1]')"
    echo "$accepted"
    [ "$accepted" = '150 50 10' ]
}

# 30 pupils behind one address, at the same time: each types its password wrong three times, logs in,
# and logs out. Everything but a failed login gets a 200.
admits_class() {
    awk -v work="$work" -v site="$site" 'BEGIN {
        for (i = 1; i <= 30; i++) for (attempt = 1; attempt <= 5; attempt++) {
            if (i + attempt > 2) print "next"
            print "silent\ninsecure\nmax-time = 20\noutput = " work "/response"
            print "interface = 127.2.2.4\nwrite-out = \"%{http_code}\\n\""
            password = attempt < 4 ? "pv" : "pw"
            printf "data = {\"username\":\"user%d\",\"password\":\"%s\"}\n", i, password
            print "url = " site (attempt < 5 ? "/login" : "/logout")
        }
    }' >"$work/class.curl"
    said=$(curl --parallel --parallel-max 30 --config "$work/class.curl" 2>/dev/null |
        sort | uniq -c | tr -s ' \n' ' ')
    echo "$said"
    [ "$said" = ' 60 200 90 401 ' ]
}

resists_slow_bodies() {
    python3 tests/integration/slow.py 443 >"$work/slow" 2>&1
    cat "$work/slow"
    grep -q '^29 of 29 logged in' "$work/slow"
}

# A class of 30 needs 180.
limits_connections() {
    open=$(sed -n 's/^the attacker: .* \([0-9]*\) still open$/\1/p' "$work/slow")
    echo "$open"
    [ "$open" -ge 180 ] && [ "$open" -le 200 ]
}

lives_once() {
    for place in a b c; do
        visit "at_$place" "http://10.0.0.1$(echo $place | tr abc 123):8080"
        count right at_$place >>"$work/shares"
    done
    those right at_a >"$work/theirs"
    cat "$work/shares"
    [ "$(awk '{ sum += $1; if ($1 == 0) sum = 0 } END { print sum }' "$work/shares")" = $clients ]
}

has_one_worker() { [ "$(pgrep -P "$haproxy" | grep -c .)" -eq 1 ]; }

# Reloads HAProxy while the clients come.
reload() {
    kill -USR2 "$haproxy"
    visit reload "$site"
    eventually has_one_worker
    visit reloaded "$site"
}

ask_home() { printf 'GET /home HTTP/1.1\r\nHost: localhost\r\n\r\n'; }

# Sends a request, reloads, and sends another one on the same connection.
keeps_connection() {
    {
        ask_home
        sleep 0.5
        kill -USR2 "$haproxy"
        sleep 1
        ask_home
        sleep 0.5
    } | openssl s_client -quiet -connect 127.0.0.1:443 >"$work/responses" 2>/dev/null
    cat "$work/responses"
    [ "$(grep -o 'HTTP/1.1 401 ' "$work/responses" | grep -c .)" -eq 2 ]
}

# A table of sessions would be lost with the old HAProxy, and a new HAProxy passes its table to the
# process of a reload only after 5 s.
restart() {
    end "$haproxy"
    run_haproxy
    kill -USR2 "$haproxy"
    visit restart "$site"
}

# Kills a server while the clients come.
kill_server() {
    (sleep 0.5; kill -KILL "$pid_a") &
    visit kill "$site"
    wait $!
    eventually grep 'app/a is DOWN' "$work/haproxy.log" >/dev/null
    visit killed "$site"
}

others_are_greeted() {
    those right "$1" | cat - "$work/theirs" | sort -u >"$work/fine"
    [ "$(grep -c . "$work/fine")" -eq $clients ]
}

lost_alone() {
    those lost killed | cmp - "$work/theirs" && [ "$(count wrong killed)" -eq 0 ]
}

# The killed server starts again, and all clients log in.
return_server() {
    "$server" -a 10.0.0.11 -S -q -u "$work/users" >"$work/said" &
    adopt $!
    eventually grep 'app/a is UP' "$work/haproxy.log" >/dev/null
    visit login "$site"
    visit greet_again "$site"
    visit at_a http://10.0.0.11:8080
}

gets_share() { [ "$(count right at_a)" -gt 0 ]; }

add_addresses && start_servers && start_haproxy || exit 1
check 'A login through HTTPS gets a cookie marked Secure' cookie_is_secure
check 'foo logs in, is greeted and logs out through HAProxy' greets "$site" -k
check 'HAProxy speaks HTTP/2 to the client, HTTP/1.1 to the server' speaks_http2
check "A browser's post from a page of the site is accepted" \
    says 200 "$site/logout" -d '' -H "Origin: $site"
check 'One from a page of another origin is refused' \
    says 403 "$site/logout" -d '' -H 'Origin: https://example.org'
check 'Port 80 redirects to HTTPS' redirects
check 'The posts from one address are limited' limits_posts
check 'So are those from a /64 network of IPv6' limits_networks
check 'A class of 30 behind one address is not refused' admits_class
check 'While one address sends slow bodies, others log in with slow ones' resists_slow_bodies
check 'That address can hold 180 to 200 connections' limits_connections
visit login "$site"
check 'Every client logs in' all_are in login
visit greet "$site"
check 'Every client is greeted by its name' all_are right greet
check 'Each session is in one server, and each server has some' lives_once
reload
check 'A reload loses no session and no response' all_are right 'reload reloaded'
check 'A connection that was idle at a reload accepts one more request' keeps_connection
restart
check 'A restart of HAProxy and an immediate reload lose no session' all_are right restart
kill_server
check 'While a server is killed, the clients of the others are greeted' others_are_greeted kill
check 'Only the sessions of the killed server are lost' lost_alone
return_server
check 'When it is back, every client logs in' all_are in login
check 'and is greeted' all_are right greet_again
check 'It gets its share again' gets_share

logins=$(count in login)
greetings=$(cat "$work"/greet*.list "$work"/re*.list | grep -c right)
echo "$clients clients; logins $clients and $logins; greetings $greetings"
echo "lost or wrong at the reload: $(cat "$work"/reload*.list | grep -vc right);" \
    "at the restart: $(grep -vc right "$work/restart.list")"
echo "sessions in the killed server: $(grep -c . "$work/theirs"); lost: $(count lost killed);" \
    "wrong responses: $(count wrong killed)"
echo "errors for its own clients in the second of the kill: $(count wrong kill)"
finish
