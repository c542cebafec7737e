// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation in the ioctls that have to do with dma-bufs fails once: the
 * first in the first round, the second in the second, until there is none left.
 * Whatever fails, it is all or nothing, and the same works when it is tried
 * again. Splats are for the kernel to find.
 */
#include "iommufd_dmabuf.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define NR_PAGES	16
#define MANY_PAGES	1024	/* that have I/O page tables of their own */
#define MAX_ROUNDS	1000

/* Returns an errno. */
typedef int (*act_t)(dmabuf_t *self);

static __u32 hwpt;
static __u64 copy;

static bool write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	close(fd);
	return ok;
}

static bool setup_fault_injection(void)
{
	return write_file(DEBUGFS "failslab/ignore-gfp-wait", "N") &&
	       write_file(DEBUGFS "failslab/verbose", "0") &&
	       write_file(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N") &&
	       write_file(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N") &&
	       write_file(DEBUGFS "fail_page_alloc/min-order", "0") &&
	       write_file(DEBUGFS "fail_page_alloc/verbose", "0");
}

/* Did the @nth allocation of @act exist, and fail? Its result goes to @ret. */
static bool fail_nth(dmabuf_t *self, act_t act, unsigned int nth, int *ret)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", nth);

	if (fd < 0 || pwrite(fd, buf, len, 0) != len)
		abort();
	*ret = act(self);
	memset(buf, 0, sizeof(buf));
	/* What is left of it can hit these. */
	while (pread(fd, buf, sizeof(buf) - 1, 0) < 0)
		;
	while (pwrite(fd, "0", 1, 0) < 0)
		;
	close(fd);
	return !atoi(buf);
}

/* The ioctls */

static int act_map(dmabuf_t *self)
{
	return map_all(self, RW | IOMMU_IOAS_MAP_FIXED_IOVA);
}

static int act_map_remap(dmabuf_t *self)
{
	return map_all(self, RW | REMAP | IOMMU_IOAS_MAP_FIXED_IOVA);
}

static int act_unmap(dmabuf_t *self)
{
	return unmap(self->fd, self->ioas_id, self->iova, self->buf.size);
}

static int act_add_domain(dmabuf_t *self)
{
	return add_domain(self->fd, self->idev, self->ioas_id, &hwpt);
}

static int act_copy(dmabuf_t *self)
{
	return copy_range(self->fd, self->ioas_id, self->copy_ioas,
			  self->iova + PAGE_SIZE, 6 * PAGE_SIZE, &copy, RW);
}

static int act_invalidate(dmabuf_t *self)
{
	return buf_invalidate(&self->buf, 3 * PAGE_SIZE, PAGE_SIZE);
}

static int act_revoke(dmabuf_t *self)
{
	return buf_revoke(&self->buf);
}

static int act_unrevoke(dmabuf_t *self)
{
	return buf_unrevoke(&self->buf);
}

static void setup_nr(dmabuf_t *self, struct __test_metadata *_metadata, size_t nr)
{
	ASSERT_EQ(0, buf_create(&self->buf, nr * PAGE_SIZE, 1,
				DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_RANGES));
	self->iova = MOCK_APERTURE_START;
}

static void setup(dmabuf_t *self, struct __test_metadata *_metadata)
{
	setup_nr(self, _metadata, NR_PAGES);
}

/* Apart from memory, accesses to that of user space and look-ups of IDs fail. */
static void check_result(struct __test_metadata *_metadata, int ret)
{
	EXPECT_TRUE(!ret || ret == ENOMEM || ret == EFAULT || ret == ENOENT ||
		    ret == EINVAL);
}

TEST_F(dmabuf, map)
{
	unsigned int nth;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		failed = fail_nth(self, act_map, nth, &ret);
		check_result(_metadata, ret);
		if (ret) {
			ASSERT_TRUE(none_there(self));
			ASSERT_EQ(0, buf_counters(&self->buf).attachments);
			ASSERT_EQ(0, act_map(self));
		}
		ASSERT_TRUE(all_there(self));
		ASSERT_EQ(0, act_unmap(self));
		ASSERT_TRUE(none_there(self));
		ASSERT_EQ(0, buf_counters(&self->buf).attachments);
	}
	EXPECT_LT(3, nth);
}

TEST_F(dmabuf, map_while_revoked)
{
	unsigned int nth;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	ASSERT_EQ(0, act_revoke(self));
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		failed = fail_nth(self, act_map_remap, nth, &ret);
		check_result(_metadata, ret);
		ASSERT_TRUE(none_there(self));
		if (ret)
			ASSERT_EQ(0, act_map_remap(self));
		ASSERT_EQ(0, act_unrevoke(self));
		ASSERT_TRUE(all_there(self));
		ASSERT_EQ(0, act_unmap(self));
		ASSERT_EQ(0, act_revoke(self));
	}
	EXPECT_LT(3, nth);
}

