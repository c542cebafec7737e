// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a page of guest memory costs, by the kind of memory behind it.
 *
 * The unit is the tick of the TSC. That means something only where the TSC
 * counts instructions, i.e. under "qemu -icount shift=0"; anywhere else this
 * program runs, but its figures are noise.
 *
 * For each kind of memory there are three figures:
 *
 *   fault     The guest writes once to each page (or block). It reads the TSC
 *             before and after; a second pass over the same pages, which are
 *             mapped by then, is subtracted.
 *   prefault  One KVM_PRE_FAULT_MEMORY over the range, TSC read around it.
 *   delete    Deletion of the memslot. It has a large fixed part, so two slots
 *             are deleted and the difference counts.
 *
 * All memory is touched beforehand: clearing it is not counted. Neither is the
 * first block of a slot, for whose sake the upper page tables are allocated.
 * Each figure is the median of ROUNDS rounds that follow one for warming up.
 *
 * The list of buffer "dmabuf.4k" has an item per page, in reverse order, so that
 * no extent is longer than a page. That of "dmabuf_memfd.4k" has one item, over
 * a memfd that consists of small folios.
 */
#include <linux/sizes.h>

#include "dmabuf_util.h"

#define WARM	SZ_2M		/* mapped, but not counted */
#define ROUNDS	5

enum figure {
	FAULT,
	PREFAULT,
	DELETE,
	NR_FIGURES,
};

static const char * const figure_names[] = {
	[FAULT] = "fault",
	[PREFAULT] = "prefault",
	[DELETE] = "delete",
};

struct memory {
	struct kvm_userspace_memory_region2 region;
	struct dmabuf buf;	/* that the region or its mapping belongs to */
	void *map;		/* otherwise, a mapping */
	u64 map_size;
};

struct kind {
	const char *name;
	u64 size;
	u64 page;		/* that KVM must map it by */
	void (*create)(struct kvm_vm *vm, u64 size, struct memory *mem);
};

/* Shared with the guest. */
static u64 guest_size;
static u64 guest_step;
static u64 guest_ticks;

static void guest_touch(u64 start, u64 end, u64 step)
{
	u64 p;

	for (p = start; p < end; p += step)
		WRITE_ONCE(*(u64 *)p, p);
}

static void guest_code(void)
{
	for (;;) {
		u64 start = DMABUF_GPA + WARM;
		u64 end = DMABUF_GPA + READ_ONCE(guest_size);
		u64 step = READ_ONCE(guest_step);
		u64 t[3];

		/* The deletion of a slot unmaps code, stack and page tables, too. */
		WRITE_ONCE(guest_ticks, 0);
		guest_touch(DMABUF_GPA, start, step);
		GUEST_SYNC(0);

		t[0] = rdtsc();
		guest_touch(start, end, step);
		t[1] = rdtsc();
		guest_touch(start, end, step);
		t[2] = rdtsc();

		WRITE_ONCE(guest_ticks, (t[1] - t[0]) - (t[2] - t[1]));
		GUEST_SYNC(1);
	}
}

static void run_guest(struct kvm_vcpu *vcpu, u64 stage)
{
	struct ucall uc;

	vcpu_run(vcpu);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		TEST_ASSERT_EQ(uc.args[1], stage);
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		TEST_FAIL("unexpected exit %s", exit_reason_str(vcpu->run->exit_reason));
	}
}

static void create_dmabuf_4k(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	dmabuf_create_4k(&mem->buf, size);
	mem->region = dmabuf_region(&mem->buf, DMABUF_SLOT, DMABUF_GPA, 0, size, NULL);
}

static void create_dmabuf_memfd_4k(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	dmabuf_create(&mem->buf, size, 0);
	mem->region = dmabuf_region(&mem->buf, DMABUF_SLOT, DMABUF_GPA, 0, size, NULL);
}

static void create_dmabuf_2m(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	dmabuf_create(&mem->buf, size, DMABUF_2M);
	mem->region = dmabuf_region(&mem->buf, DMABUF_SLOT, DMABUF_GPA, 0, size, NULL);
}

static void create_mapping(void *hva, u64 size, struct memory *mem)
{
	memset(hva, 0xaa, size);
	mem->region = (struct kvm_userspace_memory_region2) {
		.slot = DMABUF_SLOT,
		.guest_phys_addr = DMABUF_GPA,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};
}

/* How a dma-buf becomes guest memory without the KVM mapping type. */
static void create_dmabuf_mmap_4k(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	dmabuf_create_4k(&mem->buf, size);
	create_mapping(mem->buf.map, size, mem);
}

static void create_guest_memfd_4k(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	int fd = vm_create_guest_memfd(vm, size, GUEST_MEMFD_FLAG_MMAP |
					GUEST_MEMFD_FLAG_INIT_SHARED);

	mem->map_size = size;
	mem->map = kvm_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	create_mapping(mem->map, size, mem);
	mem->region.flags = KVM_MEM_GUEST_MEMFD;
	mem->region.guest_memfd = fd;
}

