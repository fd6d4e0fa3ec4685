#!/bin/sh
# boot.sh - boots emulated boards on which the server is the only program, with Debian's kernels.
#
#     KERNEL=build sh tests/cross/boot/boot.sh [-m] [BOARD...]
#
# The table `boards` lists them. Each board boots four times:
#
#   - Once with init.c, which loads modules, configures the network, and becomes the server. A client outside
#     logs in, is greeted and logs out, through a port of 127.0.0.1 that the emulator forwards. The
#     script prints the seconds from power-on to the first response, and the memory.
#   - Three times with the server itself as the first program, with right and with wrong options. These
#     boots have no network, because the drivers are modules.
#
# With KERNEL=build the board `arm` boots once more, with a small kernel that kernel.sh builds. It contains
# the driver, the server and nothing else, and configures the network itself.
#
# With -m it only looks for the least RAM of a board, by trying less and less.
#
# The server is built with musl's C library of the board. Kernel and library are fetched by fetch.sh. A
# board whose compiler or emulator is not installed is reported and skipped. build/boot/BOARD/console is
# what the board wrote last.
# shellcheck disable=SC2086 # lists of modules and of flags are words
. tests/cross/common.sh
top=$PWD/build/boot
options='-p 80 -c 16 -s 32'
qemu=

now() { date +%s%N; }
seconds() { echo "$1" | awk '{ printf "%.1f", $1 / 1e9 }'; }

