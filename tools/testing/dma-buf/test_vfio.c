// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of an exported region: drivers/vfio/pci/vfio_pci_dmabuf_extent.c,
 * filling a real sink.
 */
#include "host.h"

#include "vfio_pci_dmabuf_extent.h"

#define MAX_RANGES	400
#define BAR		0x3800000000ULL

static struct vfio_pci_dma_buf_runs runs;
static struct phys_vec ranges[MAX_RANGES];
static unsigned int nr_ranges;

/* The buffer, page by page. */
static phys_addr_t pages[HOST_NR_PAGES];
static unsigned int nr_pages;

static int filled;
static int provider;

static int fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		u64 offset, u64 length, bool write)
{
	filled = vfio_pci_dma_buf_fill(&runs, (void *)&provider, sink, offset, length);
	return filled;
}

static const struct dma_buf_extent_ops extent_ops = { .fill = fill };

static void begin(void)
{
	memset(&runs, 0, sizeof(runs));
	nr_ranges = 0;
	nr_pages = 0;
}

/* Pages of the BAR from number @first on. */
static void add(unsigned int first, unsigned int nr)
{
	phys_addr_t phys = BAR + first * PAGE_SIZE;

	assert_true(nr_ranges < MAX_RANGES && nr_pages + nr <= HOST_NR_PAGES);
	ranges[nr_ranges].paddr = phys;
	ranges[nr_ranges++].len = nr * PAGE_SIZE;
	for (; nr; nr--, phys += PAGE_SIZE)
		pages[nr_pages++] = phys;
}

static void init(void)
{
	assert_int_equal(vfio_pci_dma_buf_runs_init(&runs, ranges, nr_ranges), 0);
}

static void end(void)
{
	vfio_pci_dma_buf_runs_destroy(&runs);
}

/* In bytes. */
static int run_bytes(u64 offset, u64 length)
{
	return host_fill(&extent_ops, nr_pages, offset, length, true);
}

static int run(unsigned int first, unsigned int nr)
{
	return run_bytes(first * PAGE_SIZE, nr * PAGE_SIZE);
}

/* @first counts pages of the buffer, @page pages of the BAR. */
static void assert_extent(unsigned int i, unsigned int first, unsigned int nr,
			  unsigned int page)
{
	host_assert_extent(i, first, nr, DMA_BUF_EXTENT_MMIO);
	assert_int_equal(host.taken[i].mmio.phys, BAR + page * PAGE_SIZE);
	assert_ptr_equal(host.taken[i].mmio.provider, &provider);
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
	add(0, 1);
	host.fail_alloc = 1;
	assert_int_equal(vfio_pci_dma_buf_runs_init(&runs, ranges, 1), -ENOMEM);
	/* As after any other failure. */
	end();
}

/* Enhanced Allocation may put a BAR anywhere. */
static void not_at_a_page(void)
{
	begin();
	add(0, 1);
	ranges[0].paddr += PAGE_SIZE / 2;
	assert_int_equal(vfio_pci_dma_buf_runs_init(&runs, ranges, 1), -EINVAL);
	end();
}

static void one_range(void)
{
	unsigned int i;

	begin();
	add(3, 8);
	init();
	for (i = 0; i < 8; i++)
		assert_one(i, 1, 0, 8, 3);
	assert_one(0, 8, 0, 8, 3);
	end();
}

static void ranges_around_a_hole(void)
{
	begin();
	add(0, 4);
	add(6, 2);
	init();
	assert_one(3, 1, 0, 4, 0);
	assert_one(4, 1, 4, 2, 6);
	assert_int_equal(run(2, 3), 0);
	assert_int_equal(host.nr_taken, 2);
	assert_extent(0, 0, 4, 0);
	assert_extent(1, 4, 2, 6);
	end();
}

static void ranges_that_touch_are_one(void)
{
	begin();
	add(2, 4);
	add(6, 1);
	add(7, 3);
	init();
	assert_int_equal(runs.nr, 1);
	assert_one(4, 1, 0, 8, 2);
	end();
}

static void ranges_backwards_stay_apart(void)
{
	begin();
	add(6, 2);
	add(4, 2);
	add(4, 2);
	init();
	assert_int_equal(runs.nr, 3);
	assert_one(1, 1, 0, 2, 6);
	assert_one(2, 1, 2, 2, 4);
	assert_one(5, 1, 4, 2, 4);
	end();
}

