#!/bin/sh
# Real clients: each logs in, is greeted, logs out and is not greeted any more. A function runs one
# client and prints the responses; the table shows which steps worked.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/world.sh
needs curl
login='{"username": "foo", "password": "foo"}'

# row "Client" FUNCTION PROGRAM
row() {
    has "$3" || {
        skip "$1: $3 is not installed"
        return
    }
    rm -f "$work/jar"
    said=$($2 2>&1)
    line=$(printf '%-36s' "$1")
    mark 'Logged in' "${said%%Hello*}"
    mark 'Hello, foo' "${said%%logged out*}"
    case ${said##*logged out} in
    *Hello*) mark 'logged out' '' ;;
    *) mark 'logged out' "$said" ;;
    esac
    echo "$line"
    case $line in *' no '*) echo "$said" ;; esac
}

# mark TEXT OUTPUT: adds to the line whether the output contains the text.
mark() {
    case $2 in
    *"$1"*) passed=$((passed + 1)) line="$line yes       " ;;
    *) failed=$((failed + 1)) line="$line no        " ;;
    esac
}

# ---- curl ----

ask() { curl -sS -m 10 -b "$work/jar" -c "$work/jar" "$@"; }

curl_d() {
    ask "$@" -d "$login" "$url/login"
    ask "$@" "$url/home"
    ask "$@" -d '' "$url/logout"
    ask "$@" "$url/home"
}

curl_json() {
    ask --json "$login" "$url/login"
    ask "$url/home"
    ask -X POST "$url/logout"
    ask "$url/home"
}

# The length of input from a pipe is not known in advance, so it is sent in chunks.
curl_T() {
    printf '%s' "$login" | ask -X POST -T - "$url/login"
    ask "$url/home"
    printf '' | ask -X POST -T - "$url/logout"
    ask "$url/home"
}

# Without a 100 (Continue), curl would wait longer than its time limit.
curl_expect() { curl_d -H 'Expect: 100-continue' --expect100-timeout 20; }

curl_http10() { curl_d --http1.0; }

# Asks for HTTP/2 and accepts HTTP/1.1.
curl_http2() { curl_d --http2; }

# Sends the target in absolute form.
curl_proxy() { curl_d --proxy "$url"; }

# Many requests on one connection.
curl_next() {
    jar="-sS -m 10 -b $work/jar -c $work/jar"
    curl $jar -w ' %{num_connects}\n' -d "$login" "$url/login" \
        --next $jar -w ' %{num_connects}\n' "$url/home?[1-20]" \
        --next $jar -w ' %{num_connects}\n' -d '' "$url/logout" >"$work/responses"
    [ "$(grep -c ' 0$' "$work/responses")" -eq 21 ] && cat "$work/responses"
    ask "$url/home"
}

# ---- Others ----

wget_post() {
    set -- wget -q -O - -T 10 --load-cookies "$work/jar" --save-cookies "$work/jar" \
        --keep-session-cookies
    touch "$work/jar"
    "$@" --post-data "$login" "$url/login"
    "$@" "$url/home"
    "$@" --post-data '' "$url/logout"
    "$@" "$url/home"
}

id_in() { sed -n 's/.*"session_id": "\([0-9a-f]*\)".*/\1/p' | head -n 1; }

busybox_wget() {
    said=$(busybox wget -q -O - --post-data "$login" "$url/login")
    set -- busybox wget -q -O - --header "Cookie: session_id=$(echo "$said" | id_in)"
    echo "$said"
    "$@" "$url/home"
    "$@" --post-data '' "$url/logout"
    "$@" "$url/home"
}

httpie() {
    set -- http --ignore-stdin --print=b --session="$work/session.json"
    "$@" POST "$url/login" username=foo password=foo
    "$@" "$url/home"
    "$@" POST "$url/logout"
    "$@" "$url/home"
}

http_client() {
    python3 - "$port" "$login" <<'END'
import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)
cookie = {}
for method, path, body in (('POST', '/login', sys.argv[2]), ('GET', '/home', None),
                           ('POST', '/logout', None), ('GET', '/home', None)):
    connection.request(method, path, body, cookie)
    response = connection.getresponse()
    cookie = cookie or {'Cookie': response.getheader('Set-Cookie').split(';')[0]}
    print(response.read().decode())
