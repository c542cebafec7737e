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
 * Then there is what an exporter does, or has done to it:
 *
 *   attach    Creation and deletion of a memslot of one page.
 *   revoke    DMA_BUF_TEST_OP_REVOKE of a buffer that the guest has mapped. Of
 *             two sizes, as above. And of one that has a slot, but is not
 *             mapped: the same cost for any size.
 *   refault   As fault, after the buffer was moved.
 *
 * All memory is touched beforehand: clearing it is not counted. Neither is the
 * first block of a slot, for whose sake the upper page tables are allocated.
 * Each figure is the median of ROUNDS rounds that follow one for warming up. What
 * is short is done REPEAT times in each.
 *
 * The list of buffer "dmabuf.4k" has an item per page, in reverse order, so that
 * no extent is longer than a page. That of "dmabuf_memfd.4k" has one item, over
 * a memfd that consists of small folios.
 */
#include <linux/sizes.h>

#include "dmabuf_gmem.h"

#define WARM	SZ_2M		/* mapped, but not counted */
#define ROUNDS	5
#define REPEAT	32		/* of what is short, within a round */

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
	int gmem;
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
	mem->gmem = fd;
}

/* The same, by its dma-buf. */
static void create_gmem_dmabuf_4k(struct kvm_vm *vm, u64 size, struct memory *mem)
{
	create_guest_memfd_4k(vm, size, mem);
	gmem_export(&mem->buf, mem->gmem, 0, size, 0);
	mem->region.flags = KVM_MEM_DMABUF;
	mem->region.guest_memfd = 0;
	mem->region.dmabuf_fd = mem->buf.fd;
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
	{ "gmem_dmabuf.4k",	SZ_32M,		SZ_4K,	create_gmem_dmabuf_4k },
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
	if (mem->region.flags & KVM_MEM_DMABUF && mem->gmem)
		kvm_close(mem->buf.fd);
	if (mem->gmem)
		kvm_close(mem->gmem);
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

/* The median of some rounds. vm/bench.py reads what is printed. */
struct row {
	char name[64];
	u64 units;		/* pages, or what else the figure is about */
	s64 (*measure)(const struct row *row);
	struct kvm_vcpu *vcpu;
	const struct kind *kind;
	const struct memory *mem;
	enum figure figure;
	const struct dmabuf *buf;
	u64 size;
	u32 order;
};

static void measure_row(const struct row *row)
{
	s64 ticks[ROUNDS];
	int i;

	row->measure(row);
	for (i = 0; i < ROUNDS; i++)
		ticks[i] = row->measure(row);
	qsort(ticks, ROUNDS, sizeof(*ticks), cmp_s64);
	ksft_print_msg("row %s pages %lu ticks %ld min %ld max %ld\n", row->name, row->units,
		       ticks[ROUNDS / 2], ticks[0], ticks[ROUNDS - 1]);
}

static s64 measure_figure(const struct row *row)
{
	return measure(row->vcpu, row->kind, row->mem, row->figure);
}

static void set_guest_range(struct kvm_vm *vm, u64 size, u64 step)
{
	guest_size = size;
	guest_step = step;
	sync_global_to_guest(vm, guest_size);
	sync_global_to_guest(vm, guest_step);
}

static struct kvm_vcpu *create_vm(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);

	virt_map_level(vm, DMABUF_GPA, DMABUF_GPA, SZ_1G, PG_LEVEL_1G);
	return vcpu;
}

static void measure_kind(const struct kind *kind)
{
	struct memory mem = {};
	struct row row = {
		.units = (kind->size - WARM) / SZ_4K,
		.measure = measure_figure,
		.vcpu = create_vm(),
		.kind = kind,
		.mem = &mem,
	};
	struct kvm_vm *vm = row.vcpu->vm;

	kind->create(vm, kind->size, &mem);
	set_guest_range(vm, kind->size, kind->page);

	for (row.figure = 0; row.figure < NR_FIGURES; row.figure++) {
		snprintf(row.name, sizeof(row.name), "%s.%s", figure_names[row.figure], kind->name);
		measure_row(&row);
	}

	kvm_vm_free(vm);
	destroy(&mem);
	ksft_test_result_pass("%s\n", kind->name);
}

/* Negotiation, and what else a slot on a dma-buf costs. */
static s64 measure_slot(const struct row *row)
{
	u64 t = rdtsc();

	dmabuf_set_slot(row->vcpu->vm, &row->mem->region);
	dmabuf_delete_slot(row->vcpu->vm, DMABUF_SLOT);
	return rdtsc() - t;
}

