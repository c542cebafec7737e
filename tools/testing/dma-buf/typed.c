// SPDX-License-Identifier: GPL-2.0-only
/*
 * The macros of a mapping type take ops of that type. This compiles as it is,
 * and with any of the macros below defined it must not, also without warnings
 * being errors.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-buf-kvm.h>

extern const struct dma_buf_extent_ops extent_ops;
extern const struct dma_buf_kvm_ops kvm_ops;

const struct dma_buf_mapping_exp exporter[] = {
	DMA_BUF_EMAPPING_KVM(&extent_ops),
	DMA_BUF_EMAPPING_IOMMU(&extent_ops),
	DMA_BUF_EMAPPING_SGT(),
#ifdef EXPORTER_GETS_KVM_OPS
	DMA_BUF_EMAPPING_KVM(&kvm_ops),
#endif
#ifdef IOMMU_EXPORTER_GETS_KVM_OPS
	DMA_BUF_EMAPPING_IOMMU(&kvm_ops),
#endif
#ifdef EXPORTER_GETS_VOID
	DMA_BUF_EMAPPING_KVM((const void *)&extent_ops),
#endif
#ifdef EXPORTER_GETS_INTEGER
	DMA_BUF_EMAPPING_KVM(1),
#endif
	{ }
};

const struct dma_buf_mapping_match importer[] = {
	DMA_BUF_IMAPPING_KVM(&kvm_ops),
	DMA_BUF_IMAPPING_IOMMU(),
	DMA_BUF_IMAPPING_SGT(NULL, false),
#ifdef IMPORTER_GETS_EXTENT_OPS
	DMA_BUF_IMAPPING_KVM(&extent_ops),
#endif
#ifdef IMPORTER_GETS_VOID
	DMA_BUF_IMAPPING_KVM((const void *)&kvm_ops),
#endif
#ifdef IMPORTER_GETS_INTEGER
	DMA_BUF_IMAPPING_KVM(1),
#endif
};
