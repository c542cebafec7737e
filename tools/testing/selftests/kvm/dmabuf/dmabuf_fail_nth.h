/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault injection: the n-th allocation of a thread from now on fails.
 */
#ifndef SELFTEST_KVM_DMABUF_FAIL_NTH_H
#define SELFTEST_KVM_DMABUF_FAIL_NTH_H

#include <test_util.h>

/* The kernel may be built without it. */
bool fail_nth_supported(void);

/* Have all allocations of the calling thread take part; an fd for those below. */
int fail_nth_open(void);

void fail_nth_set(int fd, u32 n);
/* No failure from now on. Returns how many allocations away it still was. */
u32 fail_nth_clear(int fd);

#endif /* SELFTEST_KVM_DMABUF_FAIL_NTH_H */
