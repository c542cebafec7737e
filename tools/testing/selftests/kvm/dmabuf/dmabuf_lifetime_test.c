// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends: whoever closes, deletes or dies first, the guest sees its memory as
 * long as there is a slot and a vCPU, and the buffer goes with its last user.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"
#include "dmabuf_util.h"

#define SEED	0x6c696665ULL
#define SIZE	SZ_1M
#define ROUNDS	40

/* A count that another thread, or the guest, pushes on. */
static bool wait_for_change(const volatile u64 *count, u64 was)
{
	struct timespec start, elapsed;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (READ_ONCE(*count) == was) {
		elapsed = timespec_elapsed(start);
		if (elapsed.tv_sec >= DMABUF_WAIT_S)
			return false;
		sched_yield();
	}
	return true;
}

static unsigned int nr_bound(u64 ino)
{
	struct dmabuf_info info;

	return dmabuf_info(ino, &info) ? info.kvm : 0;
}

/*
 * Every order of: F, the fd and mapping of the dma-buf; M, those of the memfd;
 * V, the fd of the VM; C, the vCPU; S, the slot. A slot can only be deleted
 * while there is an fd of its VM, so the orders with S are those before V.
 */
FIXTURE(order)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(order)
{
	const char *steps;
};

FIXTURE_SETUP(order)
{
	dmabuf_create(&self->buf, SIZE, 0);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE / 2, 0, SEED);

	/* These keep a VM alive like any other of its fds. */
	close(self->vm->stats.fd);
	close(self->vcpu->stats.fd);
}

/* What the steps have left is left to the end of the process. */
FIXTURE_TEARDOWN(order)
{
}

static void close_vcpu(struct kvm_vcpu *vcpu)
{
	int size = ioctl(vcpu->vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

	TEST_ASSERT(size > 0, "KVM_GET_VCPU_MMAP_SIZE failed");
	kvm_munmap(vcpu->run, size);
	close(vcpu->fd);
}

TEST_F(order, close)
{
	bool fd = true, vm = true, vcpu = true, slot = true;

	for (const char *step = variant->steps; *step; step++) {
		switch (*step) {
		case 'F':
			dmabuf_close_fd(&self->buf);
			fd = false;
			break;
		case 'M':
			dmabuf_close_memfd(&self->buf);
			break;
		case 'V':
			close(self->vm->fd);
			vm = false;
			break;
		case 'C':
			close_vcpu(self->vcpu);
			vcpu = false;
			break;
		case 'S':
			dmabuf_delete_slot(self->vm, DMABUF_SLOT);
			slot = false;
			break;
		}

		if (vcpu && slot) {
			EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ,
							  DMABUF_GPA, SIZE / 2, 0, SEED));
			dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);
		}
		if (fd)
			EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.map, SIZE / 2, 0, SEED));

		if (fd || (slot && (vm || vcpu))) {
			EXPECT_EQ(slot && (vm || vcpu), nr_bound(self->buf.ino));
		} else {
			EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino))
				TH_LOG("still there after step %c", *step);
		}
	}
}

