// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs as guest memory: what the guest writes is in the device, and what takes
 * the device's memory away takes it from the guest.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <linux/io.h>
#include <linux/pci_regs.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"
#include "dmabuf_vfio.h"

#define SEED		0x76666961ULL
#define REVOKED		KVM_MEMORY_EXIT_FLAG_REVOKED

/* Registers of the 82576: read-only, and any 64 bits. */
#define IGB_STATUS	0x0008
#define IGB_TDBAL	0xe000

#define EXPECT_REVOKED(_vcpu, _gpa)	EXPECT_FAULT(_vcpu, EFAULT, REVOKED, _gpa)

static void memory_on(struct vfio_pci_device *device)
{
	vfio_pci_cmd_set(device, PCI_COMMAND_MEMORY);
}

static void memory_off(struct vfio_pci_device *device)
{
	vfio_pci_cmd_clear(device, PCI_COMMAND_MEMORY);
}

/* The whole of a BAR as one buffer; no memslot yet. */
FIXTURE(bar)
{
	char *bdf;
	struct iommu *iommu;
	struct vfio_pci_device *device;
	u8 *mem;		/* the BAR as vfio maps it */
	u64 size;
	struct dmabuf buf;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	u64 base;		/* leaf entries of the VM without the BAR */
};

FIXTURE_VARIANT(bar)
{
	unsigned int nr;
};

/* One on the root bus, and one behind a port, which can be reset. */
FIXTURE_VARIANT_ADD(bar, root_bus) {
	.nr = 0,
};

FIXTURE_VARIANT_ADD(bar, behind_port) {
	.nr = 1,
};

#define bar_t FIXTURE_DATA(bar)

static void open_bar(bar_t *self)
{
	struct vfio_pci_bar *bar;

	self->device = vfio_pci_device_init(self->bdf, self->iommu);
	memory_on(self->device);
	bar = &self->device->bars[DMABUF_IVSHMEM_BAR];
	self->mem = bar->vaddr;
	self->size = bar->info.size;
	TEST_ASSERT(self->mem, "BAR %u has no mmap", DMABUF_IVSHMEM_BAR);
}

static void close_device(bar_t *self)
{
	if (self->device)
		vfio_pci_device_cleanup(self->device);
	self->device = NULL;
	self->mem = NULL;
}

static void add_all(bar_t *self)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0,
			self->buf.size);
}

FIXTURE_SETUP(bar)
{
	self->bdf = dmabuf_vfio_find(DMABUF_IVSHMEM_VENDOR, DMABUF_IVSHMEM_DEVICE,
				     variant->nr);
	if (!self->bdf)
		SKIP(return, "no ivshmem device number %u bound to vfio-pci", variant->nr);

	self->iommu = iommu_init(MODE_IOMMUFD);
	open_bar(self);
	dmabuf_fill(self->mem, self->size, 0, SEED);
	dmabuf_export_bar(&self->buf, self->device, DMABUF_IVSHMEM_BAR, 0, self->size);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	self->base = dmabuf_leaves(self->vm);
}

FIXTURE_TEARDOWN(bar)
{
	if (!self->bdf)
		return;
	if (self->vm)
		kvm_vm_free(self->vm);
	close_device(self);
	iommu_cleanup(self->iommu);
	dmabuf_close_bar(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
	free(self->bdf);
}

TEST_F_TIMEOUT(bar, guest_and_device_agree, 240)
{
	struct dmabuf_info info;

	add_all(self);
	EXPECT_TRUE(dmabuf_info(self->buf.ino, &info));
	EXPECT_EQ(1, info.kvm);

	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, self->size, 0, ~SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->mem, self->size, 0, ~SEED));
	dmabuf_fill(self->mem, self->size, 0, SEED + 1);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED + 1);
}

/* A BAR is one extent, and aligned to its size. */
TEST_F_TIMEOUT(bar, large_pages, 240)
{
	struct dmabuf_levels since = dmabuf_levels(self->vm), levels;
	struct dmabuf_info info;

	if (!dmabuf_has_tdp())
		SKIP(return, "shadow pages are not larger than the guest's own");

	add_all(self);
	dmabuf_guest(self->vcpu, DMABUF_OP_TOUCH, DMABUF_GPA, self->size, 0, 0);
	levels = dmabuf_levels_since(self->vm, since);
	EXPECT_EQ(0, levels.p4k);
	EXPECT_EQ(self->size / SZ_2M, levels.p2m);
	EXPECT_TRUE(dmabuf_info(self->buf.ino, &info));
	EXPECT_EQ(self->size / SZ_2M, info.extents);
}

