# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="instructions per page of a BAR, and of PUNCH_HOLE; also for the kernel without our code"
ICOUNT=1
MEM=3G
QEMU_EXTRA=(
	-device intel-iommu,intremap=on,caching-mode=on
	-device igb,addr=03.0
	-object memory-backend-ram,id=bar0,size=64M,share=on
	-device ivshmem-plain,memdev=bar0,addr=04.0
)
CMDLINE="intel_iommu=on no_timer_check"
TIMEOUT=300
JOBS="
bench-bar	200	/bin/vfio.sh /selftests/iommu/iommufd_dmabuf_bar_bench
bench-punch	60	kvm/dmabuf/dmabuf_gmem_bench punch.none
"
