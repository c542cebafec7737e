// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device copies memory by DMA through an IOMMU: from and to the memory of a
 * guest, to a BAR of another device, and into what is taken away meanwhile.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"
#include "dmabuf_vfio.h"

#define SEED		0x646d6121ULL
#define SIZE		SZ_2M
/* How much is copied at a time, and what the device does in one go. */
#define COPY		SZ_64K
#define BURST		64
#define FRAME		1024

#define GUEST_WRITE(_offset, _seed)					\
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA + (_offset), COPY, 0, _seed)
#define EXPECT_GUEST(_offset, _seed)					\
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ,	\
					  DMABUF_GPA + (_offset), COPY, 0, _seed))
#define EXPECT_HOST(_mem, _seed)					\
	EXPECT_EQ(DMABUF_OK, dmabuf_check(_mem, COPY, 0, _seed))

/* The device, ordinary memory that it can reach, and a guest. */
struct dma {
	struct iommu *iommu;
	struct vfio_pci_device *device;
	struct iova_allocator *iovas;
	struct dma_region scratch;
	u8 *mem;		/* of scratch */
};

static void map_memory(struct dma *dma, struct dma_region *region, u64 size)
{
	region->vaddr = kvm_mmap(size, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1);
	region->iova = iova_allocator_alloc(dma->iovas, size);
	region->size = size;
	iommu_map(dma->iommu, region);
}

static bool open_dma(struct dma *dma)
{
	char *bdf = dmabuf_vfio_find(DMABUF_IGB_VENDOR, DMABUF_IGB_DEVICE, 0);

	if (!bdf)
		return false;
	dma->iommu = iommu_init(MODE_IOMMUFD);
	dma->device = vfio_pci_device_init(bdf, dma->iommu);
	dma->iovas = iova_allocator_init(dma->iommu);
	/* Not at IOVA 0, which is no address to the device. */
	map_memory(dma, &dma->device->driver.region, SZ_2M);
	map_memory(dma, &dma->scratch, SIZE);
	dma->mem = dma->scratch.vaddr;
	vfio_pci_driver_init(dma->device);
	return true;
}

static void close_dma(struct dma *dma)
{
	char *bdf = (char *)dma->device->bdf;

	/* All mappings go with the IOAS. */
	vfio_pci_device_cleanup(dma->device);
	iova_allocator_cleanup(dma->iovas);
	iommu_cleanup(dma->iommu);
	free(bdf);
}

/* Returns an errno. */
static int __map_file(struct dma *dma, const struct dmabuf *buf, u64 start,
		      u64 length, u32 flags, u64 *iova)
{
	u64 room = 2 * max_t(u64, length, SIZE);
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE | flags,
		.ioas_id = dma->iommu->ioas_id,
		.fd = buf->fd,
		.start = start,
		.length = length,
		/* Nothing is mapped right before and behind it. */
		.iova = iova_allocator_alloc(dma->iovas, room) + room / 4,
	};
	int r = ioctl(dma->iommu->iommufd, IOMMU_IOAS_MAP_FILE, &map) ? errno : 0;

	errno = 0;
	*iova = map.iova;
	return r;
}

static u64 map_file(struct dma *dma, const struct dmabuf *buf, u64 start,
		    u64 length, u32 flags)
{
	u64 iova;
	int r = __map_file(dma, buf, start, length, flags, &iova);

	TEST_ASSERT(!r, "IOMMU_IOAS_MAP_FILE of 0x%lx bytes from 0x%lx: %s",
		    (unsigned long)length, (unsigned long)start, strerror(r));
	return iova;
}

static void unmap(struct dma *dma, u64 iova, u64 length)
{
	struct iommu_ioas_unmap args = {
		.size = sizeof(args),
		.ioas_id = dma->iommu->ioas_id,
		.iova = iova,
		.length = length,
	};

	TEST_ASSERT(!ioctl(dma->iommu->iommufd, IOMMU_IOAS_UNMAP, &args),
		    "IOMMU_IOAS_UNMAP failed, errno %d", errno);
}

/* Not 0 if the device gave up. It may not notice that it cannot reach memory. */
static int copy(struct dma *dma, u64 src, u64 dst)
{
	return vfio_pci_driver_memcpy(dma->device, src, dst, COPY);
}

