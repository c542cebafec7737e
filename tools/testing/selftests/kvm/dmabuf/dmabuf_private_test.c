// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of an exporter that becomes private memory of a guest and shared again,
 * like the MMIO of a device whose interface is locked, in a VM of the software
 * model.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"

#define SEED		0x70726976ULL
#define SIZE		SZ_4M
#define PRIVATE		KVM_MEMORY_EXIT_FLAG_PRIVATE

FIXTURE(private)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	u64 step;		/* of an extent */
};

FIXTURE_VARIANT(private)
{
	u32 order;
	u32 flags;
};

FIXTURE_VARIANT_ADD(private, pages)
{
	.flags = DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_RANGES,
};

FIXTURE_VARIANT_ADD(private, huge)
{
	.order = DMABUF_ORDER_2M,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
};

FIXTURE_VARIANT_ADD(private, whole_buffer_invalidated)
{
	.flags = DMA_BUF_TEST_DYNAMIC,
};

FIXTURE_SETUP(private)
{
	if (!dmabuf_exporter())
		SKIP(return, "no test exporter");
	if (!gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	self->step = (u64)PAGE_SIZE << variant->order;
	dmabuf_create_test(&self->buf, SIZE, variant->order, variant->flags);
	self->vm = dmabuf_vm_create_type(1, &self->vcpu, KVM_X86_SW_PROTECTED_VM);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);
}

FIXTURE_TEARDOWN(private)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

TEST(capability)
{
	EXPECT_TRUE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRIVATE);
}

/* Neither side alone makes memory private, and the VMM is told which did. */
TEST_F(private, both_must_agree)
{
	dmabuf_lock(&self->buf, 0, 0);
	dmabuf_order(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SIZE, 0, SEED, 0);
	EXPECT_FAULT(self->vcpu, EFAULT, 0, DMABUF_GPA);

	vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
	EXPECT_EQ(DMABUF_OK, dmabuf_finish(self->vcpu));

	dmabuf_unlock(&self->buf, 0, 0);
	dmabuf_order(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SIZE, 0, SEED, 0);
	EXPECT_FAULT(self->vcpu, EFAULT, PRIVATE, DMABUF_GPA);

	vm_mem_set_shared(self->vm, DMABUF_GPA, SIZE);
	EXPECT_EQ(DMABUF_OK, dmabuf_finish(self->vcpu));
}

/* Each extent by itself; the others do not notice. */
TEST_F(private, one_extent)
{
	u64 gpa = DMABUF_GPA + self->step;

	dmabuf_lock(&self->buf, self->step, self->step);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->step, 0, SEED);
	if (2 * self->step < SIZE)
		EXPECT_READ(self->vcpu, gpa + self->step, SIZE - 2 * self->step,
			    2 * self->step, SEED);
	dmabuf_order_load(self->vcpu, gpa);
	EXPECT_FAULT(self->vcpu, EFAULT, 0, gpa);
	vm_mem_set_private(self->vm, gpa, self->step);
	EXPECT_EQ(dmabuf_word(SEED, self->step), dmabuf_finish(self->vcpu));
	EXPECT_READ(self->vcpu, DMABUF_GPA, SIZE, 0, SEED);
}

/* A page that may be private is not mapped together with one that is not. */
TEST_F(private, levels)
{
	struct dmabuf_levels levels;

	dmabuf_lock(&self->buf, 0, SIZE / 2);
	vm_mem_set_private(self->vm, DMABUF_GPA, SIZE / 2);
	levels = dmabuf_levels(self->vm);
	dmabuf_guest(self->vcpu, DMABUF_OP_TOUCH, DMABUF_GPA, SIZE / 2, 0, 0);
	levels = dmabuf_levels_since(self->vm, levels);
	if (variant->order && dmabuf_has_tdp()) {
		EXPECT_EQ(1, levels.p2m);
		EXPECT_EQ(0, levels.p4k);
	} else {
		EXPECT_EQ(0, levels.p2m);
	}
}

