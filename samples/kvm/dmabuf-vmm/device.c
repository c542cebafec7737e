// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of the host shares the memory of the guest. All of RAM is mapped
 * for it at the guest physical addresses, through the dma-buf that is RAM.
 *
 * With --bar the guest has one more piece of memory: the BAR of another device,
 * which that device, the guest and the first device can all reach. In the
 * middle of it memory decoding is switched off, which takes the BAR away from
 * the guest and from the first device at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>

#include "device.h"
#include "igb.h"
#include "iommu-log.h"
#include "memory.h"

#define BAR_INDEX	2	/* of ivshmem-plain: nothing but memory */
#define BAR_SLOT	8

/* Memory of our own that the device reaches, above all of the guest's. */
#define IOVA_OWN	GIB(256)
#define OWN_RINGS	0
#define OWN_PAGE	PAGE_SIZE
#define OWN_SIZE	(2 * PAGE_SIZE)

#define FAULT_WAIT_US	10000000

struct device {
	struct vmm *vmm;
	struct ioas ioas;
	struct vfio *vfio;
	struct igb *igb;
	u8 *own;

	u64 written;		/* bytes */
	u64 sum, guest_sum;
	bool read;

	struct vfio *bar_vfio;
	u8 *bar;		/* as vfio maps it */
	u64 bar_size;
	int bar_fd;		/* the dma-buf */
	unsigned int rounds;	/* in which the guest filled it */
	u64 bar_sum;
	bool revoked;
	u64 lost_gpa;
	bool lost;
};

static void map_ram(struct device *dev)
{
	const struct guest_ram *ram = dev->vmm->ram;

	for (unsigned int i = 0; i < ram->nr_slots; i++)
		ioas_map_file(&dev->ioas, ram->dmabuf, ram->slots[i].offset,
			      ram->slots[i].size, ram->slots[i].gpa, 0);
}

static void add_bar(struct device *dev)
{
	struct kvm_userspace_memory_region2 slot = {
		.slot = BAR_SLOT,
		.flags = KVM_MEM_DMABUF,
		.guest_phys_addr = GPA_BAR,
	};

	dev->bar_vfio = vfio_open(dev->vmm->opt.bar, &dev->ioas, false);
	dev->bar = vfio_map_bar(dev->bar_vfio, BAR_INDEX, &dev->bar_size);
	dev->bar_fd = vfio_export_bar(dev->bar_vfio, BAR_INDEX, dev->bar_size);

	slot.memory_size = dev->bar_size;
	slot.dmabuf_fd = dev->bar_fd;
	if (ioctl(dev->vmm->vm_fd, KVM_SET_USER_MEMORY_REGION2, &slot))
		die("KVM_SET_USER_MEMORY_REGION2 of a BAR: %m");
	ioas_map_file(&dev->ioas, dev->bar_fd, 0, dev->bar_size, GPA_BAR,
		      IOMMU_IOAS_MAP_REMAP);
}

