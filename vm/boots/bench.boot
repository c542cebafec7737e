# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="instructions per page; the guest's clock counts instructions"
ICOUNT=1
MEM=3G
CMDLINE="default_hugepagesz=2M hugepagesz=2M hugepages=320 udmabuf.list_limit=8192"
TIMEOUT=1500
JOBS="
bench		800	kvm/dmabuf/dmabuf_bench
bench-iommufd	200	iommu/iommufd_dmabuf_bench
bench-gmem	400	kvm/dmabuf/dmabuf_gmem_bench
"
