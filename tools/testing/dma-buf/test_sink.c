// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checks of the sink: drivers/dma-buf/dma-buf-sink.c.
 */
#include "host.h"

#include "dma-buf-sink.h"

#define NR_PAGES	16
#define MAX_CALLS	16

/* Device memory that is far away from any RAM. */
#define BAR		0xe00000000ULL

/* What the exporter gives, what it is told, and what it returns in the end. */
static struct {
	struct dma_buf_extent extents[MAX_CALLS];
	int nr;
	int ret;
	bool stubborn;		/* goes on after an error, and after the end */

	int calls;
	int rets[MAX_CALLS];
	u64 offset;
	u64 length;
	bool write;
	struct dma_buf_attachment *attach;

	/* Called before the extent of this number, or after the last. */
	int hook_at;
	void (*hook)(void);
} exp;

/* What the mapper took. */
static struct {
	struct dma_buf_extent extents[MAX_CALLS];
	int nr;
	int fail_at;		/* counted from 1 */
	int error;
	void *cookie;
} taken;

static struct dma_buf dmabuf;
static struct dma_buf_attachment attachment;
static struct p2pdma_provider *provider = (void *)&dmabuf;

static int exp_fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		    u64 offset, u64 length, bool write)
{
	int i, ret = 0;

	assert_true(dmabuf.resv->locked);
	exp.attach = attach;
	exp.offset = offset;
	exp.length = length;
	exp.write = write;
	exp.calls = 0;
	for (i = 0; i < exp.nr && (!ret || exp.stubborn); i++) {
		if (exp.hook && exp.hook_at == i)
			exp.hook();
		ret = dma_buf_sink_add(sink, &exp.extents[i]);
		exp.rets[exp.calls++] = ret;
	}
	if (exp.hook && exp.hook_at == i)
		exp.hook();
	return ret < 0 && !exp.stubborn ? ret : exp.ret;
}

static const struct dma_buf_extent_ops extent_ops = { .fill = exp_fill };

static int exp_prepare(struct dma_buf_attachment *attach, u64 offset, u64 length)
{
	assert_false(dmabuf.resv->locked);
	exp.attach = attach;
	exp.offset = offset;
	exp.length = length;
	exp.calls++;
	return exp.ret;
}

static const struct dma_buf_extent_ops prepare_ops = {
	.prepare = exp_prepare,
	.fill = exp_fill,
};

static const struct dma_buf_mapping_type private_type = {
	.name = "private",
	.takes_private = true,
};

static const struct dma_buf_mapping_type type = {
	.name = "test",
	.invalidate = dma_buf_sink_invalidate,
};

static const struct dma_buf_mapping_exp table[] = {
	{ .type = &type, .ops = &extent_ops }, { }
};

static const struct dma_buf_mapping_exp prepare_row = {
	.type = &type, .ops = &prepare_ops,
};

static const struct dma_buf_ops ops = { .mappings = table };

static int take(struct dma_buf_attachment *attach, void *cookie,
		const struct dma_buf_extent *extent)
{
	assert_ptr_equal(attach, &attachment);
	assert_true(dmabuf.resv->locked);
	assert_true(taken.nr < MAX_CALLS);
	taken.cookie = cookie;
	taken.extents[taken.nr++] = *extent;
	return taken.nr == taken.fail_at ? taken.error : 0;
}

/* An attachment with a sink, to a buffer of 16 pages and some, locked. */
static void begin_size(size_t size)
{
	memset(&exp, 0, sizeof(exp));
	memset(&taken, 0, sizeof(taken));
	host_dmabuf_init(&dmabuf, &ops, size);
	attachment = (struct dma_buf_attachment) {
		.dmabuf = &dmabuf,
		.map_type = &type,
		.map_exp = &table[0],
	};
	host_folio(0, NR_PAGES);
	host.ram_start = (u64)HOST_PFN << PAGE_SHIFT;
	host.ram_end = host.ram_start + (HOST_NR_PAGES << PAGE_SHIFT);
	assert_int_equal(dma_buf_sink_attach(&attachment), 0);
	list_add(&attachment.node, &dmabuf.attachments);
	dma_resv_lock(dmabuf.resv, NULL);
}

static void begin(void)
{
	begin_size(NR_PAGES * PAGE_SIZE);
}

static void end(void)
{
	dma_resv_unlock(dmabuf.resv);
	dma_buf_sink_detach(&attachment);
	assert_null(attachment.sink);
}

static void invalidate(void)
{
	host_invalidate(&dmabuf);
}

static struct dma_buf_extent *give(struct dma_buf_extent extent)
{
	assert_true(exp.nr < MAX_CALLS);
	exp.extents[exp.nr] = extent;
	return &exp.extents[exp.nr++];
}

/* In pages. Page n of the buffer is page n of memory. */
static struct dma_buf_extent *give_ram(unsigned int first, unsigned int nr)
{
	return give((struct dma_buf_extent) {
		.offset = (u64)first << PAGE_SHIFT,
		.nr_pages = nr,
		.page = &host_pages[first],
	});
}

