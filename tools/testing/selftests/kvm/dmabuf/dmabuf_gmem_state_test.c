// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of docs/guest-memfd.md: what becomes of a device and of the guest
 * for each state that a page can be in and each thing that is done to it.
 *
 * The memory under test is one slice of a guest_memfd, with a margin on either
 * side of what is done to it, which must not notice.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"

#define SEED		0x73746174ULL
#define NR		16
#define SIZE		(NR * (u64)PAGE_SIZE)
#define ALL		((1ULL << NR) - 1)

/* What things are done to. */
#define FIRST		5
#define COUNT		4
#define OFFSET		(FIRST * (u64)PAGE_SIZE)
#define LENGTH		(COUNT * (u64)PAGE_SIZE)
#define HOLE		(((1ULL << COUNT) - 1) << FIRST)
#define GPA		(DMABUF_GPA + OFFSET)

/* The slice starts here in the guest_memfd. */
#define SKIP_BYTES	(3 * (u64)PAGE_SIZE)

FIXTURE(page)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	int fd;
	int device;
};

FIXTURE_VARIANT(page)
{
	bool private_vm;
	bool init_shared;
};

FIXTURE_VARIANT_ADD(page, init_shared)
{
	.init_shared = true,
};

FIXTURE_VARIANT_ADD(page, no_host_access)
{
};

FIXTURE_VARIANT_ADD(page, in_place)
{
	.private_vm = true,
};

static void add_slot(struct kvm_vm *vm, int fd)
{
	gmem_add_slot(vm, DMABUF_SLOT, DMABUF_GPA, SIZE, fd, SKIP_BYTES);
}

FIXTURE_SETUP(page)
{
	u64 flags = GUEST_MEMFD_FLAG_MMAP;

	if (variant->private_vm && !gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");
	if (variant->init_shared)
		flags |= GUEST_MEMFD_FLAG_INIT_SHARED;

	self->vm = dmabuf_vm_create_type(1, &self->vcpu, variant->private_vm ?
					 KVM_X86_SW_PROTECTED_VM : VM_TYPE_DEFAULT);
	self->fd = vm_create_guest_memfd(self->vm, SKIP_BYTES + SIZE, flags);
	gmem_export(&self->buf, self->fd, SKIP_BYTES, SIZE, 0);
	self->device = device_attach(self->buf.fd);

	add_slot(self->vm, self->fd);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);
}

FIXTURE_TEARDOWN(page)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

#define EXPECT_MAPPED(pages) EXPECT_EQ((u64)(pages), device_mapped(self->device, 0, SIZE))

/* The device reads what the guest wrote, and the other way round. */
#define EXPECT_COHERENT(at)						\
do {									\
	u64 __at = (at), __value = 0;					\
									\
	EXPECT_EQ(0, device_read(self->device, __at, &__value));	\
	EXPECT_EQ(dmabuf_load(self->vcpu, DMABUF_GPA + __at), __value);	\
	EXPECT_EQ(0, device_write(self->device, __at, ~__value));	\
	EXPECT_EQ(~__value, dmabuf_load(self->vcpu, DMABUF_GPA + __at)); \
	EXPECT_EQ(0, device_write(self->device, __at, __value));	\
} while (0)

#define EXPECT_WORD(at)							\
do {									\
	u64 __at = (at), __value = 0;					\
									\
	EXPECT_EQ(0, device_read(self->device, __at, &__value));	\
	EXPECT_EQ(dmabuf_word(SEED, __at), __value);			\
} while (0)

#define MAP_ALL() ASSERT_EQ(0, device_map(self->device, 0, SIZE))

TEST_F(page, device_and_guest_share)
{
	MAP_ALL();
	EXPECT_MAPPED(ALL);
	for (u64 at = 0; at < SIZE; at += PAGE_SIZE) {
		EXPECT_WORD(at);
		EXPECT_COHERENT(at + 0x108);
	}
}

/* Whoever comes first allocates, and what it gets is clear. */
TEST_F(page, device_comes_first)
{
	u64 value;

	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES, SIZE));
	EXPECT_EQ(EAGAIN, __device_map(self->device, 0, SIZE,
				       DMA_BUF_TEST_MAP_WRITE |
				       DMA_BUF_TEST_MAP_UNPREPARED));
	EXPECT_MAPPED(0);
	MAP_ALL();
	for (u64 at = 0; at < SIZE; at += 8) {
		EXPECT_EQ(0, device_read(self->device, at, &value));
		EXPECT_EQ(0, value);
	}
	EXPECT_COHERENT(OFFSET);
}

