/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory regions of the KVM selftest library that are backed by a dma-buf.
 *
 * Such a region is a udmabuf on a memfd of its own. The guest gets to the memory
 * through the dma-buf, the host through a mapping of the memfd: the one of a
 * udmabuf is of no use to system calls, as its pages cannot be pinned.
 */
#ifndef SELFTEST_KVM_DMABUF_BACKING_H
#define SELFTEST_KVM_DMABUF_BACKING_H

#include "kvm_util.h"

/*
 * Give a new region a memfd that a dma-buf can be made of, in pages of the size
 * that @src_type stands for. Whole ones: mmap_size grows if need be.
 */
void dmabuf_backing_alloc(struct userspace_mem_region *region,
			  enum vm_mem_backing_src_type src_type);

/*
 * Make a new region, whose memfd and flags are set, a region of a dma-buf. This
 * and the functions below do nothing for other regions.
 */
void dmabuf_backing_bind(struct userspace_mem_region *region);

/*
 * Close what dmabuf_backing_bind() opened. A memslot keeps the dma-buf, and that
 * keeps the memory, so regions, memslots and the VM may go in any order.
 */
void dmabuf_backing_release(struct userspace_mem_region *region);

/*
 * Skip the test if KVM_SET_USER_MEMORY_REGION2 returned @ret since KVM does not
 * offer for a dma-buf what the region's flags ask for. Any other failure is
 * left to the caller.
 */
void dmabuf_backing_check_flags(const struct userspace_mem_region *region, int ret);

/* The same for a memslot that was to be moved. */
void dmabuf_backing_check_move(const struct userspace_mem_region *region, int ret);

#endif /* SELFTEST_KVM_DMABUF_BACKING_H */
