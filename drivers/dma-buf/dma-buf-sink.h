/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of a sink, for the mapping types that are built on extents.
 */
#ifndef __DMA_BUF_SINK_H__
#define __DMA_BUF_SINK_H__

#include <linux/dma-buf-extent.h>

struct seq_file;
struct task_struct;

/*
 * What a mapping type does with an extent. Called for each one that passed the
 * checks, with the reservation lock held. Returns 0 or an error, which ends the
 * fill.
 */
typedef int (*dma_buf_sink_take_t)(struct dma_buf_attachment *attach,
				   void *cookie,
				   const struct dma_buf_extent *extent);

/**
 * struct dma_buf_sink - state of a window while the exporter fills it
 * @attach: the attachment that the sink belongs to for its whole life
 * @owner: the task that opened it; NULL while the sink is closed
 * @take: what to do with an extent
 * @cookie: for @take
 * @start: where the window starts in the buffer, in bytes
 * @end: where it ends
 * @pos: how far it is covered, from @start
 * @next: where the next extent must start; valid once @pos > @start
 * @error: first error; every later call returns it
 * @mmio_start: start of device memory that is known not to be System RAM
 * @mmio_end: its end; equal to @mmio_start when there is none
 * @nr_fills: how often the exporter was asked, for debugfs
 * @nr_extents: how many extents it gave, for debugfs
 * @mapped: bytes in I/O page tables, for the IOMMU type
 * @nr_failed: mappings that failed, for the IOMMU type
 *
 * It lives as long as the attachment, so that an exporter that keeps the
 * pointer is found out instead of writing into freed memory. Protected by the
 * reservation lock.
 */
struct dma_buf_sink {
	struct dma_buf_attachment *attach;
	struct task_struct *owner;
	dma_buf_sink_take_t take;
	void *cookie;
	u64 start;
	u64 end;
	u64 pos;
	u64 next;
	int error;
	phys_addr_t mmio_start;
	phys_addr_t mmio_end;
	u64 nr_fills;
	u64 nr_extents;
	u64 mapped;
	u64 nr_failed;
};

int dma_buf_sink_attach(struct dma_buf_attachment *attach);
void dma_buf_sink_detach(struct dma_buf_attachment *attach);
void dma_buf_sink_invalidate(struct dma_buf_attachment *attach);
void dma_buf_sink_show(struct seq_file *s, struct dma_buf_attachment *attach);
int dma_buf_sink_run(struct dma_buf_attachment *attach, u64 offset, u64 length,
		     bool write, dma_buf_sink_take_t take, void *cookie);
int dma_buf_sink_check_pages(struct page *page, u64 nr_pages);

#endif /* __DMA_BUF_SINK_H__ */
