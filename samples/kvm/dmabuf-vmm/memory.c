// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest RAM.
 *
 * With --backing dmabuf the memory is a sealed memfd, udmabuf exports it, and
 * KVM gets the dma-buf.  The VMM itself looks at guest RAM through the memfd:
 * the mmap of a udmabuf is VM_PFNMAP, which get_user_pages() refuses, and with
 * it io_uring's registered buffers, O_DIRECT and KVM's userspace_addr.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/dma-buf.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>

#include "memory.h"

#define UDMABUF_LIST_LIMIT "/sys/module/udmabuf/parameters/list_limit"

static int memfd_of(const struct options *opt)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	if (opt->hugepages == MIB(2))
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	else if (opt->hugepages == GIB(1))
		flags |= MFD_HUGETLB | MFD_HUGE_1GB;

	fd = memfd_create("guest-ram", flags);
	if (fd < 0)
		die("memfd_create: %m");
	if (ftruncate(fd, opt->mem))
		die("no memfd of %llu MiB: %m", opt->mem >> 20);
	/* udmabuf demands that nobody can take the pages away again. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("F_ADD_SEALS: %m");
	return fd;
}

static int udmabuf_open(void)
{
	int fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/udmabuf: %m (the kernel needs CONFIG_UDMABUF)");
	return fd;
}

static int dmabuf_of(int memfd, u64 size)
{
	struct udmabuf_create create = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int dev = udmabuf_open();
	int fd = ioctl(dev, UDMABUF_CREATE, &create);

	if (fd < 0)
		die("UDMABUF_CREATE of %llu MiB: %m", size >> 20);
	close(dev);
	return fd;
}

static void raise_list_limit(u64 count)
{
	FILE *f = fopen(UDMABUF_LIST_LIMIT, "r+");
	u64 limit;

	if (!f || fscanf(f, "%llu", &limit) != 1)
		die("%s: %m", UDMABUF_LIST_LIMIT);
	rewind(f);
	if (limit < count && fprintf(f, "%llu\n", count) < 0)
		die("%s: %m", UDMABUF_LIST_LIMIT);
	if (fclose(f))
		die("--scatter needs %llu in %s: %m",
		    count, UDMABUF_LIST_LIMIT);
}

/*
 * Force 4K extents.  An item is one page, and an extent never leaves its item.
 * Should an exporter join neighbours, it finds none: every second page is
 * allocated first, the pages between them come from elsewhere.
 */
static int dmabuf_scattered(int memfd, u8 *view, u64 size)
{
	u64 count = size / PAGE_SIZE;
	struct udmabuf_create_list *list;
	int dev, fd;

	for (u64 i = 0; i < count; i += 2)
		*(volatile u8 *)(view + i * PAGE_SIZE) = 0;
	for (u64 i = 1; i < count; i += 2)
		*(volatile u8 *)(view + i * PAGE_SIZE) = 0;

	list = xzalloc(sizeof(*list) + count * sizeof(list->list[0]));
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = count;
	for (u64 i = 0; i < count; i++) {
		list->list[i].memfd = memfd;
		list->list[i].offset = i * PAGE_SIZE;
		list->list[i].size = PAGE_SIZE;
	}

	raise_list_limit(count);
	dev = udmabuf_open();
	fd = ioctl(dev, UDMABUF_CREATE_LIST, list);
	if (fd < 0)
		die("UDMABUF_CREATE_LIST of %llu items: %m", count);
	close(dev);
	free(list);
	return fd;
}

static int guest_memfd_of(int vm_fd, u64 size)
{
	struct kvm_create_guest_memfd gmem = {
		.size = size,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	};
	int fd = ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &gmem);

	if (fd < 0)
		die("KVM_CREATE_GUEST_MEMFD of %llu MiB: %m", size >> 20);
	return fd;
}

static void *map(int fd, u64 size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of guest RAM, %llu MiB: %m", size >> 20);
	return p;
}

static void lay_out(struct guest_ram *ram)
{
	u64 low = ram->size < GPA_HOLE ? ram->size : GPA_HOLE;

	ram->slots[0] = (struct ram_slot){ .gpa = 0, .offset = 0, .size = low };
	ram->nr_slots = 1;
	if (ram->size > low)
		ram->slots[ram->nr_slots++] = (struct ram_slot){
			.gpa = GPA_HIGH,
			.offset = low,
			.size = ram->size - low,
		};
}

