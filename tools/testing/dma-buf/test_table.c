// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of buffers that keep their pages: drivers/dma-buf/dma-buf-extent-table.c,
 * filling a real sink.
 */
#include "host.h"

#include "dma-buf-extent-table.h"

#define MAX_PAGES	HOST_NR_PAGES

static struct dma_buf_extent_table table;
static struct scatterlist entries[MAX_PAGES];
static struct sg_table sgt;

/* The buffer, page by page. */
static unsigned int pages[MAX_PAGES];
static unsigned int nr_pages;

static int filled;

static int fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		u64 offset, u64 length, bool write)
{
	filled = dma_buf_extent_table_fill(&table, sink, offset, length);
	return filled;
}

static const struct dma_buf_extent_ops extent_ops = { .fill = fill };

static void begin(void)
{
	memset(&table, 0, sizeof(table));
	sgt = (struct sg_table) { .sgl = entries };
	nr_pages = 0;
}

/* An entry of pages from page number @first on. */
static void add(unsigned int first, unsigned int nr)
{
	entries[sgt.orig_nents].page = &host_pages[first];
	entries[sgt.orig_nents++].length = nr << PAGE_SHIFT;
	while (nr--)
		pages[nr_pages++] = first++;
}

static void init(void)
{
	assert_int_equal(dma_buf_extent_table_init(&table, &sgt), 0);
}

static void end(void)
{
	dma_buf_extent_table_destroy(&table);
}

/* In bytes. */
static int run_bytes(u64 offset, u64 length)
{
	return host_fill(&extent_ops, nr_pages, offset, length, false);
}

static int run(unsigned int first, unsigned int nr)
{
	return run_bytes((u64)first << PAGE_SHIFT, (u64)nr << PAGE_SHIFT);
}

/* @first counts pages of the buffer, @page pages of memory. */
static void assert_extent(unsigned int i, unsigned int first, unsigned int nr,
			  unsigned int page)
{
	host_assert_extent(i, first, nr, DMA_BUF_EXTENT_RAM);
	assert_ptr_equal(host.taken[i].page, &host_pages[page]);
}

/* One window, one extent. */
static void assert_one(unsigned int first, unsigned int nr, unsigned int start,
		       unsigned int len, unsigned int page)
{
	assert_int_equal(run(first, nr), 0);
	assert_int_equal(filled, 0);
	assert_int_equal(host.nr_taken, 1);
	assert_extent(0, start, len, page);
}

static void no_memory(void)
{
	begin();
	add(5, 1);
	host.fail_alloc = 1;
	assert_int_equal(dma_buf_extent_table_init(&table, &sgt), -ENOMEM);
	/* As after any other failure. */
	end();
}

static void one_page(void)
{
	begin();
	add(5, 1);
	init();
	assert_one(0, 1, 0, 1, 5);
	end();
}

static void one_run(void)
{
	unsigned int i;

	begin();
	add(16, 8);
	init();
	for (i = 0; i < 8; i++)
		assert_one(i, 1, 0, 8, 16);
	assert_one(0, 8, 0, 8, 16);
	assert_one(3, 2, 0, 8, 16);
	end();
}

static void entries_that_go_on_are_one_run(void)
{
	begin();
	add(16, 8);
	add(24, 1);
	add(25, 7);
	add(40, 2);
	init();
	assert_int_equal(table.nr, 2);
	assert_one(8, 1, 0, 16, 16);
	assert_one(16, 1, 16, 2, 40);
	end();
}

static void entries_that_do_not_go_on(void)
{
	begin();
	add(24, 4);
	/* Backwards, a gap, and the same again. */
	add(20, 4);
	add(25, 4);
	add(25, 4);
	init();
	assert_int_equal(table.nr, 4);
	assert_one(3, 1, 0, 4, 24);
	assert_one(4, 1, 4, 4, 20);
	assert_one(8, 1, 8, 4, 25);
	assert_one(15, 1, 12, 4, 25);
	end();
}

static void window_over_several_runs(void)
{
	begin();
	add(16, 8);
	add(32, 4);
	add(48, 4);
	add(64, 4);
	init();
	assert_int_equal(run(7, 6), 0);
	assert_int_equal(host.nr_taken, 3);
	assert_extent(0, 0, 8, 16);
	assert_extent(1, 8, 4, 32);
	assert_extent(2, 12, 4, 48);
	end();
}

