#!/bin/sh
# Checks that every call to libc that the sources make is in calls.h, or cannot fail. run.sh has
# compiled the sources. Names with a leading underscore belong to libc alone.
# shellcheck disable=SC2086 # lists of names
. tests/check.sh

# Variables, and calls that cannot fail with the arguments that they get: the buffers of snprintf and
# inet_ntop are large enough, and the number that sigaddset gets exists. htonl is in a macro of glibc.
others='exit free getenv getopt getpid htonl htons inet_ntop memchr memcmp memcpy memmove memset ntohs
    optarg optind optopt sigaddset sigemptyset sigfillset snprintf stderr stdout strchr strcmp strcpy strerror
    strlen tzset'
unlisted=$(nm -g build/fault/*.o | awk '$1 == "U" { used[$2] } $2 ~ /[TDBR]/ { ours[$3] }
    END { for (name in used) if (!(name in ours) && name !~ /^_/) print name }' |
    grep -vxF "$(printf '%s\n' $others; sh tests/fault/names.sh)")
check "every call that the sources make is in calls.h, or cannot fail (not so: $unlisted)" \
    [ -z "$unlisted" ]
report