/* Guest memory of all sorts. */
FIXTURE(ram)
{
	struct dma dma;
	struct dmabuf buf;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(ram)
{
	void (*create)(struct dmabuf *buf);
};

static void create_4k(struct dmabuf *buf)
{
	dmabuf_create_4k(buf, SIZE);
}

static void create_2m(struct dmabuf *buf)
{
	dmabuf_create(buf, SIZE, DMABUF_2M);
}

static void create_heap(struct dmabuf *buf)
{
	int r = dmabuf_create_heap(buf, "system", SIZE);

	TEST_ASSERT(!r, "no system heap");
}

static void create_test(struct dmabuf *buf)
{
	dmabuf_create_test(buf, SIZE, 2, DMA_BUF_TEST_REVOCABLE);
}

FIXTURE_VARIANT_ADD(ram, udmabuf_4k) { .create = create_4k };
FIXTURE_VARIANT_ADD(ram, udmabuf_2m) { .create = create_2m };
FIXTURE_VARIANT_ADD(ram, system_heap) { .create = create_heap };
FIXTURE_VARIANT_ADD(ram, exporter_16k) { .create = create_test };

FIXTURE_SETUP(ram)
{
	variant->create(&self->buf);
	if (!open_dma(&self->dma))
		SKIP(return, "no igb bound to vfio-pci");
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
}

FIXTURE_TEARDOWN(ram)
{
	if (self->vm) {
		kvm_vm_free(self->vm);
		close_dma(&self->dma);
	}
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

TEST_F(ram, guest_and_device_agree)
{
	struct dma *dma = &self->dma;
	u64 iova = map_file(dma, &self->buf, 0, SIZE, 0);

	/* What the guest wrote, to another place in its memory, and to ours. */
	GUEST_WRITE(0, SEED);
	EXPECT_EQ(0, copy(dma, iova, iova + SZ_1M + SZ_4K));
	EXPECT_GUEST(SZ_1M + SZ_4K, SEED);
	EXPECT_EQ(0, copy(dma, iova, dma->scratch.iova));
	EXPECT_HOST(dma->mem, SEED);

	/* What we wrote, to the last pages of the guest. */
	dmabuf_fill(dma->mem, COPY, 0, ~SEED);
	EXPECT_EQ(0, copy(dma, dma->scratch.iova, iova + SIZE - COPY));
	EXPECT_GUEST(SIZE - COPY, ~SEED);
	EXPECT_HOST(self->buf.map + SIZE - COPY, ~SEED);
	EXPECT_GUEST(SZ_1M + SZ_4K, SEED);
}

TEST_F(ram, slice)
{
	u64 start = SZ_128K + SZ_4K, iova;
	struct dma *dma = &self->dma;

	memset(self->buf.map, 0, SIZE);
	dmabuf_fill(dma->mem, COPY, 0, SEED);
	iova = map_file(dma, &self->buf, start, COPY, 0);
	EXPECT_EQ(0, copy(dma, dma->scratch.iova, iova));
	EXPECT_GUEST(start, SEED);
	EXPECT_EQ(0, *(u64 *)(self->buf.map + start - SZ_4K));
	EXPECT_EQ(0, *(u64 *)(self->buf.map + start + COPY));

	/* What comes before and after is out of reach. */
	copy(dma, dma->scratch.iova, iova - COPY);
	copy(dma, dma->scratch.iova, iova + COPY);
	EXPECT_EQ(0, *(u64 *)(self->buf.map + start - COPY));
	EXPECT_EQ(0, *(u64 *)(self->buf.map + start + COPY));
}

/* Slot, mapping and fd keep the memory alive, each by itself. */
TEST_F(ram, ends_apart)
{
	struct dma *dma = &self->dma;
	u64 iova = map_file(dma, &self->buf, 0, SIZE, 0);
	u64 iova2 = map_file(dma, &self->buf, 0, SIZE, 0);

	GUEST_WRITE(0, SEED);
	unmap(dma, iova, SIZE);
	copy(dma, iova, dma->scratch.iova);
	EXPECT_NE(DMABUF_OK, dmabuf_check(dma->mem, COPY, 0, SEED));
	EXPECT_GUEST(0, SEED);
	EXPECT_EQ(0, copy(dma, iova2, iova2 + SZ_1M));
	EXPECT_GUEST(SZ_1M, SEED);

	dmabuf_free(&self->buf);
	EXPECT_EQ(0, copy(dma, iova2, iova2 + SZ_1M + COPY));
	EXPECT_GUEST(SZ_1M + COPY, SEED);

	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(0, copy(dma, iova2 + SZ_1M + COPY, dma->scratch.iova));
	EXPECT_HOST(dma->mem, SEED);
}

/* The device copies over and over, in a thread of its own. */
struct storm {
	pthread_t thread;
	struct dma *dma;
	u64 dst;
	u64 bursts;
	bool stop;
};

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;
	struct dma *dma = storm->dma;

	while (!READ_ONCE(storm->stop)) {
		vfio_pci_driver_memcpy_start(dma->device, dma->scratch.iova,
					     READ_ONCE(storm->dst), FRAME, BURST);
		vfio_pci_driver_memcpy_wait(dma->device);
		WRITE_ONCE(storm->bursts, storm->bursts + 1);
	}
	return NULL;
}

static void storm_start(struct storm *storm, struct dma *dma, u64 dst)
{
	*storm = (struct storm){ .dma = dma, .dst = dst };
	memset(dma->mem, 0x5a, FRAME);
	kvm_pthread_create(&storm->thread, NULL, storm_thread, storm);
}

static void storm_stop(struct storm *storm)
{
	WRITE_ONCE(storm->stop, true);
	kvm_pthread_join(storm->thread, NULL);
}

/* Waits until a burst that began after the call is over. */
static bool storm_goes_on(struct storm *storm)
{
	u64 was = READ_ONCE(storm->bursts);
	struct timespec since;

	clock_gettime(CLOCK_MONOTONIC, &since);
	while (READ_ONCE(storm->bursts) < was + 2) {
		if (dmabuf_ms_since(since) > 2 * DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	return true;
}

/* Does the storm reach @mem? */
static bool storm_hits(struct storm *storm, u8 *mem)
{
	memset(mem, 0xa5, FRAME);
	return storm_goes_on(storm) && !memcmp(mem, storm->dma->mem, FRAME);
}

static bool storm_misses(struct storm *storm, u8 *mem)
{
	memset(mem, 0xa5, FRAME);
	if (!storm_goes_on(storm))
		return false;
	for (int i = 0; i < FRAME; i++)
		if (mem[i] != 0xa5)
			return false;
	return true;
}

/* A line about the device in the kernel log, from the end of the log on. */
static int open_log(void)
{
	int fd = open_path_or_exit("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	TEST_ASSERT(lseek(fd, 0, SEEK_END) == 0, "lseek() failed, errno %d", errno);
	return fd;
}

/* The next one by the IOMMU drivers of Intel and of AMD; both limit the rate. */
static bool log_next_fault(int log, const char *bdf, u64 *iova)
{
	char line[1024], *at;
	ssize_t len;

	while ((len = read(log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (len <= 0)
			continue;
		line[len] = '\0';
		at = strstr(line, "fault addr 0x") ?: strstr(line, "address=0x");
		if (!at || !strstr(line, bdf))
			continue;
		*iova = strtoull(strchr(at, 'x') + 1, NULL, 16);
		return true;
	}
	errno = 0;
	return false;
}

/* Each burst faults; one of them makes it into the log. */
static bool log_wait_fault(int log, const char *bdf, u64 *iova)
{
	struct timespec since;

	clock_gettime(CLOCK_MONOTONIC, &since);
	while (!log_next_fault(log, bdf, iova)) {
		if (dmabuf_ms_since(since) > 2 * DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	return true;
}

/* What stops the storm now is the IOMMU, and it says so. */
static bool storm_faults(struct storm *storm)
{
	int log = open_log();
	u64 iova = 0;
	bool faults = log_wait_fault(log, storm->dma->device->bdf, &iova);

	close(log);
	return faults && (iova & ~(SZ_4K - 1ULL)) == READ_ONCE(storm->dst);
}

FIXTURE(storm)
{
	struct dma dma;
	struct dmabuf buf;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(storm)
{
	if (!open_dma(&self->dma))
		SKIP(return, "no igb bound to vfio-pci");
	dmabuf_create_test(&self->buf, SIZE, 0, DMA_BUF_TEST_REVOCABLE);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
}

FIXTURE_TEARDOWN(storm)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	close_dma(&self->dma);
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/* Guest and device lose the memory at once; the guest gets it back. */
TEST_F_TIMEOUT(storm, revoked, 240)
{
	struct dma *dma = &self->dma;
	struct storm storm;
	u64 iova;

	iova = map_file(dma, &self->buf, 0, SIZE, 0);
	storm_start(&storm, dma, iova);
	EXPECT_TRUE(storm_hits(&storm, self->buf.map));
	dmabuf_order_load(self->vcpu, DMABUF_GPA + SZ_1M);

	for (int i = 0; i < 3; i++) {
		dmabuf_revoke(&self->buf);
		EXPECT_FAULT(self->vcpu, EFAULT, KVM_MEMORY_EXIT_FLAG_REVOKED,
			     DMABUF_GPA + SZ_1M);
		EXPECT_TRUE(storm_goes_on(&storm));
		dmabuf_unrevoke(&self->buf);
		EXPECT_TRUE(storm_misses(&storm, self->buf.map));
	}
	EXPECT_EQ(0, dmabuf_run(self->vcpu));
	EXPECT_TRUE(dmabuf_is_done(self->vcpu));

	EXPECT_TRUE(storm_faults(&storm));
	storm_stop(&storm);
}

TEST_F_TIMEOUT(storm, mapped_again, 240)
{
	struct dma *dma = &self->dma;
	struct storm storm;
	u64 iova;

	iova = map_file(dma, &self->buf, 0, SIZE, IOMMU_IOAS_MAP_REMAP);
	storm_start(&storm, dma, iova);
	for (int i = 0; i < 10; i++) {
		EXPECT_TRUE(storm_hits(&storm, self->buf.map));
		dmabuf_revoke(&self->buf);
		EXPECT_TRUE(storm_goes_on(&storm));
		/* The rate of what is logged is limited: once. */
		if (!i)
			EXPECT_TRUE(storm_faults(&storm));
		dmabuf_unrevoke(&self->buf);
	}
	EXPECT_TRUE(storm_hits(&storm, self->buf.map));
	storm_stop(&storm);
}

/* What the VMM does on its own. */
TEST_F_TIMEOUT(storm, unmapped, 240)
{
	struct dma *dma = &self->dma;
	struct storm storm;

	storm_start(&storm, dma, map_file(dma, &self->buf, 0, SIZE, 0));
	for (int i = 0; i < 10; i++) {
		u64 iova = storm.dst;

		EXPECT_TRUE(storm_hits(&storm, self->buf.map));
		unmap(dma, iova, SIZE);
		EXPECT_TRUE(storm_misses(&storm, self->buf.map));
		WRITE_ONCE(storm.dst, map_file(dma, &self->buf, 0, SIZE, 0));
		EXPECT_TRUE(storm_goes_on(&storm));
	}
	storm_stop(&storm);
}

/* Much memory that the device has mapped, pages of which are freed. */
FIXTURE(hole)
{
	struct dma dma;
	struct dmabuf buf;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int gmem;
	u8 *mem;		/* as the host maps it */
};

FIXTURE_SETUP(hole)
{
	if (!open_dma(&self->dma))
		SKIP(return, "no igb bound to vfio-pci");
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	self->gmem = vm_create_guest_memfd(self->vm, SZ_1G, GUEST_MEMFD_FLAG_MMAP |
					   GUEST_MEMFD_FLAG_INIT_SHARED);
	self->mem = kvm_mmap(SZ_1G, PROT_READ | PROT_WRITE, MAP_SHARED, self->gmem);
	gmem_export(&self->buf, self->gmem, 0, SZ_1G, 0);
	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SZ_1G, self->gmem, 0);
}

FIXTURE_TEARDOWN(hole)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	close_dma(&self->dma);
	kvm_munmap(self->mem, SZ_1G);
	kvm_close(self->gmem);
	kvm_close(self->buf.fd);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/*
 * Every second page of a range is punched while the device writes elsewhere,
 * right beside the hole at last. What it does there goes on without a fault.
 */
TEST_F_TIMEOUT(hole, rest_stays_mapped, 240)
{
	const u64 at = SZ_512M + 5 * SZ_4K, nr = 16;
	const u64 others[] = { 0, SZ_256M, SZ_1G - SZ_4K, at - SZ_4K, at + SZ_4K };
	struct dma *dma = &self->dma;
	int log = open_log();
	struct storm storm;
	u64 iova, fault;

	iova = map_file(dma, &self->buf, 0, SZ_1G, 0);
	memset(self->mem + at, 0xa5, SZ_4K);
	storm_start(&storm, dma, iova + at);
	EXPECT_TRUE(storm_hits(&storm, self->mem + at));

	for (int i = 0; i < ARRAY_SIZE(others); i++) {
		u64 other = others[i];

		WRITE_ONCE(storm.dst, iova + other);
		EXPECT_TRUE(storm_goes_on(&storm));
		for (int j = 0; j < nr; j++) {
			ASSERT_EQ(0, gmem_punch(self->gmem, at + 2 * j * SZ_4K, SZ_4K));
			EXPECT_TRUE(storm_hits(&storm, self->mem + other));
		}
	}
	EXPECT_FALSE(log_next_fault(log, dma->device->bdf, &fault));

	/* Host and guest have a new page there, and the device has none. */
	WRITE_ONCE(storm.dst, iova + at);
	EXPECT_TRUE(storm_misses(&storm, self->mem + at));
	EXPECT_EQ(0xa5a5a5a5a5a5a5a5ULL, dmabuf_load(self->vcpu, DMABUF_GPA + at));
	EXPECT_TRUE(storm_faults(&storm));

	/* Still so when it is busy elsewhere again. */
	WRITE_ONCE(storm.dst, iova + at + SZ_4K);
	EXPECT_TRUE(storm_goes_on(&storm));
	EXPECT_TRUE(storm_hits(&storm, self->mem + at + SZ_4K));
	storm_stop(&storm);
	close(log);
}

/* Two parts of the BAR of another device, in an order of their own. */
FIXTURE(peer)
{
	struct dma dma;
	char *bdf;
	struct iommu *iommu;
	struct vfio_pci_device *device;
	u8 *mem;		/* the BAR as vfio maps it */
	struct dmabuf buf;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

static const struct vfio_region_dma_range peer_ranges[] = {
	{ .offset = SZ_1M, .length = 2 * COPY },
	{ .offset = 0, .length = 2 * COPY },
	{ .offset = SZ_2M, .length = COPY },
};

FIXTURE_SETUP(peer)
{
	self->bdf = dmabuf_vfio_find(DMABUF_IVSHMEM_VENDOR, DMABUF_IVSHMEM_DEVICE, 0);
	if (!self->bdf)
		SKIP(return, "no ivshmem device bound to vfio-pci");
	if (!open_dma(&self->dma))
		SKIP(return, "no igb bound to vfio-pci");

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->device = vfio_pci_device_init(self->bdf, self->iommu);
	vfio_pci_cmd_set(self->device, PCI_COMMAND_MEMORY);
	self->mem = self->device->bars[DMABUF_IVSHMEM_BAR].vaddr;
	memset(self->mem, 0, SZ_4M);
	ASSERT_EQ(0, __dmabuf_export_bar(&self->buf, self->device, DMABUF_IVSHMEM_BAR,
					 O_RDWR, peer_ranges, ARRAY_SIZE(peer_ranges)));
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
}

FIXTURE_TEARDOWN(peer)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	close_dma(&self->dma);
	if (self->device)
		vfio_pci_device_cleanup(self->device);
	iommu_cleanup(self->iommu);
	dmabuf_close_bar(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
	free(self->bdf);
}

TEST_F(peer, bar_in_several_ranges)
{
	struct dma *dma = &self->dma;
	u64 iova = map_file(dma, &self->buf, 0, self->buf.size, 0);

	for (int i = 0; i < 5; i++) {
		dmabuf_fill(dma->mem, COPY, 0, SEED + i);
		EXPECT_EQ(0, copy(dma, dma->scratch.iova, iova + i * COPY));
	}
	for (int i = 0; i < 5; i++) {
		EXPECT_HOST(self->mem + peer_ranges[i / 2].offset + i % 2 * COPY, SEED + i);
		EXPECT_GUEST(i * COPY, SEED + i);
	}

	/* Across the end of a range, and back. */
	EXPECT_EQ(0, copy(dma, iova + 2 * COPY - SZ_4K, dma->scratch.iova + SZ_1M));
	EXPECT_EQ(0, memcmp(dma->mem + SZ_1M, self->mem + SZ_1M + 2 * COPY - SZ_4K, SZ_4K));
	EXPECT_EQ(0, memcmp(dma->mem + SZ_1M + SZ_4K, self->mem, COPY - SZ_4K));
	/* The memory between the ranges was left alone. */
	EXPECT_EQ(0, *(u64 *)(self->mem + 2 * COPY));
	EXPECT_EQ(0, *(u64 *)(self->mem + SZ_1M - SZ_4K));
	EXPECT_EQ(0, *(u64 *)(self->mem + SZ_1M + 2 * COPY));
	EXPECT_EQ(0, *(u64 *)(self->mem + SZ_2M + COPY));
}

TEST_F(peer, slice_over_two_ranges)
{
	struct dma *dma = &self->dma;
	u64 iova = map_file(dma, &self->buf, 2 * COPY - SZ_4K, COPY, 0);

	dmabuf_fill(dma->mem, COPY, 0, SEED);
	EXPECT_EQ(0, copy(dma, dma->scratch.iova, iova));
	EXPECT_GUEST(2 * COPY - SZ_4K, SEED);
	EXPECT_EQ(0, memcmp(dma->mem, self->mem + SZ_1M + 2 * COPY - SZ_4K, SZ_4K));
	EXPECT_EQ(0, memcmp(dma->mem + SZ_4K, self->mem, COPY - SZ_4K));
}

TEST_F_TIMEOUT(peer, decoding_switched_off, 240)
{
	struct dma *dma = &self->dma;
	u64 iova[2] = {
		map_file(dma, &self->buf, 0, self->buf.size, 0),
		map_file(dma, &self->buf, 0, self->buf.size, IOMMU_IOAS_MAP_REMAP),
	};
	u64 none;

	for (int i = 0; i < 2; i++) {
		u8 *mem = self->mem + SZ_1M;
		struct storm storm;

		storm_start(&storm, dma, iova[i]);
		EXPECT_TRUE(storm_hits(&storm, mem));
		vfio_pci_cmd_clear(self->device, PCI_COMMAND_MEMORY);
		EXPECT_TRUE(storm_goes_on(&storm));
		/* QEMU drops DMA to a BAR that is off: what stops it has to be the IOMMU. */
		EXPECT_TRUE(storm_faults(&storm));
		EXPECT_EQ(ENODEV, __map_file(dma, &self->buf, 0, self->buf.size, 0, &none));
		vfio_pci_cmd_set(self->device, PCI_COMMAND_MEMORY);
		EXPECT_TRUE(i ? storm_hits(&storm, mem) : storm_misses(&storm, mem));
		storm_stop(&storm);
	}
}

/* The VMM maps a BAR before the guest enables it. */
TEST_F_TIMEOUT(peer, mapped_while_switched_off, 240)
{
	struct dma *dma = &self->dma;
	struct storm storm;
	u64 iova;

	vfio_pci_cmd_clear(self->device, PCI_COMMAND_MEMORY);
	iova = map_file(dma, &self->buf, 0, self->buf.size, IOMMU_IOAS_MAP_REMAP);
	storm_start(&storm, dma, iova);
	EXPECT_TRUE(storm_goes_on(&storm));
	EXPECT_TRUE(storm_faults(&storm));
	vfio_pci_cmd_set(self->device, PCI_COMMAND_MEMORY);
	EXPECT_TRUE(storm_hits(&storm, self->mem + SZ_1M));
	storm_stop(&storm);
}

/* The buffer outlives the device in iommufd, but does not lead there any more. */
TEST_F_TIMEOUT(peer, device_closed, 240)
{
	struct dma *dma = &self->dma;
	u64 iova = map_file(dma, &self->buf, 0, self->buf.size, IOMMU_IOAS_MAP_REMAP);
	struct storm storm;
	u64 none;

	storm_start(&storm, dma, iova);
	EXPECT_TRUE(storm_hits(&storm, self->mem + SZ_1M));
	vfio_pci_device_cleanup(self->device);
	EXPECT_TRUE(storm_goes_on(&storm));
	self->device = vfio_pci_device_init(self->bdf, self->iommu);
	vfio_pci_cmd_set(self->device, PCI_COMMAND_MEMORY);
	self->mem = self->device->bars[DMABUF_IVSHMEM_BAR].vaddr;
	EXPECT_TRUE(storm_misses(&storm, self->mem + SZ_1M));
	EXPECT_EQ(ENODEV, __map_file(dma, &self->buf, 0, self->buf.size, 0, &none));
	EXPECT_EQ(ENODEV, __map_file(dma, &self->buf, 0, self->buf.size,
				     IOMMU_IOAS_MAP_REMAP, &none));
	storm_stop(&storm);
	unmap(dma, iova, self->buf.size);
}

int main(int argc, char *argv[])
{
	char *bdf = dmabuf_vfio_find(DMABUF_IGB_VENDOR, DMABUF_IGB_DEVICE, 0);

	__TEST_REQUIRE(bdf, "no igb bound to vfio-pci");
	free(bdf);
	__TEST_REQUIRE(dmabuf_exporter(), "no /dev/dma_buf_test: CONFIG_DMABUF_TEST is off");
	return test_harness_run(argc, argv);
}
