// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of a udmabuf: drivers/dma-buf/udmabuf-extent.c, filling a real sink.
 */
#include "host.h"

#include "udmabuf-extent.h"

#define MAX_ITEMS	600
#define MAX_PAGES	HOST_NR_PAGES

/* The buffer, and for each page the number of its item. */
static struct udmabuf_items items;
static struct page *pages[MAX_PAGES];
static unsigned int item_of[MAX_PAGES];
static unsigned int nr_pages;
static unsigned int nr_items;

static int filled;

static int fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		u64 offset, u64 length, bool write)
{
	filled = udmabuf_fill(&items, pages, sink, offset, length, write);
	return filled;
}

static const struct dma_buf_extent_ops extent_ops = { .fill = fill };

/* As udmabuf_create() does: room first, then the items in turn. */
static void begin(unsigned int max_items)
{
	memset(&items, 0, sizeof(items));
	nr_pages = 0;
	nr_items = 0;
	assert_int_equal(udmabuf_items_alloc(&items, max_items), 0);
	assert_int_equal(items.nr, max_items);
}

static void add_page(struct page *page)
{
	assert_true(nr_pages < MAX_PAGES);
	pages[nr_pages] = page;
	item_of[nr_pages++] = nr_items;
}

static void end_item(void)
{
	udmabuf_items_end(&items, nr_items++, nr_pages);
}

/* An item of pages that follow each other in memory, from page number @first. */
static void add_item(unsigned int first, unsigned int nr)
{
	while (nr--)
		add_page(&host_pages[first++]);
	end_item();
}

/* In bytes. */
static int run_bytes(u64 offset, u64 length, bool write)
{
	host.folio_lookups = 0;
	host.dirtied = 0;
	assert_int_equal(nr_items, items.nr);
	return host_fill(&extent_ops, nr_pages, offset, length, write);
}

static int run(unsigned int first, unsigned int nr)
{
	return run_bytes((u64)first << PAGE_SHIFT, (u64)nr << PAGE_SHIFT, false);
}

static void end(void)
{
	udmabuf_items_free(&items);
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
	assert_int_equal(host.nr_taken, 1);
	assert_extent(0, start, len, page);
}

static bool dirty(unsigned int page)
{
	return host_pages[page].flags & PAGE_DIRTY;
}

static void no_memory_for_items(void)
{
	memset(&items, 0, sizeof(items));
	host.fail_alloc = 1;
	assert_int_equal(udmabuf_items_alloc(&items, 3), -ENOMEM);
	/* As after any other failure. */
	udmabuf_items_free(&items);
}

static void items_without_allocation_are_freed(void)
{
	memset(&items, 0, sizeof(items));
	udmabuf_items_free(&items);
}

static void one_page(void)
{
	begin(1);
	add_item(5, 1);
	assert_one(0, 1, 0, 1, 5);
	end();
}

static void one_folio(void)
{
	unsigned int i;

	begin(1);
	host_folio(16, 8);
	add_item(16, 8);
	for (i = 0; i < 8; i++)
		assert_one(i, 1, 0, 8, 16);
	assert_one(0, 8, 0, 8, 16);
	end();
}

static void item_begins_within_a_folio(void)
{
	begin(1);
	host_folio(16, 8);
	add_item(19, 5);
	assert_one(0, 1, 0, 5, 19);
	assert_one(4, 1, 0, 5, 19);
	end();
}

static void item_ends_within_a_folio(void)
{
	begin(1);
	host_folio(16, 8);
	add_item(16, 3);
	assert_one(0, 1, 0, 3, 16);
	assert_one(2, 1, 0, 3, 16);
	end();
}

static void item_lies_within_a_folio(void)
{
	begin(1);
	host_folio(16, 8);
	add_item(18, 3);
	assert_one(1, 1, 0, 3, 18);
	end();
}

static void folios_of_mixed_size(void)
{
	begin(1);
	host_folio(16, 8);
	host_folio(24, 1);
	host_folio(32, 4);
	add_page(&host_pages[22]);
	add_page(&host_pages[23]);
	add_page(&host_pages[24]);
	add_item(32, 4);
	assert_one(0, 1, 0, 2, 22);
	assert_one(1, 1, 0, 2, 22);
	assert_one(2, 1, 2, 1, 24);
	assert_one(3, 1, 3, 4, 32);
	assert_one(6, 1, 3, 4, 32);
	end();
}

