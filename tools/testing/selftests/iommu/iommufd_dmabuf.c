// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma-bufs in an IOAS: a device finds what is in the buffer, and nothing else.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "iommufd_dmabuf.h"

#define NR_PAGES	16

TEST_F(dmabuf, extents)
{
	__u32 order;

	for (order = 0; order <= 10; order += 5) {
		size_t size = 2 * PAGE_SIZE << order;

		ASSERT_EQ(0, buf_create(&self->buf, size, order, 0));
		ASSERT_EQ(0, map_all(self, RW));
		EXPECT_TRUE(all_there(self));
		ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, size));
		EXPECT_TRUE(none_there(self));
		EXPECT_EQ(0, buf_counters(&self->buf).attachments);
		buf_free(&self->buf);
		self->buf.fd = -1;
	}
}

TEST_F(dmabuf, mmio)
{
	int ret = buf_create_kind(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0,
				  DMA_BUF_TEST_MMIO);

	if (ret == ENODEV)
		SKIP(return, "no range is reserved for MMIO");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
}

TEST_F(dmabuf, slices)
{
	__u64 iovas[3];
	size_t i;

	/* Overlapping slices, all over the borders of extents. */
	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 2, 0));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf,
				      (3 + i) * PAGE_SIZE, (5 + i) * PAGE_SIZE,
				      &iovas[i], RW));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(all_have(self, iovas[i], (3 + i) * PAGE_SIZE,
				     (5 + i) * PAGE_SIZE));

	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, iovas[1], 6 * PAGE_SIZE));
	EXPECT_TRUE(all_fault(self, iovas[1], 6 * PAGE_SIZE));
	EXPECT_TRUE(all_have(self, iovas[0], 3 * PAGE_SIZE, 5 * PAGE_SIZE));
	EXPECT_TRUE(all_have(self, iovas[2], 5 * PAGE_SIZE, 7 * PAGE_SIZE));
}

TEST_F(dmabuf, parts_of_pages)
{
	size_t start = PAGE_SIZE + MOCK_PAGE_SIZE;
	size_t length = 6 * PAGE_SIZE - MOCK_PAGE_SIZE - MOCK_PAGE_SIZE;
	int ret;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1,
				DMA_BUF_TEST_RANGES));
	ret = map_file(self->fd, self->ioas_id, &self->buf, start, length,
		       &self->iova, RW);
	if (variant->small_pages) {
		EXPECT_EQ(EINVAL, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	EXPECT_TRUE(all_have(self, self->iova, start, length));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, length));
	EXPECT_TRUE(all_fault(self, self->iova, length));

	/* Inside of one page. */
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf, start,
			      MOCK_PAGE_SIZE, &self->iova, RW));
	EXPECT_TRUE(all_have(self, self->iova, start, MOCK_PAGE_SIZE));
}

TEST_F(dmabuf, domain_added_later)
{
	__u32 hwpt = 0;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
			       self->buf.size));
	test_ioctl_destroy(hwpt);
	EXPECT_TRUE(all_there(self));

	/* Where it is not the first that goes, but one that was there before. */
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	if (self->nr == 2) {
		test_ioctl_destroy(self->hwpts[1]);
		self->hwpts[1] = hwpt;
	}
	EXPECT_TRUE(all_there(self));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	EXPECT_TRUE(none_there(self));
}

/*
 * A device writes one page of the IOMMU. How many of them are one entry of the
 * I/O page table with it, and so are reported dirty?
 */
static int entry_size(dmabuf_t *self, __u32 hwpt, __u64 iova, size_t length)
{
	unsigned long bitmap[(2 << 20) / MOCK_PAGE_SIZE / BITS_PER_LONG] = {};
	size_t nr_bits = length / MOCK_PAGE_SIZE, i;
	__u64 dirtied;
	int nr = 0;

	set_bit(5, bitmap);
	if (_test_cmd_set_dirty_tracking(self->fd, hwpt, true) ||
	    _test_cmd_mock_domain_set_dirty(self->fd, hwpt, length, iova,
					    MOCK_PAGE_SIZE, (__u64 *)bitmap, &dirtied))
		return -1;
	memset(bitmap, 0, sizeof(bitmap));
	if (_test_cmd_get_dirty_bitmap(self->fd, hwpt, length, iova, MOCK_PAGE_SIZE,
				       (__u64 *)bitmap, 0))
		return -1;
	for (i = 0; i < nr_bits; i++)
		nr += test_bit(i, bitmap);
	return nr * MOCK_PAGE_SIZE;
}

