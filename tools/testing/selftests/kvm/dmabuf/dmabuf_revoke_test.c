// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest and the VMM see when an exporter revokes its buffer, gives it
 * back, moves it, makes it read-only, is busy, or fails.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"

#define SEED		0x7265766fULL
#define REVOKED		KVM_MEMORY_EXIT_FLAG_REVOKED

#define WRITE(_vcpu, _gpa, _size, _offset, _seed)			\
	dmabuf_guest(_vcpu, DMABUF_OP_WRITE, _gpa, _size, _offset, _seed)
#define EXPECT_HOST(_buf, _seed)					\
	EXPECT_EQ(DMABUF_OK, dmabuf_check((_buf)->map, (_buf)->size, 0, _seed))

/*
 * The same tests with extents of every size, and whether parts of a buffer are
 * invalidated or only the whole.
 */
FIXTURE(extents)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
	u64 extent;		/* bytes */
};

FIXTURE_VARIANT(extents)
{
	u32 order;
	u32 nr;			/* extents */
	u32 flags;
};

FIXTURE_VARIANT_ADD(extents, whole_4k) {
	.nr = 16,
	.flags = DMA_BUF_TEST_DYNAMIC,
};

FIXTURE_VARIANT_ADD(extents, ranges_4k) {
	.nr = 16,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
};

FIXTURE_VARIANT_ADD(extents, whole_2m) {
	.order = DMABUF_ORDER_2M,
	.nr = 3,
	.flags = DMA_BUF_TEST_DYNAMIC,
};

FIXTURE_VARIANT_ADD(extents, ranges_2m) {
	.order = DMABUF_ORDER_2M,
	.nr = 3,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
};

FIXTURE_SETUP(extents)
{
	self->extent = PAGE_SIZE << variant->order;
	dmabuf_create_test(&self->buf, variant->nr * self->extent, variant->order,
			   variant->flags);
	dmabuf_fill(self->buf.map, self->buf.size, 0, SEED);
	self->vm = dmabuf_vm_create(2, self->vcpus);
	self->vcpu = self->vcpus[0];
}

FIXTURE_TEARDOWN(extents)
{
	kvm_vm_free(self->vm);
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

static void add_all(struct kvm_vm *vm, const struct dmabuf *buf)
{
	dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
}

TEST_F(extents, revoked_before_first_touch)
{
	add_all(self->vm, &self->buf);
	dmabuf_revoke(&self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA + 8);
	for (int i = 0; i < 3; i++)
		EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA);
	dmabuf_unrevoke(&self->buf);
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
	EXPECT_TRUE(dmabuf_is_done(self->vcpu));
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
}

TEST_F(extents, revoked_while_mapped)
{
	u64 size = self->buf.size;
	u64 mapped;

	add_all(self->vm, &self->buf);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
	mapped = dmabuf_leaves(self->vm);
	dmabuf_revoke(&self->buf);
	if (dmabuf_has_tdp())
		EXPECT_EQ(mapped - variant->nr, dmabuf_leaves(self->vm));

	/* Reads and writes, in every extent, by every vCPU. */
	for (u32 i = 0; i < variant->nr; i++) {
		gpa_t gpa = DMABUF_GPA + (i + 1) * self->extent - PAGE_SIZE;
		struct kvm_vcpu *vcpu = self->vcpus[i % 2];

		dmabuf_order_load(vcpu, gpa + 16);
		EXPECT_FAULT(vcpu, EFAULT, REVOKED, gpa);
		/* Let it end, or the next order would not be seen. */
		dmabuf_unrevoke(&self->buf);
		EXPECT_EQ(0, dmabuf_run(vcpu));
		EXPECT_TRUE(dmabuf_is_done(vcpu));
		dmabuf_revoke(&self->buf);

		dmabuf_order_store(vcpu, gpa + 16, 1);
		EXPECT_FAULT(vcpu, EFAULT, REVOKED, gpa);
		dmabuf_unrevoke(&self->buf);
		EXPECT_EQ(0, dmabuf_run(vcpu));
		EXPECT_TRUE(dmabuf_is_done(vcpu));
		dmabuf_revoke(&self->buf);
	}
	dmabuf_unrevoke(&self->buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
	EXPECT_HOST(&self->buf, ~SEED);
}

TEST_F(extents, slot_created_while_revoked)
{
	dmabuf_revoke(&self->buf);
	add_all(self->vm, &self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA);
	dmabuf_unrevoke(&self->buf);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
}

/* The VMM's way out: without a slot the guest gets MMIO exits. */
TEST_F(extents, slot_deleted_while_revoked)
{
	struct kvm_run *run = self->vcpu->run;

	add_all(self->vm, &self->buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
	dmabuf_revoke(&self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA + 24);
	EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA);

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
	ASSERT_EQ(KVM_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(DMABUF_GPA + 24, run->mmio.phys_addr);
	memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	EXPECT_RESULT(self->vcpu, ~0ULL);

	add_all(self->vm, &self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA);
	dmabuf_unrevoke(&self->buf);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
}

/* The slots of one buffer fault, in one VM or two; another buffer's do not. */
TEST_F(extents, several_slots)
{
	u64 half = variant->nr / 2 * self->extent;
	struct dmabuf other;
	struct kvm_vcpu *vcpu2;
	struct kvm_vm *vm2 = dmabuf_vm_create(1, &vcpu2);
	gpa_t gpa[3] = { DMABUF_GPA, DMABUF_GPA + SZ_16M, DMABUF_GPA + SZ_32M };

	dmabuf_create_test(&other, SZ_64K, 0, 0);
	dmabuf_fill(other.map, other.size, 0, SEED + 1);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, gpa[0], 0, half);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, gpa[1], half, half);
	dmabuf_add_slot(self->vm, &other, DMABUF_SLOT + 2, gpa[2], 0, other.size);
	dmabuf_add_slot(vm2, &self->buf, DMABUF_SLOT, gpa[0], 0, self->buf.size);
	EXPECT_EQ(3, dmabuf_counters(&self->buf).attachments);

	EXPECT_READ(self->vcpus[0], gpa[0], half, 0, SEED);
	EXPECT_READ(self->vcpus[1], gpa[1], half, half, SEED);
	EXPECT_READ(vcpu2, gpa[0], self->buf.size, 0, SEED);

	dmabuf_revoke(&self->buf);
	EXPECT_READ(self->vcpus[0], gpa[2], other.size, 0, SEED + 1);
	dmabuf_order_load(self->vcpus[0], gpa[0]);
	dmabuf_order_load(self->vcpus[1], gpa[1] + half - PAGE_SIZE);
	dmabuf_order_load(vcpu2, gpa[0] + half);
	EXPECT_FAULT(self->vcpus[0], EFAULT, REVOKED, gpa[0]);
	EXPECT_FAULT(self->vcpus[1], EFAULT, REVOKED, gpa[1] + half - PAGE_SIZE);
	EXPECT_FAULT(vcpu2, EFAULT, REVOKED, gpa[0] + half);

	dmabuf_unrevoke(&self->buf);
	EXPECT_RESULT(self->vcpus[0], dmabuf_word(SEED, 0));
	EXPECT_RESULT(self->vcpus[1], dmabuf_word(SEED, 2 * half - PAGE_SIZE));
	EXPECT_RESULT(vcpu2, dmabuf_word(SEED, half));
	kvm_vm_free(vm2);
	dmabuf_free(&other);
}

