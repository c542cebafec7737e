# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="our tests on the shadow MMU"
MEM=5G
CMDLINE="kvm_amd.npt=0 kvm_intel.ept=0 default_hugepagesz=2M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64"
# Buffers of the CMA heap, and memory that the kernel never maps, for those of kind MMIO.
CMDLINE+=" cma=64M memmap=4M\$0x38000000 dma_buf_test.mmio=0x38000000,0x400000"
TIMEOUT=1200
JOBS="
@glob					120	kvm/dmabuf/*
kvm/set_memory_region_test		150	kvm/set_memory_region_test
kvm/demand_paging_test-dmabuf			60	kvm/demand_paging_test -v 2 -b 16M -s dmabuf
kvm/demand_paging_test-dmabuf_hugetlb_2mb	60	kvm/demand_paging_test -v 2 -b 16M -s dmabuf_hugetlb_2mb
"