static void create_anon(u64 size, int advice, struct memory *mem)
{
	void *hva;

	mem->map_size = size + SZ_2M;
	mem->map = kvm_mmap(mem->map_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
	hva = align_ptr_up(mem->map, SZ_2M);
	TEST_ASSERT(!madvise(hva, size, advice), "madvise() failed, errno %d", errno);
	create_mapping(hva, size, mem);
}

static void create_anon_4k(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	create_anon(size, MADV_NOHUGEPAGE, mem);
}

static void create_anon_2m(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	create_anon(size, MADV_HUGEPAGE, mem);
}

/* The lists with an item per page need udmabuf.list_limit=8192. */
static const struct kind kinds[] = {
	{ "guest_memfd.4k",	SZ_32M,		SZ_4K,	create_guest_memfd_4k },
	{ "anon.4k",		SZ_32M,		SZ_4K,	create_anon_4k },
	{ "dmabuf.4k",		SZ_32M,		SZ_4K,	create_dmabuf_4k },
	{ "dmabuf_memfd.4k",	SZ_32M,		SZ_4K,	create_dmabuf_memfd_4k },
	{ "dmabuf_mmap.4k",	SZ_32M,		SZ_4K,	create_dmabuf_mmap_4k },
	{ "anon.2m",		SZ_512M,	SZ_2M,	create_anon_2m },
	{ "dmabuf.2m",		SZ_512M,	SZ_2M,	create_dmabuf_2m },
};

static void destroy(struct memory *mem)
{
	dmabuf_free(&mem->buf);
	if (mem->map)
		kvm_munmap(mem->map, mem->map_size);
	if (mem->region.flags & KVM_MEM_GUEST_MEMFD)
		kvm_close(mem->region.guest_memfd);
}

/* A slot that shows the first @size bytes. */
static void add_slot(struct kvm_vm *vm, const struct memory *mem, u64 size)
{
	struct kvm_userspace_memory_region2 region = mem->region;

	region.memory_size = size;
	dmabuf_set_slot(vm, &region);
}

static u64 prefault(struct kvm_vcpu *vcpu, u64 start, u64 end)
{
	struct kvm_pre_fault_memory range = {
		.gpa = DMABUF_GPA + start,
		.size = end - start,
	};
	u64 t = rdtsc();

	vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range);
	t = rdtsc() - t;
	TEST_ASSERT(!range.size, "KVM_PRE_FAULT_MEMORY left 0x%llx bytes", range.size);
	return t;
}

static u64 delete(struct kvm_vcpu *vcpu, const struct memory *mem, u64 size)
{
	u64 t;

	add_slot(vcpu->vm, mem, size);
	prefault(vcpu, 0, size);
	t = rdtsc();
	dmabuf_delete_slot(vcpu->vm, DMABUF_SLOT);
	return rdtsc() - t;
}

static u64 map(struct kvm_vcpu *vcpu, const struct kind *kind, const struct memory *mem,
	       enum figure figure)
{
	u64 nr = (kind->size - WARM) / kind->page;
	struct kvm_vm *vm = vcpu->vm;
	struct dmabuf_levels levels;
	u64 t;

	add_slot(vm, mem, kind->size);
	if (figure == FAULT) {
		run_guest(vcpu, 0);
		levels = dmabuf_levels(vm);
		run_guest(vcpu, 1);
		sync_global_from_guest(vm, guest_ticks);
		t = guest_ticks;
	} else {
		prefault(vcpu, 0, WARM);
		levels = dmabuf_levels(vm);
		t = prefault(vcpu, WARM, kind->size);
	}

	/* A figure is worth nothing if the memory was mapped by other pages. */
	levels = dmabuf_levels_since(vm, levels);
	TEST_ASSERT(levels.p4k == (kind->page == SZ_4K ? nr : 0) &&
		    levels.p2m == (kind->page == SZ_2M ? nr : 0) && !levels.p1g,
		    "%s: mapped by %lu pages of 4K, %lu of 2M and %lu of 1G instead of %lu of %luK",
		    kind->name, levels.p4k, levels.p2m, levels.p1g, nr, kind->page / SZ_1K);

	dmabuf_delete_slot(vm, DMABUF_SLOT);
	return t;
}

static u64 measure(struct kvm_vcpu *vcpu, const struct kind *kind, const struct memory *mem,
		   enum figure figure)
{
	if (figure == DELETE)
		return delete(vcpu, mem, kind->size) - delete(vcpu, mem, WARM);
	return map(vcpu, kind, mem, figure);
}

static int cmp_s64(const void *a, const void *b)
{
	s64 x = *(const s64 *)a, y = *(const s64 *)b;

	return (x > y) - (x < y);
}

static void measure_kind(const struct kind *kind)
{
	struct memory mem = {};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int figure, i;

	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	virt_map_level(vm, DMABUF_GPA, DMABUF_GPA, SZ_1G, PG_LEVEL_1G);
	kind->create(vm, kind->size, &mem);

	guest_size = kind->size;
	guest_step = kind->page;
	sync_global_to_guest(vm, guest_size);
	sync_global_to_guest(vm, guest_step);

	for (figure = 0; figure < NR_FIGURES; figure++) {
		s64 ticks[ROUNDS];

		measure(vcpu, kind, &mem, figure);
		for (i = 0; i < ROUNDS; i++)
			ticks[i] = measure(vcpu, kind, &mem, figure);
		qsort(ticks, ROUNDS, sizeof(*ticks), cmp_s64);

		/* vm/bench.py reads this. */
		ksft_print_msg("row %s.%s pages %lu ticks %ld min %ld max %ld\n",
			       figure_names[figure], kind->name, (kind->size - WARM) / SZ_4K,
			       ticks[ROUNDS / 2], ticks[0], ticks[ROUNDS - 1]);
	}

	kvm_vm_free(vm);
	destroy(&mem);
	ksft_test_result_pass("%s\n", kind->name);
}

int main(void)
{
	unsigned int i;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRE_FAULT);
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_INIT_SHARED);

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(kinds));
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		measure_kind(&kinds[i]);
	ksft_finished();
}
