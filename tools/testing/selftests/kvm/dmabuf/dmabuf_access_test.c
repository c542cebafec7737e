// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that is a dma-buf: guest and host see the same bytes, whatever
 * the shape of the buffer, of the slots on it, and of the host mapping.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "dmabuf_util.h"

#define NR_VCPUS	4
#define SEED		0x6b766d64ULL

#define WRITE(_vcpu, _gpa, _size, _offset, _seed)			\
	dmabuf_guest(_vcpu, DMABUF_OP_WRITE, _gpa, _size, _offset, _seed)
#define EXPECT_HOST(_mem, _size, _offset, _seed)			\
	EXPECT_EQ(DMABUF_OK, dmabuf_check(_mem, _size, _offset, _seed))

static void fill_zero(struct dmabuf *buf)
{
	memset(buf->mem, 0, buf->mem_size);
}

/* The same tests on buffers of every shape. */
FIXTURE(backing)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(backing)
{
	u64 size;
	u64 page;		/* length of the runs; 0: not known */
	unsigned int memfd;	/* flags */
};

FIXTURE_VARIANT_ADD(backing, memfd) {
	.size = SZ_4M,
};

FIXTURE_VARIANT_ADD(backing, items_4k) {
	.size = SZ_2M,
	.page = PAGE_SIZE,
};

FIXTURE_VARIANT_ADD(backing, hugetlb_2m) {
	.size = SZ_8M,
	.page = SZ_2M,
	.memfd = DMABUF_2M,
};

FIXTURE_SETUP(backing)
{
	if (variant->page > PAGE_SIZE &&
	    !dmabuf_hugepages(variant->page, variant->size / variant->page))
		SKIP(return, "not enough free huge pages of %lluM",
		     (unsigned long long)(variant->page / SZ_1M));

	if (variant->page == PAGE_SIZE)
		dmabuf_create_4k(&self->buf, variant->size);
	else
		dmabuf_create(&self->buf, variant->size, variant->memfd);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
}

FIXTURE_TEARDOWN(backing)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

/* As much of it as every test can afford to look at. */
static u64 some_of(const struct dmabuf *buf)
{
	return min_t(u64, buf->size, SZ_4M);
}

/* Page @i of the buffer, in the memfd. */
static u8 *memfd_page(const struct dmabuf *buf, u64 i, bool reversed)
{
	return buf->mem + (reversed ? buf->size / PAGE_SIZE - 1 - i : i) * PAGE_SIZE;
}

TEST_F(backing, guest_writes)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
	WRITE(self->vcpu, DMABUF_GPA, buf->size, 0, SEED);
	EXPECT_HOST(buf->map, buf->size, 0, SEED);
	for (u64 i = 0; i < buf->size / PAGE_SIZE; i++)
		ASSERT_EQ(DMABUF_OK,
			  dmabuf_check(memfd_page(buf, i, variant->page == PAGE_SIZE),
				       PAGE_SIZE, i * PAGE_SIZE, SEED));
}

TEST_F(backing, host_writes)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
	for (u64 i = 0; i < buf->size / PAGE_SIZE; i++)
		dmabuf_fill(memfd_page(buf, i, variant->page == PAGE_SIZE), PAGE_SIZE,
			    i * PAGE_SIZE, SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, buf->size, 0, SEED);

	/* And once more, now that the guest has it mapped. */
	dmabuf_fill(buf->map, buf->size, 0, ~SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, buf->size, 0, ~SEED);
}

TEST_F(backing, levels)
{
	struct dmabuf *buf = &self->buf;
	struct dmabuf_levels levels;
	struct dmabuf_info info;
	u64 leaves;

	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
	dmabuf_guest(self->vcpu, DMABUF_OP_TOUCH, DMABUF_GPA, buf->size, 0, 0);

	levels = dmabuf_levels_since(self->vm, levels);
	leaves = levels.p4k + levels.p2m;
	EXPECT_EQ(buf->size, levels.p4k * PAGE_SIZE + levels.p2m * SZ_2M);
	EXPECT_EQ(0, levels.p1g);
	if (variant->page)
		EXPECT_EQ(buf->size / variant->page, leaves);

	/* One fault, one question to the exporter, one answer. */
	ASSERT_TRUE(dmabuf_info(buf->ino, &info));
	EXPECT_EQ(leaves, info.fills);
	EXPECT_EQ(leaves, info.extents);
}

/* gfn and pfn differ by one page: large pages would give the wrong bytes. */
TEST_F(backing, misaligned_by_a_page)
{
	struct dmabuf *buf = &self->buf;
	u64 size = some_of(buf) - PAGE_SIZE;
	struct dmabuf_levels levels = dmabuf_levels(self->vm);

	dmabuf_fill(buf->map, size, 0, SEED);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA + PAGE_SIZE, 0, size);
	EXPECT_READ(self->vcpu, DMABUF_GPA + PAGE_SIZE, size, 0, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(size / PAGE_SIZE, levels.p4k);
	EXPECT_EQ(0, levels.p2m);
	EXPECT_EQ(0, levels.p1g);
}

