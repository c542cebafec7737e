// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transport.  The guest's notifications arrive as an ioeventfd and leave
 * as an irqfd, so that a request needs no exit to the vCPU thread; that one
 * sees only the set-up of the device and interrupt acknowledgements.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "memory.h"
#include "virtio-mmio.h"

#define MAGIC		0x74726976	/* "virt" */
#define VENDOR		0x4d4d5644	/* "DVMM" */

/* Queue memory is the guest's choice: check it once, when it says "ready". */
static bool map_queue(struct virtio_mmio *dev)
{
	const struct guest_ram *ram = dev->vmm->ram;
	u32 n = dev->queue_num;

	if (!n || n > QUEUE_SIZE || (n & (n - 1)) ||
	    dev->gpa_desc % 16 || dev->gpa_avail % 2 || dev->gpa_used % 4)
		return false;
	dev->desc = ram_ptr(ram, dev->gpa_desc, n * sizeof(*dev->desc));
	dev->avail = ram_ptr(ram, dev->gpa_avail, sizeof(*dev->avail) +
			     n * sizeof(dev->avail->ring[0]));
	dev->used = ram_ptr(ram, dev->gpa_used, sizeof(*dev->used) +
			    n * sizeof(dev->used->ring[0]));
	dev->last_avail = 0;
	return dev->desc && dev->avail && dev->used;
}

static void interrupt(struct virtio_mmio *dev, u32 why)
{
	dev->isr |= why;
	eventfd_write(dev->irq_fd, 1);
}

/* The driver broke the rules; it has to reset the device. */
void virtio_broken(struct virtio_mmio *dev, const char *why)
{
	fail("virtio device: %s", why);
	dev->queue_ready = false;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt(dev, VIRTIO_MMIO_INT_CONFIG);
}

/* The head of the next chain, or -1. */
int virtq_pop(struct virtio_mmio *dev)
{
	u16 index, head;

	if (!dev->queue_ready)
		return -1;
	index = __atomic_load_n(&dev->avail->idx, __ATOMIC_ACQUIRE);
	if (index == dev->last_avail)
		return -1;
	if ((u16)(index - dev->last_avail) > dev->queue_num) {
		virtio_broken(dev, "available index out of range");
		return -1;
	}
	head = dev->avail->ring[dev->last_avail++ % dev->queue_num];
	if (head >= dev->queue_num) {
		virtio_broken(dev, "descriptor index out of range");
		return -1;
	}
	return head;
}

const struct vring_desc *virtq_desc(struct virtio_mmio *dev, u16 index)
{
	return index < dev->queue_num ? &dev->desc[index] : NULL;
}

void virtq_push(struct virtio_mmio *dev, u16 head, u32 written)
{
	u16 index = dev->used->idx;
	u16 flags;

	dev->used->ring[index % dev->queue_num] = (struct vring_used_elem){
		.id = head,
		.len = written,
	};
	__atomic_store_n(&dev->used->idx, index + 1, __ATOMIC_RELEASE);
	/* The driver must see the entry before we decide not to interrupt. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = __atomic_load_n(&dev->avail->flags, __ATOMIC_RELAXED);
	if (!(flags & VRING_AVAIL_F_NO_INTERRUPT))
		interrupt(dev, VIRTIO_MMIO_INT_VRING);
}

/* Requests in flight still write to guest RAM: reset waits for them. */
static void reset(struct virtio_mmio *dev)
{
	dev->queue_ready = false;
	while (dev->in_flight)
		pthread_cond_wait(&dev->idle, &dev->lock);
	dev->status = 0;
	dev->isr = 0;
	dev->driver_features = 0;
	dev->features_sel = 0;
	dev->driver_features_sel = 0;
	dev->queue_sel = 0;
	dev->queue_num = 0;
	dev->gpa_desc = 0;
	dev->gpa_avail = 0;
	dev->gpa_used = 0;
}

static u32 half(u64 value, u32 select)
{
	return select > 1 ? 0 : value >> (select * 32);
}

static void set_half(u64 *value, bool high, u32 half)
{
	if (high)
		*value = (*value & 0xffffffff) | (u64)half << 32;
	else
		*value = (*value & ~0xffffffffULL) | half;
}

static u32 read_config(struct virtio_mmio *dev, u64 offset, unsigned int len)
{
	u32 value = 0;

	if (offset < dev->config_size && len <= dev->config_size - offset)
		memcpy(&value, (const char *)dev->config + offset, len);
	return value;
}

static u32 read_register(struct virtio_mmio *dev, u64 offset)
{
	bool queue0 = !dev->queue_sel;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return half(dev->features, dev->features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue0 ? QUEUE_SIZE : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue0 && dev->queue_ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return dev->isr;
	case VIRTIO_MMIO_STATUS:
		return dev->status;
	default:
		return 0;
	}
}

u32 virtio_mmio_read(struct virtio_mmio *dev, u64 offset, unsigned int len)
{
	u32 value = 0;

	pthread_mutex_lock(&dev->lock);
	if (offset >= VIRTIO_MMIO_CONFIG && len <= sizeof(value))
		value = read_config(dev, offset - VIRTIO_MMIO_CONFIG, len);
	else if (len == sizeof(value))
		value = read_register(dev, offset);
	pthread_mutex_unlock(&dev->lock);
	return value;
}

static void write_status(struct virtio_mmio *dev, u32 value)
{
	if (!value) {
		reset(dev);
		return;
	}
	/* FEATURES_OK does not stick if the driver took more, or is legacy. */
	if ((value & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((dev->driver_features & ~dev->features) ||
	     !(dev->driver_features & 1ULL << VIRTIO_F_VERSION_1)))
		value &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status = value;
}

static void write_queue_register(struct virtio_mmio *dev, u64 offset,
				 u32 value)
{
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		dev->queue_num = value;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		dev->queue_ready = value && map_queue(dev);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&dev->gpa_desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH,
			 value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&dev->gpa_avail,
			 offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&dev->gpa_used, offset == VIRTIO_MMIO_QUEUE_USED_HIGH,
			 value);
		break;
	}
}

