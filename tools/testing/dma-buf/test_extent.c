// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM makes of extents: virt/kvm/dmabuf_extent.h, against definitions that
 * look at every page.
 */
#include "host.h"

#include "dmabuf_extent.h"

#define LAST	((u64)-1)

static struct dma_buf_kvm_extent ram(u64 index, u64 nr_pages, unsigned long pfn)
{
	return (struct dma_buf_kvm_extent) {
		.index = index,
		.nr_pages = nr_pages,
		.pfn = pfn,
	};
}

static void assert_same(const struct dma_buf_kvm_extent *have, u64 index,
			u64 nr_pages, unsigned long pfn)
{
	assert_int_equal(have->index, index);
	assert_int_equal(have->nr_pages, nr_pages);
	assert_int_equal(have->pfn, pfn);
	assert_int_equal(have->kind, DMA_BUF_EXTENT_RAM);
}

static void holds(void)
{
	struct dma_buf_kvm_extent extent = ram(5, 3, 100);

	assert_false(kvm_dmabuf_extent_holds(&extent, 0));
	assert_false(kvm_dmabuf_extent_holds(&extent, 4));
	assert_true(kvm_dmabuf_extent_holds(&extent, 5));
	assert_true(kvm_dmabuf_extent_holds(&extent, 7));
	assert_false(kvm_dmabuf_extent_holds(&extent, 8));
	assert_false(kvm_dmabuf_extent_holds(&extent, LAST));
}

static void holds_nothing_when_empty(void)
{
	struct dma_buf_kvm_extent extent = ram(5, 0, 100);

	assert_false(kvm_dmabuf_extent_holds(&extent, 5));
	assert_false(kvm_dmabuf_extent_holds(&extent, 4));
}

static void holds_at_the_end_of_numbers(void)
{
	struct dma_buf_kvm_extent extent = ram(LAST - 2, 3, 100);

	assert_false(kvm_dmabuf_extent_holds(&extent, LAST - 3));
	assert_true(kvm_dmabuf_extent_holds(&extent, LAST - 2));
	assert_true(kvm_dmabuf_extent_holds(&extent, LAST));
	assert_false(kvm_dmabuf_extent_holds(&extent, 0));
}

static void join_takes_the_first(void)
{
	struct dma_buf_kvm_extent have = { }, next = ram(4, 2, 100);

	kvm_dmabuf_extent_join(&have, 5, &next);
	assert_same(&have, 4, 2, 100);
}

/* An empty one at 0 is no neighbour of what begins there. */
static void join_takes_the_first_at_0(void)
{
	struct dma_buf_kvm_extent have = { }, next = ram(0, 2, 0);

	next.kind = DMA_BUF_EXTENT_MMIO;
	kvm_dmabuf_extent_join(&have, 1, &next);
	assert_int_equal(have.nr_pages, 2);
	assert_int_equal(have.kind, DMA_BUF_EXTENT_MMIO);

	have = (struct dma_buf_kvm_extent) { };
	next.kind = DMA_BUF_EXTENT_RAM;
	kvm_dmabuf_extent_join(&have, 1, &next);
	assert_same(&have, 0, 2, 0);
}

static void join_goes_on(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(6, 3, 102);

	kvm_dmabuf_extent_join(&have, 5, &next);
	assert_same(&have, 4, 5, 100);
}

static void join_keeps_the_extent_before(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(6, 3, 102);

	kvm_dmabuf_extent_join(&have, 7, &next);
	assert_same(&have, 4, 5, 100);
}

static void join_drops_what_is_elsewhere(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(6, 3, 103);

	kvm_dmabuf_extent_join(&have, 7, &next);
	assert_same(&have, 6, 3, 103);
}

static void join_ignores_what_comes_after(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(6, 3, 103);

	kvm_dmabuf_extent_join(&have, 4, &next);
	assert_same(&have, 4, 2, 100);
}

static void join_keeps_kinds_apart(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(6, 3, 102);

	next.kind = DMA_BUF_EXTENT_MMIO;
	kvm_dmabuf_extent_join(&have, 4, &next);
	assert_same(&have, 4, 2, 100);
	kvm_dmabuf_extent_join(&have, 6, &next);
	assert_int_equal(have.index, 6);
	assert_int_equal(have.kind, DMA_BUF_EXTENT_MMIO);
}

static void join_keeps_flags_apart(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(6, 3, 102);

	next.flags = DMA_BUF_EXTENT_READONLY;
	kvm_dmabuf_extent_join(&have, 4, &next);
	assert_same(&have, 4, 2, 100);
	assert_int_equal(have.flags, 0);
	kvm_dmabuf_extent_join(&have, 6, &next);
	assert_same(&have, 6, 3, 102);
	assert_int_equal(have.flags, DMA_BUF_EXTENT_READONLY);

	/* Two that cannot be written are one. */
	next = ram(9, 1, 105);
	next.flags = DMA_BUF_EXTENT_READONLY;
	kvm_dmabuf_extent_join(&have, 6, &next);
	assert_same(&have, 6, 4, 102);
	assert_int_equal(have.flags, DMA_BUF_EXTENT_READONLY);
}

