// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test exporter keeps what its header promises, so that the tests which
 * build on it mean something.
 */
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"

#define SIZE		SZ_64K
#define SEED		0x6578706fULL

#define REVOCABLE	DMA_BUF_TEST_REVOCABLE
#define DYNAMIC		DMA_BUF_TEST_DYNAMIC
#define LAZY		DMA_BUF_TEST_LAZY
#define READONLY	DMA_BUF_TEST_READONLY
#define RANGES		DMA_BUF_TEST_RANGES
#define SGT_ONLY	DMA_BUF_TEST_SGT_ONLY

#define OP(_name, ...)							\
	((struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_##_name, ##__VA_ARGS__ })

/* Can the host read this byte? */
static bool readable(const void *byte)
{
	int fds[2], r;

	TEST_ASSERT(!pipe(fds), "pipe() failed");
	r = write(fds[1], byte, 1);
	TEST_ASSERT(r == 1 || errno == EFAULT, "write() failed with errno %d", errno);
	errno = 0;
	kvm_close(fds[0]);
	kvm_close(fds[1]);
	return r == 1;
}

static bool ready(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	TEST_ASSERT(poll(&pollfd, 1, 0) >= 0, "poll() failed");
	return pollfd.revents & POLLIN;
}

/*
 * DMA_BUF_TEST_CREATE
 */

FIXTURE(create)
{
};

FIXTURE_VARIANT(create)
{
	int err;
	u64 size;
	u32 order;
	u32 kind;
	u32 flags;
	u32 fd_flags;
	u32 reserved;
};

FIXTURE_SETUP(create)
{
	if (!dmabuf_exporter())
		SKIP(return, "no /dev/dma_buf_test (CONFIG_DMABUF_TEST)");
}

FIXTURE_TEARDOWN(create)
{
}

FIXTURE_VARIANT_ADD(create, size_0) { EINVAL, 0 };
FIXTURE_VARIANT_ADD(create, size_one_byte) { EINVAL, SIZE + 1 };
FIXTURE_VARIANT_ADD(create, size_half_extent) { EINVAL, SIZE / 2, .order = 4 };
FIXTURE_VARIANT_ADD(create, size_and_a_half) { EINVAL, SIZE + SIZE / 2, .order = 4 };
FIXTURE_VARIANT_ADD(create, size_huge) { ENOMEM, 1ULL << 52 };
FIXTURE_VARIANT_ADD(create, size_largest) { ENOMEM, -(u64)PAGE_SIZE };
FIXTURE_VARIANT_ADD(create, order_too_large) {
	EINVAL, 1ULL << 40, .order = DMA_BUF_TEST_MAX_ORDER + 1
};

FIXTURE_VARIANT_ADD(create, order_largest) { EINVAL, 1ULL << 40, .order = ~0U };
FIXTURE_VARIANT_ADD(create, kind_unknown) { EINVAL, SIZE, .kind = 2 };
FIXTURE_VARIANT_ADD(create, flag_unknown) { EINVAL, SIZE, .flags = 1 << 6 };
FIXTURE_VARIANT_ADD(create, flag_highest) { EINVAL, SIZE, .flags = 1U << 31 };
FIXTURE_VARIANT_ADD(create, both_flavours) { EINVAL, SIZE, .flags = REVOCABLE | DYNAMIC };
FIXTURE_VARIANT_ADD(create, access_mode_3) { EINVAL, SIZE, .fd_flags = O_ACCMODE };
FIXTURE_VARIANT_ADD(create, fd_flag_unknown) { EINVAL, SIZE, .fd_flags = O_RDWR | O_NONBLOCK };
FIXTURE_VARIANT_ADD(create, reserved) { EINVAL, SIZE, .reserved = 1 };

TEST_F(create, refused)
{
	struct dma_buf_test_create args = {
		.size = variant->size,
		.extent_order = variant->order,
		.kind = variant->kind,
		.flags = variant->flags,
		.fd_flags = variant->fd_flags ?: O_RDWR,
		.__reserved = variant->reserved,
	};
	struct dmabuf buf;
	int next;

	/* The exporter's own descriptor is opened with the first order. */
	dmabuf_create_test(&buf, SIZE, 0, 0);
	dmabuf_free(&buf);

	next = kvm_dup(0);
	kvm_close(next);
	EXPECT_EQ(variant->err, __dmabuf_create_test(&buf, &args));

	/* No descriptor is left behind. */
	EXPECT_EQ(next, kvm_dup(0));
}

FIXTURE(exporter)
{
	struct dmabuf buf;
};

FIXTURE_SETUP(exporter)
{
	if (!dmabuf_exporter())
		SKIP(return, "no /dev/dma_buf_test (CONFIG_DMABUF_TEST)");
}

FIXTURE_TEARDOWN(exporter)
{
	dmabuf_free(&self->buf);
}

TEST_F(exporter, unknown_ioctl)
{
	int dev = open("/dev/dma_buf_test", O_RDWR);

	ASSERT_LE(0, dev);
	EXPECT_EQ(-1, ioctl(dev, _IO(DMA_BUF_TEST_BASE, 0xe3)));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(dev, DMA_BUF_TEST_CREATE, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(dev, DMA_BUF_TEST_OP, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(dev, DMA_BUF_TEST_COUNTERS, NULL));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
	close(dev);
}

/* Zero, of the right size, and each byte of it is there once. */
TEST_F(exporter, content)
{
	static const u32 orders[] = { 0, 1, 4, 9, 10 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		u64 size = 3ULL * PAGE_SIZE << orders[i];
		u64 page;

		dmabuf_create_test(&self->buf, size, orders[i], 0);
		EXPECT_EQ(size, lseek(self->buf.fd, 0, SEEK_END));
		for (page = 0; page < size; page += PAGE_SIZE)
			ASSERT_EQ(0, *(u64 *)(self->buf.map + page));
		dmabuf_fill(self->buf.map, size, 0, SEED);
		EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, size, 0, SEED));
		dmabuf_free(&self->buf);
	}
}

/* Larger than the page allocator gives. In a VM that was just booted it is there. */
TEST_F(exporter, content_beyond_max_order)
{
	struct dma_buf_test_create args = {
		.size = SZ_8M,
		.extent_order = 11,
		.fd_flags = O_RDWR,
	};

	ASSERT_EQ(0, __dmabuf_create_test(&self->buf, &args));
	EXPECT_EQ(0, self->buf.map[SZ_8M - 1]);
	dmabuf_fill(self->buf.map, SZ_8M, 0, SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, SZ_8M, 0, SEED));
}