TEST_F_TIMEOUT(bar, prefault, 240)
{
	if (!dmabuf_has_tdp())
		SKIP(return, "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");

	add_all(self);
	EXPECT_EQ(0, dmabuf_prefault(self->vcpu, DMABUF_GPA, self->size));
	EXPECT_EQ(self->base + self->size / SZ_2M, dmabuf_leaves(self->vm));
	memory_off(self->device);
	EXPECT_EQ(EFAULT, dmabuf_prefault(self->vcpu, DMABUF_GPA, self->size));
	memory_on(self->device);
}

TEST_F_TIMEOUT(bar, decoding_switched_off, 240)
{
	add_all(self);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	EXPECT_LT(self->base, dmabuf_leaves(self->vm));

	memory_off(self->device);
	EXPECT_EQ(self->base, dmabuf_leaves(self->vm));
	dmabuf_order_load(self->vcpu, DMABUF_GPA + SZ_1M);
	for (int i = 0; i < 3; i++)
		EXPECT_REVOKED(self->vcpu, DMABUF_GPA + SZ_1M);

	memory_on(self->device);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, SZ_1M));
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
}

TEST_F_TIMEOUT(bar, slot_created_while_off, 240)
{
	memory_off(self->device);
	add_all(self);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	memory_on(self->device);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
}

TEST_F_TIMEOUT(bar, exported_while_off, 240)
{
	dmabuf_close_bar(&self->buf);
	memory_off(self->device);
	dmabuf_export_bar(&self->buf, self->device, DMABUF_IVSHMEM_BAR, 0, self->size);
	add_all(self);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	memory_on(self->device);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
}

/* The VMM's way out: without a slot the guest gets MMIO exits. */
TEST_F_TIMEOUT(bar, slot_deleted_while_off, 240)
{
	struct kvm_run *run = self->vcpu->run;

	add_all(self);
	memory_off(self->device);
	dmabuf_order_load(self->vcpu, DMABUF_GPA + 8);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
	ASSERT_EQ(KVM_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(DMABUF_GPA + 8, run->mmio.phys_addr);
	memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	EXPECT_RESULT(self->vcpu, ~0ULL);
	memory_on(self->device);
}

/* The vector table of a real device would be where the hole is. */
TEST_F_TIMEOUT(bar, ranges_around_a_hole, 240)
{
	const struct vfio_region_dma_range ranges[] = {
		{ .offset = 0, .length = SZ_1M },
		{ .offset = SZ_1M + SZ_16K, .length = SZ_1M },
	};
	gpa_t hole = DMABUF_GPA + SZ_1M;
	struct dmabuf buf;

	ASSERT_EQ(0, __dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR,
					 O_RDWR, ranges, 2));
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_1M);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT + 1, hole + SZ_16K, SZ_1M, SZ_1M);
	dmabuf_close_bar(&buf);

	/* In the guest the BAR looks as it does to the host. */
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_1M, 0, SEED);
	EXPECT_READ(self->vcpu, hole + SZ_16K, SZ_1M, SZ_1M + SZ_16K, SEED);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SZ_1M, 0, ~SEED);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, hole + SZ_16K, SZ_1M, 0, ~SEED);
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->mem, SZ_1M, 0, ~SEED));
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->mem + SZ_1M + SZ_16K, SZ_1M, 0, ~SEED));
	EXPECT_EQ(DMABUF_OK, dmabuf_check(self->mem + SZ_1M, SZ_16K, SZ_1M, SEED));

	for (int i = 0; i < 4; i++) {
		dmabuf_order_load(self->vcpu, hole + i * SZ_4K);
		EXPECT_EQ(0, dmabuf_run(self->vcpu));
		EXPECT_EQ(KVM_EXIT_MMIO, self->vcpu->run->exit_reason);
		EXPECT_EQ(0, dmabuf_run(self->vcpu));
	}
}