FIXTURE_VARIANT_ADD(order, FMVC) { "FMVC" };
FIXTURE_VARIANT_ADD(order, FMCV) { "FMCV" };
FIXTURE_VARIANT_ADD(order, FVMC) { "FVMC" };
FIXTURE_VARIANT_ADD(order, FVCM) { "FVCM" };
FIXTURE_VARIANT_ADD(order, FCMV) { "FCMV" };
FIXTURE_VARIANT_ADD(order, FCVM) { "FCVM" };
FIXTURE_VARIANT_ADD(order, MFVC) { "MFVC" };
FIXTURE_VARIANT_ADD(order, MFCV) { "MFCV" };
FIXTURE_VARIANT_ADD(order, MVFC) { "MVFC" };
FIXTURE_VARIANT_ADD(order, MVCF) { "MVCF" };
FIXTURE_VARIANT_ADD(order, MCFV) { "MCFV" };
FIXTURE_VARIANT_ADD(order, MCVF) { "MCVF" };
FIXTURE_VARIANT_ADD(order, VFMC) { "VFMC" };
FIXTURE_VARIANT_ADD(order, VFCM) { "VFCM" };
FIXTURE_VARIANT_ADD(order, VMFC) { "VMFC" };
FIXTURE_VARIANT_ADD(order, VMCF) { "VMCF" };
FIXTURE_VARIANT_ADD(order, VCFM) { "VCFM" };
FIXTURE_VARIANT_ADD(order, VCMF) { "VCMF" };
FIXTURE_VARIANT_ADD(order, CFMV) { "CFMV" };
FIXTURE_VARIANT_ADD(order, CFVM) { "CFVM" };
FIXTURE_VARIANT_ADD(order, CMFV) { "CMFV" };
FIXTURE_VARIANT_ADD(order, CMVF) { "CMVF" };
FIXTURE_VARIANT_ADD(order, CVFM) { "CVFM" };
FIXTURE_VARIANT_ADD(order, CVMF) { "CVMF" };
FIXTURE_VARIANT_ADD(order, SFMVC) { "SFMVC" };
FIXTURE_VARIANT_ADD(order, SVCFM) { "SVCFM" };
FIXTURE_VARIANT_ADD(order, SMFCV) { "SMFCV" };
FIXTURE_VARIANT_ADD(order, SCVMF) { "SCVMF" };
FIXTURE_VARIANT_ADD(order, FSMVC) { "FSMVC" };
FIXTURE_VARIANT_ADD(order, MSFVC) { "MSFVC" };
FIXTURE_VARIANT_ADD(order, CSFMV) { "CSFMV" };
FIXTURE_VARIANT_ADD(order, CSVMF) { "CSVMF" };
FIXTURE_VARIANT_ADD(order, FMSVC) { "FMSVC" };
FIXTURE_VARIANT_ADD(order, MFCSV) { "MFCSV" };
FIXTURE_VARIANT_ADD(order, FCSVM) { "FCSVM" };
FIXTURE_VARIANT_ADD(order, MCSVF) { "MCSVF" };

/* Everything below runs a guest that never stops writing to its slot. */
FIXTURE(running)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct dmabuf buf;
};

struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	u64 mmio;		/* exits from where there is no slot */
};

static void *runner_thread(void *arg)
{
	struct runner *runner = arg;
	struct ucall uc;

	for (;;) {
		vcpu_run(runner->vcpu);
		if (runner->vcpu->run->exit_reason == KVM_EXIT_MMIO) {
			WRITE_ONCE(runner->mmio, runner->mmio + 1);
			continue;
		}
		TEST_ASSERT(get_ucall(runner->vcpu, &uc) == UCALL_SYNC,
			    "unexpected exit %s",
			    exit_reason_str(runner->vcpu->run->exit_reason));
		return NULL;
	}
}

static void runner_start(struct runner *runner, struct kvm_vcpu *vcpu, u64 gpa, u64 size)
{
	*runner = (struct runner){ .vcpu = vcpu };
	dmabuf_order(vcpu, DMABUF_OP_CYCLE, gpa, size, 0, 0, 0);
	kvm_pthread_create(&runner->thread, NULL, runner_thread, runner);
}

static void runner_stop(struct runner *runner)
{
	WRITE_ONCE(dmabuf_cmd(runner->vcpu)->stop, 1);
	kvm_pthread_join(runner->thread, NULL);
}

static u64 *word_of(struct dmabuf *buf, u64 offset)
{
	return (u64 *)(buf->mem + offset);
}

FIXTURE_SETUP(running)
{
	dmabuf_create(&self->buf, SIZE, 0);
	memset(self->buf.mem, 0, SIZE);
	self->vm = dmabuf_vm_create(2, self->vcpus);
}

