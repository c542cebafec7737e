# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="device DMA: iommufd with mock IOMMUs, the kernel's own tests of it and ours"
MEM=3G
CMDLINE="default_hugepagesz=2M hugepagesz=2M hugepages=128 cma=64M"
# Memory that the kernel never maps, for buffers of kind MMIO.
CMDLINE+=" memmap=4M\$0x38000000 dma_buf_test.mmio=0x38000000,0x400000"
TIMEOUT=900
JOBS="
iommu/iommufd_dmabuf		120	iommu/iommufd_dmabuf
iommu/iommufd_dmabuf_revoke	120	iommu/iommufd_dmabuf_revoke
iommu/iommufd_dmabuf_fail_nth	240	iommu/iommufd_dmabuf_fail_nth
iommu/iommufd			360	iommu/iommufd
iommu/iommufd_fail_nth		240	iommu/iommufd_fail_nth
"