/* In any order, one of them twice, some that go on where the last one ended. */
TEST_F_TIMEOUT(bar, ranges_in_any_order, 240)
{
	const struct vfio_region_dma_range ranges[] = {
		{ .offset = SZ_2M, .length = SZ_64K },
		{ .offset = SZ_16K, .length = SZ_4K },
		{ .offset = SZ_16K + SZ_4K, .length = SZ_4K },
		{ .offset = 0, .length = SZ_4K },
		{ .offset = SZ_2M, .length = SZ_4K },
	};
	struct dmabuf buf;
	u64 at = 0;

	ASSERT_EQ(0, __dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR,
					 O_RDWR, ranges, ARRAY_SIZE(ranges)));
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, buf.size);
	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		EXPECT_READ(self->vcpu, DMABUF_GPA + at, ranges[i].length,
			    ranges[i].offset, SEED);
		at += ranges[i].length;
	}
	dmabuf_close_bar(&buf);
}

TEST_F_TIMEOUT(bar, refused, 240)
{
	struct vfio_region_dma_range range = { .length = SZ_4K };
	struct kvm_userspace_memory_region2 region;
	struct dmabuf buf;

	/* 256 bytes that share their page with somebody else's. */
	EXPECT_EQ(EINVAL, __dmabuf_export_bar(&buf, self->device, 0, O_RDWR, &range, 1));
	range.offset = self->size;
	EXPECT_EQ(EINVAL, __dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR,
					      O_RDWR, &range, 1));

	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, SZ_4K, self->size, NULL);
	dmabuf_set_slot_err(self->vm, &region, EINVAL);

	range.offset = 0;
	ASSERT_EQ(0, __dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR,
					 O_RDONLY, &range, 1));
	region = dmabuf_region(&buf, DMABUF_SLOT, DMABUF_GPA, 0, SZ_4K, NULL);
	dmabuf_set_slot_err(self->vm, &region, EACCES);
	region.flags |= KVM_MEM_READONLY;
	dmabuf_set_slot(self->vm, &region);
	EXPECT_READ(self->vcpu, DMABUF_GPA, SZ_4K, 0, SEED);
	dmabuf_close_bar(&buf);
}

/* The guest runs; the device is in the hands of the test. */
struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	u64 revoked;
	bool failed;
};

static void *runner_thread(void *arg)
{
	struct runner *runner = arg;
	struct kvm_vcpu *vcpu = runner->vcpu;

	while (dmabuf_run(vcpu)) {
		if (vcpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT ||
		    vcpu->run->memory_fault.flags != REVOKED) {
			runner->failed = true;
			return NULL;
		}
		WRITE_ONCE(runner->revoked, runner->revoked + 1);
		sched_yield();
	}
	runner->failed = !dmabuf_is_done(vcpu);
	return NULL;
}

static void start(struct runner *runner, struct kvm_vcpu *vcpu, u64 size)
{
	*runner = (struct runner){ .vcpu = vcpu };
	dmabuf_order(vcpu, DMABUF_OP_CYCLE, DMABUF_GPA, size, 0, 0, 0);
	kvm_pthread_create(&runner->thread, NULL, runner_thread, runner);
}

static bool stop(struct runner *runner)
{
	WRITE_ONCE(dmabuf_cmd(runner->vcpu)->stop, 1);
	kvm_pthread_join(runner->thread, NULL);
	return !runner->failed;
}

