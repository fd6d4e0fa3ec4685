#!/bin/sh
# Writes the inputs that the fuzzers begin with to FOLDER/FUZZER/1, 2, ...: seeds.sh FOLDER
# The head of each fuzzer describes its inputs.
set -e
fuzzer='' input='' number=0

write() {
    [ -n "$input" ] || return 0
    number=$((number + 1))
    mkdir -p "$1/$fuzzer"
    # shellcheck disable=SC2059 # printf has to interpret the escapes
    printf "$input" >"$1/$fuzzer/$number"
}

# A name begins an input of that fuzzer; its lines follow, each behind a tab, as printf writes them.
{
    while IFS= read -r line; do
        case $line in
        '	'*)
            input=$input${line#?}
            ;;
        *)
            write "$1"
            fuzzer=$line input=
            ;;
        esac
    done
    write "$1"
} <<'END'
request
	\000\000\000\000GET / HTTP/1.1\r\n
	Host: a\r\n\r\n
request
	\002\003\377\000\r\nPOST /%%41%%2f?b=[c] HTTP/1.0\r\n
	X: y\r\nContent-Length: 3\r\nX:\r\n\r\n
	abcGET
request
	\006\006\006\006HEAD http://[::1]:80/a?b HTTP/1.1\r\n
	host:a.b:8080\r\nConnection: close, ,keep-alive\r\n\r\n
request
	\020\001\001\001OPTIONS * HTTP/1.9\r\n
	Host: a\r\nExpect: 100-continue\r\nCookie: a=b; c\r\nCookie: a=d\r\n
	Transfer-Encoding: chunked\r\n\r\n
	3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n
request
	\376\377\377\377POST / HTTP/1.1\r\n
	Host: a\r\nOrigin: https://b\r\nSec-Fetch-Site: same-origin\r\n\r\n
request
	\000\000\000\000GET / HTTP/1.1\r\nX: %2028s
request
	\000\000\000\000GET / HTTP/1.1\r\nX: %2029s
request
	\001\000\000\0005\r\nhello\r\n0\r\n\r\n
request
	\001\002\003\004000a;b="c";d\r\n0123456789\r\nF\r\n0123456789abcde\r\n0\r\nX: y\r\nZ:\r\n\r\n
request
	\377\000\007\000ffffffffffffffff\r\n
json
	\004{"username": "foo", "password": "\\u0066\\u006fo",
	 "a": [1, -2.5e+3, true, false, null, {}]}
json
	\000["\\ud834\\udd1e\\"\\\\\\/\\b\\f\\n\\r\\t", "\303\251\342\202\254\360\235\204\236", ""]
json
	\377[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
json
	\377[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
json
	\001{"a": {"a": "b"}, "\\u0061": "c", "a": 1e-400}
request
	\000\000\000\000GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0042\t\r\n\r\n
request
	\000\000\000\000GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n
cookies
	a=b; session_id=c; "session_id=d"; =; e
server
	GET /home HTTP/1.1\r\nHost: a\r\nCookie: session_id=\377k0\r\n\r\n\377r9
	GET /home/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\377r9
	OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n
server
	POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n
	{"username":"foo","password":"foo"}\377r9
server
	POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n
	\377r924\r\n{"username":"foo","password":"fooo"}\r\n0\r\n\r\n\377r9
server
	POST /logout HTTP/1.1\r\nHost: a\r\nCookie: session_id=\377k0\r\nOrigin: http://a\r\n\r\n\377r9
	POST /home HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n\377e0\377r9
server
	\377o5GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n\377x6\377x7\377x8\377x9\377x:\377r2
	\377o?\377r9\377t2\377r9\377oO
server
	\377i1OPTIONS /home HTTP/1.1\r\nHost: a\r\n\r\n\377rO\377e1
	\377c1HEAD * HTTP/1.1\r\nHost: a\r\n\r\nPUT /login HTTP/1.1\r\nHost: a\r\n\r\n
	BAD\r\n\r\n\377r9\377t8
server
	GET /\377c1GET /\377c2GET /\377c3GET /\377c4GET /\377c5GET /\377r9
	\377c6GET /\377c7GET /\377c8GET /\377c9GET /\377c:GET /\377c;GET /\377c<GET /\377c=GET /\377r9
	\377tJ\377r9\377tI\377r9
server
	GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaa
	\377x4\377x5\377x6\377x7\377x8\377x9\377x:\377x;\377x<\377r9
server
	\377l1GET / HTTP/1.1\r\nHost: aaaaaa\r\n\r\n
	\377x5\377x6\377x7\377x8\377x9\377x:\377x;\377x<\377r9\377l0
server
	GET / HTTP/1.1\r\nHost: a\r\n\r\n\377f0\377c1\377r1\377tA\377r1\377f7\377f<\377r1
	GET / HTTP/1.1\r\nHost: a\r\n\r\n\377l1\377x9\377x:\377r9\377l0\377s0\377r9
server
	\377r1\377tA\377r1\377c1\377c0GET / HTTP/1.1\r\nHost: a\r\n\r\n\377r0\377r9
server
	\377f>\377r9
server
	\377f?GET / HTTP/1.1\r\nHost: a\r\n\r\n\377r1\377f?\377r1
server
	GET /\377s0\377r1\377s1\377r2 HTTP/1.1\r\nHost: a\r\n\r\n\377r9
server
	\377r1\377c1\377r1\377c2\377r1\377c3\377r1\377c4\377r1\377c5\377r1\377c6\377r1\377c7\377r1
	\377c8\377r1\377c9\377r1\377c:\377r1\377c;\377r1\377c<\377s0\377r9
server
	\377c4GET /\377r1\377c5GET /\377r1\377c6GET /\377r1\377c7GET /\377r1\377c8GET /\377r1
	\377c9GET /\377r1\377c:GET /\377r1\377c0GET /\377r1\377c;GET /\377r9
	\377c0 HTTP/1.1\r\nHost: a\r\n\r\n\377r9
server
	\377l2GET /%%22 HTTP/1.1\r\nHost: a\r\nCookie: session_id=a\200\r\n\r\n\377r9
	\377l1\377x9\377r9\377l4\377r3
server
	\r\377r2\n\377r2\r\n\377r2\r\n\r\377r2\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\377r9\377tJ\377r9
END
