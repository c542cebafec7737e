# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="smoke test of the VM itself, needs busybox only"
TIMEOUT=60
JOBS="
kvm-device	5	/bin/test -c /dev/kvm
udmabuf-device	5	/bin/test -c /dev/udmabuf
dma-buf-debugfs	5	/bin/test -r /sys/kernel/debug/dma_buf/bufinfo
guest-kernel	5	/bin/test -s /boot/bzImage
cpu0		5	/bin/cpu0.sh
"
