#!/bin/sh
# Three servers behind HAProxy, with the configuration in examples/, in a network namespace that has its
# addresses and ports. haproxy.py has the tests.
cd "$(dirname "$0")/../.." || exit 1
if [ $# -eq 0 ] && unshare --map-root-user --net true 2>/dev/null; then
    exec unshare --map-root-user --net sh tests/integration/haproxy.sh inside
fi
. tests/integration/environment.sh
needs haproxy curl openssl pgrep ip unshare python3
[ $# -eq 1 ] || { skip 'HAProxy: there are no network namespaces'; report; }

ip link set lo up
for address in 10.0.0.11/24 10.0.0.12/24 10.0.0.13/24; do ip address add $address dev lo; done
for address in fd00:0:0:1::1 fd00:0:0:1::2 fd00:0:0:2::1; do ip address add $address/64 dev lo nodad; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=localhost -keyout "$work/key" -out "$work/certificate" 2>/dev/null
cat "$work/certificate" "$work/key" >"$work/site.pem"
sed "s,/etc/haproxy/site.pem,$work/site.pem," examples/haproxy.cfg >"$work/haproxy.cfg"
python3 -B tests/integration/haproxy.py "$server" "$work" &
children=$!
wait $!
