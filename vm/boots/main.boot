# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="all tests, TDP MMU, huge pages of both sizes"
MEM=6G
CMDLINE="default_hugepagesz=2M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=1056"
# Buffers of the CMA heap, and memory that the kernel never maps, for those of kind MMIO.
CMDLINE+=" cma=64M memmap=4M\$0x38000000 dma_buf_test.mmio=0x38000000,0x400000"
TIMEOUT=1200
# name timeout_s path args...  (path below build/<arch>/selftests, or absolute in the VM)
JOBS="
# Our own tests: every program of the directory.
@glob					120	kvm/dmabuf/*

# The kernel's tests of what we touch.
kvm/guest_memfd_test			60	kvm/guest_memfd_test
kvm/pre_fault_memory_test		60	kvm/pre_fault_memory_test
kvm/set_memory_region_test		150	kvm/set_memory_region_test
kvm/x86/private_mem_conversions_test	120	kvm/x86/private_mem_conversions_test
kvm/x86/private_mem_kvm_exits_test	60	kvm/x86/private_mem_kvm_exits_test
drivers/dma-buf/udmabuf			60	drivers/dma-buf/udmabuf
dmabuf-heaps/dmabuf-heap		60	dmabuf-heaps/dmabuf-heap

# The kernel's tests that take a backing source, on dma-bufs.
kvm/demand_paging_test-dmabuf			60	kvm/demand_paging_test -v 2 -b 32M -s dmabuf
kvm/demand_paging_test-dmabuf-overlap		60	kvm/demand_paging_test -v 2 -o -b 32M -s dmabuf
kvm/demand_paging_test-dmabuf_hugetlb_2mb	60	kvm/demand_paging_test -v 2 -b 64M -s dmabuf_hugetlb_2mb
kvm/demand_paging_test-dmabuf_hugetlb_1gb	120	kvm/demand_paging_test -v 2 -b 512M -s dmabuf_hugetlb_1gb
# These run until they ask for what KVM refuses on a dma-buf, and are skipped then.
kvm/demand_paging_test-dmabuf-uffd		60	kvm/demand_paging_test -u MINOR -b 2M -s dmabuf
kvm/kvm_page_table_test-dmabuf			60	kvm/kvm_page_table_test -v 2 -b 32M -s dmabuf
kvm/kvm_page_table_test-dmabuf_hugetlb_2mb	60	kvm/kvm_page_table_test -v 2 -b 64M -s dmabuf_hugetlb_2mb
kvm/kvm_page_table_test-dmabuf_hugetlb_1gb	60	kvm/kvm_page_table_test -v 2 -b 1G -s dmabuf_hugetlb_1gb
kvm/kvm_page_table_test-move-dmabuf_hugetlb_2mb	60	kvm/kvm_page_table_test -u -b 4M -s dmabuf_hugetlb_2mb
kvm/dirty_log_perf_test-dmabuf			60	kvm/dirty_log_perf_test -v 2 -b 16M -x 2 -s dmabuf
kvm/dirty_log_perf_test-dmabuf_hugetlb_2mb	60	kvm/dirty_log_perf_test -v 2 -b 16M -x 2 -s dmabuf_hugetlb_2mb
kvm/access_tracking_perf_test-dmabuf		60	kvm/access_tracking_perf_test -b 16M -s dmabuf
kvm/x86/dirty_log_page_splitting_test-dmabuf_hugetlb_2mb	60	kvm/x86/dirty_log_page_splitting_test -b 16M -s dmabuf_hugetlb_2mb
kvm/x86/private_mem_conversions_test-dmabuf	60	kvm/x86/private_mem_conversions_test -s dmabuf
# The same ones on memory of other kinds are not.
kvm/demand_paging_test-shmem-uffd		60	kvm/demand_paging_test -u MINOR -b 2M -s shmem
kvm/kvm_page_table_test-shmem			60	kvm/kvm_page_table_test -v 2 -b 32M -s shmem
kvm/kvm_page_table_test-move-anonymous_hugetlb_2mb	60	kvm/kvm_page_table_test -u -b 4M -s anonymous_hugetlb_2mb
kvm/dirty_log_perf_test-shmem			60	kvm/dirty_log_perf_test -v 2 -b 16M -x 2 -s shmem
kvm/x86/dirty_log_page_splitting_test-anonymous_hugetlb_2mb	60	kvm/x86/dirty_log_page_splitting_test -b 16M -s anonymous_hugetlb_2mb
"
