/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the benchmarks of dma-bufs in an IOAS count.
 *
 * As for memslots, in selftests/kvm/dmabuf, the unit is the tick of the TSC, which
 * means something only where that counts instructions, i.e. under "qemu -icount
 * shift=0". Each figure is the median of ROUNDS rounds that follow one for warming
 * up.
 */
#ifndef __SELFTEST_IOMMUFD_DMABUF_BENCH
#define __SELFTEST_IOMMUFD_DMABUF_BENCH

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Defines variables that only some programs use. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "iommufd_utils.h"
#pragma GCC diagnostic pop

#define ROUNDS	5
#define KB	1024UL
#define MB	(1024 * KB)
#define MAP_FLAGS	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | \
			 IOMMU_IOAS_MAP_READABLE)

#define require(expr)								\
	do {									\
		if (!(expr))							\
			ksft_exit_fail_msg("line %d: %s: %s\n", __LINE__, #expr, \
					   strerror(errno));			\
	} while (0)

static inline __u64 ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static inline int cmp_s64(const void *a, const void *b)
{
	__s64 x = *(const __s64 *)a, y = *(const __s64 *)b;

	return (x > y) - (x < y);
}

/* vm/bench.py reads this. */
static inline void print_row(const char *figure, const char *name, size_t size, __s64 *t)
{
	qsort(t, ROUNDS, sizeof(*t), cmp_s64);
	ksft_print_msg("row %s.%s pages %zu ticks %lld min %lld max %lld\n", figure, name,
		       size / (4 * KB), t[ROUNDS / 2], t[0], t[ROUNDS - 1]);
}

#endif