TEST_F(exporter, fd_flags)
{
	struct dma_buf_test_create args = { .size = SIZE, .fd_flags = O_RDONLY | O_CLOEXEC };

	ASSERT_EQ(0, __dmabuf_create_test(&self->buf, &args));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->buf.fd, F_GETFD));
	EXPECT_EQ(O_RDONLY, fcntl(self->buf.fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, self->buf.fd, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->buf.map, SIZE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	errno = 0;
	EXPECT_EQ(0, self->buf.map[SIZE - 1]);
	dmabuf_free(&self->buf);

	args.fd_flags = O_RDWR;
	ASSERT_EQ(0, __dmabuf_create_test(&self->buf, &args));
	EXPECT_EQ(0, fcntl(self->buf.fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(self->buf.fd, F_GETFL) & O_ACCMODE);
}

TEST_F(exporter, mmap_refused)
{
	dmabuf_create_test(&self->buf, SIZE, 0, 0);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, self->buf.fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE + PAGE_SIZE, PROT_READ, MAP_SHARED, self->buf.fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, self->buf.fd, SIZE));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
}

/*
 * DMA_BUF_TEST_OP: what is refused
 */

FIXTURE(op)
{
	struct dmabuf buf;
};

FIXTURE_VARIANT(op)
{
	int err;
	u32 flags;
	struct dma_buf_test_op op;
};

FIXTURE_SETUP(op)
{
	if (!dmabuf_exporter())
		SKIP(return, "no /dev/dma_buf_test (CONFIG_DMABUF_TEST)");
	/* Extents of 16K. */
	dmabuf_create_test(&self->buf, SIZE, 2, variant->flags);
}

FIXTURE_TEARDOWN(op)
{
	dmabuf_free(&self->buf);
}

#define REFUSED(_name, _err, _flags, ...)				\
	FIXTURE_VARIANT_ADD(op, _name) { _err, _flags, OP(__VA_ARGS__) }