FIXTURE_TEARDOWN(running)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/* After a delete has returned the guest cannot write any more. */
TEST_F(running, slot_deleted)
{
	u64 size = 16 * PAGE_SIZE;
	struct runner runner;
	u8 *copy = malloc(size);

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	runner_start(&runner, self->vcpus[0], DMABUF_GPA, size);
	for (int i = 0; i < ROUNDS; i++) {
		u64 was;

		ASSERT_TRUE(wait_for_change(word_of(&self->buf, 0), *word_of(&self->buf, 0)));
		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		memcpy(copy, self->buf.mem, size);
		was = READ_ONCE(runner.mmio);
		EXPECT_TRUE(wait_for_change(&runner.mmio, was));
		EXPECT_TRUE(wait_for_change(&runner.mmio, was + 1));
		EXPECT_EQ(0, memcmp(copy, self->buf.mem, size));
		dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	}
	runner_stop(&runner);
	free(copy);
}

/*
 * Another slice at the same place: the guest writes there, and only there. Each
 * vCPU has pages of its own, since KVM warns, with slots of any kind, when one
 * faults on a gfn that had no slot while another maps it already.
 */
TEST_F(running, slot_recreated_elsewhere)
{
	u64 size = 16 * PAGE_SIZE;
	struct runner runners[2];
	u8 *copy = malloc(SIZE);

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	for (int i = 0; i < 2; i++)
		runner_start(&runners[i], self->vcpus[i], DMABUF_GPA + i * size / 2, size / 2);
	for (int i = 1; i < ROUNDS; i++) {
		u64 slice = i % 16 * size;
		u64 *word = word_of(&self->buf, slice + (i % 16) * PAGE_SIZE);

		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		memcpy(copy, self->buf.mem, SIZE);
		dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, slice, size);
		EXPECT_TRUE(wait_for_change(word, *(u64 *)(copy + ((u8 *)word - self->buf.mem))));
		EXPECT_EQ(0, memcmp(copy, self->buf.mem, slice));
		EXPECT_EQ(0, memcmp(copy + slice + size, self->buf.mem + slice + size,
				    SIZE - slice - size));
		EXPECT_EQ(1, nr_bound(self->buf.ino));
	}
	for (int i = 0; i < 2; i++)
		runner_stop(&runners[i]);
	free(copy);
}

TEST_F(running, recreated_on_other_buffer)
{
	struct dmabuf other, *bufs[2] = { &self->buf, &other };
	u64 size = 16 * PAGE_SIZE;
	struct runner runner;

	dmabuf_create(&other, SIZE, 0);
	memset(other.mem, 0, SIZE);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	runner_start(&runner, self->vcpus[0], DMABUF_GPA, size);
	for (int i = 0; i < ROUNDS; i++) {
		u64 *word = word_of(bufs[i & 1], 0), *old = word_of(bufs[~i & 1], 0), was;

		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		was = *old;
		dmabuf_add_slot(self->vm, bufs[i & 1], DMABUF_SLOT, DMABUF_GPA, 0, size);
		EXPECT_TRUE(wait_for_change(word, *word));
		if (i)
			EXPECT_EQ(was, *old);
	}
	runner_stop(&runner);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	dmabuf_free(&other);
	EXPECT_TRUE(dmabuf_wait_gone(other.ino));
}

/* An ordinary slot right behind the dma-buf moves about. */
TEST_F(running, neighbour_moves)
{
	u64 size = 16 * PAGE_SIZE;
	struct kvm_userspace_memory_region2 normal = {
		.slot = DMABUF_SLOT + 1,
		.guest_phys_addr = DMABUF_GPA + size,
		.memory_size = size,
		.userspace_addr = (u64)kvm_mmap(size, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1),
	};
	struct runner runner;

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	dmabuf_set_slot(self->vm, &normal);
	runner_start(&runner, self->vcpus[0], DMABUF_GPA, size);
	for (int i = 0; i < ROUNDS; i++) {
		volatile u64 *rounds = &dmabuf_cmd(self->vcpus[0])->rounds;

		normal.guest_phys_addr = DMABUF_GPA + size + (i & 1 ? 0 : SZ_16M);
		dmabuf_set_slot(self->vm, &normal);
		EXPECT_TRUE(wait_for_change(rounds, *rounds));
	}
	runner_stop(&runner);
	EXPECT_EQ(0, READ_ONCE(runner.mmio));
}

