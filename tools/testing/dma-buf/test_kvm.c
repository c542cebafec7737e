// SPDX-License-Identifier: GPL-2.0-only
/*
 * The KVM mapping type, attached and filled as KVM does it:
 * drivers/dma-buf/dma-buf-kvm.c on top of negotiation and sink.
 */
#include "host.h"

#include <linux/dma-buf-kvm.h>

#define NR_PAGES	16
#define BAR		0xe00000000ULL

/* The exporter gives these, and is asked for that. */
static struct dma_buf_extent given[NR_PAGES];
static unsigned int nr_given;
static bool written;
static bool moves;
static bool moves_range;

/* KVM was given these. */
static struct dma_buf_kvm_extent installed[NR_PAGES];
static unsigned int nr_installed;
static void *installed_cookie;
static unsigned int install_fails_at;
static int install_error;

static struct device device = { .name = "card0" };
static struct dma_buf dmabuf;

static int fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		u64 offset, u64 length, bool write)
{
	unsigned int i;
	int ret = 0;

	written = write;
	for (i = 0; i < nr_given && !ret; i++)
		ret = dma_buf_sink_add(sink, &given[i]);
	if (moves)
		host_invalidate(attach->dmabuf);
	if (moves_range)
		dma_buf_invalidate_range(attach->dmabuf, 8 * PAGE_SIZE, PAGE_SIZE);
	return ret < 0 ? ret : 0;
}

static int install(void *cookie, const struct dma_buf_kvm_extent *extent)
{
	assert_true(dmabuf.resv->locked);
	installed_cookie = cookie;
	installed[nr_installed++] = *extent;
	return nr_installed == install_fails_at ? install_error : 0;
}

static void exporter_detach(struct dma_buf *dmabuf,
			    struct dma_buf_attachment *attach)
{
	/* The sink is there until the exporter has let go. */
	assert_non_null(attach->sink);
	host_trace("exporter-detach");
}

static struct sg_table *exporter_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction direction)
{
	return NULL;
}

static void exporter_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *sgt,
			   enum dma_data_direction direction)
{
}

static void importer_invalidate(struct dma_buf_attachment *attach)
{
	host_trace("importer-invalidate");
}

static void importer_invalidate_range(struct dma_buf_attachment *attach,
				      u64 offset, u64 length)
{
	host_trace("importer-range");
}

static const struct dma_buf_extent_ops extent_ops = { .fill = fill };
static const struct dma_buf_kvm_ops kvm_ops = { .install = install };

static const struct dma_buf_extent_ops no_fill = { };
static const struct dma_buf_kvm_ops no_install = { };

static const struct dma_buf_mapping_exp table[] = {
	DMA_BUF_EMAPPING_KVM(&extent_ops, .flavour = DMA_BUF_FLAVOUR_DYNAMIC,
			     .inval_granule = PAGE_SIZE),
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_mapping_exp table_no_fill[] = {
	DMA_BUF_EMAPPING_KVM(&no_fill), { }
};

static const struct dma_buf_mapping_exp table_no_ops[] = {
	DMA_BUF_EMAPPING_KVM((const struct dma_buf_extent_ops *)NULL), { }
};

static const struct dma_buf_ops ops = {
	.mappings = table,
	.detach = exporter_detach,
	.map_dma_buf = exporter_map,
	.unmap_dma_buf = exporter_unmap,
};

static const struct dma_buf_ops ops_no_fill = { .mappings = table_no_fill };
static const struct dma_buf_ops ops_no_ops = { .mappings = table_no_ops };

static const struct dma_buf_ops ops_legacy = {
	.map_dma_buf = exporter_map,
	.unmap_dma_buf = exporter_unmap,
};

static const struct dma_buf_attach_ops importer_ops = {
	.invalidate_mappings = importer_invalidate,
	.invalidate_range = importer_invalidate_range,
};

static void init(const struct dma_buf_ops *exporter_ops)
{
	nr_given = 0;
	nr_installed = 0;
	install_fails_at = 0;
	moves = false;
	moves_range = false;
	host_dmabuf_init(&dmabuf, exporter_ops, NR_PAGES * PAGE_SIZE);
	host_folio(0, NR_PAGES);
}

static struct dma_buf_attachment *attach_with(const struct dma_buf_kvm_ops *imp)
{
	return dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_KVM(imp), 1,
				      &importer_ops, NULL);
}

static struct dma_buf_attachment *attach_kvm(void)
{
	struct dma_buf_attachment *attach;

	init(&ops);
	attach = attach_with(&kvm_ops);
	assert_false(IS_ERR(attach));
	assert_ptr_equal(attach->map_type, &dma_buf_mapping_kvm_type);
	return attach;
}