FIXTURE_VARIANT_ADD(op, unknown) { EINVAL, DYNAMIC, { .op = 12 } };
FIXTURE_VARIANT_ADD(op, unknown_highest) { EINVAL, DYNAMIC, { .op = ~0U } };
REFUSED(revoke_pinned, EPERM, 0, REVOKE);
REFUSED(revoke_offset, EINVAL, DYNAMIC, REVOKE, .offset = SZ_16K);
REFUSED(revoke_length, EINVAL, DYNAMIC, REVOKE, .length = SIZE);
REFUSED(revoke_value, EINVAL, DYNAMIC, REVOKE, .value = 1);
REFUSED(revoke_error, EINVAL, DYNAMIC, REVOKE, .error = 1);
REFUSED(unrevoke_pinned, EPERM, 0, UNREVOKE);
REFUSED(unrevoke_too_often, EALREADY, REVOCABLE, UNREVOKE);
REFUSED(move_pinned, EPERM, 0, MOVE);
REFUSED(move_revocable, EPERM, REVOCABLE, MOVE);
REFUSED(move_value, EINVAL, DYNAMIC, MOVE, .value = 1);
REFUSED(move_part_of_extent, EINVAL, DYNAMIC, MOVE, .length = SZ_4K);
REFUSED(move_from_within_extent, EINVAL, DYNAMIC, MOVE, .offset = SZ_4K, .length = SZ_16K);
REFUSED(move_rest_of_extent, EINVAL, DYNAMIC, MOVE, .offset = SZ_4K);
REFUSED(move_from_end, EINVAL, DYNAMIC, MOVE, .offset = SIZE);
REFUSED(move_over_end, EINVAL, DYNAMIC, MOVE, .offset = SZ_16K, .length = SIZE);
REFUSED(move_around, EINVAL, DYNAMIC, MOVE, .offset = SZ_16K, .length = -SZ_16K);
REFUSED(set_readonly_pinned, EPERM, 0, SET_READONLY, .value = 1);
REFUSED(set_readonly_2, EINVAL, DYNAMIC, SET_READONLY, .value = 2);
REFUSED(set_readonly_range, EINVAL, DYNAMIC, SET_READONLY, .value = 1, .length = SZ_16K);
REFUSED(signal_no_fence, ENOENT, 0, SIGNAL_FENCE);
REFUSED(signal_value, EINVAL, 0, SIGNAL_FENCE, .value = 1);
REFUSED(hold_value, EINVAL, 0, HOLD_FENCE, .value = 1);
REFUSED(fail_fill_0, EINVAL, 0, FAIL_FILL, .error = EIO);
REFUSED(fail_fill_no_error, EINVAL, 0, FAIL_FILL, .value = 1);
REFUSED(fail_fill_no_errno, EINVAL, 0, FAIL_FILL, .value = 1, .error = 512);
REFUSED(fail_fill_negative, EINVAL, 0, FAIL_FILL, .value = 1, .error = -EIO);
REFUSED(move_in_fill_pinned, EPERM, 0, MOVE_IN_FILL);
REFUSED(move_in_fill_revocable, EPERM, REVOCABLE, MOVE_IN_FILL);
REFUSED(move_in_fill_range, EINVAL, DYNAMIC, MOVE_IN_FILL, .offset = SZ_16K);
REFUSED(change_pfn_pinned, EPERM, 0, CHANGE_PFN);
REFUSED(change_pfn_revocable, EPERM, REVOCABLE, CHANGE_PFN);
REFUSED(change_pfn_part_of_extent, EINVAL, DYNAMIC, CHANGE_PFN, .length = SZ_4K);
REFUSED(invalidate_pinned, EPERM, 0, INVALIDATE);
REFUSED(invalidate_part_of_page, EINVAL, DYNAMIC, INVALIDATE, .length = SZ_4K + 1);
REFUSED(invalidate_over_end, EINVAL, DYNAMIC, INVALIDATE, .offset = SZ_16K, .length = SIZE);

TEST_F(op, refused)
{
	EXPECT_EQ(variant->err, __dmabuf_test_op(&self->buf, variant->op));
	EXPECT_EQ(0, dmabuf_counters(&self->buf).invalidations);
	EXPECT_EQ(0, self->buf.map[0]);
}

