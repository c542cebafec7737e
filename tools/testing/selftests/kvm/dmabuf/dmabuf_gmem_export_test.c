// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GMEM_EXPORT_DMABUF: what it takes, who may attach, and what its owner
 * makes of it: a memslot like any other of that guest_memfd.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"

#define SEED	0x676d656dULL
#define SIZE	SZ_1M

FIXTURE(gmem)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;
};

FIXTURE_VARIANT(gmem)
{
	bool private_vm;
	u64 flags;
	int iommu;		/* errno of an attach */
};

FIXTURE_VARIANT_ADD(gmem, init_shared)
{
	.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
};

FIXTURE_VARIANT_ADD(gmem, no_host_access)
{
	.flags = GUEST_MEMFD_FLAG_MMAP,
};

FIXTURE_VARIANT_ADD(gmem, in_place)
{
	.private_vm = true,
	.flags = GUEST_MEMFD_FLAG_MMAP,
};

/* What is shared is not in the guest_memfd. */
FIXTURE_VARIANT_ADD(gmem, private_half)
{
	.private_vm = true,
	.iommu = EOPNOTSUPP,
};

FIXTURE_SETUP(gmem)
{
	if (variant->private_vm && !gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	self->vm = dmabuf_vm_create_type(1, &self->vcpu, variant->private_vm ?
					 KVM_X86_SW_PROTECTED_VM : VM_TYPE_DEFAULT);
	self->fd = vm_create_guest_memfd(self->vm, SIZE, variant->flags);
}

FIXTURE_TEARDOWN(gmem)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

TEST(capability)
{
	EXPECT_TRUE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_GUEST_MEMFD);
}

#define EXPECT_EXPORT(err, ...)						\
do {									\
	struct kvm_gmem_export_dmabuf args = {				\
		.size = SIZE,						\
		.fd_flags = O_RDWR | O_CLOEXEC,				\
		__VA_ARGS__						\
	};								\
	int fd = __gmem_export(self->fd, &args);			\
									\
	EXPECT_EQ(err, fd < 0 ? -fd : 0);				\
	if (fd >= 0)							\
		kvm_close(fd);						\
} while (0)

TEST_F(gmem, arguments)
{
	EXPECT_EXPORT(0, .size = PAGE_SIZE);
	EXPECT_EXPORT(0, .offset = SIZE - PAGE_SIZE, .size = PAGE_SIZE);
	EXPECT_EXPORT(0, .fd_flags = O_RDONLY);
	EXPECT_EXPORT(0, .flags = KVM_GMEM_DMABUF_NO_PUNCH);

	EXPECT_EXPORT(EINVAL, .size = 0);
	EXPECT_EXPORT(EINVAL, .size = SIZE + PAGE_SIZE);
	EXPECT_EXPORT(EINVAL, .size = PAGE_SIZE / 2);
	EXPECT_EXPORT(EINVAL, .offset = PAGE_SIZE);
	EXPECT_EXPORT(EINVAL, .offset = 8, .size = PAGE_SIZE);
	EXPECT_EXPORT(EINVAL, .offset = -PAGE_SIZE, .size = 2 * PAGE_SIZE);
	EXPECT_EXPORT(EINVAL, .fd_flags = O_RDWR | O_APPEND);
	EXPECT_EXPORT(EINVAL, .fd_flags = O_WRONLY);
	EXPECT_EXPORT(EINVAL, .fd_flags = O_ACCMODE);
	for (int i = 1; i < 32; i++)
		EXPECT_EXPORT(EINVAL, .flags = 1U << i);
	EXPECT_EXPORT(EINVAL, .reserved[0] = 1);
	EXPECT_EXPORT(EINVAL, .reserved[4] = 1ULL << 63);

	EXPECT_EQ(-1, ioctl(self->fd, KVM_GMEM_EXPORT_DMABUF, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, KVM_CREATE_VCPU, 0));
	EXPECT_EQ(ENOTTY, errno);
	errno = 0;
}

TEST_F(gmem, no_host_mapping)
{
	struct dmabuf buf;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, buf.fd, 0));
	errno = 0;
}

TEST_F(gmem, scatterlist_is_refused)
{
	struct dmabuf buf;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	EXPECT_EQ(-EOPNOTSUPP, __device_attach(buf.fd, DMA_BUF_TEST_SGT));
}

TEST_F(gmem, device)
{
	struct dmabuf buf;
	int device;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	device = __device_attach(buf.fd, DMA_BUF_TEST_IOMMU);
	EXPECT_EQ(variant->iommu, device < 0 ? -device : 0);
}

TEST_F(gmem, owner_binds)
{
	struct dmabuf_info info;
	struct dmabuf buf;

	gmem_export(&buf, self->fd, SIZE / 2, SIZE / 2, 0);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, PAGE_SIZE, SIZE / 4);
	ASSERT_TRUE(dmabuf_info(buf.ino, &info));
	EXPECT_EQ(0, info.attachments);
	kvm_close(buf.fd);
	EXPECT_TRUE(dmabuf_wait_gone(buf.ino));

	/* The bytes that are meant, and no others. */
	if (variant->private_vm)
		vm_mem_set_private(self->vm, DMABUF_GPA, SIZE / 4);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE / 4, 0, SEED);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);

	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SIZE, self->fd, 0);
	if (variant->private_vm)
		vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
	EXPECT_EQ(DMABUF_OK,
		  dmabuf_guest(self->vcpu, DMABUF_OP_READ,
			       DMABUF_GPA + SIZE / 2 + PAGE_SIZE, SIZE / 4, 0, SEED));
	EXPECT_EQ(0, dmabuf_load(self->vcpu, DMABUF_GPA + SIZE / 2));
	EXPECT_EQ(0, dmabuf_load(self->vcpu, DMABUF_GPA + PAGE_SIZE));
}