/* gfn and pfn differ by 1M, which only 4K pages can do. */
TEST_F(backing, misaligned_by_half_a_block)
{
	struct dmabuf *buf = &self->buf;
	u64 size = some_of(buf) - SZ_1M;
	struct dmabuf_levels levels = dmabuf_levels(self->vm);

	dmabuf_fill(buf->map, buf->size, 0, SEED);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, SZ_1M, size);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, SZ_1M, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	if (variant->page) {
		EXPECT_EQ(size / PAGE_SIZE, levels.p4k);
		EXPECT_EQ(0, levels.p2m);
	}
	EXPECT_EQ(0, levels.p1g);
}

TEST_F(backing, odd_slices)
{
	static const struct {
		u64 offset, size;
	} odd[] = {
		{ PAGE_SIZE, PAGE_SIZE },
		{ 3 * PAGE_SIZE, 17 * PAGE_SIZE },
		{ 101 * PAGE_SIZE, 13 * PAGE_SIZE },
		{ SZ_1M - PAGE_SIZE, 2 * PAGE_SIZE },
		{ SZ_2M - 5 * PAGE_SIZE, 5 * PAGE_SIZE },
	};
	struct dmabuf *buf = &self->buf;

	dmabuf_fill(buf->map, SZ_2M, 0, SEED);
	for (int i = 0; i < ARRAY_SIZE(odd); i++) {
		gpa_t gpa = DMABUF_GPA + i * SZ_4M + 7 * i * PAGE_SIZE;

		dmabuf_add_slot(self->vm, buf, DMABUF_SLOT + i, gpa, odd[i].offset,
				odd[i].size);
		EXPECT_READ(self->vcpu, gpa, odd[i].size, odd[i].offset, SEED);
		WRITE(self->vcpu, gpa, odd[i].size, odd[i].offset, SEED + i);
		EXPECT_HOST(buf->map + odd[i].offset, odd[i].size, odd[i].offset, SEED + i);
	}
}

/* The host mapping is not where guest memory comes from. */
static void *other_memory(u64 size)
{
	void *other = kvm_mmap(size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memset(other, 0x5a, size);
	return other;
}

TEST_F(backing, hva_of_other_memory)
{
	u64 size = some_of(&self->buf);
	struct kvm_userspace_memory_region2 region;
	u8 *other = other_memory(size);
	struct dmabuf *buf = &self->buf;

	region = dmabuf_region(buf, DMABUF_SLOT, DMABUF_GPA, 0, size, other);
	dmabuf_set_slot(self->vm, &region);

	dmabuf_fill(buf->map, size, 0, SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
	EXPECT_HOST(buf->map, size, 0, ~SEED);
	for (u64 i = 0; i < size; i++)
		ASSERT_EQ(0x5a, other[i]);
}

TEST_F(backing, hva_without_access)
{
	u64 size = some_of(&self->buf);
	struct kvm_userspace_memory_region2 region;
	struct dmabuf *buf = &self->buf;
	void *none = kvm_mmap(size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	region = dmabuf_region(buf, DMABUF_SLOT, DMABUF_GPA, 0, size, none);
	dmabuf_set_slot(self->vm, &region);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED);
	EXPECT_HOST(buf->map, size, 0, SEED);
}

/* What happens to the host mapping does not touch the guest's. */
TEST_F(backing, hva_changes_unmap_nothing)
{
	u64 size = some_of(&self->buf);
	struct kvm_userspace_memory_region2 region;
	struct dmabuf_info before, after;
	struct dmabuf *buf = &self->buf;
	void *other = other_memory(size);

	region = dmabuf_region(buf, DMABUF_SLOT, DMABUF_GPA, 0, size, other);
	dmabuf_set_slot(self->vm, &region);
	WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED);
	ASSERT_TRUE(dmabuf_info(buf->ino, &before));

	ASSERT_EQ(0, madvise(other, size, MADV_DONTNEED));
	ASSERT_EQ(0, mprotect(other, size, PROT_NONE));
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED);
	kvm_munmap(other, size);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, SEED);

	ASSERT_TRUE(dmabuf_info(buf->ino, &after));
	EXPECT_EQ(before.fills, after.fills);
}

TEST_F(backing, random)
{
	u64 size = self->buf.size, nr = 2000, state;
	u64 seed = kvm_random_u64(&kvm_rng), *want;
	struct dmabuf *buf = &self->buf;

	TH_LOG("seed 0x%lx", (unsigned long)seed);
	want = calloc(1, size);
	ASSERT_NE(NULL, want);
	memset(buf->map, 0, size);

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	dmabuf_order(self->vcpu, DMABUF_OP_RANDOM, DMABUF_GPA, size, 0, seed, nr);
	dmabuf_finish(self->vcpu);

	state = seed;
	for (u64 i = 0; i < nr; i++) {
		u64 at;

		state = dmabuf_mix(state + 0x9e3779b97f4a7c15ULL);
		at = state % (size / 8);
		want[at] = dmabuf_word(seed, at * 8);
	}
	EXPECT_EQ(0, memcmp(want, buf->map, size));
	free(want);
}

/* All vCPUs fault on all pages at once, each writes its part. */
struct worker {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	u64 offset, part, size;
	u64 result;
};

