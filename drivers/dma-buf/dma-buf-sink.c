// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sink: the one place where extents of exporters are checked.
 */
#include <linux/align.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "dma-buf-sink.h"

#define DMA_BUF_EXTENT_FLAGS	(DMA_BUF_EXTENT_READONLY | DMA_BUF_EXTENT_PRIVATE)

int dma_buf_sink_attach(struct dma_buf_attachment *attach)
{
	attach->sink = kzalloc_obj(*attach->sink);
	if (!attach->sink)
		return -ENOMEM;

	attach->sink->attach = attach;
	return 0;
}

void dma_buf_sink_detach(struct dma_buf_attachment *attach)
{
	WARN_ON_ONCE(attach->sink->owner);
	kfree(attach->sink);
	attach->sink = NULL;
}

/*
 * A dynamic exporter may move the buffer inside fill and so invalidate the very
 * attachment that is being filled. That is fine while nothing was given yet.
 * After that what was given is stale, and so the fill must not succeed.
 */
void dma_buf_sink_invalidate(struct dma_buf_attachment *attach)
{
	struct dma_buf_sink *sink = attach->sink;

	if (sink->owner && WARN_ON_ONCE(sink->pos != sink->start) &&
	    !sink->error)
		sink->error = -EAGAIN;

	sink->mmio_start = 0;
	sink->mmio_end = 0;
}

void dma_buf_sink_show(struct seq_file *s, struct dma_buf_attachment *attach)
{
	seq_printf(s, "\tfills %llu\textents %llu", attach->sink->nr_fills,
		   attach->sink->nr_extents);
}

/*
 * Pages that nobody may map, however they came into a buffer: offline or not
 * RAM at all, device memory in disguise, kernel-reserved.
 */
static int dma_buf_sink_check_page(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	if (WARN_ON_ONCE(!page || PageReserved(page) ||
			 is_zone_device_page(page)))
		return -EINVAL;
	return is_page_hwpoison(page) ? -EHWPOISON : 0;
}

/*
 * A fault must not walk the extent. So its two ends, and the page where it
 * meets the window, stand for all of it, unless somebody debugs an exporter.
 */
static int dma_buf_sink_check_ram(struct dma_buf_sink *sink,
				  const struct dma_buf_extent *extent)
{
	u64 skip = (sink->pos - extent->offset) >> PAGE_SHIFT;
	unsigned long first, last, pfn;
	int ret;

	if (WARN_ON_ONCE(!extent->page))
		return -EINVAL;

	first = page_to_pfn(extent->page);
	last = first + extent->nr_pages - 1;

	ret = dma_buf_sink_check_page(first);
	if (!ret && skip)
		ret = dma_buf_sink_check_page(first + skip);
	if (!ret && last != first + skip)
		ret = dma_buf_sink_check_page(last);

	if (!IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return ret;
	for (pfn = first; !ret && pfn <= last; pfn++)
		ret = dma_buf_sink_check_page(pfn);
	return ret;
}

/**
 * dma_buf_sink_check_pages - check each page of a part of an extent
 * @page: the first
 * @nr_pages: how many
 *
 * For mappings that last. Pages of one folio differ only in whether they have
 * failed. If memory_failure() handles the folio, which is so for hugetlb and what
 * is on the LRU, the folio knows whether any of them has, and this costs a step
 * for each folio; else a step for each page.
 *
 * Return: 0; -EINVAL if there is a page that nobody may map, warns; -EHWPOISON.
 */
int dma_buf_sink_check_pages(struct page *page, u64 nr_pages)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned long end = pfn + nr_pages;
	struct folio *folio;
	int ret;

	while (pfn < end) {
		ret = dma_buf_sink_check_page(pfn);
		if (ret)
			return ret;

		page = pfn_to_page(pfn);
		folio = page_folio(page);
		if ((folio_test_hugetlb(folio) || folio_test_lru(folio)) &&
		    !folio_contain_hwpoisoned_page(folio))
			pfn += folio_nr_pages(folio) - folio_page_idx(folio, page);
		else
			pfn++;
		cond_resched();
	}
	return 0;
}