static void window_over_several_folios(void)
{
	begin(1);
	host_folio(16, 8);
	host_folio(24, 4);
	host_folio(28, 4);
	add_item(16, 16);
	assert_int_equal(run(7, 6), 0);
	assert_int_equal(host.nr_taken, 3);
	assert_extent(0, 0, 8, 16);
	assert_extent(1, 8, 4, 24);
	assert_extent(2, 12, 4, 28);
	end();
}

static void folios_that_touch_stay_apart(void)
{
	begin(1);
	host_folio(16, 4);
	host_folio(20, 4);
	add_item(16, 8);
	assert_one(3, 1, 0, 4, 16);
	assert_one(4, 1, 4, 4, 20);
	end();
}

static void items_that_go_on_in_a_folio_stay_apart(void)
{
	begin(2);
	host_folio(16, 8);
	add_item(16, 3);
	add_item(19, 5);
	assert_one(2, 1, 0, 3, 16);
	assert_one(3, 1, 3, 5, 19);
	assert_int_equal(run(0, 8), 0);
	assert_int_equal(host.nr_taken, 2);
	end();
}

static void pages_of_one_folio_backwards(void)
{
	unsigned int i;

	begin(8);
	host_folio(16, 8);
	for (i = 0; i < 8; i++)
		add_item(23 - i, 1);
	assert_int_equal(run(0, 8), 0);
	assert_int_equal(host.nr_taken, 8);
	for (i = 0; i < 8; i++)
		assert_extent(i, i, 1, 23 - i);
	end();
}

static void same_page_twice(void)
{
	begin(2);
	host_folio(16, 4);
	add_item(17, 2);
	add_item(17, 2);
	assert_one(1, 1, 0, 2, 17);
	assert_one(2, 1, 2, 2, 17);
	end();
}

static void empty_items_at_the_start(void)
{
	begin(3);
	host_folio(16, 8);
	end_item();
	end_item();
	add_item(16, 8);
	assert_one(0, 1, 0, 8, 16);
	assert_one(7, 1, 0, 8, 16);
	end();
}

static void empty_items_in_the_middle(void)
{
	begin(5);
	host_folio(16, 8);
	add_item(16, 4);
	end_item();
	end_item();
	end_item();
	add_item(20, 4);
	assert_one(3, 1, 0, 4, 16);
	assert_one(4, 1, 4, 4, 20);
	end();
}

static void empty_items_at_the_end(void)
{
	begin(3);
	host_folio(16, 8);
	add_item(16, 8);
	end_item();
	end_item();
	assert_one(0, 1, 0, 8, 16);
	assert_one(7, 1, 0, 8, 16);
	end();
}

static void every_item_is_found(void)
{
	unsigned int i;

	begin(MAX_ITEMS);
	for (i = 0; i < MAX_ITEMS; i++)
		add_item(i, 1);
	for (i = 0; i < MAX_ITEMS; i++)
		assert_one(i, 1, i, 1, i);
	end();
}

static void window_of_bytes(void)
{
	begin(1);
	add_item(5, 3);
	/* The last byte of one page and the first of the next. */
	assert_int_equal(run_bytes(PAGE_SIZE - 1, 2, false), 0);
	assert_int_equal(host.nr_taken, 2);
	assert_int_equal(run_bytes(PAGE_SIZE, PAGE_SIZE, false), 0);
	assert_int_equal(host.nr_taken, 1);
	assert_extent(0, 1, 1, 6);
	end();
}

static void length_of_an_extent_costs_nothing(void)
{
	begin(1);
	host_folio(0, 512);
	add_item(0, 512);
	assert_one(300, 1, 0, 512, 0);
	assert_int_equal(host.folio_lookups, 1);
	assert_int_equal(host.lookups, 3);
	/* Nor does the length of the window. */
	assert_one(0, 512, 0, 512, 0);
	assert_int_equal(host.folio_lookups, 1);
	end();
}

static void reading_leaves_folios_clean(void)
{
	begin(1);
	host_folio(16, 8);
	add_item(16, 8);
	assert_int_equal(run(0, 8), 0);
	assert_int_equal(host.dirtied, 0);
	assert_false(dirty(16));
	end();
}