/* Memory that is allocated is not yet clear. */
TEST_F(page, allocated_only)
{
	u64 value = ~0ULL;

	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES, SIZE));
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_KEEP_SIZE, SKIP_BYTES, SIZE));
	EXPECT_EQ(EAGAIN, __device_map(self->device, 0, SIZE,
				       DMA_BUF_TEST_MAP_UNPREPARED));
	MAP_ALL();
	EXPECT_EQ(0, device_read(self->device, OFFSET, &value));
	EXPECT_EQ(0, value);
}

TEST_F(page, read_only_device)
{
	u64 value;

	ASSERT_EQ(0, __device_map(self->device, 0, SIZE, 0));
	EXPECT_EQ(0, device_read(self->device, OFFSET, &value));
	EXPECT_EQ(EACCES, device_write(self->device, OFFSET, 0));
}

TEST_F(page, punched)
{
	u64 value = ~0ULL;

	MAP_ALL();
	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES + OFFSET, LENGTH));
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_COHERENT(OFFSET - PAGE_SIZE);
	EXPECT_COHERENT(OFFSET + LENGTH);

	/* The guest gets a new page, and so can the device. */
	EXPECT_EQ(0, dmabuf_load(self->vcpu, GPA));
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_EQ(EADDRINUSE, device_map(self->device, 0, SIZE));
	EXPECT_EQ(0, device_map(self->device, OFFSET, LENGTH));
	EXPECT_EQ(0, device_read(self->device, OFFSET, &value));
	EXPECT_EQ(0, value);
	EXPECT_COHERENT(OFFSET);
}

/* What is punched beside the slice is none of its business. */
TEST_F(page, punched_outside)
{
	MAP_ALL();
	ASSERT_EQ(0, gmem_punch(self->fd, 0, SKIP_BYTES));
	EXPECT_MAPPED(ALL);
	ASSERT_EQ(0, gmem_punch(self->fd, 0, SKIP_BYTES + PAGE_SIZE));
	EXPECT_MAPPED(ALL & ~1);
}

TEST_F(page, punch_is_refused)
{
	struct dmabuf buf;

	MAP_ALL();
	gmem_export(&buf, self->fd, SKIP_BYTES + OFFSET, PAGE_SIZE,
		    KVM_GMEM_DMABUF_NO_PUNCH);
	EXPECT_EQ(EBUSY, gmem_punch(self->fd, 0, SKIP_BYTES + SIZE));
	EXPECT_EQ(EBUSY, gmem_punch(self->fd, SKIP_BYTES + OFFSET, PAGE_SIZE));
	EXPECT_MAPPED(ALL);
	EXPECT_EQ(0, gmem_punch(self->fd, SKIP_BYTES + OFFSET + PAGE_SIZE, PAGE_SIZE));
	EXPECT_MAPPED(ALL & ~(2ULL << FIRST));

	kvm_close(buf.fd);
	ASSERT_TRUE(dmabuf_wait_gone(buf.ino));
	EXPECT_EQ(0, gmem_punch(self->fd, SKIP_BYTES + OFFSET, PAGE_SIZE));
}

/* Two dma-bufs, two devices: each loses what is its own. */
TEST_F(page, two_exports)
{
	struct dmabuf buf;
	int device;

	gmem_export(&buf, self->fd, SKIP_BYTES + OFFSET, SIZE - OFFSET, 0);
	device = device_attach(buf.fd);
	MAP_ALL();
	ASSERT_EQ(0, device_map(device, 0, SIZE - OFFSET));

	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES, OFFSET + PAGE_SIZE));
	EXPECT_MAPPED(ALL & (~0ULL << (FIRST + 1)));
	EXPECT_EQ((ALL >> FIRST) & ~1, device_mapped(device, 0, SIZE - OFFSET));
}

