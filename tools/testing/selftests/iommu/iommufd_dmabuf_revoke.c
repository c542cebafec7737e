// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma-bufs in an IOAS whose exporter takes memory back, all of it or a part, and
 * gives it back.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "iommufd_dmabuf.h"

#define NR_PAGES	16
#define MAX_RANGES	1024	/* that iommufd keeps apart */

static int create(dmabuf_t *self, __u32 order, __u32 flags)
{
	return buf_create(&self->buf, NR_PAGES * PAGE_SIZE, order,
			  DMA_BUF_TEST_REVOCABLE | flags);
}

static int invalidate(dmabuf_t *self, size_t first, size_t nr)
{
	return buf_invalidate(&self->buf, first * PAGE_SIZE, nr * PAGE_SIZE);
}

/* Is all of the buffer in this domain, but for the pages @first to @end? */
static bool device_has_but(dmabuf_t *self, __u32 hwpt, __u64 iova, size_t first,
			   size_t end)
{
	size_t hole = first * PAGE_SIZE, after = end * PAGE_SIZE;

	return device_has(self->fd, hwpt, iova, &self->buf, 0, hole) &&
	       device_faults(self->fd, hwpt, iova + hole, after - hole) &&
	       device_has(self->fd, hwpt, iova + after, &self->buf, after,
			  self->buf.size - after);
}

static bool all_have_but(dmabuf_t *self, size_t first, size_t end)
{
	int i;

	for (i = 0; i < self->nr; i++)
		if (!device_has_but(self, self->hwpts[i], self->iova, first, end))
			return false;
	return true;
}

/* All of it */

TEST_F(dmabuf, revoked_for_good)
{
	__u64 copy, iova;
	__u32 hwpt = 0;

	ASSERT_EQ(0, create(self, 1, 0));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				self->buf.size, &copy, RW));
	ASSERT_EQ(0, buf_revoke(&self->buf));
	EXPECT_TRUE(none_there(self));
	EXPECT_TRUE(device_faults(self->fd, self->copy_hwpt, copy, self->buf.size));

	/* Domains and copies can be added, and have nothing. */
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_faults(self->fd, hwpt, self->iova, self->buf.size));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				PAGE_SIZE, &iova, RW));
	EXPECT_TRUE(device_faults(self->fd, self->copy_hwpt, iova, PAGE_SIZE));

	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(none_there(self));
	EXPECT_TRUE(device_faults(self->fd, hwpt, self->iova, self->buf.size));
	EXPECT_TRUE(device_faults(self->fd, self->copy_hwpt, copy, self->buf.size));

	/* The old mapping keeps its place, a new one works. */
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf, 0,
			      self->buf.size, &iova, RW));
	EXPECT_NE(iova, self->iova);
	EXPECT_TRUE(all_have(self, iova, 0, self->buf.size));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	ASSERT_EQ(0, map_all(self, RW | IOMMU_IOAS_MAP_FIXED_IOVA));
	EXPECT_TRUE(all_there(self));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
			       self->buf.size));
}

TEST_F(dmabuf, remapped)
{
	__u64 copy, late;
	__u32 hwpt = 0;
	int i;

	ASSERT_EQ(0, create(self, 1, 0));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				self->buf.size, &copy, RW));

	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(all_there(self));
		EXPECT_TRUE(device_has(self->fd, self->copy_hwpt, copy, &self->buf, 0,
				       self->buf.size));
		ASSERT_EQ(0, buf_revoke(&self->buf));
		EXPECT_TRUE(none_there(self));
		EXPECT_TRUE(device_faults(self->fd, self->copy_hwpt, copy,
					  self->buf.size));
		ASSERT_EQ(0, buf_unrevoke(&self->buf));
	}
	EXPECT_TRUE(all_there(self));

	/* What comes while it is revoked is served, too. */
	ASSERT_EQ(0, buf_revoke(&self->buf));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas,
				self->iova + PAGE_SIZE, 2 * PAGE_SIZE, &late, RW));
	EXPECT_TRUE(device_faults(self->fd, hwpt, self->iova, self->buf.size));
	ASSERT_EQ(0, unmap(self->fd, self->copy_ioas, copy, self->buf.size));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_there(self));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
			       self->buf.size));
	EXPECT_TRUE(device_has(self->fd, self->copy_hwpt, late, &self->buf, PAGE_SIZE,
			       2 * PAGE_SIZE));

	/* And what goes while it is revoked is gone. */
	ASSERT_EQ(0, buf_revoke(&self->buf));
	test_ioctl_destroy(hwpt);
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(none_there(self));
}

