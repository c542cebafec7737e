# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="kernel with modules: KVM, importers and exporters load (make build-users)"
FLAVOUR=modules
TIMEOUT=300
JOBS="
modules					60	/bin/modules.sh iommufd vfio_pci kvm_amd
kvm/dmabuf/dmabuf_memslot_test		60	kvm/dmabuf/dmabuf_memslot_test
kvm/dmabuf/dmabuf_lifetime_test		120	kvm/dmabuf/dmabuf_lifetime_test
samples					60	/bin/modules.sh dma-buf-sample-sgt dma-buf-sample-dma-vec dma-buf-sample-vf-pf dma-buf-sample-fabric dma-buf-sample-handle dma-buf-sample-private
heaps					60	/bin/modules.sh -1 system_heap cma_heap
"