static void measure_attach(void)
{
	struct memory dmabuf = {}, anon = {};
	struct kvm_vcpu *vcpu = create_vm();

	dmabuf_create_test(&dmabuf.buf, SZ_4K, 0, DMA_BUF_TEST_DYNAMIC);
	dmabuf.region = dmabuf_region(&dmabuf.buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_4K, NULL);
	create_anon(SZ_4K, MADV_NOHUGEPAGE, &anon);
	measure_row(&(struct row) { "attach.dmabuf", 1, measure_slot, vcpu, .mem = &dmabuf });
	measure_row(&(struct row) { "attach.anon", 1, measure_slot, vcpu, .mem = &anon });

	kvm_vm_free(vcpu->vm);
	destroy(&dmabuf);
	destroy(&anon);
	ksft_test_result_pass("attach\n");
}

/* The guest maps the first @size bytes, by the pages that it should. */
static void map_all(struct kvm_vcpu *vcpu, const struct dmabuf *buf, u64 size, u32 order)
{
	struct dmabuf_levels levels = dmabuf_levels(vcpu->vm);
	u64 nr = size >> (PAGE_SHIFT + order);

	prefault(vcpu, 0, size);
	levels = dmabuf_levels_since(vcpu->vm, levels);
	TEST_ASSERT((order ? levels.p2m : levels.p4k) == nr && levels.p2m + levels.p4k == nr,
		    "mapped by %lu pages of 4K and %lu of 2M", levels.p4k, levels.p2m);
}

static u64 time_revoke(const struct dmabuf *buf)
{
	u64 t = rdtsc();

	dmabuf_revoke(buf);
	t = rdtsc() - t;
	dmabuf_unrevoke(buf);
	return t;
}

static s64 measure_revoke(const struct row *row)
{
	int repeat = row->order ? REPEAT : 1;
	s64 t[2] = {};

	for (int i = 0; i < 2 * repeat; i++) {
		map_all(row->vcpu, row->buf, i % 2 ? row->size : WARM, row->order);
		t[i % 2] += time_revoke(row->buf);
	}
	return (t[1] - t[0]) / repeat;
}

/*
 * A buffer with a slot that nobody has mapped. Not user space either: the exporter
 * zaps its VMAs, which costs more or less by the address that they happen to have.
 */
static void create_unmapped(struct kvm_vm *vm, struct dmabuf *buf, u64 size, u32 order)
{
	dmabuf_create_test(buf, size, order, DMA_BUF_TEST_DYNAMIC);
	kvm_munmap(buf->map, size);
	dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
}

static s64 measure_revoke_unmapped(const struct row *row)
{
	s64 t = 0;

	for (int i = 0; i < REPEAT; i++)
		t += time_revoke(row->buf);
	return t / REPEAT;
}

static void measure_unmapped(const char *name, u64 size)
{
	struct kvm_vcpu *vcpu = create_vm();
	struct dmabuf buf;
	struct row row = {
		.units = 1,
		.measure = measure_revoke_unmapped,
		.buf = &buf,
	};

	create_unmapped(vcpu->vm, &buf, size, 0);
	snprintf(row.name, sizeof(row.name), "revoke.unmapped.%s", name);
	measure_row(&row);

	kvm_vm_free(vcpu->vm);
	kvm_close(buf.fd);
	ksft_test_result_pass("%s\n", row.name);
}

/* The guest has mapped it, it moves, and the guest comes back. */
static s64 measure_refault(const struct row *row)
{
	struct kvm_vcpu *vcpu = row->vcpu;

	run_guest(vcpu, 0);
	run_guest(vcpu, 1);
	dmabuf_move(row->buf, 0, 0);
	run_guest(vcpu, 0);
	run_guest(vcpu, 1);
	sync_global_from_guest(vcpu->vm, guest_ticks);
	return guest_ticks;
}

static void measure_moves(const char *page, u32 order)
{
	const u64 size = SZ_64M, refault = SZ_32M, extent = SZ_4K << order;
	struct kvm_vcpu *vcpu = create_vm();
	struct dmabuf buf;
	struct row row = {
		.vcpu = vcpu,
		.buf = &buf,
		.size = size,
		.order = order,
	};

	create_unmapped(vcpu->vm, &buf, size, order);

	snprintf(row.name, sizeof(row.name), "revoke.%s", page);
	row.units = (size - WARM) / extent;
	row.measure = measure_revoke;
	measure_row(&row);

	set_guest_range(vcpu->vm, refault, extent);
	snprintf(row.name, sizeof(row.name), "refault.%s", page);
	row.units = (refault - WARM) / extent;
	row.measure = measure_refault;
	measure_row(&row);

	kvm_vm_free(vcpu->vm);
	kvm_close(buf.fd);
	ksft_test_result_pass("moves.%s\n", page);
}

int main(void)
{
	unsigned int i;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRE_FAULT);
	TEST_REQUIRE(dmabuf_exporter());
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_INIT_SHARED);

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(kinds) + 5);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		measure_kind(&kinds[i]);
	measure_attach();
	measure_unmapped("4k", SZ_4K);
	measure_unmapped("64m", SZ_64M);
	measure_moves("4k", 0);
	measure_moves("2m", DMABUF_ORDER_2M);
	ksft_finished();
}