static void give_ram(unsigned int first, unsigned int nr)
{
	given[nr_given++] = (struct dma_buf_extent) {
		.offset = (u64)first << PAGE_SHIFT,
		.nr_pages = nr,
		.page = &host_pages[first],
	};
}

static void give_mmio(unsigned int first, unsigned int nr,
		      enum dma_buf_extent_kind kind)
{
	given[nr_given++] = (struct dma_buf_extent) {
		.offset = (u64)first << PAGE_SHIFT,
		.nr_pages = nr,
		.kind = kind,
		.mmio = {
			.phys = BAR + ((u64)first << PAGE_SHIFT),
			.provider = (void *)&device,
		},
	};
}

/* In pages. */
static int map_write(struct dma_buf_attachment *attach, unsigned int first,
		     unsigned int nr, bool write)
{
	int ret;

	dma_resv_lock(dmabuf.resv, NULL);
	ret = dma_buf_map_attachment_kvm(attach, first * PAGE_SIZE, nr * PAGE_SIZE,
					 write, &installed);
	dma_resv_unlock(dmabuf.resv);
	return ret;
}

static int map(struct dma_buf_attachment *attach, unsigned int first,
	       unsigned int nr)
{
	return map_write(attach, first, nr, false);
}

static void assert_installed(unsigned int i, u64 index, u64 nr_pages,
			     unsigned long pfn, enum dma_buf_extent_kind kind)
{
	assert_true(i < nr_installed);
	assert_int_equal(installed[i].index, index);
	assert_int_equal(installed[i].nr_pages, nr_pages);
	assert_int_equal(installed[i].pfn, pfn);
	assert_int_equal(installed[i].kind, kind);
}

static void preferred_to_sgt_by_the_exporter(void)
{
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(&device, false),
		DMA_BUF_IMAPPING_KVM(&kvm_ops),
	};
	struct dma_buf_attachment *attach;

	init(&ops);
	attach = dma_buf_mapping_attach(&dmabuf, offers, 2, &importer_ops, NULL);
	assert_false(IS_ERR(attach));
	assert_ptr_equal(attach->map_type, &dma_buf_mapping_kvm_type);
	assert_ptr_equal(attach->map_imp.ops, &kvm_ops);
	host_detach(attach);
}

static void old_importers_still_get_sgt(void)
{
	struct dma_buf_attachment *attach;

	init(&ops);
	attach = dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_SGT(&device, false),
					1, NULL, NULL);
	assert_false(IS_ERR(attach));
	assert_ptr_equal(attach->map_type, &dma_buf_mapping_sgt_type);
	assert_null(attach->sink);
	dma_buf_mapping_show(NULL, attach);
	assert_string_equal(host.seq, "\tcard0\ttype sgt\n");
	attach->dmabuf->ops = &ops_legacy;
	host_detach(attach);
}

static void old_exporters_refuse_kvm(void)
{
	init(&ops_legacy);
	assert_error(attach_with(&kvm_ops), -EOPNOTSUPP);
}

static void exporter_without_ops(void)
{
	host_expect_warnings(1);
	init(&ops_no_ops);
	assert_error(attach_with(&kvm_ops), -EINVAL);
}

static void exporter_without_fill(void)
{
	host_expect_warnings(1);
	init(&ops_no_fill);
	assert_error(attach_with(&kvm_ops), -EINVAL);
}

static void importer_without_ops(void)
{
	host_expect_warnings(1);
	init(&ops);
	assert_error(attach_with(NULL), -EINVAL);
}

static void importer_without_install(void)
{
	host_expect_warnings(1);
	init(&ops);
	assert_error(attach_with(&no_install), -EINVAL);
}

static void importer_without_invalidation(void)
{
	host_expect_warnings(1);
	init(&ops);
	assert_error(dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_KVM(&kvm_ops), 1,
					    NULL, NULL), -EINVAL);
}

static void every_allocation_of_an_attach_may_fail(void)
{
	struct dma_buf_attachment *attach = NULL;
	int nth;

	init(&ops);
	for (nth = 1; nth < 8; nth++) {
		host.fail_alloc = nth;
		attach = attach_with(&kvm_ops);
		if (!IS_ERR(attach))
			break;
		assert_error(attach, -ENOMEM);
		assert_int_equal(host.allocs, 0);
		assert_int_equal(host.refs, 0);
	}
	/* The attachment and its sink. */
	assert_int_equal(nth, 3);
	host.fail_alloc = 0;
	host_detach(attach);
}

