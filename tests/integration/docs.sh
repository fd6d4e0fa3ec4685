#!/bin/sh
# The documents in docs/: their commands work, their links lead somewhere, and their pictures are those that
# the script draws. A block of commands that begins with `# run` is run, in a world of its own in which it
# may install: namespaces with copies of /etc, /usr/local and the sources. That needs root.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/world.sh
needs curl unshare ip python3

# Writes the blocks of a document that are to be run, one to a file: $work/blocks/NUMBER.sh. A step of
# GitHub Actions becomes a line of commands.
extract_blocks() {
    mkdir -p "$work/blocks"
    awk -v folder="$work/blocks" '
        /^```/ { fence = !fence; on = 0; begins = fence; yaml = /yaml/; next }
        fence && begins { begins = 0; if ($0 == "# run") { file = folder "/" 100 + ++n ".sh"; on = 1; next } }
        on && yaml { sub(/^- run: /, "") }
        on { print > file }
    ' "$1"
}

# in_world COMMAND...: runs it as root of namespaces of its own. Whatever it started ends with it.
in_world() {
    unshare --mount --pid --net --ipc --fork --kill-child sh -euc '
        mount -t proc proc /proc
        mount --bind "$0/etc" /etc
        mount --bind "$0/local" /usr/local
        mount -t tmpfs -o mode=755 tmpfs /var/log
        mount -t tmpfs tmpfs /run
        ip link set lo up
        cd "$0/tree"
        exec "$@"' "$work" "$@"
}

prepare() {
    mkdir -p "$work/tree" "$work/local/bin" &&
        tar -c --exclude=./.git --exclude=./build --exclude=./server --exclude='*.o' . |
        tar -x -C "$work/tree" && cp "$server" "$work/tree/server" && cp -a /etc "$work/etc" &&
        mkdir -p "$work/etc/logrotate.d" "$work/etc/init.d"
}

# Names the first program of a block that is not installed.
missing() {
    grep -oE '^[a-z][a-z0-9-]*' "$1" | sort -u | while read -r program; do
        case $program in server | server-arm | cd) continue ;; esac
        has "$program" || { echo "$program"; break; }
    done
}

# Runs all blocks in one world, one after another, like a reader who types them.
# shellcheck disable=SC2016 # the inner shell expands
run_blocks() {
    in_world sh -c '
        export PATH=/usr/local/bin:$PATH
        for block; do
            timeout 120 bash -e "$block" >"$block.said" 2>&1
            echo $? >"$block.status"
            [ -z "$(pidof server)" ] || pkill -x server
        done' run "$@"
}

succeeded() {
    cat "$1.said"
    [ "$(cat "$1.status")" = 0 ]
}

blocks_of() {
    document=$1
    rm -rf "$work/blocks"
    extract_blocks "$document"
    set --
    for block in "$work"/blocks/*.sh; do
        program=$(missing "$block")
        if [ -n "$program" ]; then
            skip "$document: $program is not installed"
        else
            set -- "$@" "$block"
        fi
    done
    run_blocks "$@"
    for block; do check "$document: $(head -n 1 "$block")" succeeded "$block"; done
    check "$document has commands to run" [ $# -gt 0 ]
}

# What Docker does with the three lines of examples/Dockerfile: the root of the image has one file, and the
# server is process 1. The runtime adds /dev.
# shellcheck disable=SC2016
image_works() {
    CC=${CC:-cc} sh tests/cross/static.sh || return
    mkdir -p "$work/image/dev"
    cp "$(awk '$1 == "COPY" { print $2 }' examples/Dockerfile)" \
        "$work/image$(awk '$1 == "COPY" { print $3 }' examples/Dockerfile)"
    program=$(sed -n 's/^ENTRYPOINT \["\(.*\)"\]$/\1/p' examples/Dockerfile)
    in_world sh -ec '
        mount --bind /dev "$0/dev"
        unshare --pid --fork --kill-child --root="$0" "$1" -q >/dev/null &
        curl -fsS --retry 10 --retry-connrefused -X OPTIONS http://127.0.0.1:8080/login
        kill "$(pgrep -P $!)"
        wait $!' "$work/image" "$program"
}

is_three_lines() { [ "$(wc -l <examples/Dockerfile)" -eq 3 ]; }

# The script for BusyBox, with BusyBox's shell and programs, after the document has made user and files.
# shellcheck disable=SC2016
busybox_works() {
    mkdir -p "$work/applets" && busybox --install -s "$work/applets" || return
    ln -sf "$(command -v curl)" "$work/applets/curl"
    in_world env PATH="$work/applets" sh -c '
        for action in start restart; do
            sh examples/S50server $action || exit
            curl -fsS --retry 10 --retry-connrefused -X OPTIONS http://127.0.0.1:8080/login || exit
        done
        sh examples/S50server stop && grep "OPTIONS /login" /var/log/server.log && ! pidof server'
}

# procd cannot run here: what the script asks of it is printed, and the server must know the options.
# shellcheck disable=SC1091
procd_command() (
    procd_open_instance() { :; }
    procd_close_instance() { :; }
    procd_set_param() { [ "$1" != command ] || { shift && echo "$*"; }; }
    . examples/server.init
    start_service
)
procd_works() {
    command=$(procd_command) && echo "$command" && [ "${command%% *}" = /usr/bin/server ] &&
        "$server" ${command#* } -h | grep '^usage'
}

# Links to files, from the folder of the document.
links_lead_somewhere() {
    for document in README.md docs/*.md; do
        grep -oE '\]\([^)#]+' "$document" | cut -c 3- | grep -v '^http' | while read -r link; do
            [ -e "$(dirname "$document")/$link" ] || echo "$document: $link"
        done
    done >"$work/links"
    cat "$work/links"
    [ ! -s "$work/links" ]
}

# Names with an underscore, in pictures and in code of the exercises.
names_exist() {
    cat docs/*.svg | grep -oE 'class="[^"]*code[^>]*>[^<]*' | sed 's/.*>//' >"$work/texts"
    grep -oE '`[a-z_0-9]+`' docs/exercises.md docs/performance.md | cut -d : -f 2 >>"$work/texts"
    grep -oE '[a-z][a-z0-9]*(_[a-z0-9]+)+' "$work/texts" | sort -u >"$work/names"
    while read -r word; do
        case $word in epoll_*) continue ;; esac # for the reader to add
        grep -qw "$word" ./*.c ./*.h || echo "$word"
    done <"$work/names" >"$work/unknown"
    cat "$work/unknown"
    [ -s "$work/names" ] && [ ! -s "$work/unknown" ]
}

pictures_are_drawn() {
    mkdir -p "$work/pictures" && python3 -B docs/pictures/draw.py "$work/pictures" &&
        for picture in "$work"/pictures/*.svg; do
            cmp "$picture" "docs/${picture##*/}" || return
        done
}

check 'The links of the documents lead to files' links_lead_somewhere
check 'The pictures are those that draw.py draws' pictures_are_drawn
check 'The names in pictures and exercises are those of the sources' names_exist
check 'The command of the OpenWrt script is one that the server knows' procd_works
check 'The Dockerfile has three lines' is_three_lines
unshare --mount --pid --net --fork true 2>/dev/null || {
    skip 'the commands of the documents: only root may make namespaces'
    finish
}
prepare || exit 1
check 'The image of the Dockerfile works, and ends with SIGTERM' image_works
blocks_of docs/deployment.md
if has busybox; then
    check 'The script for BusyBox works with its shell and programs' busybox_works
else
    skip 'busybox is not installed'
fi
finish
