#!/bin/sh
# fetch.sh - fetches Debian packages of another architecture and unpacks them.
#
#     sh tests/cross/boot/fetch.sh ARCHITECTURE FOLDER PACKAGE...
#
# apt keeps its lists and its state in FOLDER, so the machine learns nothing of the architecture, and
# no rights are needed. In place of a package that is empty and depends on the current version, as
# linux-image-armmp does, the one that it depends on is fetched.
# shellcheck disable=SC2086 # the options are words
architecture=$1 folder=$2
shift 2
mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/root"
folder=$(cd "$folder" && pwd)
: >"$folder/status"
options="-qq -o APT::Architecture=$architecture -o APT::Architectures=$architecture
         -o Dir::State=$folder/state -o Dir::State::status=$folder/status
         -o Dir::Cache=$folder/cache -o Acquire::Languages=none -o APT::Sandbox::User=root"

# Prints the package that a kernel's package without a version depends on.
current() {
    case $1 in
    linux-*) apt-cache $options depends "$1" | sed -n 's/^ *Depends: \(linux-.*\)/\1/p' ;;
    *) echo "$1" ;;
    esac
}

# An index that cannot be fetched, as while a mirror is updated, matters only if the package is in it.
apt-get $options update 2>"$folder/update"
cd "$folder/cache" || exit
for package; do
    rm -f ./*.deb
    if ! apt-get $options download "$(current "$package")" || ! dpkg-deb -x ./*.deb ../root; then
        cat "$folder/update"
        exit 1
    fi
done
