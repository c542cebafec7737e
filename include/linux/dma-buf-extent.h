/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dma-buf extents: how an exporter gives its memory to a mapper, page by page
 * or gigabyte by gigabyte, without telling anybody else where it is.
 */
#ifndef __DMA_BUF_EXTENT_H__
#define __DMA_BUF_EXTENT_H__

#include <linux/bits.h>
#include <linux/types.h>

struct dma_buf_attachment;
struct dma_buf_sink;
struct p2pdma_provider;
struct page;

/**
 * DOC: extents and the sink
 *
 * The words, before any code:
 *
 * Extent
 *   A physically contiguous piece of a buffer, of one kind.
 *
 * Window
 *   The part of the buffer that an importer asked for: a single page for a
 *   page fault, a range for anything that maps ahead.
 *
 * Sink
 *   Where the exporter puts extents. It belongs to one attachment, is opaque,
 *   and is open only while &dma_buf_extent_ops.fill runs. What is behind it is
 *   the code of the mapper, which alone knows the guest physical address or
 *   the I/O virtual address that the window stands for.
 *
 * An exporter answers a window by calling dma_buf_sink_add() for the extents
 * that cover it, in ascending order. It gives each extent whole, as it has it:
 * the first may start before the window and the last may end after it. The
 * sink checks each and passes it on as it is. KVM chooses a page size from the
 * unclipped bounds; the mapper of the IOMMU type clips to the window.
 *
 * There is no call that takes extents back. Mapping types that are built on
 * extents set &dma_buf_mapping_type.needs_invalidate: when
 * dma_buf_invalidate_mappings() returns, nothing derived from an extent is
 * reachable, and after dma_buf_detach() neither.
 */

/**
 * enum dma_buf_extent_kind - what the memory of an extent is
 * @DMA_BUF_EXTENT_RAM: pages that the kernel maps write-back
 * @DMA_BUF_EXTENT_MMIO: device memory, to be accessed uncached
 * @DMA_BUF_EXTENT_MMIO_WC: device memory that may be accessed write-combining
 * @DMA_BUF_EXTENT_MMIO_CACHEABLE: device memory that takes part in cache
 *	coherency
 */
enum dma_buf_extent_kind {
	DMA_BUF_EXTENT_RAM,
	DMA_BUF_EXTENT_MMIO,
	DMA_BUF_EXTENT_MMIO_WC,
	DMA_BUF_EXTENT_MMIO_CACHEABLE,
};

/* The memory must not be written, whatever the importer asked for. */
#define DMA_BUF_EXTENT_READONLY		BIT(0)
/*
 * The memory is confidential now: it is a guest's alone, as private memory. Only
 * types that can keep it so get it, see &dma_buf_mapping_type.takes_private. The
 * exporter takes an extent away from importers before this changes.
 */
#define DMA_BUF_EXTENT_PRIVATE		BIT(1)

/**
 * struct dma_buf_extent - a contiguous piece of a buffer
 * @offset: where it starts in the buffer, in bytes, page aligned
 * @nr_pages: how long it is, in pages, not 0
 * @kind: what the memory is
 * @flags: mask of DMA_BUF_EXTENT_*
 * @page: first page, for DMA_BUF_EXTENT_RAM. The pages must follow each other
 *	in one folio, or in one allocation that stays whole.
 * @mmio: for every other kind
 * @mmio.phys: physical address of the first byte, page aligned
 * @mmio.provider: the device that the memory belongs to
 */
struct dma_buf_extent {
	u64 offset;
	u64 nr_pages;
	enum dma_buf_extent_kind kind;
	u32 flags;
	union {
		struct page *page;
		struct {
			phys_addr_t phys;
			struct p2pdma_provider *provider;
		} mmio;
	};
};

/**
 * struct dma_buf_extent_ops - what an exporter of extents implements
 * @prepare: [optional] make @length bytes from @offset available: allocate,
 *	clear, bring back from swap.
 *
 *	Called without the reservation lock, in process context, after fill
 *	said -EAGAIN, or ahead of it by an importer that knows what it will map.
 *	What it prepared may be gone again when fill is called.
 *
 *	Returns 0; -EINTR, -ENOMEM, or why the memory cannot be had.
 * @fill: give the extents that cover @length bytes from @offset to @sink.
 *
 *	Called with the reservation lock held, in process context. It may sleep
 *	and may allocate with GFP_KERNEL. It must not drop the reservation lock,
 *	take another one, run the work in another task, or take a lock under
 *	which somebody waits for a reservation lock; a folio lock is such a
 *	lock. An extent must be found without a walk over the buffer.
 *
 *	@write says that the mapping will be writable: memory that needs it is
 *	marked dirty now, because later writes are not seen.
 *
 *	An exporter that moves the buffer here calls
 *	dma_buf_invalidate_mappings() before the first dma_buf_sink_add().
 *
 *	Returns 0 once dma_buf_sink_add() returned 1 or the window is covered;
 *	-ENODEV while the buffer is revoked; -EAGAIN when the caller should try
 *	again soon, after prepare if there is one; -EINTR or -ERESTARTSYS,
 *	-ENOMEM, -EHWPOISON; an error of dma_buf_sink_add() as it is.
 */
struct dma_buf_extent_ops {
	int (*prepare)(struct dma_buf_attachment *attach, u64 offset,
		       u64 length);
	int (*fill)(struct dma_buf_attachment *attach,
		    struct dma_buf_sink *sink, u64 offset, u64 length,
		    bool write);
};

int dma_buf_sink_add(struct dma_buf_sink *sink,
		     const struct dma_buf_extent *extent);

/* For importers of types that are built on extents. */
int dma_buf_prepare_attachment(struct dma_buf_attachment *attach, u64 offset,
			       u64 length);

#endif /* __DMA_BUF_EXTENT_H__ */
