// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter that never stops moving, revoking and giving back, while slots,
 * VMs and processes come and go. What is asked for here is that nobody
 * crashes, hangs or stays behind; dmabuf_move_test looks at the content.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"
#include "svm_util.h"

#define SEED		0x72616365ULL
#define NR_EXTENTS	4

/* The page tables of L1 for L2, and rmaps, cover all of it. */
#define SLOT2_GPA	(DMABUF_GPA + SZ_64M)

struct mover {
	pthread_t thread;
	const struct dmabuf *buf;
	u64 extent;
	bool revoke;
	int stop;
	u64 count;
};

static void *mover_thread(void *arg)
{
	struct mover *mover = arg;
	u32 r = 1;

	while (!__atomic_load_n(&mover->stop, __ATOMIC_ACQUIRE)) {
		r = dmabuf_mix(r);
		if (mover->revoke && r % 4 == 0) {
			dmabuf_revoke(mover->buf);
			sched_yield();
			dmabuf_unrevoke(mover->buf);
		} else if (r % 8 == 1) {
			dmabuf_move(mover->buf, 0, 0);
		} else {
			dmabuf_move(mover->buf, (r >> 8) % NR_EXTENTS * mover->extent,
				    mover->extent);
		}
		__atomic_add_fetch(&mover->count, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void mover_start(struct mover *mover, const struct dmabuf *buf, u64 extent, bool revoke)
{
	*mover = (struct mover) {
		.buf = buf,
		.extent = extent,
		.revoke = revoke,
	};
	kvm_pthread_create(&mover->thread, NULL, mover_thread, mover);
}

/* Once it is known to run. */
static bool mover_wait(struct mover *mover)
{
	u64 was = __atomic_load_n(&mover->count, __ATOMIC_RELAXED);
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (__atomic_load_n(&mover->count, __ATOMIC_RELAXED) == was) {
		if (dmabuf_ms_since(start) > DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	return true;
}

static void mover_stop(struct mover *mover)
{
	__atomic_store_n(&mover->stop, 1, __ATOMIC_RELEASE);
	kvm_pthread_join(mover->thread, NULL);
}

/* A vCPU that works until it is told to stop, whatever becomes of its memory. */
struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	u64 mmio, faults;
};

static void *runner_thread(void *arg)
{
	struct runner *runner = arg;
	struct kvm_run *run = runner->vcpu->run;
	int err;

	for (;;) {
		err = dmabuf_run(runner->vcpu);
		if (!err && run->exit_reason == KVM_EXIT_MMIO) {
			runner->mmio++;
		} else if (err == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
			   run->memory_fault.flags == KVM_MEMORY_EXIT_FLAG_REVOKED) {
			runner->faults++;
			sched_yield();
		} else {
			TEST_ASSERT(!err && dmabuf_is_done(runner->vcpu), "KVM_RUN: %s, exit %s",
				    strerror(err), exit_reason_str(run->exit_reason));
			return NULL;
		}
	}
}

static void runner_start(struct runner *runner, struct kvm_vcpu *vcpu, gpa_t gpa, u64 size)
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

FIXTURE(race)
{
	struct dmabuf buf;
	struct mover mover;
	u64 extent;
};

FIXTURE_VARIANT(race)
{
	u32 order;
	u32 flags;
	bool revoke;
};

FIXTURE_VARIANT_ADD(race, move_4k) {
	.flags = DMA_BUF_TEST_RANGES,
};

FIXTURE_VARIANT_ADD(race, move_2m) {
	.order = DMABUF_ORDER_2M,
	.flags = DMA_BUF_TEST_RANGES,
};

FIXTURE_VARIANT_ADD(race, revoke_4k) {
	.revoke = true,
};

FIXTURE_SETUP(race)
{
	self->extent = PAGE_SIZE << variant->order;
	dmabuf_create_test(&self->buf, NR_EXTENTS * self->extent, variant->order,
			   variant->flags | DMA_BUF_TEST_DYNAMIC);
	mover_start(&self->mover, &self->buf, self->extent, variant->revoke);
	ASSERT_TRUE(mover_wait(&self->mover));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_TRUE(mover_wait(&self->mover));
	mover_stop(&self->mover);
	EXPECT_EQ(0, dmabuf_counters(&self->buf).attachments);
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

TEST_F_TIMEOUT(race, slot_deleted, 240)
{
	struct dmabuf_rounds rounds = {};
	struct runner runners[2];
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = dmabuf_vm_create(2, vcpus);

	/* One that stays, and one that comes and goes. */
	dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
	runner_start(&runners[0], vcpus[0], DMABUF_GPA, self->buf.size);
	runner_start(&runners[1], vcpus[1], SLOT2_GPA, self->buf.size);
	while (dmabuf_another_round(&rounds, 300)) {
		dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT + 1, SLOT2_GPA, 0, self->buf.size);
		if (rounds.done % 4 == 0)
			EXPECT_TRUE(mover_wait(&self->mover));
		dmabuf_delete_slot(vm, DMABUF_SLOT + 1);
	}
	runner_stop(&runners[0]);
	runner_stop(&runners[1]);
	kvm_vm_free(vm);
}

TEST_F_TIMEOUT(race, vm_destroyed, 240)
{
	struct dmabuf_rounds rounds = {};
	struct kvm_vcpu *vcpus[2];

	while (dmabuf_another_round(&rounds, 40)) {
		struct kvm_vm *vm = dmabuf_vm_create(2, vcpus);
		struct runner runner;

		for (int s = 0; s < 4; s++)
			dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT + s,
					DMABUF_GPA + s * SZ_16M, 0, self->buf.size);
		runner_start(&runner, vcpus[0], DMABUF_GPA + SZ_16M, self->buf.size);
		EXPECT_TRUE(mover_wait(&self->mover));
		runner_stop(&runner);
		kvm_vm_free(vm);
		EXPECT_EQ(0, dmabuf_counters(&self->buf).attachments);
	}
}

TEST_F_TIMEOUT(race, prefault, 240)
{
	struct dmabuf_rounds rounds = {};
	struct runner runner;
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm;
	int err;

	if (!dmabuf_has_tdp())
		SKIP(return, "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");

	vm = dmabuf_vm_create(2, vcpus);
	dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
	runner_start(&runner, vcpus[0], DMABUF_GPA, self->buf.size);
	while (dmabuf_another_round(&rounds, 500)) {
		err = dmabuf_prefault(vcpus[1], DMABUF_GPA, self->buf.size);
		/* Each error is one that the manual has. */
		EXPECT_TRUE(!err || err == EAGAIN || err == EINTR ||
			    (variant->revoke && err == EFAULT))
			TH_LOG("error %d", err);
	}
	runner_stop(&runner);
	kvm_vm_free(vm);
}

/* The VMM has closed the buffer, and then the VM goes, while it is being moved. */
TEST_F_TIMEOUT(race, closed, 240)
{
	struct dmabuf_rounds rounds = {};

	while (dmabuf_another_round(&rounds, 40)) {
		struct dmabuf buf, movers;
		struct kvm_vcpu *vcpu;
		struct kvm_vm *vm = dmabuf_vm_create(1, &vcpu);
		struct runner runner;
		struct mover mover;

		dmabuf_create_test(&buf, self->buf.size, variant->order,
				   variant->flags | DMA_BUF_TEST_DYNAMIC);
		dmabuf_add_slot(vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, buf.size);
		dmabuf_add_slot(vm, &self->buf, DMABUF_SLOT + 1, SLOT2_GPA, 0, buf.size);
		movers = buf;
		movers.fd = dup(buf.fd);
		TEST_ASSERT(movers.fd >= 0, "dup() failed");
		mover_start(&mover, &movers, self->extent, variant->revoke);

		runner_start(&runner, vcpu, DMABUF_GPA, buf.size);
		dmabuf_free(&buf);
		EXPECT_TRUE(mover_wait(&mover));
		if (rounds.done % 2)
			dmabuf_delete_slot(vm, DMABUF_SLOT);
		runner_stop(&runner);
		kvm_vm_free(vm);
		EXPECT_TRUE(mover_wait(&mover));
		mover_stop(&mover);
		kvm_close(movers.fd);
		EXPECT_TRUE(dmabuf_wait_gone(buf.ino));
	}
}

static void __noreturn be_the_victim(struct dmabuf *buf)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = dmabuf_vm_create(2, vcpus);
	struct runner runners[2];

	dmabuf_add_slot(vm, buf, DMABUF_SLOT, DMABUF_GPA, 0, buf->size);
	runner_start(&runners[0], vcpus[0], DMABUF_GPA, buf->size);
	runner_start(&runners[1], vcpus[1], SLOT2_GPA, buf->size);
	for (;;) {
		dmabuf_add_slot(vm, buf, DMABUF_SLOT + 1, SLOT2_GPA, 0, buf->size);
		dmabuf_delete_slot(vm, DMABUF_SLOT + 1);
	}
}

TEST_F_TIMEOUT(race, killed, 240)
{
	struct dmabuf_rounds rounds = {};

	while (dmabuf_another_round(&rounds, 20)) {
		u64 fills = dmabuf_counters(&self->buf).fills;
		pid_t pid = fork();
		int status;

		if (!pid)
			be_the_victim(&self->buf);
		EXPECT_TRUE(dmabuf_wait_fills(&self->buf, fills, 8));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(0, dmabuf_counters(&self->buf).attachments);
	}
}

/*
 * Nested guests. With the first root of theirs KVM allocates reverse maps, but
 * only for slots that are active then. A slot on its way out has none, although
 * from now on the VM has them: an invalidation that used it would follow a NULL
 * pointer. It happens once in the life of a VM.
 */
#define NR_L2_ROUNDS	10

static void guest_l2(void)
{
	for (int i = 0; i < NR_L2_ROUNDS; i++) {
		for (u64 at = 0; at < SZ_8M; at += SZ_512K) {
			/* The exits of a nested guest are decoded by KVM. */
			asm volatile("mov %%rax, (%0)" :: "r"(SLOT2_GPA + at) : "memory");
			asm volatile("mov %%rax, (%0)" :: "r"(DMABUF_GPA + at) : "memory");
		}
	}
	vmmcall();
}

static void guest_l1(struct svm_test_data *svm)
{
	generic_svm_setup(svm, guest_l2);
	GUEST_SYNC(0);
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	GUEST_SYNC(1);
}

struct deleter {
	pthread_t thread;
	struct kvm_vm *vm;
	struct dmabuf *buf;
	int stop;
};

static void *deleter_thread(void *arg)
{
	struct deleter *d = arg;

	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		dmabuf_delete_slot(d->vm, DMABUF_SLOT + 1);
		dmabuf_add_slot(d->vm, d->buf, DMABUF_SLOT + 1, SLOT2_GPA, 0, d->buf->size);
	}
	return NULL;
}

TEST_F_TIMEOUT(race, first_nested_entry, 240)
{
	struct dmabuf_rounds rounds = {};
	struct kvm_vcpu *vcpu;

	if (!kvm_cpu_has(X86_FEATURE_SVM) || !kvm_cpu_has_npt())
		SKIP(return, "no nested SVM with nested paging");

	while (dmabuf_another_round(&rounds, 40)) {
		struct deleter d = { .buf = &self->buf };
		struct runner runner = {};
		struct ucall uc;
		gva_t svm;

		d.vm = vm_create_with_one_vcpu(&vcpu, guest_l1);
		vm_enable_npt(d.vm);
		vcpu_alloc_svm(d.vm, &svm);
		vcpu_args_set(vcpu, 1, svm);
		virt_map_level(d.vm, DMABUF_GPA, DMABUF_GPA, DMABUF_GPA_SIZE, PG_LEVEL_2M);
		tdp_identity_map_1g(d.vm, DMABUF_GPA, DMABUF_GPA_SIZE);
		tdp_identity_map_default_memslots(d.vm);

		dmabuf_add_slot(d.vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
		dmabuf_add_slot(d.vm, &self->buf, DMABUF_SLOT + 1, SLOT2_GPA, 0, self->buf.size);
		EXPECT_EQ(0, dmabuf_run(vcpu));
		ASSERT_EQ(UCALL_SYNC, get_ucall(vcpu, &uc));
		EXPECT_EQ(0, uc.args[1]);

		kvm_pthread_create(&d.thread, NULL, deleter_thread, &d);
		runner.vcpu = vcpu;
		runner_thread(&runner);
		__atomic_store_n(&d.stop, 1, __ATOMIC_RELEASE);
		kvm_pthread_join(d.thread, NULL);
		kvm_vm_free(d.vm);
	}
}

int main(int argc, char *argv[])
{
	__TEST_REQUIRE(dmabuf_exporter(), "no /dev/dma_buf_test: CONFIG_DMABUF_TEST is off");
	return test_harness_run(argc, argv);
}
