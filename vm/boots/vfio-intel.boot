# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="real DMA: a device behind an emulated Intel IOMMU, and BARs as guest memory"
MEM=5G
# With a thread for each CPU a CPU may sleep on through its interrupts here.
TCG_THREAD=single
# The IOMMU before the devices that it is for. ivshmem has a BAR that is plain
# memory; the one behind a port of its own can be reset.
QEMU_EXTRA=(
	-device intel-iommu,intremap=on,caching-mode=on
	-device igb,addr=03.0
	-object memory-backend-ram,id=bar0,size=16M,share=on
	-device ivshmem-plain,memdev=bar0,addr=04.0
	-device pcie-root-port,id=rp,addr=05.0,chassis=1
	-object memory-backend-ram,id=bar1,size=4M,share=on
	-device ivshmem-plain,memdev=bar1,bus=rp
)
# On a busy machine the check of the timer behind the IOMMU fails, and panics.
CMDLINE="intel_iommu=on no_timer_check default_hugepagesz=2M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64"
# Some of the kernel's own tests map 1 GiB of shared memory for each case.
CMDLINE+=" transparent_hugepage_shmem=always"
TIMEOUT=900
JOBS="
kvm/dmabuf/dmabuf_vfio_test		120	/bin/vfio.sh /selftests/kvm/dmabuf/dmabuf_vfio_test
kvm/dmabuf/dmabuf_vfio_dma_test		120	/bin/vfio.sh /selftests/kvm/dmabuf/dmabuf_vfio_dma_test

# The kernel's own.
vfio/vfio_dma_mapping_test		60	/bin/vfio.sh /selftests/vfio/vfio_dma_mapping_test
vfio/vfio_dma_mapping_mmio_test		60	/bin/vfio.sh /selftests/vfio/vfio_dma_mapping_mmio_test
vfio/vfio_iommufd_setup_test		60	/bin/vfio.sh /selftests/vfio/vfio_iommufd_setup_test
vfio/vfio_pci_device_init_perf_test	60	/bin/vfio.sh /selftests/vfio/vfio_pci_device_init_perf_test
vfio/vfio_pci_device_test		60	/bin/vfio.sh /selftests/vfio/vfio_pci_device_test
vfio/vfio_pci_driver_test		600	/bin/vfio.sh /selftests/vfio/vfio_pci_driver_test
"
