/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents of buffers that are pages from the start to the end.
 */
#ifndef __DMA_BUF_EXTENT_TABLE_H__
#define __DMA_BUF_EXTENT_TABLE_H__

#include <linux/types.h>

struct dma_buf_sink;
struct page;
struct sg_table;

/**
 * struct dma_buf_extent_run - pages of a buffer that follow each other
 * @page: the first
 * @index: its place in the buffer
 * @end: the place after the last
 */
struct dma_buf_extent_run {
	struct page *page;
	pgoff_t index;
	pgoff_t end;
};

/**
 * struct dma_buf_extent_table - the runs that a buffer consists of
 * @nr: number of runs
 * @runs: in ascending order, without gaps, the first at 0
 */
struct dma_buf_extent_table {
	size_t nr;
	struct dma_buf_extent_run *runs;
};

int dma_buf_extent_table_init(struct dma_buf_extent_table *table,
			      struct sg_table *sgt);
void dma_buf_extent_table_destroy(struct dma_buf_extent_table *table);
int dma_buf_extent_table_fill(const struct dma_buf_extent_table *table,
			      struct dma_buf_sink *sink, u64 offset, u64 length);

#endif /* __DMA_BUF_EXTENT_TABLE_H__ */
