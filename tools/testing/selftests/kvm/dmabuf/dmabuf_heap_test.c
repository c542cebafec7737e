// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of the dma-buf heaps as guest memory.
 */
#include "kvm_test_harness.h"
#include "dmabuf_util.h"

#define SEED	0x68656170ULL

FIXTURE(heap)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(heap)
{
	const char *name;
	u64 size;
};

FIXTURE_VARIANT_ADD(heap, system_page) { "system", SZ_4K };
FIXTURE_VARIANT_ADD(heap, system_mixed) { "system", SZ_2M + SZ_64K + SZ_4K };
FIXTURE_VARIANT_ADD(heap, system_large) { "system", SZ_64M };
FIXTURE_VARIANT_ADD(heap, cma_page) { "default_cma_region", SZ_4K };
FIXTURE_VARIANT_ADD(heap, cma_large) { "default_cma_region", SZ_16M };

FIXTURE_SETUP(heap)
{
	if (dmabuf_create_heap(&self->buf, variant->name, variant->size))
		SKIP(return, "no /dev/dma_heap/%s", variant->name);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
}

FIXTURE_TEARDOWN(heap)
{
	dmabuf_free(&self->buf);
	if (self->vm)
		kvm_vm_free(self->vm);
}

/* What the guest writes the host sees in the same place, and vice versa. */
TEST_F(heap, content)
{
	struct dmabuf *buf = &self->buf;
	struct dmabuf_info info;
	u64 offset;

	for (offset = 0; offset < buf->size; offset += PAGE_SIZE)
		ASSERT_EQ(0, *(u64 *)(buf->map + offset));

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, buf->size, 0, SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(buf->map, buf->size, 0, SEED));

	dmabuf_fill(buf->map, buf->size, 0, SEED + 1);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA,
					  buf->size, 0, SEED + 1));

	/* One extent for each question, however many there are. */
	ASSERT_TRUE(dmabuf_info(buf->ino, &info));
	EXPECT_EQ(1, info.kvm);
	EXPECT_LT(0, info.fills);
	EXPECT_EQ(info.fills, info.extents);
}

/* A slot need not start where an extent does. */
TEST_F(heap, slice)
{
	struct dmabuf *buf = &self->buf;
	u64 offset = PAGE_SIZE, size = buf->size - 2 * PAGE_SIZE;

	if (buf->size < 3 * PAGE_SIZE) {
		offset = 0;
		size = buf->size;
	}

	dmabuf_fill(buf->map, buf->size, 0, SEED);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, offset, size);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA,
					  size, offset, SEED));
}

/* The slot alone keeps the memory, and gives it back when it goes. */
TEST_F(heap, lifetime)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
	dmabuf_fill(buf->map, buf->size, 0, SEED);
	dmabuf_free(buf);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA,
					  buf->size, 0, SEED));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_TRUE(dmabuf_wait_gone(buf->ino));
}

TEST_HARNESS_MAIN
