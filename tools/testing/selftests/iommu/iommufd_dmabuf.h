/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers for the tests of dma-bufs in an IOAS, and what a device sees of them.
 */
#ifndef __SELFTEST_IOMMUFD_DMABUF
#define __SELFTEST_IOMMUFD_DMABUF

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/dma-buf-test.h>

/* Defines variables that only some programs use. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "iommufd_utils.h"
#pragma GCC diagnostic pop

#define RW	(IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define REMAP	IOMMU_IOAS_MAP_REMAP

struct buf {
	int fd;
	size_t size;
	unsigned char *map;
};

/* Returns an errno, as everything here that returns int. */
static inline int err(int ret)
{
	return ret < 0 ? errno : 0;
}

static inline int exporter(unsigned long cmd, void *arg)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/dma_buf_test", O_RDWR | O_CLOEXEC);
	return err(ioctl(fd, cmd, arg));
}

/* Each 8 bytes tell where in the buffer they are. */
static inline int buf_stamp(struct buf *buf)
{
	size_t i;

	buf->map = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			buf->fd, 0);
	if (buf->map == MAP_FAILED)
		return errno;
	for (i = 0; i < buf->size; i += 8)
		*(volatile __u64 *)(buf->map + i) = 0x646d61627566ULL << 16 ^ i;
	return 0;
}

static inline int buf_create_kind(struct buf *buf, size_t size, __u32 order,
				  __u32 flags, __u32 kind)
{
	struct dma_buf_test_create args = {
		.size = size,
		.extent_order = order,
		.kind = kind,
		.flags = flags,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int ret = exporter(DMA_BUF_TEST_CREATE, &args);

	if (ret)
		return ret;
	buf->fd = args.fd;
	buf->size = size;
	return buf_stamp(buf);
}

static inline int buf_create(struct buf *buf, size_t size, __u32 order, __u32 flags)
{
	return buf_create_kind(buf, size, order, flags, DMA_BUF_TEST_RAM);
}

static inline void buf_free(struct buf *buf)
{
	munmap(buf->map, buf->size);
	close(buf->fd);
}

static inline int buf_op(const struct buf *buf, struct dma_buf_test_op op)
{
	op.fd = buf->fd;
	return exporter(DMA_BUF_TEST_OP, &op);
}

static inline int buf_revoke(const struct buf *buf)
{
	return buf_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_REVOKE });
}

static inline int buf_unrevoke(const struct buf *buf)
{
	return buf_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_UNREVOKE });
}

static inline int buf_invalidate(const struct buf *buf, __u64 offset, __u64 length)
{
	return buf_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_INVALIDATE,
		.offset = offset,
		.length = length,
	});
}

static inline int buf_fail_fill(const struct buf *buf, __u32 nth, __u32 error)
{
	return buf_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_FAIL_FILL,
		.value = nth,
		.error = error,
	});
}

static inline struct dma_buf_test_counters buf_counters(const struct buf *buf)
{
	struct dma_buf_test_counters counters = { .fd = buf->fd };

	if (exporter(DMA_BUF_TEST_COUNTERS, &counters))
		counters.attachments = -1;
	return counters;
}

static inline int map_file(int fd, __u32 ioas, const struct buf *buf, size_t start,
			   size_t length, __u64 *iova, __u32 flags)
{
	return err(_test_ioctl_ioas_map_file(fd, ioas, buf->fd, start, length, iova,
					     flags));
}

static inline int unmap(int fd, __u32 ioas, __u64 iova, size_t length)
{
	return err(_test_ioctl_ioas_unmap(fd, ioas, iova, length, NULL));
}

static inline int copy_range(int fd, __u32 from, __u32 to, __u64 src_iova,
			     size_t length, __u64 *dst_iova, __u32 flags)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = length,
		.src_iova = src_iova,
	};
	int ret = err(ioctl(fd, IOMMU_IOAS_COPY, &cmd));

	*dst_iova = cmd.dst_iova;
	return ret;
}

static inline int add_domain(int fd, __u32 idev, __u32 ioas, __u32 *hwpt)
{
	return err(_test_cmd_hwpt_alloc(fd, idev, ioas, 0, 0, hwpt,
					IOMMU_HWPT_DATA_NONE, NULL, 0));
}

/* What a device reads; ENOENT: it faults. */
static inline int device_read(int fd, __u32 hwpt, __u64 iova, size_t length, void *to)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_READ,
		.id = hwpt,
		.check_map = {
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)to,
		},
	};

	return err(ioctl(fd, IOMMU_TEST_CMD, &cmd));
}