TEST_F(running, neighbour_comes_and_goes)
{
	u64 size = 16 * PAGE_SIZE;
	struct runner runner;

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	runner_start(&runner, self->vcpus[0], DMABUF_GPA, size);
	for (int i = 0; i < ROUNDS; i++) {
		volatile u64 *rounds = &dmabuf_cmd(self->vcpus[0])->rounds;

		dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, DMABUF_GPA + size, size,
				size);
		EXPECT_EQ(0, dmabuf_load(self->vcpus[1], DMABUF_GPA + size));
		EXPECT_EQ(2, nr_bound(self->buf.ino));
		dmabuf_delete_slot(self->vm, DMABUF_SLOT + 1);
		EXPECT_EQ(1, nr_bound(self->buf.ino));
		EXPECT_TRUE(wait_for_change(rounds, *rounds));
	}
	runner_stop(&runner);
	EXPECT_EQ(0, READ_ONCE(runner.mmio));
}

TEST_F(running, other_vm_goes)
{
	u64 size = 16 * PAGE_SIZE;
	struct runner runner;

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	runner_start(&runner, self->vcpus[0], DMABUF_GPA, size);
	for (int i = 0; i < 5; i++) {
		u64 *word = word_of(&self->buf, 0);
		struct kvm_vcpu *vcpu;
		struct kvm_vm *vm = dmabuf_vm_create(1, &vcpu);

		dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, size, size);
		dmabuf_guest(vcpu, DMABUF_OP_WRITE, DMABUF_GPA, size, 0, SEED + i);
		EXPECT_EQ(2, nr_bound(self->buf.ino));
		kvm_vm_free(vm);
		EXPECT_EQ(1, nr_bound(self->buf.ino));
		EXPECT_EQ(DMABUF_OK, dmabuf_check(self->buf.mem + size, size, 0, SEED + i));
		EXPECT_TRUE(wait_for_change(word, *word));
	}
	runner_stop(&runner);
}

TEST_F(running, all_fds_of_the_buffer_closed)
{
	u64 size = 16 * PAGE_SIZE;
	u8 *mem = kvm_mmap(size, PROT_READ, MAP_SHARED, self->buf.memfd);
	struct runner runner;

	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	runner_start(&runner, self->vcpus[0], DMABUF_GPA, size);
	dmabuf_free(&self->buf);
	for (int i = 0; i < ROUNDS; i++)
		EXPECT_TRUE(wait_for_change((u64 *)mem, *(volatile u64 *)mem));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
	runner_stop(&runner);
}

/* Slots come, go and are used in an order that nobody thought of. */
TEST_F(running, random_slots)
{
	u32 seed = kvm_random_u32(&kvm_rng);
	struct kvm_random_state rng = new_kvm_random_state(seed);
	u64 size = 8 * PAGE_SIZE, at[4] = {};
	bool there[4] = {};

	TH_LOG("seed 0x%x", seed);
	dmabuf_fill(self->buf.mem, SIZE, 0, SEED);
	for (int i = 0; i < 400; i++) {
		u32 r = kvm_random_u32(&rng), n = r & 3;
		gpa_t gpa = DMABUF_GPA + n * SZ_1M;

		if (!there[n]) {
			at[n] = (r >> 8) % (SIZE / PAGE_SIZE - 8) * PAGE_SIZE;
			dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + n, gpa, at[n], size);
			there[n] = true;
		} else if (r & 4) {
			dmabuf_delete_slot(self->vm, DMABUF_SLOT + n);
			there[n] = false;
		} else {
			ASSERT_EQ(DMABUF_OK, dmabuf_guest(self->vcpus[r >> 4 & 1], DMABUF_OP_READ,
							  gpa, size, at[n], SEED));
		}
		ASSERT_EQ(there[0] + there[1] + there[2] + there[3], nr_bound(self->buf.ino));
	}
}