TEST_F(exporter, wrong_fd)
{
	int dev = open("/dev/dma_buf_test", O_RDWR);
	struct dma_buf_test_op op = OP(HOLD_FENCE);
	struct dma_buf_test_counters counters = {};
	struct dmabuf other;
	struct {
		int fd, err;
	} cases[3];
	u32 i;

	ASSERT_LE(0, dev);
	dmabuf_create(&other, SIZE, 0);
	cases[0].fd = other.fd;		/* of another exporter */
	cases[0].err = EINVAL;
	cases[1].fd = other.memfd;
	cases[1].err = EINVAL;
	cases[2].fd = kvm_dup(0);
	cases[2].err = EBADF;
	kvm_close(cases[2].fd);

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		op.fd = cases[i].fd;
		counters.fd = cases[i].fd;
		EXPECT_EQ(-1, ioctl(dev, DMA_BUF_TEST_OP, &op));
		EXPECT_EQ(cases[i].err, errno);
		EXPECT_EQ(-1, ioctl(dev, DMA_BUF_TEST_COUNTERS, &counters));
		EXPECT_EQ(cases[i].err, errno);
	}
	dmabuf_free(&other);

	dmabuf_create_test(&self->buf, SIZE, 0, 0);
	counters.fd = self->buf.fd;
	counters.__reserved = 1;
	EXPECT_EQ(-1, ioctl(dev, DMA_BUF_TEST_COUNTERS, &counters));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	close(dev);
}

/*
 * DMA_BUF_TEST_OP: what it does
 */

TEST_F(exporter, revoke)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 0, REVOCABLE);
	dmabuf_fill(buf->map, SIZE, 0, SEED);

	dmabuf_revoke(buf);
	EXPECT_EQ(EALREADY, __dmabuf_test_op(buf, OP(REVOKE)));
	EXPECT_EQ(1, dmabuf_counters(buf).invalidations);
	EXPECT_FALSE(readable(buf->map));
	EXPECT_FALSE(readable(buf->map + SIZE - 1));

	dmabuf_unrevoke(buf);
	EXPECT_EQ(EALREADY, __dmabuf_test_op(buf, OP(UNREVOKE)));
	EXPECT_EQ(1, dmabuf_counters(buf).invalidations);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));
}

TEST_F(exporter, move)
{
	static const struct {
		u64 offset, length;
	} ranges[] = {
		{ 0, SIZE }, { 0, 0 }, { 0, SZ_16K }, { SZ_16K, SZ_32K }, { SZ_32K + SZ_16K, 0 },
	};
	static const u32 flags[] = { DYNAMIC, DYNAMIC | RANGES, DYNAMIC | READONLY };
	struct dmabuf *buf = &self->buf;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		dmabuf_create_test(buf, SIZE, 2, flags[i]);
		dmabuf_fill(buf->map, SIZE, 0, SEED);
		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			dmabuf_move(buf, ranges[j].offset, ranges[j].length);
			EXPECT_EQ(j + 1, dmabuf_counters(buf).invalidations);
			EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED + j));
			/* What is written now must be what moves next. */
			dmabuf_fill(buf->map, SIZE, 0, SEED + j + 1);
		}
		dmabuf_free(buf);
	}
}

static u64 free_memory(void)
{
	return sysconf(_SC_AVPHYS_PAGES) * PAGE_SIZE;
}

/* Old memory is given back. */
TEST_F(exporter, move_often)
{
	struct dmabuf *buf = &self->buf;
	u64 i, before, after;

	dmabuf_create_test(buf, SZ_4M, 9, DYNAMIC);
	before = free_memory();
	for (i = 0; i < 64; i++) {
		*(u64 *)(buf->map + SZ_2M) = i;
		dmabuf_move(buf, 0, 0);
		ASSERT_EQ(i, *(u64 *)(buf->map + SZ_2M));
	}
	after = free_memory();
	EXPECT_LT(before, after + SZ_128M);
	EXPECT_EQ(64, dmabuf_counters(buf).invalidations);
}