static struct dma_buf_extent *give_mmio(unsigned int first, u64 nr)
{
	return give((struct dma_buf_extent) {
		.offset = (u64)first << PAGE_SHIFT,
		.nr_pages = nr,
		.kind = DMA_BUF_EXTENT_MMIO,
		.mmio = {
			.phys = BAR + ((u64)first << PAGE_SHIFT),
			.provider = provider,
		},
	});
}

/* In bytes. */
static int run_bytes(u64 offset, u64 length)
{
	return dma_buf_sink_run(&attachment, offset, length, false, take, &taken);
}

static int run(unsigned int first, unsigned int nr)
{
	return run_bytes((u64)first << PAGE_SHIFT, (u64)nr << PAGE_SHIFT);
}

/* One extent, which is refused, and with it the window. */
static void assert_refused(int error, unsigned int first, unsigned int nr)
{
	if (error == -EINVAL)
		host_expect_warnings(1);
	assert_int_equal(run(first, nr), error);
	assert_int_equal(exp.rets[exp.calls - 1], error);
	assert_int_equal(taken.nr, exp.calls - 1);
	end();
}

/* The extents given reach the mapper as they are, and are enough. */
static void assert_filled(unsigned int first, unsigned int nr, int extents)
{
	int i;

	assert_int_equal(run(first, nr), 0);
	assert_int_equal(exp.calls, extents);
	assert_int_equal(taken.nr, extents);
	for (i = 0; i < extents; i++) {
		assert_int_equal(exp.rets[i], i == extents - 1);
		assert_memory_equal(&taken.extents[i], &exp.extents[i],
				    sizeof(exp.extents[i]));
	}
	end();
}

static void one_page(void)
{
	begin();
	give_ram(3, 1);
	assert_filled(3, 1, 1);
}

static void whole_buffer(void)
{
	begin();
	give_ram(0, NR_PAGES);
	assert_filled(0, NR_PAGES, 1);
}

static void many_extents(void)
{
	unsigned int i;

	begin();
	for (i = 0; i < NR_PAGES; i++)
		give_ram(i, 1);
	assert_filled(0, NR_PAGES, NR_PAGES);
}

static void extent_may_begin_before_the_window(void)
{
	begin();
	give_ram(0, 8);
	assert_filled(7, 1, 1);
}

static void extent_may_end_after_the_window(void)
{
	begin();
	give_ram(3, NR_PAGES - 3);
	assert_filled(3, 1, 1);
}

static void extents_may_stick_out_on_both_sides(void)
{
	begin();
	give_ram(2, 4);
	give_ram(6, 1);
	give_ram(7, 9);
	assert_filled(4, 5, 3);
}

static void fill_gets_the_window(void)
{
	begin();
	give_ram(2, 8);
	assert_int_equal(dma_buf_sink_run(&attachment, 3 * PAGE_SIZE, 5 * PAGE_SIZE,
					  true, take, &dmabuf), 0);
	assert_ptr_equal(exp.attach, &attachment);
	assert_int_equal(exp.offset, 3 * PAGE_SIZE);
	assert_int_equal(exp.length, 5 * PAGE_SIZE);
	assert_true(exp.write);
	assert_ptr_equal(taken.cookie, &dmabuf);
	assert_int_equal(run(3, 1), 0);
	assert_false(exp.write);
	end();
}

static void window_of_bytes(void)
{
	begin();
	give_ram(0, 1);
	give_ram(1, 1);
	assert_int_equal(run_bytes(PAGE_SIZE - 1, 2), 0);
	assert_int_equal(taken.nr, 2);
	end();
}

static void extent_may_fill_the_last_page(void)
{
	begin_size(NR_PAGES * PAGE_SIZE - 100);
	give_ram(0, NR_PAGES);
	assert_int_equal(run_bytes(0, NR_PAGES * PAGE_SIZE - 100), 0);
	end();
}

static void nothing_is_taken_beyond_the_window(void)
{
	begin();
	exp.stubborn = true;
	give_ram(0, 2);
	give_ram(2, 2);
	give_ram(9, 2);
	assert_int_equal(run(1, 1), 0);
	assert_int_equal(exp.rets[0], 1);
	assert_int_equal(exp.rets[1], 1);
	assert_int_equal(exp.rets[2], 1);
	assert_int_equal(taken.nr, 1);
	end();
}

static void window_is_empty(void)
{
	host_expect_warnings(1);
	begin();
	exp.calls = -1;
	assert_int_equal(run(3, 0), -EINVAL);
	assert_int_equal(exp.calls, -1);
	end();
}

static void window_leaves_the_buffer(void)
{
	host_expect_warnings(1);
	begin();
	exp.calls = -1;
	assert_int_equal(run_bytes((NR_PAGES - 1) * PAGE_SIZE, PAGE_SIZE + 1), -EINVAL);
	assert_int_equal(exp.calls, -1);
	end();
}

