// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often vCPUs get into each other's way, or into that of an exporter that
 * moves its memory, at the reservation lock of one dma-buf.
 *
 * What is counted, not timed: faults that ended in a mapping, calls of fill
 * that did not (KVM found that there had been an invalidation, and tried again),
 * and how often somebody had to wait for a reservation lock. The last comes
 * from /proc/lock_stat, hence from a kernel that checks its locks.
 *
 * Each vCPU has pages of its own. In "quiet" it touches each of them once. In
 * "moving" it goes round and round, while the exporter moves a page at random
 * or, now and then, all of them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf_exporter.h"

#define MAX_VCPUS	4
#define NR_PAGES	1024	/* of each vCPU */
#define NR_MOVES	300
#define NR_MOVED_PAGES	16	/* of each vCPU, while they move */

#define LOCK_STAT	"/proc/lock_stat"
#define LOCK_CLASS	"reservation_ww_class_mutex:"

static void *vcpu_thread(void *arg)
{
	dmabuf_finish(arg);
	return NULL;
}

static u64 nr_faults(struct kvm_vcpu *vcpus[], u32 nr)
{
	u64 sum = 0;

	for (u32 i = 0; i < nr; i++)
		sum += vcpu_get_stat(vcpus[i], pf_fixed);
	return sum;
}

/* How often somebody waited for a lock of the class since the last call. */
static u64 nr_contentions(void)
{
	u64 bounces, waits, sum = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	f = fopen(LOCK_STAT, "r");
	TEST_ASSERT(f, "cannot read " LOCK_STAT);
	while (getline(&line, &size, f) > 0) {
		char *at = strstr(line, LOCK_CLASS);

		if (at && sscanf(at + strlen(LOCK_CLASS), "%lu %lu", &bounces, &waits) == 2)
			sum += waits;
	}
	free(line);
	fclose(f);

	f = fopen(LOCK_STAT, "w");
	TEST_ASSERT(f && fputs("0", f) >= 0 && !fclose(f), "cannot reset " LOCK_STAT);
	return sum;
}

/* vm/bench.py reads what is printed. */
static void measure(u32 nr, bool moving)
{
	u64 pages = moving ? NR_MOVED_PAGES : NR_PAGES, part = pages * SZ_4K;
	u64 faults, fills, waits;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	pthread_t threads[MAX_VCPUS];
	struct kvm_vm *vm;
	struct dmabuf buf;
	u32 i;

	dmabuf_create_test(&buf, nr * part, 0, DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES);
	vm = dmabuf_vm_create(nr, vcpus);
	dmabuf_add_slot(vm, &buf, DMABUF_SLOT, DMABUF_GPA, 0, buf.size);
	/* Upper page tables, and what the guest needs itself. */
	for (i = 0; i < nr; i++)
		dmabuf_load(vcpus[i], DMABUF_GPA + i * part);
	dmabuf_invalidate(&buf, 0, 0);

	faults = nr_faults(vcpus, nr);
	fills = dmabuf_counters(&buf).fills;
	nr_contentions();

	for (i = 0; i < nr; i++) {
		dmabuf_order(vcpus[i], moving ? DMABUF_OP_CYCLE : DMABUF_OP_TOUCH,
			     DMABUF_GPA + i * part, part, i * part, 0, 0);
		kvm_pthread_create(&threads[i], NULL, vcpu_thread, vcpus[i]);
	}
	if (moving) {
		struct kvm_random_state rng = new_kvm_random_state(nr);

		for (i = 0; i < NR_MOVES; i++) {
			u32 r = kvm_random_u32(&rng);

			if (r % 16)
				dmabuf_move(&buf, (r >> 8) % (nr * pages) * SZ_4K, SZ_4K);
			else
				dmabuf_move(&buf, 0, 0);
		}
		for (i = 0; i < nr; i++)
			WRITE_ONCE(dmabuf_cmd(vcpus[i])->stop, 1);
	}
	for (i = 0; i < nr; i++)
		kvm_pthread_join(threads[i], NULL);

	waits = nr_contentions();
	faults = nr_faults(vcpus, nr) - faults;
	fills = dmabuf_counters(&buf).fills - fills;
	TEST_ASSERT(fills >= faults && (moving || faults == nr * pages),
		    "%lu faults by %u vCPUs, but %lu fills", faults, nr, fills);
	ksft_print_msg("smp %s.%u faults %lu retries %lu waits %lu\n", moving ? "moving" : "quiet",
		       nr, faults, fills - faults, waits);

	kvm_vm_free(vm);
	dmabuf_free(&buf);
	ksft_test_result_pass("%s.%u\n", moving ? "moving" : "quiet", nr);
}

int main(void)
{
	TEST_REQUIRE(dmabuf_has_tdp());
	TEST_REQUIRE(dmabuf_exporter());
	__TEST_REQUIRE(!access(LOCK_STAT, W_OK), "no " LOCK_STAT ": CONFIG_LOCK_STAT is off");

	ksft_print_header();
	ksft_set_plan(6);
	for (u32 nr = 1; nr <= MAX_VCPUS; nr *= 2) {
		measure(nr, false);
		measure(nr, true);
	}
	ksft_finished();
}
