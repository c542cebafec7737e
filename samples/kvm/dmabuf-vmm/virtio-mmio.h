/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtio 1 over MMIO with one split virtqueue; modern drivers only. */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#include <pthread.h>
#include <linux/virtio_ring.h>

#include "uring.h"
#include "vmm.h"

#define VIRTIO_MMIO_SIZE	0x1000UL
#define QUEUE_SIZE		128

struct virtio_mmio {
	struct vmm *vmm;
	pthread_mutex_t lock;	/* vCPU thread against the ring's */
	pthread_cond_t idle;	/* in_flight became 0 */

	/* set by the device */
	u32 device_id;
	u64 features;
	const void *config;
	size_t config_size;
	void (*work)(struct virtio_mmio *dev);	/* the queue has something */

	/* registers */
	u32 status;
	u32 isr;
	u32 features_sel, driver_features_sel;
	u64 driver_features;
	u32 queue_sel;

	/* the queue; pointers are valid while it is ready */
	u32 queue_num;
	bool queue_ready;
	u64 gpa_desc, gpa_avail, gpa_used;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 last_avail;
	unsigned int in_flight;

	int notify_fd;		/* ioeventfd: the guest wrote QueueNotify */
	int irq_fd;
	u64 notify_count;
	struct uring_op notify_op;
};

void virtio_mmio_init(struct virtio_mmio *dev, struct vmm *vmm);
void virtio_mmio_start(struct virtio_mmio *dev);
void virtio_mmio_destroy(struct virtio_mmio *dev);
u32 virtio_mmio_read(struct virtio_mmio *dev, u64 offset, unsigned int len);
void virtio_mmio_write(struct virtio_mmio *dev, u64 offset,
		       u32 value, unsigned int len);

/* For work() and completions, dev->lock held. */
int virtq_pop(struct virtio_mmio *dev);
const struct vring_desc *virtq_desc(struct virtio_mmio *dev, u16 index);
void virtq_push(struct virtio_mmio *dev, u16 head, u32 written);
void virtio_broken(struct virtio_mmio *dev, const char *why);

#endif /* VIRTIO_MMIO_H */