/* A process with all of it is killed; the memfd tells how far its guest got. */
enum victim {
	VICTIM_RUNS,
	VICTIM_CLOSED_FDS,
	VICTIM_CHANGES_SLOTS,
	VICTIM_PREFAULTS,
	VICTIM_TWO_VCPUS,
	VICTIM_TWO_VMS,
};

FIXTURE(killed)
{
	struct dmabuf buf;
};

FIXTURE_VARIANT(killed)
{
	enum victim victim;
};

FIXTURE_VARIANT_ADD(killed, running) { VICTIM_RUNS };
FIXTURE_VARIANT_ADD(killed, running_without_fds) { VICTIM_CLOSED_FDS };
FIXTURE_VARIANT_ADD(killed, changing_slots) { VICTIM_CHANGES_SLOTS };
FIXTURE_VARIANT_ADD(killed, prefaulting) { VICTIM_PREFAULTS };
FIXTURE_VARIANT_ADD(killed, two_vcpus) { VICTIM_TWO_VCPUS };
FIXTURE_VARIANT_ADD(killed, two_vms) { VICTIM_TWO_VMS };

FIXTURE_SETUP(killed)
{
	if (variant->victim == VICTIM_PREFAULTS &&
	    !(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRE_FAULT))
		SKIP(return, "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");
	dmabuf_create(&self->buf, SIZE, 0);
	memset(self->buf.mem, 0, SIZE);
}

FIXTURE_TEARDOWN(killed)
{
	dmabuf_free(&self->buf);
}

static void __noreturn be_the_victim(struct dmabuf *buf, enum victim victim)
{
	u64 size = 16 * PAGE_SIZE;
	struct kvm_pre_fault_memory range;
	struct kvm_vcpu *vcpus[2], *other;
	struct runner runners[2];
	struct kvm_vm *vm;

	vm = dmabuf_vm_create(2, vcpus);
	dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
	dmabuf_add_slot(vm, buf, DMABUF_SLOT + 1, DMABUF_GPA + SZ_1M, SIZE / 2, SIZE / 2);
	runner_start(&runners[0], vcpus[0], DMABUF_GPA, size);

	switch (victim) {
	case VICTIM_RUNS:
		break;
	case VICTIM_CLOSED_FDS:
		dmabuf_free(buf);
		break;
	case VICTIM_CHANGES_SLOTS:
		for (;;) {
			dmabuf_delete_slot(vm, DMABUF_SLOT);
			dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, size);
		}
	case VICTIM_PREFAULTS:
		for (;;) {
			range.gpa = DMABUF_GPA + SZ_1M;
			range.size = SIZE / 2;
			range.flags = 0;
			__vcpu_ioctl(vcpus[1], KVM_PRE_FAULT_MEMORY, &range);
		}
	case VICTIM_TWO_VCPUS:
		runner_start(&runners[1], vcpus[1], DMABUF_GPA, size);
		break;
	case VICTIM_TWO_VMS:
		vm = dmabuf_vm_create(1, &other);
		dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
		runner_start(&runners[1], other, DMABUF_GPA, size);
		break;
	}
	for (;;)
		pause();
}

/* The buffer of a process that is killed, while another has it too. */
TEST_F(killed, buffer_shared)
{
	u64 *word = word_of(&self->buf, 0);
	pid_t pid = fork();
	int status;

	if (!pid)
		be_the_victim(&self->buf, variant->victim);
	for (int i = 0; i < 4; i++)
		EXPECT_TRUE(wait_for_change(word, *(volatile u64 *)word));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));

	EXPECT_EQ(0, nr_bound(self->buf.ino));
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/* The dma-buf is the victim's alone. */
TEST_F(killed, buffer_owned)
{
	u64 *word = word_of(&self->buf, 0);
	pid_t pid = fork();
	int status;

	if (!pid)
		be_the_victim(&self->buf, variant->victim);
	dmabuf_close_fd(&self->buf);
	for (int i = 0; i < 4; i++)
		EXPECT_TRUE(wait_for_change(word, *(volatile u64 *)word));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));

	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

TEST_HARNESS_MAIN