static void *touch_and_write(void *arg)
{
	struct worker *w = arg;

	dmabuf_guest(w->vcpu, DMABUF_OP_TOUCH, DMABUF_GPA, w->size, 0, 0);
	WRITE(w->vcpu, DMABUF_GPA + w->offset, w->part, w->offset, SEED);
	w->result = dmabuf_guest(w->vcpu, DMABUF_OP_READ, DMABUF_GPA + w->offset,
				 w->part, w->offset, SEED);
	return NULL;
}

TEST_F(backing, four_vcpus)
{
	u64 size = self->buf.size;
	struct kvm_vcpu *vcpus[NR_VCPUS];
	struct worker workers[NR_VCPUS];
	struct kvm_vm *vm = dmabuf_vm_create(NR_VCPUS, vcpus);
	struct dmabuf_info info;

	memset(self->buf.map, 0, size);
	dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	for (int i = 0; i < NR_VCPUS; i++) {
		workers[i] = (struct worker) {
			.vcpu = vcpus[i],
			.offset = size / NR_VCPUS * i,
			.part = size / NR_VCPUS,
			.size = size,
		};
		kvm_pthread_create(&workers[i].thread, NULL, touch_and_write, &workers[i]);
	}
	for (int i = 0; i < NR_VCPUS; i++) {
		kvm_pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(DMABUF_OK, workers[i].result);
	}

	EXPECT_HOST(self->buf.map, size, 0, SEED);
	ASSERT_TRUE(dmabuf_info(self->buf.ino, &info));
	EXPECT_LE(info.fills, NR_VCPUS * size / PAGE_SIZE);
	kvm_vm_free(vm);
}

TEST_F(backing, two_vms)
{
	u64 size = some_of(&self->buf);
	struct dmabuf *buf = &self->buf;
	struct kvm_vcpu *other;
	struct kvm_vm *vm = dmabuf_vm_create(1, &other);

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA + SZ_1G, 0, size);

	WRITE(self->vcpu, DMABUF_GPA, size, 0, SEED);
	EXPECT_READ(other, DMABUF_GPA + SZ_1G, size, 0, SEED);
	WRITE(other, DMABUF_GPA + SZ_1G, size, 0, ~SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, ~SEED);

	/* One VM goes, the other stays. */
	kvm_vm_free(vm);
	EXPECT_READ(self->vcpu, DMABUF_GPA, size, 0, ~SEED);
}

/* Buffers of 2M pages, where slots cut through them. */
FIXTURE(blocks)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_SETUP(blocks)
{
	if (!dmabuf_hugepages(SZ_2M, 4))
		SKIP(return, "not enough free huge pages of 2M");
	dmabuf_create(&self->buf, SZ_8M, DMABUF_2M);
	dmabuf_fill(self->buf.map, SZ_8M, 0, SEED);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
}

FIXTURE_TEARDOWN(blocks)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

TEST_F(blocks, slot_edges_inside)
{
	struct dmabuf_levels levels = dmabuf_levels(self->vm);

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA + SZ_1M,
			SZ_1M, SZ_4M);
	EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_1M, SZ_4M, SZ_1M, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(SZ_2M / PAGE_SIZE, levels.p4k);
	EXPECT_EQ(1, levels.p2m);
}

/* The host mapping's alignment says nothing about that of the pages. */
TEST_F(blocks, hva_alignment_does_not_matter)
{
	struct dmabuf_levels levels = dmabuf_levels(self->vm);
	struct kvm_userspace_memory_region2 region;
	u8 *other = other_memory(SZ_8M + SZ_2M);

	other = (u8 *)align_up((u64)other, SZ_2M) + PAGE_SIZE;
	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_8M, other);
	dmabuf_set_slot(self->vm, &region);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_8M, 0, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(0, levels.p4k);
	EXPECT_EQ(4, levels.p2m);
}

TEST_F(blocks, two_slots_share_one)
{
	struct dmabuf_levels levels = dmabuf_levels(self->vm);

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_1M);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_1M,
			SZ_1M, SZ_1M);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(SZ_2M / PAGE_SIZE, levels.p4k);
	EXPECT_EQ(0, levels.p2m);
}

/* Pages of one folio, side by side in the buffer in another order. */
static void permute(u32 *order, u32 nr, u64 seed)
{
	for (u32 i = 0; i < nr; i++)
		order[i] = i;
	for (u32 i = nr - 1; i > 0; i--) {
		u32 j = dmabuf_mix(seed + i) % (i + 1), tmp = order[i];

		order[i] = order[j];
		order[j] = tmp;
	}
}

TEST_F(blocks, permuted_pages_of_one_folio)
{
	struct dmabuf_levels levels;
	struct dmabuf buf;
	u32 order[512];

	permute(order, ARRAY_SIZE(order), SEED);
	dmabuf_free(&self->buf);
	dmabuf_create_pages(&buf, order, ARRAY_SIZE(order), SZ_2M, DMABUF_2M);
	for (int i = 0; i < ARRAY_SIZE(order); i++)
		dmabuf_fill(buf.mem + order[i] * PAGE_SIZE, PAGE_SIZE, i * PAGE_SIZE, SEED);

	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(512, levels.p4k);
	EXPECT_EQ(0, levels.p2m);
	dmabuf_free(&buf);
}

