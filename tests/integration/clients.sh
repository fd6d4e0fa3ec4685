#!/bin/sh
# Real clients: each logs in, is greeted, logs out and is not greeted any more.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/environment.sh
needs curl wget busybox http python3 node ab wrk
login='{"username": "foo", "password": "foo"}'

# Runs a client, and looks at the responses that it printed.
visits() { # COMMAND...
    rm -f "$work/jar" "$work/session"
    output=$("$@" 2>&1)
    echo "$output"
    case $output in
    *'"Logged in"'*'Hello, foo'*'logged out'*'Hello'*) return 1 ;;
    *'"Logged in"'*'Hello, foo'*'logged out'*) ;;
    *) return 1 ;;
    esac
}

# A client that requests one URL at a time, and its option for a body.
steps() { # OPTION COMMAND...
    option=$1
    shift
    "$@" "$option" "$login" "$url/login"
    "$@" "$url/home"
    "$@" "$option" '' "$url/logout"
    "$@" "$url/home"
}

# ---- Clients for `steps` ----

ask() { curl -sS -m 10 -b "$work/jar" -c "$work/jar" "$@"; }

# The length of input from a pipe is not known in advance, so it is sent in chunks.
ask_in_chunks() {
    if [ "$1" = -T ]; then printf '%s' "$2" | ask -X POST -T - "$3"; else ask "$1"; fi
}

gnu_wget() {
    touch "$work/jar"
    wget -q -O - -T 10 --load-cookies "$work/jar" --save-cookies "$work/jar" --keep-session-cookies "$@"
}

httpie() { # [--raw BODY] URL
    [ $# -eq 1 ] || set -- --raw "$2" POST "$3"
    http --ignore-stdin --print=b --session="$work/session.json" "$@"
}

# These two keep no cookies.
keep_session() { tee "$work/response" && grep -o '"session_id": "[0-9a-f]*' "$work/response" >>"$work/session"; }
session() { sed -n 's/"session_id": "/session_id=/p;q' "$work/session"; }

busybox_wget() { busybox wget -q -O - --header "Cookie: $(session)" "$@" | keep_session; }

# It keeps connections with HTTP/1.0. If not all of its 200 requests get the same response, none is shown.
apache_bench() { # [-p BODY] URL
    if [ $# -eq 1 ]; then
        set -- -k -n 200 -c 10 "$1"
    else
        echo "$2" >"$work/body"
        set -- -p "$work/body" -T application/json "$3"
    fi
    ab -v 4 -C "$(session)" "$@" | grep -a '^{' | sort | uniq -c |
        sed -n 's/^ *\(1\|200\) {/{/p' | keep_session
}

# ---- Clients that take all steps themselves ----

curl_once() {
    set -- -sS -m 10 -b "$work/jar" -c "$work/jar" -w ' %{num_connects}\n'
    curl "$@" -d "$login" "$url/login" --next "$@" "$url/home?[1-20]" \
        --next "$@" -d '' "$url/logout" --next "$@" "$url/home" >"$work/responses"
    [ "$(grep -c ' 0$' "$work/responses")" -eq 22 ] && cat "$work/responses"
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
    /usr/bin/python3 - "$url" <<'END'
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

wrk_visit() {
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

start -a 127.0.0.1 -p 0 -q
check 'curl -d' visits steps -d ask
check 'curl --json' visits steps --json ask
check 'curl -T -, in chunks' visits steps -T ask_in_chunks
check 'curl, Expect: 100-continue, which waits too long without the 100' \
    visits steps -d ask -H 'Expect: 100-continue' --expect100-timeout 20
check 'curl --http1.0' visits steps -d ask --http1.0
check 'curl --http2, which asks for an upgrade' visits steps -d ask --http2
check 'curl --proxy, in absolute form' visits steps -d ask --proxy "$url"
check 'curl, 23 requests on one connection' visits curl_once
check 'wget' visits steps --post-data gnu_wget
check 'wget of BusyBox' visits steps --post-data busybox_wget
check 'HTTPie' visits steps --raw httpie
check "Python's http.client" visits http_client
check "Python's requests" visits requests
check "Node's fetch" visits node_fetch
check 'ab' visits steps -p apache_bench
check 'wrk' visits wrk_visit
report