static void join_needs_the_next_page(void)
{
	struct dma_buf_kvm_extent have = ram(4, 2, 100), next = ram(7, 3, 102);

	kvm_dmabuf_extent_join(&have, 4, &next);
	assert_same(&have, 4, 2, 100);
}

/*
 * Four extents of one or two pages, each of which goes on or jumps in memory, is
 * of one of two kinds and may be written or not: every combination, seen from
 * every page.
 */
static void join_every_combination(void)
{
	unsigned int combination, bits, i, n, index, nr_pages, start, stop;

	for (combination = 0; combination < 1 << 16; combination++) {
		struct dma_buf_kvm_extent extents[4], have;
		unsigned long pfn[8], next_pfn = 100;
		u32 flags[8];
		enum dma_buf_extent_kind kind[8];

		bits = combination;
		nr_pages = 0;
		for (n = 0; n < 4; n++, bits >>= 4) {
			next_pfn += bits & 1 ? 10 : 0;
			extents[n] = ram(nr_pages, bits & 2 ? 2 : 1, next_pfn);
			extents[n].kind = bits & 4 ? DMA_BUF_EXTENT_MMIO : DMA_BUF_EXTENT_RAM;
			extents[n].flags = bits & 8 ? DMA_BUF_EXTENT_READONLY : 0;
			for (i = 0; i < extents[n].nr_pages; i++) {
				flags[nr_pages] = extents[n].flags;
				pfn[nr_pages] = next_pfn++;
				kind[nr_pages++] = extents[n].kind;
			}
		}

		for (index = 0; index < nr_pages; index++) {
			for (start = index; start && pfn[start - 1] + 1 == pfn[start] &&
			     kind[start - 1] == kind[start] &&
			     flags[start - 1] == flags[start]; start--)
				;
			for (stop = index + 1; stop < nr_pages &&
			     pfn[stop - 1] + 1 == pfn[stop] &&
			     kind[stop - 1] == kind[stop] &&
			     flags[stop - 1] == flags[stop]; stop++)
				;

			memset(&have, 0, sizeof(have));
			for (n = 0; n < 4; n++)
				kvm_dmabuf_extent_join(&have, index, &extents[n]);
			assert_int_equal(have.index, start);
			assert_int_equal(have.nr_pages, stop - start);
			assert_int_equal(have.pfn, pfn[start]);
			assert_int_equal(have.kind, kind[start]);
			assert_int_equal(have.flags, flags[start]);
		}
	}
}

/* A gfn in a slot, and its page in an extent. */
struct place {
	u64 gfn;
	u64 pfn;
	u64 slot_before, slot_after;	/* pages of the slot around gfn */
	u64 extent_before, extent_after;	/* pages of the extent around it */
};

/* Where in the buffer it is must not matter. */
static bool fits_at(const struct place *place, unsigned int order, u64 index)
{
	struct dma_buf_kvm_extent extent = {
		.index = index - place->extent_before,
		.nr_pages = place->extent_before + 1 + place->extent_after,
		.pfn = place->pfn - place->extent_before,
	};

	return kvm_dmabuf_extent_fits(&extent, index, place->gfn,
				      place->gfn - place->slot_before,
				      place->slot_before + 1 + place->slot_after, order);
}

static bool fits(const struct place *place, unsigned int order)
{
	bool ret = fits_at(place, order, place->extent_before);

	assert_int_equal(fits_at(place, order, place->extent_before + 1), ret);
	return ret;
}

/* Every page of the block in turn. */
static bool ref_fits(const struct place *place, unsigned int order)
{
	long size = 1L << order, first = -(long)(place->gfn % size), i;

	for (i = first; i < first + size; i++) {
		if (i < -(long)place->slot_before || i > (long)place->slot_after)
			return false;
		if (i < -(long)place->extent_before || i > (long)place->extent_after)
			return false;
	}
	return (place->pfn + first) % size == 0;
}

static void check_fits(const struct place *place, unsigned int max_order)
{
	unsigned int order;

	for (order = 0; order <= max_order; order++)
		assert_int_equal(fits(place, order), ref_fits(place, order));
}

/* Blocks of up to 8 pages, slot and extent independent of each other. */
static void fits_every_combination(void)
{
	unsigned int combination, end, x;
	struct place p;

	end = 8 * 8 * 9 * 9 * 9 * 9;
	for (combination = 0; combination < end; combination++) {
		x = combination;
		p.gfn = 64 + x % 8;
		x /= 8;
		p.pfn = 64 + x % 8;
		x /= 8;
		p.slot_before = x % 9;
		x /= 9;
		p.slot_after = x % 9;
		x /= 9;
		p.extent_before = x % 9;
		p.extent_after = x / 9;
		check_fits(&p, 3);
	}
}