END
}

requests() {
    "$python" - "$url" <<'END'
import requests, sys
session = requests.Session()
print(session.post(sys.argv[1] + '/login', json={'username': 'foo', 'password': 'foo'}).text)
print(session.get(sys.argv[1] + '/home').text)
print(session.post(sys.argv[1] + '/logout').text)
print(session.get(sys.argv[1] + '/home').text)
END
}

node_fetch() {
    node - "$url" "$login" <<'END'
const [url, body] = process.argv.slice(2);
const ask = async (path, options) => {
    const response = await fetch(url + path, options);
    console.log(await response.text());
    return response;
};
(async () => {
    const response = await ask('/login', { method: 'POST', body });
    const headers = { cookie: response.headers.getSetCookie()[0].split(';')[0] };
    await ask('/home', { headers });
    await ask('/logout', { method: 'POST', headers });
    await ask('/home', { headers });
})();
END
}

# ---- Small loads ----

bench_ab() {
    echo "$login" >"$work/login"
    said=$(ab -n 1 -v 4 -p "$work/login" -T application/json "$url/login")
    set -- -C "session_id=$(echo "$said" | id_in)" -v 4
    echo "$said"
    ab -k -n 200 -c 10 "$@" "$url/home" >"$work/responses"
    [ "$(grep -o 'Hello, foo' "$work/responses" | grep -c .)" -eq 200 ] && cat "$work/responses"
    ab -n 1 "$@" -p "$work/login" -T application/json "$url/logout"
    ab -n 1 "$@" "$url/home"
}

bench_wrk() {
    cat >"$work/visit.lua" <<'END'
local steps = {{"POST", "/login"}, {"GET", "/home"}, {"POST", "/logout"}, {"GET", "/home"}}
local step, shown, cookie = 1, 0, ""
function request()
    local body = step == 1 and '{"username": "foo", "password": "foo"}' or ""
    return wrk.format(steps[step][1], steps[step][2], {Cookie = cookie}, body)
end
function response(status, headers, body)
    if step == 1 then cookie = headers["Set-Cookie"]:match("^[^;]*") end
    if shown < 4 or status >= 402 then print(body) end
    step, shown = step % 4 + 1, shown + 1
end
END
    wrk -t 1 -c 1 -d 1s -s "$work/visit.lua" "$url"
}

# It neither shows responses nor keeps cookies: it counts.
bench_h2load() {
    ask -d "$login" "$url/login" >"$work/response"
    echo "$login" >"$work/login"
    set -- --h1 -H "Cookie: session_id=$(id_in <"$work/response")"
    h2load --h1 -n 1 -d "$work/login" "$url/login" | grep -q ' 1 2xx' && echo 'Logged in'
    h2load "$@" -n 200 -c 10 "$url/home" | grep -q ' 200 2xx' && echo 'Hello, foo'
    h2load "$@" -n 1 -d "$work/login" "$url/logout" | grep -q ' 1 2xx' && echo 'logged out'
    h2load "$@" -n 1 "$url/home" | grep ' 0 2xx' || echo 'Hello, foo'
}

start -a 127.0.0.1 -p 0 -q
printf '\n%-36s %-9s %-9s %s\n' client 'logs in' greeted 'logs out'
row 'curl -d' curl_d curl
row 'curl --json' curl_json curl
row 'curl -T -, in chunks' curl_T curl
row 'curl, Expect: 100-continue' curl_expect curl
row 'curl --http1.0' curl_http10 curl
row 'curl --http2' curl_http2 curl
row 'curl --proxy, in absolute form' curl_proxy curl
row 'curl, 22 requests on one connection' curl_next curl
row 'wget' wget_post wget
row 'wget of BusyBox' busybox_wget busybox
row 'HTTPie' httpie http
row "Python's http.client" http_client python3
python=python3
"$python" -c 'import requests' 2>/dev/null || python=/usr/bin/python3
if "$python" -c 'import requests' 2>/dev/null; then
    row "Python's requests" requests "$python"
else
    skip "Python's requests is not installed"
fi
row "Node's fetch" node_fetch node
row 'ab' bench_ab ab
row 'wrk' bench_wrk wrk
row 'h2load --h1' bench_h2load h2load
finish