/* A range that ends where the last one began is not next to it. */
static void range_before_the_last_one(void)
{
	begin();
	add(4, 2);
	add(3, 1);
	init();
	assert_int_equal(runs.nr, 2);
	end();
}

static void range_at_address_0(void)
{
	begin();
	ranges[0] = (struct phys_vec){ .paddr = 0, .len = PAGE_SIZE };
	nr_ranges = 1;
	init();
	assert_int_equal(runs.nr, 1);
	assert_int_equal(runs.run[0].nr_pages, 1);
	end();
}

static void window_of_bytes(void)
{
	begin();
	add(0, 1);
	add(2, 1);
	init();
	assert_int_equal(run_bytes(PAGE_SIZE - 1, 1), 0);
	assert_int_equal(host.nr_taken, 1);
	assert_int_equal(run_bytes(PAGE_SIZE - 1, 2), 0);
	assert_int_equal(host.nr_taken, 2);
	end();
}

static void error_of_the_sink_is_returned(void)
{
	begin();
	add(0, 1);
	add(2, 1);
	init();
	host.take_error = -ENOSPC;
	assert_int_equal(run(0, 2), -ENOSPC);
	assert_int_equal(filled, -ENOSPC);
	assert_int_equal(host.nr_taken, 1);
	end();
}

static void assert_within(u64 start, u64 length, bool within)
{
	assert_int_equal(vfio_pci_dma_buf_runs_within(&runs, start, length), within);
}

static void within_a_bar(void)
{
	begin();
	add(2, 2);
	add(8, 1);
	init();
	assert_within(BAR, 9 * PAGE_SIZE, true);
	assert_within(BAR + 2 * PAGE_SIZE, 7 * PAGE_SIZE, true);
	/* One end, the other, both runs, nothing at all. */
	assert_within(BAR + 3 * PAGE_SIZE, 8 * PAGE_SIZE, false);
	assert_within(BAR, 9 * PAGE_SIZE - 1, false);
	assert_within(BAR, PAGE_SIZE, false);
	assert_within(BAR - 100 * PAGE_SIZE, 9 * PAGE_SIZE, false);
	assert_within(0, 0, false);
	end();
}

/* Against the list of pages. */
static void random_ranges(void)
{
	unsigned int seed = host_seed(), round, i;

	print_message("# seed %u\n", seed);
	for (round = 0; round < 200; round++) {
		unsigned int first, nr, page = 0;

		begin();
		while (nr_ranges < 40 && nr_pages + 16 < HOST_NR_PAGES) {
			unsigned int len = 1 + host_random(16);

			/* Often just behind the last one. */
			if (host_random(2))
				page = host_random(500);
			add(page, len);
			page += len;
		}
		init();

		first = host_random(nr_pages);
		nr = 1 + host_random(nr_pages - first);
		assert_int_equal(run(first, nr), 0);
		assert_true(host.taken[0].offset <= first * PAGE_SIZE);
		for (i = 0; i < host.nr_taken; i++) {
			unsigned int at = host.taken[i].offset / PAGE_SIZE, j;

			for (j = 0; j < host.taken[i].nr_pages; j++)
				assert_int_equal(host.taken[i].mmio.phys + j * PAGE_SIZE,
						 pages[at + j]);
			/* As long as it can be. */
			if (at)
				assert_int_not_equal(pages[at - 1] + PAGE_SIZE, pages[at]);
			at += host.taken[i].nr_pages;
			if (at < nr_pages)
				assert_int_not_equal(pages[at - 1] + PAGE_SIZE, pages[at]);
		}
		end();
	}
}

static const struct host_test tests[] = {
	TEST(no_memory),
	TEST(not_at_a_page),
	TEST(one_range),
	TEST(ranges_around_a_hole),
	TEST(ranges_that_touch_are_one),
	TEST(ranges_backwards_stay_apart),
	TEST(range_before_the_last_one),
	TEST(range_at_address_0),
	TEST(window_of_bytes),
	TEST(error_of_the_sink_is_returned),
	TEST(within_a_bar),
	TEST(random_ranges),
};

int main(void)
{
	return host_main("vfio", tests, ARRAY_SIZE(tests));
}
