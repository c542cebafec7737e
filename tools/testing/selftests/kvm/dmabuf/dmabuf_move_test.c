// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that work while their memory moves.
 *
 * In each page every vCPU has a word of its own, which it counts up once a
 * round and which nobody else writes. If it finds another value than the one
 * that it wrote last, then it has read memory that is not the buffer's any more
 * (stale), or has written to such memory before (lost). The words of others
 * only ever grow, which it checks too. So does the host, through the mapping of
 * the dma-buf, where it has words of its own.
 *
 * DMABUF_MOVES in the environment sets the number of moves, over all cases.
 */
#include <pthread.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"

#define NR_VCPUS	3
#define NR_WORDS	(NR_VCPUS + 1)	/* the last is the host's */
#define MAX_PAGES	64
#define MOVES		2000	/* a fourth of that on the shadow MMU */
#define WINDOWS		20

/* The words of a page are on cache lines of their own. */
#define WORD_STEP	64

/* The second slot on the buffer, which odd vCPUs use; not congruent to the first. */
#define ALIAS_GPA	(DMABUF_GPA + SZ_1G + SZ_16M + PAGE_SIZE)

enum verdict {
	FINE,
	STALE_OR_LOST,		/* one's own word is not what one wrote */
	WENT_BACK,		/* the word of somebody else */
};

/* Shared with the guest, one for each vCPU and one for the host. */
struct worker {
	u64 base;		/* of the pages that it looks at */
	u64 step;		/* from one to the next */
	u64 nr;
	u64 seed;		/* of the order of pages */
	u64 stop;
	u64 visits;
	u64 rounds;
	u64 verdict, page, found, expected;
	u64 mine[MAX_PAGES];
	u64 seen[MAX_PAGES][NR_WORDS];
} __aligned(PAGE_SIZE);

static struct worker workers[NR_WORDS];

static bool complain(struct worker *w, enum verdict why, u64 page, u64 found, u64 expected)
{
	w->page = page;
	w->found = found;
	w->expected = expected;
	WRITE_ONCE(w->verdict, why);
	return false;
}

static bool visit(struct worker *w, u32 me, u64 page)
{
	u64 mem = w->base + page * w->step;
	u64 *mine = (u64 *)(mem + me * WORD_STEP);
	u64 value = READ_ONCE(*mine);

	if (value != w->mine[page])
		return complain(w, STALE_OR_LOST, page, value, w->mine[page]);
	WRITE_ONCE(*mine, ++w->mine[page]);

	for (u32 i = 0; i < NR_WORDS; i++) {
		if (i == me)
			continue;
		value = READ_ONCE(*(u64 *)(mem + i * WORD_STEP));
		if (value < w->seen[page][i])
			return complain(w, WENT_BACK, page, value, w->seen[page][i]);
		w->seen[page][i] = value;
	}
	WRITE_ONCE(w->visits, w->visits + 1);
	return true;
}

/* Up, down and at random, so that no two always follow each other. */
static void work(struct worker *w, u32 me)
{
	u64 state = w->seed;

	while (!READ_ONCE(w->stop)) {
		for (u64 i = 0; i < w->nr && !READ_ONCE(w->stop); i++) {
			u64 page = i;

			if (w->rounds % 3 == 1) {
				page = w->nr - 1 - i;
			} else if (w->rounds % 3 == 2) {
				state = dmabuf_mix(state + 1);
				page = state % w->nr;
			}
			if (!visit(w, me, page))
				return;
		}
		WRITE_ONCE(w->rounds, w->rounds + 1);
	}
}

static void guest_main(u32 vcpu_id)
{
	work(&workers[vcpu_id], vcpu_id);
	GUEST_DONE();
}

/* The same in the host, and the threads of the vCPUs. */
struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	u64 revoked;		/* exits */
};