/* One page of a folio is out of place: the buffer ends look as they should. */
TEST_F(blocks, two_pages_swapped)
{
	struct dmabuf buf;
	u32 order[512];

	for (int i = 0; i < ARRAY_SIZE(order); i++)
		order[i] = i;
	order[100] = 200;
	order[200] = 100;

	dmabuf_free(&self->buf);
	dmabuf_create_pages(&buf, order, ARRAY_SIZE(order), SZ_2M, DMABUF_2M);
	for (int i = 0; i < ARRAY_SIZE(order); i++)
		dmabuf_fill(buf.mem + order[i] * PAGE_SIZE, PAGE_SIZE, i * PAGE_SIZE, SEED);

	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	dmabuf_free(&buf);
}

/* The same page again and again. */
TEST_F(blocks, one_page_everywhere)
{
	struct dmabuf buf;
	u32 order[64] = {};

	dmabuf_free(&self->buf);
	dmabuf_create_pages(&buf, order, ARRAY_SIZE(order), SZ_2M, DMABUF_2M);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, sizeof(order) / 4 * PAGE_SIZE);
	for (int i = 0; i < ARRAY_SIZE(order); i++)
		dmabuf_store(self->vcpu, DMABUF_GPA + i * PAGE_SIZE + i * 8, i + 1);
	for (int i = 0; i < ARRAY_SIZE(order); i++)
		EXPECT_EQ(i + 1, ((u64 *)buf.mem)[i]);
	dmabuf_free(&buf);
}

/* A page of 1G takes long to clear, so there are few tests of them. */
TEST_F(blocks, maps_1g)
{
	struct dmabuf_levels levels;
	struct dmabuf buf;

	if (!dmabuf_hugepages(SZ_1G, 1))
		SKIP(return, "no free huge page of 1G");
	if (!kvm_is_tdp_enabled())
		SKIP(return, "shadow pages are not larger than the guest's own, which are 2M");

	dmabuf_create(&buf, SZ_1G, DMABUF_1G);
	dmabuf_fill(buf.mem + SZ_512M, SZ_4M, SZ_512M, SEED);
	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_1G);
	EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_512M, SZ_4M, SZ_512M, SEED);
	WRITE(self->vcpu, DMABUF_GPA, SZ_1M, 0, SEED);
	WRITE(self->vcpu, DMABUF_GPA + SZ_1G - SZ_1M, SZ_1M, SZ_1G - SZ_1M, SEED);
	EXPECT_HOST(buf.map, SZ_1M, 0, SEED);
	EXPECT_HOST(buf.mem + SZ_1G - SZ_1M, SZ_1M, SZ_1G - SZ_1M, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(0, levels.p4k);
	EXPECT_EQ(0, levels.p2m);
	EXPECT_EQ(1, levels.p1g);
	dmabuf_free(&buf);
}

TEST_F(blocks, maps_2m_of_1g)
{
	struct dmabuf_levels levels;
	struct dmabuf buf;

	if (!dmabuf_hugepages(SZ_1G, 1))
		SKIP(return, "no free huge page of 1G");

	dmabuf_create(&buf, SZ_1G, DMABUF_1G);
	dmabuf_fill(buf.map, SZ_4M, 0, SEED);
	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA + SZ_2M, 0, SZ_1G - SZ_2M);
	EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_2M, SZ_4M, 0, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(0, levels.p4k);
	EXPECT_EQ(2, levels.p2m);
	EXPECT_EQ(0, levels.p1g);
	dmabuf_free(&buf);
}

/*
 * The run goes on far beyond the block on either side, so that nothing but the
 * lowest bits of gfn and pfn speaks against a large page. With CONFIG_DMABUF_DEBUG each fault
 * looks at all pages of the extent, hence no more than a block in each slot.
 */
TEST_F(blocks, misaligned_inside_1g)
{
	struct dmabuf_levels levels;
	struct dmabuf buf;

	if (!dmabuf_hugepages(SZ_1G, 1))
		SKIP(return, "no free huge page of 1G");

	dmabuf_create(&buf, SZ_1G, DMABUF_1G);
	dmabuf_fill(buf.map, SZ_16M, 0, SEED);
	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, PAGE_SIZE, SZ_2M);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_16M, SZ_1M, SZ_2M);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, PAGE_SIZE, SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_16M, SZ_2M, SZ_1M, SEED);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(SZ_4M / PAGE_SIZE, levels.p4k);
	EXPECT_EQ(0, levels.p2m);
	EXPECT_EQ(0, levels.p1g);
	dmabuf_free(&buf);
}

/* Everything for which the shape of the buffer does not matter. */
FIXTURE(access)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_SETUP(access)
{
	dmabuf_create(&self->buf, SZ_2M, 0);
	fill_zero(&self->buf);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
}

FIXTURE_TEARDOWN(access)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

static void add_slot_hva(struct kvm_vm *vm, struct dmabuf *buf, u32 flags, void *hva)
{
	struct kvm_userspace_memory_region2 region;

	region = dmabuf_region(buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size, hva);
	region.flags |= flags;
	dmabuf_set_slot(vm, &region);
}