TEST_F(exporter, move_while_revoked)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 0, DYNAMIC);
	dmabuf_fill(buf->map, SIZE, 0, SEED);
	dmabuf_revoke(buf);
	dmabuf_move(buf, 0, 0);
	EXPECT_FALSE(readable(buf->map));
	dmabuf_unrevoke(buf);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));
}

/* The host has none of it in its page tables when it moves. */
TEST_F(exporter, move_lazy)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 2, DYNAMIC | LAZY);
	*(u64 *)(buf->map + SZ_32K) = SEED;
	dmabuf_move(buf, 0, 0);
	EXPECT_EQ(SEED, *(u64 *)(buf->map + SZ_32K));
	EXPECT_EQ(0, *(u64 *)buf->map);
	EXPECT_EQ(0, dmabuf_counters(buf).prepares);
}

TEST_F(exporter, set_readonly)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 0, REVOCABLE);
	dmabuf_set_readonly(buf, false);
	EXPECT_EQ(0, dmabuf_counters(buf).invalidations);
	dmabuf_set_readonly(buf, true);
	EXPECT_EQ(1, dmabuf_counters(buf).invalidations);
	dmabuf_set_readonly(buf, true);
	dmabuf_set_readonly(buf, false);
	EXPECT_EQ(1, dmabuf_counters(buf).invalidations);
	dmabuf_free(buf);

	/* Write access can be given at any time. */
	dmabuf_create_test(buf, SIZE, 0, READONLY);
	dmabuf_set_readonly(buf, true);
	dmabuf_set_readonly(buf, false);
	EXPECT_EQ(EPERM, __dmabuf_test_op(buf, OP(SET_READONLY, .value = 1)));
	/* It is about importers. */
	dmabuf_fill(buf->map, SIZE, 0, SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));
}

TEST_F(exporter, fence)
{
	struct dmabuf *buf = &self->buf;
	int i;

	dmabuf_create_test(buf, SIZE, 0, DYNAMIC);
	EXPECT_TRUE(ready(buf->fd));
	for (i = 0; i < 3; i++) {
		dmabuf_hold_fence(buf);
		EXPECT_EQ(EBUSY, __dmabuf_test_op(buf, OP(HOLD_FENCE)));
		EXPECT_FALSE(ready(buf->fd));

		/* It is for importers to wait. */
		dmabuf_fill(buf->map, SIZE, 0, SEED + i);
		dmabuf_move(buf, 0, 0);
		EXPECT_FALSE(ready(buf->fd));
		EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED + i));

		dmabuf_signal_fence(buf);
		EXPECT_TRUE(ready(buf->fd));
		EXPECT_EQ(ENOENT, __dmabuf_test_op(buf, OP(SIGNAL_FENCE)));
	}
}

/* A fence outlives its buffer, signalled. */
TEST_F(exporter, fence_of_closed_buffer)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 0, 0);
	dmabuf_hold_fence(buf);
	ASSERT_EQ(0, ioctl(buf->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export));
	EXPECT_FALSE(ready(export.fd));
	dmabuf_free(buf);
	EXPECT_TRUE(dmabuf_wait_gone(buf->ino));
	EXPECT_TRUE(ready(export.fd));
	close(export.fd);
}

/* A held fence says nothing about accesses, in whatever buffer it is. */
TEST_F(exporter, fence_of_another_buffer)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
	struct dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_WRITE };
	struct dmabuf *buf = &self->buf;
	struct dmabuf other;

	dmabuf_create_test(&other, SIZE, 0, 0);
	dmabuf_hold_fence(&other);
	ASSERT_EQ(0, ioctl(other.fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export));
	import.fd = export.fd;
	dmabuf_create_test(buf, SIZE, 0, REVOCABLE);
	ASSERT_EQ(0, ioctl(buf->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import));
	EXPECT_FALSE(ready(buf->fd));

	dmabuf_revoke(buf);
	EXPECT_FALSE(ready(buf->fd));
	dmabuf_free(&other);
	EXPECT_TRUE(ready(buf->fd));
	close(export.fd);
}

/*
 * With KVM as the importer
 */

FIXTURE(attached)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_SETUP(attached)
{
	if (!dmabuf_exporter())
		SKIP(return, "no /dev/dma_buf_test (CONFIG_DMABUF_TEST)");
	self->vm = dmabuf_vm_create(1, &self->vcpu);
}