/* The memory of a slot that is gone is nobody's, unless it is shared for life. */
TEST_F(page, unbound)
{
	int lost = variant->init_shared ? 0 : EACCES;

	MAP_ALL();
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_MAPPED(lost ? 0 : ALL);
	device_unmap(self->device, 0, SIZE);
	EXPECT_EQ(lost, device_map(self->device, OFFSET, LENGTH));
	EXPECT_MAPPED(lost ? 0 : HOLE);

	add_slot(self->vm, self->fd);
	EXPECT_MAPPED(lost ? 0 : HOLE);
	device_unmap(self->device, 0, SIZE);
	MAP_ALL();
	EXPECT_WORD(OFFSET);
}

/* Of two slots only that which goes takes its pages along. */
TEST_F(page, one_of_two_slots_unbound)
{
	if (variant->init_shared)
		SKIP(return, "bindings do not matter to memory that is shared for life");

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, OFFSET, self->fd, SKIP_BYTES);
	gmem_add_slot(self->vm, DMABUF_SLOT + 1, DMABUF_GPA + OFFSET, LENGTH, self->fd,
		      SKIP_BYTES + OFFSET);
	EXPECT_EQ(EACCES, device_map(self->device, 0, SIZE));
	ASSERT_EQ(0, device_map(self->device, 0, OFFSET + LENGTH));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
	EXPECT_MAPPED(ALL & ~(~0ULL << FIRST));
}

TEST_F(page, guest_memfd_closed)
{
	u64 value = 0;

	MAP_ALL();
	kvm_close(self->fd);
	if (!variant->init_shared) {
		EXPECT_MAPPED(0);
		EXPECT_EQ(ENODEV, device_map(self->device, 0, SIZE));
		EXPECT_EQ(-ENODEV, __device_attach(self->buf.fd, DMA_BUF_TEST_IOMMU));
		return;
	}

	/* The guest is cut off, the device goes on. */
	dmabuf_order_load(self->vcpu, GPA);
	EXPECT_FAULT(self->vcpu, EFAULT, 0, GPA);
	EXPECT_MAPPED(ALL);
	EXPECT_EQ(0, device_write(self->device, OFFSET, 1));
	kvm_close(self->device);
	self->device = device_attach(self->buf.fd);
	MAP_ALL();
	EXPECT_EQ(0, device_read(self->device, OFFSET, &value));
	EXPECT_EQ(1, value);
}

TEST_F(page, vm_closed)
{
	MAP_ALL();
	kvm_vm_free(self->vm);
	self->vm = NULL;
	EXPECT_MAPPED(ALL);
	EXPECT_WORD(OFFSET);
	EXPECT_EQ(0, device_unmap(self->device, OFFSET, LENGTH));
	EXPECT_EQ(0, device_map(self->device, OFFSET, LENGTH));

	kvm_close(self->fd);
	EXPECT_MAPPED(variant->init_shared ? ALL : 0);
	EXPECT_EQ(variant->init_shared ? EADDRINUSE : ENODEV,
		  device_map(self->device, 0, SIZE));
	if (variant->init_shared)
		EXPECT_WORD(OFFSET);
}

/* A mapping needs neither the fd of the dma-buf nor that of the guest_memfd. */
TEST_F(page, dmabuf_closed)
{
	MAP_ALL();
	kvm_close(self->buf.fd);
	EXPECT_MAPPED(ALL);
	EXPECT_COHERENT(OFFSET);
	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES + OFFSET, LENGTH));
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_EQ(0, device_map(self->device, OFFSET, LENGTH));
	EXPECT_COHERENT(OFFSET);
	kvm_close(self->device);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES, SIZE));
}

TEST(vmm_with_an_export_is_killed)
{
	int status, fds[2];
	pid_t pid;
	u64 ino;

	/* The child has the only fds of what it creates. */
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct dmabuf buf;
		struct kvm_vcpu *vcpu;
		struct kvm_vm *vm;
		int fd, device;

		vm = dmabuf_vm_create(1, &vcpu);
		fd = vm_create_guest_memfd(vm, SKIP_BYTES + SIZE, GUEST_MEMFD_FLAG_MMAP);
		gmem_export(&buf, fd, SKIP_BYTES, SIZE, 0);
		device = device_attach(buf.fd);
		add_slot(vm, fd);
		if (device_map(device, 0, SIZE) ||
		    write(fds[1], &buf.ino, sizeof(ino)) != sizeof(ino))
			_exit(1);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(sizeof(ino), read(fds[0], &ino, sizeof(ino)));
	EXPECT_TRUE(dmabuf_wait_gone(ino));
	close(fds[0]);
	close(fds[1]);
}