/*
 * region_intersects() walks all resources, so remember its last verdict: a
 * buffer that is one BAR pays for it once.
 */
static int dma_buf_sink_check_mmio(struct dma_buf_sink *sink,
				   const struct dma_buf_extent *extent)
{
	phys_addr_t start = extent->mmio.phys, end;
	u64 size = extent->nr_pages << PAGE_SHIFT;

	if (WARN_ON_ONCE(!extent->mmio.provider || !PAGE_ALIGNED(start) ||
			 check_add_overflow(start, size, &end)))
		return -EINVAL;

	if (start >= sink->mmio_start && end <= sink->mmio_end)
		return 0;

	if (WARN_ON_ONCE(region_intersects(start, size, IORESOURCE_SYSTEM_RAM,
					   IORES_DESC_NONE) != REGION_DISJOINT))
		return -EINVAL;

	sink->mmio_start = start;
	sink->mmio_end = end;
	return 0;
}

static int dma_buf_sink_check(struct dma_buf_sink *sink,
			      const struct dma_buf_extent *extent, u64 *end)
{
	u64 size;

	if (WARN_ON_ONCE((extent->flags & ~DMA_BUF_EXTENT_FLAGS) ||
			 !extent->nr_pages ||
			 !PAGE_ALIGNED(extent->offset) ||
			 check_shl_overflow(extent->nr_pages, PAGE_SHIFT, &size) ||
			 check_add_overflow(extent->offset, size, end) ||
			 *end > PAGE_ALIGN(sink->attach->dmabuf->size)))
		return -EINVAL;

	/* No misuse: it may have been shared when the importer attached. */
	if ((extent->flags & DMA_BUF_EXTENT_PRIVATE) &&
	    !sink->attach->map_type->takes_private)
		return -EACCES;

	/* The first extent reaches into the window, the others follow on. */
	if (sink->pos == sink->start) {
		if (WARN_ON_ONCE(extent->offset > sink->start ||
				 *end <= sink->start))
			return -EINVAL;
	} else if (WARN_ON_ONCE(extent->offset != sink->next)) {
		return -EINVAL;
	}

	switch (extent->kind) {
	case DMA_BUF_EXTENT_RAM:
		return dma_buf_sink_check_ram(sink, extent);
	case DMA_BUF_EXTENT_MMIO:
	case DMA_BUF_EXTENT_MMIO_WC:
	case DMA_BUF_EXTENT_MMIO_CACHEABLE:
		return dma_buf_sink_check_mmio(sink, extent);
	}

	WARN_ONCE(1, "dma-buf: extent of unknown kind %d\n", extent->kind);
	return -EINVAL;
}

/**
 * dma_buf_sink_add - give an extent to the mapper
 * @sink: the sink that &dma_buf_extent_ops.fill was called with
 * @extent: what the buffer consists of, from the end of the previous extent on;
 *	the first one must contain the start of the window
 *
 * Only for use inside fill, by the task that fill was called in.
 *
 * Context: process context; the reservation lock is held.
 *
 * Return: 0 to go on, 1 when the window is covered and fill can return, or an
 * error. An error sticks: the fill has failed whatever fill returns.
 *
 * * -EPERM: the sink is not open, or this is not the task that opened it. Warns.
 * * -EINVAL: the extent is malformed, outside of the buffer, out of order, or
 *   not memory of the kind it claims to be. Warns.
 * * -EHWPOISON: the memory has failed
 * * -EACCES: the memory is private, and the mapping type cannot keep it so
 * * -EAGAIN: the buffer was invalidated after an extent had been given
 * * any error of the mapper
 */
