#!/bin/sh
# boot.sh - boots emulated boards on which the server is the only program, with Debian's kernels.
#
#     KERNEL=build sh tests/cross/boot/boot.sh [BOARD...]
#
# The table `boards` lists them. Each board boots four times:
#
#   - Once with init.c, which loads modules, configures the network, and becomes the server. A client outside
#     logs in, is greeted and logs out, through a port of 127.0.0.1 that the emulator forwards. The
#     script prints the time from power-on to the first response, and the memory.
#   - Three times with the server itself as the first program, with right and with wrong options. These
#     boots have no network, because the drivers are modules.
#
# With KERNEL=build the board `arm` boots once more, with a small kernel that kernel.sh builds. It contains
# the driver, the server and nothing else, and configures the network itself.
#
# The server is built with musl's C library of the board. Kernel and library are fetched by fetch.sh. A
# board whose compiler or emulator is not installed is reported and skipped. build/boot/BOARD/console is
# what the board wrote last.
. tests/cross/common.sh
. tests/server.sh
top=$PWD/build/boot
options='-p 80 -c 16 -s 32'
qemu=

now() { date +%s%N | cut -c 1-15; } # in hundredths of a millisecond

# The emulator has ended; it is not reaped yet.
is_over() { ! grep -q '^State:.[^Z]' "/proc/$qemu/status" 2>/dev/null; }

# Waits until the console has a line with this pattern. Fails after two minutes, or if the emulator has
# ended.
wait_for() {
    tries=0
    until grep -q -e "$1" "$work/console"; do
        if is_over; then grep -q -e "$1" "$work/console" && return; return 1; fi
        [ $((tries += 1)) -lt 6000 ] || return
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

# Types a line on the console and waits for what init.c says.
order() { # LINE PATTERN
    echo "$1" >&3
    wait_for "$2"
}

said() { # WHAT: the number in the last line that begins so
    tr -d '\r' <"$work/console" | sed -n "s/^init: $1:[^0-9]*\([0-9]*\) kB/\1/p" | tail -n 1
}

# ---- The tests ----

# The first program ends, so the kernel panics and the board is reset.
is_reset() { # PATTERN
    wait_for 'Attempted to kill init' && wait_for "$1" || return
    tries=0
    until is_over; do
        [ $((tries += 1)) -lt 100 ] || return
        sleep 0.1
    done
}

starts_to_serve() {
    case $kernel in
    small) power_on "$options" "$top/kernel/zImage" ;;
    *) boot_packaged "$options" with-init ;;
    esac
    wait_for '^Serving on 0.0.0.0:80\.\.\.'
}

first_responses() {
    if ! starts_to_serve; then
        check "$name: the server starts with $ram MB" false
        tail -n 20 "$work/console" "$work/errors"
        return 1
    fi
    url=http://127.0.0.1:$(find_port)
    check "$name: the first response" \
        equal 401 "$(curl -sS -m 20 -o "$work/response" -w '%{http_code}' "$url/home")"
    echo "$name: $((($(now) - started) / 100)) ms from power-on to the first response; $ram MB, kernel $kernel"
    check "$name: foo logs in, is greeted and logs out" greets "$url"
}

boot_with_init() {
    first_responses || return
    order memory 'MemAvailable.*kB'
    check "$name: an orphan is reaped" order orphan '^init: the orphan was reaped'
    echo stop >&3
    check "$name: SIGTERM ends the server, and then the board is reset" is_reset '^Done'
    echo "$name: the server has $(said Rss) kB in RAM, of which $(said Anonymous) kB are data;" \
        "the kernel leaves $(said MemTotal) kB"
}

boot_alone() {
    boot_packaged "$options -a 127.0.0.1" alone
    check "$name: the first program is the server, and takes its options from the kernel" \
        wait_for '^Serving on 127.0.0.1:80\.\.\.'
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
    first_responses
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
    boot_with_init
    power_off
    boot_alone
    [ "$name ${KERNEL-}" != 'arm build' ] || boot_small
}

fetch() {
    [ -f "$top/$architecture/fetched" ] && return
    sh tests/cross/boot/fetch.sh "$architecture" "$top/$architecture" "$kernel" musl-dev || return
    : >"$top/$architecture/fetched"
}

mkdir -p "$top"
awk -v wanted=" $* " '!/^#/ && (wanted == "  " || index(wanted, " " $1 " "))' tests/cross/boot/boards >"$top/rows"
while read -r row <&6; do test_board $row; done 6<"$top/rows"
report