TEST_F(page, poisoned)
{
	u64 value = ~0ULL;
	int r;

	MAP_ALL();
	r = gmem_poison(self->fd, SKIP_BYTES + OFFSET);
	if (r == EOPNOTSUPP)
		SKIP(return, "no CONFIG_MEMORY_FAILURE");
	ASSERT_EQ(0, r);
	EXPECT_MAPPED(ALL & ~(1ULL << FIRST));
	EXPECT_EQ(EHWPOISON, device_map(self->device, OFFSET, PAGE_SIZE));
	EXPECT_COHERENT(OFFSET + PAGE_SIZE);

	dmabuf_order_load(self->vcpu, GPA);
	EXPECT_EQ(EHWPOISON, dmabuf_run(self->vcpu));
	EXPECT_TRUE(dmabuf_is_fault(self->vcpu, 0, GPA));

	/* It is up to the VMM to give the guest another page. */
	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES + OFFSET, PAGE_SIZE));
	EXPECT_EQ(0, device_map(self->device, OFFSET, PAGE_SIZE));
	EXPECT_EQ(0, device_read(self->device, OFFSET, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, dmabuf_finish(self->vcpu));
}

/* Conversion, which only a VM with private memory knows. */

FIXTURE(convert)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	int fd;
	int device;
};

FIXTURE_SETUP(convert)
{
	if (!gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	self->vm = dmabuf_vm_create_type(1, &self->vcpu, KVM_X86_SW_PROTECTED_VM);
	self->fd = vm_create_guest_memfd(self->vm, SKIP_BYTES + SIZE,
					 GUEST_MEMFD_FLAG_MMAP);
	gmem_export(&self->buf, self->fd, SKIP_BYTES, SIZE, 0);
	self->device = device_attach(self->buf.fd);
	add_slot(self->vm, self->fd);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);
}

FIXTURE_TEARDOWN(convert)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

TEST_F(convert, to_private_and_back)
{
	u64 value;

	MAP_ALL();
	vm_mem_set_private(self->vm, GPA, LENGTH);
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_COHERENT(OFFSET - PAGE_SIZE);
	EXPECT_COHERENT(OFFSET + LENGTH);

	/* In place: the guest still has its bytes, and alone. */
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, GPA, LENGTH,
					  OFFSET, SEED));
	EXPECT_EQ(EACCES, device_map(self->device, OFFSET, PAGE_SIZE));
	EXPECT_EQ(EACCES, device_map(self->device, OFFSET + LENGTH - PAGE_SIZE,
				     PAGE_SIZE));
	EXPECT_EQ(EACCES, __device_map(self->device, OFFSET, PAGE_SIZE,
				       DMA_BUF_TEST_MAP_UNPREPARED));
	dmabuf_store(self->vcpu, GPA, 42);

	/* Nothing is mapped that nobody asked for. */
	vm_mem_set_shared(self->vm, GPA, LENGTH);
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_EQ(0, device_map(self->device, OFFSET, LENGTH));
	EXPECT_MAPPED(ALL);
	EXPECT_EQ(0, device_read(self->device, OFFSET, &value));
	EXPECT_EQ(42, value);
	EXPECT_COHERENT(OFFSET);
}

/* One private page is enough to refuse all, and nothing stays behind. */
TEST_F(convert, private_page_in_the_middle)
{
	vm_mem_set_private(self->vm, GPA, PAGE_SIZE);
	EXPECT_EQ(EACCES, device_map(self->device, 0, SIZE));
	EXPECT_EQ(EACCES, __device_map(self->device, 0, SIZE,
				       DMA_BUF_TEST_MAP_UNPREPARED));
	EXPECT_MAPPED(0);
	EXPECT_EQ(0, device_map(self->device, 0, OFFSET));
}