/* One question for each entry, again after it was lost. */
TEST_F(extents, refault_after_unrevoke)
{
	u64 fills;

	add_all(self->vm, &self->buf);
	for (int i = 0; i < 5; i++) {
		fills = dmabuf_counters(&self->buf).fills;
		EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED + i);
		EXPECT_EQ(variant->nr, dmabuf_counters(&self->buf).fills - fills);
		WRITE(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED + i + 1);
		dmabuf_revoke(&self->buf);
		dmabuf_unrevoke(&self->buf);
	}
}

TEST_F(extents, moved_before_first_touch)
{
	add_all(self->vm, &self->buf);
	dmabuf_move(&self->buf, 0, 0);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
}

TEST_F(extents, moved_while_mapped)
{
	u64 size = self->buf.size;

	add_all(self->vm, &self->buf);
	for (int i = 0; i < 5; i++) {
		WRITE(self->vcpus[0], DMABUF_GPA, size, 0, SEED + i);
		dmabuf_move(&self->buf, 0, 0);
		EXPECT_READ(self->vcpus[1], DMABUF_GPA, size, 0, SEED + i);
		EXPECT_HOST(&self->buf, SEED + i);
		dmabuf_move(&self->buf, 0, 0);
		dmabuf_fill(self->buf.map, size, 0, ~SEED - i);
		EXPECT_READ(self->vcpus[0], DMABUF_GPA, size, 0, ~SEED - i);
	}
}

/* Memory of a new buffer must not show up behind the gfn of the old one. */
TEST_F(extents, memory_used_elsewhere_after_move)
{
	struct dmabuf other;

	add_all(self->vm, &self->buf);
	for (int i = 0; i < 3; i++) {
		EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
		dmabuf_move(&self->buf, 0, 0);
		dmabuf_create_test(&other, self->buf.size, variant->order, 0);
		memset(other.map, 0x77, other.size);
		EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
		WRITE(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
		for (u64 at = 0; at < other.size; at += PAGE_SIZE)
			ASSERT_EQ(0x7777777777777777ULL, *(u64 *)(other.map + at));
		dmabuf_free(&other);
	}
}

/* With a granule the other entries stay, without one all of them go. */
TEST_F(extents, part_moved)
{
	bool ranges = variant->flags & DMA_BUF_TEST_RANGES;
	u64 size = self->buf.size;
	u64 mapped, fills;

	add_all(self->vm, &self->buf);
	for (u32 i = 0; i < variant->nr; i += 2) {
		WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED + i);
		mapped = dmabuf_leaves(self->vm);
		fills = dmabuf_counters(&self->buf).fills;
		dmabuf_move(&self->buf, i * self->extent, self->extent);
		if (dmabuf_has_tdp())
			EXPECT_EQ(mapped - (ranges ? 1 : variant->nr), dmabuf_leaves(self->vm));

		EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED + i);
		fills = dmabuf_counters(&self->buf).fills - fills;
		EXPECT_EQ(ranges ? 1 : variant->nr, fills);
		EXPECT_HOST(&self->buf, SEED + i);
	}
}

/* Slots that begin and end inside of an extent, or show none of what moves. */
TEST_F(extents, part_moved_under_slices)
{
	u64 extent = self->extent;
	u64 size = self->buf.size;
	u64 skip = variant->order ? SZ_1M - PAGE_SIZE : extent;
	gpa_t gpa[2] = { DMABUF_GPA + 5 * PAGE_SIZE, DMABUF_GPA + SZ_16M + SZ_2M };

	/* All but the edges; and the last extent alone. */
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, gpa[0], skip, size - 2 * skip);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, gpa[1], size - extent, extent);
	for (u32 i = 0; i < variant->nr; i++) {
		WRITE(self->vcpus[0], gpa[0], size - 2 * skip, skip, SEED + i);
		WRITE(self->vcpus[1], gpa[1], extent, size - extent, SEED + i);
		dmabuf_move(&self->buf, i * extent, extent);
		EXPECT_READ(self->vcpus[1], gpa[0], size - 2 * skip, skip, SEED + i);
		EXPECT_READ(self->vcpus[0], gpa[1], extent, size - extent, SEED + i);
		EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map + skip, size - 2 * skip,
						  skip, SEED + i));
	}
}