static void window_of_bytes(void)
{
	begin();
	add(16, 1);
	add(32, 1);
	add(48, 1);
	init();
	assert_int_equal(run_bytes(PAGE_SIZE - 1, 2), 0);
	assert_int_equal(host.nr_taken, 2);
	assert_int_equal(run_bytes(PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(host.nr_taken, 1);
	assert_extent(0, 1, 1, 32);
	end();
}

static void every_run_is_found(void)
{
	unsigned int i;

	begin();
	for (i = 0; i < MAX_PAGES / 2; i++)
		add(2 * i, 1);
	init();
	assert_int_equal(table.nr, MAX_PAGES / 2);
	for (i = 0; i < MAX_PAGES / 2; i++)
		assert_one(i, 1, i, 1, 2 * i);
	end();
}

/* As memory_failure() does, and back. */
static void page_fails(unsigned int page, bool failed)
{
	host_pages[page].flags = failed ? PAGE_HWPOISON : 0;
	num_poisoned_pages.counter += failed ? 1 : -1;
	host.option = num_poisoned_pages.counter ? "CONFIG_MEMORY_FAILURE" : NULL;
}

/* The others of its run are still good, on either side. */
static void page_of_a_run_has_failed(void)
{
	unsigned int failed, page;

	for (failed = 16; failed < 24; failed++) {
		begin();
		add(8, 2);
		add(16, 8);
		add(32, 2);
		init();
		page_fails(failed, true);
		for (page = 16; page < 24; page++) {
			unsigned int index = page - 14;

			if (page == failed)
				assert_int_equal(run(index, 1), -EHWPOISON);
			else if (page < failed)
				assert_one(index, 1, 2, failed - 16, 16);
			else
				assert_one(index, 1, failed - 13, 23 - failed,
					   failed + 1);
		}
		/* What is around it goes on as before. */
		assert_one(1, 1, 0, 2, 8);
		assert_one(11, 1, 10, 2, 32);
		page_fails(failed, false);
		end();
	}
}

/* A fault looks at the pages of a block of 2M, and gives no more of them. */
static void page_of_a_long_run_has_failed(void)
{
	begin();
	add(0, MAX_PAGES);
	init();
	page_fails(700, true);
	assert_one(100, 1, 0, 512, 0);
	assert_one(511, 1, 0, 512, 0);
	assert_one(600, 1, 512, 188, 512);
	assert_one(800, 1, 701, MAX_PAGES - 701, 701);
	page_fails(700, false);
	assert_one(800, 1, 0, MAX_PAGES, 0);
	end();
}

static void window_over_a_run_with_a_failed_page(void)
{
	begin();
	add(8, 2);
	add(16, 4);
	add(32, 2);
	init();
	page_fails(16, true);
	assert_int_equal(run(3, 4), 0);
	assert_int_equal(host.nr_taken, 2);
	assert_extent(0, 3, 3, 17);
	assert_extent(1, 6, 2, 32);
	assert_int_equal(run(1, 3), -EHWPOISON);
	page_fails(16, false);
	end();
}

static void error_of_the_mapper(void)
{
	begin();
	add(16, 1);
	add(32, 1);
	init();
	host.take_error = -ENOSPC;
	assert_int_equal(run(0, 2), -ENOSPC);
	assert_int_equal(filled, -ENOSPC);
	assert_int_equal(host.nr_taken, 1);
	end();
}

/* Every window of random buffers against a walk over all pages. */
static void random_tables(void)
{
	unsigned int round, first, nr, i;

	print_message("# SEED=%u\n", host_seed());
	for (round = 0; round < 300; round++) {
		begin();
		while (nr_pages < 40) {
			unsigned int len = 1 + host_random(6);

			/* Often where the last one ended. */
			add(nr_pages && host_random(2) ? pages[nr_pages - 1] + 1 :
			    host_random(500), len);
		}
		init();
		for (first = 0; first < nr_pages; first++) {
			nr = 1 + host_random(nr_pages - first);
			assert_int_equal(run(first, nr), 0);
			for (i = 0; i < host.nr_taken; i++) {
				unsigned int start = host.taken[i].offset >> PAGE_SHIFT;
				unsigned int stop = start + host.taken[i].nr_pages, k;

				/* Maximal, and of the pages that the buffer has. */
				assert_true(!start || pages[start - 1] + 1 != pages[start]);
				assert_true(stop == nr_pages ||
					    pages[stop - 1] + 1 != pages[stop]);
				for (k = start; k < stop; k++)
					assert_ptr_equal(host.taken[i].page + (k - start),
							 &host_pages[pages[k]]);
			}
		}
		end();
	}
}

static const struct host_test tests[] = {
	TEST(no_memory),
	TEST(one_page),
	TEST(one_run),
	TEST(entries_that_go_on_are_one_run),
	TEST(entries_that_do_not_go_on),
	TEST(window_over_several_runs),
	TEST(window_of_bytes),
	TEST(every_run_is_found),
	TEST(page_of_a_run_has_failed),
	TEST(page_of_a_long_run_has_failed),
	TEST(window_over_a_run_with_a_failed_page),
	TEST(error_of_the_mapper),
	TEST(random_tables),
};

int main(void)
{
	return host_main("table", tests, ARRAY_SIZE(tests));
}