# Waits until a file has a line with this pattern. Fails after two minutes, or if the emulator has ended.
wait_for() { # PATTERN FILE
    deadline=$(($(now) + 120000000000))
    until grep -q -e "$1" "$2"; do
        kill -0 "$qemu" 2>/dev/null || { grep -q -e "$1" "$2" && return; return 1; }
        [ "$(now)" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

# ---- Building ----

# Uses musl's compiler flags with the paths of the unpacked package.
compile() { # TO FLAGS... SOURCES...
    to=$1
    shift
    sed -e "s|/usr/include/|$root&|g" -e "s|/usr/lib/|$root&|g" \
        "$root"/usr/lib/*musl*/musl-gcc.specs >"$work/specs"
    "$compiler" -specs="$work/specs" -std=c99 -Os -static -s -fno-pie -no-pie \
        -fno-asynchronous-unwind-tables -o "$work/$to" "$@"
}

# Prints a member of an archive of cpio's newc format (buffer-format.rst of the kernel): a head of
# numbers with eight hexadecimal digits, the name, the bytes; each part is padded to four bytes. So no
# rights are needed to make a device node.
member() { # NAME MODE FILE MAJOR MINOR
    size=$(wc -c <"$3") inode=$((inode + 1))
    printf '070701%08X%08X%08X%08X%08X%08X%08X' $inode "0$2" 0 0 1 0 $size
    printf '%08X%08X%08X%08X%08X%08X%s\0' 0 0 "$4" "$5" $((${#1} + 1)) 0 "$1"
    pad $((110 + ${#1} + 1))
    cat "$3"
    pad $size
}

pad() { head -c $(((4 - $1 % 4) % 4)) /dev/zero; }

# The device that the server reads its secret from. The kernel itself makes /dev and /dev/console, unless
# the archive is a part of it.
console_device() { member dev 40755 /dev/null 0 0 && member dev/console 20600 /dev/null 5 1; }
random_device() { member dev/urandom 20666 /dev/null 1 9; }

end_of_archive() { member 'TRAILER!!!' 0 /dev/null 0 0; }

# The driver of the network card, numbered in the order of loading. What the kernel has built in is left
# out.
modules_of_kernel() {
    member modules 40755 /dev/null 0 0
    number=0
    for module in failover net_failover virtio_ring virtio virtio_mmio virtio_net; do
        file=$(find "$root/lib/modules" -name "$module.ko")
        [ -n "$file" ] || continue
        number=$((number + 1))
        member "modules/$number.ko" 100644 "$file" 0 0
    done
}

# alone: the server is the first program, and there is nothing else but the device.
# bare: not even that. small.cpio: for a kernel that contains it.
make_archives() {
    inode=0
    { member init 100755 "$work/server" 0 0 && end_of_archive; } >"$work/bare"
    { member init 100755 "$work/server" 0 0 && random_device && end_of_archive; } >"$work/alone"
    {
        console_device
        member init 100755 "$work/server" 0 0
        random_device
        end_of_archive
    } >"$work/small.cpio"
    {
        member init 100755 "$work/init" 0 0
        member server 100755 "$work/server" 0 0
        random_device
        modules_of_kernel
        end_of_archive
    } >"$work/with-init"
}

build() {
    compile server -DHTTP_BUFFER_SIZE=2048 $sources || return
    compile init tests/cross/boot/init.c || return
    make_archives
}

# ---- Booting ----

# Powers a board on. panic=-1 reboots when the first program ends, and -no-reboot ends the emulator
# then. The board's console is the file `console`; it reads from descriptor 3.
power_on() { # ARGUMENTS-OF-THE-FIRST-PROGRAM IMAGE [-initrd ARCHIVE]
    arguments=$1
    shift
    rm -f "$work"/console* "$work"/monitor.*
    mkfifo "$work/console.in" "$work/monitor.in" "$work/monitor.out"
    : >"$work/console"
    exec 3<>"$work/console.in" 4<>"$work/monitor.in" 5<>"$work/monitor.out"
    started=$(now)
    $emulator -M virt -cpu "$processor" -m "$ram" -display none -no-reboot \
        -append "console=ttyAMA0 quiet panic=-1 ip=10.0.2.15:::255.255.255.0 -- $arguments" \
        -netdev user,id=net,hostfwd=tcp:127.0.0.1:0-:80 -device virtio-net-device,netdev=net \
        -serial stdio -monitor "pipe:$work/monitor" -kernel "$@" \
        <&3 >"$work/console" 2>"$work/errors" &
    qemu=$!
}

boot_packaged() { # ARGUMENTS-OF-THE-FIRST-PROGRAM ARCHIVE
    power_on "$1" "$root"/boot/vmlinu* -initrd "$work/$2"
}

power_off() {
    kill -9 "$qemu" 2>/dev/null
    wait "$qemu" 2>/dev/null
    qemu=
}
trap '[ -z "$qemu" ] || kill -9 "$qemu"' EXIT
trap 'exit 1' HUP INT TERM

# Asks the emulator which port it forwards.
find_port() {
    echo 'info usernet' >&4
    while read -r line <&5; do
        case $line in *HOST_FORWARD*) break ;; esac
    done
    echo "$line" | tr -d '\r' | awk '{ print $4 }'
}

# Prints the body and the status of a response. The id of a session is shown as <id>.
ask() { # PATH OPTIONS...
    path=$1
    shift
    curl --silent --show-error --max-time 20 --noproxy '*' --cookie "$work/jar" \
        --cookie-jar "$work/jar" --write-out ' %{http_code}' "$@" "http://127.0.0.1:$port$path" 2>&1 |
        sed 's/[0-9a-f]\{40\}/<id>/'
}

answers() { # EXPECTED PATH OPTIONS...
    expected=$1
    shift
    seen=$(ask "$@")
    [ "$seen" = "$expected" ] || echo "     expected $expected, seen $seen"
    [ "$seen" = "$expected" ]
}

# Types a line on the console and waits for what init.c says.
order() { # LINE PATTERN
    echo "$1" >&3
    wait_for "$2" "$work/console"
}

said() { # WHAT: the number in the last line that begins so
    tr -d '\r' <"$work/console" | sed -n "s/^init: $1:[^0-9]*\([0-9]*\) kB/\1/p" | tail -n 1
}

# ---- The tests ----

serves_the_example() {
    login='{"username":"foo","password":"foo"}'
    check "$name: the login" \
        answers '{"message": "Logged in", "session_id": "<id>"} 200' /login -d "$login"
    check "$name: the greeting" answers '{"message": "Hello, foo"} 200' /home
    check "$name: the logout" answers '{"message": "logged out"} 200' /logout -X POST
    check "$name: an unknown path" answers \
        "{\"status\": \"404 Not Found\", \"status_code\": 404, \"error\": \"Path /nothing not found\",\
 \"data\": null} 404" /nothing
}

# The first program ends, so the kernel panics and the board is reset.
is_reset() { # PATTERN
    wait_for 'Attempted to kill init' "$work/console" && wait_for "$1" "$work/console" || return
    tries=0
    while kill -0 "$qemu" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return
        sleep 0.1
    done
}

starts_to_serve() {
    case $kernel in
    small) power_on "$options" "$top/kernel/zImage" ;;
    *) boot_packaged "$options" with-init ;;
    esac
    wait_for '^Serving on 0.0.0.0:80\.\.\.' "$work/console"
}

# Prints the least RAM with which the board answers, in steps of 2 MB below that of the table.
find_least_ram() {
    least=none
    while starts_to_serve && port=$(find_port) && answers "$refusal" /home; do
        least=$ram
        power_off
        ram=$((ram - 2))
    done
    power_off
    echo "$name: answers with $least MB, and not with $ram MB"
}

first_responses() {
    if ! starts_to_serve; then
        check "$name: the server starts with $ram MB" false
        tail -n 20 "$work/console" "$work/errors"
        return 1
    fi
    port=$(find_port)
    check "$name: the first response" \
        answers "$refusal" /home
    first=$(now)
    echo "$name: $(seconds $((first - started))) s from power-on to the first response;" \
        "$ram MB of RAM, kernel $kernel"
    serves_the_example
}

boot_with_init() {
    first_responses || return
    order memory 'MemAvailable.*kB'
    check "$name: an orphan is reaped" order orphan '^init: the orphan was reaped'
    echo stop >&3
    check "$name: SIGTERM ends the server, and then the board is reset" is_reset '^Done'
    random=$(sed -n 's/^init: 32 random bytes in \([0-9]*\) ms.*/\1/p' "$work/console")
    echo "$name: the server has $(said Rss) kB in RAM, of which $(said Anonymous) kB are data;" \
        "the kernel leaves $(said MemTotal) kB; the first random bytes came after $random ms"
}

refusal="{\"status\": \"401 Unauthorized\", \"status_code\": 401, \"error\": \"I can't let you do\
 that\", \"data\": null} 401"

boot_alone() {
    boot_packaged "$options -a 127.0.0.1" alone
    check "$name: the first program is the server, and takes its options from the kernel" \
        wait_for '^Serving on 127.0.0.1:80\.\.\.' "$work/console"
    power_off
    boot_packaged '-p http' alone
    check "$name: a wrong option is reported before the board is reset" is_reset '^server: -p: expected'
    power_off
    boot_packaged "$options" bare
    check "$name: without /dev/urandom the server says so" \
        is_reset '^server: cannot read /dev/urandom: No such file'
    power_off
}

# The kernel configures the network, and the server is the only program.
boot_small() {
    kernel=small name="$name, a small kernel" ram=12
    if ! sh tests/cross/boot/kernel.sh "$top/kernel" "$work/small.cpio"; then
        check "$name is built" false
        return
    fi
    if [ -n "$only_ram" ]; then
        find_least_ram
    else
        first_responses
    fi
    power_off
}

test_board() { # NAME ARCHITECTURE COMPILER EMULATOR PROCESSOR RAM KERNEL
    name=$1 architecture=$2 compiler=$3 emulator=$4 processor=$5 ram=$6 kernel=$7
    work=$top/$name root=$top/$architecture/root
    for tool in "$compiler" "$emulator"; do
        is_installed "$tool" || { echo "$name: skipped, because $tool is not installed"; return; }
    done
    mkdir -p "$work"
    if ! fetch || ! build; then
        check "$name: the kernel is fetched and the server is built" false
        return
    fi
    if [ -n "$only_ram" ]; then
        find_least_ram
    else
        boot_with_init
        power_off
        boot_alone
    fi
    [ "$name ${KERNEL-}" != 'arm build' ] || boot_small
}

fetch() {
    [ -f "$top/$architecture/fetched" ] && return
    sh tests/cross/boot/fetch.sh "$architecture" "$top/$architecture" "$kernel" musl-dev || return
    : >"$top/$architecture/fetched"
}

only_ram=
if [ "${1-}" = -m ]; then
    only_ram=yes
    shift
fi
wanted=$*
mkdir -p "$top"
grep -v '^#' tests/cross/boot/boards >"$top/rows"
while read -r row <&6; do
    [ -z "$wanted" ] || case " $wanted " in *" ${row%% *} "*) ;; *) continue ;; esac
    test_board $row
done 6<"$top/rows"
[ -n "$only_ram" ] || report