FIXTURE_TEARDOWN(attached)
{
	dmabuf_free(&self->buf);
	if (self->vm)
		kvm_vm_free(self->vm);
}

#define GUEST(_op, _seed)						\
	dmabuf_guest(self->vcpu, DMABUF_OP_##_op, DMABUF_GPA, SIZE, 0, _seed)

#define EXPECT_COUNTERS(_fills, _extents, _prepares, _invalidations)	\
do {									\
	struct dma_buf_test_counters counters = dmabuf_counters(&self->buf); \
									\
	EXPECT_EQ(_fills, counters.fills);				\
	EXPECT_EQ(_extents, counters.extents);				\
	EXPECT_EQ(_prepares, counters.prepares);			\
	EXPECT_EQ(_invalidations, counters.invalidations);		\
} while (0)

TEST_F(attached, counters)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 2, DYNAMIC | RANGES);
	EXPECT_COUNTERS(0, 0, 0, 0);
	EXPECT_EQ(0, dmabuf_counters(buf).attachments);

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT + 1, DMABUF_GPA + SIZE, 0, SIZE);
	EXPECT_COUNTERS(0, 0, 0, 0);
	EXPECT_EQ(2, dmabuf_counters(buf).attachments);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
	EXPECT_EQ(1, dmabuf_counters(buf).attachments);

	/* A fill for each page, and an extent for each fill. */
	GUEST(WRITE, SEED);
	EXPECT_COUNTERS(SIZE / PAGE_SIZE, SIZE / PAGE_SIZE, 0, 0);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));

	/* Of one extent, which is four pages. */
	dmabuf_move(buf, SZ_16K, SZ_16K);
	EXPECT_EQ(DMABUF_OK, GUEST(READ, SEED));
	EXPECT_COUNTERS(SIZE / PAGE_SIZE + 4, SIZE / PAGE_SIZE + 4, 0, 1);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));

	/* Of a page within an extent. */
	EXPECT_EQ(0, __dmabuf_test_op(buf, OP(INVALIDATE, .offset = SZ_4K, .length = SZ_4K)));
	EXPECT_EQ(DMABUF_OK, GUEST(READ, SEED));
	EXPECT_COUNTERS(SIZE / PAGE_SIZE + 5, SIZE / PAGE_SIZE + 5, 0, 2);
}

TEST_F(attached, lazy)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 2, LAZY);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);

	/* For each extent one fill in vain, a prepare, and a fill for each page. */
	GUEST(WRITE, SEED);
	EXPECT_COUNTERS(4 + SIZE / PAGE_SIZE, SIZE / PAGE_SIZE, 4, 0);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));
}

TEST_F(attached, fail_fill)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 0, 0);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);

	/* The one that was ordered last counts. */
	dmabuf_fail_fill(buf, 1, EIO);
	dmabuf_fail_fill(buf, 3, EIO);
	dmabuf_order(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED, 0);
	EXPECT_FAULT(self->vcpu, EFAULT, 0, DMABUF_GPA + 2 * PAGE_SIZE);
	EXPECT_COUNTERS(3, 2, 0, 0);

	/* Once. */
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
	EXPECT_COUNTERS(1 + SIZE / PAGE_SIZE, SIZE / PAGE_SIZE, 0, 0);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));
}

TEST_F(attached, move_in_fill)
{
	struct dmabuf *buf = &self->buf;
	u64 nr = 1 + SIZE / PAGE_SIZE;

	/* Shadow pages of what was only read have no write access: two more faults. */
	if (!dmabuf_has_tdp())
		nr += 2;

	dmabuf_create_test(buf, SIZE, 0, DYNAMIC);
	dmabuf_fill(buf->map, SIZE, 0, SEED);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_load(self->vcpu, DMABUF_GPA);
	EXPECT_COUNTERS(1, 1, 0, 0);

	dmabuf_move_in_fill(buf);
	EXPECT_COUNTERS(1, 1, 0, 0);
	EXPECT_EQ(dmabuf_word(SEED, PAGE_SIZE), dmabuf_load(self->vcpu, DMABUF_GPA + PAGE_SIZE));
	EXPECT_COUNTERS(2, 2, 0, 1);

	/* The page of the first load moved, too, and nothing moves any more. */
	EXPECT_EQ(dmabuf_word(SEED, 0), dmabuf_load(self->vcpu, DMABUF_GPA));
	EXPECT_COUNTERS(3, 3, 0, 1);
	GUEST(WRITE, SEED + 1);
	EXPECT_COUNTERS(nr, nr, 0, 1);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED + 1));
}