void ram_create(struct vmm *vmm)
{
	const struct options *opt = &vmm->opt;
	struct guest_ram *ram = xzalloc(sizeof(*ram));
	char name[DMA_BUF_NAME_LEN];

	ram->size = opt->mem;
	ram->dmabuf = -1;
	if (opt->backing == BACKING_GUEST_MEMFD)
		ram->memfd = guest_memfd_of(vmm->vm_fd, ram->size);
	else
		ram->memfd = memfd_of(opt);
	ram->view = map(ram->memfd, ram->size, PROT_READ | PROT_WRITE);

	if (opt->backing == BACKING_DMABUF) {
		if (opt->scatter)
			ram->dmabuf = dmabuf_scattered(ram->memfd, ram->view,
						       ram->size);
		else
			ram->dmabuf = dmabuf_of(ram->memfd, ram->size);
		snprintf(name, sizeof(name), "guest-ram-%d", getpid());
		ioctl(ram->dmabuf, DMA_BUF_SET_NAME, name);
	}

	/* A mapping that only KVM uses: a write through it would fault. */
	if (opt->hva == HVA_RO)
		ram->hva = map(ram->memfd, ram->size, PROT_READ);
	else if (opt->hva == HVA_RW)
		ram->hva = ram->view;

	lay_out(ram);
	vmm->ram = ram;
}

void ram_add_slots(struct vmm *vmm)
{
	const struct guest_ram *ram = vmm->ram;

	for (unsigned int i = 0; i < ram->nr_slots; i++) {
		const struct ram_slot *slot = &ram->slots[i];
		struct kvm_userspace_memory_region2 region = {
			.slot = i,
			.guest_phys_addr = slot->gpa,
			.memory_size = slot->size,
		};

		if (ram->hva)
			region.userspace_addr = (unsigned long)ram->hva + slot->offset;

		switch (vmm->opt.backing) {
		case BACKING_DMABUF:
			region.flags = KVM_MEM_DMABUF;
			region.dmabuf_fd = ram->dmabuf;
			region.dmabuf_offset = slot->offset;
			break;
		case BACKING_GUEST_MEMFD:
			region.flags = KVM_MEM_GUEST_MEMFD;
			region.guest_memfd = ram->memfd;
			region.guest_memfd_offset = slot->offset;
			break;
		case BACKING_MEMFD:
			break;
		}
		if (ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION2, &region))
			die("KVM_SET_USER_MEMORY_REGION2, slot %u: %m", i);
	}
}

/* Install everything now; KVM tells how far it came by updating the range. */
void ram_prefault(struct vmm *vmm, int vcpu_fd)
{
	const struct guest_ram *ram = vmm->ram;

	for (unsigned int i = 0; i < ram->nr_slots; i++) {
		struct kvm_pre_fault_memory range = {
			.gpa = ram->slots[i].gpa,
			.size = ram->slots[i].size,
		};

		while (range.size) {
			if (!ioctl(vcpu_fd, KVM_PRE_FAULT_MEMORY, &range))
				continue;
			if (errno != EAGAIN && errno != EINTR)
				die("KVM_PRE_FAULT_MEMORY at 0x%llx: %m",
				    range.gpa);
		}
	}
}

/* Where [gpa, gpa + len) lies in the buffer; all in one slot or nowhere. */
u64 ram_offset(const struct guest_ram *ram, u64 gpa, u64 len)
{
	for (unsigned int i = 0; i < ram->nr_slots; i++) {
		const struct ram_slot *slot = &ram->slots[i];

		if (gpa >= slot->gpa && len <= slot->size &&
		    gpa - slot->gpa <= slot->size - len)
			return slot->offset + gpa - slot->gpa;
	}
	return RAM_NOWHERE;
}

/* Addresses come from the guest: NULL when they are not RAM. */
void *ram_ptr(const struct guest_ram *ram, u64 gpa, u64 len)
{
	u64 offset = ram_offset(ram, gpa, len);

	return offset == RAM_NOWHERE ? NULL : ram->view + offset;
}

static void dmabuf_sync(const struct guest_ram *ram, u64 when)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_READ | when };

	if (ioctl(ram->dmabuf, DMA_BUF_IOCTL_SYNC, &sync))
		fail("DMA_BUF_IOCTL_SYNC: %m");
}

/*
 * For the proof that host and guest see the same bytes: a mapping that does
 * not share anything with what the guest was booted through.
 */
const void *ram_proof_begin(const struct guest_ram *ram)
{
	bool dmabuf = ram->dmabuf >= 0;
	void *p = mmap(NULL, ram->size, PROT_READ, MAP_SHARED,
		       dmabuf ? ram->dmabuf : ram->memfd, 0);

	if (p == MAP_FAILED) {
		fail("mmap of the %s: %m", dmabuf ? "dma-buf" : "memory");
		return NULL;
	}
	if (dmabuf)
		dmabuf_sync(ram, DMA_BUF_SYNC_START);
	return p;
}

void ram_proof_end(const struct guest_ram *ram, const void *map)
{
	if (ram->dmabuf >= 0)
		dmabuf_sync(ram, DMA_BUF_SYNC_END);
	munmap((void *)map, ram->size);
}

/* Every order is safe for the kernel; this one gives memory back soonest. */
void ram_destroy(struct guest_ram *ram)
{
	if (ram->hva && ram->hva != ram->view)
		munmap(ram->hva, ram->size);
	munmap(ram->view, ram->size);
	if (ram->dmabuf >= 0)
		close(ram->dmabuf);
	close(ram->memfd);
	free(ram);
}
