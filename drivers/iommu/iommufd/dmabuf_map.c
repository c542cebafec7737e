// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a dma-buf is in which domain: mapping, and what an exporter takes and
 * gives back.
 *
 * All of this runs under the reservation lock of the buffer, much of it in
 * callbacks of the exporter, which may hold locks of its own. So nothing here
 * takes a lock, and taking back cannot fail.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-resv.h>
#include <linux/interval_tree.h>
#include <linux/slab.h>

#include "io_pagetable.h"

/*
 * How many ranges are recorded before everything is revoked. Each costs memory,
 * and a step whenever a domain is filled.
 */
#define IOPT_DMABUF_MAX_REVOKED		1024

/*
 * The IOVAs of the indexes @first to @last, which are inside of the area. The
 * area may start and end inside of a page.
 */
static unsigned long iopt_dmabuf_iova(struct iopt_area *area,
				      unsigned long first, unsigned long last,
				      size_t *size)
{
	unsigned long last_iova = iopt_area_last_iova(area);
	unsigned long iova = iopt_area_iova(area);
	unsigned long base = iova - area->page_offset;

	if (first != iopt_area_index(area))
		iova = base + (first - iopt_area_index(area)) * PAGE_SIZE;
	if (last != iopt_area_last_index(area))
		last_iova = base +
			    (last - iopt_area_index(area) + 1) * PAGE_SIZE - 1;

	*size = last_iova - iova + 1;
	return iova;
}

/* Where in the buffer the memory is that belongs at @iova of the area. */
static u64 iopt_dmabuf_offset(struct iopt_pages *pages, struct iopt_area *area,
			      unsigned long iova)
{
	return (u64)pages->dmabuf.start + iopt_area_start_byte(area, iova);
}

static void iopt_dmabuf_unmap_piece(struct iopt_pages *pages,
				    struct iopt_dmabuf_track *track,
				    unsigned long first, unsigned long last)
{
	unsigned long iova;
	size_t size;

	iova = iopt_dmabuf_iova(track->area, first, last, &size);
	dma_buf_unmap_attachment_iommu(pages->dmabuf.attach, track->domain,
				       iova, size);
}

static int iopt_dmabuf_map_piece(struct iopt_pages *pages,
				 struct iopt_dmabuf_track *track,
				 unsigned long first, unsigned long last)
{
	struct iopt_area *area = track->area;
	unsigned int flags = 0;
	unsigned long iova;
	size_t size;
	int rc;

	iova = iopt_dmabuf_iova(area, first, last, &size);
	/* Does not change while an area is in a domain. */
	if (READ_ONCE(area->iopt->disable_large_pages))
		flags = DMA_BUF_IOMMU_SMALL_PAGES;

	pages->dmabuf.filling = true;
	rc = dma_buf_map_attachment_iommu(pages->dmabuf.attach, track->domain,
					  iova,
					  iopt_dmabuf_offset(pages, area, iova),
					  size, area->iommu_prot, flags);
	pages->dmabuf.filling = false;

	/* Taken back by the exporter while it gave it. */
	if (!rc && pages->dmabuf.revoked) {
		iopt_dmabuf_unmap_piece(pages, track, first, last);
		rc = -EAGAIN;
	}
	return rc;
}

/* What is mapped of the indexes @first to @last. */
static void iopt_dmabuf_unmap_range(struct iopt_pages *pages,
				    struct iopt_dmabuf_track *track,
				    unsigned long first, unsigned long last)
{
	struct interval_tree_span_iter span;

	first = max(first, iopt_area_index(track->area));
	if (first >= track->end || first > last)
		return;
	last = min(last, track->end - 1);

	interval_tree_for_each_span(&span, &pages->dmabuf.revoked_itree, first,
				    last)
		if (span.is_hole)
			iopt_dmabuf_unmap_piece(pages, track, span.start_hole,
						span.last_hole);
}

/**
 * iopt_dmabuf_unmap() - Unmap an area from a domain
 * @pages: The pages of the area
 * @track: The area and the domain; can be unmapped already, or in part mapped
 */
void iopt_dmabuf_unmap(struct iopt_pages *pages,
		       struct iopt_dmabuf_track *track)
{
	iopt_dmabuf_unmap_range(pages, track, 0, ULONG_MAX);
	track->end = 0;
}

/**
 * iopt_dmabuf_map() - Map an area into a domain
 * @pages: The pages of the area
 * @track: The area and the domain, where nothing of it is mapped
 *
 * Maps all that was not taken back, or nothing. Returns an error of
 * dma_buf_map_attachment_iommu().
 */