/* A page out of a block: the whole block is asked for anew, and no other. */
TEST_F(extents, page_invalidated)
{
	bool ranges = variant->flags & DMA_BUF_TEST_RANGES;
	u64 size = self->buf.size;
	u64 mapped, fills;

	add_all(self->vm, &self->buf);
	for (u32 i = 0; i < variant->nr; i++) {
		u64 at = i * self->extent + (variant->order ? 13 * PAGE_SIZE : 0);

		WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED + i);
		mapped = dmabuf_leaves(self->vm);
		fills = dmabuf_counters(&self->buf).fills;
		dmabuf_invalidate(&self->buf, at, PAGE_SIZE);
		if (dmabuf_has_tdp())
			EXPECT_EQ(mapped - (ranges ? 1 : variant->nr), dmabuf_leaves(self->vm));

		EXPECT_READ(self->vcpus[1], DMABUF_GPA, size, 0, SEED + i);
		fills = dmabuf_counters(&self->buf).fills - fills;
		EXPECT_EQ(ranges ? 1 : variant->nr, fills);
		if (dmabuf_has_tdp())
			EXPECT_EQ(mapped, dmabuf_leaves(self->vm));
	}

	/* The next one of all finds what is mapped by then. */
	dmabuf_revoke(&self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA + self->extent);
	EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA + self->extent);
	dmabuf_unrevoke(&self->buf);
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
}

/* A later invalidation must find what one of a part has left. */
TEST_F(extents, revoked_after_part_moved)
{
	u64 last = self->buf.size - self->extent;

	add_all(self->vm, &self->buf);
	WRITE(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
	dmabuf_move(&self->buf, 0, self->extent);
	dmabuf_move(&self->buf, self->extent, self->extent);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->extent, 0, SEED);
	dmabuf_revoke(&self->buf);

	dmabuf_order_load(self->vcpus[0], DMABUF_GPA + last);
	dmabuf_order_store(self->vcpus[1], DMABUF_GPA, 1);
	EXPECT_FAULT(self->vcpus[0], EFAULT, REVOKED, DMABUF_GPA + last);
	EXPECT_FAULT(self->vcpus[1], EFAULT, REVOKED, DMABUF_GPA);
	dmabuf_unrevoke(&self->buf);
	EXPECT_RESULT(self->vcpus[0], dmabuf_word(SEED, last));
	EXPECT_RESULT(self->vcpus[1], 0);
	EXPECT_EQ(1, *(u64 *)self->buf.map);
}

/* The exporter moves all of it while it is asked about a page. */
TEST_F(extents, moved_in_fill)
{
	u64 last = self->buf.size - self->extent;

	add_all(self->vm, &self->buf);
	WRITE(self->vcpu, DMABUF_GPA, self->extent, 0, SEED + 1);
	dmabuf_move_in_fill(&self->buf);
	WRITE(self->vcpu, DMABUF_GPA + last, self->extent, last, SEED + 1);
	EXPECT_READ(self->vcpus[1], DMABUF_GPA, self->extent, 0, SEED + 1);
	EXPECT_READ(self->vcpus[1], DMABUF_GPA + self->extent,
		    last - self->extent, self->extent, SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map + last, self->extent, last, SEED + 1));
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, self->extent, 0, SEED + 1));
}

/* ... and what is mapped by that fault is found by the next invalidation. */
TEST_F(extents, revoked_after_move_in_fill)
{
	u64 last = self->buf.size - self->extent;

	add_all(self->vm, &self->buf);
	for (int i = 0; i < 3; i++) {
		dmabuf_move_in_fill(&self->buf);
		EXPECT_EQ(dmabuf_word(SEED, last), dmabuf_load(self->vcpu, DMABUF_GPA + last));
		dmabuf_revoke(&self->buf);
		dmabuf_order_load(self->vcpu, DMABUF_GPA + last);
		EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA + last);
		dmabuf_unrevoke(&self->buf);
		EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, last));
		/* Something is mapped, and the next fill takes it away. */
		dmabuf_move_in_fill(&self->buf);
		EXPECT_EQ(dmabuf_word(SEED, 0), dmabuf_load(self->vcpu, DMABUF_GPA));
		dmabuf_move(&self->buf, 0, 0);
		dmabuf_fill(self->buf.map, self->buf.size, 0, SEED);
		EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
	}
}

/* Memory that becomes read-only while the guest has it mapped for writing. */
TEST_F(extents, made_readonly)
{
	u64 size = self->buf.size;

	add_all(self->vm, &self->buf);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
	dmabuf_set_readonly(&self->buf, true);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, ~SEED);

	/* Each KVM_RUN comes back, and does not say that it is revoked. */
	dmabuf_order_store(self->vcpu, DMABUF_GPA + self->extent, 42);
	for (int i = 0; i < 3; i++)
		EXPECT_FAULT(self->vcpu, EFAULT, 0, DMABUF_GPA + self->extent);
	EXPECT_READ(self->vcpus[1], DMABUF_GPA, size, 0, ~SEED);
	EXPECT_HOST(&self->buf, ~SEED);

	/* The entry is upgraded in place: the pfn must be the same. */
	dmabuf_set_readonly(&self->buf, false);
	EXPECT_RESULT(self->vcpu, 0);
	EXPECT_EQ(42, *(u64 *)(self->buf.map + self->extent));
	WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED);
	EXPECT_HOST(&self->buf, SEED);
}

