// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of a udmabuf: the intersection of an item of its list with a folio.
 */
#include <linux/dma-buf-extent.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "udmabuf-extent.h"

/**
 * udmabuf_items_alloc - make room for the items of a list
 * @items: to be set up; all zero
 * @nr: number of items, not 0
 *
 * Return: 0 or -ENOMEM.
 */
int udmabuf_items_alloc(struct udmabuf_items *items, u32 nr)
{
	items->first = kvcalloc((size_t)nr + 1, sizeof(*items->first), GFP_KERNEL);
	if (!items->first)
		return -ENOMEM;

	items->nr = nr;
	return 0;
}

/**
 * udmabuf_items_end - record where an item ends
 * @items: set up by udmabuf_items_alloc()
 * @item: number of the item, counted from 0
 * @pagecount: pages of the buffer up to and including this item
 */
void udmabuf_items_end(struct udmabuf_items *items, u32 item, pgoff_t pagecount)
{
	items->first[item + 1] = pagecount;
}

/**
 * udmabuf_items_free - free what udmabuf_items_alloc() allocated
 * @items: may be all zero
 */
void udmabuf_items_free(struct udmabuf_items *items)
{
	kvfree(items->first);
}

/* The item that holds page @index of the buffer; empty items are passed over. */
static u32 udmabuf_find_item(const struct udmabuf_items *items, pgoff_t index)
{
	u32 low = 0, high = items->nr;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;

		if (items->first[mid] <= index)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/**
 * udmabuf_fill - give the extents that cover a window
 * @items: items of the buffer
 * @pages: pages of the buffer
 * @sink: where to
 * @offset: where the window starts, in bytes
 * @length: how long it is, in bytes
 * @write: mark what the window covers dirty
 *
 * Each extent costs a binary search over the items, however long it is.
 *
 * Context: see &dma_buf_extent_ops.fill.
 *
 * Return: 0, or an error of dma_buf_sink_add().
 */
int udmabuf_fill(const struct udmabuf_items *items, struct page **pages,
		 struct dma_buf_sink *sink, u64 offset, u64 length, bool write)
{
	pgoff_t index = offset >> PAGE_SHIFT;
	pgoff_t last = (offset + length - 1) >> PAGE_SHIFT;
	int ret = 0;

	while (!ret && index <= last) {
		u32 item = udmabuf_find_item(items, index);
		struct folio *folio = page_folio(pages[index]);
		pgoff_t before = folio_page_idx(folio, pages[index]);
		pgoff_t after = folio_nr_pages(folio) - before;
		pgoff_t start = index - min(before, index - items->first[item]);
		pgoff_t end = index + min(after, items->first[item + 1] - index);
		struct dma_buf_extent extent = { .kind = DMA_BUF_EXTENT_RAM };

		/* Do not let good pages vouch for a bad one among them. */
		if (folio_contain_hwpoisoned_page(folio)) {
			start = index;
			end = index + 1;
		}

		extent.offset = (u64)start << PAGE_SHIFT;
		extent.nr_pages = end - start;
		extent.page = pages[start];

		/*
		 * Guest writes are not seen, and once the buffer is gone the
		 * memfd would lose them with a clean folio. The mapping cannot
		 * be asked, as the file may be closed and its inode on the way
		 * out; a folio lock must not be taken here. Both kinds of memfd
		 * use noop_dirty_folio(), which looks at the folio alone.
		 */
		if (write)
			noop_dirty_folio(NULL, folio);

		ret = dma_buf_sink_add(sink, &extent);
		index = end;
	}
	return ret < 0 ? ret : 0;
}
