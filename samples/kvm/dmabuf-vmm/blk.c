// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request is a chain of descriptors: header, data, one byte of status.  Each
 * data descriptor becomes one operation in the ring, from or to guest RAM
 * itself; the request is complete when the last of them is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "blk.h"
#include "memory.h"

#define SECTOR		512ULL

struct blk_request {
	u8 *status;	/* in guest RAM */
	unsigned int left;	/* operations in the ring */
	u32 written;	/* bytes for the used ring */
	u8 result;
};

struct blk_segment {
	struct uring_op op;
	struct blk *blk;
	u16 head;
	u32 len;
	bool busy;
};

struct blk {
	struct virtio_mmio dev;
	int fd;
	u64 sectors;
	struct virtio_blk_config config;
	struct blk_stats stats;
	struct blk_request requests[QUEUE_SIZE];	/* by chain head */
	struct blk_segment segments[QUEUE_SIZE];	/* by descriptor */
};

static void complete(struct blk *blk, u16 head)
{
	struct blk_request *rq = &blk->requests[head];

	if (rq->result != VIRTIO_BLK_S_OK)
		blk->stats.errors++;
	*rq->status = rq->result;
	if (blk->dev.queue_ready)
		virtq_push(&blk->dev, head, rq->written + 1);
	if (!--blk->dev.in_flight)
		pthread_cond_signal(&blk->dev.idle);
}

static void segment_done(struct uring_op *op, int result)
{
	struct blk_segment *seg = container_of(op, struct blk_segment, op);
	struct blk *blk = seg->blk;
	struct blk_request *rq = &blk->requests[seg->head];

	pthread_mutex_lock(&blk->dev.lock);
	seg->busy = false;
	if (result < 0 || (u32)result != seg->len)
		rq->result = VIRTIO_BLK_S_IOERR;
	if (!--rq->left)
		complete(blk, seg->head);
	pthread_mutex_unlock(&blk->dev.lock);
}

/* The guest's next descriptor, copied: it may change under our eyes. */
static bool next_desc(struct blk *blk, struct vring_desc *d, u16 *index)
{
	const struct vring_desc *next;

	if (!(d->flags & VRING_DESC_F_NEXT))
		return false;
	*index = d->next;
	next = virtq_desc(&blk->dev, *index);
	if (!next)
		return false;
	*d = *next;
	return true;
}

static struct blk_segment *get_segment(struct blk *blk, u16 index,
				       u16 head, u32 len)
{
	struct blk_segment *seg = &blk->segments[index];

	if (seg->busy)
		return NULL;
	*seg = (struct blk_segment){
		.op.done = segment_done,
		.blk = blk,
		.head = head,
		.len = len,
		.busy = true,
	};
	return seg;
}

struct data_segment {
	u16 index;
	u32 len;
	void *buf;
};

/*
 * Collect the data descriptors up to the status byte.  Returns their number,
 * or -1 when the chain is not one that the specification allows.
 */
static int parse_chain(struct blk *blk, struct vring_desc *d, bool to_guest,
		       struct data_segment *data, u8 **status)
{
	const struct guest_ram *ram = blk->dev.vmm->ram;
	u16 index;
	int n = 0;

	while (next_desc(blk, d, &index)) {
		bool writable = d->flags & VRING_DESC_F_WRITE;

		if (!(d->flags & VRING_DESC_F_NEXT)) {
			*status = ram_ptr(ram, d->addr, 1);
			return writable && d->len && *status ? n : -1;
		}
		if (n == QUEUE_SIZE || writable != to_guest)
			return -1;
		data[n].index = index;
		data[n].len = d->len;
		data[n].buf = ram_ptr(ram, d->addr, d->len);
		if (!data[n++].buf)
			return -1;
	}
	return -1;
}

static bool start_io(struct blk *blk, u16 head, bool write,
		     u64 sector, const struct data_segment *data, int n)
{
	struct blk_request *rq = &blk->requests[head];
	struct uring *ring = blk->dev.vmm->ring;
	u64 offset = sector * SECTOR, total = 0;

	for (int i = 0; i < n; i++)
		total += data[i].len;
	if (!total || total % SECTOR || sector > blk->sectors ||
	    total / SECTOR > blk->sectors - sector) {
		rq->result = VIRTIO_BLK_S_IOERR;
		return true;
	}

	for (int i = 0; i < n; i++) {
		struct blk_segment *seg;

		seg = get_segment(blk, data[i].index, head, data[i].len);
		if (!seg)
			return false;
		rq->left++;
		uring_ram_io(ring, &seg->op, blk->fd, write, data[i].buf,
			     data[i].len, offset);
		offset += data[i].len;
	}

	if (write) {
		blk->stats.writes++;
		blk->stats.bytes_written += total;
	} else {
		blk->stats.reads++;
		blk->stats.bytes_read += total;
		rq->written = total;
	}
	return true;
}