TEST_F(dmabuf, mapped_while_revoked)
{
	__u32 ioas, hwpt = 0;
	__u64 iova;

	test_ioctl_ioas_alloc(&ioas);
	ASSERT_EQ(0, create(self, 1, 0));
	ASSERT_EQ(0, buf_revoke(&self->buf));
	EXPECT_EQ(ENODEV, map_all(self, RW));
	EXPECT_EQ(ENODEV, map_file(self->fd, ioas, &self->buf, 0, self->buf.size,
				   &iova, RW));
	EXPECT_EQ(0, buf_counters(&self->buf).attachments);

	/* With a domain, and without. */
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	iova = MOCK_APERTURE_START;
	ASSERT_EQ(0, map_file(self->fd, ioas, &self->buf, 0, self->buf.size, &iova,
			      RW | REMAP | IOMMU_IOAS_MAP_FIXED_IOVA));
	EXPECT_TRUE(none_there(self));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, ioas, &hwpt));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_there(self));
	EXPECT_TRUE(device_has(self->fd, hwpt, iova, &self->buf, 0, self->buf.size));
}

/* The exporter said so before it could tell anybody. */
TEST_F(dmabuf, revoke_was_missed)
{
	__u32 hwpt = 0;

	ASSERT_EQ(0, create(self, 1, 0));
	ASSERT_EQ(0, buf_fail_fill(&self->buf, 1, ENODEV));
	EXPECT_EQ(ENODEV, map_all(self, RW));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, buf_fail_fill(&self->buf, 1, ENODEV));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_faults(self->fd, hwpt, self->iova, self->buf.size));
	/* That is about the new pair alone. */
	EXPECT_TRUE(all_there(self));
}

/* How many mappings failed, as debugfs says of the only buffer of this size. */
static long failures(const struct buf *buf)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[512], *at;
	bool found = false;
	long nr = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (strtoul(line, NULL, 10) == buf->size)
			found = true;
		at = strstr(line, "\tfailed ");
		if (found && at) {
			nr = strtol(at + 8, NULL, 10);
			break;
		}
	}
	if (f)
		fclose(f);
	return nr;
}

TEST_F(dmabuf, remap_fails)
{
	int i;

	ASSERT_EQ(0, create(self, 1, 0));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	EXPECT_EQ(0, failures(&self->buf));
	ASSERT_EQ(0, buf_revoke(&self->buf));
	ASSERT_EQ(0, buf_fail_fill(&self->buf, self->nr, EIO));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));

	/* One domain went without, which is counted, and the other did not. */
	for (i = 0; i < self->nr - 1; i++)
		EXPECT_TRUE(device_has(self->fd, self->hwpts[i], self->iova,
				       &self->buf, 0, self->buf.size));
	EXPECT_TRUE(device_faults(self->fd, self->hwpts[self->nr - 1], self->iova,
				  self->buf.size));
	EXPECT_EQ(1, failures(&self->buf));

	/* Its chance comes. */
	ASSERT_EQ(0, buf_revoke(&self->buf));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_there(self));
	EXPECT_EQ(1, failures(&self->buf));
}

TEST_F(dmabuf, mock_exporter_gives_back)
{
	unsigned char page[MOCK_PAGE_SIZE];

	self->buf.size = 4 * PAGE_SIZE;
	test_cmd_get_dmabuf(self->buf.size, &self->buf.fd);
	test_cmd_revoke_dmabuf(self->buf.fd, true);
	EXPECT_EQ(ENODEV, map_all(self, RW));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	EXPECT_TRUE(none_there(self));
	test_cmd_revoke_dmabuf(self->buf.fd, false);
	EXPECT_EQ(0, device_read(self->fd, self->hwpts[0], self->iova, sizeof(page),
				 page));
	close(self->buf.fd);
	self->buf.fd = -1;
}

