#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# vfio.sh PROGRAM [ARG...]: binds the devices that tests may use to vfio-pci, and
# runs PROGRAM. VFIO_SELFTESTS_BDF names the one that can do DMA, as the kernel's
# own tests want it, VFIO_BAR_BDF one whose BAR 2 is memory. Skips if the former is
# not there.
set -eu

IGB=0x8086:0x10c9
IVSHMEM=0x1af4:0x1110
PCI=/sys/bus/pci

for dev in $PCI/devices/*; do
	id=$(cat "$dev/vendor"):$(cat "$dev/device")
	case $id in
	"$IGB" | "$IVSHMEM") ;;
	*) continue ;;
	esac
	bdf=${dev##*/}
	[ "$id" != $IGB ] || VFIO_SELFTESTS_BDF=$bdf
	[ "$id" != $IVSHMEM ] || VFIO_BAR_BDF=$bdf
	[ ! -e "$PCI/drivers/vfio-pci/$bdf" ] || continue
	echo vfio-pci >"$dev/driver_override"
	echo "$bdf" >$PCI/drivers_probe
	[ -e "$PCI/drivers/vfio-pci/$bdf" ] || {
		echo "# vfio-pci does not take $bdf ($id)"
		exit 1
	}
done

[ -n "${VFIO_SELFTESTS_BDF:-}" ] || {
	echo "1..0 # SKIP no device $IGB"
	exit 0
}
export VFIO_SELFTESTS_BDF VFIO_BAR_BDF
exec "$@"