static void window_overflows(void)
{
	host_expect_warnings(1);
	begin();
	exp.calls = -1;
	assert_int_equal(run_bytes(-PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(exp.calls, -1);
	end();
}

static void run_needs_the_lock(void)
{
	/* The second is for an empty window: fill() would not do without the lock. */
	host_expect_warnings(2);
	begin();
	dma_resv_unlock(dmabuf.resv);
	assert_int_equal(run(0, 0), -EINVAL);
	dma_resv_lock(dmabuf.resv, NULL);
	end();
}

static void drop_lock(void)
{
	dma_resv_unlock(dmabuf.resv);
}

static void add_needs_the_lock(void)
{
	host_expect_warnings(1);
	begin();
	exp.hook = drop_lock;
	give_ram(3, 1);
	/* So that the extent does not get as far as take(). */
	host_pages[3].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 1), -EHWPOISON);
	dma_resv_lock(dmabuf.resv, NULL);
	end();
}

static void unknown_flags(void)
{
	unsigned int bit;

	host_expect_warnings(30);
	begin();
	for (bit = 2; bit < 32; bit++) {
		exp.nr = 0;
		give_ram(3, 1)->flags = 1u << bit | DMA_BUF_EXTENT_READONLY;
		assert_int_equal(run(3, 1), -EINVAL);
		host.warned[0] = '\0';
	}
	assert_int_equal(taken.nr, 0);
	end();
}

static void readonly(void)
{
	begin();
	give_ram(2, 2)->flags = DMA_BUF_EXTENT_READONLY;
	give_ram(4, 2);
	give_mmio(6, 2)->flags = DMA_BUF_EXTENT_READONLY;
	assert_filled(3, 4, 3);
	assert_int_equal(taken.extents[0].flags, 1);
	assert_int_equal(taken.extents[1].flags, 0);
	assert_int_equal(taken.extents[2].flags, 1);
}

/* A part is not given either, whatever comes first. */
static void private_is_refused(void)
{
	begin();
	give_ram(3, 1);
	give_ram(4, 1)->flags = DMA_BUF_EXTENT_PRIVATE;
	assert_int_equal(run(3, 2), -EACCES);
	assert_int_equal(taken.nr, 1);
	end();
}

static void private_is_taken(void)
{
	begin();
	attachment.map_type = &private_type;
	give_ram(3, 1);
	give_ram(4, 1)->flags = DMA_BUF_EXTENT_PRIVATE | DMA_BUF_EXTENT_READONLY;
	give_mmio(5, 1)->flags = DMA_BUF_EXTENT_PRIVATE;
	assert_filled(3, 3, 3);
	assert_int_equal(taken.extents[0].flags, 0);
	assert_int_equal(taken.extents[1].flags, 3);
	assert_int_equal(taken.extents[2].flags, 2);
}

static void no_pages(void)
{
	begin();
	give_ram(3, 1);
	give_ram(4, 0);
	assert_refused(-EINVAL, 3, 2);
}

static void misaligned(void)
{
	begin();
	give_ram(2, 2)->offset -= 1;
	assert_refused(-EINVAL, 3, 1);
}

static void length_overflows(void)
{
	begin();
	give_mmio(3, 1)->nr_pages |= 1ULL << 52;
	assert_refused(-EINVAL, 3, 1);
}

static void length_is_shifted_out(void)
{
	begin();
	give_ram(3, 1);
	give_mmio(4, 1ULL << 63);
	assert_refused(-EINVAL, 3, 2);
}

static void end_overflows(void)
{
	begin();
	/* Wraps around to the end of page 2. Nothing else is wrong with it. */
	give_ram(3, 1);
	give_mmio(4, (1ULL << 52) - 1)->mmio.phys = 0;
	host.ram_start = 0;
	host.ram_end = 0;
	assert_refused(-EINVAL, 3, 2);
}

static void extent_leaves_the_buffer(void)
{
	begin();
	give_ram(3, NR_PAGES - 3 + 1);
	assert_refused(-EINVAL, 3, 1);
}

static void extent_leaves_the_last_page(void)
{
	begin_size(NR_PAGES * PAGE_SIZE - 100);
	give_ram(3, NR_PAGES - 3 + 1);
	assert_refused(-EINVAL, 3, 1);
}

static void first_extent_is_behind_the_start(void)
{
	begin();
	give_ram(4, 4);
	assert_refused(-EINVAL, 3, 4);
}

static void first_extent_ends_at_the_start(void)
{
	begin();
	give_ram(1, 2);
	assert_refused(-EINVAL, 3, 1);
}

static void gap(void)
{
	begin();
	give_ram(0, 2);
	give_ram(3, 2);
	assert_refused(-EINVAL, 0, 5);
}

static void overlap(void)
{
	begin();
	give_ram(0, 3);
	give_ram(2, 4);
	assert_refused(-EINVAL, 0, 5);
}

static void repeated(void)
{
	begin();
	give_ram(0, 2);
	give_ram(0, 2);
	assert_refused(-EINVAL, 0, 5);
}

static void descending(void)
{
	begin();
	give_ram(4, 2);
	give_ram(2, 2);
	assert_refused(-EINVAL, 4, 4);
}

/* The first extent is not judged by where the window before it had ended. */
static void windows_are_independent(void)
{
	begin();
	give_ram(0, 8);
	assert_int_equal(run(6, 2), 0);
	assert_int_equal(run(2, 2), 0);
	assert_int_equal(taken.nr, 2);
	end();
}

