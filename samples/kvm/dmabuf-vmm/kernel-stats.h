/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel itself says about the VM and the buffer. */
#ifndef KERNEL_STATS_H
#define KERNEL_STATS_H

#include "vmm.h"

#define BUFINFO		"/sys/kernel/debug/dma_buf/bufinfo"
#define BUFINFO_HINT	BUFINFO " cannot be read (mount debugfs)"

struct stage2_pages {
	u64 pages_4k, pages_2m, pages_1g;
};

struct buffer_info {
	bool readable;
	bool listed;
	char type[32];		/* of the last attachment without a device */
	unsigned int attachments;
	unsigned int others;	/* of the IOMMU type */
	u64 fills, extents;	/* over all attachments but those */
};

bool read_stage2_pages(int vm_fd, struct stage2_pages *pages);
void read_buffer_info(int dmabuf, struct buffer_info *info);

#endif /* KERNEL_STATS_H */
