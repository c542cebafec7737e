/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An I/O page table, as tests see it: what is behind each of its pages, and
 * which call put it there. As with a real one, what one call mapped cannot be
 * unmapped in part, and unmapping stops at a hole.
 */
#ifndef __HOST_IOMMU_H__
#define __HOST_IOMMU_H__

#include "host.h"

#define HOST_IO_PAGE	2048UL
#define HOST_NR_IOPTES	256

struct iommu_domain {
	struct {
		phys_addr_t phys;
		int prot;
		int call;	/* that mapped it, counted from 1; 0: nothing there */
	} ptes[HOST_NR_IOPTES];

	int calls;		/* of iommu_map_nosync() */
	int fail_map;		/* fail the n-th of these, counted from 1 */
	int syncs;
	int fail_sync;
	unsigned long sync_iova;
	size_t sync_size;
	int unmaps;
};

#endif /* __HOST_IOMMU_H__ */