static void unknown_kind(void)
{
	begin();
	give_ram(3, 1)->kind = 99;
	assert_refused(-EINVAL, 3, 1);
	assert_non_null(strstr(host.warned, "unknown kind 99"));
}

static void ram_without_page(void)
{
	begin();
	give_ram(3, 1)->page = NULL;
	assert_refused(-EINVAL, 3, 1);
	assert_int_equal(host.lookups, 0);
}

static void first_page_is_offline(void)
{
	begin();
	give_ram(2, 4);
	host_pages[2].flags = PAGE_OFFLINE;
	assert_refused(-EINVAL, 3, 1);
}

static void last_page_is_offline(void)
{
	begin();
	give_ram(2, 4);
	host_pages[5].flags = PAGE_OFFLINE;
	assert_refused(-EINVAL, 3, 1);
}

static void pages_end_with_memory(void)
{
	begin();
	give_ram(0, 4)->page = &host_pages[HOST_NR_PAGES - 3];
	assert_refused(-EINVAL, 0, 1);
}

static void first_page_is_reserved(void)
{
	begin();
	give_ram(2, 4);
	host_pages[2].flags = PAGE_RESERVED;
	assert_refused(-EINVAL, 3, 1);
}

static void last_page_is_reserved(void)
{
	begin();
	give_ram(2, 4);
	host_pages[5].flags = PAGE_RESERVED;
	assert_refused(-EINVAL, 3, 1);
}

static void first_page_is_device_memory(void)
{
	begin();
	give_ram(2, 4);
	host_pages[2].flags = PAGE_ZONE_DEVICE;
	assert_refused(-EINVAL, 3, 1);
}

static void last_page_is_device_memory(void)
{
	begin();
	give_ram(2, 4);
	host_pages[5].flags = PAGE_ZONE_DEVICE;
	assert_refused(-EINVAL, 3, 1);
}

static void first_page_has_failed(void)
{
	begin();
	give_ram(2, 4);
	host_pages[2].flags = PAGE_HWPOISON;
	assert_refused(-EHWPOISON, 3, 1);
}

static void last_page_has_failed(void)
{
	begin();
	give_ram(2, 4);
	host_pages[5].flags = PAGE_HWPOISON;
	assert_refused(-EHWPOISON, 3, 1);
}

static void second_extent_is_checked_too(void)
{
	begin();
	give_ram(2, 2);
	give_ram(4, 2);
	host_pages[4].flags = PAGE_RESERVED;
	assert_refused(-EINVAL, 3, 2);
}

static void page_of_the_window_has_failed(void)
{
	begin();
	give_ram(2, 8);
	host_pages[5].flags = PAGE_HWPOISON;
	assert_refused(-EHWPOISON, 5, 2);
}

static void page_of_the_window_is_reserved(void)
{
	begin();
	give_ram(2, 8);
	host_pages[5].flags = PAGE_RESERVED;
	assert_refused(-EINVAL, 5, 2);
}

static void page_of_a_failed_hugetlb_folio(void)
{
	begin();
	give_ram(4, 1);
	/* It does not remember which page it was. */
	host_pages[0].flags = PAGE_HUGETLB | PAGE_HWPOISON;
	assert_refused(-EHWPOISON, 4, 1);
}

static void other_pages_are_not_looked_at(void)
{
	begin();
	give_ram(0, NR_PAGES);
	host_pages[7].flags = PAGE_HWPOISON;
	/* First, last, and the one that was asked for. */
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(host.lookups, 3);
	/* That may be one of them. */
	assert_int_equal(run(0, 1), 0);
	assert_int_equal(host.lookups, 5);
	assert_int_equal(run(NR_PAGES - 1, 1), 0);
	assert_int_equal(host.lookups, 7);
	end();
}

static void next_extent_is_looked_at_from_its_start(void)
{
	begin();
	give_ram(0, 4);
	give_ram(4, 12);
	assert_int_equal(run(2, 6), 0);
	assert_int_equal(host.lookups, 3 + 2);
	end();
}

static void single_page_is_looked_at_once(void)
{
	begin();
	give_ram(3, 1);
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(host.lookups, 1);
	end();
}

static void debugging_looks_at_every_page(void)
{
	begin();
	host.option = "CONFIG_DMABUF_DEBUG";
	give_ram(0, NR_PAGES);
	assert_int_equal(run(3, 1), 0);
	assert_true(host.lookups >= NR_PAGES);
	host_pages[7].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 1), -EHWPOISON);
	assert_int_equal(taken.nr, 1);
	end();
}

static void mmio(void)
{
	begin();
	give_mmio(2, 8);
	assert_filled(3, 4, 1);
	assert_int_equal(host.region_walks, 1);
	assert_int_equal(host.lookups, 0);
}

static void mmio_of_every_kind(void)
{
	begin();
	give_mmio(2, 2);
	give_mmio(4, 2)->kind = DMA_BUF_EXTENT_MMIO_WC;
	give_mmio(6, 2)->kind = DMA_BUF_EXTENT_MMIO_CACHEABLE;
	assert_filled(2, 6, 3);
	assert_int_equal(host.region_walks, 3);
}

