// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of buffers that are pages from the start to the end, and that keep
 * them for life, as those of the heaps.
 */
#include <linux/atomic.h>
#include <linux/dma-buf-extent.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pgtable.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "dma-buf-extent-table.h"

/**
 * dma_buf_extent_table_init - find the runs of a buffer
 * @table: to be set up
 * @sgt: the pages of the buffer; each entry is whole pages
 *
 * Entries that happen to follow each other in memory become one run: the pages
 * are all there until the buffer goes, and the larger a run, the larger the
 * pages that a mapper can use.
 *
 * Context: process context, may sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int dma_buf_extent_table_init(struct dma_buf_extent_table *table,
			      struct sg_table *sgt)
{
	struct dma_buf_extent_run *run = NULL;
	struct scatterlist *sg;
	pgoff_t index = 0;
	unsigned int i;

	table->nr = 0;
	table->runs = kvmalloc_objs(*table->runs, sgt->orig_nents);
	if (!table->runs)
		return -ENOMEM;

	for_each_sgtable_sg(sgt, sg, i) {
		struct page *page = sg_page(sg);

		if (!run || page_to_pfn(page) !=
			    page_to_pfn(run->page) + (run->end - run->index)) {
			run = &table->runs[table->nr++];
			run->page = page;
			run->index = index;
		}
		index += sg->length >> PAGE_SHIFT;
		run->end = index;
	}
	return 0;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_extent_table_init, "DMA_BUF_HEAP");

/**
 * dma_buf_extent_table_destroy - free what dma_buf_extent_table_init() allocated
 * @table: may be all zero
 *
 * Context: process context, may sleep. Nobody uses the table any more.
 */
void dma_buf_extent_table_destroy(struct dma_buf_extent_table *table)
{
	kvfree(table->runs);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_extent_table_destroy, "DMA_BUF_HEAP");

static size_t dma_buf_extent_table_find(const struct dma_buf_extent_table *table,
					pgoff_t index)
{
	size_t low = 0, high = table->nr;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (table->runs[mid].index <= index)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/*
 * Memory has failed somewhere: make the extent the good pages around @index, so
 * that a bad one spoils none of them, nor is mapped among them. More than a
 * block of 2M would be too long a walk for a fault.
 */
static void dma_buf_extent_table_narrow(const struct dma_buf_extent_run *run,
					pgoff_t index,
					struct dma_buf_extent *extent)
{
	struct page *page = run->page + (index - run->index);
	unsigned long nr = PMD_SIZE >> PAGE_SHIFT;
	unsigned long pos = page_to_pfn(page) & (nr - 1);
	pgoff_t before = min(index - run->index, pos);
	pgoff_t after = min(run->end - index, nr - pos);
	pgoff_t i;

	extent->offset = (u64)index << PAGE_SHIFT;
	extent->nr_pages = 1;
	extent->page = page;
	if (is_page_hwpoison(page))
		return;

	for (i = 1; i < after && !is_page_hwpoison(page + i); i++)
		extent->nr_pages++;
	for (i = 1; i <= before && !is_page_hwpoison(page - i); i++) {
		extent->offset -= PAGE_SIZE;
		extent->nr_pages++;
		extent->page--;
	}
}

/**
 * dma_buf_extent_table_fill - give the extents that cover a window
 * @table: the runs of the buffer
 * @sink: where to
 * @offset: where the window starts, in bytes
 * @length: how long it is, in bytes
 *
 * Costs one binary search and a step for each further extent, and once memory
 * has failed a look at the pages of a block for each. There is nothing to be
 * marked dirty, since the pages belong to no file.
 *
 * Context: see &dma_buf_extent_ops.fill.
 *
 * Return: 0, or an error of dma_buf_sink_add().
 */
int dma_buf_extent_table_fill(const struct dma_buf_extent_table *table,
			      struct dma_buf_sink *sink, u64 offset, u64 length)
{
	pgoff_t index = offset >> PAGE_SHIFT;
	pgoff_t last = (offset + length - 1) >> PAGE_SHIFT;
	size_t i = dma_buf_extent_table_find(table, index);
	int ret = 0;

	while (!ret && index <= last) {
		const struct dma_buf_extent_run *run = &table->runs[i];
		struct dma_buf_extent extent = {
			.offset = (u64)run->index << PAGE_SHIFT,
			.nr_pages = run->end - run->index,
			.kind = DMA_BUF_EXTENT_RAM,
			.page = run->page,
		};

		/* Counted a little after they are marked, and the sink sees the ends. */
		if (IS_ENABLED(CONFIG_MEMORY_FAILURE) &&
		    (atomic_long_read(&num_poisoned_pages) ||
		     is_page_hwpoison(run->page) ||
		     is_page_hwpoison(run->page + extent.nr_pages - 1)))
			dma_buf_extent_table_narrow(run, index, &extent);

		index = (extent.offset >> PAGE_SHIFT) + extent.nr_pages;
		if (index == run->end)
			i++;
		ret = dma_buf_sink_add(sink, &extent);
	}
	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_extent_table_fill, "DMA_BUF_HEAP");