/* A part of it */

TEST_F(dmabuf, ranges)
{
	__u64 copy, part;
	__u32 hwpt = 0;

	ASSERT_EQ(0, create(self, 1, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				self->buf.size, &copy, RW));

	/* Inside of an extent, across extents, growing at either end, again. */
	ASSERT_EQ(0, invalidate(self, 5, 1));
	EXPECT_TRUE(all_have_but(self, 5, 6));
	ASSERT_EQ(0, invalidate(self, 6, 3));
	EXPECT_TRUE(all_have_but(self, 5, 9));
	ASSERT_EQ(0, invalidate(self, 4, 1));
	EXPECT_TRUE(all_have_but(self, 4, 9));
	ASSERT_EQ(0, invalidate(self, 6, 1));
	EXPECT_TRUE(all_have_but(self, 4, 9));
	ASSERT_EQ(0, invalidate(self, 11, 1));
	ASSERT_EQ(0, invalidate(self, 8, 4));
	EXPECT_TRUE(all_have_but(self, 4, 12));
	EXPECT_TRUE(device_has_but(self, self->copy_hwpt, copy, 4, 12));

	/* Who comes later does not get it either. */
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_has_but(self, hwpt, self->iova, 4, 12));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas,
				self->iova + 10 * PAGE_SIZE, 4 * PAGE_SIZE, &part, RW));
	EXPECT_TRUE(device_faults(self->fd, self->copy_hwpt, part, 2 * PAGE_SIZE));
	EXPECT_TRUE(device_has(self->fd, self->copy_hwpt, part + 2 * PAGE_SIZE,
			       &self->buf, 12 * PAGE_SIZE, 2 * PAGE_SIZE));

	/* Not even when the exporter says that all is well. */
	ASSERT_EQ(0, buf_revoke(&self->buf));
	EXPECT_TRUE(none_there(self));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(none_there(self));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	ASSERT_EQ(0, map_all(self, RW | IOMMU_IOAS_MAP_FIXED_IOVA));
	EXPECT_TRUE(all_there(self));
}

TEST_F(dmabuf, areas_with_holes_go)
{
	__u32 hwpt = 0;
	size_t i;

	ASSERT_EQ(0, create(self, 2, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	for (i = 0; i < NR_PAGES; i += 2)
		ASSERT_EQ(0, invalidate(self, i, 1));
	test_ioctl_destroy(hwpt);
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	EXPECT_TRUE(none_there(self));

	/* Nothing but a hole. */
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf, 3 * PAGE_SIZE,
			      PAGE_SIZE, &self->iova, RW));
	ASSERT_EQ(0, invalidate(self, 2, 3));
	EXPECT_TRUE(all_fault(self, self->iova, PAGE_SIZE));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_faults(self->fd, hwpt, self->iova, PAGE_SIZE));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, PAGE_SIZE));
}

TEST_F(dmabuf, range_of_a_slice)
{
	size_t length = 8 * PAGE_SIZE;

	ASSERT_EQ(0, create(self, 2, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf, 4 * PAGE_SIZE,
			      length, &self->iova, RW));
	/* Before it, after it, and over both of its ends. */
	ASSERT_EQ(0, invalidate(self, 0, 4));
	ASSERT_EQ(0, invalidate(self, 12, 4));
	EXPECT_TRUE(all_have(self, self->iova, 4 * PAGE_SIZE, length));
	ASSERT_EQ(0, invalidate(self, 2, 3));
	ASSERT_EQ(0, invalidate(self, 11, 2));
	EXPECT_TRUE(all_fault(self, self->iova, PAGE_SIZE));
	EXPECT_TRUE(all_have(self, self->iova + PAGE_SIZE, 5 * PAGE_SIZE,
			     6 * PAGE_SIZE));
	EXPECT_TRUE(all_fault(self, self->iova + 7 * PAGE_SIZE, PAGE_SIZE));
}