/* Run the vCPU up to an access of 8 bytes that KVM leaves to the VMM. */
static bool run_to_mmio(struct kvm_vcpu *vcpu, u64 gpa, bool write, u64 data)
{
	struct kvm_run *run = vcpu->run;

	vcpu_run(vcpu);
	if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != gpa ||
	    run->mmio.len != 8 || run->mmio.is_write != write) {
		ksft_print_msg("expected an MMIO exit at 0x%lx, got %s at 0x%llx\n", gpa,
			       exit_reason_str(run->exit_reason), run->mmio.phys_addr);
		return false;
	}

	if (write)
		return !memcmp(run->mmio.data, &data, sizeof(data));
	memcpy(run->mmio.data, &data, sizeof(data));
	return true;
}

static bool load_exits(struct kvm_vcpu *vcpu, u64 gpa)
{
	u64 data = 0x1122334455667788ULL;

	dmabuf_order_load(vcpu, gpa);
	return run_to_mmio(vcpu, gpa, false, data) && dmabuf_finish(vcpu) == data;
}

static bool store_exits(struct kvm_vcpu *vcpu, u64 gpa, u64 data)
{
	dmabuf_order_store(vcpu, gpa, data);
	if (!run_to_mmio(vcpu, gpa, true, data))
		return false;
	dmabuf_finish(vcpu);
	return true;
}

TEST_F(access, hole_between_slices)
{
	struct dmabuf *buf = &self->buf;
	u64 hole = 10 * PAGE_SIZE, second = 13 * PAGE_SIZE;

	dmabuf_fill(buf->mem, buf->size, 0, SEED);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, hole);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT + 1, DMABUF_GPA + second, second,
			hole);

	EXPECT_READ(self->vcpu, DMABUF_GPA, hole, 0, SEED);
	EXPECT_TRUE(load_exits(self->vcpu, DMABUF_GPA + hole));
	EXPECT_TRUE(store_exits(self->vcpu, DMABUF_GPA + second - 8, 0xabcdefULL));
	EXPECT_READ(self->vcpu, DMABUF_GPA + second, hole, second, SEED);
	EXPECT_TRUE(load_exits(self->vcpu, DMABUF_GPA + second + hole));

	/* Nobody wrote to what the hole leaves out. */
	EXPECT_HOST(buf->mem, buf->size, 0, SEED);
}

TEST_F(access, slice_in_two_slots)
{
	struct dmabuf *buf = &self->buf;

	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT, DMABUF_GPA, SZ_1M, SZ_1M);
	dmabuf_add_slot(self->vm, buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_4M + PAGE_SIZE,
			SZ_1M, SZ_1M);
	WRITE(self->vcpu, DMABUF_GPA, SZ_1M, 0, SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_4M + PAGE_SIZE, SZ_1M, 0, SEED);
	WRITE(self->vcpu, DMABUF_GPA + SZ_4M + PAGE_SIZE, SZ_1M, 0, ~SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_1M, 0, ~SEED);
}

TEST_F(access, slices_in_reverse_order)
{
	struct dmabuf *buf = &self->buf;
	int nr = 32;

	dmabuf_fill(buf->mem, buf->size, 0, SEED);
	for (int i = 0; i < nr; i++)
		dmabuf_add_slot(self->vm, buf, DMABUF_SLOT + i, DMABUF_GPA + i * SZ_64K,
				(nr - 1 - i) * SZ_64K, SZ_64K);
	for (int i = 0; i < nr; i++)
		EXPECT_READ(self->vcpu, DMABUF_GPA + i * SZ_64K, SZ_64K,
			    (nr - 1 - i) * SZ_64K, SEED);
}

TEST_F(access, two_buffers)
{
	struct dmabuf other;

	dmabuf_create(&other, SZ_1M, 0);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	dmabuf_add_slot(self->vm, &other, DMABUF_SLOT + 1, DMABUF_GPA + SZ_2M, 0, SZ_1M);
	WRITE(self->vcpu, DMABUF_GPA, SZ_2M + SZ_1M, 0, SEED);
	EXPECT_HOST(self->buf.mem, SZ_2M, 0, SEED);
	EXPECT_HOST(other.mem, SZ_1M, SZ_2M, SEED);
	dmabuf_free(&other);
}

TEST_F(access, as_many_items_as_allowed)
{
	struct dmabuf buf;

	dmabuf_create_4k(&buf, SZ_4M);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_4M);
	WRITE(self->vcpu, DMABUF_GPA, SZ_4M, 0, SEED);
	for (int i = 0; i < SZ_4M / PAGE_SIZE; i++)
		ASSERT_EQ(DMABUF_OK, dmabuf_check(memfd_page(&buf, i, true), PAGE_SIZE,
						  i * PAGE_SIZE, SEED));
	dmabuf_free(&buf);
}

/* Read-only slots: with a host mapping, and without. */
FIXTURE(readonly)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(readonly)
{
	bool hva;
};

FIXTURE_VARIANT_ADD(readonly, with_hva) {
	.hva = true,
};

FIXTURE_VARIANT_ADD(readonly, without_hva) {
};

FIXTURE_SETUP(readonly)
{
	dmabuf_create(&self->buf, SZ_2M, 0);
	dmabuf_fill(self->buf.mem, SZ_2M, 0, SEED);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	add_slot_hva(self->vm, &self->buf, KVM_MEM_READONLY,
		     variant->hva ? self->buf.mem : NULL);
}

