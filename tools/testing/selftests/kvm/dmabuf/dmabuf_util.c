// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/dma-heap.h>

#include "dmabuf_util.h"

#define BUFINFO		"/sys/kernel/debug/dma_buf/bufinfo"
#define LEAK_CALLS	200
#define LEAK_TRIES	5
#define MAX_CACHES	512
#define MAX_VCPUS	8

/* Buffers */

bool dmabuf_hugepages(u64 size, u64 nr)
{
	char path[128];
	unsigned long free;
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%lukB/free_hugepages",
		 (unsigned long)(size / SZ_1K));
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%lu", &free) == 1 && free >= nr;
	fclose(f);
	return ok;
}

u64 dmabuf_ino(int fd)
{
	struct stat st;

	TEST_ASSERT(!fstat(fd, &st), "fstat() failed");
	return st.st_ino;
}

static void dmabuf_create_memfd(struct dmabuf *buf, u64 mem_size,
				unsigned int flags)
{
	buf->mem_size = mem_size;
	buf->memfd = memfd_create("dmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	TEST_ASSERT(buf->memfd >= 0, "memfd_create() failed, errno %d", errno);
	kvm_ftruncate(buf->memfd, mem_size);
	TEST_ASSERT(!fcntl(buf->memfd, F_ADD_SEALS, F_SEAL_SHRINK),
		    "F_SEAL_SHRINK failed, errno %d", errno);
	buf->mem = kvm_mmap(mem_size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->memfd);
}

static void dmabuf_export(struct dmabuf *buf, u64 size,
			  struct udmabuf_create_list *list)
{
	int dev = open_path_or_exit("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	list->flags = UDMABUF_FLAGS_CLOEXEC;
	buf->fd = ioctl(dev, UDMABUF_CREATE_LIST, list);
	TEST_ASSERT(buf->fd >= 0, "UDMABUF_CREATE_LIST of %u items failed, errno %d",
		    list->count, errno);
	close(dev);

	buf->ino = dmabuf_ino(buf->fd);
	buf->size = size;
	buf->map = kvm_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->fd);
}

static struct udmabuf_create_list *dmabuf_list_alloc(u32 nr)
{
	struct udmabuf_create_list *list;

	list = calloc(1, sizeof(*list) + nr * sizeof(list->list[0]));
	TEST_ASSERT(list, "out of memory");
	list->count = nr;
	return list;
}

void dmabuf_create(struct dmabuf *buf, u64 size, unsigned int memfd_flags)
{
	struct udmabuf_create_list *list = dmabuf_list_alloc(1);

	dmabuf_create_memfd(buf, size, memfd_flags);
	list->list[0].memfd = buf->memfd;
	list->list[0].size = size;
	dmabuf_export(buf, size, list);
	free(list);
}

void dmabuf_create_pages(struct dmabuf *buf, const u32 *order, u32 nr,
			 u64 mem_size, unsigned int memfd_flags)
{
	struct udmabuf_create_list *list = dmabuf_list_alloc(nr);

	dmabuf_create_memfd(buf, mem_size, memfd_flags);
	for (u32 i = 0; i < nr; i++) {
		list->list[i].memfd = buf->memfd;
		list->list[i].offset = (u64)order[i] * PAGE_SIZE;
		list->list[i].size = PAGE_SIZE;
	}
	dmabuf_export(buf, (u64)nr * PAGE_SIZE, list);
	free(list);
}

void dmabuf_create_4k(struct dmabuf *buf, u64 size)
{
	u32 nr = size / PAGE_SIZE;
	u32 *order = calloc(nr, sizeof(*order));

	for (u32 i = 0; i < nr; i++)
		order[i] = nr - 1 - i;
	dmabuf_create_pages(buf, order, nr, size, 0);
	free(order);
}

void dmabuf_close_fd(struct dmabuf *buf)
{
	if (buf->map) {
		kvm_munmap(buf->map, buf->size);
		kvm_close(buf->fd);
	}
	buf->map = NULL;
}

void dmabuf_close_memfd(struct dmabuf *buf)
{
	if (buf->mem) {
		kvm_munmap(buf->mem, buf->mem_size);
		kvm_close(buf->memfd);
	}
	buf->mem = NULL;
}

void dmabuf_free(struct dmabuf *buf)
{
	dmabuf_close_fd(buf);
	dmabuf_close_memfd(buf);
}

int dmabuf_create_heap(struct dmabuf *buf, const char *heap, u64 size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	char path[64];
	int fd, r;

	memset(buf, 0, sizeof(*buf));
	snprintf(path, sizeof(path), "/dev/dma_heap/%s", heap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data);
	TEST_ASSERT(!r, "cannot allocate from %s, errno %d", path, errno);
	kvm_close(fd);

	buf->fd = data.fd;
	buf->memfd = -1;
	buf->size = size;
	buf->map = kvm_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->fd);
	buf->ino = dmabuf_ino(buf->fd);
	return 0;
}

