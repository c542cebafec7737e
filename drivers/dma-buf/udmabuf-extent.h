/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents of a udmabuf.
 */
#ifndef __UDMABUF_EXTENT_H__
#define __UDMABUF_EXTENT_H__

#include <linux/types.h>

struct dma_buf_sink;
struct page;

/**
 * struct udmabuf_items - where the items of a udmabuf's list begin
 * @nr: number of items
 * @first: for each item its first page, as an index into the buffer; one more
 *	entry holds the number of pages of the buffer
 *
 * User space builds a udmabuf from a list of memfd ranges and may name the
 * parts of one folio in any order, next to each other. Only within an item is
 * the order of pages that of the file, and so that of the folio.
 */
struct udmabuf_items {
	u32 nr;
	pgoff_t *first;
};

int udmabuf_items_alloc(struct udmabuf_items *items, u32 nr);
void udmabuf_items_end(struct udmabuf_items *items, u32 item, pgoff_t pagecount);
void udmabuf_items_free(struct udmabuf_items *items);

int udmabuf_fill(const struct udmabuf_items *items, struct page **pages,
		 struct dma_buf_sink *sink, u64 offset, u64 length, bool write);

#endif /* __UDMABUF_EXTENT_H__ */
