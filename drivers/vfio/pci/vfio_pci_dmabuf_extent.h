/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents of an exported region.
 */
#ifndef VFIO_PCI_DMABUF_EXTENT_H
#define VFIO_PCI_DMABUF_EXTENT_H

#include <linux/types.h>

struct dma_buf_sink;
struct p2pdma_provider;

/**
 * struct vfio_pci_dma_buf_run - device memory that is contiguous in a buffer
 * @offset: where it starts in the buffer, in bytes
 * @phys: where it starts in memory
 * @nr_pages: how long it is, in pages
 */
struct vfio_pci_dma_buf_run {
	u64 offset;
	phys_addr_t phys;
	u64 nr_pages;
};

/**
 * struct vfio_pci_dma_buf_runs - the runs of a buffer, in ascending order
 * @nr: number of runs
 * @run: the runs
 */
struct vfio_pci_dma_buf_runs {
	u32 nr;
	struct vfio_pci_dma_buf_run *run;
};

int vfio_pci_dma_buf_runs_init(struct vfio_pci_dma_buf_runs *runs,
			       const struct phys_vec *vec, u32 nr);
void vfio_pci_dma_buf_runs_destroy(struct vfio_pci_dma_buf_runs *runs);
bool vfio_pci_dma_buf_runs_within(const struct vfio_pci_dma_buf_runs *runs,
				  phys_addr_t start, u64 length);

int vfio_pci_dma_buf_fill(const struct vfio_pci_dma_buf_runs *runs,
			  struct p2pdma_provider *provider,
			  struct dma_buf_sink *sink, u64 offset, u64 length);

#endif /* VFIO_PCI_DMABUF_EXTENT_H */