TEST_F(dmabuf, entries_of_the_page_table)
{
	__u32 flags[] = { 0, DMA_BUF_TEST_RANGES, DMA_BUF_TEST_REVOCABLE }, hwpt = 0;
	int i, size;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, buf_create(&self->buf, 2 << 20, 9, flags[i]));
		self->iova = MOCK_APERTURE_START;
		ASSERT_EQ(0, map_all(self, RW | IOMMU_IOAS_MAP_FIXED_IOVA));
		test_cmd_hwpt_alloc(self->idev, self->ioas_id,
				    IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt);

		/* Large, unless user space or the exporter needs it otherwise. */
		size = variant->small_pages || i == 1 ? PAGE_SIZE : 2 << 20;
		/* Nobody looks at what can be revoked: all of it is dirty. */
		if (flags[i] & DMA_BUF_TEST_REVOCABLE)
			size = 2 << 20;
		EXPECT_EQ(size, entry_size(self, hwpt, self->iova, 2 << 20));

		test_ioctl_destroy(hwpt);
		ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, 2 << 20));
		buf_free(&self->buf);
		self->buf.fd = -1;
	}
}

TEST_F(dmabuf, without_domain)
{
	__u32 ioas, hwpt = 0;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	test_ioctl_ioas_alloc(&ioas);
	ASSERT_EQ(0, map_file(self->fd, ioas, &self->buf, 0, self->buf.size,
			      &self->iova, RW));
	EXPECT_EQ(0, buf_counters(&self->buf).fills);

	ASSERT_EQ(0, unmap(self->fd, ioas, self->iova, self->buf.size));
	self->iova = MOCK_APERTURE_START;
	ASSERT_EQ(0, map_file(self->fd, ioas, &self->buf, 0, self->buf.size,
			      &self->iova, RW | IOMMU_IOAS_MAP_FIXED_IOVA));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, ioas, &hwpt));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
			       self->buf.size));
	/* The last domain goes, and another one comes. */
	test_ioctl_destroy(hwpt);
	ASSERT_EQ(0, add_domain(self->fd, self->idev, ioas, &hwpt));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
			       self->buf.size));
}

TEST_F(dmabuf, copy)
{
	__u64 iova, part;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				self->buf.size, &iova, RW));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas,
				self->iova + 5 * PAGE_SIZE, 4 * PAGE_SIZE, &part,
				IOMMU_IOAS_MAP_READABLE));
	EXPECT_EQ(1, buf_counters(&self->buf).attachments);

	/* The copies stay when the original goes. */
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	EXPECT_TRUE(device_has(self->fd, self->copy_hwpt, iova, &self->buf, 0,
			       self->buf.size));
	EXPECT_TRUE(device_has(self->fd, self->copy_hwpt, part, &self->buf,
			       5 * PAGE_SIZE, 4 * PAGE_SIZE));
	EXPECT_EQ(1, buf_counters(&self->buf).attachments);
	test_ioctl_ioas_unmap_id(self->copy_ioas, 0, UINT64_MAX);
	EXPECT_EQ(0, buf_counters(&self->buf).attachments);
}

TEST_F(dmabuf, fd_may_be_closed)
{
	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	ASSERT_EQ(0, map_all(self, RW));
	close(self->buf.fd);
	EXPECT_TRUE(all_there(self));
	munmap(self->buf.map, self->buf.size);
	self->buf.fd = -1;
}