/* Between read and write access it moved: another pfn, and no entry between. */
TEST_F(extents, moved_before_upgrade)
{
	u64 size = self->buf.size;

	dmabuf_set_readonly(&self->buf, true);
	add_all(self->vm, &self->buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED);
	dmabuf_move(&self->buf, 0, self->extent);
	dmabuf_set_readonly(&self->buf, false);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
	EXPECT_HOST(&self->buf, ~SEED);

	dmabuf_set_readonly(&self->buf, true);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
	dmabuf_set_readonly(&self->buf, false);
	dmabuf_move(&self->buf, 0, 0);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED);
	EXPECT_HOST(&self->buf, SEED);
}

/* With a read-only slot writes are for the VMM, whatever the extents are. */
TEST_F(extents, readonly_slot)
{
	struct kvm_userspace_memory_region2 region;
	struct kvm_run *run = self->vcpu->run;

	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size, NULL);
	region.flags |= KVM_MEM_READONLY;
	dmabuf_set_slot(self->vm, &region);
	for (int readonly = 0; readonly < 2; readonly++) {
		dmabuf_set_readonly(&self->buf, readonly);
		EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
		dmabuf_order_store(self->vcpu, DMABUF_GPA, 7);
		EXPECT_EQ(0, dmabuf_run(self->vcpu));
		ASSERT_EQ(KVM_EXIT_MMIO, run->exit_reason);
		EXPECT_TRUE(run->mmio.is_write);
		EXPECT_EQ(7, *(u64 *)run->mmio.data);
		EXPECT_RESULT(self->vcpu, 0);
		EXPECT_HOST(&self->buf, SEED);
		dmabuf_move(&self->buf, 0, 0);
	}
}

/*
 * What exporters and VMMs may do, in an order that nobody thought of. Each
 * extent has a pattern of its own, which is known at any time.
 */
TEST_F(extents, legal_sequences)
{
	u32 seed = kvm_random_u32(&kvm_rng);
	struct kvm_random_state rng = new_kvm_random_state(seed);
	int steps = variant->order ? 150 : 400;
	bool revoked = false, readonly = false, slot = true;
	u64 *seeds = calloc(variant->nr, sizeof(*seeds));
	u64 extent = self->extent;

	TH_LOG("seed 0x%x", seed);
	for (u32 i = 0; i < variant->nr; i++)
		seeds[i] = SEED;
	add_all(self->vm, &self->buf);
	for (int step = 0; step < steps; step++) {
		u32 r = kvm_random_u32(&rng), i = (r >> 8) % variant->nr;
		struct kvm_vcpu *vcpu = self->vcpus[r >> 7 & 1];
		gpa_t gpa = DMABUF_GPA + i * extent;

		switch (r % 12) {
		case 0 ... 2:
			if (revoked || !slot)
				break;
			ASSERT_EQ(DMABUF_OK, dmabuf_guest(vcpu, DMABUF_OP_READ, gpa, extent,
							  i * extent, seeds[i]));
			break;
		case 3 ... 5:
			if (revoked || readonly || !slot)
				break;
			seeds[i] = r;
			WRITE(vcpu, gpa, extent, i * extent, seeds[i]);
			break;
		case 6:
			if (!revoked)
				dmabuf_move(&self->buf, i * extent, extent);
			break;
		case 7:
			if (!revoked)
				dmabuf_move(&self->buf, 0, 0);
			break;
		case 8:
			readonly = !readonly;
			dmabuf_set_readonly(&self->buf, readonly);
			break;
		case 9:
			if (revoked)
				dmabuf_unrevoke(&self->buf);
			else
				dmabuf_revoke(&self->buf);
			revoked = !revoked;
			break;
		case 10:
			if (slot)
				dmabuf_delete_slot(self->vm, DMABUF_SLOT);
			else
				add_all(self->vm, &self->buf);
			slot = !slot;
			break;
		case 11:
			if (!revoked)
				dmabuf_move_in_fill(&self->buf);
			break;
		}
	}
	if (revoked)
		dmabuf_unrevoke(&self->buf);
	for (u32 i = 0; i < variant->nr; i++)
		EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map + i * extent, extent,
						  i * extent, seeds[i]));
	free(seeds);
}

/* Takes the memory away once the guest has come round. */
struct revoker {
	pthread_t thread;
	struct dmabuf *buf;
	struct dmabuf_cmd *cmd;
	u64 was;
};

static void *revoker_thread(void *arg)
{
	struct revoker *revoker = arg;

	while (READ_ONCE(revoker->cmd->rounds) == revoker->was)
		sched_yield();
	dmabuf_revoke(revoker->buf);
	return NULL;
}