/*
 * KVM has no way to the memory of a slot without a host mapping, and must not
 * take the 0 for one: it would write to what the VMM has at LOW.
 */
#define LOW	SZ_64K

TEST_F(gmem, no_hva)
{
	struct dmabuf buf;
	u64 *low;

	low = mmap((void *)LOW, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_EQ((u64 *)LOW, low);

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	if (variant->private_vm)
		vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
	vcpu_set_msr(self->vcpu, MSR_KVM_SYSTEM_TIME_NEW, (DMABUF_GPA + LOW) | 1);
	vcpu_set_msr(self->vcpu, MSR_KVM_WALL_CLOCK_NEW, DMABUF_GPA + LOW);
	EXPECT_EQ(0, dmabuf_load(self->vcpu, DMABUF_GPA));
	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*low); i++)
		EXPECT_EQ(0, low[i]);
	EXPECT_EQ(0, dmabuf_load(self->vcpu, DMABUF_GPA + LOW));
}

/* What is shared of this slot would be behind its host mapping, and is nowhere. */
TEST_F(gmem, no_hva_shared)
{
	struct dmabuf buf;

	if (variant->flags & GUEST_MEMFD_FLAG_MMAP || !variant->private_vm)
		SKIP(return, "all that is shared is in the guest_memfd");

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_FAULT(self->vcpu, EFAULT, 0, DMABUF_GPA);

	/* It goes on once the page is private. */
	vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
}

/* One place in the guest for each page, however it got there. */
TEST_F(gmem, bound_twice)
{
	struct kvm_userspace_memory_region2 region;
	struct dmabuf buf;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);

	region = dmabuf_region(&buf, DMABUF_SLOT + 1, DMABUF_GPA + SIZE,
			       SIZE - PAGE_SIZE, PAGE_SIZE, NULL);
	dmabuf_set_slot_err(self->vm, &region, EEXIST);

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_set_slot(self->vm, &region);
}

TEST_F(gmem, slot_flags)
{
	struct kvm_userspace_memory_region2 region;
	struct kvm_gmem_export_dmabuf args = {
		.size = SIZE,
		.fd_flags = O_RDONLY | O_CLOEXEC,
	};
	struct dmabuf buf;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	region = dmabuf_region(&buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE, NULL);
	region.flags |= KVM_MEM_READONLY;
	dmabuf_set_slot_err(self->vm, &region, EOPNOTSUPP);
	region.flags = KVM_MEM_DMABUF;
	region.memory_size = SIZE + PAGE_SIZE;
	dmabuf_set_slot_err(self->vm, &region, EINVAL);
	region.memory_size = SIZE;

	region.dmabuf_fd = __gmem_export(self->fd, &args);
	dmabuf_set_slot_err(self->vm, &region, EACCES);

	/* It is a memslot of the guest_memfd, as immutable as one. */
	region.dmabuf_fd = buf.fd;
	dmabuf_set_slot(self->vm, &region);
	region.guest_phys_addr += SIZE;
	dmabuf_set_slot_err(self->vm, &region, EINVAL);
}

TEST_F(gmem, foreign_vm)
{
	struct kvm_userspace_memory_region2 region;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *other;
	struct dmabuf buf;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	region = dmabuf_region(&buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE, NULL);

	other = dmabuf_vm_create(1, &vcpu);
	dmabuf_set_slot_err(other, &region, EACCES);

	/* Nor when nobody owns it any more. */
	kvm_close(self->fd);
	dmabuf_set_slot_err(other, &region, ENODEV);
	dmabuf_set_slot_err(self->vm, &region, ENODEV);
	kvm_vm_free(other);
}

/* As a slot by the fd of the guest_memfd: the guest loses it with that fd. */
TEST_F(gmem, slot_dies_with_the_guest_memfd)
{
	struct dmabuf buf;

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	if (variant->private_vm)
		vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);

	kvm_close(self->fd);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_FAULT(self->vcpu, EFAULT,
		     variant->private_vm ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0, DMABUF_GPA);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
}

/* Whether the VM is gone shows in debugfs, which has a directory for each. */
static bool vm_is_gone(const char *dir)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!access(dir, F_OK)) {
		if (dmabuf_ms_since(start) > DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	errno = 0;
	return true;
}

TEST_F(gmem, vm_is_not_kept_alive)
{
	struct dmabuf buf;
	char dir[64];

	snprintf(dir, sizeof(dir), "/sys/kernel/debug/kvm/%d-%d", getpid(),
		 self->vm->fd);
	ASSERT_EQ(0, access(dir, F_OK));

	gmem_export(&buf, self->fd, 0, SIZE, 0);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	kvm_close(self->fd);
	kvm_vm_free(self->vm);
	self->vm = NULL;
	EXPECT_TRUE(vm_is_gone(dir));
	kvm_close(buf.fd);
	EXPECT_TRUE(dmabuf_wait_gone(buf.ino));
}

static void export_once(void *arg)
{
	struct dmabuf buf;

	gmem_export(&buf, *(int *)arg, 0, SIZE, 0);
	kvm_close(buf.fd);
	TEST_ASSERT(dmabuf_wait_gone(buf.ino), "the buffer stays");
}

TEST_F(gmem, export_leaks_nothing)
{
	EXPECT_EQ(NULL, dmabuf_leak(export_once, &self->fd));
}

TEST_HARNESS_MAIN
