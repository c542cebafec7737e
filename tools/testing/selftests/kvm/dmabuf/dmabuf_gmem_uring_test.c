// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three ways to the same guest memory: the VMM reads a file into its mapping by
 * O_DIRECT and registered buffers of io_uring, a device has the dma-buf, and
 * the guest its memslot. And what each has after a hole was punched.
 */
#include <fcntl.h>
#include <linux/stddef.h>
#include <linux/io_uring.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"

#define SEED		0x7572696eULL
#define NR		8
#define SIZE		(NR * (u64)PAGE_SIZE)
#define PAGE		3
#define OFFSET		(PAGE * (u64)PAGE_SIZE)

/* One request at a time is enough. */
struct uring {
	int fd;
	struct io_uring_params params;
	void *rings;
	struct io_uring_sqe *sqes;
};

static void uring_create(struct uring *ring)
{
	struct io_uring_params *p = &ring->params;
	size_t size;

	memset(p, 0, sizeof(*p));
	ring->fd = syscall(__NR_io_uring_setup, 1, p);
	TEST_ASSERT(ring->fd >= 0, "io_uring_setup() failed, errno %d", errno);
	TEST_ASSERT(p->features & IORING_FEAT_SINGLE_MMAP, "an old kernel");

	size = max_t(size_t, p->sq_off.array + p->sq_entries * sizeof(u32),
		     p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe));
	ring->rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, p->sq_entries * sizeof(*ring->sqes),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	TEST_ASSERT(ring->rings != MAP_FAILED && ring->sqes != MAP_FAILED,
		    "cannot map the rings, errno %d", errno);
}

static void uring_register(struct uring *ring, void *mem, size_t size)
{
	struct iovec iov = { .iov_base = mem, .iov_len = size };
	int r = syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS,
			&iov, 1);

	TEST_ASSERT(!r, "IORING_REGISTER_BUFFERS failed, errno %d", errno);
}

static void uring_unregister(struct uring *ring)
{
	int r = syscall(__NR_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS,
			NULL, 0);

	TEST_ASSERT(!r, "IORING_UNREGISTER_BUFFERS failed, errno %d", errno);
}

/* A page of the file into the registered buffer. */
static int uring_read_page(struct uring *ring, int file, u64 at, void *to)
{
	struct io_uring_params *p = &ring->params;
	u32 *sq_tail = ring->rings + p->sq_off.tail;
	u32 *sq_mask = ring->rings + p->sq_off.ring_mask;
	u32 *sq_array = ring->rings + p->sq_off.array;
	u32 *cq_head = ring->rings + p->cq_off.head;
	u32 *cq_mask = ring->rings + p->cq_off.ring_mask;
	struct io_uring_cqe *cqes = ring->rings + p->cq_off.cqes;
	u32 tail = *sq_tail, head = *cq_head;
	int r, res;

	ring->sqes[tail & *sq_mask] = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ_FIXED,
		.fd = file,
		.off = at,
		.addr = (uintptr_t)to,
		.len = PAGE_SIZE,
	};
	sq_array[tail & *sq_mask] = tail & *sq_mask;
	__atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);

	r = syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0);
	TEST_ASSERT(r == 1, "io_uring_enter() returned %d, errno %d", r, errno);
	res = cqes[head & *cq_mask].res;
	__atomic_store_n(cq_head, head + 1, __ATOMIC_RELEASE);
	return res;
}

/* A file of the pattern, open for direct I/O. */
static int file_create(void)
{
	int memfd = memfd_create("file", MFD_CLOEXEC), fd;
	char path[32];
	u8 *mem;

	kvm_ftruncate(memfd, SIZE);
	mem = kvm_mmap(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd);
	dmabuf_fill(mem, SIZE, 0, SEED);
	kvm_munmap(mem, SIZE);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	fd = open_path_or_exit(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	kvm_close(memfd);
	return fd;
}

FIXTURE(uring)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	struct uring ring;
	int gmem;
	int device;
	int file;
	u8 *mem;
};