void device_create(struct vmm *vmm)
{
	struct device *dev = xzalloc(sizeof(*dev));

	dev->vmm = vmm;
	dev->sum = GUEST_SUM_INIT;
	ioas_create(&dev->ioas);
	dev->vfio = vfio_open(vmm->opt.vfio, &dev->ioas, true);
	map_ram(dev);

	dev->own = mmap(NULL, OWN_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (dev->own == MAP_FAILED)
		die("mmap: %m");
	ioas_map_memory(&dev->ioas, dev->own, OWN_SIZE, IOVA_OWN);
	dev->igb = igb_create(dev->vfio, dev->own + OWN_RINGS,
			      IOVA_OWN + OWN_RINGS);
	if (vmm->opt.bar)
		add_bar(dev);
	vmm->device = dev;
}

u64 device_bar_size(const struct device *dev)
{
	return dev->bar_size;
}

/* From our page to the guest, or to the BAR in the guest. */
static void send_page(struct device *dev, u64 gpa)
{
	if (!igb_copy(dev->igb, IOVA_OWN + OWN_PAGE, gpa, PAGE_SIZE))
		fail("the device has not written to 0x%llx", gpa);
}

const struct ioas *device_ioas(const struct device *dev)
{
	return &dev->ioas;
}

void device_send(struct device *dev, u64 gpa, const void *page)
{
	memcpy(dev->own + OWN_PAGE, page, PAGE_SIZE);
	send_page(dev, gpa);
}

void device_fetch(struct device *dev, u64 gpa, void *page)
{
	memset(dev->own + OWN_PAGE, 0, PAGE_SIZE);
	if (!igb_copy(dev->igb, gpa, IOVA_OWN + OWN_PAGE, PAGE_SIZE))
		fail("the device has not read 0x%llx", gpa);
	memcpy(page, dev->own + OWN_PAGE, PAGE_SIZE);
}

/*
 * Send a page where the device must not get: does the IOMMU fault? The device
 * does not notice. The IOMMU limits how often it says so, which is why one write
 * may not be enough.
 */
bool device_faults(struct device *dev, u64 gpa, const void *page)
{
	int log = iommu_log_open();
	u64 start = now_us();
	bool faulted;

	do {
		device_send(dev, gpa, page);
		faulted = iommu_log_has_fault(log, dev->vmm->opt.vfio, gpa);
	} while (!faulted && now_us() - start < FAULT_WAIT_US);
	close(log);
	return faulted;
}

void device_write(struct device *dev, const struct guest_range *pages, u32 nr)
{
	u8 *page = dev->own + OWN_PAGE;

	for (u32 i = 0; i < nr; i++) {
		u64 gpa = pages[i].start;

		if (gpa % PAGE_SIZE || pages[i].len != PAGE_SIZE) {
			fail("the guest wants something else than a page written");
			return;
		}
		/* Neither what the guest writes by itself, nor at another place. */
		guest_fill(page, gpa, PAGE_SIZE, ~dev->vmm->seed);
		dev->sum = guest_sum(page, PAGE_SIZE, dev->sum);
		send_page(dev, gpa);
		dev->written += PAGE_SIZE;
	}
}

void device_was_read(struct device *dev, u64 len, u64 sum)
{
	dev->read = true;
	dev->guest_sum = sum;
	if (len != dev->written || sum != dev->sum)
		fail("guest and device disagree about the bytes");
}

bool device_owns(const struct device *dev, u64 gpa)
{
	return dev && dev->bar && gpa >= GPA_BAR && gpa < GPA_BAR + dev->bar_size;
}

/* Read the BAR on both ways that do not lead through the guest. */
void device_check_bar(struct device *dev, const struct guest_range *range)
{
	u64 offset = dev->bar_size / 2;

	dev->rounds++;
	dev->bar_sum = guest_sum(dev->bar, dev->bar_size, GUEST_SUM_INIT);
	if (range->start != GPA_BAR || range->len != dev->bar_size ||
	    range->sum != dev->bar_sum)
		fail("guest and host disagree about the bytes in the BAR");

	memset(dev->own + OWN_PAGE, 0, PAGE_SIZE);
	if (!igb_copy(dev->igb, GPA_BAR + offset, IOVA_OWN + OWN_PAGE, PAGE_SIZE) ||
	    memcmp(dev->own + OWN_PAGE, dev->bar + offset, PAGE_SIZE))
		fail("the device does not read from the BAR what is in it");
}

bool device_revoke(struct device *dev)
{
	if (!dev || !dev->bar || dev->rounds != 1)
		return false;
	vfio_set_command(dev->bar_vfio, 0, PCI_COMMAND_MEMORY);
	dev->revoked = true;
	return true;
}

/* Does what the device writes arrive in the BAR? */
static bool arrives(struct device *dev)
{
	return !memcmp(dev->bar, dev->own + OWN_PAGE, PAGE_SIZE);
}

bool device_revoked(struct device *dev, u64 gpa)
{
	u8 page[PAGE_SIZE] __attribute__((aligned(8)));

	if (!device_owns(dev, gpa) || !dev->revoked)
		return false;
	dev->lost_gpa = gpa;

	/*
	 * Decoding is off, so that nothing can arrive: what tells whether iommufd
	 * has unmapped the BAR is the IOMMU.
	 */
	guest_fill(page, GPA_BAR, PAGE_SIZE, ~dev->vmm->seed);
	dev->lost = device_faults(dev, GPA_BAR, page);
	if (!dev->lost)
		fail("the device wrote to a BAR that was revoked, and the IOMMU has seen no fault");
	vfio_set_command(dev->bar_vfio, PCI_COMMAND_MEMORY, 0);
	dev->revoked = false;
	if (arrives(dev))
		fail("the device has written to a BAR that was revoked");

	send_page(dev, GPA_BAR);
	if (!arrives(dev))
		fail("the device does not reach the BAR that was given back");
	return true;
}

void device_verify(const struct device *dev)
{
	if (!dev->bar && !dev->vmm->gmem && !dev->read)
		fail("the guest did not ask for what a device writes");
	if (dev->bar && (dev->rounds != 2 || !dev->lost))
		fail("the guest did not lose its BAR, or did not get it back");
}

void device_print(const struct device *dev)
{
	const struct options *opt = &dev->vmm->opt;

	if (dev->read)
		printf("DMA            %s wrote %llu KiB to RAM: device %016llx, guest %016llx\n",
		       opt->vfio, dev->written >> 10, dev->sum, dev->guest_sum);
	if (!dev->bar)
		return;
	printf("BAR            %s, %llu KiB at 0x%lx: guest and host %016llx\n",
	       opt->bar, dev->bar_size >> 10, GPA_BAR, dev->bar_sum);
	if (dev->lost)
		printf("revoked        guest: exit at 0x%llx; %s: IOMMU fault; both go on\n",
		       dev->lost_gpa, opt->vfio);
}

void device_destroy(struct device *dev)
{
	igb_destroy(dev->igb);
	vfio_close(dev->vfio);
	if (dev->bar) {
		munmap(dev->bar, dev->bar_size);
		close(dev->bar_fd);
		vfio_close(dev->bar_vfio);
	}
	ioas_destroy(&dev->ioas);
	munmap(dev->own, OWN_SIZE);
	free(dev);
}