static void mmio_next_to_ram(void)
{
	begin();
	give_ram(2, 2);
	give_mmio(4, 2);
	give_ram(6, 2);
	assert_filled(3, 4, 3);
}

static void mmio_without_provider(void)
{
	begin();
	give_mmio(3, 1)->mmio.provider = NULL;
	assert_refused(-EINVAL, 3, 1);
	assert_int_equal(host.region_walks, 0);
}

static void mmio_misaligned(void)
{
	begin();
	give_mmio(3, 1)->mmio.phys += 0x800;
	assert_refused(-EINVAL, 3, 1);
	assert_int_equal(host.region_walks, 0);
}

static void mmio_overflows(void)
{
	begin();
	give_mmio(3, 2)->mmio.phys = -PAGE_SIZE;
	assert_refused(-EINVAL, 3, 1);
	assert_int_equal(host.region_walks, 0);
}

static void mmio_is_ram(void)
{
	begin();
	give_mmio(3, 2)->mmio.phys = host.ram_start;
	assert_refused(-EINVAL, 3, 1);
}

static void mmio_ends_in_ram(void)
{
	begin();
	give_mmio(3, 2)->mmio.phys = host.ram_start - PAGE_SIZE;
	assert_refused(-EINVAL, 3, 1);
}

static void mmio_touches_ram(void)
{
	begin();
	give_mmio(3, 2)->mmio.phys = host.ram_start - 2 * PAGE_SIZE;
	assert_filled(3, 1, 1);
}

static void mmio_verdict_is_remembered(void)
{
	begin();
	give_mmio(2, 8);
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(run(9, 1), 0);
	/* And holds for parts of it, at both ends. */
	exp.nr = 0;
	give_mmio(2, 1);
	assert_int_equal(run(2, 1), 0);
	exp.nr = 0;
	give_mmio(9, 1);
	assert_int_equal(run(9, 1), 0);
	assert_int_equal(host.region_walks, 1);
	end();
}

static void mmio_verdict_ends_where_it_was_found(void)
{
	begin();
	give_mmio(2, 8);
	assert_int_equal(run(3, 1), 0);
	exp.nr = 0;
	give_mmio(2, 9);
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(host.region_walks, 2);
	exp.nr = 0;
	give_mmio(1, 2);
	assert_int_equal(run(1, 1), 0);
	assert_int_equal(host.region_walks, 3);
	end();
}

static void mmio_verdict_ends_with_an_invalidation(void)
{
	begin();
	give_mmio(2, 8);
	assert_int_equal(run(3, 1), 0);
	invalidate();
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(host.region_walks, 2);
	/* Only once. */
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(host.region_walks, 2);
	end();
}

static void mmio_refusal_is_not_remembered(void)
{
	host_expect_warnings(2);
	begin();
	give_mmio(3, 2)->mmio.phys = host.ram_start;
	assert_int_equal(run(3, 1), -EINVAL);
	assert_int_equal(run(3, 1), -EINVAL);
	assert_int_equal(host.region_walks, 2);
	end();
}

static void error_beats_a_fill_that_returns_0(void)
{
	begin();
	exp.stubborn = true;
	give_ram(3, 1);
	host_pages[3].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 1), -EHWPOISON);
	end();
}

static void error_beats_a_fill_that_returns_1(void)
{
	begin();
	exp.stubborn = true;
	exp.ret = 1;
	give_ram(3, 1);
	host_pages[3].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 1), -EHWPOISON);
	end();
}

static void error_beats_another_error_of_fill(void)
{
	begin();
	exp.stubborn = true;
	exp.ret = -ENOMEM;
	give_ram(3, 1);
	host_pages[3].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 1), -EHWPOISON);
	end();
}

static void error_sticks(void)
{
	begin();
	exp.stubborn = true;
	give_ram(2, 2);
	give_ram(4, 1);
	give_ram(4, 4);
	host_pages[4].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 4), -EHWPOISON);
	assert_int_equal(exp.calls, 3);
	assert_int_equal(exp.rets[0], 0);
	assert_int_equal(exp.rets[1], -EHWPOISON);
	/* Not looked at any more. */
	assert_int_equal(exp.rets[2], -EHWPOISON);
	assert_int_equal(taken.nr, 1);
	end();
}

static void error_is_gone_with_the_next_window(void)
{
	begin();
	give_ram(3, 1);
	host_pages[3].flags = PAGE_HWPOISON;
	assert_int_equal(run(3, 1), -EHWPOISON);
	host_pages[3].flags = 0;
	assert_int_equal(run(3, 1), 0);
	end();
}

static void mapper_refuses_the_first(void)
{
	begin();
	taken.fail_at = 1;
	taken.error = -ENOSPC;
	exp.stubborn = true;
	give_ram(3, 1);
	give_ram(4, 1);
	assert_int_equal(run(3, 2), -ENOSPC);
	assert_int_equal(exp.rets[0], -ENOSPC);
	assert_int_equal(exp.rets[1], -ENOSPC);
	assert_int_equal(taken.nr, 1);
	end();
}