/* A guest that does not stop writing is stopped, and goes on. */
TEST_F(extents, revoked_while_running)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	struct revoker revoker = {
		.buf = &self->buf,
		.cmd = dmabuf_cmd(vcpu),
	};

	add_all(self->vm, &self->buf);
	memset(self->buf.map, 0, self->buf.size);
	dmabuf_order(vcpu, DMABUF_OP_CYCLE, DMABUF_GPA, self->buf.size, 0, 0, 0);
	for (int i = 0; i < 10; i++) {
		u64 rounds;

		revoker.was = revoker.cmd->rounds;
		kvm_pthread_create(&revoker.thread, NULL, revoker_thread, &revoker);
		EXPECT_EQ(EFAULT, dmabuf_run(vcpu));
		EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, vcpu->run->exit_reason);
		EXPECT_EQ(REVOKED, vcpu->run->memory_fault.flags);
		kvm_pthread_join(revoker.thread, NULL);
		dmabuf_unrevoke(&self->buf);

		/* Each page was counted up once a round, and no count was lost. */
		rounds = revoker.cmd->rounds;
		for (u64 at = 0; at < self->buf.size; at += PAGE_SIZE) {
			u64 count = *(u64 *)(self->buf.map + at);

			ASSERT_TRUE(count == rounds || count == rounds + 1)
				TH_LOG("page 0x%lx: %lu after %lu rounds", (long)at,
				       (long)count, (long)rounds);
		}
	}
}

/* KVM_PRE_FAULT_MEMORY says what it is, and does not wait. */
TEST_F(extents, prefault)
{
	u64 size = self->buf.size;
	u64 fills;

	if (!dmabuf_has_tdp())
		SKIP(return, "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");

	dmabuf_revoke(&self->buf);
	add_all(self->vm, &self->buf);
	EXPECT_EQ(EFAULT, dmabuf_prefault(self->vcpu, DMABUF_GPA, size));
	dmabuf_unrevoke(&self->buf);

	dmabuf_hold_fence(&self->buf);
	EXPECT_EQ(EAGAIN, dmabuf_prefault(self->vcpu, DMABUF_GPA, size));
	dmabuf_signal_fence(&self->buf);

	EXPECT_EQ(0, dmabuf_prefault(self->vcpu, DMABUF_GPA, size));
	fills = dmabuf_counters(&self->buf).fills;
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED);
	EXPECT_EQ(fills, dmabuf_counters(&self->buf).fills);

	dmabuf_move(&self->buf, 0, 0);
	dmabuf_move_in_fill(&self->buf);
	EXPECT_EQ(0, dmabuf_prefault(self->vcpu, DMABUF_GPA, size));
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED);

	dmabuf_revoke(&self->buf);
	EXPECT_EQ(EFAULT, dmabuf_prefault(self->vcpu, DMABUF_GPA, size));
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA);
	dmabuf_unrevoke(&self->buf);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
}

/* An exporter that allocates when it is asked for the first time. */
TEST_F(extents, lazy)
{
	u64 size = self->buf.size;
	struct dma_buf_test_counters counters;
	struct dmabuf lazy;

	dmabuf_create_test(&lazy, size, variant->order, variant->flags | DMA_BUF_TEST_LAZY);
	add_all(self->vm, &lazy);
	EXPECT_EQ(0, dmabuf_counters(&lazy).prepares);
	if (dmabuf_has_tdp()) {
		EXPECT_EQ(EAGAIN, dmabuf_prefault(self->vcpu, DMABUF_GPA, PAGE_SIZE));
		EXPECT_EQ(0, dmabuf_prefault(self->vcpu, DMABUF_GPA, PAGE_SIZE));
	}
	WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED);
	counters = dmabuf_counters(&lazy);
	EXPECT_EQ(variant->nr, counters.prepares);
	EXPECT_HOST(&lazy, SEED);
	EXPECT_READ(self->vcpus[1], DMABUF_GPA, size, 0, SEED);
	EXPECT_EQ(counters.prepares, dmabuf_counters(&lazy).prepares);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_free(&lazy);
	EXPECT_TRUE(dmabuf_wait_gone(lazy.ino));
}

/* Clearing 1G takes long, so there is one test of it. */
TEST(extents_1g)
{
	struct dma_buf_test_create args = {
		.size = SZ_1G,
		.extent_order = DMABUF_ORDER_1G,
		.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct dmabuf_levels levels;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
	struct kvm_vm *vm;
	u64 at = SZ_512M;
	int r;

	if (!dmabuf_has_tdp())
		SKIP(return, "shadow pages are not larger than the guest's own");
	r = __dmabuf_create_test(&buf, &args);
	if (r == ENOMEM)
		SKIP(return, "no contiguous 1G of memory");
	ASSERT_EQ(0, r);

	dmabuf_fill(buf.map + at, SZ_64K, at, SEED);
	vm = dmabuf_vm_create(1, &vcpu);
	add_all(vm, &buf);
	levels = dmabuf_levels(vm);
	EXPECT_READ(vcpu, DMABUF_GPA + at, SZ_64K, at, SEED);
	levels = dmabuf_levels_since(vm, levels);
	EXPECT_EQ(1, levels.p1g);

	dmabuf_revoke(&buf);
	dmabuf_order_load(vcpu, DMABUF_GPA + SZ_1G - PAGE_SIZE);
	EXPECT_FAULT(vcpu, EFAULT, REVOKED, DMABUF_GPA + SZ_1G - PAGE_SIZE);
	dmabuf_unrevoke(&buf);
	EXPECT_EQ(0, dmabuf_run(vcpu));
	EXPECT_TRUE(dmabuf_is_done(vcpu));
	EXPECT_READ(vcpu, DMABUF_GPA + at, SZ_64K, at, SEED);
	dmabuf_set_readonly(&buf, true);
	dmabuf_order_store(vcpu, DMABUF_GPA, 1);
	EXPECT_FAULT(vcpu, EFAULT, 0, DMABUF_GPA);
	dmabuf_set_readonly(&buf, false);
	EXPECT_RESULT(vcpu, 0);
	EXPECT_EQ(1, *(u64 *)buf.map);
	kvm_vm_free(vm);
	dmabuf_free(&buf);
}

/* Everything below looks at one page, or a few. */
FIXTURE(page)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_SETUP(page)
{
	dmabuf_create_test(&self->buf, SZ_64K, 0, DMA_BUF_TEST_DYNAMIC);
	dmabuf_fill(self->buf.map, self->buf.size, 0, SEED);
	self->vm = dmabuf_vm_create(2, self->vcpus);
	self->vcpu = self->vcpus[0];
	add_all(self->vm, &self->buf);
}

FIXTURE_TEARDOWN(page)
{
	kvm_vm_free(self->vm);
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/* A buffer that is pinned cannot be revoked, and works like any other. */
TEST_F(page, other_flavours)
{
	static const u32 flavours[] = { 0, DMA_BUF_TEST_REVOCABLE };
	struct dmabuf buf;

	for (int i = 0; i < 2; i++) {
		dmabuf_create_test(&buf, SZ_64K, 0, flavours[i]);
		dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_2M, 0, SZ_64K);
		WRITE(self->vcpu, DMABUF_GPA + SZ_2M, SZ_64K, 0, SEED);
		if (flavours[i]) {
			dmabuf_revoke(&buf);
			dmabuf_order_load(self->vcpu, DMABUF_GPA + SZ_2M);
			EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, DMABUF_GPA + SZ_2M);
			dmabuf_unrevoke(&buf);
			EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
		} else {
			EXPECT_EQ(EPERM, __dmabuf_test_op(&buf, (struct dma_buf_test_op) {
						.op = DMA_BUF_TEST_OP_REVOKE }));
		}
		EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_2M, SZ_64K, 0, SEED);
		dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
		dmabuf_free(&buf);
	}
}