static void fits_every_slot(void)
{
	struct place p = { .extent_before = 20, .extent_after = 20 };

	for (p.gfn = 64; p.gfn < 80; p.gfn++)
		for (p.pfn = 64; p.pfn < 80; p.pfn++)
			for (p.slot_before = 0; p.slot_before < 17; p.slot_before++)
				for (p.slot_after = 0; p.slot_after < 17; p.slot_after++)
					check_fits(&p, 4);
}

static void fits_every_extent(void)
{
	struct place p = { .slot_before = 20, .slot_after = 20 };

	for (p.gfn = 64; p.gfn < 80; p.gfn++)
		for (p.pfn = 64; p.pfn < 80; p.pfn++)
			for (p.extent_before = 0; p.extent_before < 17; p.extent_before++)
				for (p.extent_after = 0; p.extent_after < 17; p.extent_after++)
					check_fits(&p, 4);
}

/* Orders 9 and 18, exactly, and one page less at each of the four ends. */
static void fits_as_large_as_x86_can(void)
{
	static const unsigned int orders[] = { 9, 18 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		u64 last = (1ULL << orders[i]) - 1, before = last / 3;
		struct place exact = {
			.gfn = 5 * (last + 1) + before,
			.pfn = 7 * (last + 1) + before,
			.slot_before = before,
			.slot_after = last - before,
			.extent_before = before,
			.extent_after = last - before,
		}, p;

		assert_true(fits(&exact, orders[i]));
		assert_false(fits(&exact, orders[i] + 1));
		p = exact;
		p.slot_before--;
		assert_false(fits(&p, orders[i]));
		p = exact;
		p.slot_after--;
		assert_false(fits(&p, orders[i]));
		p = exact;
		p.extent_before--;
		assert_false(fits(&p, orders[i]));
		p = exact;
		p.extent_after--;
		assert_false(fits(&p, orders[i]));
		p = exact;
		p.pfn++;
		assert_false(fits(&p, orders[i]));
	}
}

static void fits_a_single_page_always(void)
{
	struct place p = { .gfn = 3, .pfn = 8 };

	assert_true(fits(&p, 0));
	assert_false(fits(&p, 1));
}

static void fits_from_page_0(void)
{
	struct place p = { .slot_after = 15, .extent_after = 15 };

	assert_true(fits(&p, 4));
	p.slot_after = 14;
	assert_false(fits(&p, 4));
}

/* A slot and an extent that end with the last number there is. */
static void fits_at_the_end_of_numbers(void)
{
	struct dma_buf_kvm_extent extent = ram(LAST - 15, 16, -16UL);

	assert_true(kvm_dmabuf_extent_fits(&extent, LAST, LAST, LAST - 15, 16, 4));
	assert_true(kvm_dmabuf_extent_fits(&extent, LAST - 15, LAST - 15, LAST - 15, 16, 4));
	assert_false(kvm_dmabuf_extent_fits(&extent, LAST, LAST, LAST - 14, 15, 4));
	assert_false(kvm_dmabuf_extent_fits(&extent, LAST, LAST, LAST - 15, 16, 5));
	extent = ram(LAST - 14, 15, -15UL);
	assert_false(kvm_dmabuf_extent_fits(&extent, LAST, LAST, LAST - 15, 16, 4));
}

/* As large as a u64 can say. */
static void fits_in_everything(void)
{
	struct dma_buf_kvm_extent extent = ram(0, LAST, 0);

	assert_true(kvm_dmabuf_extent_fits(&extent, 0, 0, 0, LAST, 63));
	assert_true(kvm_dmabuf_extent_fits(&extent, 1ULL << 62, 1ULL << 62, 0, LAST, 63));
	/* The upper half lacks its last page. */
	assert_false(kvm_dmabuf_extent_fits(&extent, 1ULL << 63, 1ULL << 63, 0, LAST, 63));
	assert_true(kvm_dmabuf_extent_fits(&extent, 1ULL << 63, 1ULL << 63, 0, LAST, 62));
}

static const struct host_test tests[] = {
	TEST(holds),
	TEST(holds_nothing_when_empty),
	TEST(holds_at_the_end_of_numbers),
	TEST(join_takes_the_first),
	TEST(join_takes_the_first_at_0),
	TEST(join_goes_on),
	TEST(join_keeps_the_extent_before),
	TEST(join_drops_what_is_elsewhere),
	TEST(join_ignores_what_comes_after),
	TEST(join_keeps_kinds_apart),
	TEST(join_keeps_flags_apart),
	TEST(join_needs_the_next_page),
	TEST(join_every_combination),
	TEST(fits_every_combination),
	TEST(fits_every_slot),
	TEST(fits_every_extent),
	TEST(fits_as_large_as_x86_can),
	TEST(fits_a_single_page_always),
	TEST(fits_from_page_0),
	TEST(fits_at_the_end_of_numbers),
	TEST(fits_in_everything),
};

int main(void)
{
	return host_main("extent", tests, ARRAY_SIZE(tests));
}