static void *vcpu_thread(void *arg)
{
	struct runner *runner = arg;
	struct kvm_vcpu *vcpu = runner->vcpu;
	struct ucall uc;
	int err;

	for (;;) {
		err = dmabuf_run(vcpu);
		if (err == EFAULT && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
		    vcpu->run->memory_fault.flags == KVM_MEMORY_EXIT_FLAG_REVOKED) {
			WRITE_ONCE(runner->revoked, runner->revoked + 1);
			sched_yield();
			continue;
		}
		TEST_ASSERT(!err && get_ucall(vcpu, &uc) == UCALL_DONE,
			    "vCPU %u: KVM_RUN: %s, exit %s", vcpu->id, strerror(err),
			    exit_reason_str(vcpu->run->exit_reason));
		return NULL;
	}
}

static void *host_thread(void *arg)
{
	work(&workers[NR_VCPUS], NR_VCPUS);
	return NULL;
}

static u64 nr_moves(u32 percent)
{
	const char *env = getenv("DMABUF_MOVES");
	u64 moves = dmabuf_has_tdp() ? MOVES : MOVES / 4;

	if (env)
		moves = strtoull(env, NULL, 0);
	return moves * percent / 100;
}

FIXTURE(move)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[NR_VCPUS];
	struct worker *guest[NR_VCPUS];
	struct runner runners[NR_VCPUS];
	pthread_t host;
	struct dmabuf buf;
	u64 extent;
};

FIXTURE_VARIANT(move)
{
	u32 order;
	u32 nr;			/* extents */
	u32 flags;
	u32 percent;		/* of all moves */
	bool host;		/* works, too */
	bool revoke;		/* mixed in */
	bool parts;		/* extents by themselves */
};

FIXTURE_VARIANT_ADD(move, whole_4k) {
	.nr = 32,
	.flags = DMA_BUF_TEST_DYNAMIC,
	.percent = 25,
};

FIXTURE_VARIANT_ADD(move, parts_4k) {
	.nr = 32,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
	.percent = 40,
	.parts = true,
};

FIXTURE_VARIANT_ADD(move, parts_4k_and_host) {
	.nr = 16,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
	.percent = 15,
	.parts = true,
	.host = true,
};

FIXTURE_VARIANT_ADD(move, parts_2m) {
	.order = DMABUF_ORDER_2M,
	.nr = 3,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
	.percent = 8,
	.parts = true,
};

FIXTURE_VARIANT_ADD(move, whole_2m) {
	.order = DMABUF_ORDER_2M,
	.nr = 2,
	.flags = DMA_BUF_TEST_DYNAMIC,
	.percent = 2,
	.host = true,
};

FIXTURE_VARIANT_ADD(move, revoke_4k) {
	.nr = 16,
	.flags = DMA_BUF_TEST_DYNAMIC,
	.percent = 8,
	.revoke = true,
};

FIXTURE_VARIANT_ADD(move, revoke_2m) {
	.order = DMABUF_ORDER_2M,
	.nr = 2,
	.flags = DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES,
	.percent = 2,
	.parts = true,
	.revoke = true,
};

FIXTURE_SETUP(move)
{
	/* With large extents some pages of each are looked at, not all. */
	u64 pages = variant->order ? MAX_PAGES / 4 : variant->nr;

	self->extent = PAGE_SIZE << variant->order;
	dmabuf_create_test(&self->buf, variant->nr * self->extent, variant->order,
			   variant->flags);
	self->vm = vm_create_with_vcpus(NR_VCPUS, guest_main, self->vcpus);
	virt_map_level(self->vm, DMABUF_GPA, DMABUF_GPA, DMABUF_GPA_SIZE, PG_LEVEL_2M);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT + 1, ALIAS_GPA, 0, self->buf.size);

	for (u32 i = 0; i < NR_WORDS; i++)
		workers[i] = (struct worker) {
			.base = i == NR_VCPUS ? (u64)self->buf.map :
				i % 2 ? ALIAS_GPA : DMABUF_GPA,
			.step = self->buf.size / pages,
			.nr = pages,
			.seed = kvm_random_u32(&kvm_rng),
		};
	sync_global_to_guest(self->vm, workers);

	for (u32 i = 0; i < NR_VCPUS; i++) {
		self->guest[i] = addr_gva2hva(self->vm, (gva_t)&workers[i]);
		self->runners[i].vcpu = self->vcpus[i];
		vcpu_args_set(self->vcpus[i], 1, i);
		kvm_pthread_create(&self->runners[i].thread, NULL, vcpu_thread,
				   &self->runners[i]);
	}
	if (variant->host)
		kvm_pthread_create(&self->host, NULL, host_thread, NULL);
}