TEST_F(dmabuf, range_of_parts_of_pages)
{
	size_t start = PAGE_SIZE + MOCK_PAGE_SIZE, length = 2 * PAGE_SIZE;
	__u32 hwpt = 0;

	if (variant->small_pages)
		SKIP(return, "mappings are of whole pages in the others only");

	/* The first and the last page are not whole. */
	ASSERT_EQ(0, create(self, 2, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, &self->buf, start, length,
			      &self->iova, RW));
	ASSERT_EQ(0, invalidate(self, 1, 1));
	EXPECT_TRUE(all_fault(self, self->iova, MOCK_PAGE_SIZE));
	EXPECT_TRUE(all_have(self, self->iova + MOCK_PAGE_SIZE, 2 * PAGE_SIZE,
			     length - MOCK_PAGE_SIZE));
	ASSERT_EQ(0, invalidate(self, 3, 1));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(all_have(self, self->iova + MOCK_PAGE_SIZE, 2 * PAGE_SIZE,
			     PAGE_SIZE));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova + MOCK_PAGE_SIZE,
			       &self->buf, 2 * PAGE_SIZE, PAGE_SIZE));
	EXPECT_TRUE(device_faults(self->fd, hwpt, self->iova + length - MOCK_PAGE_SIZE,
				  MOCK_PAGE_SIZE));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, length));
}

/* IOPTEs are not larger than what the exporter can take back. */
TEST_F(dmabuf, range_of_a_large_extent)
{
	ASSERT_EQ(0, buf_create(&self->buf, 4 << 20, 9,
				DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, invalidate(self, 300, 400));
	EXPECT_TRUE(all_have_but(self, 300, 700));
}

TEST_F(dmabuf, no_ranges)
{
	ASSERT_EQ(0, create(self, 2, 0));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, invalidate(self, 5, 1));
	EXPECT_TRUE(none_there(self));
}

TEST_F(dmabuf, too_many_ranges)
{
	size_t last = 2 * MAX_RANGES + 3, i;

	ASSERT_EQ(0, buf_create(&self->buf, (last + 1) * PAGE_SIZE, 0,
				DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	for (i = 0; i < MAX_RANGES; i++)
		ASSERT_EQ(0, invalidate(self, 2 * i, 1));
	/* One that touches two others makes room for one more. */
	ASSERT_EQ(0, invalidate(self, 1, 1));
	ASSERT_EQ(0, invalidate(self, last - 3, 1));
	EXPECT_TRUE(all_have(self, self->iova + 3 * PAGE_SIZE, 3 * PAGE_SIZE,
			     PAGE_SIZE));
	EXPECT_TRUE(all_have(self, self->iova + (last - 2) * PAGE_SIZE,
			     (last - 2) * PAGE_SIZE, 3 * PAGE_SIZE));

	/* And then there is none. */
	ASSERT_EQ(0, invalidate(self, last - 1, 1));
	EXPECT_TRUE(none_there(self));
	ASSERT_EQ(0, buf_revoke(&self->buf));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_there(self));
}

/* What was taken back is not asked for, and so cannot fail. */
TEST_F(dmabuf, ranges_are_not_prepared)
{
	__u64 prepares;
	__u32 hwpt = 0;

	ASSERT_EQ(0, create(self, 1, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW));
	ASSERT_EQ(0, invalidate(self, 3, 2));
	prepares = buf_counters(&self->buf).prepares;

	ASSERT_EQ(0, buf_fail_fill(&self->buf, 1, EAGAIN));
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(device_has_but(self, hwpt, self->iova, 3, 5));
	EXPECT_EQ(prepares + 2, buf_counters(&self->buf).prepares);
}

TEST_F(dmabuf, ranges_come_back)
{
	__u64 copy;
	__u32 hwpt = 0;

	ASSERT_EQ(0, create(self, 1, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				self->buf.size, &copy, RW));
	ASSERT_EQ(0, invalidate(self, 3, 2));
	ASSERT_EQ(0, invalidate(self, 8, 1));
	ASSERT_EQ(0, buf_revoke(&self->buf));

	/* All fills but one: it is the range at 3 that is not there yet. */
	ASSERT_EQ(0, buf_fail_fill(&self->buf, 3 * (self->nr + 1) + 1, EAGAIN));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_have_but(self, 3, 5));
	EXPECT_TRUE(device_has_but(self, self->copy_hwpt, copy, 3, 5));

	/* A new domain asks again, for all of them. */
	ASSERT_EQ(0, add_domain(self->fd, self->idev, self->ioas_id, &hwpt));
	EXPECT_TRUE(all_there(self));
	EXPECT_TRUE(device_has(self->fd, hwpt, self->iova, &self->buf, 0,
			       self->buf.size));
	EXPECT_TRUE(device_has(self->fd, self->copy_hwpt, copy, &self->buf, 0,
			       self->buf.size));
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, self->iova, self->buf.size));
	EXPECT_TRUE(none_there(self));
}