TEST_F(dmabuf, exporter_fails_half_way)
{
	__u32 hwpt = 0;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));

	/* The last domain is the one that fails. */
	ASSERT_EQ(0, buf_fail_fill(&self->buf, self->nr, EIO));
	self->iova = MOCK_APERTURE_START;
	EXPECT_EQ(EIO, map_all(self, RW | IOMMU_IOAS_MAP_FIXED_IOVA));
	EXPECT_TRUE(none_there(self));
	EXPECT_EQ(0, buf_counters(&self->buf).attachments);

	ASSERT_EQ(0, map_all(self, RW | IOMMU_IOAS_MAP_FIXED_IOVA));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->ioas_id, self->iova,
				PAGE_SIZE, &self->iova, RW));
	/* The second area of a new domain. */
	ASSERT_EQ(0, buf_fail_fill(&self->buf, 2, EIO));
	EXPECT_EQ(EIO, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(all_have(self, MOCK_APERTURE_START, 0, self->buf.size));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_has(self->fd, hwpt, MOCK_APERTURE_START, &self->buf, 0,
			       self->buf.size));
}

TEST_F(dmabuf, memory_that_is_not_there_yet)
{
	ASSERT_EQ(0, buf_create_kind(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0,
				     DMA_BUF_TEST_RAM));
	buf_free(&self->buf);
	self->buf.fd = -1;

	/* Nobody touches it by mmap before it is mapped. */
	struct dma_buf_test_create args = {
		.size = NR_PAGES * PAGE_SIZE,
		.extent_order = 1,
		.flags = DMA_BUF_TEST_LAZY,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	ASSERT_EQ(0, exporter(DMA_BUF_TEST_CREATE, &args));
	self->buf.fd = args.fd;
	self->buf.size = args.size;
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf, 4 * PAGE_SIZE,
			      4 * PAGE_SIZE, &self->iova, RW));
	EXPECT_EQ(1, buf_counters(&self->buf).prepares);
	ASSERT_EQ(0, buf_stamp(&self->buf));
	EXPECT_TRUE(all_have(self, self->iova, 4 * PAGE_SIZE, 4 * PAGE_SIZE));

	/* It goes away between the question and the answer. */
	ASSERT_EQ(0, buf_fail_fill(&self->buf, 1, EAGAIN));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
	EXPECT_EQ(3, buf_counters(&self->buf).prepares);
}

TEST_F(dmabuf, read_only)
{
	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1,
				DMA_BUF_TEST_READONLY));
	EXPECT_EQ(EACCES, map_all(self, RW));
	EXPECT_EQ(EACCES, map_all(self, IOMMU_IOAS_MAP_WRITEABLE));
	ASSERT_EQ(0, map_all(self, IOMMU_IOAS_MAP_READABLE));
	EXPECT_TRUE(all_there(self));
}

TEST_F(dmabuf, moving_buffer_is_pinned)
{
	struct dma_buf_test_op move = { .op = DMA_BUF_TEST_OP_MOVE };

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1,
				DMA_BUF_TEST_DYNAMIC));
	ASSERT_EQ(0, buf_op(&self->buf, move));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_EQ(EBUSY, buf_op(&self->buf, move));
	EXPECT_EQ(EBUSY, buf_revoke(&self->buf));
	EXPECT_TRUE(all_there(self));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	EXPECT_EQ(0, buf_op(&self->buf, move));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
}

/* In slab caches that /proc/slabinfo lists: objects of up to 8K. */
static long slab_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	long nr, size, bytes = 0;
	char line[512], name[64];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		/* What vfree() leaves is given back when much of it has gathered. */
		if (sscanf(line, "%63s %ld %*d %ld", name, &nr, &size) == 3 &&
		    strcmp(name, "vmap_area"))
			bytes += nr * size;
	fclose(f);
	return bytes;
}

#define NR_MAPPINGS	512
#define MAPPING_PAGES	256	/* 32 bytes for each would still be in a slab cache */

