#!/bin/sh
# The documents in docs/: their commands work, their links lead somewhere, their quotations are those of the
# sources, and their pictures are those that the script draws. A block of commands that begins with `# run`
# is run in namespaces, with copies of /etc, /usr/local and the sources: there it may install. That needs
# root.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/environment.sh
needs curl unshare ip python3 busybox

# ---- Links, quotations, pictures, names ----

# Links to files, from the folder of the document.
wrong_links() {
    for document in README.md docs/*.md; do
        grep -oE '\]\([^)#]+' "$document" | cut -c 3- | grep -v '^http' | while read -r link; do
            [ -e "$(dirname "$document")/$link" ] || echo "$document: $link"
        done
    done
}

# A quotation is a block that begins with "```c FILE". Its lines stand in the file one after the other.
wrong_quotations() {
    awk '
        /^```c ./ {
            whole = "\n"
            while ((getline line <$2) > 0) whole = whole line "\n"
            close($2)
            title = FILENAME ":" FNR ": not in " $2
            quoted = "\n"
            next
        }
        /^```/ && title { if (!index(whole, quoted)) print title quoted; title = "" }
        title { quoted = quoted $0 "\n" }' docs/*.md
}

wrong_pictures() {
    mkdir -p "$work/pictures"
    python3 -B docs/pictures/draw.py "$work/pictures"
    for picture in "$work"/pictures/*.svg; do cmp "$picture" "docs/${picture##*/}"; done
}

# Names with an underscore, in pictures and in code of the exercises; epoll is for the reader to add.
unknown_names() {
    {
        cat docs/*.svg | grep -oE 'class="[^"]*code[^>]*>[^<]*' | sed 's/.*>//'
        grep -ohE '`[a-z_0-9]+`' docs/exercises.md docs/performance.md
    } | grep -oE '[a-z][a-z0-9]*(_[a-z0-9]+)+' | grep -v '^epoll_' | sort -u |
        while read -r name; do grep -qw "$name" ./*.c ./*.h || echo "$name"; done
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

# ---- Commands ----

# inside_namespaces COMMAND...: runs it as root there. Whatever it started ends with it.
inside_namespaces() {
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
    mkdir -p "$work/tree" "$work/blocks" "$work/local/bin" "$work/image/dev" "$work/applets" &&
        tar -c --exclude=./.git --exclude=./build --exclude=./server --exclude='*.o' . |
        tar -x -C "$work/tree" && cp "$server" "$work/tree/server" && cp -a /etc "$work/etc" &&
        mkdir -p "$work/etc/logrotate.d" "$work/etc/init.d" &&
        busybox --install -s "$work/applets" && ln -sf "$(command -v curl)" "$work/applets/curl"
}

# Writes the blocks that are to be run, one to a file. A step of GitHub Actions becomes a line of commands.
write_blocks() { # DOCUMENT
    awk -v folder="$work/blocks" '
        /^```/ { fence = !fence; on = 0; begins = fence; yaml = /yaml/; next }
        fence && begins { begins = 0; if ($0 == "# run") { file = folder "/" 100 + ++n ".sh"; on = 1; next } }
        on && yaml { sub(/^- run: /, "") }
        on { print > file }' "$1"
}

# Runs all blocks one after another, like a reader who types them.
run_blocks() {
    inside_namespaces sh -c '
        export PATH=/usr/local/bin:$PATH
        for block; do
            timeout 120 bash -e "$block" >"$block.said" 2>&1
            echo $? >"$block.status"
            [ -z "$(pidof server)" ] || pkill -x server
        done' run "$@"
}

succeeded() { cat "$1.said" && [ "$(cat "$1.status")" = 0 ]; }

# What Docker does with the three lines of examples/Dockerfile: the root of the image has one file, and the
# server is process 1. The runtime adds /dev.
image_works() {
    CC=${CC:-cc} sh tests/cross/static.sh || return
    cp "$(awk '$1 == "COPY" { print $2 }' examples/Dockerfile)" \
        "$work/image$(awk '$1 == "COPY" { print $3 }' examples/Dockerfile)"
    program=$(sed -n 's/^ENTRYPOINT \["\(.*\)"\]$/\1/p' examples/Dockerfile)
    inside_namespaces sh -ec '
        mount --bind /dev "$0/dev"
        unshare --pid --fork --kill-child --root="$0" "$1" -q >/dev/null &
        curl -fsS --retry 10 --retry-connrefused -X OPTIONS http://127.0.0.1:8080/login
        kill "$(pgrep -P $!)"
        wait $!' "$work/image" "$program"
}

# The script for BusyBox, with BusyBox's shell and programs, after the document has made user and files.
busybox_works() {
    inside_namespaces env PATH="$work/applets" sh -c '
        for action in start restart; do
            sh examples/S50server $action || exit
            curl -fsS --retry 10 --retry-connrefused -X OPTIONS http://127.0.0.1:8080/login || exit
        done
        sh examples/S50server stop && grep "OPTIONS /login" /var/log/server.log && ! pidof server'
}

check 'The links of the documents lead to files' equal '' "$(wrong_links)"
check 'The quotations stand in the files' equal '' "$(wrong_quotations)"
check 'The pictures are those that draw.py draws' equal '' "$(wrong_pictures 2>&1)"
check 'The names in pictures and exercises are those of the sources' equal '' "$(unknown_names)"
check 'The command of the OpenWrt script is one that the server knows' procd_works
check 'The Dockerfile has three lines' equal 3 "$(wc -l <examples/Dockerfile)"
unshare --mount --pid --net --fork true 2>/dev/null || {
    skip 'the commands of the documents: only root may make namespaces'
    report
}
prepare || exit 1
check 'The image of the Dockerfile works, and ends with SIGTERM' image_works
write_blocks docs/deployment.md
run_blocks "$work"/blocks/*.sh
for block in "$work"/blocks/*.sh; do check "$(head -n 1 "$block")" succeeded "$block"; done
check 'The script for BusyBox works with its shell and programs' busybox_works
report
