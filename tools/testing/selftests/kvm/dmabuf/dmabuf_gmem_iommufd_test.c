// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd in an IOAS: what a device behind iommufd's mock IOMMU finds there
 * when memory is punched, converted, unbound and closed.
 */
#include <fcntl.h>
#include <linux/iommufd.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"
#include "../../../../../drivers/iommu/iommufd/iommufd_test.h"

#define SEED		0x696f6d6dULL
#define NR		16
#define SIZE		(NR * (u64)PAGE_SIZE)
#define ALL		((1ULL << NR) - 1)
#define IOVA		MOCK_APERTURE_START

/* What things are done to. */
#define FIRST		5
#define COUNT		4
#define OFFSET		(FIRST * (u64)PAGE_SIZE)
#define LENGTH		(COUNT * (u64)PAGE_SIZE)
#define HOLE		(((1ULL << COUNT) - 1) << FIRST)
#define GPA		(DMABUF_GPA + OFFSET)

FIXTURE(ioas)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	int gmem;
	int fd;
	u32 ioas;
	u32 idev;
	u32 hwpt;
};

FIXTURE_VARIANT(ioas)
{
	bool private_vm;
	bool init_shared;
};

FIXTURE_VARIANT_ADD(ioas, init_shared)
{
	.init_shared = true,
};

FIXTURE_VARIANT_ADD(ioas, in_place)
{
	.private_vm = true,
};

static int iommufd_cmd(int fd, unsigned long request, void *cmd)
{
	int r = ioctl(fd, request, cmd) ? errno : 0;

	errno = 0;
	return r;
}

static u32 ioas_alloc(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int r = iommufd_cmd(fd, IOMMU_IOAS_ALLOC, &cmd);

	TEST_ASSERT(!r, "IOMMU_IOAS_ALLOC failed: %s", strerror(r));
	return cmd.out_ioas_id;
}

static void mock_domain(int fd, u32 ioas, u32 *hwpt, u32 *idev)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = ioas,
	};
	int r = iommufd_cmd(fd, IOMMU_TEST_CMD, &cmd);

	TEST_ASSERT(!r, "IOMMU_TEST_OP_MOCK_DOMAIN failed: %s", strerror(r));
	*hwpt = cmd.mock_domain.out_hwpt_id;
	*idev = cmd.mock_domain.out_idev_id;
}

static u32 hwpt_alloc(int fd, u32 ioas, u32 idev)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = idev,
		.pt_id = ioas,
	};
	int r = iommufd_cmd(fd, IOMMU_HWPT_ALLOC, &cmd);

	TEST_ASSERT(!r, "IOMMU_HWPT_ALLOC failed: %s", strerror(r));
	return cmd.out_hwpt_id;
}

/* At IOVA plus the offset, so that there is one number for a page. */
static int map(int fd, u32 ioas, int dmabuf, u64 offset, u64 size)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = dmabuf,
		.start = offset,
		.length = size,
		.iova = IOVA + offset,
	};

	return iommufd_cmd(fd, IOMMU_IOAS_MAP_FILE, &cmd);
}

static int unmap(int fd, u32 ioas, u64 offset, u64 size)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = IOVA + offset,
		.length = size,
	};

	return iommufd_cmd(fd, IOMMU_IOAS_UNMAP, &cmd);
}

/* The first word of a page. An errno; ENOENT: the device faults. */
static int dma_read(int fd, u32 hwpt, u64 offset, u64 *value)
{
	u64 page[512];
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_READ,
		.id = hwpt,
		.check_map = {
			.iova = IOVA + offset,
			.length = sizeof(page),
			.uptr = (uintptr_t)page,
		},
	};
	int r = iommufd_cmd(fd, IOMMU_TEST_CMD, &cmd);

	if (!r)
		*value = page[0];
	return r;
}

static u64 mapped(int fd, u32 hwpt)
{
	u64 pages = 0, value;

	for (u64 i = 0; i < NR; i++) {
		int r = dma_read(fd, hwpt, i * PAGE_SIZE, &value);

		TEST_ASSERT(!r || r == ENOENT, "unexpected %s", strerror(r));
		if (!r)
			pages |= 1ULL << i;
	}
	return pages;
}

FIXTURE_SETUP(ioas)
{
	u64 flags = GUEST_MEMFD_FLAG_MMAP;

	if (variant->private_vm && !gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");
	if (variant->init_shared)
		flags |= GUEST_MEMFD_FLAG_INIT_SHARED;

	self->vm = dmabuf_vm_create_type(1, &self->vcpu, variant->private_vm ?
					 KVM_X86_SW_PROTECTED_VM : VM_TYPE_DEFAULT);
	self->gmem = vm_create_guest_memfd(self->vm, SIZE, flags);
	gmem_export(&self->buf, self->gmem, 0, SIZE, 0);
	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SIZE, self->gmem, 0);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);

	self->fd = open_path_or_exit("/dev/iommu", O_RDWR | O_CLOEXEC);
	self->ioas = ioas_alloc(self->fd);
	mock_domain(self->fd, self->ioas, &self->hwpt, &self->idev);
}

FIXTURE_TEARDOWN(ioas)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

#define MAP(offset, size) map(self->fd, self->ioas, self->buf.fd, offset, size)
#define EXPECT_MAPPED(pages) EXPECT_EQ((u64)(pages), mapped(self->fd, self->hwpt))
#define EXPECT_WORD(at)							\
do {									\
	u64 __value = 0;						\
									\
	EXPECT_EQ(0, dma_read(self->fd, self->hwpt, at, &__value));	\
	EXPECT_EQ(dmabuf_load(self->vcpu, DMABUF_GPA + (at)), __value);	\
} while (0)

