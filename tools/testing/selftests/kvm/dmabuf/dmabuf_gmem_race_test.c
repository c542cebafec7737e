// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversion, punch, close, map, DMA and guest accesses at the same time: no
 * order of them gets private bytes to a device.
 *
 * The guest stamps its memory while it is private with values that it never
 * writes while it is shared, and takes them away before it asks for it to be
 * shared. So a device that ever reads a stamp has seen private memory.
 */
#include <fcntl.h>
#include <pthread.h>

#include "kvm_test_harness.h"
#include "dmabuf_gmem.h"

#define NR		8
#define SIZE		(NR * (u64)PAGE_SIZE)
#define STAMP		0x5ec2e75ec2e7ULL

FIXTURE(race)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	int fd;
	int device;
};

FIXTURE_SETUP(race)
{
	if (!gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	self->vm = dmabuf_vm_create_type(1, &self->vcpu, KVM_X86_SW_PROTECTED_VM);
	self->fd = vm_create_guest_memfd(self->vm, SIZE, GUEST_MEMFD_FLAG_MMAP);
	gmem_export(&self->buf, self->fd, 0, SIZE, 0);
	self->device = device_attach(self->buf.fd);
	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SIZE, self->fd, 0);
}

FIXTURE_TEARDOWN(race)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

/* A device that maps and reads whatever it can get, for as long as it may. */
struct dma {
	pthread_t thread;
	int device;
	bool stop;
	u64 maps;
	u64 reads;
	u64 stamps;
	int error;		/* of a map, one that has no reason to be */
};

static void *dma_thread(void *arg)
{
	struct dma *dma = arg;
	u64 value;

	for (unsigned int i = 0; !READ_ONCE(dma->stop); i++) {
		u64 at = i % NR * (u64)PAGE_SIZE;
		int r = __device_map(dma->device, at, PAGE_SIZE,
				     DMA_BUF_TEST_MAP_WRITE |
				     (i & 8 ? DMA_BUF_TEST_MAP_UNPREPARED : 0));

		if (!r)
			dma->maps++;
		else if (r != EACCES && r != EAGAIN && r != EADDRINUSE && r != ENODEV)
			dma->error = r;

		for (u64 page = 0; page < SIZE; page += PAGE_SIZE) {
			if (device_read(dma->device, page, &value))
				continue;
			dma->reads++;
			dma->stamps += value == STAMP;
		}
	}
	return NULL;
}

static void dma_start(struct dma *dma, int device)
{
	*dma = (struct dma){ .device = device };
	kvm_pthread_create(&dma->thread, NULL, dma_thread, dma);
}

static void dma_stop(struct dma *dma)
{
	WRITE_ONCE(dma->stop, true);
	kvm_pthread_join(dma->thread, NULL);
}

static void stamp(struct kvm_vcpu *vcpu, u64 value)
{
	for (u64 page = 0; page < SIZE; page += PAGE_SIZE)
		dmabuf_store(vcpu, DMABUF_GPA + page, value);
}

/* Stamps are there only while the memory is private. */
static void convert_and_back(struct kvm_vcpu *vcpu)
{
	vm_mem_set_private(vcpu->vm, DMABUF_GPA, SIZE);
	stamp(vcpu, STAMP);
	stamp(vcpu, 0);
	vm_mem_set_shared(vcpu->vm, DMABUF_GPA, SIZE);
}

