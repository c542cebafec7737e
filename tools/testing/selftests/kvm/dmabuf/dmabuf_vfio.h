/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BARs of devices that are bound to vfio-pci, exported as dma-bufs.
 */
#ifndef SELFTEST_KVM_DMABUF_VFIO_H
#define SELFTEST_KVM_DMABUF_VFIO_H

#include <linux/vfio.h>

#include <libvfio.h>

#include "dmabuf_util.h"

/* QEMU's ivshmem-plain: its BAR 2 is nothing but memory. */
#define DMABUF_IVSHMEM_VENDOR	0x1af4
#define DMABUF_IVSHMEM_DEVICE	0x1110
#define DMABUF_IVSHMEM_BAR	2

/* Intel 82576, which libvfio can have copy memory. */
#define DMABUF_IGB_VENDOR	0x8086
#define DMABUF_IGB_DEVICE	0x10c9

/*
 * The address of the @nr-th such device that is bound to vfio-pci, in the order
 * of addresses, or NULL. To be freed.
 */
char *dmabuf_vfio_find(u16 vendor, u16 device, unsigned int nr);

/*
 * Ranges of a BAR as one buffer, without a mapping. The form with underscores
 * returns an errno. The other one is for a single range.
 */
int __dmabuf_export_bar(struct dmabuf *buf, struct vfio_pci_device *device,
			u32 bar, u32 open_flags,
			const struct vfio_region_dma_range *ranges, u32 nr);
void dmabuf_export_bar(struct dmabuf *buf, struct vfio_pci_device *device,
		       u32 bar, u64 offset, u64 length);
void dmabuf_close_bar(struct dmabuf *buf);

/* VFIO_DEVICE_FEATURE_SET without data; returns an errno. */
int dmabuf_vfio_feature_set(struct vfio_pci_device *device, u32 feature);

/* Low power state until the device is woken, which @eventfd tells; an errno. */
int dmabuf_vfio_sleep_until(struct vfio_pci_device *device, int eventfd);

#endif /* SELFTEST_KVM_DMABUF_VFIO_H */