static void mapper_refuses_the_last(void)
{
	begin();
	taken.fail_at = 2;
	taken.error = -ENOSPC;
	exp.stubborn = true;
	give_ram(3, 1);
	give_ram(4, 1);
	assert_int_equal(run(3, 2), -ENOSPC);
	assert_int_equal(taken.nr, 2);
	end();
}

static void fill_fails(void)
{
	begin();
	exp.ret = -ENODEV;
	assert_int_equal(run(3, 1), -ENODEV);
	end();
}

static void fill_is_interrupted(void)
{
	begin();
	exp.ret = -ERESTARTSYS;
	assert_int_equal(run(3, 1), -EINTR);
	end();
}

static void mapper_is_interrupted(void)
{
	begin();
	taken.fail_at = 1;
	taken.error = -ERESTARTSYS;
	give_ram(3, 1);
	assert_int_equal(run(3, 1), -EINTR);
	end();
}

static void fill_fails_after_the_window_was_covered(void)
{
	begin();
	exp.ret = -EINTR;
	give_ram(3, 1);
	assert_int_equal(run(3, 1), -EINTR);
	end();
}

static void fill_may_return_what_the_sink_said(void)
{
	begin();
	exp.ret = 1;
	give_ram(3, 1);
	assert_int_equal(run(3, 1), 0);
	end();
}

static void fill_gives_nothing(void)
{
	host_expect_warnings(1);
	begin();
	assert_int_equal(run(3, 1), -EINVAL);
	assert_non_null(strstr(host.warned, "test-exporter left a window uncovered"));
	end();
}

static void fill_gives_too_little(void)
{
	host_expect_warnings(1);
	begin();
	give_ram(3, 2);
	assert_int_equal(run(3, 3), -EINVAL);
	assert_int_equal(taken.nr, 1);
	end();
}

static void fill_gives_too_little_and_returns_1(void)
{
	host_expect_warnings(1);
	begin();
	exp.ret = 1;
	give_ram(3, 2);
	assert_int_equal(run(3, 3), -EINVAL);
	end();
}

static void sink_is_closed_after_fill(void)
{
	struct dma_buf_extent extent;

	host_expect_warnings(1);
	begin();
	extent = *give_ram(3, 1);
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(dma_buf_sink_add(attachment.sink, &extent), -EPERM);
	assert_int_equal(taken.nr, 1);
	/* And the attempt leaves no trace. */
	assert_int_equal(run(3, 1), 0);
	end();
}

static void sink_is_closed_after_a_failed_fill(void)
{
	struct dma_buf_extent extent;

	host_expect_warnings(1);
	begin();
	exp.ret = -ENODEV;
	assert_int_equal(run(3, 1), -ENODEV);
	extent = *give_ram(3, 1);
	assert_int_equal(dma_buf_sink_add(attachment.sink, &extent), -EPERM);
	end();
}

static struct task_struct other_task = { .pid = 2 };
static struct task_struct *this_task;
static int other_ret;

static void add_from_other_task(void)
{
	this_task = current;
	current = &other_task;
	other_ret = dma_buf_sink_add(attachment.sink, &exp.extents[0]);
	current = this_task;
}

static void other_task_is_refused(void)
{
	host_expect_warnings(1);
	begin();
	exp.hook = add_from_other_task;
	give_ram(3, 1);
	assert_int_equal(run(3, 1), 0);
	assert_int_equal(other_ret, -EPERM);
	assert_int_equal(taken.nr, 1);
	end();
}

static int nested_ret;

static void run_nested(void)
{
	nested_ret = dma_buf_sink_run(&attachment, 8 * PAGE_SIZE, PAGE_SIZE, true,
				      NULL, NULL);
}

static void nested_run_is_refused(void)
{
	host_expect_warnings(1);
	begin();
	exp.hook = run_nested;
	exp.hook_at = 1;
	give_ram(3, 1);
	give_ram(4, 1);
	assert_int_equal(run(3, 2), 0);
	assert_int_equal(nested_ret, -EBUSY);
	/* The outer one never noticed. */
	assert_int_equal(taken.nr, 2);
	end();
}

static void invalidation_before_the_first_extent(void)
{
	begin();
	exp.hook = invalidate;
	give_ram(3, 1);
	assert_filled(3, 1, 1);
}

static void invalidation_after_the_first_extent(void)
{
	host_expect_warnings(1);
	begin();
	exp.hook = invalidate;
	exp.hook_at = 1;
	exp.stubborn = true;
	give_ram(3, 1);
	give_ram(4, 1);
	assert_int_equal(run(3, 2), -EAGAIN);
	assert_int_equal(exp.rets[0], 0);
	assert_int_equal(exp.rets[1], -EAGAIN);
	assert_int_equal(taken.nr, 1);
	end();
}

static void invalidation_after_the_last_extent(void)
{
	host_expect_warnings(1);
	begin();
	exp.hook = invalidate;
	exp.hook_at = 1;
	give_ram(3, 1);
	assert_int_equal(run(3, 1), -EAGAIN);
	assert_int_equal(exp.rets[0], 1);
	end();
}

static void invalidation_of_a_closed_sink(void)
{
	begin();
	give_ram(3, 1);
	invalidate();
	assert_int_equal(run(3, 1), 0);
	invalidate();
	assert_int_equal(run(3, 1), 0);
	end();
}

