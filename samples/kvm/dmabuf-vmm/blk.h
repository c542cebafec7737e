/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-blk on a disk image, opened with O_DIRECT. */
#ifndef BLK_H
#define BLK_H

#include "virtio-mmio.h"

struct blk_stats {
	u64 reads, writes, flushes, errors;
	u64 bytes_read, bytes_written;
	unsigned int max_in_flight;
};

void blk_create(struct vmm *vmm);
void blk_destroy(struct vmm *vmm);
struct virtio_mmio *blk_device(struct blk *blk);
const struct blk_stats *blk_stats(const struct blk *blk);
int blk_pread(const struct blk *blk, void *buf, size_t len, u64 offset);

#endif /* BLK_H */