int iopt_dmabuf_map(struct iopt_pages *pages, struct iopt_dmabuf_track *track)
{
	unsigned long last = iopt_area_last_index(track->area);
	struct interval_tree_span_iter span;
	int rc;

	interval_tree_for_each_span(&span, &pages->dmabuf.revoked_itree,
				    iopt_area_index(track->area), last) {
		if (!span.is_hole)
			continue;

		rc = iopt_dmabuf_map_piece(pages, track, span.start_hole,
					   span.last_hole);
		if (rc) {
			iopt_dmabuf_unmap(pages, track);
			return rc;
		}
		track->end = span.last_hole + 1;
	}

	track->end = last + 1;
	return 0;
}

/**
 * iopt_dmabuf_next_piece() - Find what of an area the exporter has not taken back
 * @pages: The pages of the area
 * @area: The area
 * @index: Where to start looking; becomes the index behind the piece
 * @offset: Where the piece starts in the buffer, in bytes
 *
 * Returns how long it is, in bytes, or 0 if there is none.
 */
size_t iopt_dmabuf_next_piece(struct iopt_pages *pages, struct iopt_area *area,
			      unsigned long *index, u64 *offset)
{
	unsigned long last = iopt_area_last_index(area);
	struct interval_tree_span_iter span;
	unsigned long iova;
	size_t size;

	if (pages->dmabuf.revoked || *index > last)
		return 0;

	interval_tree_for_each_span(&span, &pages->dmabuf.revoked_itree, *index,
				    last) {
		if (!span.is_hole)
			continue;

		iova = iopt_dmabuf_iova(area, span.start_hole, span.last_hole,
					&size);
		*offset = iopt_dmabuf_offset(pages, area, iova);
		*index = span.last_hole + 1;
		return size;
	}
	return 0;
}

/*
 * What the exporter takes back
 */

static void iopt_dmabuf_revoke(struct iopt_pages *pages)
{
	struct iopt_dmabuf_track *track;

	/* Legal only for a buffer that moves, and this one is pinned. */
	WARN_ON_ONCE(pages->dmabuf.filling);

	pages->dmabuf.revoked = true;
	list_for_each_entry(track, &pages->dmabuf.tracker, elm)
		iopt_dmabuf_unmap(pages, track);
}

static void iopt_dmabuf_invalidate(struct dma_buf_attachment *attach)
{
	struct iopt_pages *pages = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	/* As long as the buffer is not pinned nothing is mapped, and it may move. */
	if (pages->dmabuf.attach)
		iopt_dmabuf_revoke(pages);
}

/* An interval that overlaps @first to @last, or touches it. */
static struct interval_tree_node *
iopt_dmabuf_revoked_near(struct iopt_pages *pages, unsigned long first,
			 unsigned long last)
{
	return interval_tree_iter_first(&pages->dmabuf.revoked_itree,
					first ? first - 1 : 0, last + 1);
}

static void iopt_dmabuf_revoked_remove(struct iopt_pages *pages,
				       struct interval_tree_node *node)
{
	interval_tree_remove(node, &pages->dmabuf.revoked_itree);
	pages->dmabuf.nr_revoked--;
}

/* Record @first to @last: in @node, unless an old one can grow. */
static void iopt_dmabuf_revoked_add(struct iopt_pages *pages,
				    struct interval_tree_node *node,
				    unsigned long first, unsigned long last)
{
	struct interval_tree_node *old;

	while ((old = iopt_dmabuf_revoked_near(pages, first, last))) {
		first = min(first, old->start);
		last = max(last, old->last);
		iopt_dmabuf_revoked_remove(pages, old);
		kfree(node);
		node = old;
	}

	node->start = first;
	node->last = last;
	interval_tree_insert(node, &pages->dmabuf.revoked_itree);
	pages->dmabuf.nr_revoked++;
}

static void iopt_dmabuf_revoke_range(struct iopt_pages *pages,
				     unsigned long first, unsigned long last)
{
	struct interval_tree_node *node = NULL;
	struct iopt_dmabuf_track *track;

	/* The tree says what a pair that is half mapped consists of. */
	if (pages->dmabuf.filling) {
		iopt_dmabuf_revoke(pages);
		return;
	}

	/* What can fail goes first. */
	if (!iopt_dmabuf_revoked_near(pages, first, last)) {
		if (pages->dmabuf.nr_revoked < IOPT_DMABUF_MAX_REVOKED)
			node = kzalloc_obj(*node, GFP_KERNEL | __GFP_NOWARN);
		if (!node) {
			iopt_dmabuf_revoke(pages);
			return;
		}
	}

	list_for_each_entry(track, &pages->dmabuf.tracker, elm)
		iopt_dmabuf_unmap_range(pages, track, first, last);
	iopt_dmabuf_revoked_add(pages, node, first, last);
}