FIXTURE_SETUP(uring)
{
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	self->gmem = vm_create_guest_memfd(self->vm, SIZE, GUEST_MEMFD_FLAG_MMAP |
							   GUEST_MEMFD_FLAG_INIT_SHARED);
	self->mem = kvm_mmap(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->gmem);
	gmem_export(&self->buf, self->gmem, 0, SIZE, 0);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	self->device = device_attach(self->buf.fd);
	ASSERT_EQ(0, device_map(self->device, 0, SIZE));

	self->file = file_create();
	uring_create(&self->ring);
	uring_register(&self->ring, self->mem, SIZE);
}

FIXTURE_TEARDOWN(uring)
{
	kvm_vm_free(self->vm);
}

#define EXPECT_READ_FIXED(at)						\
	EXPECT_EQ(PAGE_SIZE, uring_read_page(&self->ring, self->file, at, self->mem + (at)))

#define EXPECT_EVERYWHERE(at, want)					\
do {									\
	u64 __value = ~0ULL;						\
									\
	EXPECT_EQ(want, dmabuf_load(self->vcpu, DMABUF_GPA + (at)));	\
	EXPECT_EQ(want, READ_ONCE(*(u64 *)(self->mem + (at))));		\
	EXPECT_EQ(0, device_read(self->device, at, &__value));		\
	EXPECT_EQ(want, __value);					\
} while (0)

TEST_F(uring, one_memory)
{
	for (u64 at = 0; at < SIZE; at += PAGE_SIZE) {
		EXPECT_EVERYWHERE(at, 0);
		EXPECT_READ_FIXED(at);
		EXPECT_EVERYWHERE(at, dmabuf_word(SEED, at));
	}
}

/*
 * The registered buffer keeps the old page, and what is read into it is seen by
 * nobody. All others share the new one.
 */
TEST_F(uring, punched)
{
	u64 value;

	EXPECT_READ_FIXED(OFFSET);
	ASSERT_EQ(0, gmem_punch(self->gmem, OFFSET, PAGE_SIZE));
	EXPECT_EQ(ENXIO, device_read(self->device, OFFSET, &value));
	EXPECT_READ_FIXED(OFFSET);
	ASSERT_EQ(0, device_map(self->device, OFFSET, PAGE_SIZE));
	EXPECT_EVERYWHERE(OFFSET, 0);

	/* The others of the same buffer are as they were. */
	EXPECT_READ_FIXED(OFFSET + PAGE_SIZE);
	EXPECT_EVERYWHERE(OFFSET + PAGE_SIZE, dmabuf_word(SEED, OFFSET + PAGE_SIZE));

	/* Registered anew, it is one memory again. */
	uring_unregister(&self->ring);
	uring_register(&self->ring, self->mem, SIZE);
	EXPECT_READ_FIXED(OFFSET);
	EXPECT_EVERYWHERE(OFFSET, dmabuf_word(SEED, OFFSET));
}

/* A VMM that does not want that has the punch refused. */
TEST_F(uring, punch_is_refused)
{
	struct dmabuf guard;

	gmem_export(&guard, self->gmem, 0, SIZE, KVM_GMEM_DMABUF_NO_PUNCH);
	EXPECT_EQ(EBUSY, gmem_punch(self->gmem, OFFSET, PAGE_SIZE));
	EXPECT_READ_FIXED(OFFSET);
	EXPECT_EVERYWHERE(OFFSET, dmabuf_word(SEED, OFFSET));

	uring_unregister(&self->ring);
	kvm_close(guard.fd);
	ASSERT_TRUE(dmabuf_wait_gone(guard.ino));
	EXPECT_EQ(0, gmem_punch(self->gmem, OFFSET, PAGE_SIZE));
}

TEST_HARNESS_MAIN
