/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the test exporter share. Unless noted otherwise the
 * reservation lock of the buffer is held.
 */
#ifndef __DMA_BUF_TEST_PRIV_H__
#define __DMA_BUF_TEST_PRIV_H__

#include <linux/types.h>

#include "dma-buf-test.h"
#include "dma-buf-test-mem.h"

struct dma_buf_attachment;
struct dma_fence;
struct sg_table;
struct vm_area_struct;
enum dma_data_direction;

#define DMA_BUF_TEST_FLAVOURS	(DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_DYNAMIC)

/**
 * struct dma_buf_test - a buffer
 * @dmabuf: what was made of it
 * @shift: each extent is 2^@shift bytes
 * @nr: number of extents
 * @kind: DMA_BUF_TEST_RAM or DMA_BUF_TEST_MMIO
 * @flags: of struct dma_buf_test_create
 * @context: of fences
 * @extents: the memory, in order; NULL where there is none yet
 * @revoked: see dma-buf-test.c
 * @readonly: see there
 * @private: a bit for each extent that is locked
 * @locked: there is such a bit
 * @move_in_fill: the next fill moves the buffer
 * @fail_in: the fill that fails, counted from 1; 0: none
 * @fail_error: with what, a negative errno
 * @pins: how often it is pinned
 * @fence: the fence that is pending, or NULL
 * @seqno: of the last fence
 * @nr_fills: for user space
 * @nr_extents: for user space
 * @nr_prepares: for user space
 * @nr_invalidations: for user space
 *
 * What comes before @extents is constant, that and the rest is protected by the
 * reservation lock.
 */
struct dma_buf_test {
	struct dma_buf *dmabuf;
	unsigned int shift;
	size_t nr;
	u32 kind;
	u32 flags;
	u64 context;

	struct dma_buf_test_extent **extents;
	bool revoked;
	bool readonly;
	unsigned long *private;
	bool locked;
	bool move_in_fill;
	u32 fail_in;
	int fail_error;
	unsigned int pins;
	struct dma_fence *fence;
	u64 seqno;
	u64 nr_fills;
	u64 nr_extents;
	u64 nr_prepares;
	u64 nr_invalidations;
};

/* dma-buf-test.c; of these, the allocator and dma_buf_test_of() need no lock. */
void dma_buf_test_borders(struct dma_buf_test *buf, size_t first, size_t nr,
			  unsigned long *before, unsigned long *after);
struct dma_buf_test_extent **
dma_buf_test_alloc(struct dma_buf_test *buf, size_t nr, bool zero,
		   unsigned long before, unsigned long after);
void dma_buf_test_free(struct dma_buf_test_extent **extents, size_t nr);
struct dma_buf_test_extent *
dma_buf_test_populate(struct dma_buf_test *buf, size_t i);
struct dma_buf_test *dma_buf_test_of(struct dma_buf *dmabuf);

/* dma-buf-test-sgt.c; mmap is called without the lock. */
struct sg_table *dma_buf_test_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir);
void dma_buf_test_unmap(struct dma_buf_attachment *attach,
			struct sg_table *table, enum dma_data_direction dir);
int dma_buf_test_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

/* dma-buf-test-order.c; the last one also when nobody else has the buffer. */
int dma_buf_test_move_in_fill(struct dma_buf_test *buf);
int dma_buf_test_signal(struct dma_buf_test *buf);

#endif /* __DMA_BUF_TEST_PRIV_H__ */