static bool wait_more(const u64 *count, u64 was)
{
	struct timespec since;

	clock_gettime(CLOCK_MONOTONIC, &since);
	while (READ_ONCE(*count) <= was) {
		if (dmabuf_ms_since(since) > DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	return true;
}

/* No access of the guest gets lost: each page is counted up once a round. */
TEST_F_TIMEOUT(bar, switched_off_while_running, 240)
{
	u64 size = SZ_1M, rounds;
	struct runner runner;

	memset(self->mem, 0, size);
	add_all(self);
	start(&runner, self->vcpu, size);
	for (int i = 0; i < 20; i++) {
		EXPECT_TRUE(wait_more(&dmabuf_cmd(self->vcpu)->rounds,
				      READ_ONCE(dmabuf_cmd(self->vcpu)->rounds)));
		rounds = READ_ONCE(runner.revoked);
		memory_off(self->device);
		EXPECT_TRUE(wait_more(&runner.revoked, rounds));
		EXPECT_EQ(self->base, dmabuf_leaves(self->vm));
		memory_on(self->device);
	}
	EXPECT_TRUE(stop(&runner));

	rounds = dmabuf_cmd(self->vcpu)->rounds;
	for (u64 at = 0; at < size; at += PAGE_SIZE) {
		ASSERT_EQ(rounds, *(u64 *)(self->mem + at))
			TH_LOG("page 0x%lx", (long)at);
	}
}

TEST_F_TIMEOUT(bar, device_reset, 240)
{
	struct runner runner;

	if (!variant->nr)
		SKIP(return, "a device on the root bus cannot be reset");
	ASSERT_TRUE(self->device->info.flags & VFIO_DEVICE_FLAGS_RESET);

	add_all(self);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	vfio_pci_device_reset(self->device);
	EXPECT_EQ(self->base, dmabuf_leaves(self->vm));
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);

	start(&runner, self->vcpu, SZ_1M);
	for (int i = 0; i < 5; i++) {
		EXPECT_TRUE(wait_more(&dmabuf_cmd(self->vcpu)->rounds,
				      READ_ONCE(dmabuf_cmd(self->vcpu)->rounds)));
		vfio_pci_device_reset(self->device);
	}
	EXPECT_TRUE(stop(&runner));
}

/* What the device was given to do before must not reach its next user. */
TEST_F_TIMEOUT(bar, device_closed, 240)
{
	struct dmabuf buf;

	add_all(self);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	close_device(self);
	EXPECT_EQ(self->base, dmabuf_leaves(self->vm));
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);

	/* The old buffer stays dead, a new one lives. */
	open_bar(self);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR, 0, self->size);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, self->size);
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
	dmabuf_close_bar(&buf);
}

static void write_sysfs(const char *path, const char *text)
{
	int fd = open_path_or_exit(path, O_WRONLY);

	TEST_ASSERT(write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		    "cannot write '%s' to %s, errno %d", text, path, errno);
	close(fd);
}

/* All that vfio knows of the device is gone, the buffer and the slot live on. */
TEST_F_TIMEOUT(bar, driver_unbound, 240)
{
	struct kvm_userspace_memory_region2 region;

	add_all(self);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	close_device(self);
	write_sysfs("/sys/bus/pci/drivers/vfio-pci/unbind", self->bdf);
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	write_sysfs("/sys/bus/pci/drivers/vfio-pci/bind", self->bdf);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);

	/* Nobody has to wait for what does not come back. */
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->size, NULL);
	EXPECT_EQ(-1, __dmabuf_set_slot(self->vm, &region));
	EXPECT_EQ(ENODEV, errno);
	errno = 0;
}

/* Device, fd and VM end in each of the six orders. */
TEST_F_TIMEOUT(bar, order_of_the_end, 240)
{
	static const char * const orders[] = { "dfv", "dvf", "fdv", "fvd", "vdf", "vfd" };

	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		struct kvm_vcpu *vcpu;
		struct dmabuf buf;
		struct kvm_vm *vm;
		u64 ino;

		if (!self->device)
			open_bar(self);
		dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR, 0, self->size);
		ino = buf.ino;
		vm = dmabuf_vm_create(1, &vcpu);
		dmabuf_add_slot(vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, self->size);
		EXPECT_READ(vcpu, DMABUF_GPA, self->size, 0, SEED);
		for (const char *what = orders[i]; *what; what++) {
			switch (*what) {
			case 'd':
				close_device(self);
				break;
			case 'f':
				dmabuf_close_bar(&buf);
				break;
			case 'v':
				kvm_vm_free(vm);
				break;
			}
		}
		EXPECT_TRUE(dmabuf_wait_gone(ino)) TH_LOG("order %s", orders[i]);
	}
}

/* mmap() of the BAR faults too until the device is told to wake up. */
TEST_F_TIMEOUT(bar, low_power, 240)
{
	struct dmabuf buf;

	add_all(self);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	ASSERT_EQ(0, dmabuf_vfio_feature_set(self->device,
					     VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	memory_off(self->device);
	memory_on(self->device);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);

	dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR, 0, self->size);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, self->size);
	dmabuf_close_bar(&buf);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);

	ASSERT_EQ(0, dmabuf_vfio_feature_set(self->device,
					     VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));
}