/* debugfs */

bool dmabuf_info(u64 ino, struct dmabuf_info *info)
{
	FILE *f = fopen(BUFINFO, "re");
	char line[512], dev[64], type[64];
	unsigned long long at, fills, extents;
	unsigned int refs;
	bool found = false, ours = false;
	int nr;

	TEST_ASSERT(f, "cannot open " BUFINFO ", errno %d; is debugfs mounted?", errno);
	memset(info, 0, sizeof(*info));

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*x %*x %u %*s %llu", &refs, &at) == 2) {
			ours = at == ino;
			if (ours) {
				found = true;
				info->refs = refs;
			}
			continue;
		}

		nr = sscanf(line, " %63s type %63s fills %llu extents %llu",
			    dev, type, &fills, &extents);
		if (!ours || nr < 2)
			continue;

		info->attachments++;
		if (!strcmp(type, "kvm")) {
			TEST_ASSERT(nr == 4 && !strcmp(dev, "-"),
				    "unexpected line in bufinfo: %s", line);
			info->kvm++;
			info->fills += fills;
			info->extents += extents;
		}
	}

	fclose(f);
	return found;
}

/* The last reference to a file goes by task work or from a worker. */
bool dmabuf_wait_gone(u64 ino)
{
	struct timespec start = {}, elapsed;
	struct dmabuf_info info;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (dmabuf_info(ino, &info)) {
		elapsed = timespec_elapsed(start);
		if (elapsed.tv_sec >= DMABUF_WAIT_S)
			return false;
		sched_yield();
	}
	return true;
}

/* Memslots */

struct kvm_userspace_memory_region2
dmabuf_region(const struct dmabuf *buf, u32 slot, gpa_t gpa, u64 offset,
	      u64 size, void *hva)
{
	return (struct kvm_userspace_memory_region2) {
		.slot = slot,
		.flags = KVM_MEM_DMABUF,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
		.dmabuf_fd = buf->fd,
		.dmabuf_offset = offset,
	};
}

int __dmabuf_set_slot(struct kvm_vm *vm,
		      const struct kvm_userspace_memory_region2 *region)
{
	return __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2, region);
}

void dmabuf_set_slot(struct kvm_vm *vm,
		     const struct kvm_userspace_memory_region2 *region)
{
	int r = __dmabuf_set_slot(vm, region);

	/* By value: TEST_ASSERT() turns EACCES into a skip. */
	if (r)
		r = errno;
	errno = 0;
	TEST_ASSERT(!r, "KVM_SET_USER_MEMORY_REGION2 failed: %s", strerror(r));
}

void dmabuf_set_slot_err(struct kvm_vm *vm,
			 const struct kvm_userspace_memory_region2 *region,
			 int err)
{
	int r = __dmabuf_set_slot(vm, region);
	int got = r ? errno : 0;

	errno = 0;
	TEST_ASSERT(r && got == err,
		    "KVM_SET_USER_MEMORY_REGION2: got '%s', expected '%s'",
		    r ? strerror(got) : "success", strerror(err));
}

