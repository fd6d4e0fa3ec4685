#!/bin/sh
# boundaries.sh - checks what each module may not ask of the system, by the names that its object calls.
cd "$(dirname "$0")/../.." || exit 1
. tests/check.sh
sockets='socket|bind|listen|accept|connect|send|recv|shutdown|setsockopt'

call_none() { # NAMES MODULE...
    names=$1
    shift
    for module; do nm -u "$module.o" 2>&1 | grep -wE "$names|No such file" | sed "s/^/$module:/"; done
}

check 'the protocol and the tables call no function of sockets or files' \
    equal '' "$(call_none "$sockets|poll|read|write|close" http json db sha1 str route)"
check 'the application calls no function of sockets' equal '' "$(call_none "$sockets" app)"
check 'the protocol does not touch the heap' \
    equal '' "$(call_none 'malloc|calloc|realloc|free' http json sha1 str route)"
check 'the protocol and the tables read no clock' \
    equal '' "$(call_none 'time|clock|clock_gettime|gettimeofday' http json db route)"
check 'the event loop handles no signals' equal '' "$(call_none 'sigaction|signal|sigprocmask' server)"
report
