#!/bin/sh
# The files in examples/ with the programs they are for: systemd and BusyBox's init, each as process 1
# of namespaces that unshare(1) creates, which needs root. Nothing outside is changed.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/environment.sh

# The files that process 1 sees instead of the machine's own: /etc with the units, the line of
# inittab and the users, and /usr/local with the server.
prepare() {
    mkdir -p "$work/etc/server" "$work/etc/systemd/system" "$work/local/bin"
    cp "$server" "$work/local/bin/server"
    cp examples/inittab "$work/etc"
    cp examples/server.socket examples/server.service "$work/etc/systemd/system"
    for target in sysinit basic sockets shutdown; do
        printf '[Unit]\nDescription=%s\n' $target >"$work/etc/systemd/system/$target.target"
    done
    printf 'root:x:0:0::/:/bin/sh\nserver:x:990:990::/:/bin/false\n' >"$work/etc/passwd"
    printf 'root:x:0:\nserver:x:990:\n' >"$work/etc/group"
    echo 'foo:foo' >"$work/etc/server/users"
    chmod 600 "$work/etc/server/users"
}

# boot COMMAND...: becomes process 1, in namespaces and a control group of its own. $init is its
# process ID outside; $inside runs a command in its namespaces.
boot() {
    unshare --mount --pid --net --ipc --uts --fork --kill-child sh -ec '
        mount -t proc proc /proc
        mount -t tmpfs tmpfs /run
        mount -t cgroup2 cgroup2 /mnt
        mkdir "/mnt/${0##*/}"
        echo 0 >"/mnt/${0##*/}/cgroup.procs"
        umount /mnt
        mount --bind "$0/etc" /etc
        mount --bind "$0/local" /usr/local
        mount --make-rshared /
        ip link set lo up
        exec unshare --cgroup sh -ec "mount -t cgroup2 cgroup2 /sys/fs/cgroup
            exec env -i container=test PATH=$PATH SYSTEMD_UNIT_PATH=/etc/systemd/system \"\$@\"" \
            sh "$@"
    ' "$work" "$@" >"$work/boot" 2>&1 &
    boot=$!
    trap '{ halt; clean_up; } >/dev/null 2>&1' EXIT
    children=$boot
    eventually pgrep -P "$boot" >/dev/null
    init=$(pgrep -P "$boot")
    inside="nsenter -a -t $init"
}

halt() {
    kill -KILL "$boot"
    wait "$boot" 2>/dev/null
    children='' inside=''
    eventually unshare --mount sh -ec 'mount -t cgroup2 cgroup2 /mnt
        find "/mnt/${0##*/}" -depth -type d -exec rmdir {} +' "$work"
    trap 'clean_up >/dev/null 2>&1' EXIT
}

show() { $inside systemctl show --property "$1" --value server.service; }

# The server has no rights beyond those that it needs.
is_confined() {
    main=$(show MainPID)
    $inside cat "/proc/$main/status" | grep -E '^(Uid|CapBnd|NoNewPrivs|Seccomp):' |
        tr '\t\n' '  ' | grep -x 'Uid: 990 990 990 990 CapBnd: 0* NoNewPrivs: 1 Seccomp: 2 '
}

# Not even in /tmp.
writes_no_file() { $inside cat "/proc/$(show MainPID)/limits" | grep '^Max file size  *0  *0 '; }

# Or systemd has given up, so the client was refused.
has_failed_often() { [ "$(show NRestarts)" -ge 6 ] || [ -s "$work/response" ]; }

# The users file comes back when systemd has started the server six times. By default, systemd gives up
# before.
serves_after_repair() {
    $inside systemctl stop server.service
    mv "$work/etc/server/users" "$work/users"
    $inside curl -sS -m 300 http://127.0.0.1:8080/home >"$work/response" 2>&1 &
    eventually eventually has_failed_often
    mv "$work/users" "$work/etc/server/users"
    wait $!
    cat "$work/response"
    grep '"status_code": 401' "$work/response" && eventually greets http://127.0.0.1:8080
}

# greets_after COMMAND...
greets_after() { "$@" && greets http://127.0.0.1:8080; }

under_systemd() {
    boot /lib/systemd/systemd --unit=server.socket --show-status=no
    check 'systemd starts the server with the first connection' \
        eventually greets http://127.0.0.1:8080
    check 'The server has no rights beyond those that it needs' is_confined
    check 'It may not write to files' writes_no_file
    check 'No connection is refused after it was killed' \
        greets_after $inside systemctl kill --signal=KILL server.service
    check 'No connection is refused after it was stopped' \
        greets_after $inside systemctl stop server.service
    check 'A client that comes while the users file is missing is served after the repair' \
        serves_after_repair
    $inside systemctl stop server.socket server.service
    halt
}

under_init() {
    boot busybox init
    check 'The line of inittab starts the server' eventually greets http://127.0.0.1:8080
    $inside busybox killall -9 server
    check 'init starts it again after it was killed' eventually greets http://127.0.0.1:8080
    halt
}

# systemd-analyze(1) checks that the program of a unit exists.
verify_units() {
    cp -r "$work/etc/systemd/system" "$work/units"
    sed "s,/usr/local,$work/local," examples/server.service >"$work/units/server.service"
    export SYSTEMD_UNIT_PATH="$work/units"
    check 'systemd-analyze finds no fault with the units' \
        equal '' "$(systemd-analyze verify --man=no server.service server.socket 2>&1)"
    check 'It rates the exposure of the service at 1.0 of 10 at most' \
        systemd-analyze security --offline=yes --threshold=10 --no-pager server.service
}

needs curl unshare nsenter ip pgrep busybox systemd-analyze /lib/systemd/systemd
prepare || exit 1
verify_units
unshare --mount --pid --cgroup --fork mount -t cgroup2 cgroup2 /mnt 2>/dev/null || {
    skip 'process 1: only root may make namespaces'
    report
}
chown 990 "$work/etc/server/users"
under_systemd
under_init
report