static bool start_flush(struct blk *blk, u16 head)
{
	struct blk_segment *seg = get_segment(blk, head, head, 0);

	if (!seg)
		return false;
	blk->requests[head].left++;
	blk->stats.flushes++;
	uring_fsync(blk->dev.vmm->ring, &seg->op, blk->fd);
	return true;
}

static void get_id(struct blk_request *rq, const struct data_segment *data,
		   int n)
{
	char id[VIRTIO_BLK_ID_BYTES] = "dmabuf-vmm";

	if (n != 1 || data[0].len < sizeof(id)) {
		rq->result = VIRTIO_BLK_S_IOERR;
		return;
	}
	memcpy(data[0].buf, id, sizeof(id));
	rq->written = sizeof(id);
}

static bool start_request(struct blk *blk, u16 head)
{
	const struct guest_ram *ram = blk->dev.vmm->ram;
	struct blk_request *rq = &blk->requests[head];
	struct data_segment data[QUEUE_SIZE];
	struct vring_desc d = *virtq_desc(&blk->dev, head);
	struct virtio_blk_outhdr hdr;
	const void *p = ram_ptr(ram, d.addr, sizeof(hdr));
	bool ok = true;
	int n;

	if (!p || d.len != sizeof(hdr) || (d.flags & VRING_DESC_F_WRITE) ||
	    rq->left)
		return false;
	memcpy(&hdr, p, sizeof(hdr));
	memset(rq, 0, sizeof(*rq));
	n = parse_chain(blk, &d, hdr.type != VIRTIO_BLK_T_OUT, data,
			&rq->status);
	if (n < 0)
		return false;

	if (++blk->dev.in_flight > blk->stats.max_in_flight)
		blk->stats.max_in_flight = blk->dev.in_flight;
	switch (hdr.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		ok = start_io(blk, head, hdr.type == VIRTIO_BLK_T_OUT,
			      hdr.sector, data, n);
		break;
	case VIRTIO_BLK_T_FLUSH:
		ok = start_flush(blk, head);
		break;
	case VIRTIO_BLK_T_GET_ID:
		get_id(rq, data, n);
		break;
	default:
		rq->result = VIRTIO_BLK_S_UNSUPP;
	}
	if (!ok)
		rq->result = VIRTIO_BLK_S_IOERR;
	if (!rq->left)
		complete(blk, head);
	return ok;
}

static void blk_work(struct virtio_mmio *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);
	int head;

	while ((head = virtq_pop(dev)) >= 0) {
		if (start_request(blk, head))
			continue;
		virtio_broken(dev, "malformed block request");
		break;
	}
}

static u64 size_of(int fd, const char *name)
{
	u64 size;
	struct stat st;

	if (fstat(fd, &st))
		die("%s: %m", name);
	if (!S_ISBLK(st.st_mode))
		return st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &size))
		die("%s: BLKGETSIZE64: %m", name);
	return size;
}

void blk_create(struct vmm *vmm)
{
	const char *name = vmm->opt.disk;
	struct blk *blk = xzalloc(sizeof(*blk));

	blk->fd = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (blk->fd < 0)
		die("%s: %s", name, errno == EINVAL ?
		    "its file system does not know O_DIRECT" : strerror(errno));
	blk->sectors = size_of(blk->fd, name) / SECTOR;
	if (!blk->sectors)
		die("%s: empty", name);

	blk->config.capacity = blk->sectors;
	blk->config.seg_max = QUEUE_SIZE - 2;
	blk->config.blk_size = SECTOR;
	blk->dev.device_id = VIRTIO_ID_BLOCK;
	blk->dev.features = 1ULL << VIRTIO_F_VERSION_1 |
			    1ULL << VIRTIO_BLK_F_SEG_MAX |
			    1ULL << VIRTIO_BLK_F_BLK_SIZE |
			    1ULL << VIRTIO_BLK_F_FLUSH;
	blk->dev.config = &blk->config;
	blk->dev.config_size = sizeof(blk->config);
	blk->dev.work = blk_work;
	virtio_mmio_init(&blk->dev, vmm);
	vmm->blk = blk;
}

void blk_destroy(struct vmm *vmm)
{
	virtio_mmio_destroy(&vmm->blk->dev);
	close(vmm->blk->fd);
	free(vmm->blk);
}

struct virtio_mmio *blk_device(struct blk *blk)
{
	return &blk->dev;
}

const struct blk_stats *blk_stats(const struct blk *blk)
{
	return &blk->stats;
}

/* For the proof: what is on the disk, not what the guest said. */
int blk_pread(const struct blk *blk, void *buf, size_t len, u64 offset)
{
	ssize_t n = pread(blk->fd, buf, len, offset);

	return n == (ssize_t)len ? 0 : -1;
}
