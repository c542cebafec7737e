/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dma-buf mapping type through which memory becomes guest memory.
 */
#ifndef __DMA_BUF_KVM_H__
#define __DMA_BUF_KVM_H__

#include <linux/dma-buf-extent.h>
#include <linux/dma-buf-mapping-type.h>

/**
 * struct dma_buf_kvm_extent - an extent as KVM gets it
 * @index: where it starts in the buffer, in pages
 * @nr_pages: how long it is, in pages
 * @pfn: host page frame number of its first page
 * @kind: what the memory is
 * @flags: as in &struct dma_buf_extent
 *
 * The bounds are those that the exporter gave, not clipped to the window, so
 * that KVM can choose the page size.
 */
struct dma_buf_kvm_extent {
	u64 index;
	u64 nr_pages;
	unsigned long pfn;
	enum dma_buf_extent_kind kind;
	u32 flags;
};

/**
 * struct dma_buf_kvm_ops - what KVM implements
 * @install: takes one extent of the window that the cookie stands for. Called
 *	with the reservation lock held, once for each extent, in ascending
 *	order. What it is given is valid until the reservation lock is dropped.
 *	Returns 0 or an error, which ends the fill.
 */
struct dma_buf_kvm_ops {
	int (*install)(void *cookie, const struct dma_buf_kvm_extent *extent);
};

extern const struct dma_buf_mapping_type dma_buf_mapping_kvm_type;

/*
 * Exporter: the fill op of @_ops serves KVM. More members of the row may
 * follow, as ".flavour = ...".
 */
#define DMA_BUF_EMAPPING_KVM(_ops, ...)					\
	{								\
		.type = &dma_buf_mapping_kvm_type,			\
		.ops = DMA_BUF_MAPPING_TYPED(struct dma_buf_extent_ops, _ops), \
		##__VA_ARGS__						\
	}

/* Importer: KVM, with the install op that is used until detach. */
#define DMA_BUF_IMAPPING_KVM(_ops)					\
	((struct dma_buf_mapping_match) {				\
		.type = &dma_buf_mapping_kvm_type,			\
		.ops = DMA_BUF_MAPPING_TYPED(struct dma_buf_kvm_ops, _ops), \
	})

int dma_buf_map_attachment_kvm(struct dma_buf_attachment *attach, u64 offset,
			       u64 length, bool write, void *cookie);

#endif /* __DMA_BUF_KVM_H__ */
