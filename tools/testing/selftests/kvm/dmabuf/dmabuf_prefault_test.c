// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY on dma-buf memslots: what it maps, what it costs the
 * exporter, and that the guest then does not fault any more.
 */
#include <pthread.h>

#include "kvm_test_harness.h"
#include "dmabuf_util.h"

#define SEED	0x70726566ULL

FIXTURE(prefault)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(prefault)
{
	u64 size;
	u64 page;		/* length of the runs */
	unsigned int memfd;	/* flags */
};

FIXTURE_VARIANT_ADD(prefault, items_4k) {
	.size = SZ_2M,
	.page = PAGE_SIZE,
};

FIXTURE_VARIANT_ADD(prefault, hugetlb_2m) {
	.size = SZ_8M,
	.page = SZ_2M,
	.memfd = DMABUF_2M,
};

FIXTURE_SETUP(prefault)
{
	if (variant->page > PAGE_SIZE &&
	    !dmabuf_hugepages(variant->page, variant->size / variant->page))
		SKIP(return, "not enough free huge pages of %lluM",
		     (unsigned long long)(variant->page / SZ_1M));

	if (variant->page == PAGE_SIZE)
		dmabuf_create_4k(&self->buf, variant->size);
	else
		dmabuf_create(&self->buf, variant->size, variant->memfd);
	dmabuf_fill(self->buf.map, SZ_2M, 0, SEED);
	self->vm = dmabuf_vm_create(2, self->vcpus);
	self->vcpu = self->vcpus[0];
}

FIXTURE_TEARDOWN(prefault)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

/* Returns the errno. EINTR comes from outside and means nothing here. */
static int prefault(struct kvm_vcpu *vcpu, struct kvm_pre_fault_memory *range)
{
	int r;

	do {
		r = __vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, range);
	} while (r && errno == EINTR);

	r = r ? errno : 0;
	errno = 0;
	return r;
}

static u64 fills(const struct dmabuf *buf)
{
	struct dmabuf_info info;

	return dmabuf_info(buf->ino, &info) ? info.fills : 0;
}

#define ASSERT_PREFAULT(_vcpu, _gpa, _size)				\
do {									\
	struct kvm_pre_fault_memory __range = {				\
		.gpa = (_gpa),						\
		.size = (_size),					\
	};								\
	u64 end = __range.gpa + __range.size;				\
									\
	ASSERT_EQ(0, prefault(_vcpu, &__range));				\
	ASSERT_EQ(0, __range.size);					\
	ASSERT_EQ(end, __range.gpa);					\
} while (0)

#define ASSERT_PREFAULT_ERR(_err, _vcpu, _gpa, _size, _flags)		\
do {									\
	struct kvm_pre_fault_memory __range = {				\
		.gpa = (_gpa),						\
		.size = (_size),					\
		.flags = (_flags),					\
	}, was = __range;							\
									\
	ASSERT_EQ(_err, prefault(_vcpu, &__range));			\
	ASSERT_EQ(0, memcmp(&__range, &was, sizeof(__range)));		\
} while (0)

/* One question for each entry, and none when the guest comes. */
TEST_F(prefault, whole_slot)
{
	u64 leaves = variant->size / variant->page;
	struct dmabuf_levels levels;

	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, variant->size);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, variant->size);
	EXPECT_EQ(leaves, fills(&self->buf));

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(variant->page == PAGE_SIZE ? leaves : 0, levels.p4k);
	EXPECT_EQ(variant->page == SZ_2M ? leaves : 0, levels.p2m);
	EXPECT_EQ(0, levels.p1g);

	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_2M,
					  0, SEED));
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, variant->size,
		     0, ~SEED);
	EXPECT_EQ(leaves, fills(&self->buf));
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, SZ_2M, 0, ~SEED));
}

TEST_F(prefault, part_of_slot)
{
	struct dmabuf_levels levels;

	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, variant->size);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA + SZ_64K, SZ_64K);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(variant->page == PAGE_SIZE ? 16 : 0, levels.p4k);
	EXPECT_EQ(variant->page == PAGE_SIZE ? 0 : 1, levels.p2m);

	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_2M,
					  0, SEED));
	EXPECT_EQ(variant->page == PAGE_SIZE ? 512 : 1, fills(&self->buf));
}

TEST_F(prefault, across_blocks)
{
	u64 edge = SZ_1M;

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA + edge - PAGE_SIZE, 2 * PAGE_SIZE);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ,
					  DMABUF_GPA + edge - PAGE_SIZE, 2 * PAGE_SIZE,
					  edge - PAGE_SIZE, SEED));
}