/* An fd that cannot be written through gives slots that cannot either. */
TEST_F(page, readonly_fd)
{
	struct dma_buf_test_create args = {
		.size = SZ_64K,
		.flags = DMA_BUF_TEST_DYNAMIC,
		.fd_flags = O_RDONLY | O_CLOEXEC,
	};
	struct kvm_userspace_memory_region2 region;
	gpa_t gpa = DMABUF_GPA + SZ_2M;
	struct dmabuf buf;

	ASSERT_EQ(0, __dmabuf_create_test(&buf, &args));
	region = dmabuf_region(&buf, DMABUF_SLOT + 1, gpa, 0, SZ_64K, NULL);
	dmabuf_set_slot_err(self->vm, &region, EACCES);
	region.flags |= KVM_MEM_READONLY;
	dmabuf_set_slot(self->vm, &region);
	EXPECT_EQ(0, dmabuf_load(self->vcpu, gpa));
	dmabuf_order_store(self->vcpu, gpa, 3);
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
	EXPECT_EQ(KVM_EXIT_MMIO, self->vcpu->run->exit_reason);
	EXPECT_RESULT(self->vcpu, 0);
	EXPECT_EQ(0, *(u64 *)buf.map);
	dmabuf_revoke(&buf);
	dmabuf_order_load(self->vcpu, gpa);
	EXPECT_FAULT(self->vcpu, EFAULT, REVOKED, gpa);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
	dmabuf_free(&buf);
}

/* Extents that were read-only from the start. */
TEST_F(page, readonly_extents)
{
	gpa_t gpa = DMABUF_GPA + SZ_2M;
	struct dmabuf buf;

	dmabuf_create_test(&buf, SZ_64K, 0, DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_READONLY);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT + 1, gpa, 0, SZ_64K);

	/* Written before it was ever read, and after. */
	dmabuf_order_store(self->vcpu, gpa, 3);
	EXPECT_FAULT(self->vcpu, EFAULT, 0, gpa);
	EXPECT_EQ(0, dmabuf_load(self->vcpus[1], gpa + PAGE_SIZE));
	dmabuf_order_store(self->vcpus[1], gpa + PAGE_SIZE, 4);
	EXPECT_FAULT(self->vcpus[1], EFAULT, 0, gpa + PAGE_SIZE);
	EXPECT_EQ(0, *(u64 *)buf.map);
	dmabuf_set_readonly(&buf, false);
	EXPECT_RESULT(self->vcpu, 0);
	EXPECT_RESULT(self->vcpus[1], 0);
	EXPECT_EQ(3, *(u64 *)buf.map);
	EXPECT_EQ(4, *(u64 *)(buf.map + PAGE_SIZE));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
	dmabuf_free(&buf);
}

/* A vCPU in a thread of its own, until KVM_RUN returns. */
struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	int err;
	int done;
};