/* Wait for the device to map something, so that there is something to lose. */
static bool dma_wait(struct dma *dma)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!device_mapped(dma->device, 0, SIZE)) {
		if (dmabuf_ms_since(start) > DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	return true;
}

TEST_F_TIMEOUT(race, convert, 240)
{
	struct dmabuf_rounds rounds = {};
	struct dma dma;

	dma_start(&dma, self->device);
	while (dmabuf_another_round(&rounds, 300)) {
		ASSERT_TRUE(dma_wait(&dma));
		convert_and_back(self->vcpu);
	}
	dma_stop(&dma);
	EXPECT_EQ(0, dma.stamps);
	EXPECT_EQ(0, dma.error);
	EXPECT_LT(0, dma.reads);
}

/*
 * The attributes of a gigabyte take their time, and those of the memory come
 * last. What is mapped meanwhile would stay mapped.
 */
TEST_F_TIMEOUT(race, long_conversion, 240)
{
	struct dmabuf_rounds rounds = {};
	struct dma dma;

	dma_start(&dma, self->device);
	while (dmabuf_another_round(&rounds, 5)) {
		ASSERT_TRUE(dma_wait(&dma));
		vm_mem_set_private(self->vm, DMABUF_GPA - SZ_1G, SZ_1G + SIZE);
		EXPECT_EQ(0, device_mapped(self->device, 0, SIZE));
		vm_mem_set_shared(self->vm, DMABUF_GPA - SZ_1G, SZ_1G + SIZE);
	}
	dma_stop(&dma);
	EXPECT_EQ(0, dma.error);
}

/* Maps the last page as long as it is there, and never allocates it. */
struct last {
	pthread_t thread;
	int device;
	u64 at;
	bool stop;
};

static void *last_thread(void *arg)
{
	struct last *last = arg;

	while (!READ_ONCE(last->stop))
		__device_map(last->device, last->at, PAGE_SIZE,
			     DMA_BUF_TEST_MAP_UNPREPARED);
	return NULL;
}

/* Pages are freed in order. What is mapped meanwhile would be somebody else's. */
TEST(long_punch)
{
	const u64 size = SZ_32M;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	struct last last = { .at = size - PAGE_SIZE };
	int fd;

	vm = dmabuf_vm_create(1, &vcpu);
	fd = vm_create_guest_memfd(vm, size, GUEST_MEMFD_FLAG_MMAP |
					     GUEST_MEMFD_FLAG_INIT_SHARED);
	gmem_export(&buf, fd, 0, size, 0);
	last.device = device_attach(buf.fd);
	kvm_pthread_create(&last.thread, NULL, last_thread, &last);

	for (int i = 0; i < 5; i++) {
		struct timespec start;
		int other;

		ASSERT_EQ(0, device_map(last.device, 0, last.at));
		/* By another device, so that it is there. */
		other = device_attach(buf.fd);
		ASSERT_EQ(0, device_map(other, last.at, PAGE_SIZE));
		kvm_close(other);

		clock_gettime(CLOCK_MONOTONIC, &start);
		while (!device_mapped(last.device, last.at, PAGE_SIZE))
			ASSERT_GT(DMABUF_WAIT_S * 1000, dmabuf_ms_since(start));

		ASSERT_EQ(0, gmem_punch(fd, 0, size));
		EXPECT_EQ(0, device_mapped(last.device, last.at, PAGE_SIZE));
	}

	WRITE_ONCE(last.stop, true);
	kvm_pthread_join(last.thread, NULL);
	kvm_vm_free(vm);
}

struct puncher {
	pthread_t thread;
	int fd;
	bool stop;
	u64 punches;
};

static void *puncher_thread(void *arg)
{
	struct puncher *puncher = arg;

	for (unsigned int i = 0; !READ_ONCE(puncher->stop); i++) {
		puncher->punches += !gmem_punch(puncher->fd, i % NR * (u64)PAGE_SIZE,
						PAGE_SIZE);
		sched_yield();
	}
	return NULL;
}

/* The page that a device has must not be another's while it has it. */
TEST_F_TIMEOUT(race, convert_and_punch, 240)
{
	struct dmabuf_rounds rounds = {};
	struct puncher puncher = { .fd = self->fd };
	struct dma dma;

	dma_start(&dma, self->device);
	kvm_pthread_create(&puncher.thread, NULL, puncher_thread, &puncher);
	while (dmabuf_another_round(&rounds, 300)) {
		ASSERT_TRUE(dma_wait(&dma));
		convert_and_back(self->vcpu);
	}
	WRITE_ONCE(puncher.stop, true);
	kvm_pthread_join(puncher.thread, NULL);
	dma_stop(&dma);
	EXPECT_EQ(0, dma.stamps);
	EXPECT_EQ(0, dma.error);
	EXPECT_LT(0, puncher.punches);
}

/* Without a slot the memory is private; and the slot is freed under the map. */
TEST_F_TIMEOUT(race, slot, 240)
{
	struct dmabuf_rounds rounds = {};
	struct dma dma;

	dma_start(&dma, self->device);
	while (dmabuf_another_round(&rounds, 300)) {
		ASSERT_TRUE(dma_wait(&dma));
		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		EXPECT_EQ(0, device_mapped(self->device, 0, SIZE));
		vm_mem_set_private(self->vm, DMABUF_GPA, SIZE);
		gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SIZE, self->fd, 0);
		stamp(self->vcpu, STAMP);
		stamp(self->vcpu, 0);
		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		vm_mem_set_shared(self->vm, DMABUF_GPA, SIZE);
		gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SIZE, self->fd, 0);
	}
	dma_stop(&dma);
	EXPECT_EQ(0, dma.stamps);
	EXPECT_EQ(0, dma.error);
}

/* A new VM with each round; the dma-buf of the old one stays to the end of it. */
TEST(close_everything)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	struct dma dma;
	int fd, device;

	for (int i = 0; i < 10; i++) {
		vm = dmabuf_vm_create(1, &vcpu);
		fd = vm_create_guest_memfd(vm, SIZE, GUEST_MEMFD_FLAG_MMAP);
		gmem_export(&buf, fd, 0, SIZE, 0);
		device = device_attach(buf.fd);
		gmem_add_slot(vm, DMABUF_SLOT, DMABUF_GPA, SIZE, fd, 0);

		dma_start(&dma, device);
		ASSERT_TRUE(dma_wait(&dma));
		switch (i % 3) {
		case 0:
			kvm_close(fd);
			kvm_vm_free(vm);
			kvm_close(buf.fd);
			break;
		case 1:
			kvm_close(buf.fd);
			kvm_vm_free(vm);
			kvm_close(fd);
			break;
		case 2:
			kvm_vm_free(vm);
			kvm_close(fd);
			kvm_close(buf.fd);
			break;
		}
		EXPECT_EQ(0, device_mapped(device, 0, SIZE));
		dma_stop(&dma);
		EXPECT_EQ(0, device_mapped(device, 0, SIZE));
		EXPECT_EQ(ENODEV, device_map(device, 0, SIZE));
		EXPECT_EQ(0, dma.error);
		kvm_close(device);
		EXPECT_TRUE(dmabuf_wait_gone(buf.ino));
	}
}

TEST_HARNESS_MAIN