FIXTURE_TEARDOWN(move)
{
	kvm_vm_free(self->vm);
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

/* Worker @i of this test, wherever it runs. */
#define WORKER(_i)	((_i) == NR_VCPUS ? &workers[NR_VCPUS] : self->guest[_i])

/* A hang is found by the time that a window may take. */
TEST_F_TIMEOUT(move, stamps, 24 * 3600)
{
	u32 nr = NR_VCPUS + variant->host, seed = kvm_random_u32(&kvm_rng);
	struct kvm_random_state rng = new_kvm_random_state(seed);
	u64 moves = nr_moves(variant->percent), done = 0, revokes = 0;
	u64 was[NR_WORDS], least = ~0ULL;
	struct timespec start;
	bool complaint = false;

	TH_LOG("seed 0x%x", seed);
	for (u64 window = 1; window <= WINDOWS && !complaint; window++) {
		bool progress;

		for (u32 i = 0; i < nr; i++)
			was[i] = READ_ONCE(WORKER(i)->visits);
		clock_gettime(CLOCK_MONOTONIC, &start);

		/*
		 * Go on moving, without a pause, until the number is reached and
		 * every worker has got somewhere: nobody may starve.
		 */
		do {
			u32 r = kvm_random_u32(&rng);
			u32 first = r % variant->nr, n = 1 + (r >> 8) % 3;

			if (!variant->parts || r % 16 == 0) {
				dmabuf_move(&self->buf, 0, 0);
			} else {
				n = min(n, variant->nr - first);
				dmabuf_move(&self->buf, first * self->extent, n * self->extent);
			}
			done++;
			if (variant->revoke && r % 8 == 1) {
				dmabuf_revoke(&self->buf);
				dmabuf_unrevoke(&self->buf);
				revokes++;
			}

			progress = true;
			for (u32 i = 0; i < nr; i++) {
				progress &= READ_ONCE(WORKER(i)->visits) != was[i];
				complaint |= READ_ONCE(WORKER(i)->verdict) != FINE;
			}
			ASSERT_LT(dmabuf_ms_since(start), 20000)
				TH_LOG("somebody makes no progress");
		} while (!complaint && (done * WINDOWS < moves * window || !progress));
	}

	for (u32 i = 0; i < nr; i++)
		WRITE_ONCE(WORKER(i)->stop, 1);
	for (u32 i = 0; i < NR_VCPUS; i++)
		kvm_pthread_join(self->runners[i].thread, NULL);
	if (variant->host)
		kvm_pthread_join(self->host, NULL);

	for (u32 i = 0; i < nr; i++) {
		struct worker *w = WORKER(i);

		EXPECT_EQ(FINE, w->verdict)
			TH_LOG("worker %u, page %lu: found %lu, expected %s%lu", i,
			       (long)w->page, (long)w->found,
			       w->verdict == WENT_BACK ? "at least " : "", (long)w->expected);
		EXPECT_GE(w->visits, WINDOWS);
		least = min(least, w->visits);

		/* Nothing that was written is missing in the end. */
		for (u64 page = 0; page < w->nr; page++)
			EXPECT_EQ(w->mine[page], *(u64 *)(self->buf.map + page * w->step +
							  i * WORD_STEP));
	}
	EXPECT_GE(done, moves);
	TH_LOG("%lu moves, %lu revocations, at least %lu visits by each", (long)done,
	       (long)revokes, (long)least);
}

int main(int argc, char *argv[])
{
	__TEST_REQUIRE(dmabuf_exporter(), "no /dev/dma_buf_test: CONFIG_DMABUF_TEST is off");
	return test_harness_run(argc, argv);
}