static void counters(void)
{
	begin();
	give_ram(2, 2);
	give_ram(4, 1);
	give_ram(5, 3);
	dma_buf_sink_show(NULL, &attachment);
	assert_string_equal(host.seq, "\tfills 0\textents 0");
	host.seq[0] = '\0';

	assert_int_equal(run(3, 3), 0);
	assert_int_equal(run(3, 1), 0);
	dma_buf_sink_show(NULL, &attachment);
	assert_string_equal(host.seq, "\tfills 2\textents 4");
	end();
}

static void refused_extents_are_not_counted(void)
{
	host_expect_warnings(2);
	begin();
	give_ram(3, 1)->flags = 1u << 31;
	assert_int_equal(run(3, 1), -EINVAL);
	exp.extents[0].flags = 0;
	taken.fail_at = 1;
	taken.error = -EIO;
	assert_int_equal(run(3, 1), -EIO);
	/* Nor is a window that was not passed on. */
	assert_int_equal(run(3, 0), -EINVAL);
	dma_buf_sink_show(NULL, &attachment);
	assert_string_equal(host.seq, "\tfills 2\textents 0");
	end();
}

static void no_memory_for_a_sink(void)
{
	struct dma_buf_attachment attach = { };

	host.fail_alloc = 1;
	assert_int_equal(dma_buf_sink_attach(&attach), -ENOMEM);
	assert_null(attach.sink);
}

static void sink_must_be_closed_when_it_goes(void)
{
	host_expect_warnings(1);
	begin();
	attachment.sink->owner = current;
	end();
}

/* What prepare() is asked for, without the lock. */
static int prepare(u64 offset, u64 length, int ret)
{
	begin();
	dma_resv_unlock(dmabuf.resv);
	attachment.map_exp = &prepare_row;
	exp.ret = ret;
	ret = dma_buf_prepare_attachment(&attachment, offset, length);
	assert_int_equal(host.might_sleep, 1);
	host.might_sleep = 0;
	dma_resv_lock(dmabuf.resv, NULL);
	end();
	return ret;
}

static void prepare_gets_the_range(void)
{
	assert_int_equal(prepare(3 * PAGE_SIZE, 5 * PAGE_SIZE, 0), 0);
	assert_int_equal(exp.calls, 1);
	assert_ptr_equal(exp.attach, &attachment);
	assert_int_equal(exp.offset, 3 * PAGE_SIZE);
	assert_int_equal(exp.length, 5 * PAGE_SIZE);
}

static void prepare_to_the_end(void)
{
	assert_int_equal(prepare(0, NR_PAGES * PAGE_SIZE, 0), 0);
	assert_int_equal(exp.calls, 1);
}

static void prepare_fails(void)
{
	assert_int_equal(prepare(0, PAGE_SIZE, -ENOMEM), -ENOMEM);
	assert_int_equal(prepare(0, PAGE_SIZE, -EINTR), -EINTR);
	assert_int_equal(prepare(0, PAGE_SIZE, -ERESTARTSYS), -EINTR);
}

static void prepare_nothing(void)
{
	host_expect_warnings(1);
	assert_int_equal(prepare(0, 0, 0), -EINVAL);
	assert_int_equal(exp.calls, 0);
}

