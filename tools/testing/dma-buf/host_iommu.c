// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O page table of host_iommu.h.
 */
#include "host_iommu.h"

int iommu_map_nosync(struct iommu_domain *domain, unsigned long iova,
		     phys_addr_t phys, size_t size, int prot, int gfp)
{
	size_t first = iova / HOST_IO_PAGE, nr = size / HOST_IO_PAGE, i;

	assert_true(size);
	if ((iova | phys | size) % HOST_IO_PAGE)
		return -EINVAL;
	assert_true(first + nr <= HOST_NR_IOPTES);

	if (++domain->calls == domain->fail_map)
		return -ENOMEM;
	for (i = first; i < first + nr; i++)
		if (domain->ptes[i].call)
			return -EADDRINUSE;

	for (i = 0; i < nr; i++) {
		domain->ptes[first + i].phys = phys + i * HOST_IO_PAGE;
		domain->ptes[first + i].prot = prot;
		domain->ptes[first + i].call = domain->calls;
	}
	return 0;
}

int iommu_sync_map(struct iommu_domain *domain, unsigned long iova, size_t size)
{
	domain->syncs++;
	domain->sync_iova = iova;
	domain->sync_size = size;
	return domain->fail_sync;
}

size_t iommu_unmap(struct iommu_domain *domain, unsigned long iova, size_t size)
{
	size_t first = iova / HOST_IO_PAGE, end = first + size / HOST_IO_PAGE;
	size_t i = first;

	domain->unmaps++;
	assert_true(end <= HOST_NR_IOPTES);
	while (i < end) {
		int call = domain->ptes[i].call;

		/* A hole, or the middle of what a call mapped. */
		if (!call || (i && domain->ptes[i - 1].call == call))
			break;
		/* All that the call mapped goes, even beyond the end. */
		for (; i < HOST_NR_IOPTES && domain->ptes[i].call == call; i++)
			domain->ptes[i].call = 0;
	}
	return (i - first) * HOST_IO_PAGE;
}