TEST_F(ioas, map)
{
	ASSERT_EQ(0, MAP(0, SIZE));
	EXPECT_MAPPED(ALL);
	for (u64 at = 0; at < SIZE; at += PAGE_SIZE)
		EXPECT_WORD(at);
	EXPECT_EQ(0, unmap(self->fd, self->ioas, 0, SIZE));
	EXPECT_MAPPED(0);
}

/* Nobody has touched it. */
TEST_F(ioas, map_allocates)
{
	u64 value = ~0ULL;

	ASSERT_EQ(0, gmem_punch(self->gmem, 0, SIZE));
	ASSERT_EQ(0, MAP(0, SIZE));
	EXPECT_EQ(0, dma_read(self->fd, self->hwpt, OFFSET, &value));
	EXPECT_EQ(0, value);
	dmabuf_store(self->vcpu, GPA, 42);
	EXPECT_WORD(OFFSET);
}

/* The rest of the area stays usable, by domains that come later, too. */
TEST_F(ioas, punch)
{
	u32 hwpt;

	ASSERT_EQ(0, MAP(0, SIZE));
	ASSERT_EQ(0, gmem_punch(self->gmem, OFFSET, LENGTH));
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_WORD(OFFSET - PAGE_SIZE);
	EXPECT_WORD(OFFSET + LENGTH);

	/* The guest has a new page there, and nobody asked for it. */
	dmabuf_store(self->vcpu, GPA, 42);
	EXPECT_MAPPED(ALL & ~HOLE);
	hwpt = hwpt_alloc(self->fd, self->ioas, self->idev);
	EXPECT_EQ(ALL & ~HOLE, mapped(self->fd, hwpt));

	EXPECT_EQ(0, unmap(self->fd, self->ioas, 0, SIZE));
	EXPECT_MAPPED(0);
	ASSERT_EQ(0, MAP(0, SIZE));
	EXPECT_MAPPED(ALL);
	EXPECT_WORD(OFFSET);
	EXPECT_EQ(ALL, mapped(self->fd, hwpt));
}

TEST_F(ioas, unbind)
{
	ASSERT_EQ(0, MAP(0, SIZE));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_MAPPED(variant->init_shared ? ALL : 0);
	EXPECT_EQ(0, unmap(self->fd, self->ioas, 0, SIZE));
	EXPECT_EQ(variant->init_shared ? 0 : EACCES, MAP(0, SIZE));
}

TEST_F(ioas, close)
{
	ASSERT_EQ(0, MAP(0, SIZE));
	kvm_vm_free(self->vm);
	self->vm = NULL;
	EXPECT_MAPPED(ALL);
	kvm_close(self->gmem);
	EXPECT_MAPPED(variant->init_shared ? ALL : 0);
	EXPECT_EQ(0, unmap(self->fd, self->ioas, 0, SIZE));
	EXPECT_EQ(variant->init_shared ? 0 : ENODEV, MAP(0, SIZE));

	kvm_close(self->buf.fd);
	kvm_close(self->fd);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/* iommufd goes first; a hole may be punched by nobody's leave then. */
TEST_F(ioas, iommufd_closed)
{
	ASSERT_EQ(0, MAP(0, SIZE));
	ASSERT_EQ(0, gmem_punch(self->gmem, OFFSET, LENGTH));
	kvm_close(self->fd);
	EXPECT_EQ(0, gmem_punch(self->gmem, 0, SIZE));
	kvm_close(self->buf.fd);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

TEST_F(ioas, convert)
{
	if (!variant->private_vm)
		SKIP(return, "the VM has no private memory");

	vm_mem_set_private(self->vm, GPA, LENGTH);
	EXPECT_EQ(EACCES, MAP(0, SIZE));
	EXPECT_EQ(EACCES, MAP(OFFSET, PAGE_SIZE));
	EXPECT_MAPPED(0);
	ASSERT_EQ(0, MAP(0, OFFSET));
	EXPECT_EQ(0, unmap(self->fd, self->ioas, 0, OFFSET));

	vm_mem_set_shared(self->vm, GPA, LENGTH);
	ASSERT_EQ(0, MAP(0, SIZE));
	EXPECT_MAPPED(ALL);
	EXPECT_WORD(OFFSET);

	vm_mem_set_private(self->vm, GPA, LENGTH);
	EXPECT_MAPPED(ALL & ~HOLE);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, GPA, LENGTH,
					  OFFSET, SEED));
	vm_mem_set_shared(self->vm, GPA, LENGTH);
	EXPECT_MAPPED(ALL & ~HOLE);
}

TEST_F(ioas, poison)
{
	int r;

	ASSERT_EQ(0, MAP(0, SIZE));
	r = gmem_poison(self->gmem, OFFSET);
	if (r == EOPNOTSUPP)
		SKIP(return, "no CONFIG_MEMORY_FAILURE");
	ASSERT_EQ(0, r);
	EXPECT_MAPPED(ALL & ~(1ULL << FIRST));
	EXPECT_EQ(0, unmap(self->fd, self->ioas, 0, SIZE));
	EXPECT_EQ(EHWPOISON, MAP(0, SIZE));
}

TEST_HARNESS_MAIN
