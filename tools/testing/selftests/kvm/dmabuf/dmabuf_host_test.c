// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's views of a buffer that is guest memory: the mmap of the memfd is
 * ordinary memory, the mmap of the dma-buf can be read and written by the CPU
 * but not be pinned. So a VMM does its I/O on the former.
 */
#include <fcntl.h>
#include <sys/uio.h>

#include <linux/dma-buf.h>
#include <linux/stddef.h>
#include <linux/io_uring.h>

#include "kvm_test_harness.h"
#include "dmabuf_util.h"

#define SEED	0x686f7374ULL
#define SIZE	SZ_1M

FIXTURE(host)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_SETUP(host)
{
	dmabuf_create(&self->buf, SIZE, 0);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);
}

FIXTURE_TEARDOWN(host)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

TEST_F(host, views_agree)
{
	EXPECT_EQ(0, memcmp(self->buf.mem, self->buf.map, SIZE));
	self->buf.map[4711] ^= 0xff;
	EXPECT_EQ(self->buf.map[4711], self->buf.mem[4711]);
	self->buf.mem[4712] ^= 0xff;
	EXPECT_EQ(self->buf.map[4712], self->buf.mem[4712]);
}

static int new_ring(void)
{
	struct io_uring_params params = {};

	return syscall(__NR_io_uring_setup, 4, &params);
}

/* Registering a buffer for fixed I/O pins it. */
static int register_buffer(int ring, void *mem)
{
	struct iovec iov = { .iov_base = mem, .iov_len = SIZE };

	return syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
}

TEST_F(host, register_dmabuf_mapping)
{
	int ring = new_ring();

	if (ring < 0)
		SKIP(return, "no io_uring (CONFIG_IO_URING)");
	EXPECT_EQ(-1, register_buffer(ring, self->buf.map));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
	close(ring);
}

TEST_F(host, register_memfd_mapping)
{
	int ring = new_ring();

	if (ring < 0)
		SKIP(return, "no io_uring (CONFIG_IO_URING)");
	EXPECT_EQ(0, register_buffer(ring, self->buf.mem));
	close(ring);
}

/* vmsplice() takes the pages themselves, as O_DIRECT does. */
static ssize_t splice_pages(void *mem, u8 *out)
{
	struct iovec iov = { .iov_base = mem, .iov_len = PAGE_SIZE };
	ssize_t n;
	int fds[2];

	TEST_ASSERT(!pipe(fds), "pipe() failed");
	n = vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK);
	if (n > 0)
		n = read(fds[0], out, PAGE_SIZE);
	close(fds[0]);
	close(fds[1]);
	return n;
}

TEST_F(host, splice_dmabuf_mapping)
{
	u8 out[PAGE_SIZE];

	EXPECT_EQ(-1, splice_pages(self->buf.map, out));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
}

TEST_F(host, splice_memfd_mapping)
{
	u8 out[PAGE_SIZE];

	ASSERT_EQ(PAGE_SIZE, splice_pages(self->buf.mem, out));
	EXPECT_EQ(DMABUF_OK, dmabuf_check(out, PAGE_SIZE, 0, SEED));
}

/* Copies by the kernel work on both. */
TEST_F(host, read_and_write)
{
	int file = memfd_create("file", MFD_CLOEXEC);

	ASSERT_EQ(PAGE_SIZE, pwrite(file, self->buf.map, PAGE_SIZE, 0));
	ASSERT_EQ(PAGE_SIZE, pread(file, self->buf.mem + SZ_64K, PAGE_SIZE, 0));
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA + SZ_64K,
					  PAGE_SIZE, 0, SEED));
	ASSERT_EQ(PAGE_SIZE, pread(file, self->buf.map + SZ_128K, PAGE_SIZE, 0));
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA + SZ_128K,
					  PAGE_SIZE, 0, SEED));
	close(file);
}

TEST_F(host, part_of_mapping)
{
	u8 *map = __kvm_mmap(SZ_64K, PROT_READ, MAP_SHARED, self->buf.fd, SZ_256K);

	EXPECT_EQ(DMABUF_OK, dmabuf_check(map, SZ_64K, SZ_256K, SEED));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SZ_64K, PROT_READ, MAP_SHARED, self->buf.fd, SIZE));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	kvm_munmap(map, SZ_64K);
}

TEST_F(host, mapping_outlives_slot_and_vm)
{
	struct kvm_vcpu *vcpu;

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, SIZE, 0, SEED));
	kvm_vm_free(self->vm);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, SIZE, 0, SEED));
	self->vm = dmabuf_vm_create(1, &vcpu);
}

TEST_F(host, cpu_access_ioctl)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };

	EXPECT_EQ(0, ioctl(self->buf.fd, DMA_BUF_IOCTL_SYNC, &sync));
	dmabuf_fill(self->buf.map, SIZE, 0, ~SEED);
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	EXPECT_EQ(0, ioctl(self->buf.fd, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SIZE,
					  0, ~SEED));
}

/* How it was done before: an ordinary memslot on the mapping of the dma-buf. */
TEST_F(host, ordinary_slot_on_mapping)
{
	vm_set_user_memory_region(self->vm, DMABUF_SLOT + 1, 0, DMABUF_GPA + SZ_2M, SIZE,
				  self->buf.map);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA + SZ_2M, SIZE,
					  0, SEED));
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA + SZ_2M, SIZE, 0, ~SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SIZE,
					  0, ~SEED));
}

/* debugfs: one line for each attachment. */
TEST_F(host, debugfs)
{
	struct dmabuf_info info;

	ASSERT_TRUE(dmabuf_info(self->buf.ino, &info));
	EXPECT_EQ(1, info.attachments);
	EXPECT_EQ(1, info.kvm);
	EXPECT_GE(info.fills, 1);
	EXPECT_EQ(info.fills, info.extents);
	if (kvm_is_tdp_enabled())
		EXPECT_EQ(SIZE / PAGE_SIZE, info.fills);
}

TEST_HARNESS_MAIN