int dma_buf_sink_add(struct dma_buf_sink *sink,
		     const struct dma_buf_extent *extent)
{
	u64 end;
	int ret;

	/* Whoever has the sink open is not to blame, so do not touch it. */
	if (WARN_ON_ONCE(READ_ONCE(sink->owner) != current))
		return -EPERM;

	dma_resv_assert_held(sink->attach->dmabuf->resv);

	if (sink->error)
		return sink->error;
	if (sink->pos == sink->end)
		return 1;

	ret = dma_buf_sink_check(sink, extent, &end);
	if (ret)
		goto err;

	ret = sink->take(sink->attach, sink->cookie, extent);
	if (ret)
		goto err;

	sink->nr_extents++;
	sink->next = end;
	sink->pos = min(end, sink->end);
	return sink->pos == sink->end;

err:
	sink->error = ret;
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_sink_add, "DMA_BUF_EXTENT");

/**
 * dma_buf_sink_run - let the exporter fill a window
 * @attach: attachment of a type that is built on extents
 * @offset: where the window starts in the buffer, in bytes
 * @length: how long it is, in bytes, not 0
 * @write: the mapping will be writable
 * @take: what to do with each extent
 * @cookie: for @take
 *
 * On failure @take may have been called for a part of the window; the caller
 * undoes that.
 *
 * Context: process context, may sleep. The reservation lock is held.
 *
 * Return: 0 when the whole window was covered, or an error:
 *
 * * -EINVAL: the window is empty or not inside the buffer, or the exporter left
 *   a part of it uncovered, or gave a bad extent. Warns.
 * * -EBUSY: the sink of this attachment is open already. Warns.
 * * -EINTR: a signal is pending; also for -ERESTARTSYS
 * * any other error of fill, of dma_buf_sink_add() or of @take
 */
int dma_buf_sink_run(struct dma_buf_attachment *attach, u64 offset, u64 length,
		     bool write, dma_buf_sink_take_t take, void *cookie)
{
	const struct dma_buf_extent_ops *ops = attach->map_exp->ops;
	struct dma_buf_sink *sink = attach->sink;
	u64 end;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(!length || check_add_overflow(offset, length, &end) ||
			 end > attach->dmabuf->size))
		return -EINVAL;
	if (WARN_ON_ONCE(sink->owner))
		return -EBUSY;

	sink->take = take;
	sink->cookie = cookie;
	sink->start = offset;
	sink->pos = offset;
	sink->end = end;
	sink->error = 0;
	sink->nr_fills++;

	WRITE_ONCE(sink->owner, current);
	ret = ops->fill(attach, sink, offset, length, write);
	WRITE_ONCE(sink->owner, NULL);

	if (sink->error)
		ret = sink->error;
	/* The callers tell an interrupted fill from one that failed. */
	if (ret == -ERESTARTSYS)
		return -EINTR;
	if (ret < 0)
		return ret;
	if (WARN_ONCE(sink->pos != sink->end,
		      "dma-buf: %s left a window uncovered\n",
		      attach->dmabuf->exp_name))
		return -EINVAL;
	return 0;
}

/**
 * dma_buf_prepare_attachment - have the exporter make memory available
 * @attach: attachment of a type that is built on extents
 * @offset: where the range starts in the buffer, in bytes
 * @length: how long it is, in bytes, not 0
 *
 * For an importer that was told -EAGAIN, or that wants allocation and clearing
 * done before it takes locks. Maps nothing and promises nothing.
 *
 * Context: process context, may sleep. The reservation lock must not be held.
 *
 * Return: 0, also if the exporter has nothing to prepare, or an error:
 *
 * * -EINVAL: the attachment is of another type, or the range is empty or not
 *   inside the buffer. Warns.
 * * -EINTR: a signal is pending
 * * any other error of &dma_buf_extent_ops.prepare
 */
int dma_buf_prepare_attachment(struct dma_buf_attachment *attach, u64 offset,
			       u64 length)
{
	const struct dma_buf_extent_ops *ops;
	u64 end;
	int ret;

	might_sleep();

	if (WARN_ON_ONCE(!attach->sink || !length ||
			 check_add_overflow(offset, length, &end) ||
			 end > attach->dmabuf->size))
		return -EINVAL;

	ops = attach->map_exp->ops;
	if (!ops->prepare)
		return 0;

	ret = ops->prepare(attach, offset, length);
	return ret == -ERESTARTSYS ? -EINTR : ret;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_prepare_attachment, "DMA_BUF");