static void *runner_thread(void *arg)
{
	struct runner *runner = arg;

	runner->err = dmabuf_run(runner->vcpu);
	__atomic_store_n(&runner->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void runner_start(struct runner *runner, struct kvm_vcpu *vcpu)
{
	*runner = (struct runner){ .vcpu = vcpu };
	kvm_pthread_create(&runner->thread, NULL, runner_thread, runner);
}

static bool runner_done(struct runner *runner)
{
	return __atomic_load_n(&runner->done, __ATOMIC_ACQUIRE);
}

/*
 * Have the vCPU ask for a page that is behind a fence, again and again: it is
 * let in after no number of tries.
 */
#define START_BEHIND_FENCE(_runner, _vcpu, _buf)			\
do {									\
	u64 _fills = dmabuf_counters(_buf).fills;			\
									\
	runner_start(_runner, _vcpu);					\
	ASSERT_TRUE(dmabuf_wait_fills(_buf, _fills, 3));			\
	EXPECT_FALSE(runner_done(_runner));				\
} while (0)

TEST_F(page, fence_held)
{
	struct runner runner;
	struct dmabuf other;

	dmabuf_create_test(&other, SZ_64K, 0, DMA_BUF_TEST_DYNAMIC);
	dmabuf_fill(other.map, SZ_64K, 0, ~SEED);
	dmabuf_add_slot(self->vm, &other, DMABUF_SLOT + 1, DMABUF_GPA + SZ_2M, 0, SZ_64K);

	dmabuf_hold_fence(&self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	START_BEHIND_FENCE(&runner, self->vcpu, &self->buf);

	/* Other memory is not affected. */
	EXPECT_READ(self->vcpus[1], DMABUF_GPA + SZ_2M, SZ_64K, 0, ~SEED);
	EXPECT_FALSE(runner_done(&runner));

	dmabuf_signal_fence(&self->buf);
	kvm_pthread_join(runner.thread, NULL);
	EXPECT_EQ(0, runner.err);
	EXPECT_TRUE(dmabuf_is_done(self->vcpu));
	EXPECT_EQ(dmabuf_word(SEED, 0), dmabuf_cmd(self->vcpu)->result);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
	dmabuf_free(&other);
}

/* What is mapped stays mapped. */
TEST_F(page, fence_held_on_mapped_memory)
{
	struct runner runner;

	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size / 2, 0, SEED);
	dmabuf_hold_fence(&self->buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size / 2, 0, SEED);
	dmabuf_order_load(self->vcpus[1], DMABUF_GPA + self->buf.size / 2);
	START_BEHIND_FENCE(&runner, self->vcpus[1], &self->buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size / 2, 0, SEED);
	dmabuf_signal_fence(&self->buf);
	kvm_pthread_join(runner.thread, NULL);
	EXPECT_EQ(0, runner.err);
}

static void nop_handler(int sig)
{
}

TEST_F(page, fence_and_signal)
{
	const struct sigaction sa = { .sa_handler = nop_handler };
	struct runner runner;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	dmabuf_hold_fence(&self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	for (int i = 0; i < 5; i++) {
		START_BEHIND_FENCE(&runner, self->vcpu, &self->buf);
		pthread_kill(runner.thread, SIGUSR1);
		kvm_pthread_join(runner.thread, NULL);
		EXPECT_EQ(EINTR, runner.err);
		EXPECT_EQ(KVM_EXIT_INTR, self->vcpu->run->exit_reason);
	}
	dmabuf_signal_fence(&self->buf);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
}

/* Neither other slots nor this one wait for the fence. */
TEST_F(page, fence_and_memslots)
{
	struct runner runner;

	dmabuf_hold_fence(&self->buf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA + 8);
	START_BEHIND_FENCE(&runner, self->vcpu, &self->buf);
	for (int i = 0; i < 10; i++) {
		dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_2M,
				0, PAGE_SIZE);
		dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
	}
	EXPECT_FALSE(runner_done(&runner));

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	kvm_pthread_join(runner.thread, NULL);
	EXPECT_EQ(0, runner.err);
	EXPECT_EQ(KVM_EXIT_MMIO, self->vcpu->run->exit_reason);
	EXPECT_EQ(DMABUF_GPA + 8, self->vcpu->run->mmio.phys_addr);
}

/* The mover is not kept waiting by those who wait for the fence. */
TEST_F(page, fence_and_revoke)
{
	struct runner runners[2];

	dmabuf_hold_fence(&self->buf);
	for (int i = 0; i < 2; i++)
		dmabuf_order_load(self->vcpus[i], DMABUF_GPA + i * PAGE_SIZE);
	for (int i = 0; i < 2; i++)
		START_BEHIND_FENCE(&runners[i], self->vcpus[i], &self->buf);
	dmabuf_revoke(&self->buf);
	for (int i = 0; i < 2; i++) {
		kvm_pthread_join(runners[i].thread, NULL);
		EXPECT_EQ(EFAULT, runners[i].err);
		EXPECT_TRUE(dmabuf_is_fault(self->vcpus[i], REVOKED,
					    DMABUF_GPA + i * PAGE_SIZE));
	}
	dmabuf_unrevoke(&self->buf);
	dmabuf_signal_fence(&self->buf);
	EXPECT_RESULT(self->vcpus[0], dmabuf_word(SEED, 0));
	EXPECT_RESULT(self->vcpus[1], dmabuf_word(SEED, PAGE_SIZE));
}

/* A process that waits for a fence which never comes can be killed. */
TEST_F(page, fence_and_kill)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 fills;
	int status;
	pid_t pid;

	dmabuf_hold_fence(&self->buf);
	fills = dmabuf_counters(&self->buf).fills;
	pid = fork();
	if (!pid) {
		vm = dmabuf_vm_create(1, &vcpu);
		add_all(vm, &self->buf);
		dmabuf_order_load(vcpu, DMABUF_GPA);
		dmabuf_run(vcpu);
		_exit(1);
	}
	EXPECT_TRUE(dmabuf_wait_fills(&self->buf, fills, 3));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(1, dmabuf_counters(&self->buf).attachments);
	dmabuf_signal_fence(&self->buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
}

/* The buffer may go with the fence unsignalled. */
TEST_F(page, fence_never_signalled)
{
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
	dmabuf_hold_fence(&self->buf);
}

/* Each error of the exporter has a documented exit, and the next try works. */
FIXTURE(fail)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(fail)
{
	int error;		/* of the exporter */
	int run, prefault;	/* of KVM_RUN and KVM_PRE_FAULT_MEMORY */
	u64 flags;
};

#define FAIL_VARIANT(_name, _error, _run, _prefault, _flags)		\
	FIXTURE_VARIANT_ADD(fail, _name) {				\
		.error = _error,					\
		.run = _run,						\
		.prefault = _prefault,					\
		.flags = _flags,					\
	}

FAIL_VARIANT(eintr, EINTR, EINTR, EINTR, 0);
FAIL_VARIANT(eagain, EAGAIN, 0, EAGAIN, 0);
FAIL_VARIANT(enomem, ENOMEM, EFAULT, EFAULT, 0);
FAIL_VARIANT(enodev, ENODEV, EFAULT, EFAULT, REVOKED);
FAIL_VARIANT(ehwpoison, EHWPOISON, EHWPOISON, EHWPOISON, 0);
FAIL_VARIANT(eio, EIO, EFAULT, EFAULT, 0);
FAIL_VARIANT(eperm, EPERM, EFAULT, EFAULT, 0);
FAIL_VARIANT(eacces, EACCES, EFAULT, EFAULT, 0);
FAIL_VARIANT(einval, EINVAL, EFAULT, EFAULT, 0);
FAIL_VARIANT(ebusy, EBUSY, EFAULT, EFAULT, 0);
FAIL_VARIANT(eopnotsupp, EOPNOTSUPP, EFAULT, EFAULT, 0);
FAIL_VARIANT(efault, EFAULT, EFAULT, EFAULT, 0);
FAIL_VARIANT(enoent, ENOENT, EFAULT, EFAULT, 0);

FIXTURE_SETUP(fail)
{
	dmabuf_create_test(&self->buf, SZ_64K, 0, DMA_BUF_TEST_DYNAMIC);
	dmabuf_fill(self->buf.map, self->buf.size, 0, SEED);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	add_all(self->vm, &self->buf);
}

FIXTURE_TEARDOWN(fail)
{
	kvm_vm_free(self->vm);
	dmabuf_free(&self->buf);
}

TEST_F(fail, run)
{
	for (int i = 0; i < 3; i++) {
		gpa_t gpa = DMABUF_GPA + i * PAGE_SIZE;

		dmabuf_fail_fill(&self->buf, 1, variant->error);
		dmabuf_order_load(self->vcpu, gpa);
		if (variant->run) {
			EXPECT_EQ(variant->run, dmabuf_run(self->vcpu));
			EXPECT_TRUE(variant->run == EINTR ?
				    self->vcpu->run->exit_reason == KVM_EXIT_INTR :
				    dmabuf_is_fault(self->vcpu, variant->flags, gpa));
		}
		EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, i * PAGE_SIZE));
	}
}