static void writing_marks_folios_dirty(void)
{
	begin(1);
	host_folio(16, 8);
	add_item(18, 4);
	assert_int_equal(run_bytes(PAGE_SIZE, PAGE_SIZE, true), 0);
	assert_int_equal(host.dirtied, 1);
	assert_true(dirty(16));
	end();
}

static void folios_outside_of_the_window_stay_clean(void)
{
	begin(1);
	host_folio(16, 4);
	host_folio(20, 4);
	host_folio(24, 4);
	host_folio(28, 4);
	add_item(16, 16);
	assert_int_equal(run_bytes(7 * PAGE_SIZE, 2 * PAGE_SIZE, true), 0);
	assert_false(dirty(16));
	assert_true(dirty(20));
	assert_true(dirty(24));
	assert_false(dirty(28));
	assert_int_equal(host.dirtied, 2);
	end();
}

static void folio_is_dirty_before_it_is_mapped(void)
{
	begin(1);
	host_folio(16, 4);
	add_item(16, 4);
	host_pages[16].flags = PAGE_HWPOISON;
	assert_int_equal(run_bytes(0, PAGE_SIZE, true), -EHWPOISON);
	assert_true(dirty(16));
	end();
}

/* A large folio in which page number @bad has failed. */
static void fail_page(unsigned int folio, unsigned int bad)
{
	host_pages[folio].flags |= PAGE_HAS_HWPOISONED;
	host_pages[bad].flags |= PAGE_HWPOISON;
}

static void folio_with_a_failed_page_is_given_page_by_page(void)
{
	begin(1);
	host_folio(16, 8);
	fail_page(16, 20);
	add_item(16, 8);
	assert_one(3, 1, 3, 1, 19);
	assert_one(5, 1, 5, 1, 21);
	assert_int_equal(run(2, 2), 0);
	assert_int_equal(host.nr_taken, 2);
	assert_int_equal(run(4, 1), -EHWPOISON);
	assert_int_equal(host.nr_taken, 0);
	end();
}

static void window_ends_before_a_failed_page(void)
{
	begin(1);
	host_folio(16, 8);
	fail_page(16, 20);
	add_item(16, 8);
	assert_int_equal(run(2, 6), -EHWPOISON);
	assert_int_equal(host.nr_taken, 2);
	assert_extent(1, 3, 1, 19);
	end();
}

static void failed_hugetlb_folio_is_lost(void)
{
	unsigned int i;

	begin(1);
	host_folio(16, 8);
	host_pages[16].flags = PAGE_HUGETLB | PAGE_HWPOISON;
	add_item(16, 8);
	for (i = 0; i < 8; i++)
		assert_int_equal(run(i, 1), -EHWPOISON);
	assert_int_equal(host.nr_taken, 0);
	end();
}

static void error_of_the_sink_is_returned(void)
{
	begin(1);
	add_item(16, 8);
	host_pages[18].flags = PAGE_HWPOISON;
	assert_int_equal(run_bytes(0, 8 * PAGE_SIZE, true), -EHWPOISON);
	assert_int_equal(filled, -EHWPOISON);
	/* And is the end of it. */
	assert_int_equal(host.nr_taken, 2);
	assert_int_equal(host.folio_lookups, 3);
	assert_false(dirty(19));
	end();
}

/* The 1 of the sink does not get out. */
static void fill_returns_0(void)
{
	begin(1);
	add_item(16, 8);
	filled = -1;
	assert_int_equal(run(0, 8), 0);
	assert_int_equal(filled, 0);
	end();
}

/* Cuts memory into folios of up to 16 pages, and makes a file of them. */
static unsigned int random_file(struct page **file)
{
	unsigned int first[HOST_NR_PAGES], nr[HOST_NR_PAGES];
	unsigned int i, j, pos, count = 0, file_pages = 0;

	for (pos = 0; pos < HOST_NR_PAGES; pos += nr[count++]) {
		unsigned int size = 1 << host_random(5);

		while (pos % size)
			size /= 2;
		first[count] = pos;
		nr[count] = size;
		host_folio(pos, size);
		if (!host_random(16))
			fail_page(pos, pos + host_random(size));
	}

	/* Some neighbours in the file are neighbours in memory. */
	for (i = 0; i < count; i++) {
		unsigned int other = host_random(3) ? i : host_random(count);
		unsigned int tmp;

		tmp = first[i];
		first[i] = first[other];
		first[other] = tmp;
		tmp = nr[i];
		nr[i] = nr[other];
		nr[other] = tmp;
	}

	for (i = 0; i < count; i++)
		for (j = 0; j < nr[i]; j++)
			file[file_pages++] = &host_pages[first[i] + j];
	return file_pages;
}

