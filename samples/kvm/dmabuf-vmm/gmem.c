// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private memory: a guest_memfd in a VM that is a model of a confidential one,
 * exported as a dma-buf, which is what both the memslot and the device get.
 * User space cannot map it, so all that is known of its bytes is what the guest
 * says, and what a device finds while the memory is shared.
 *
 * The guest fills it, and the device is refused. It is converted to shared: the
 * device reads what the guest left there, and writes. It is converted back: what
 * the device writes now must not arrive, and the IOMMU must say why.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "device.h"
#include "gmem.h"

#define GMEM_SLOT	9

enum state { PRIVATE, SHARED, PRIVATE_AGAIN, NR_STATES };

struct gmem {
	struct vmm *vmm;
	u64 size;
	int fd;
	int dmabuf;
	enum state state;
	unsigned int reads;	/* by the guest */
	u64 guest_sum[NR_STATES];
	u64 device_sum;
	int refused;		/* errno of the first map */
	bool faulted;
};

static void set_private(struct gmem *gmem, bool private)
{
	struct kvm_memory_attributes attributes = {
		.address = GPA_PRIVATE,
		.size = gmem->size,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	if (ioctl(gmem->vmm->vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &attributes))
		fail("KVM_SET_MEMORY_ATTRIBUTES: %m");
}

/* At its guest physical address, like RAM; an errno. */
static int map_for_device(struct gmem *gmem)
{
	return __ioas_map_file(device_ioas(gmem->vmm->device), gmem->dmabuf, 0,
			       gmem->size, GPA_PRIVATE, 0);
}

void gmem_create(struct vmm *vmm)
{
	struct gmem *gmem = xzalloc(sizeof(*gmem));
	struct kvm_create_guest_memfd create = {
		.size = vmm->opt.private_mem,
		.flags = GUEST_MEMFD_FLAG_MMAP,	/* converted in place */
	};
	struct kvm_gmem_export_dmabuf export = {
		.size = vmm->opt.private_mem,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct kvm_userspace_memory_region2 slot = {
		.slot = GMEM_SLOT,
		.flags = KVM_MEM_DMABUF,
		.guest_phys_addr = GPA_PRIVATE,
		.memory_size = vmm->opt.private_mem,
	};

	gmem->vmm = vmm;
	gmem->size = vmm->opt.private_mem;
	gmem->fd = ioctl(vmm->vm_fd, KVM_CREATE_GUEST_MEMFD, &create);
	if (gmem->fd < 0)
		die("KVM_CREATE_GUEST_MEMFD: %m");
	gmem->dmabuf = ioctl(gmem->fd, KVM_GMEM_EXPORT_DMABUF, &export);
	if (gmem->dmabuf < 0)
		die("KVM_GMEM_EXPORT_DMABUF: %m");

	slot.dmabuf_fd = gmem->dmabuf;
	if (ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION2, &slot))
		die("KVM_SET_USER_MEMORY_REGION2 of a guest_memfd: %m");
	set_private(gmem, true);
	vmm->gmem = gmem;
}

/* Every page as the device finds it must be as the guest has filled it. */
static void device_reads(struct gmem *gmem)
{
	u64 sum = GUEST_SUM_INIT;
	u8 page[PAGE_SIZE] __attribute__((aligned(8)));

	for (u64 at = 0; at < gmem->size; at += PAGE_SIZE) {
		device_fetch(gmem->vmm->device, GPA_PRIVATE + at, page);
		sum = guest_sum(page, PAGE_SIZE, sum);
	}
	if (sum != gmem->guest_sum[PRIVATE])
		fail("the device does not read what the guest has written");
}

static void device_writes(struct gmem *gmem)
{
	u8 page[PAGE_SIZE] __attribute__((aligned(8)));

	gmem->device_sum = GUEST_SUM_INIT;
	for (u64 at = 0; at < gmem->size; at += PAGE_SIZE) {
		guest_fill(page, GPA_PRIVATE + at, PAGE_SIZE, ~gmem->vmm->seed);
		gmem->device_sum = guest_sum(page, PAGE_SIZE, gmem->device_sum);
		device_send(gmem->vmm->device, GPA_PRIVATE + at, page);
	}
}

bool gmem_owns(const struct gmem *gmem, u64 gpa)
{
	return gmem && gpa >= GPA_PRIVATE && gpa < GPA_PRIVATE + gmem->size;
}

void gmem_was_read(struct gmem *gmem, const struct guest_range *range)
{
	if (range->start != GPA_PRIVATE || range->len != gmem->size)
		fail("the guest has read something else than its private memory");
	gmem->guest_sum[gmem->state] = range->sum;
	gmem->reads++;
}

bool gmem_convert(struct gmem *gmem)
{
	static const u8 page[PAGE_SIZE] = { 0x5a };
	int error;

	if (!gmem || failure())
		return false;

	switch (gmem->state) {
	case PRIVATE:
		gmem->refused = map_for_device(gmem);
		if (gmem->refused != EACCES)
			fail("IOMMU_IOAS_MAP_FILE of private memory: %s instead of %s",
			     strerror(gmem->refused), strerror(EACCES));
		set_private(gmem, false);
		error = map_for_device(gmem);
		if (error) {
			fail("IOMMU_IOAS_MAP_FILE of shared memory: %s",
			     strerror(error));
			return false;
		}
		gmem->state = SHARED;
		device_reads(gmem);
		device_writes(gmem);
		break;
	case SHARED:
		set_private(gmem, true);
		gmem->state = PRIVATE_AGAIN;
		gmem->faulted = device_faults(gmem->vmm->device, GPA_PRIVATE, page);
		if (!gmem->faulted)
			fail("the device wrote to private memory, and the IOMMU has seen no fault");
		break;
	default:
		return false;
	}
	return !failure();
}

/* Whether the last write has arrived, only the guest can tell. */
void gmem_verify(const struct gmem *gmem)
{
	if (gmem->reads != NR_STATES)
		fail("the guest has read its private memory %u times instead of %u",
		     gmem->reads, NR_STATES);
	else if (gmem->guest_sum[SHARED] != gmem->device_sum)
		fail("guest and device disagree about the bytes");
	else if (gmem->guest_sum[PRIVATE_AGAIN] != gmem->device_sum)
		fail("private memory has changed under the guest");
}

void gmem_print(const struct gmem *gmem)
{
	const char *bdf = gmem->vmm->opt.vfio;

	printf("private        %llu KiB at 0x%lx, guest %016llx; mapping it for %s: %s\n",
	       gmem->size >> 10, GPA_PRIVATE, gmem->guest_sum[PRIVATE], bdf,
	       strerror(gmem->refused));
	printf("shared         %s read the same and wrote: device %016llx, guest %016llx\n",
	       bdf, gmem->device_sum, gmem->guest_sum[SHARED]);
	if (gmem->faulted)
		printf("private again  IOMMU fault of %s, nothing arrived: guest %016llx\n",
		       bdf, gmem->guest_sum[PRIVATE_AGAIN]);
}

void gmem_destroy(struct gmem *gmem)
{
	close(gmem->dmabuf);
	close(gmem->fd);
	free(gmem);
}
