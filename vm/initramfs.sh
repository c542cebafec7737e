#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packs build/<arch>/vm/initramfs.cpio, the root of the test VM: init, busybox,
# the selftests, the sample VMM, and under /boot what its guest boots from.
# Needs neither root nor a disk image of a distribution. Does nothing if no
# input changed. Selftests and VMM may be missing (the jobs that need them fail).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch

VM=$B/vm
APPLETS="sh ash cat chmod cp cut date dd dmesg echo env false find free grep head hexdump id kill
	less ln ls lsof md5sum mkdir more mount mv od ps pwd reset rm sed sha256sum sleep sort stat
	stty tail tee test time top touch tr true umount uname uniq vi wc which xargs"
BZIMAGE=$KOUT/arch/x86/boot/bzImage
GEN_INIT_CPIO=$KOUT/usr/gen_init_cpio
SCRIPTS=("$ROOT"/vm/init/*.sh)
BUSYBOX=$(command -v busybox) || die "no busybox: install busybox-static (make deps)"

[ -x "$GEN_INIT_CPIO" ] || die "no gen_init_cpio in ${KOUT#"$ROOT"/}: run make kernel first"
[ -r "$BZIMAGE" ] || die "no kernel in ${KOUT#"$ROOT"/}: run make kernel first"
make_dir "$VM"
take_lock "$VM/.lock"

# Programs and scripts below build/<arch>, by their path there and in the VM.
programs()
{
	local dir

	for dir in selftests vmm; do
		[ ! -d "$B/$dir" ] || (cd "$B" && find "$dir" -type f -executable ! -name '*.so*' ! -name '*.sh.*' | sort)
	done
}

# The shared libraries of a program that is not static, loader included.
libraries()
{
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true
}

# A disk for the guest: data.bin, 4 MiB that look random but are always the same,
# and data.sum, its checksum as guest_sum() of guest-report.h computes it.
make_disk()
{
	local dir=$VM/disk.tmp img=$VM/disk.img

	rm -rf "$dir"
	mkdir -p "$dir"
	python3 - "$dir" <<-'END'
		import random, struct, sys
		data = random.Random(7).randbytes(4 << 20)
		total = 0xcbf29ce484222325
		for (word,) in struct.iter_unpack('<Q', data):
		    total = ((total ^ word) * 0x100000001b3) & (2**64 - 1)
		with open(sys.argv[1] + '/data.bin', 'wb') as f:
		    f.write(data)
		with open(sys.argv[1] + '/data.sum', 'w') as f:
		    f.write(f'{total:016x}\n')
	END
	rm -f "$img.tmp"
	E2FSPROGS_FAKE_TIME=1 PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -b 4096 -O ^has_journal \
		-U 6b766d2d-646d-4162-8675-66646d61746d \
		-E root_owner=0:0,lazy_itable_init=0,hash_seed=6b766d2d-646d-4162-8675-66646d61746d \
		-d "$dir" "$img.tmp" 16M >/dev/null || die "mke2fs failed: install e2fsprogs (make deps)"
	rm -rf "$dir"
	mv "$img.tmp" "$img"
}

guest_spec()
{
	echo "dir /dev 0755 0 0"
	echo "nod /dev/console 0600 0 0 c 5 1"
	echo "dir /proc 0755 0 0"
	echo "dir /sys 0755 0 0"
	echo "dir /mnt 0755 0 0"
	echo "file /init $B/vmm/guest-init 0755 0 0"
}

spec()
{
	local a f lib dirs=()

	for a in bin boot dev lib lib64 mnt proc root sbin selftests sys tmp vmm; do
		echo "dir /$a 0755 0 0"
	done
	echo "nod /dev/console 0600 0 0 c 5 1"
	echo "file /init $VM/init 0755 0 0"
	echo "file /bin/busybox $BUSYBOX 0755 0 0"
	for a in $APPLETS; do
		echo "slink /bin/$a busybox 0777 0 0"
	done
	echo "file /boot/bzImage $BZIMAGE 0644 0 0"
	echo "file /boot/disk.img $VM/disk.img 0644 0 0"
	[ ! -x "$B/vmm/guest-init" ] || echo "file /boot/guest.cpio $VM/guest.cpio 0644 0 0"
	for f in "${SCRIPTS[@]}"; do
		echo "file /bin/${f##*/} $f 0755 0 0"
	done

	programs | while read -r f; do
		a=$(dirname "$f")
		while [ "$a" != . ]; do
			echo "dir /$a 0755 0 0"
			a=$(dirname "$a")
		done
	done | sort -u
	programs | while read -r f; do
		echo "file /$f $B/$f 0755 0 0"
	done

	mapfile -t dirs < <(programs)
	for f in "${dirs[@]/#/$B/}" "$BUSYBOX"; do
		libraries "$f"
	done | sort -u | while read -r lib; do
		a=$(dirname "$lib")
		while [ "$a" != / ]; do
			echo "dir $a 0755 0 0"
			a=$(dirname "$a")
		done
		echo "file $lib $(readlink -f "$lib") 0755 0 0"
	done | sort -u
}

# What the archive depends on: this script and every file by size and time.
key()
{
	local f

	sha256sum "$0"
	stat -Lc '%n %s %Y' "$BZIMAGE" "$GEN_INIT_CPIO" "$BUSYBOX" "$VM/init" "${SCRIPTS[@]}"
	programs | while read -r f; do
		stat -Lc '%n %s %Y' "$B/$f"
	done
}

KEY=$(key)
if [ -r "$VM/initramfs.cpio" ] && [ "$KEY" = "$(cat "$VM/initramfs.key" 2>/dev/null)" ]; then
	note "initramfs is up to date"
	exit 0
fi

rm -f "$VM/initramfs.key"
if [ ! -r "$VM/disk.img" ] || [ "$0" -nt "$VM/disk.img" ]; then
	make_disk
fi
if [ -x "$B/vmm/guest-init" ]; then
	guest_spec >"$VM/guest.spec"
	"$GEN_INIT_CPIO" -t 1 "$VM/guest.spec" >"$VM/guest.cpio.tmp"
	mv "$VM/guest.cpio.tmp" "$VM/guest.cpio"
fi
spec >"$VM/initramfs.spec"
"$GEN_INIT_CPIO" -t 1 "$VM/initramfs.spec" >"$VM/initramfs.cpio.tmp" ||
	die "gen_init_cpio failed on ${VM#"$ROOT"/}/initramfs.spec"
mv "$VM/initramfs.cpio.tmp" "$VM/initramfs.cpio"
printf '%s\n' "$KEY" >"$VM/initramfs.key"
step CPIO "${VM#"$ROOT"/}/initramfs.cpio ($(($(stat -c %s "$VM/initramfs.cpio") >> 20)) MiB)"