/* The VMM cannot look, whether it had a page mapped or not. */
TEST_F(private, host_mapping)
{
	volatile u64 *word = (u64 *)self->buf.map;
	volatile u64 *other = (u64 *)(self->buf.map + SIZE - PAGE_SIZE);
	u64 value = *word;

	dmabuf_lock(&self->buf, 0, SIZE / 2);
	TEST_EXPECT_SIGBUS((void)*word);
	TEST_EXPECT_SIGBUS(*word = 0);
	EXPECT_EQ(dmabuf_word(SEED, SIZE - PAGE_SIZE), *other);

	dmabuf_unlock(&self->buf, 0, 0);
	EXPECT_EQ(value, *word);
}

static int order_of(struct dmabuf *buf, u32 op, u32 value)
{
	return __dmabuf_test_op(buf, (struct dma_buf_test_op) {
		.op = op,
		.value = value,
	});
}

/* The device would not let go; so nobody gets to see another's memory there. */
TEST_F(private, locked_stays)
{
	dmabuf_lock(&self->buf, self->step, self->step);
	vm_mem_set_private(self->vm, DMABUF_GPA + self->step, self->step);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SIZE, 0, SEED);

	EXPECT_EQ(EBUSY, order_of(&self->buf, DMA_BUF_TEST_OP_REVOKE, 0));
	EXPECT_EQ(EBUSY, order_of(&self->buf, DMA_BUF_TEST_OP_SET_READONLY, 1));
	if (variant->flags & DMA_BUF_TEST_DYNAMIC)
		EXPECT_EQ(EBUSY, order_of(&self->buf, DMA_BUF_TEST_OP_MOVE, 0));
	EXPECT_READ(self->vcpu, DMABUF_GPA, SIZE, 0, SEED);

	/* Any order of delete and close is fine. */
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_unlock(&self->buf, 0, 0);
	EXPECT_EQ(0, order_of(&self->buf, DMA_BUF_TEST_OP_REVOKE, 0));
	EXPECT_EQ(EBUSY, order_of(&self->buf, DMA_BUF_TEST_OP_LOCK, 0));
}

/* A VM that knows no private memory cannot have it either. */
TEST_F(private, other_vm)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	vm = dmabuf_vm_create(1, &vcpu);
	dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	EXPECT_EQ(dmabuf_word(SEED, 0), dmabuf_load(vcpu, DMABUF_GPA));
	dmabuf_lock(&self->buf, 0, 0);
	dmabuf_order_load(vcpu, DMABUF_GPA);
	EXPECT_FAULT(vcpu, EFAULT, 0, DMABUF_GPA);
	kvm_vm_free(vm);
}

/* A device loses it, and gets it back when it asks again. */
TEST_F(private, device)
{
	int device = __device_attach(self->buf.fd, DMA_BUF_TEST_IOMMU);
	u64 value;

	ASSERT_LE(0, device);
	ASSERT_EQ(0, device_map(device, 0, SIZE));
	EXPECT_EQ(0, device_read(device, 0, &value));
	EXPECT_EQ(dmabuf_word(SEED, 0), value);

	dmabuf_lock(&self->buf, 0, self->step);
	EXPECT_EQ(ENXIO, device_read(device, 0, &value));
	if (variant->flags & DMA_BUF_TEST_RANGES)
		EXPECT_EQ(0, device_read(device, self->step, &value));
	EXPECT_EQ(0, device_unmap(device, 0, SIZE));
	EXPECT_EQ(EACCES, device_map(device, 0, SIZE));
	EXPECT_EQ(0, device_map(device, self->step, SIZE - self->step));

	dmabuf_unlock(&self->buf, 0, 0);
	EXPECT_EQ(ENXIO, device_read(device, 0, &value));
	EXPECT_EQ(0, device_unmap(device, 0, SIZE));
	EXPECT_EQ(0, device_map(device, 0, SIZE));
	EXPECT_EQ(0, device_read(device, 0, &value));
	EXPECT_EQ(dmabuf_word(SEED, 0), value);
}

TEST_HARNESS_MAIN