TEST_F(dmabuf, domain)
{
	unsigned int nth;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	ASSERT_EQ(0, act_map(self));
	ASSERT_EQ(0, act_invalidate(self));
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		failed = fail_nth(self, act_add_domain, nth, &ret);
		check_result(_metadata, ret);
		if (ret)
			ASSERT_EQ(0, act_add_domain(self));
		ASSERT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
				       3 * PAGE_SIZE));
		ASSERT_TRUE(device_faults(self->fd, hwpt,
					  self->iova + 3 * PAGE_SIZE, PAGE_SIZE));
		ASSERT_TRUE(device_has(self->fd, hwpt, self->iova + 4 * PAGE_SIZE,
				       &self->buf, 4 * PAGE_SIZE, 12 * PAGE_SIZE));
		test_ioctl_destroy(hwpt);
		ASSERT_TRUE(all_have(self, self->iova, 0, 3 * PAGE_SIZE));
	}
	EXPECT_LT(3, nth);
}

TEST_F(dmabuf, copy)
{
	unsigned int nth;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	ASSERT_EQ(0, act_map(self));
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		failed = fail_nth(self, act_copy, nth, &ret);
		check_result(_metadata, ret);
		ASSERT_TRUE(all_there(self));
		if (ret)
			ASSERT_EQ(0, act_copy(self));
		ASSERT_TRUE(device_has(self->fd, self->copy_hwpt, copy, &self->buf,
				       PAGE_SIZE, 6 * PAGE_SIZE));
		ASSERT_EQ(0, unmap(self->fd, self->copy_ioas, copy, 6 * PAGE_SIZE));
	}
	EXPECT_LT(3, nth);
}

/* Nothing that is taken away can fail, however little memory there is. */
TEST_F(dmabuf, unmap)
{
	unsigned int nth;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		ASSERT_EQ(0, act_map(self));
		ASSERT_EQ(0, act_invalidate(self));
		failed = fail_nth(self, act_unmap, nth, &ret);
		/* Too early for anything to be done. */
		if (ret) {
			ASSERT_TRUE(ret == ENOENT || ret == EFAULT);
			ASSERT_TRUE(all_have(self, self->iova, 0, 3 * PAGE_SIZE));
			ASSERT_EQ(0, act_unmap(self));
		}
		ASSERT_TRUE(none_there(self));
	}
}

TEST_F(dmabuf, revoke)
{
	unsigned int nth;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	ASSERT_EQ(0, act_map_remap(self));
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		failed = fail_nth(self, act_revoke, nth, &ret);
		ASSERT_EQ(0, ret);
		ASSERT_TRUE(none_there(self));
		ASSERT_EQ(0, act_unrevoke(self));
		ASSERT_TRUE(all_there(self));
	}
}

/* A range that cannot be recorded is everything. */
TEST_F(dmabuf, invalidate_range)
{
	unsigned int nth, all = 0;
	bool failed = true;
	int ret;

	setup(self, _metadata);
	ASSERT_EQ(0, act_map_remap(self));
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		failed = fail_nth(self, act_invalidate, nth, &ret);
		ASSERT_EQ(0, ret);
		ASSERT_TRUE(all_fault(self, self->iova + 3 * PAGE_SIZE, PAGE_SIZE));
		if (failed && all_fault(self, self->iova, PAGE_SIZE)) {
			ASSERT_TRUE(none_there(self));
			all++;
		} else {
			ASSERT_TRUE(all_have(self, self->iova, 0, 3 * PAGE_SIZE));
			ASSERT_TRUE(all_have(self, self->iova + 4 * PAGE_SIZE,
					     4 * PAGE_SIZE, 12 * PAGE_SIZE));
		}
		ASSERT_EQ(0, act_revoke(self));
		ASSERT_EQ(0, act_unrevoke(self));
		ASSERT_TRUE(all_there(self));
	}
	EXPECT_EQ(1, all);
}

/* Each domain has all of it, or nothing, and the next time all. */
TEST_F(dmabuf, remap)
{
	unsigned int nth, lost = 0;
	bool failed = true, has, whole;
	char byte[MOCK_PAGE_SIZE];
	int ret, i;

	setup_nr(self, _metadata, MANY_PAGES);
	ASSERT_EQ(0, act_map_remap(self));
	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_ROUNDS, nth);
		ASSERT_EQ(0, act_revoke(self));
		failed = fail_nth(self, act_unrevoke, nth, &ret);
		ASSERT_EQ(0, ret);
		for (i = 0; i < self->nr; i++) {
			has = !device_read(self->fd, self->hwpts[i], self->iova,
					   sizeof(byte), byte);
			whole = has ? device_has(self->fd, self->hwpts[i], self->iova,
						 &self->buf, 0, self->buf.size) :
				      device_faults(self->fd, self->hwpts[i],
						    self->iova, self->buf.size);
			ASSERT_TRUE(whole);
			lost += !has;
		}
		ASSERT_EQ(0, act_revoke(self));
		ASSERT_EQ(0, act_unrevoke(self));
		ASSERT_TRUE(all_there(self));
	}
	EXPECT_LT(0, lost);
}

int main(int argc, char *argv[])
{
	if (!setup_fault_injection())
		ksft_exit_skip("no fault injection\n");
	return test_harness_run(argc, argv);
}