void dmabuf_add_slot(struct kvm_vm *vm, const struct dmabuf *buf, u32 slot,
		     gpa_t gpa, u64 offset, u64 size)
{
	struct kvm_userspace_memory_region2 region;

	region = dmabuf_region(buf, slot, gpa, offset, size, NULL);
	dmabuf_set_slot(vm, &region);
}

void dmabuf_delete_slot(struct kvm_vm *vm, u32 slot)
{
	struct kvm_userspace_memory_region2 region = { .slot = slot };

	dmabuf_set_slot(vm, &region);
}

/* Guest */

static struct dmabuf_cmd guest_cmds[MAX_VCPUS];
static u8 guest_scratch[2 * PAGE_SIZE] __aligned(PAGE_SIZE);

void dmabuf_fill(void *mem, u64 size, u64 offset, u64 seed)
{
	for (u64 page = 0; page < size; page += PAGE_SIZE) {
		for (unsigned int i = 0; i < DMABUF_WORDS; i++) {
			u64 at = page + dmabuf_word_at(i);

			WRITE_ONCE(*(u64 *)(mem + at), dmabuf_word(seed, offset + at));
		}
	}
}

u64 dmabuf_check(const void *mem, u64 size, u64 offset, u64 seed)
{
	for (u64 page = 0; page < size; page += PAGE_SIZE) {
		for (unsigned int i = 0; i < DMABUF_WORDS; i++) {
			u64 at = page + dmabuf_word_at(i);

			if (READ_ONCE(*(u64 *)(mem + at)) != dmabuf_word(seed, offset + at))
				return at;
		}
	}
	return DMABUF_OK;
}

static void guest_touch(u64 gva, u64 size)
{
	for (u64 page = 0; page < size; page += PAGE_SIZE)
		(void)READ_ONCE(*(u8 *)(gva + page));
}

static void guest_random(const struct dmabuf_cmd *cmd)
{
	u64 state = cmd->seed;

	for (u64 i = 0; i < cmd->arg; i++) {
		u64 at;

		state = dmabuf_mix(state + 0x9e3779b97f4a7c15ULL);
		at = state % (cmd->size / 8) * 8;
		WRITE_ONCE(*(u64 *)(cmd->gva + at), dmabuf_word(cmd->seed, at));
	}
}

static void guest_cycle(struct dmabuf_cmd *cmd)
{
	while (!READ_ONCE(cmd->stop)) {
		for (u64 page = 0; page < cmd->size; page += PAGE_SIZE) {
			u64 *word = (u64 *)(cmd->gva + page);

			WRITE_ONCE(*word, READ_ONCE(*word) + 1);
		}
		WRITE_ONCE(cmd->rounds, cmd->rounds + 1);
	}
}

static u64 guest_do(struct dmabuf_cmd *cmd)
{
	void *mem = (void *)cmd->gva;
	u64 value = 0;

	switch (cmd->op) {
	case DMABUF_OP_WRITE:
		dmabuf_fill(mem, cmd->size, cmd->offset, cmd->seed);
		break;
	case DMABUF_OP_READ:
		value = dmabuf_check(mem, cmd->size, cmd->offset, cmd->seed);
		return value == DMABUF_OK ? DMABUF_OK : cmd->gva + value;
	case DMABUF_OP_TOUCH:
		guest_touch(cmd->gva, cmd->size);
		break;
	/* One plain instruction each, as it may have to be emulated. */
	case DMABUF_OP_LOAD:
		asm volatile("mov (%1), %0" : "=r"(value) : "r"(mem) : "memory");
		return value;
	case DMABUF_OP_STORE:
		asm volatile("mov %0, (%1)" :: "r"(cmd->arg), "r"(mem) : "memory");
		break;
	case DMABUF_OP_CALL:
		return ((u64 (*)(void))mem)();
	case DMABUF_OP_INVLPG:
		asm volatile("invlpg (%0)" :: "r"(mem) : "memory");
		break;
	case DMABUF_OP_RANDOM:
		guest_random(cmd);
		break;
	case DMABUF_OP_CYCLE:
		guest_cycle(cmd);
		break;
	}
	return 0;
}

