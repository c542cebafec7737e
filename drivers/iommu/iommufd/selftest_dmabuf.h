/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Orders of the selftest that have to do with dma-bufs.
 */
#ifndef __IOMMUFD_SELFTEST_DMABUF_H
#define __IOMMUFD_SELFTEST_DMABUF_H

#include <linux/types.h>

struct iommufd_ucmd;

int iommufd_test_dmabuf_get(unsigned int open_flags, size_t len);
int iommufd_test_dmabuf_revoke(int fd, bool revoked);
int iommufd_test_md_read(struct iommufd_ucmd *ucmd, u32 hwpt_id,
			 unsigned long iova, size_t length, void __user *uptr);

#endif