/* The third page fails: two were mapped, and the guest takes the others. */
TEST_F(fail, nth)
{
	gpa_t gpa = DMABUF_GPA + 2 * PAGE_SIZE;

	dmabuf_fail_fill(&self->buf, 3, variant->error);
	dmabuf_order(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, self->buf.size, 0, SEED, 0);
	if (variant->run) {
		EXPECT_EQ(variant->run, dmabuf_run(self->vcpu));
		if (variant->run != EINTR)
			EXPECT_TRUE(dmabuf_is_fault(self->vcpu, variant->flags, gpa));
	}
	EXPECT_RESULT(self->vcpu, DMABUF_OK);
}

TEST_F(fail, prefault)
{
	struct kvm_pre_fault_memory range = {
		.gpa = DMABUF_GPA,
		.size = self->buf.size,
	};

	if (!dmabuf_has_tdp())
		SKIP(return, "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");

	dmabuf_fail_fill(&self->buf, 1, variant->error);
	EXPECT_EQ(variant->prefault, dmabuf_prefault(self->vcpu, DMABUF_GPA, PAGE_SIZE));

	/* With something done it is no error, and says how far it got. */
	dmabuf_fail_fill(&self->buf, 3, variant->error);
	EXPECT_EQ(0, __vcpu_ioctl(self->vcpu, KVM_PRE_FAULT_MEMORY, &range));
	EXPECT_EQ(DMABUF_GPA + 2 * PAGE_SIZE, range.gpa);
	EXPECT_EQ(self->buf.size - 2 * PAGE_SIZE, range.size);
	EXPECT_EQ(0, dmabuf_prefault(self->vcpu, range.gpa, range.size));
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->buf.size, 0, SEED);
}

/* Memory of a device: KVM must see it that way too, and map it uncached. */
TEST(mmio)
{
	struct dma_buf_test_create args = {
		.size = SZ_64K,
		.kind = DMA_BUF_TEST_MMIO,
		.flags = DMA_BUF_TEST_REVOCABLE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
	struct kvm_vm *vm;
	int r;

	r = __dmabuf_create_test(&buf, &args);
	if (r == ENODEV)
		SKIP(return, "no memory reserved for MMIO buffers");
	ASSERT_EQ(0, r);

	vm = dmabuf_vm_create(1, &vcpu);
	add_all(vm, &buf);
	WRITE(vcpu, DMABUF_GPA, buf.size, 0, SEED);
	EXPECT_READ(vcpu, DMABUF_GPA, buf.size, 0, SEED);
	EXPECT_HOST(&buf, SEED);
	dmabuf_revoke(&buf);
	dmabuf_order_load(vcpu, DMABUF_GPA);
	EXPECT_FAULT(vcpu, EFAULT, REVOKED, DMABUF_GPA);
	dmabuf_unrevoke(&buf);
	EXPECT_RESULT(vcpu, dmabuf_word(SEED, 0));
	kvm_vm_free(vm);
	dmabuf_free(&buf);
}

int main(int argc, char *argv[])
{
	__TEST_REQUIRE(dmabuf_exporter(), "no /dev/dma_buf_test: CONFIG_DMABUF_TEST is off");
	return test_harness_run(argc, argv);
}
