#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What "make demo" runs in the VM: the sample VMM, with all the ways to make a
# dma-buf guest RAM, and with devices that share it if there are any: VFIO_SELFTESTS_BDF
# is a network card that copies memory, VFIO_BAR_BDF a device with memory of its own.
# The last line is "demo: PASS" or "demo: FAIL: <why>".
BOOT=${BOOT:-/boot}
VMM=${VMM:-$(dirname "$0")/dmabuf-vmm}
DISK=/tmp/demo-disk.img

heading()
{
	echo
	echo "== $*"
}

give_up()
{
	rm -f "$DISK"
	echo
	echo "demo: FAIL: $*"
	exit 1
}

# run WHAT OPTION...: WHAT is for the line that says what went wrong.
run()
{
	what=$1
	shift
	heading "$what"
	echo "dmabuf-vmm $*"
	"$VMM" "$@" || give_up "$what (exit status $?)"
}

linux()
{
	what=$1
	shift
	cp "$BOOT/disk.img" "$DISK" || give_up "no copy of the disk image"
	run "$what" --kernel "$BOOT/bzImage" --initrd "$BOOT/guest.cpio" \
		--cmdline "quiet loglevel=3" --disk "$DISK" "$@"
	rm -f "$DISK"
}

# What the kernel says about the buffers is half of the proof.
[ -r /sys/kernel/debug/dma_buf/bufinfo ] || give_up "no dma_buf/bufinfo: mount debugfs at /sys/kernel/debug"

linux "Linux, RAM is a dma-buf of single 4K pages" --mem 128M --scatter
linux "Linux, RAM is a dma-buf of 2M huge pages" --mem 128M --hugepages 2M
linux "Linux, KVM may not write through the host mapping" --mem 128M --hva ro
run "bare-metal payload, KVM has no host mapping at all" \
	--bare --mem 64M --hva none

if [ -n "${VFIO_SELFTESTS_BDF:-}" ]; then
	linux "Linux, a device writes to its RAM" --mem 128M --hugepages 2M \
		--vfio "$VFIO_SELFTESTS_BDF"
fi
if [ -n "${VFIO_SELFTESTS_BDF:-}" ] && [ -n "${VFIO_BAR_BDF:-}" ]; then
	run "bare-metal payload with a BAR that is taken away from it, and from a device" \
		--bare --mem 64M --vfio "$VFIO_SELFTESTS_BDF" --bar "$VFIO_BAR_BDF"
fi
if [ -n "${VFIO_SELFTESTS_BDF:-}" ]; then
	run "bare-metal payload with private memory, which a device must not reach" \
		--bare --mem 64M --vfio "$VFIO_SELFTESTS_BDF" --private 2M
fi

echo
echo "demo: PASS"