/* What a private page has never had is not allocated for a device either. */
TEST_F(convert, private_page_is_not_allocated)
{
	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES, SIZE));
	vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
	EXPECT_EQ(EACCES, device_map(self->device, 0, SIZE));
	/* What is not there cannot fail. */
	EXPECT_EQ(ENOENT, gmem_poison(self->fd, SKIP_BYTES));
}

/* The range of gfns is larger than the slot, and beside the slice. */
TEST_F(convert, more_than_the_slot)
{
	MAP_ALL();
	vm_mem_set_private(self->vm, DMABUF_GPA + SIZE, SIZE);
	EXPECT_MAPPED(ALL);
	vm_mem_set_private(self->vm, DMABUF_GPA - SIZE, 3 * SIZE);
	EXPECT_MAPPED(0);
	EXPECT_EQ(EACCES, device_map(self->device, 0, SIZE));
}

/* Already what it is to be: nothing happens. */
TEST_F(convert, nothing_to_do)
{
	MAP_ALL();
	vm_mem_set_shared(self->vm, DMABUF_GPA, SIZE);
	EXPECT_MAPPED(ALL);
	vm_mem_set_private(self->vm, GPA, LENGTH);
	vm_mem_set_private(self->vm, GPA, LENGTH);
	EXPECT_MAPPED(ALL & ~HOLE);
}

/* Two slots of one inode in one range of gfns. */
TEST_F(convert, two_slots)
{
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	/* The other way round in the guest. */
	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, LENGTH, self->fd,
		      SKIP_BYTES + OFFSET);
	gmem_add_slot(self->vm, DMABUF_SLOT + 1, DMABUF_GPA + LENGTH, OFFSET, self->fd,
		      SKIP_BYTES);
	ASSERT_EQ(0, device_map(self->device, 0, OFFSET + LENGTH));
	vm_mem_set_private(self->vm, DMABUF_GPA + LENGTH - PAGE_SIZE, 2 * PAGE_SIZE);
	EXPECT_MAPPED(((1ULL << (FIRST + COUNT)) - 1) &
		      ~(1ULL << (FIRST + COUNT - 1)) & ~1ULL);
	vm_mem_set_private(self->vm, DMABUF_GPA, LENGTH + OFFSET);
	EXPECT_MAPPED(0);
}

/* The slot comes to gfns that are private already. */
TEST_F(convert, slot_is_private_from_the_start)
{
	MAP_ALL();
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	vm_mem_set_private(self->vm, GPA, LENGTH);
	add_slot(self->vm, self->fd);
	EXPECT_MAPPED(0);
	EXPECT_EQ(EACCES, device_map(self->device, OFFSET, LENGTH));
	EXPECT_EQ(0, device_map(self->device, 0, OFFSET));
}

TEST_F(convert, punched_while_private)
{
	MAP_ALL();
	vm_mem_set_private(self->vm, GPA, LENGTH);
	ASSERT_EQ(0, gmem_punch(self->fd, SKIP_BYTES + OFFSET, LENGTH));
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_EQ(EACCES, device_map(self->device, OFFSET, LENGTH));
	EXPECT_EQ(0, dmabuf_load(self->vcpu, GPA));
}

TEST_F(convert, poisoned_while_private)
{
	int r;

	MAP_ALL();
	vm_mem_set_private(self->vm, GPA, LENGTH);
	r = gmem_poison(self->fd, SKIP_BYTES + OFFSET);
	if (r == EOPNOTSUPP)
		SKIP(return, "no CONFIG_MEMORY_FAILURE");
	ASSERT_EQ(0, r);
	EXPECT_MAPPED(ALL & ~HOLE);

	dmabuf_order_load(self->vcpu, GPA);
	EXPECT_EQ(EHWPOISON, dmabuf_run(self->vcpu));
	EXPECT_TRUE(dmabuf_is_fault(self->vcpu, KVM_MEMORY_EXIT_FLAG_PRIVATE, GPA));

	/* Private comes first. */
	EXPECT_EQ(EACCES, device_map(self->device, OFFSET, PAGE_SIZE));
	vm_mem_set_shared(self->vm, GPA, LENGTH);
	EXPECT_EQ(EHWPOISON, device_map(self->device, OFFSET, PAGE_SIZE));
	EXPECT_EQ(0, device_map(self->device, OFFSET + PAGE_SIZE, PAGE_SIZE));
}

TEST_HARNESS_MAIN