TEST_F(attached, change_pfn)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_create_test(buf, SIZE, 0, DYNAMIC);
	dmabuf_fill(buf->map, SIZE, 0, SEED);
	EXPECT_EQ(0, __dmabuf_test_op(buf, OP(CHANGE_PFN)));
	EXPECT_COUNTERS(0, 0, 0, 0);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));

	/* Whether or not the guest has touched it. */
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	EXPECT_EQ(EPERM, __dmabuf_test_op(buf, OP(CHANGE_PFN)));
	EXPECT_EQ(EPERM, __dmabuf_test_op(buf, OP(CHANGE_PFN, .offset = PAGE_SIZE,
						  .length = PAGE_SIZE)));
	EXPECT_EQ(DMABUF_OK, GUEST(READ, SEED));

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(0, __dmabuf_test_op(buf, OP(CHANGE_PFN)));
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));
}

TEST_F(attached, sgt_only)
{
	struct kvm_userspace_memory_region2 region;

	dmabuf_create_test(&self->buf, SIZE, 0, SGT_ONLY);
	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE, NULL);
	dmabuf_set_slot_err(self->vm, &region, EOPNOTSUPP);
	EXPECT_EQ(0, dmabuf_counters(&self->buf).attachments);
}

TEST_F(attached, fence_of_killed_vm)
{
	struct dmabuf *buf = &self->buf;

	/* The slot holds the buffer, and the buffer the fence. */
	dmabuf_create_test(buf, SIZE, 0, 0);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_hold_fence(buf);
	dmabuf_free(buf);
	kvm_vm_free(self->vm);
	self->vm = NULL;
	EXPECT_TRUE(dmabuf_wait_gone(buf->ino));
}

TEST_F(attached, mmio)
{
	struct dma_buf_test_create args = {
		.size = SIZE,
		.extent_order = 2,
		.kind = DMA_BUF_TEST_MMIO,
		.flags = DYNAMIC,
		.fd_flags = O_RDWR,
	};
	struct dmabuf *buf = &self->buf;
	int r = __dmabuf_create_test(buf, &args);

	if (r == ENODEV)
		SKIP(return, "no memory reserved for MMIO buffers (dma_buf_test.mmio=)");
	ASSERT_EQ(0, r);

	EXPECT_EQ(0, buf->map[SIZE - 1]);
	dmabuf_fill(buf->map, SIZE, 0, SEED);
	dmabuf_move(buf, 0, 0);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED));

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	EXPECT_EQ(DMABUF_OK, GUEST(READ, SEED));
	GUEST(WRITE, SEED + 1);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, SIZE, 0, SEED + 1));
	dmabuf_move(buf, SZ_16K, SZ_32K);
	EXPECT_EQ(DMABUF_OK, GUEST(READ, SEED + 1));
}

/* All of the range, and as it was given back. */
TEST_F_TIMEOUT(exporter, mmio_exhausted, 240)
{
	struct dma_buf_test_create args = {
		.size = SZ_1M,
		.kind = DMA_BUF_TEST_MMIO,
		.fd_flags = O_RDWR,
	};
	struct dmabuf bufs[64];
	int i, n, r, was = -1;

	for (i = 0; i < 3; i++) {
		for (n = 0; n < ARRAY_SIZE(bufs); n++) {
			r = __dmabuf_create_test(&bufs[n], &args);
			if (r)
				break;
		}
		if (r == ENODEV)
			SKIP(return, "no memory reserved for MMIO buffers (dma_buf_test.mmio=)");
		EXPECT_EQ(ENOMEM, r);
		if (was < 0)
			was = n;
		EXPECT_EQ(was, n);
		while (n--) {
			dmabuf_free(&bufs[n]);
			EXPECT_TRUE(dmabuf_wait_gone(bufs[n].ino));
		}
	}
	EXPECT_LT(0, was);
}

TEST_HARNESS_MAIN