static void iopt_dmabuf_invalidate_range(struct dma_buf_attachment *attach,
					 u64 offset, u64 length)
{
	struct iopt_pages *pages = attach->importer_priv;
	u64 start = pages->dmabuf.start;
	u64 end = start + (u64)pages->npages * PAGE_SIZE;

	dma_resv_assert_held(attach->dmabuf->resv);

	/* The pages are a slice of the buffer. */
	end = min(offset + length, end);
	offset = max(offset, start);
	if (!pages->dmabuf.attach || offset >= end)
		return;

	iopt_dmabuf_revoke_range(pages, (offset - start) / PAGE_SIZE,
				 (end - start - 1) / PAGE_SIZE);
}

/**
 * iopt_dmabuf_forget_revoked() - Free what was recorded
 * @pages: Pages that are in no area
 */
void iopt_dmabuf_forget_revoked(struct iopt_pages *pages)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(&pages->dmabuf.revoked_itree, 0,
						ULONG_MAX))) {
		iopt_dmabuf_revoked_remove(pages, node);
		kfree(node);
	}
}

/*
 * What the exporter gives back
 */

/* Map an interval of the tree in every pair that is mapped, or in none. */
static int iopt_dmabuf_restore_interval(struct iopt_pages *pages,
					const struct interval_tree_node *node)
{
	struct iopt_dmabuf_track *track;
	unsigned long first, last;
	int rc = 0;

	list_for_each_entry(track, &pages->dmabuf.tracker, elm) {
		first = max(node->start, iopt_area_index(track->area));
		last = min(node->last, iopt_area_last_index(track->area));
		if (!track->end || first > last)
			continue;

		rc = iopt_dmabuf_map_piece(pages, track, first, last);
		if (rc)
			break;
		track->restored = true;
	}

	list_for_each_entry(track, &pages->dmabuf.tracker, elm) {
		first = max(node->start, iopt_area_index(track->area));
		last = min(node->last, iopt_area_last_index(track->area));
		if (track->restored && rc)
			iopt_dmabuf_unmap_piece(pages, track, first, last);
		track->restored = false;
	}
	return rc;
}

static bool iopt_dmabuf_any_mapped(struct iopt_pages *pages)
{
	struct iopt_dmabuf_track *track;

	list_for_each_entry(track, &pages->dmabuf.tracker, elm)
		if (track->end)
			return true;
	return false;
}

/**
 * iopt_dmabuf_restore() - Map what was taken back and may be there again
 * @pages: The pages to act on
 *
 * Only the exporter knows what is, so everything is tried. Without a pair that
 * is mapped there is no way to try; the next domain that comes is one.
 */
void iopt_dmabuf_restore(struct iopt_pages *pages)
{
	struct interval_tree_node *node, *next;

	if (!pages->dmabuf.remap || !iopt_dmabuf_any_mapped(pages))
		return;

	for (node = interval_tree_iter_first(&pages->dmabuf.revoked_itree, 0,
					     ULONG_MAX);
	     node && !pages->dmabuf.revoked; node = next) {
		next = interval_tree_iter_next(node, 0, ULONG_MAX);
		if (iopt_dmabuf_restore_interval(pages, node))
			continue;
		iopt_dmabuf_revoked_remove(pages, node);
		kfree(node);
	}
}

/*
 * A pair that cannot be mapped stays as it is: there is nobody to tell. It is
 * counted where the attachment shows in debugfs, and gets another chance when
 * the exporter calls again.
 */
static void iopt_dmabuf_allowed(struct dma_buf_attachment *attach)
{
	struct iopt_pages *pages = attach->importer_priv;
	struct iopt_dmabuf_track *track;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!pages->dmabuf.attach)
		return;

	pages->dmabuf.revoked = false;
	list_for_each_entry(track, &pages->dmabuf.tracker, elm)
		if (!track->end && !pages->dmabuf.revoked)
			iopt_dmabuf_map(pages, track);
	iopt_dmabuf_restore(pages);
}

static const struct dma_buf_attach_ops iopt_dmabuf_revoke_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = iopt_dmabuf_invalidate,
	.invalidate_range = iopt_dmabuf_invalidate_range,
};

static const struct dma_buf_attach_ops iopt_dmabuf_remap_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = iopt_dmabuf_invalidate,
	.invalidate_range = iopt_dmabuf_invalidate_range,
	.mappings_allowed = iopt_dmabuf_allowed,
};

/**
 * iopt_dmabuf_attach_ops() - What to attach with
 * @pages: Pages that are not attached yet
 *
 * Exporters let attach to a revoked buffer only who can wait for it.
 */
const struct dma_buf_attach_ops *
iopt_dmabuf_attach_ops(const struct iopt_pages *pages)
{
	return pages->dmabuf.remap ? &iopt_dmabuf_remap_ops :
				     &iopt_dmabuf_revoke_ops;
}