TEST_F(prefault, misaligned)
{
	struct dmabuf_levels levels;
	u64 size = SZ_2M - PAGE_SIZE;

	levels = dmabuf_levels(self->vm);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA + PAGE_SIZE, 0, size);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA + PAGE_SIZE, size);

	levels = dmabuf_levels_since(self->vm, levels);
	EXPECT_EQ(size / PAGE_SIZE, levels.p4k);
	EXPECT_EQ(size / PAGE_SIZE, fills(&self->buf));
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA + PAGE_SIZE,
					  size, 0, SEED));
	EXPECT_EQ(size / PAGE_SIZE, fills(&self->buf));
}

/* Again is harmless: the entry that is there stays. */
TEST_F(prefault, twice)
{
	struct dmabuf_levels first, second;

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_2M);
	first = dmabuf_levels(self->vm);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_2M);
	ASSERT_PREFAULT(self->vcpus[1], DMABUF_GPA, SZ_2M);
	second = dmabuf_levels(self->vm);
	EXPECT_EQ(0, memcmp(&first, &second, sizeof(first)));
}

TEST_F(prefault, after_guest_access)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SZ_2M, 0, ~SEED);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_2M);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_2M,
					  0, ~SEED));
}

/* Progress is reported up to the end of the slot, then there is nothing. */
TEST_F(prefault, beyond_the_slot)
{
	struct kvm_pre_fault_memory range = {
		.gpa = DMABUF_GPA + SZ_1M,
		.size = SZ_1M + 2 * PAGE_SIZE,
	};

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	ASSERT_EQ(0, prefault(self->vcpu, &range));
	EXPECT_EQ(2 * PAGE_SIZE, range.size);
	EXPECT_EQ(DMABUF_GPA + SZ_2M, range.gpa);
	ASSERT_PREFAULT_ERR(ENOENT, self->vcpu, range.gpa, range.size, 0);
}

TEST_F(prefault, two_slots)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, SZ_1M, SZ_1M);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_1M, 0, SZ_1M);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_2M);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_1M,
					  SZ_1M, SEED));
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA + SZ_1M,
					  SZ_1M, 0, SEED));
}

TEST_F(prefault, hva_of_other_memory)
{
	struct kvm_userspace_memory_region2 region;
	void *other = kvm_mmap(SZ_2M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memset(other, 0x5a, SZ_2M);
	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M, other);
	dmabuf_set_slot(self->vm, &region);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_2M);
	kvm_munmap(other, SZ_2M);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_2M,
					  0, SEED));
}

TEST_F(prefault, readonly_slot)
{
	struct kvm_userspace_memory_region2 region;
	struct kvm_run *run = self->vcpu->run;
	u64 asked;

	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M, NULL);
	region.flags |= KVM_MEM_READONLY;
	dmabuf_set_slot(self->vm, &region);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_2M);
	asked = fills(&self->buf);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_2M,
					  0, SEED));
	EXPECT_EQ(asked, fills(&self->buf));

	dmabuf_order_store(self->vcpu, DMABUF_GPA, 1);
	vcpu_run(self->vcpu);
	EXPECT_EQ(KVM_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, SZ_2M, 0, SEED));
}

TEST_F(prefault, slot_that_came_back)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_1M);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_1M);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	ASSERT_PREFAULT_ERR(ENOENT, self->vcpu, DMABUF_GPA, SZ_1M, 0);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, SZ_1M, SZ_1M);
	ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_1M);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_1M,
					  SZ_1M, SEED));
}

/* Both vCPUs at once. */
struct prefaulter {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	struct kvm_pre_fault_memory range;
	int err;
};

static void *prefault_thread(void *arg)
{
	struct prefaulter *p = arg;

	p->err = prefault(p->vcpu, &p->range);
	return NULL;
}

TEST_F(prefault, two_vcpus)
{
	struct prefaulter p[2];

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
	for (int i = 0; i < 2; i++) {
		p[i] = (struct prefaulter) {
			.vcpu = self->vcpus[i],
			.range = { .gpa = DMABUF_GPA, .size = SZ_2M },
		};
		kvm_pthread_create(&p[i].thread, NULL, prefault_thread, &p[i]);
	}
	for (int i = 0; i < 2; i++) {
		kvm_pthread_join(p[i].thread, NULL);
		EXPECT_EQ(0, p[i].err);
		EXPECT_EQ(0, p[i].range.size);
		EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpus[i], DMABUF_OP_READ, DMABUF_GPA,
						  SZ_2M, 0, SEED));
	}
}

