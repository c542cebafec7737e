/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the test exporter.
 */
#ifndef __DMA_BUF_TEST_MEM_H__
#define __DMA_BUF_TEST_MEM_H__

#include <linux/dma-buf-extent.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/types.h>

/**
 * struct dma_buf_test_extent - a contiguous, naturally aligned piece of memory
 * @ref: the buffer holds a reference while the extent is a part of it, and a
 *	scatterlist until it is unmapped
 * @order: it is 2^@order pages
 * @pfn: the first of them
 * @io: where device memory is mapped, uncached; NULL for RAM
 */
struct dma_buf_test_extent {
	struct kref ref;
	unsigned int order;
	unsigned long pfn;
	void __iomem *io;
};

static inline bool dma_buf_test_is_mmio(const struct dma_buf_test_extent *extent)
{
	return extent->io;
}

static inline unsigned long
dma_buf_test_extent_end(const struct dma_buf_test_extent *extent)
{
	return extent->pfn + (1UL << extent->order);
}

bool dma_buf_test_have_mmio(void);

struct dma_buf_test_extent *
dma_buf_test_extent_alloc(u32 kind, unsigned int order, bool zero,
			  unsigned long before, unsigned long after);
void dma_buf_test_extent_get(struct dma_buf_test_extent *extent);
void dma_buf_test_extent_put(struct dma_buf_test_extent *extent);
void dma_buf_test_extent_copy(struct dma_buf_test_extent *to,
			      const struct dma_buf_test_extent *from);
void dma_buf_test_extent_describe(const struct dma_buf_test_extent *from,
				  struct dma_buf_extent *to);

#endif /* __DMA_BUF_TEST_MEM_H__ */
