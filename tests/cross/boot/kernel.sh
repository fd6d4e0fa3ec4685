#!/bin/sh
# kernel.sh - builds a small Arm kernel that contains an archive with the first program.
#
#     sh tests/cross/boot/kernel.sh FOLDER ARCHIVE
#
# The sources are Debian's package linux-source, unpacked below FOLDER; kernel.config lists what the
# kernel has. The result is FOLDER/zImage. It takes four minutes on two cores, and 2 GB.
folder=$1 archive=$2
export ARCH=arm CROSS_COMPILE=arm-linux-gnueabihf-

for tool in ${CROSS_COMPILE}gcc flex bison bc xz; do
    command -v "$tool" >/dev/null || {
        echo "$tool is not installed"
        exit 1
    }
done
if [ ! -f "$folder/unpacked" ]; then
    sh tests/cross/boot/fetch.sh "$(dpkg --print-architecture)" "$folder" linux-source || exit
    tar -xJf "$folder"/root/usr/src/linux-source-*.tar.xz -C "$folder" || exit
    rm -rf "$folder/root" "$folder/cache"
    : >"$folder/unpacked"
fi
cp tests/cross/boot/kernel.config "$folder/config"
echo "CONFIG_INITRAMFS_SOURCE=\"$archive\"" >>"$folder/config"
set -- "$folder"/linux-source-*
build() { make -s -C "$1" KCONFIG_ALLCONFIG="$folder/config" allnoconfig && make -s -C "$1" -j2 zImage; }
if ! build "$1" >"$folder/log" 2>&1; then
    tail -n 20 "$folder/log"
    exit 1
fi
cp "$1/arch/arm/boot/zImage" "$folder/zImage"
