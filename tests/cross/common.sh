# common.sh - shared by the scripts in this folder, which run from the top folder.
# shellcheck shell=sh
. tests/check.sh
modules='app server listen log route http json db sha1 str'
sources='app.c server.c listen.c log.c route.c http.c json.c db.c sha1.c str.c'
strict='-pedantic -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wformat=2 -Wvla -Werror'

# Prints the rows of the table of targets.
targets() { grep -v '^#' tests/cross/targets; }

# Prints the path of an emulator. Some systems call qemu-arm qemu-arm-static.
find_emulator() { [ "$1" = - ] || command -v "$1" || command -v "$1-static"; }