static void random_items(struct page **file, unsigned int file_pages)
{
	unsigned int count = 1 + host_random(12), start = 0;

	begin(count);
	while (count--) {
		unsigned int len = host_random(4) ? 1 + host_random(40) : host_random(3);

		/* Some items go on where the one before ended. */
		if (start + len > file_pages || host_random(3))
			start = host_random(file_pages - len + 1);
		while (len--)
			add_page(file[start++]);
		end_item();
	}
	/* A buffer has pages. */
	if (!nr_pages) {
		end();
		begin(1);
		add_item(0, 1);
	}
}

static bool joined(unsigned int a, unsigned int b)
{
	const struct page *folio = pages[a] - pages[a]->folio_idx;

	return item_of[a] == item_of[b] && pages[b] == pages[a] + 1 &&
	       pages[b] - pages[b]->folio_idx == folio &&
	       !(folio->flags & PAGE_HAS_HWPOISONED);
}

/* Page by page. */
static void check_window(unsigned int first, unsigned int nr, bool write)
{
	unsigned int i, n = 0, start, stop;
	bool expect[HOST_NR_PAGES] = { };
	u64 length = (u64)nr << PAGE_SHIFT;
	int error = 0;

	/* The first page that failed is the end of it. */
	for (i = first; i < first + nr && !error; i++) {
		expect[pages[i] - host_pages - pages[i]->folio_idx] = write;
		if (pages[i]->flags & PAGE_HWPOISON) {
			error = -EHWPOISON;
			nr = i - first;
		}
	}

	assert_int_equal(run_bytes((u64)first << PAGE_SHIFT, length, write), error);
	for (i = first; i < first + nr; i = stop) {
		for (start = i; start && joined(start - 1, start); start--)
			;
		for (stop = i + 1; stop < nr_pages && joined(stop - 1, stop); stop++)
			;
		assert_extent(n++, start, stop - start, pages[start] - host_pages);
	}
	assert_int_equal(host.nr_taken, n);

	for (i = 0; i < HOST_NR_PAGES; i++) {
		assert_int_equal(dirty(i), expect[i]);
		host_pages[i].flags &= ~PAGE_DIRTY;
	}
}

static void random_lists(void)
{
	struct page *file[HOST_NR_PAGES];
	unsigned int round, window;

	print_message("# SEED=%u\n", host_seed());
	for (round = 0; round < 500; round++) {
		random_items(file, random_file(file));
		for (window = 0; window < 10; window++) {
			unsigned int first = host_random(nr_pages);

			check_window(first, 1, window & 1);
			check_window(first, 1 + host_random(nr_pages - first), window & 1);
		}
		end();
	}
}

static const struct host_test tests[] = {
	TEST(no_memory_for_items),
	TEST(items_without_allocation_are_freed),
	TEST(one_page),
	TEST(one_folio),
	TEST(item_begins_within_a_folio),
	TEST(item_ends_within_a_folio),
	TEST(item_lies_within_a_folio),
	TEST(folios_of_mixed_size),
	TEST(window_over_several_folios),
	TEST(folios_that_touch_stay_apart),
	TEST(items_that_go_on_in_a_folio_stay_apart),
	TEST(pages_of_one_folio_backwards),
	TEST(same_page_twice),
	TEST(empty_items_at_the_start),
	TEST(empty_items_in_the_middle),
	TEST(empty_items_at_the_end),
	TEST(every_item_is_found),
	TEST(window_of_bytes),
	TEST(length_of_an_extent_costs_nothing),
	TEST(reading_leaves_folios_clean),
	TEST(writing_marks_folios_dirty),
	TEST(folios_outside_of_the_window_stay_clean),
	TEST(folio_is_dirty_before_it_is_mapped),
	TEST(folio_with_a_failed_page_is_given_page_by_page),
	TEST(window_ends_before_a_failed_page),
	TEST(failed_hugetlb_folio_is_lost),
	TEST(error_of_the_sink_is_returned),
	TEST(fill_returns_0),
	TEST(random_lists),
};

int main(void)
{
	return host_main("udmabuf", tests, ARRAY_SIZE(tests));
}