FIXTURE_TEARDOWN(readonly)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

TEST_F(readonly, reads_work)
{
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	dmabuf_fill(self->buf.mem, SZ_2M, 0, ~SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, ~SEED);
}

TEST_F(readonly, write_exits)
{
	EXPECT_TRUE(store_exits(self->vcpu, DMABUF_GPA + 0x1008, 0x123456789ULL));
	EXPECT_HOST(self->buf.mem, SZ_2M, 0, SEED);
	EXPECT_EQ(0, *(u64 *)(self->buf.mem + 0x1008));
}

TEST_F(readonly, write_exits_after_read)
{
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	for (int i = 0; i < 8; i++) {
		EXPECT_TRUE(store_exits(self->vcpu, DMABUF_GPA + i * PAGE_SIZE, ~0ULL - i));
		EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	}
	EXPECT_HOST(self->buf.mem, SZ_2M, 0, SEED);
}

TEST_F(readonly, beside_a_writable_slot)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_4M, 0, SZ_2M);
	WRITE(self->vcpu, DMABUF_GPA + SZ_4M, SZ_2M, 0, ~SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_2M, 0, ~SEED);
	EXPECT_TRUE(store_exits(self->vcpu, DMABUF_GPA, 1ULL));
	EXPECT_READ(self->vcpu, DMABUF_GPA + SZ_4M, SZ_2M, 0, ~SEED);
}

/* "mov $value, %eax; ret", and "movabs $gva, %rax; mov (%rax), %rax; ret" */
static void put_return(void *mem, u32 value)
{
	u8 code[] = { 0xb8, value, value >> 8, value >> 16, value >> 24, 0xc3 };

	memcpy(mem, code, sizeof(code));
}

static void put_load(void *mem, u64 gva)
{
	u8 code[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x8b, 0x00, 0xc3 };

	memcpy(code + 2, &gva, sizeof(gva));
	memcpy(mem, code, sizeof(code));
}

TEST_F(access, execute)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	for (int i = 0; i < 4; i++) {
		u64 at = i * SZ_64K + i * 0x10;

		put_return(self->buf.mem + at, 1000 + i);
		EXPECT_EQ(1000 + i, dmabuf_guest(self->vcpu, DMABUF_OP_CALL, DMABUF_GPA + at,
						 0, 0, 0));
		put_return(self->buf.mem + at, 2000 + i);
		EXPECT_EQ(2000 + i, dmabuf_guest(self->vcpu, DMABUF_OP_CALL, DMABUF_GPA + at,
						 0, 0, 0));
	}
}

TEST_F(access, execute_readonly)
{
	add_slot_hva(self->vm, &self->buf, KVM_MEM_READONLY, NULL);
	put_return(self->buf.mem, 42);
	EXPECT_EQ(42, dmabuf_guest(self->vcpu, DMABUF_OP_CALL, DMABUF_GPA, 0, 0, 0));
}

/* KVM may have to read the instruction: through the host mapping. */
TEST_F(access, mmio_by_code_in_buffer)
{
	add_slot_hva(self->vm, &self->buf, 0, self->buf.mem);
	put_load(self->buf.mem, DMABUF_GPA + SZ_4M);
	dmabuf_order(self->vcpu, DMABUF_OP_CALL, DMABUF_GPA, 0, 0, 0, 0);
	ASSERT_TRUE(run_to_mmio(self->vcpu, DMABUF_GPA + SZ_4M, false, 4711));
	EXPECT_EQ(4711, dmabuf_finish(self->vcpu));
}

/*
 * Where KVM would read and write if it took the 0 for an address. The slot is at
 * DMABUF_GPA and has no host mapping.
 */
#define LOW		SZ_1M