/* What so many mappings of @size bytes need, or -1. */
static long mappings_need(dmabuf_t *self, size_t size)
{
	long before = slab_bytes(), bytes;
	__u64 iova;
	int i;

	for (i = 0; i < NR_MAPPINGS; i++)
		if (map_file(self->fd, self->ioas_id, &self->buf, 0, size, &iova, RW))
			return -1;
	bytes = slab_bytes() - before;
	if (unmap(self->fd, self->ioas_id, 0, UINT64_MAX))
		return -1;
	return bytes;
}

/* Page tables are not in slab caches. */
TEST_F(dmabuf, nothing_is_held_for_a_page)
{
	const long pages = (long)NR_MAPPINGS * (MAPPING_PAGES - 1);
	long small, large;

	/* No two pages are joined. */
	ASSERT_EQ(0, buf_create(&self->buf, MAPPING_PAGES * PAGE_SIZE, 0,
				DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_RANGES));
	/* The first time fills caches, but not with what is not needed here. */
	ASSERT_NE(-1, mappings_need(self, PAGE_SIZE));
	small = mappings_need(self, PAGE_SIZE);
	large = mappings_need(self, self->buf.size);
	ksft_print_msg("%d mappings need %ld bytes, and %ld with %ld more pages\n",
		       NR_MAPPINGS, small, large, pages);
	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		SKIP(return, "the debug kernel counts what was freed as in use for long");

	EXPECT_LT(NR_MAPPINGS * 64, small);
	/* Not a byte for each. Others allocate, too. */
	EXPECT_LT(large - small, pages);
}

static void on_alarm(int sig)
{
}

/* Rings until it is heard. */
static void set_alarm(suseconds_t us)
{
	struct itimerval timer = {
		.it_interval.tv_usec = us,
		.it_value.tv_usec = us,
	};
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_F(dmabuf, fence_is_waited_for)
{
	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	ASSERT_EQ(0, buf_op(&self->buf, (struct dma_buf_test_op) {
			    .op = DMA_BUF_TEST_OP_HOLD_FENCE }));

	set_alarm(10000);
	EXPECT_EQ(EINTR, map_all(self, RW));
	set_alarm(0);
	EXPECT_EQ(0, buf_counters(&self->buf).attachments);

	ASSERT_EQ(0, buf_op(&self->buf, (struct dma_buf_test_op) {
			    .op = DMA_BUF_TEST_OP_SIGNAL_FENCE }));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
}

TEST_F(dmabuf, refused)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = RW | REMAP,
		.ioas_id = self->ioas_id,
		.length = PAGE_SIZE,
	};
	struct buf memfd = { .fd = memfd_create("memfd", MFD_CLOEXEC) };
	__u64 iova;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1,
				DMA_BUF_TEST_SGT_ONLY));
	EXPECT_EQ(EOPNOTSUPP, map_all(self, RW));
	buf_free(&self->buf);

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	EXPECT_EQ(EOPNOTSUPP, map_all(self, RW | 1 << 4));
	EXPECT_EQ(EOPNOTSUPP, map_all(self, RW | 1U << 31));
	EXPECT_EQ(EINVAL, map_all(self, REMAP));
	EXPECT_EQ(EINVAL, map_file(self->fd, self->ioas_id, &self->buf, PAGE_SIZE,
				   self->buf.size, &iova, RW));
	EXPECT_EQ(EINVAL, map_file(self->fd, self->ioas_id, &self->buf,
				   self->buf.size, PAGE_SIZE, &iova, RW));
	EXPECT_EQ(EOVERFLOW, map_file(self->fd, self->ioas_id, &self->buf,
				      -PAGE_SIZE, 2 * PAGE_SIZE, &iova, RW));
	EXPECT_EQ(0, buf_counters(&self->buf).attachments);

	/* The flag is for dma-bufs, and not for copies: they have that of the original. */
	ASSERT_EQ(0, ftruncate(memfd.fd, PAGE_SIZE));
	EXPECT_EQ(EINVAL, map_file(self->fd, self->ioas_id, &memfd, 0, PAGE_SIZE,
				   &iova, RW | REMAP));
	EXPECT_EQ(0, map_file(self->fd, self->ioas_id, &memfd, 0, PAGE_SIZE, &iova,
			      RW));
	map.user_va = (uintptr_t)self->buf.map;
	EXPECT_EQ(EOPNOTSUPP, err(ioctl(self->fd, IOMMU_IOAS_MAP, &map)));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	EXPECT_EQ(EOPNOTSUPP, copy_range(self->fd, self->ioas_id, self->copy_ioas,
					 self->iova, PAGE_SIZE, &iova, RW | REMAP));
	close(memfd.fd);
}

