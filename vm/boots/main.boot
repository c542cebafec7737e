# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="all tests, TDP MMU, huge pages of both sizes"
MEM=6G
CMDLINE="default_hugepagesz=2M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=1056"
# Buffers of the CMA heap, and memory that the kernel never maps, for those of kind MMIO.
CMDLINE+=" cma=64M memmap=4M\$0x38000000 dma_buf_test.mmio=0x38000000,0x400000"
TIMEOUT=600
# name timeout_s path args...  (path below build/<arch>/selftests, or absolute in the VM)
JOBS="
# Our own tests: every program of the directory.
@glob					120	kvm/dmabuf/*

# The kernel's tests of what we touch.
kvm/guest_memfd_test			60	kvm/guest_memfd_test
kvm/pre_fault_memory_test		60	kvm/pre_fault_memory_test
kvm/set_memory_region_test		90	kvm/set_memory_region_test
kvm/x86/private_mem_conversions_test	120	kvm/x86/private_mem_conversions_test
kvm/x86/private_mem_kvm_exits_test	60	kvm/x86/private_mem_kvm_exits_test
drivers/dma-buf/udmabuf			60	drivers/dma-buf/udmabuf
dmabuf-heaps/dmabuf-heap		60	dmabuf-heaps/dmabuf-heap

"