static void module_is_pinned_while_attached(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	assert_int_equal(host_module.refs, 1);
	host.trace[0] = '\0';
	host_detach(attach);
	host_assert_trace("exporter-detach put");
}

static void ram_becomes_pfns(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(3, 1);
	assert_int_equal(map(attach, 3, 1), 0);
	assert_int_equal(nr_installed, 1);
	assert_installed(0, 3, 1, HOST_PFN + 3, DMA_BUF_EXTENT_RAM);
	host_detach(attach);
}

static void mmio_becomes_pfns(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_mmio(2, 2, DMA_BUF_EXTENT_MMIO);
	give_mmio(4, 2, DMA_BUF_EXTENT_MMIO_WC);
	give_mmio(6, 2, DMA_BUF_EXTENT_MMIO_CACHEABLE);
	assert_int_equal(map(attach, 2, 6), 0);
	assert_int_equal(nr_installed, 3);
	assert_installed(0, 2, 2, (BAR >> PAGE_SHIFT) + 2, DMA_BUF_EXTENT_MMIO);
	assert_installed(1, 4, 2, (BAR >> PAGE_SHIFT) + 4, DMA_BUF_EXTENT_MMIO_WC);
	assert_installed(2, 6, 2, (BAR >> PAGE_SHIFT) + 6, DMA_BUF_EXTENT_MMIO_CACHEABLE);
	host_detach(attach);
}

static void flags_are_passed_on(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(2, 2);
	give_ram(4, 2);
	given[1].flags = DMA_BUF_EXTENT_READONLY;
	assert_int_equal(map(attach, 2, 4), 0);
	assert_int_equal(nr_installed, 2);
	assert_int_equal(installed[0].flags, 0);
	assert_int_equal(installed[1].flags, DMA_BUF_EXTENT_READONLY);
	host_detach(attach);
}

static void macros_take_what_else_a_row_says(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	assert_int_equal(attach->map_exp->flavour, DMA_BUF_FLAVOUR_DYNAMIC);
	assert_int_equal(attach->map_exp->inval_granule, PAGE_SIZE);
	assert_int_equal(table[1].flavour, DMA_BUF_FLAVOUR_REVOCABLE);
	host_detach(attach);
}

static void bounds_are_not_clipped(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, 9, 1), 0);
	assert_int_equal(nr_installed, 1);
	assert_installed(0, 0, NR_PAGES, HOST_PFN, DMA_BUF_EXTENT_RAM);
	host_detach(attach);
}

static void every_extent_is_installed(void)
{
	struct dma_buf_attachment *attach = attach_kvm();
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		give_ram(i, 1);
	assert_int_equal(map(attach, 0, NR_PAGES), 0);
	assert_int_equal(nr_installed, NR_PAGES);
	for (i = 0; i < NR_PAGES; i++)
		assert_installed(i, i, 1, HOST_PFN + i, DMA_BUF_EXTENT_RAM);
	host_detach(attach);
}

static void cookie_is_passed_through(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(3, 1);
	assert_int_equal(map(attach, 3, 1), 0);
	assert_ptr_equal(installed_cookie, &installed);
	host_detach(attach);
}

static void write_is_passed_on(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(3, 1);
	assert_int_equal(map_write(attach, 3, 1, true), 0);
	assert_true(written);
	assert_int_equal(map_write(attach, 3, 1, false), 0);
	assert_false(written);
	host_detach(attach);
}

static void install_ends_the_fill(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(3, 1);
	give_ram(4, 1);
	give_ram(5, 1);
	install_fails_at = 2;
	install_error = -ENOSPC;
	assert_int_equal(map(attach, 3, 3), -ENOSPC);
	assert_int_equal(nr_installed, 2);
	host_detach(attach);
}

static void refused_extents_are_not_installed(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(3, 1);
	host_pages[3].flags = PAGE_HWPOISON;
	assert_int_equal(map(attach, 3, 1), -EHWPOISON);
	assert_int_equal(nr_installed, 0);
	host_detach(attach);
}

static void wrong_type_is_not_mapped(void)
{
	struct dma_buf_attachment *attach;

	host_expect_warnings(1);
	init(&ops_legacy);
	attach = dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_SGT(&device, false),
					1, NULL, NULL);
	assert_false(IS_ERR(attach));
	assert_int_equal(map(attach, 3, 1), -EINVAL);
	host_detach(attach);
}

static void kvm_is_not_sgt(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	host_expect_warnings(1);
	assert_false(dma_buf_mapping_is_sgt(attach));
	host_detach(attach);
}

