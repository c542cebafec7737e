/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers of the test exporter, for the tests of what KVM does when an exporter
 * takes its memory away or moves it.
 */
#ifndef SELFTEST_KVM_DMABUF_EXPORTER_H
#define SELFTEST_KVM_DMABUF_EXPORTER_H

#include <linux/dma-buf-test.h>

#include "dmabuf_util.h"

#define DMABUF_ORDER_2M		9
#define DMABUF_ORDER_1G		18

/* The kernel may be built without it. */
bool dmabuf_exporter(void);

/* Stays open, so that what an order costs does not include open(). */
int dmabuf_exporter_fd(void);

/*
 * A buffer that dmabuf_add_slot(), dmabuf_free() and so on work on. There is no
 * memfd. It is writable if @fd_flags say so, and so is its mapping. The form
 * with underscores returns an errno.
 */
int __dmabuf_create_test(struct dmabuf *buf, struct dma_buf_test_create *args);
void dmabuf_create_test(struct dmabuf *buf, u64 size, u32 order, u32 flags);

/* Returns an errno. */
int __dmabuf_test_op(const struct dmabuf *buf, struct dma_buf_test_op op);

void dmabuf_revoke(const struct dmabuf *buf);
void dmabuf_unrevoke(const struct dmabuf *buf);
/* 0 bytes: to the end */
void dmabuf_move(const struct dmabuf *buf, u64 offset, u64 length);
/* As a move, without moving. */
void dmabuf_invalidate(const struct dmabuf *buf, u64 offset, u64 length);
/* Have a range be private memory of a guest; 0 bytes: to the end. */
void dmabuf_lock(const struct dmabuf *buf, u64 offset, u64 length);
void dmabuf_unlock(const struct dmabuf *buf, u64 offset, u64 length);
void dmabuf_set_readonly(const struct dmabuf *buf, bool readonly);
void dmabuf_hold_fence(const struct dmabuf *buf);
void dmabuf_signal_fence(const struct dmabuf *buf);
void dmabuf_fail_fill(const struct dmabuf *buf, u32 nth, u32 error);
void dmabuf_move_in_fill(const struct dmabuf *buf);

struct dma_buf_test_counters dmabuf_counters(const struct dmabuf *buf);

/* Wait until the exporter was asked @nr times more than @since. */
bool dmabuf_wait_fills(const struct dmabuf *buf, u64 since, u64 nr);

/* Run a vCPU until it exits, signals included; returns the errno of KVM_RUN. */
int dmabuf_run(struct kvm_vcpu *vcpu);

/* Did dmabuf_run() end in an exit for @gpa, with these flags? */
bool dmabuf_is_fault(struct kvm_vcpu *vcpu, u64 flags, gpa_t gpa);

/* The order that was given is done, and this is its result. */
bool dmabuf_is_done(struct kvm_vcpu *vcpu);

/* For tests that use the harness: KVM_RUN ends with @_err and an exit for @_gpa. */
#define EXPECT_FAULT(_vcpu, _err, _flags, _gpa)				\
do {									\
	EXPECT_EQ(_err, dmabuf_run(_vcpu));				\
	EXPECT_TRUE(dmabuf_is_fault(_vcpu, _flags, _gpa));		\
} while (0)

/* What was begun goes on and ends well. */
#define EXPECT_RESULT(_vcpu, _result)					\
do {									\
	EXPECT_EQ(0, dmabuf_run(_vcpu));				\
	EXPECT_TRUE(dmabuf_is_done(_vcpu));				\
	EXPECT_EQ(_result, dmabuf_cmd(_vcpu)->result);			\
} while (0)

/* KVM_PRE_FAULT_MEMORY; returns an errno. */
int dmabuf_prefault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 size);

/* Is there two-dimensional paging? */
static inline bool dmabuf_has_tdp(void)
{
	return kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRE_FAULT;
}

/* Time since @start, in ms. */
u64 dmabuf_ms_since(struct timespec start);

/*
 * A race goes on for @max rounds, or until its time is up; but for a few in any
 * case, however slow the machine. Starts with all 0.
 */
struct dmabuf_rounds {
	struct timespec start;
	int done;
};

bool dmabuf_another_round(struct dmabuf_rounds *rounds, int max);

#endif /* SELFTEST_KVM_DMABUF_EXPORTER_H */