/* What came back in one domain goes there if it does not come in the next. */
TEST_F(dmabuf, range_comes_back_everywhere_or_nowhere)
{
	__u64 copy;

	ASSERT_EQ(0, create(self, 1, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	ASSERT_EQ(0, copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
				self->buf.size, &copy, RW));
	ASSERT_EQ(0, invalidate(self, 3, 2));
	ASSERT_EQ(0, buf_revoke(&self->buf));
	/* Two pieces for each pair, then the range, which the last does not get. */
	ASSERT_EQ(0, buf_fail_fill(&self->buf, 3 * (self->nr + 1), EIO));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_have_but(self, 3, 5));
	EXPECT_TRUE(device_has_but(self, self->copy_hwpt, copy, 3, 5));
}

/* Races */

#define ROUNDS	200

struct race {
	dmabuf_t *self;
	atomic_int running;
	atomic_int failed;
};

static void *race_revoke(void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (invalidate(race->self, i % NR_PAGES, 1) ||
		    buf_revoke(&race->self->buf) || buf_unrevoke(&race->self->buf))
			race->failed = 1;
	}
	race->running--;
	return NULL;
}

static void *race_domains(void *arg)
{
	struct race *race = arg;
	dmabuf_t *self = race->self;
	__u32 hwpt = 0;

	while (race->running) {
		if (add_domain(self->fd, self->idev, self->ioas_id, &hwpt) ||
		    _test_ioctl_destroy(self->fd, hwpt))
			race->failed = 2;
	}
	return NULL;
}

static void *race_copies(void *arg)
{
	struct race *race = arg;
	dmabuf_t *self = race->self;
	__u64 iova;

	while (race->running) {
		if (copy_range(self->fd, self->ioas_id, self->copy_ioas, self->iova,
			       self->buf.size, &iova, RW) ||
		    unmap(self->fd, self->copy_ioas, iova, self->buf.size))
			race->failed = 3;
	}
	return NULL;
}

static void *race_maps(void *arg)
{
	struct race *race = arg;
	dmabuf_t *self = race->self;
	__u64 iova;
	int ret;

	while (race->running) {
		ret = map_file(self->fd, self->copy_ioas, &self->buf, 0,
			       self->buf.size, &iova, RW);
		if (ret == ENODEV)
			continue;
		if (ret || unmap(self->fd, self->copy_ioas, iova, self->buf.size))
			race->failed = 4;
	}
	return NULL;
}

TEST_F(dmabuf, race)
{
	void *(*threads[])(void *) = { race_revoke, race_domains, race_copies, race_maps };
	struct race race = { .self = self, .running = 1 };
	pthread_t ids[4];
	int i;

	ASSERT_EQ(0, create(self, 1, DMA_BUF_TEST_RANGES));
	ASSERT_EQ(0, map_all(self, RW | REMAP));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&ids[i], NULL, threads[i], &race));
	for (i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
	EXPECT_EQ(0, race.failed);

	ASSERT_EQ(0, buf_revoke(&self->buf));
	EXPECT_TRUE(none_there(self));
	ASSERT_EQ(0, buf_unrevoke(&self->buf));
	EXPECT_TRUE(all_there(self));
	EXPECT_EQ(1, buf_counters(&self->buf).attachments);
}

TEST_HARNESS_MAIN