/* The slot goes while it is being prefaulted, and comes back elsewhere. */
struct deleter {
	pthread_t thread;
	struct kvm_vm *vm;
	struct dmabuf *buf;
	int go;
};

static void *delete_thread(void *arg)
{
	struct deleter *d = arg;

	while (!__atomic_load_n(&d->go, __ATOMIC_ACQUIRE))
		;
	dmabuf_delete_slot(d->vm, DMABUF_SLOT);
	return NULL;
}

TEST_F(prefault, slot_deleted_meanwhile)
{
	struct deleter d = { .vm = self->vm, .buf = &self->buf };

	for (int i = 0; i < 20; i++) {
		struct kvm_pre_fault_memory range = {
			.gpa = DMABUF_GPA,
			.size = SZ_2M,
		};
		u64 left = range.size;
		int err;

		dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
		d.go = 0;
		kvm_pthread_create(&d.thread, NULL, delete_thread, &d);
		__atomic_store_n(&d.go, 1, __ATOMIC_RELEASE);

		/* All of it, a part of it, or none: EAGAIN while the slot goes, then ENOENT. */
		err = prefault(self->vcpu, &range);
		if (err)
			EXPECT_TRUE(err == EAGAIN || err == ENOENT)
				TH_LOG("error %d", err);
		EXPECT_EQ(!err, range.size < left);
		EXPECT_EQ(DMABUF_GPA + SZ_2M, range.gpa + range.size);

		kvm_pthread_join(d.thread, NULL);
		EXPECT_EQ(0, fills(&self->buf));
		dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, SZ_1M, SZ_1M);
		ASSERT_PREFAULT(self->vcpu, DMABUF_GPA, SZ_1M);
		EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_1M,
						  SZ_1M, SEED));
		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	}
}

/* A page of 1G takes long to clear, so there is one test of them. */
TEST(prefault_1g)
{
	struct kvm_vcpu *vcpu;
	struct dmabuf_levels levels;
	struct dmabuf buf;
	struct kvm_vm *vm;

	if (!dmabuf_hugepages(SZ_1G, 1))
		SKIP(return, "no free huge page of 1G");

	dmabuf_create(&buf, SZ_1G, DMABUF_1G);
	dmabuf_fill(buf.map, SZ_2M, 0, SEED);
	vm = dmabuf_vm_create(1, &vcpu);
	levels = dmabuf_levels(vm);
	dmabuf_add_slot(vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_1G);
	ASSERT_PREFAULT(vcpu, DMABUF_GPA, SZ_1G);
	EXPECT_EQ(1, fills(&buf));

	levels = dmabuf_levels_since(vm, levels);
	EXPECT_EQ(0, levels.p4k);
	EXPECT_EQ(0, levels.p2m);
	EXPECT_EQ(1, levels.p1g);
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(vcpu, DMABUF_OP_READ, DMABUF_GPA, SZ_2M, 0, SEED));
	EXPECT_EQ(1, fills(&buf));
	dmabuf_free(&buf);
	kvm_vm_free(vm);
}

/* What is refused, is refused for these slots too. */
FIXTURE(refuse)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(refuse)
{
	int err;
	u64 gpa, size, flags;
};

FIXTURE_VARIANT_ADD(refuse, gpa_misaligned) {
	.err = EINVAL,
	.gpa = 1,
	.size = PAGE_SIZE,
};

FIXTURE_VARIANT_ADD(refuse, size_misaligned) {
	.err = EINVAL,
	.size = PAGE_SIZE + 1,
};

FIXTURE_VARIANT_ADD(refuse, size_zero) {
	.err = EINVAL,
};

FIXTURE_VARIANT_ADD(refuse, flags) {
	.err = EINVAL,
	.size = PAGE_SIZE,
	.flags = 1,
};

FIXTURE_VARIANT_ADD(refuse, no_slot) {
	.err = ENOENT,
	.gpa = SZ_2M,
	.size = PAGE_SIZE,
};

FIXTURE_SETUP(refuse)
{
	dmabuf_create(&self->buf, SZ_2M, 0);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_2M);
}

FIXTURE_TEARDOWN(refuse)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

TEST_F(refuse, range)
{
	ASSERT_PREFAULT_ERR(variant->err, self->vcpu, DMABUF_GPA + variant->gpa,
			    variant->size, variant->flags);
	EXPECT_EQ(0, fills(&self->buf));
}

int main(int argc, char *argv[])
{
	__TEST_REQUIRE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRE_FAULT,
		       "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");
	return test_harness_run(argc, argv);
}