static void guest_main(u32 vcpu_id)
{
	struct dmabuf_cmd *cmd = &guest_cmds[vcpu_id];

	/* Have all that is executed and read below in the page tables. */
	for (u64 op = DMABUF_OP_WRITE; op <= DMABUF_OP_CYCLE; op++) {
		if (op == DMABUF_OP_CALL)
			continue;
		*cmd = (struct dmabuf_cmd) {
			.op = op,
			.gva = (u64)guest_scratch,
			.size = sizeof(guest_scratch),
			.arg = 1,
			.stop = 1,
		};
		cmd->result = guest_do(cmd);
	}

	for (;;) {
		GUEST_SYNC(vcpu_id);
		cmd->result = guest_do(cmd);
	}
}

struct dmabuf_cmd *dmabuf_cmd(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (gva_t)&guest_cmds[vcpu->id]);
}

/*
 * With two-dimensional paging the CPU reads the guest's page tables through
 * entries of their own, which would count when a test comes to use them.
 */
static void dmabuf_prefault_slot0(struct kvm_vcpu *vcpu)
{
	struct kvm_pre_fault_memory range = {
		.size = memslot2region(vcpu->vm, 0)->region.memory_size,
	};

	if (!kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY))
		return;
	while (range.size)
		vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range);
}

struct kvm_vm *dmabuf_vm_create_type(u32 nr_vcpus, struct kvm_vcpu *vcpus[],
				     unsigned long type)
{
	const struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = type,
	};
	struct kvm_vm *vm;

	TEST_ASSERT(nr_vcpus <= MAX_VCPUS, "too many vCPUs");
	vm = __vm_create_with_vcpus(shape, nr_vcpus, 0, guest_main, vcpus);
	virt_map_level(vm, DMABUF_GPA, DMABUF_GPA, DMABUF_GPA_SIZE, PG_LEVEL_2M);

	for (u32 i = 0; i < nr_vcpus; i++) {
		vcpu_args_set(vcpus[i], 1, vcpus[i]->id);
		dmabuf_finish(vcpus[i]);
	}
	dmabuf_prefault_slot0(vcpus[0]);
	return vm;
}

struct kvm_vm *dmabuf_vm_create(u32 nr_vcpus, struct kvm_vcpu *vcpus[])
{
	return dmabuf_vm_create_type(nr_vcpus, vcpus, VM_TYPE_DEFAULT);
}

void dmabuf_order(struct kvm_vcpu *vcpu, enum dmabuf_op op, u64 gva, u64 size,
		  u64 offset, u64 seed, u64 arg)
{
	*dmabuf_cmd(vcpu) = (struct dmabuf_cmd) {
		.op = op,
		.gva = gva,
		.size = size,
		.offset = offset,
		.seed = seed,
		.arg = arg,
	};
}

u64 dmabuf_finish(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;
	struct ucall uc;

	vcpu_run(vcpu);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		vcpu_regs_get(vcpu, &regs);
		TEST_FAIL("unexpected exit %u (%s), rip 0x%llx", vcpu->run->exit_reason,
			  exit_reason_str(vcpu->run->exit_reason), regs.rip);
	}
	return dmabuf_cmd(vcpu)->result;
}

u64 dmabuf_guest(struct kvm_vcpu *vcpu, enum dmabuf_op op, u64 gva, u64 size,
		 u64 offset, u64 seed)
{
	dmabuf_order(vcpu, op, gva, size, offset, seed, 0);
	return dmabuf_finish(vcpu);
}

