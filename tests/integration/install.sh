#!/bin/sh
# `make install`, `make uninstall` and the manual page.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/environment.sh
needs mandoc groff curl
root="$work/a root"

# The files below the root, with their modes; folders that others may not enter too.
files() { (cd "$root" && find . \( ! -type d -o ! -perm -755 \) -printf '%P %M\n' | sort); }

run() { make -s "$1" DESTDIR="$root" PREFIX=/usr; }

installs() {
    (umask 077 && run install) || return
    equal 'usr/bin/server -rwxr-xr-x
usr/share/man/man8/server.8 -rw-r--r--' "$(files)"
}

# The file of a running program cannot be written to.
installs_over_running() { run install && greets "$url"; }

leaves_nothing() { run uninstall && equal '' "$(files)"; }

# For each option, -h has a line "  -x  ..." and the page has `.It Fl x`.
options_agree() {
    "$server" -h | sed -n 's/^  -\(.\) .*/\1/p' | sort >"$work/help"
    sed -n 's/^\.It Fl \(.\).*/\1/p' server.8 | sort >"$work/page"
    [ -s "$work/help" ] && diff "$work/help" "$work/page"
}

mandoc_is_silent() {
    said=$(mandoc -T lint server.8 | grep -v 'referenced manual not found\|outdated mandoc.db')
    equal '' "$said"
}

mkdir "$root"
chmod 755 "$root"
check 'It installs the server and its page for all, whatever the umask' installs
serve "$work" "$root/usr/bin/server" -a 127.0.0.1 -p 0 -q
children=$pid
check 'It replaces a running server' installs_over_running
check 'make uninstall leaves no file behind' leaves_nothing
check 'The page has every option of -h, and no other' options_agree
check 'mandoc finds no fault with the page' mandoc_is_silent
check 'groff finds no fault with the page' \
    equal '' "$(groff -ww -mandoc -Tascii -z server.8 2>&1)"
report