static void attachments_have_sinks_of_their_own(void)
{
	struct dma_buf_attachment *one = attach_kvm(), *two;

	two = attach_with(&kvm_ops);
	assert_false(IS_ERR(two));
	assert_ptr_not_equal(one->sink, two->sink);
	give_ram(3, 1);
	assert_int_equal(map(one, 3, 1), 0);
	host_detach(one);
	dma_buf_mapping_show(NULL, two);
	assert_string_equal(host.seq, "\t-\ttype kvm\tfills 0\textents 0\n");
	assert_int_equal(map(two, 3, 1), 0);
	host_detach(two);
}

static void invalidation_reaches_kvm(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	host.trace[0] = '\0';
	dma_resv_lock(dmabuf.resv, NULL);
	host_invalidate(&dmabuf);
	dma_resv_unlock(dmabuf.resv);
	host_assert_trace("lock importer-invalidate unlock");
	host_detach(attach);
}

/* The sink hears of it, and so does KVM. */
static void invalidation_of_what_was_installed(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	host_expect_warnings(1);
	give_ram(3, 1);
	moves = true;
	host.trace[0] = '\0';
	assert_int_equal(map(attach, 3, 1), -EAGAIN);
	host_assert_trace("lock importer-invalidate unlock");
	host_detach(attach);
}

static void range_reaches_kvm(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	host.trace[0] = '\0';
	dma_resv_lock(dmabuf.resv, NULL);
	dma_buf_invalidate_range(&dmabuf, 3 * PAGE_SIZE, PAGE_SIZE);
	dma_resv_unlock(dmabuf.resv);
	host_assert_trace("lock importer-range unlock");
	host_detach(attach);
}

/* A range elsewhere too: what fill gave may have been found before the move. */
static void range_while_filling(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	host_expect_warnings(1);
	give_ram(3, 1);
	moves_range = true;
	host.trace[0] = '\0';
	assert_int_equal(map(attach, 3, 1), -EAGAIN);
	host_assert_trace("lock importer-range unlock");
	host_detach(attach);
}

static void range_before_the_first_extent(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	/* Nothing is given, which is what the warning is about. */
	host_expect_warnings(1);
	moves_range = true;
	assert_int_equal(map(attach, 3, 1), -EINVAL);
	assert_non_null(strstr(host.warned, "uncovered"));
	host_detach(attach);
}

static void prepare_is_for_extents_only(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	/* This exporter has nothing to prepare. */
	assert_int_equal(dma_buf_prepare_attachment(attach, 0, PAGE_SIZE), 0);
	host_detach(attach);

	host_expect_warnings(1);
	init(&ops);
	attach = dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_SGT(&device, false),
					1, NULL, NULL);
	assert_false(IS_ERR(attach));
	assert_int_equal(dma_buf_prepare_attachment(attach, 0, PAGE_SIZE), -EINVAL);
	dmabuf.ops = &ops_legacy;
	host_detach(attach);
}

static void show(void)
{
	struct dma_buf_attachment *attach = attach_kvm();

	give_ram(3, 1);
	give_ram(4, 1);
	assert_int_equal(map(attach, 3, 2), 0);
	dma_buf_mapping_show(NULL, attach);
	assert_string_equal(host.seq, "\t-\ttype kvm\tfills 1\textents 2\n");
	host_detach(attach);
}

static const struct host_test tests[] = {
	TEST(preferred_to_sgt_by_the_exporter),
	TEST(old_importers_still_get_sgt),
	TEST(old_exporters_refuse_kvm),
	TEST(exporter_without_ops),
	TEST(exporter_without_fill),
	TEST(importer_without_ops),
	TEST(importer_without_install),
	TEST(importer_without_invalidation),
	TEST(every_allocation_of_an_attach_may_fail),
	TEST(module_is_pinned_while_attached),
	TEST(ram_becomes_pfns),
	TEST(mmio_becomes_pfns),
	TEST(flags_are_passed_on),
	TEST(macros_take_what_else_a_row_says),
	TEST(bounds_are_not_clipped),
	TEST(every_extent_is_installed),
	TEST(cookie_is_passed_through),
	TEST(write_is_passed_on),
	TEST(install_ends_the_fill),
	TEST(refused_extents_are_not_installed),
	TEST(wrong_type_is_not_mapped),
	TEST(kvm_is_not_sgt),
	TEST(attachments_have_sinks_of_their_own),
	TEST(invalidation_reaches_kvm),
	TEST(invalidation_of_what_was_installed),
	TEST(range_reaches_kvm),
	TEST(range_while_filling),
	TEST(range_before_the_first_extent),
	TEST(prepare_is_for_extents_only),
	TEST(show),
};

int main(void)
{
	return host_main("kvm", tests, ARRAY_SIZE(tests));
}
