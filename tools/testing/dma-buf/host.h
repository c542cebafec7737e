/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel around the code under test, as tests see it.
 *
 * Every test starts in a fresh one. After it nothing may be left allocated,
 * referenced or locked, and there must have been as many warnings as it
 * announced by host_expect_warnings(), which is none otherwise.
 */
#ifndef __HOST_H__
#define __HOST_H__

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/dma-buf.h>
#include <linux/dma-buf-extent.h>

struct host_test {
	const char *name;
	void (*run)(void);
};

#define TEST(_run)	{ .name = #_run, .run = _run }

struct host {
	int warnings;
	int expected_warnings;
	char warned[1024];

	const char *option;	/* the one that is enabled */

	int allocs;		/* that are not freed yet */
	int fail_alloc;		/* fail the n-th from now, counted from 1 */

	int refs;		/* of modules, not put yet */
	int locks;		/* held */
	int might_sleep;	/* said so */

	/* What happened, in order: a word for each event. */
	char trace[256];

	/* The tracepoint of attach, and what it last saw. */
	bool tracing;
	bool traced_dynamic;
	struct device *traced_dev;

	/* The tracepoints of mapping types, which see every attachment. */
	int traced_attaches;
	int traced_invalidations;
	struct dma_buf_attachment *traced_attach;
	u64 traced_offset;
	u64 traced_length;

	/* What was printed to a seq_file. */
	char seq[256];

	int lookups;
	int folio_lookups;
	int dirtied;
	int region_walks;
	u64 ram_start;
	u64 ram_end;

	/* What host_fill() took, and what it answers to each. */
	struct dma_buf_extent taken[HOST_NR_PAGES];
	unsigned int nr_taken;
	int take_error;
};

extern struct host host;

int host_main(const char *group, const struct host_test *tests, size_t nr);
void host_expect_warnings(int nr);
void host_trace(const char *event);
/* Asserts what happened since the last call. */
void host_assert_trace(const char *trace);

/* Makes @nr pages from page number @first on one folio; returns its first page. */
struct page *host_folio(unsigned long first, unsigned int nr);

/* An empty buffer, whose lock is not held. */
void host_dmabuf_init(struct dma_buf *dmabuf, const struct dma_buf_ops *ops,
		      size_t size);

/* What dma_buf_detach() and dma_buf_invalidate_mappings() do. */
void host_detach(struct dma_buf_attachment *attach);
void host_invalidate(struct dma_buf *dmabuf);

/* Has @ops fill a window of a buffer of @nr_pages, through a real sink. */
int host_fill(const struct dma_buf_extent_ops *ops, unsigned int nr_pages,
	      u64 offset, u64 length, bool write);
/* The @i-th extent that was taken; @first counts pages of the buffer. */
void host_assert_extent(unsigned int i, unsigned int first, unsigned int nr,
			u32 kind);

/* Differs from run to run. SEED=n in the environment repeats one. */
unsigned int host_seed(void);
unsigned int host_random(unsigned int below);

#define assert_error(_ptr, _error)				\
do {								\
	const void *__ptr = (_ptr);				\
								\
	assert_true(IS_ERR(__ptr));				\
	assert_int_equal(PTR_ERR(__ptr), _error);		\
} while (0)

#endif /* __HOST_H__ */