void dmabuf_order_load(struct kvm_vcpu *vcpu, u64 gva)
{
	dmabuf_order(vcpu, DMABUF_OP_LOAD, gva, 8, 0, 0, 0);
}

void dmabuf_order_store(struct kvm_vcpu *vcpu, u64 gva, u64 value)
{
	dmabuf_order(vcpu, DMABUF_OP_STORE, gva, 8, 0, 0, value);
}

u64 dmabuf_load(struct kvm_vcpu *vcpu, u64 gva)
{
	dmabuf_order_load(vcpu, gva);
	return dmabuf_finish(vcpu);
}

void dmabuf_store(struct kvm_vcpu *vcpu, u64 gva, u64 value)
{
	dmabuf_order_store(vcpu, gva, value);
	dmabuf_finish(vcpu);
}

/* Statistics */

struct dmabuf_levels dmabuf_levels(struct kvm_vm *vm)
{
	return (struct dmabuf_levels) {
		.p4k = vm_get_stat(vm, pages_4k),
		.p2m = vm_get_stat(vm, pages_2m),
		.p1g = vm_get_stat(vm, pages_1g),
	};
}

struct dmabuf_levels dmabuf_levels_since(struct kvm_vm *vm,
					 struct dmabuf_levels since)
{
	struct dmabuf_levels now = dmabuf_levels(vm);

	return (struct dmabuf_levels) {
		.p4k = now.p4k - since.p4k,
		.p2m = now.p2m - since.p2m,
		.p1g = now.p1g - since.p1g,
	};
}

u64 dmabuf_leaves(struct kvm_vm *vm)
{
	struct dmabuf_levels levels = dmabuf_levels(vm);

	return levels.p4k + levels.p2m + levels.p1g;
}

struct slab_cache {
	char name[64];
	long active;
	long growth;		/* the least of all tries */
};

static int read_slabs(struct slab_cache *caches)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512];
	int nr = 0;

	TEST_ASSERT(f, "cannot open /proc/slabinfo, errno %d", errno);
	while (nr < MAX_CACHES && fgets(line, sizeof(line), f)) {
		struct slab_cache *cache = &caches[nr];

		if (sscanf(line, "%63s %ld", cache->name, &cache->active) != 2)
			continue;
		/* What vfree() leaves is given back when much of it has gathered. */
		nr += !!strcmp(cache->name, "vmap_area");
	}
	fclose(f);
	return nr;
}

/*
 * Other parts of the kernel allocate too, and caches hold objects back; but
 * only a leak adds an object per call, each time. KASAN counts what was freed as
 * in use for long. A debug kernel has kmemleak instead, which the harness asks
 * after the last test.
 */
const char *dmabuf_leak(void (*round)(void *arg), void *arg)
{
	static struct slab_cache before[MAX_CACHES], after[MAX_CACHES];
	int nr, suspects = 1;

	if (!access("/sys/kernel/debug/kmemleak", F_OK)) {
		for (int i = 0; i < LEAK_CALLS / 20; i++)
			round(arg);
		return NULL;
	}

	for (int i = 0; i < LEAK_CALLS; i++)
		round(arg);

	for (int try = 0; try < LEAK_TRIES && suspects; try++) {
		nr = read_slabs(before);
		for (int i = 0; i < LEAK_CALLS; i++)
			round(arg);
		TEST_ASSERT(read_slabs(after) == nr, "slab caches came or went");

		suspects = 0;
		for (int i = 0; i < nr; i++) {
			long growth = after[i].active - before[i].active;

			if (!try || growth < after[i].growth)
				after[i].growth = growth;
			suspects += after[i].growth >= LEAK_CALLS / 2;
		}
	}

	for (int i = 0; suspects && i < nr; i++)
		if (after[i].growth >= LEAK_CALLS / 2)
			return after[i].name;
	return NULL;
}