TEST_F(dmabuf, address_is_not_given_out)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.size = sizeof(cmd),
		.ioas_id = self->ioas_id,
		.length = PAGE_SIZE,
	};

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1,
				DMA_BUF_TEST_REVOCABLE));
	ASSERT_EQ(0, map_all(self, RW));
	cmd.iova = self->iova;
	EXPECT_EQ(EACCES, err(ioctl(self->fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd)));
	ASSERT_EQ(0, buf_revoke(&self->buf));
	EXPECT_EQ(EACCES, err(ioctl(self->fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd)));
	EXPECT_EQ(0, cmd.out_phys);
}

TEST_F(dmabuf, cpu_has_no_access)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
	};
	__u32 access_id;

	ASSERT_EQ(0, buf_create(&self->buf, NR_PAGES * PAGE_SIZE, 1, 0));
	ASSERT_EQ(0, map_all(self, RW));
	test_cmd_create_access(self->ioas_id, &access_id,
			       MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	cmd.id = access_id;
	cmd.access_pages.iova = self->iova;
	cmd.access_pages.length = PAGE_SIZE;
	cmd.access_pages.uptr = (uintptr_t)self->buf.map;
	EXPECT_EQ(EINVAL, err(ioctl(self->fd, IOMMU_TEST_CMD, &cmd)));
	test_cmd_destroy_access(access_id);
}

/* Buffers of other exporters */

TEST_F(dmabuf, udmabuf)
{
	struct udmabuf_create create = { .size = NR_PAGES * PAGE_SIZE };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	ASSERT_NE(-1, dev);
	create.memfd = memfd_create("udmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ASSERT_NE(-1, create.memfd);
	ASSERT_EQ(0, ftruncate(create.memfd, 2 * create.size));
	ASSERT_EQ(0, fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	create.offset = create.size;
	self->buf.size = create.size;
	self->buf.fd = ioctl(dev, UDMABUF_CREATE, &create);
	ASSERT_LE(0, self->buf.fd);
	ASSERT_EQ(0, buf_stamp(&self->buf));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
	close(create.memfd);
	close(dev);
}

static int heap_buf(struct buf *buf, const char *heap, size_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int fd = open(heap, O_RDWR | O_CLOEXEC);
	int ret = fd < 0 ? errno : err(ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data));

	close(fd);
	if (ret)
		return ret;
	buf->fd = data.fd;
	buf->size = size;
	return buf_stamp(buf);
}

TEST_F(dmabuf, system_heap)
{
	ASSERT_EQ(0, heap_buf(&self->buf, "/dev/dma_heap/system", 2 << 20));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
}

TEST_F(dmabuf, cma_heap)
{
	ASSERT_EQ(0, heap_buf(&self->buf, "/dev/dma_heap/default_cma_region", 2 << 20));
	ASSERT_EQ(0, map_all(self, RW));
	EXPECT_TRUE(all_there(self));
}

/* The exporter of iommufd's own tests has more than one extent. */
TEST_F(dmabuf, mock_exporter)
{
	size_t size = 7 * PAGE_SIZE;
	unsigned char *page = malloc(size);

	memset(page, 1, size);
	test_cmd_get_dmabuf(size, &self->buf.fd);
	self->buf.size = size;
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, device_read(self->fd, self->hwpts[0], self->iova, size, page));
	EXPECT_EQ(0, page[0]);
	EXPECT_EQ(0, page[size - 1]);
	test_cmd_revoke_dmabuf(self->buf.fd, true);
	EXPECT_TRUE(none_there(self));
	close(self->buf.fd);
	self->buf.fd = -1;
	free(page);
}

TEST_HARNESS_MAIN