/* Does a device find all of this part of the buffer there? */
static inline bool device_has(int fd, __u32 hwpt, __u64 iova, const struct buf *buf,
			      size_t start, size_t length)
{
	unsigned char *copy = malloc(length);
	bool same;
	int ret;

	ret = device_read(fd, hwpt, iova, length, copy);
	same = !ret && !memcmp(copy, buf->map + start, length);
	if (!same)
		ksft_print_msg("iova 0x%llx, start 0x%zx, 0x%zx bytes: %s\n",
			       (unsigned long long)iova, start, length,
			       ret ? strerror(ret) : "other content");
	free(copy);
	return same;
}

/* Does it fault everywhere? */
static inline bool device_faults(int fd, __u32 hwpt, __u64 iova, size_t length)
{
	unsigned char copy[MOCK_PAGE_SIZE];
	size_t i;
	int ret;

	for (i = 0; i < length; i += sizeof(copy)) {
		ret = device_read(fd, hwpt, iova + i, sizeof(copy), copy);
		if (ret == ENOENT)
			continue;
		ksft_print_msg("iova 0x%llx: %s instead of a fault\n",
			       (unsigned long long)iova + i,
			       ret ? strerror(ret) : "memory");
		return false;
	}
	return true;
}

/*
 * An IOAS with its domains, and the same for a second IOAS that mappings are
 * copied to.
 */
#define MAX_DOMAINS	2

FIXTURE(dmabuf) {
	int fd;
	__u32 ioas_id;
	__u32 idev;
	__u32 hwpts[MAX_DOMAINS];
	int nr;			/* of them */
	__u32 copy_ioas;
	__u32 copy_hwpt;
	struct buf buf;
	__u64 iova;
};

FIXTURE_VARIANT(dmabuf) {
	int domains;
	bool small_pages;
};

FIXTURE_VARIANT_ADD(dmabuf, one_domain) {
	.domains = 1,
};

FIXTURE_VARIANT_ADD(dmabuf, two_domains) {
	.domains = 2,
};

FIXTURE_VARIANT_ADD(dmabuf, small_pages) {
	.domains = 1,
	.small_pages = true,
};

FIXTURE_SETUP(dmabuf)
{
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.val64 = 0,
	};
	__u32 stdev;

	PAGE_SIZE = sysconf(_SC_PAGESIZE);
	if (access("/dev/dma_buf_test", R_OK | W_OK))
		SKIP(return, "no CONFIG_DMABUF_TEST");

	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	test_ioctl_ioas_alloc(&self->copy_ioas);
	if (variant->small_pages) {
		option.object_id = self->ioas_id;
		ASSERT_EQ(0, ioctl(self->fd, IOMMU_OPTION, &option));
	}

	test_cmd_mock_domain(self->ioas_id, &stdev, &self->hwpts[0], &self->idev);
	for (self->nr = 1; self->nr < variant->domains; self->nr++)
		ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id,
					&self->hwpts[self->nr]));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->copy_ioas,
				&self->copy_hwpt));
	self->buf.fd = -1;
}

FIXTURE_TEARDOWN(dmabuf)
{
	if (self->buf.fd >= 0)
		buf_free(&self->buf);
	EXPECT_EQ(0, close(self->fd));
}

#define dmabuf_t FIXTURE_DATA(dmabuf)

/* In every domain of the first IOAS. */
static inline bool all_have(dmabuf_t *self, __u64 iova, size_t start, size_t length)
{
	int i;

	for (i = 0; i < self->nr; i++)
		if (!device_has(self->fd, self->hwpts[i], iova, &self->buf, start, length))
			return false;
	return true;
}

static inline bool all_fault(dmabuf_t *self, __u64 iova, size_t length)
{
	int i;

	for (i = 0; i < self->nr; i++)
		if (!device_faults(self->fd, self->hwpts[i], iova, length))
			return false;
	return true;
}

/* All of the buffer, at self->iova. */
static inline int map_all(dmabuf_t *self, __u32 flags)
{
	return map_file(self->fd, self->ioas_id, &self->buf, 0, self->buf.size,
			&self->iova, flags);
}

static inline bool all_there(dmabuf_t *self)
{
	return all_have(self, self->iova, 0, self->buf.size);
}

static inline bool none_there(dmabuf_t *self)
{
	return all_fault(self, self->iova, self->buf.size);
}

#endif
