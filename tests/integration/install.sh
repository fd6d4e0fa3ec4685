#!/bin/sh
# `make install`, `make uninstall` and the manual page.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/world.sh
root="$work/a root"

files() { (cd "$root" && find . -type f -o -type l | sort); }

modes() { (cd "$root" && find . ! -type d -exec ls -l {} + | cut -c1-10 | sort | tr '\n' ' '); }

run() { make -s "$1" DESTDIR="$root" PREFIX=/usr; }

installs() {
    (umask 077 && run install) || return
    files
    [ "$(files)" = './usr/bin/server
./usr/share/man/man8/server.8' ]
}

others_may_use_it() {
    modes
    [ "$(modes)" = '-rw-r--r-- -rwxr-xr-x ' ] &&
        [ -z "$(find "$root/usr" -type d ! -perm -755)" ]
}

# The file of a running program cannot be written to.
installs_over_running() { run install && greets "$url"; }

leaves_nothing() { run uninstall && files && [ -z "$(files)" ]; }

# For each option, -h has a line "  -x  ..." and the page has `.It Fl x`.
options_agree() {
    "$server" -h | sed -n 's/^  -\(.\) .*/\1/p' | sort >"$work/help"
    sed -n 's/^\.It Fl \(.\).*/\1/p' server.8 | sort >"$work/page"
    [ -s "$work/help" ] && diff "$work/help" "$work/page"
}

mkdir "$root"
check 'It installs the server and its page below DESTDIR and PREFIX' installs
check 'Others may run and read them, whatever the umask' others_may_use_it
server="$root/usr/bin/server"
start -a 127.0.0.1 -p 0 -q
check 'It replaces a running server' installs_over_running
server=${SERVER:-./server}
check 'make uninstall leaves no file behind' leaves_nothing
check 'The page has every option of -h, and no other' options_agree
if has mandoc; then
    check 'mandoc finds no fault with the page' \
        finds_no_fault 'referenced manual not found\|outdated mandoc.db' mandoc -T lint server.8
else
    skip 'mandoc is not installed'
fi
if has groff; then
    check 'groff finds no fault with the page' finds_no_fault '^$' \
        groff -ww -mandoc -Tascii -z server.8
else
    skip 'groff is not installed'
fi
finish