/* A device that asked to be woken is awake once somebody looks at it. */
TEST_F_TIMEOUT(bar, wakes_up_by_itself, 240)
{
	int wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct dmabuf buf;
	eventfd_t count;

	ASSERT_LE(0, wakeup);
	add_all(self);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	ASSERT_EQ(0, dmabuf_vfio_sleep_until(self->device, wakeup));
	dmabuf_order_load(self->vcpu, DMABUF_GPA);
	EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
	dmabuf_export_bar(&buf, self->device, DMABUF_IVSHMEM_BAR, 0, self->size);

	/* It falls asleep when the kernel gets to it: the first look may be too early. */
	while (eventfd_read(wakeup, &count))
		vfio_pci_config_readw(self->device, PCI_STATUS);
	errno = 0;
	EXPECT_RESULT(self->vcpu, dmabuf_word(SEED, 0));

	/* What was exported while it slept has woken up with it. */
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_add_slot(self->vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, self->size);
	dmabuf_close_bar(&buf);
	EXPECT_READ(self->vcpu, DMABUF_GPA, self->size, 0, SEED);
	close(wakeup);
}

/* Registers instead of memory: the guest programs the device itself. */
FIXTURE(nic)
{
	char *bdf;
	struct iommu *iommu;
	struct vfio_pci_device *device;
	u8 *regs;		/* the BAR as vfio maps it */
	struct dmabuf buf;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(nic)
{
	struct vfio_pci_bar *bar;

	self->bdf = dmabuf_vfio_find(DMABUF_IGB_VENDOR, DMABUF_IGB_DEVICE, 0);
	if (!self->bdf)
		SKIP(return, "no igb bound to vfio-pci");

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->device = vfio_pci_device_init(self->bdf, self->iommu);
	memory_on(self->device);
	bar = &self->device->bars[0];
	self->regs = bar->vaddr;
	dmabuf_export_bar(&self->buf, self->device, 0, 0, bar->info.size);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
}

FIXTURE_TEARDOWN(nic)
{
	if (!self->bdf)
		return;
	kvm_vm_free(self->vm);
	dmabuf_close_bar(&self->buf);
	vfio_pci_device_cleanup(self->device);
	iommu_cleanup(self->iommu);
	free(self->bdf);
}

TEST_F_TIMEOUT(nic, registers, 240)
{
	u64 value = 0x1ULL << 32 | 0x12345000;

	EXPECT_NE(0, readl(self->regs + IGB_STATUS));
	EXPECT_EQ(readl(self->regs + IGB_STATUS),
		  (u32)dmabuf_load(self->vcpu, DMABUF_GPA + IGB_STATUS));
	dmabuf_store(self->vcpu, DMABUF_GPA + IGB_TDBAL, value);
	EXPECT_EQ((u32)value, readl(self->regs + IGB_TDBAL));
	EXPECT_EQ(value >> 32, readl(self->regs + IGB_TDBAL + 4));

	/* Function level reset, after which the register is 0. */
	ASSERT_TRUE(self->device->info.flags & VFIO_DEVICE_FLAGS_RESET);
	vfio_pci_device_reset(self->device);
	EXPECT_EQ(0, dmabuf_load(self->vcpu, DMABUF_GPA + IGB_TDBAL));
}

static u8 find_capability(struct vfio_pci_device *device, u8 id)
{
	u8 at = vfio_pci_config_readb(device, PCI_CAPABILITY_LIST);

	while (at && vfio_pci_config_readb(device, at + PCI_CAP_LIST_ID) != id)
		at = vfio_pci_config_readb(device, at + PCI_CAP_LIST_NEXT);
	return at;
}

TEST_F_TIMEOUT(nic, d3hot, 240)
{
	u8 pm = find_capability(self->device, PCI_CAP_ID_PM);
	u32 status = readl(self->regs + IGB_STATUS);

	ASSERT_NE(0, pm);
	EXPECT_EQ(status, (u32)dmabuf_load(self->vcpu, DMABUF_GPA + IGB_STATUS));
	for (int i = 0; i < 3; i++) {
		vfio_pci_config_writew(self->device, pm + PCI_PM_CTRL, 3);
		dmabuf_order_load(self->vcpu, DMABUF_GPA + IGB_STATUS);
		EXPECT_REVOKED(self->vcpu, DMABUF_GPA);
		vfio_pci_config_writew(self->device, pm + PCI_PM_CTRL, 0);
		EXPECT_RESULT(self->vcpu, status);
	}
}

int main(int argc, char *argv[])
{
	char *bdf = dmabuf_vfio_find(DMABUF_IVSHMEM_VENDOR, DMABUF_IVSHMEM_DEVICE, 0);

	__TEST_REQUIRE(bdf, "no ivshmem device bound to vfio-pci");
	free(bdf);
	return test_harness_run(argc, argv);
}