static void write_register(struct virtio_mmio *dev, u64 offset,
			   u32 value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		dev->features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		dev->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (dev->driver_features_sel <= 1)
			set_half(&dev->driver_features,
				 dev->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		dev->queue_sel = value;
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		dev->isr &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(dev, value);
		break;
	default:
		/* A ready queue's addresses are in use. */
		if (!dev->queue_sel && (!dev->queue_ready ||
					offset == VIRTIO_MMIO_QUEUE_READY))
			write_queue_register(dev, offset, value);
	}
}

void virtio_mmio_write(struct virtio_mmio *dev, u64 offset,
		       u32 value, unsigned int len)
{
	if (offset >= VIRTIO_MMIO_CONFIG || len != sizeof(value))
		return;
	pthread_mutex_lock(&dev->lock);
	write_register(dev, offset, value);
	pthread_mutex_unlock(&dev->lock);
}

static void notify_done(struct uring_op *op, int result)
{
	struct virtio_mmio *dev = container_of(op, struct virtio_mmio,
					       notify_op);

	if (result < 0)
		return;
	pthread_mutex_lock(&dev->lock);
	dev->work(dev);
	pthread_mutex_unlock(&dev->lock);
	virtio_mmio_start(dev);
}

/* Wait for the next notification. */
void virtio_mmio_start(struct virtio_mmio *dev)
{
	uring_read(dev->vmm->ring, &dev->notify_op, dev->notify_fd,
		   &dev->notify_count, sizeof(dev->notify_count));
}

void virtio_mmio_init(struct virtio_mmio *dev, struct vmm *vmm)
{
	struct kvm_ioeventfd notify = {
		.addr = GPA_VIRTIO + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = 4,
	};
	struct kvm_irqfd irq = { .gsi = IRQ_VIRTIO };

	dev->vmm = vmm;
	pthread_mutex_init(&dev->lock, NULL);
	pthread_cond_init(&dev->idle, NULL);
	dev->notify_op.done = notify_done;
	dev->notify_fd = eventfd(0, EFD_CLOEXEC);
	dev->irq_fd = eventfd(0, EFD_CLOEXEC);
	if (dev->notify_fd < 0 || dev->irq_fd < 0)
		die("eventfd: %m");
	notify.fd = dev->notify_fd;
	if (ioctl(vmm->vm_fd, KVM_IOEVENTFD, &notify))
		die("KVM_IOEVENTFD: %m");
	irq.fd = dev->irq_fd;
	if (ioctl(vmm->vm_fd, KVM_IRQFD, &irq))
		die("KVM_IRQFD: %m");
}

void virtio_mmio_destroy(struct virtio_mmio *dev)
{
	close(dev->notify_fd);
	close(dev->irq_fd);
}