static void prepare_leaves_the_buffer(void)
{
	host_expect_warnings(1);
	assert_int_equal(prepare(PAGE_SIZE, NR_PAGES * PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(exp.calls, 0);
}

static void prepare_overflows(void)
{
	host_expect_warnings(1);
	assert_int_equal(prepare(-PAGE_SIZE, 2 * PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(exp.calls, 0);
}

static void prepare_is_optional(void)
{
	begin();
	assert_int_equal(dma_buf_prepare_attachment(&attachment, 0, PAGE_SIZE), 0);
	end();
}

static void prepare_needs_a_sink(void)
{
	host_expect_warnings(1);
	begin();
	end();
	attachment.map_exp = &prepare_row;
	assert_int_equal(dma_buf_prepare_attachment(&attachment, 0, PAGE_SIZE), -EINVAL);
	assert_int_equal(exp.calls, 0);
}

/*
 * Random extents, some of which are wrong, against the words of the contract.
 */
static void random_extents(void)
{
	unsigned int round, i;
	bool good;

	print_message("# SEED=%u\n", host_seed());
	for (round = 0; round < 20000; round++) {
		unsigned int first = host_random(NR_PAGES);
		unsigned int nr = 1 + host_random(NR_PAGES - first);
		unsigned int pos = first - host_random(first + 1);
		unsigned int covered = first, nr_taken = 0;
		unsigned int warnings = host.warnings;

		begin();
		exp.stubborn = true;
		for (i = 0; i < MAX_CALLS && pos < NR_PAGES; i++) {
			unsigned int len = 1 + host_random(NR_PAGES - pos);

			/* Once in a while somewhere else, or beyond the end. */
			if (!host_random(16))
				pos = host_random(NR_PAGES);
			len += !host_random(16);
			give_ram(pos, len);
			pos += len;
		}

		good = true;
		pos = 0;
		for (i = 0; i < (unsigned int)exp.nr && good && covered < first + nr; i++) {
			unsigned int start = exp.extents[i].offset >> PAGE_SHIFT;
			unsigned int stop = start + exp.extents[i].nr_pages;

			good = stop <= NR_PAGES &&
			       (i ? start == pos : start <= first && stop > first);
			pos = stop;
			covered = stop;
			nr_taken += good;
		}
		good = good && covered >= first + nr;

		assert_int_equal(run(first, nr), good ? 0 : -EINVAL);
		assert_int_equal(taken.nr, nr_taken);
		assert_int_equal(host.warnings, warnings + !good);
		host_expect_warnings(host.warnings);
		end();
		host.trace[0] = '\0';
		host.warned[0] = '\0';
	}
}

static const struct host_test tests[] = {
	TEST(one_page),
	TEST(whole_buffer),
	TEST(many_extents),
	TEST(extent_may_begin_before_the_window),
	TEST(extent_may_end_after_the_window),
	TEST(extents_may_stick_out_on_both_sides),
	TEST(fill_gets_the_window),
	TEST(window_of_bytes),
	TEST(extent_may_fill_the_last_page),
	TEST(nothing_is_taken_beyond_the_window),
	TEST(window_is_empty),
	TEST(window_leaves_the_buffer),
	TEST(window_overflows),
	TEST(run_needs_the_lock),
	TEST(add_needs_the_lock),
	TEST(unknown_flags),
	TEST(readonly),
	TEST(private_is_refused),
	TEST(private_is_taken),
	TEST(no_pages),
	TEST(misaligned),
	TEST(length_overflows),
	TEST(length_is_shifted_out),
	TEST(end_overflows),
	TEST(extent_leaves_the_buffer),
	TEST(extent_leaves_the_last_page),
	TEST(first_extent_is_behind_the_start),
	TEST(first_extent_ends_at_the_start),
	TEST(gap),
	TEST(overlap),
	TEST(repeated),
	TEST(descending),
	TEST(windows_are_independent),
	TEST(unknown_kind),
	TEST(ram_without_page),
	TEST(first_page_is_offline),
	TEST(last_page_is_offline),
	TEST(pages_end_with_memory),
	TEST(first_page_is_reserved),
	TEST(last_page_is_reserved),
	TEST(first_page_is_device_memory),
	TEST(last_page_is_device_memory),
	TEST(first_page_has_failed),
	TEST(last_page_has_failed),
	TEST(second_extent_is_checked_too),
	TEST(page_of_the_window_has_failed),
	TEST(page_of_the_window_is_reserved),
	TEST(page_of_a_failed_hugetlb_folio),
	TEST(other_pages_are_not_looked_at),
	TEST(next_extent_is_looked_at_from_its_start),
	TEST(single_page_is_looked_at_once),
	TEST(debugging_looks_at_every_page),
	TEST(mmio),
	TEST(mmio_of_every_kind),
	TEST(mmio_next_to_ram),
	TEST(mmio_without_provider),
	TEST(mmio_misaligned),
	TEST(mmio_overflows),
	TEST(mmio_is_ram),
	TEST(mmio_ends_in_ram),
	TEST(mmio_touches_ram),
	TEST(mmio_verdict_is_remembered),
	TEST(mmio_verdict_ends_where_it_was_found),
	TEST(mmio_verdict_ends_with_an_invalidation),
	TEST(mmio_refusal_is_not_remembered),
	TEST(error_beats_a_fill_that_returns_0),
	TEST(error_beats_a_fill_that_returns_1),
	TEST(error_beats_another_error_of_fill),
	TEST(error_sticks),
	TEST(error_is_gone_with_the_next_window),
	TEST(mapper_refuses_the_first),
	TEST(mapper_refuses_the_last),
	TEST(fill_fails),
	TEST(fill_is_interrupted),
	TEST(mapper_is_interrupted),
	TEST(fill_fails_after_the_window_was_covered),
	TEST(fill_may_return_what_the_sink_said),
	TEST(fill_gives_nothing),
	TEST(fill_gives_too_little),
	TEST(fill_gives_too_little_and_returns_1),
	TEST(sink_is_closed_after_fill),
	TEST(sink_is_closed_after_a_failed_fill),
	TEST(other_task_is_refused),
	TEST(nested_run_is_refused),
	TEST(invalidation_before_the_first_extent),
	TEST(invalidation_after_the_first_extent),
	TEST(invalidation_after_the_last_extent),
	TEST(invalidation_of_a_closed_sink),
	TEST(counters),
	TEST(refused_extents_are_not_counted),
	TEST(no_memory_for_a_sink),
	TEST(sink_must_be_closed_when_it_goes),
	TEST(prepare_gets_the_range),
	TEST(prepare_to_the_end),
	TEST(prepare_fails),
	TEST(prepare_nothing),
	TEST(prepare_leaves_the_buffer),
	TEST(prepare_overflows),
	TEST(prepare_is_optional),
	TEST(prepare_needs_a_sink),
	TEST(random_extents),
};

int main(void)
{
	return host_main("sink", tests, ARRAY_SIZE(tests));
}
