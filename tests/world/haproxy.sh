#!/bin/sh
# Three servers behind HAProxy, with the configuration in examples/: 1,000 clients, each a user with
# an address and a connection of its own, log in and are greeted through HTTPS, while a server is
# killed and HAProxy reloads.
cd "$(dirname "$0")/../.." || exit 1
. tests/world/world.sh
needs haproxy curl openssl pgrep
clients=1000

# ---- The clients, 50 at a time, are curl ----

# visit NAME SITE: asks SITE for /home as each client that has logged in; answers go to $work/NAME.
# With NAME `login` they log in instead.
visit() {
    mkdir -p "$work/$1"
    awk -v clients=$clients -v work="$work" -v name="$1" -v site="$2" 'BEGIN {
        for (i = 1; i <= clients; i++) {
            answer = ""
            getline answer <(work "/login/" i)
            close(work "/login/" i)
            if (i > 1) print "next"
            print "silent\ninsecure\nmax-time = 20\noutput = " work "/" name "/" i
            printf "interface = 127.1.%d.%d\n", i / 250, i % 250 + 1
            if (name == "login")
                printf "data = {\"username\":\"user%d\",\"password\":\"pw\"}\n", i
            else if (split(answer, part, "\"") > 7)
                print "cookie = session_id=" part[8]
            print "url = " site (name == "login" ? "/login" : "/home")
        }
    }' >"$work/$1.curl"
    curl --parallel --parallel-max 50 --config "$work/$1.curl" 2>/dev/null
    sort_out "$1"
}

# Makes a list of what each client got: its own greeting, word that it is not logged in, or worse.
sort_out() {
    awk -v clients=$clients -v from="$work/$1" 'BEGIN {
        for (i = 1; i <= clients; i++) {
            answer = ""
            getline answer <(from "/" i)
            close(from "/" i)
            if (answer == "{\"message\": \"Hello, user" i "\"}") print i, "right"
            else if (answer ~ /"Logged in"/) print i, "in"
            else print i, (answer ~ /"status_code": 401/ ? "lost" : "wrong")
        }
    }' >"$work/$1.list"
}

# those KIND NAME: the clients that got such an answer; count KIND NAME: how many they are.
those() { sed -n "s/ $1\$//p" "$work/$2.list" | sort; }

count() { those "$1" "$2" | grep -c .; }

all_are() {
    for round in $2; do
        count "$1" "$round"
        [ "$(count "$1" "$round")" -eq $clients ] || return
    done
}

# ---- The fleet ----

start_fleet() {
    awk -v clients=$clients 'BEGIN { for (i = 1; i <= clients; i++) print "user" i ":pw" }' \
        >"$work/users"
    echo 'foo:foo' >>"$work/users"
    chmod 600 "$work/users"
    for place in a b c; do
        start -a 127.0.0.1 -p 0 -S -q -u "$work/users"
        eval "port_$place=$port pid_$place=$pid"
    done
}

start_haproxy() {
    take_port
    peer=$port
    take_port
    site=https://127.0.0.1:$port
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=localhost -keyout "$work/key" -out "$work/certificate" 2>/dev/null
    cat "$work/certificate" "$work/key" >"$work/site.pem"
    sed -e "s/10.0.0.1:10000/127.0.0.1:$peer/" -e "s/:443 /127.0.0.1:$port /" \
        -e "s,/etc/haproxy/site.pem,$work/site.pem," -e "s/10.0.0.11:8080/127.0.0.1:$port_a/" \
        -e "s/10.0.0.12:8080/127.0.0.1:$port_b/" -e "s/10.0.0.13:8080/127.0.0.1:$port_c/" \
        examples/haproxy.cfg >"$work/haproxy.cfg"
    haproxy -W -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
    haproxy=$!
    adopt "$haproxy"
    eventually curl -sk -o "$work/answer" "$site/home"
}

# ---- What is promised ----

cookie_is_secure() {
    curl -sk -i -d '{"username": "foo", "password": "foo"}' "$site/login" |
        grep -i '^set-cookie: session_id=[0-9a-f]*; Path=/; HttpOnly; SameSite=Lax; Secure'
}

speaks_http2() { curl -sk --http2 -o "$work/answer" -w '%{http_version}' "$site/home" | grep -x 2; }

# Of 25 posts from one address, 20 come through.
limits_posts() {
    said=$(curl -sk --interface 127.2.2.2 -o "$work/answer" -w '%{http_code}\n' -d '' \
        "$site/logout?[1-25]" | sort | uniq -c | tr -s ' \n' ' ')
    [ "$said" = ' 20 200 5 429 ' ] || { echo "$said"; return 1; }
}

lives_once() {
    for place in a b c; do
        eval "visit at_$place http://127.0.0.1:\$port_$place"
        count right at_$place >>"$work/shares"
    done
    those right at_a >"$work/theirs"
    cat "$work/shares"
    [ "$(awk '{ sum += $1; if ($1 == 0) sum = 0 } END { print sum }' "$work/shares")" = $clients ]
}

# Reloads HAProxy while the clients come.
reload() {
    old=$(pgrep -P "$haproxy")
    kill -USR2 "$haproxy"
    visit reload "$site"
    eventually is_over "$old"
    visit reloaded "$site"
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

# The killed server starts again, and everybody logs in.
return_server() {
    "$server" -a 127.0.0.1 -p "$port_a" -S -q -u "$work/users" >"$work/said" &
    adopt $!
    eventually grep 'app/a is UP' "$work/haproxy.log" >/dev/null
    visit login "$site"
    visit greet_again "$site"
    visit at_a "http://127.0.0.1:$port_a"
}

takes_part() { [ "$(count right at_a)" -gt 0 ]; }

start_fleet
start_haproxy
check 'A login through HTTPS gets a cookie marked Secure' cookie_is_secure
check 'HAProxy speaks HTTP/2 to the client, HTTP/1.1 to the server' speaks_http2
check "A browser's post from a page of the site is taken" \
    says 200 "$site/logout" -d '' -H "Origin: $site"
check 'That from a page of another site is refused' \
    says 403 "$site/logout" -d '' -H 'Origin: https://example.org'
check 'Posts from one address have a limit' limits_posts
visit login "$site"
check 'Every client logs in' all_are in login
visit greet "$site"
check 'Every client is greeted by its name' all_are right greet
check 'Each session lives in one server, and each server has some' lives_once
reload
check 'A reload loses no session and spoils no answer' all_are right 'reload reloaded'
kill_server
check 'While a server is killed, the clients of the others are greeted' others_are_greeted kill
check 'With a server its own sessions are gone, and no other' lost_alone
return_server
check 'When it is back, everybody logs in' all_are in login
check 'and is greeted' all_are right greet_again
check 'It takes its part again' takes_part

logins=$(count in login)
greetings=$(cat "$work"/greet.list "$work"/reload*.list "$work"/greet_again.list | grep -c right)
echo "$clients clients; logins $clients and $logins; greetings $greetings"
echo "lost or wrong at the reload: $(cat "$work"/reload*.list | grep -vc right)"
echo "sessions in the killed server: $(grep -c . "$work/theirs"); lost: $(count lost killed);" \
    "wrong answers: $(count wrong killed)"
echo "errors for its own clients in the second of the kill: $(count wrong kill)"
finish
