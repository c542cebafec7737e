# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="the sample VMM boots Linux on a dma-buf (make demo)"
MEM=3G
CMDLINE="hugepagesz=2M hugepages=192 intel_iommu=on no_timer_check"
# A network card that copies memory, behind an IOMMU, and a BAR that is memory.
QEMU_EXTRA=(
	-device intel-iommu,intremap=on,caching-mode=on
	-device igb,addr=03.0
	-object memory-backend-ram,id=bar0,size=16M,share=on
	-device ivshmem-plain,memdev=bar0,addr=04.0
)
TIMEOUT=180
JOBS="
demo	150	/bin/vfio.sh /vmm/demo.sh
"