static u8 *low_memory(void)
{
	return mmap((void *)LOW, PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

/*
 * Without a host mapping that fails, unless the CPU supplies the instruction. The
 * one that the VMM happens to have there is not it.
 */
TEST_F(access, mmio_by_code_in_buffer_without_hva)
{
	/* mov 8(%rax), %rax, where the load of put_load() is */
	const u8 decoy[] = { 0x48, 0x8b, 0x40, 8, 0xc3 };
	struct kvm_run *run = self->vcpu->run;
	u8 *low = low_memory();

	ASSERT_EQ((u8 *)LOW, low);
	add_slot_hva(self->vm, &self->buf, 0, NULL);
	put_load(self->buf.mem + LOW, DMABUF_GPA + SZ_4M);
	memcpy(low + 10, decoy, sizeof(decoy));
	dmabuf_order(self->vcpu, DMABUF_OP_CALL, DMABUF_GPA + LOW, 0, 0, 0, 0);
	vcpu_run(self->vcpu);
	if (run->exit_reason != KVM_EXIT_INTERNAL_ERROR) {
		EXPECT_EQ(KVM_EXIT_MMIO, run->exit_reason);
		EXPECT_EQ(DMABUF_GPA + SZ_4M, run->mmio.phys_addr);
	}
	munmap(low, PAGE_SIZE);
}

static bool is_zero(const u8 *mem, u64 size)
{
	while (size--)
		if (mem[size])
			return false;
	return true;
}

/* The wall clock is written by KVM itself, when the MSR is. */
TEST_F(access, in_kernel_write)
{
	add_slot_hva(self->vm, &self->buf, 0, self->buf.mem);
	vcpu_set_msr(self->vcpu, MSR_KVM_WALL_CLOCK_NEW, DMABUF_GPA + PAGE_SIZE);
	EXPECT_FALSE(is_zero(self->buf.mem + PAGE_SIZE, PAGE_SIZE));
	EXPECT_NE(0, dmabuf_load(self->vcpu, DMABUF_GPA + PAGE_SIZE));
}

TEST_F(access, in_kernel_write_without_hva)
{
	u8 *low = low_memory();

	ASSERT_EQ((u8 *)LOW, low);
	add_slot_hva(self->vm, &self->buf, 0, NULL);
	vcpu_set_msr(self->vcpu, MSR_KVM_WALL_CLOCK_NEW, DMABUF_GPA + LOW);
	EXPECT_TRUE(is_zero(low, PAGE_SIZE));
	EXPECT_TRUE(is_zero(self->buf.mem, SZ_2M));
	WRITE(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	EXPECT_HOST(self->buf.mem, SZ_2M, 0, SEED);
}

TEST_F(access, in_kernel_write_to_readonly_slot)
{
	add_slot_hva(self->vm, &self->buf, KVM_MEM_READONLY, self->buf.mem);
	vcpu_set_msr(self->vcpu, MSR_KVM_WALL_CLOCK_NEW, DMABUF_GPA + PAGE_SIZE);
	EXPECT_TRUE(is_zero(self->buf.mem, SZ_2M));
}

/* A page that KVM keeps mapped (a gfn_to_pfn_cache). */
TEST_F(access, in_kernel_cache)
{
	add_slot_hva(self->vm, &self->buf, 0, self->buf.mem);
	vcpu_set_msr(self->vcpu, MSR_KVM_SYSTEM_TIME_NEW, (DMABUF_GPA + PAGE_SIZE) | 1);
	dmabuf_load(self->vcpu, DMABUF_GPA);
	EXPECT_FALSE(is_zero(self->buf.mem + PAGE_SIZE, PAGE_SIZE));
}

TEST_F(access, in_kernel_cache_without_hva)
{
	u8 *low = low_memory();

	ASSERT_EQ((u8 *)LOW, low);
	add_slot_hva(self->vm, &self->buf, 0, NULL);
	vcpu_set_msr(self->vcpu, MSR_KVM_SYSTEM_TIME_NEW, (DMABUF_GPA + LOW) | 1);
	dmabuf_load(self->vcpu, DMABUF_GPA);
	EXPECT_TRUE(is_zero(low, PAGE_SIZE));
	EXPECT_TRUE(is_zero(self->buf.mem, SZ_2M));
	WRITE(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	EXPECT_HOST(self->buf.mem, SZ_2M, 0, SEED);
}

/* The entry of the guest's page directory that covers @gva. */
static u64 *guest_pde(struct kvm_vm *vm, u64 gva)
{
	u64 *table = addr_gpa2hva(vm, vm->mmu.pgd);

	for (int level = vm->mmu.pgtable_levels; level > PG_LEVEL_2M; level--) {
		u64 pte = table[(gva >> PG_LEVEL_SHIFT(level)) & 511];

		table = addr_gpa2hva(vm, pte & PHYSICAL_PAGE_MASK);
	}
	return &table[(gva >> PG_LEVEL_SHIFT(PG_LEVEL_2M)) & 511];
}

/* Page 0 of the buffer becomes a page table; page @i is mapped at gva + i * 4K. */
#define PT_GVA		(DMABUF_GPA + SZ_1G)
#define PT_FLAGS	(PTE_PRESENT_MASK(&vm->mmu) | PTE_WRITABLE_MASK(&vm->mmu))

static u64 *page_table_in_buffer(struct kvm_vm *vm, struct dmabuf *buf)
{
	u64 *pt = (u64 *)buf->mem;

	for (int i = 0; i < 512; i++)
		pt[i] = (DMABUF_GPA + i * PAGE_SIZE) | PT_FLAGS;
	*guest_pde(vm, PT_GVA) = DMABUF_GPA | PT_FLAGS;
	return pt;
}

TEST_F(access, guest_page_table)
{
	u64 rest = SZ_2M - PAGE_SIZE;

	add_slot_hva(self->vm, &self->buf, 0, self->buf.mem);
	page_table_in_buffer(self->vm, &self->buf);
	WRITE(self->vcpu, PT_GVA + PAGE_SIZE, rest, 0, SEED);
	EXPECT_HOST(self->buf.mem + PAGE_SIZE, rest, 0, SEED);
	EXPECT_READ(self->vcpu, DMABUF_GPA + PAGE_SIZE, rest, 0, SEED);
}

/* The guest changes the table: write protection, emulation, shadow pages. */
TEST_F(access, guest_page_table_changes)
{
	struct kvm_vm *vm = self->vm;

	add_slot_hva(self->vm, &self->buf, 0, self->buf.mem);
	page_table_in_buffer(self->vm, &self->buf);
	for (int i = 1; i < 512; i++)
		*(u64 *)(self->buf.mem + i * PAGE_SIZE) = i;

	EXPECT_EQ(7, dmabuf_load(self->vcpu, PT_GVA + 7 * PAGE_SIZE));
	for (int i = 8; i < 24; i++) {
		dmabuf_store(self->vcpu, DMABUF_GPA + 7 * 8,
			     (DMABUF_GPA + i * PAGE_SIZE) | PT_FLAGS);
		dmabuf_guest(self->vcpu, DMABUF_OP_INVLPG, PT_GVA + 7 * PAGE_SIZE, 0, 0, 0);
		EXPECT_EQ(i, dmabuf_load(self->vcpu, PT_GVA + 7 * PAGE_SIZE));
		dmabuf_store(self->vcpu, PT_GVA + 7 * PAGE_SIZE, i);
	}
}

/* Is the page behind @mem, which is mapped for reading, dirty? */
static int page_is_dirty(const volatile u8 *mem)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	int kpageflags = open("/proc/kpageflags", O_RDONLY);
	u64 entry = 0, flags = 0;
	int ret = -1;

	(void)*mem;
	if (pagemap >= 0 && kpageflags >= 0 &&
	    pread(pagemap, &entry, 8, (u64)mem / PAGE_SIZE * 8) == 8 && entry >> 63 &&
	    pread(kpageflags, &flags, 8, (entry & (BIT_ULL(55) - 1)) * 8) == 8)
		ret = !!(flags & BIT_ULL(4));
	close(pagemap);
	close(kpageflags);
	return ret;
}

/* Pages that nobody but the guest has ever written to. */
TEST_F(access, guest_writes_make_pages_dirty)
{
	struct dmabuf buf;
	u8 *mem;

	dmabuf_create(&buf, SZ_2M, 0);
	dmabuf_close_fd(&self->buf);
	mem = kvm_mmap(SZ_2M, PROT_READ, MAP_SHARED, buf.memfd);
	if (page_is_dirty(mem) < 0)
		SKIP(goto out, "no /proc/kpageflags (CONFIG_PROC_PAGE_MONITOR)");
	ASSERT_EQ(0, page_is_dirty(mem + 5 * PAGE_SIZE));

	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	dmabuf_store(self->vcpu, DMABUF_GPA + 5 * PAGE_SIZE, SEED);
	EXPECT_EQ(1, page_is_dirty(mem + 5 * PAGE_SIZE));
	EXPECT_EQ(0, page_is_dirty(mem + 6 * PAGE_SIZE));
out:
	dmabuf_free(&buf);
}

TEST_F(access, guest_reads_leave_pages_clean)
{
	struct kvm_userspace_memory_region2 region;
	struct dmabuf buf;
	u8 *mem;

	dmabuf_create(&buf, SZ_2M, 0);
	mem = kvm_mmap(SZ_2M, PROT_READ, MAP_SHARED, buf.memfd);
	if (page_is_dirty(mem) < 0)
		SKIP(goto out, "no /proc/kpageflags (CONFIG_PROC_PAGE_MONITOR)");

	region = dmabuf_region(&buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M, NULL);
	region.flags |= KVM_MEM_READONLY;
	dmabuf_set_slot(self->vm, &region);
	dmabuf_guest(self->vcpu, DMABUF_OP_TOUCH, DMABUF_GPA, SZ_2M, 0, 0);
	for (int i = 0; i < 512; i += 73)
		EXPECT_EQ(0, page_is_dirty(mem + i * PAGE_SIZE));
out:
	dmabuf_free(&buf);
}

TEST_F(access, writes_outlive_the_buffer)
{
	u8 *mem = kvm_mmap(SZ_2M, PROT_READ, MAP_SHARED, self->buf.memfd);

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	WRITE(self->vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_free(&self->buf);
	ASSERT_TRUE(dmabuf_wait_gone(self->buf.ino));
	EXPECT_HOST(mem, SZ_2M, 0, SEED);
}

/* Private memory is not what a dma-buf slot is made of. */
TEST_F(access, private_access_exits)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM)))
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	vm = dmabuf_vm_create_type(1, &vcpu, KVM_X86_SW_PROTECTED_VM);
	dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	WRITE(vcpu, DMABUF_GPA, SZ_2M, 0, SEED);
	EXPECT_HOST(self->buf.mem, SZ_2M, 0, SEED);

	vm_mem_set_private(vm, DMABUF_GPA + PAGE_SIZE, PAGE_SIZE);
	EXPECT_READ(vcpu, DMABUF_GPA, PAGE_SIZE, 0, SEED);
	dmabuf_order_load(vcpu, DMABUF_GPA + PAGE_SIZE);
	EXPECT_EQ(-1, _vcpu_run(vcpu));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
	EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, vcpu->run->exit_reason);
	EXPECT_EQ(KVM_MEMORY_EXIT_FLAG_PRIVATE, vcpu->run->memory_fault.flags);
	EXPECT_EQ(DMABUF_GPA + PAGE_SIZE, vcpu->run->memory_fault.gpa);

	vm_mem_set_shared(vm, DMABUF_GPA + PAGE_SIZE, PAGE_SIZE);
	EXPECT_EQ(dmabuf_word(SEED, PAGE_SIZE), dmabuf_finish(vcpu));
	kvm_vm_free(vm);
}

TEST_HARNESS_MAIN
