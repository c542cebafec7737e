/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM does with extents: arithmetic only, no lock and no kvm.
 */
#ifndef __KVM_DMABUF_EXTENT_H__
#define __KVM_DMABUF_EXTENT_H__

#include <linux/dma-buf-kvm.h>

static inline bool kvm_dmabuf_extent_holds(const struct dma_buf_kvm_extent *extent,
					   u64 index)
{
	return index >= extent->index && index - extent->index < extent->nr_pages;
}

/*
 * Extents of a window arrive in ascending order. Keep the one that holds
 * @index, joined with its neighbours where memory goes on, so that the page
 * size does not depend on how the exporter cuts its memory up. @have starts
 * out all zero.
 */
static inline void kvm_dmabuf_extent_join(struct dma_buf_kvm_extent *have,
					  u64 index,
					  const struct dma_buf_kvm_extent *next)
{
	if (next->index == have->index + have->nr_pages &&
	    next->pfn == have->pfn + have->nr_pages &&
	    next->kind == have->kind && next->flags == have->flags)
		have->nr_pages += next->nr_pages;
	else if (!kvm_dmabuf_extent_holds(have, index))
		*have = *next;
}

/*
 * May @gfn be mapped by a block of 2^@order pages? The naturally aligned block
 * around it must lie inside the slot and inside the extent, which holds the
 * page @index that @gfn stands for, and gfn and pfn must be congruent.
 */
static inline bool kvm_dmabuf_extent_fits(const struct dma_buf_kvm_extent *extent,
					  u64 index, u64 gfn, u64 slot_gfn,
					  u64 slot_npages, unsigned int order)
{
	u64 mask = (1ULL << order) - 1;
	u64 before = gfn & mask, after = mask - before;
	u64 pfn = extent->pfn + (index - extent->index);

	return ((gfn ^ pfn) & mask) == 0 &&
	       gfn - slot_gfn >= before &&
	       slot_npages - (gfn - slot_gfn) > after &&
	       index - extent->index >= before &&
	       extent->nr_pages - (index - extent->index) > after;
}

#endif /* __KVM_DMABUF_EXTENT_H__ */
