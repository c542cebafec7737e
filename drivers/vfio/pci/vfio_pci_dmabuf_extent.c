// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of an exported region: the ranges of a BAR that user space named, in
 * the order in which it named them.
 */
#include <linux/dma-buf-extent.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "vfio_pci_dmabuf_extent.h"

/**
 * vfio_pci_dma_buf_runs_init - find the runs of a buffer
 * @runs: to be set up
 * @vec: the ranges of the buffer; their lengths are whole pages
 * @nr: number of ranges, not 0
 *
 * Ranges that follow each other become one run: the longer a run, the larger
 * the pages that a mapper can use.
 *
 * Return: 0; -EINVAL, the memory of the device does not start at a page, which
 * Enhanced Allocation allows; -ENOMEM.
 */
int vfio_pci_dma_buf_runs_init(struct vfio_pci_dma_buf_runs *runs,
			       const struct phys_vec *vec, u32 nr)
{
	struct vfio_pci_dma_buf_run *run = NULL;
	phys_addr_t next = 0;
	u64 offset = 0;
	u32 i;

	runs->nr = 0;
	runs->run = kvmalloc_objs(*runs->run, nr, GFP_KERNEL_ACCOUNT);
	if (!runs->run)
		return -ENOMEM;

	for (i = 0; i < nr; i++) {
		if (!PAGE_ALIGNED(vec[i].paddr))
			return -EINVAL;
		if (!run || vec[i].paddr != next) {
			run = &runs->run[runs->nr++];
			run->offset = offset;
			run->phys = vec[i].paddr;
			run->nr_pages = 0;
		}
		run->nr_pages += vec[i].len >> PAGE_SHIFT;
		next = vec[i].paddr + vec[i].len;
		offset += vec[i].len;
	}
	return 0;
}

/**
 * vfio_pci_dma_buf_runs_destroy - free what vfio_pci_dma_buf_runs_init() allocated
 * @runs: may be all zero
 */
void vfio_pci_dma_buf_runs_destroy(struct vfio_pci_dma_buf_runs *runs)
{
	kvfree(runs->run);
}

/**
 * vfio_pci_dma_buf_runs_within - do all runs lie in one piece of memory
 * @runs: the runs of the buffer
 * @start: where that piece starts
 * @length: how long it is, in bytes
 *
 * Return: true if no run leaves it.
 */
bool vfio_pci_dma_buf_runs_within(const struct vfio_pci_dma_buf_runs *runs,
				  phys_addr_t start, u64 length)
{
	u32 i;

	for (i = 0; i < runs->nr; i++) {
		const struct vfio_pci_dma_buf_run *run = &runs->run[i];
		u64 size = run->nr_pages << PAGE_SHIFT;

		if (run->phys < start || size > length ||
		    run->phys - start > length - size)
			return false;
	}
	return true;
}

static u32 vfio_pci_dma_buf_find_run(const struct vfio_pci_dma_buf_runs *runs,
				     u64 offset)
{
	u32 low = 0, high = runs->nr;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;

		if (runs->run[mid].offset <= offset)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/**
 * vfio_pci_dma_buf_fill - give the extents that cover a window
 * @runs: the runs of the buffer
 * @provider: the device they belong to
 * @sink: where to
 * @offset: where the window starts, in bytes
 * @length: how long it is, in bytes
 *
 * Costs one binary search and a step for each further run.
 *
 * Context: see &dma_buf_extent_ops.fill.
 *
 * Return: 0, or an error of dma_buf_sink_add().
 */
int vfio_pci_dma_buf_fill(const struct vfio_pci_dma_buf_runs *runs,
			  struct p2pdma_provider *provider,
			  struct dma_buf_sink *sink, u64 offset, u64 length)
{
	u64 end = offset + length;
	u32 i = vfio_pci_dma_buf_find_run(runs, offset);
	int ret = 0;

	for (; !ret && i < runs->nr && runs->run[i].offset < end; i++) {
		const struct vfio_pci_dma_buf_run *run = &runs->run[i];
		struct dma_buf_extent extent = {
			.offset = run->offset,
			.nr_pages = run->nr_pages,
			.kind = DMA_BUF_EXTENT_MMIO,
			.mmio = { .phys = run->phys, .provider = provider },
		};

		ret = dma_buf_sink_add(sink, &extent);
	}
	return ret < 0 ? ret : 0;
}
