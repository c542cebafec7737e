/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dma-buf mapping type through which memory becomes reachable by devices
 * behind an IOMMU.
 */
#ifndef __DMA_BUF_IOMMU_H__
#define __DMA_BUF_IOMMU_H__

#include <linux/bits.h>
#include <linux/dma-buf-extent.h>
#include <linux/dma-buf-mapping-type.h>

struct iommu_domain;

extern const struct dma_buf_mapping_type dma_buf_mapping_iommu_type;

/*
 * Exporter: the fill op of @_ops serves IOMMU domains. More members of the row
 * may follow, as ".flavour = ..."; .inval_granule is a power of two and at least
 * a page. &dma_buf_ops.attach refuses to attach to a revoked buffer unless the
 * importer has &dma_buf_attach_ops.mappings_allowed.
 */
#define DMA_BUF_EMAPPING_IOMMU(_ops, ...)				\
	{								\
		.type = &dma_buf_mapping_iommu_type,			\
		.ops = DMA_BUF_MAPPING_TYPED(struct dma_buf_extent_ops, _ops), \
		##__VA_ARGS__						\
	}

/* Importer: owns the domains that it will name. */
#define DMA_BUF_IMAPPING_IOMMU()					\
	((struct dma_buf_mapping_match) {				\
		.type = &dma_buf_mapping_iommu_type,			\
	})

/* Map no more than a page of the CPU at a time, as if nothing was contiguous. */
#define DMA_BUF_IOMMU_SMALL_PAGES	BIT(0)

int dma_buf_map_attachment_iommu(struct dma_buf_attachment *attach,
				 struct iommu_domain *domain,
				 unsigned long iova, u64 offset, size_t size,
				 int prot, unsigned int flags);
void dma_buf_unmap_attachment_iommu(struct dma_buf_attachment *attach,
				    struct iommu_domain *domain,
				    unsigned long iova, size_t size);

#endif /* __DMA_BUF_IOMMU_H__ */
