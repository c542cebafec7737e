// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping types, sink and KVM type on real dma-bufs: what exporters and
 * importers of all kinds can do right, and what they must not get away with.
 *
 * Nothing is asserted while a reservation lock is held, because a failed
 * assertion ends the task and would leave the lock behind. Callbacks only take
 * notes.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-kvm.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/trace_events.h>

#define NR_PAGES	16
#define ORDER		4
#define NO_HOOK		-1

/* Far away from any memory; nobody ever accesses it. */
#define BAR		BIT_ULL(45)

/* One case: a buffer of NR_PAGES pages, its exporter and its importer. */
struct st {
	struct kunit *test;
	struct page *pages;
	struct device *dev;
	struct dma_buf *dmabuf;
	struct p2pdma_provider provider;

	/* What fill() gives, and what it returns in the end. */
	struct dma_buf_extent extents[NR_PAGES];
	int nr;
	int ret;
	/* It goes on after an error and after the end. */
	bool stubborn;
	/* Called before the extent of this number, or after the last. */
	int hook_at;
	void (*hook)(struct st *st);

	/* What fill() and prepare() were called with, and what they saw. */
	struct dma_buf_attachment *attach;
	struct dma_buf_sink *sink;
	u64 offset;
	u64 length;
	bool write;
	bool locked;
	int rets[NR_PAGES];
	int hook_ret;
	int hook_warnings;

	/* What KVM was given, and what it returns for the n-th, from 1. */
	struct dma_buf_kvm_extent installed[NR_PAGES];
	int nr_installed;
	int install_fails_at;
	int install_ret;

	/* Answers of predicate, match() and attach(). */
	bool offered;
	int match[8];
	int nr_matches;
	const struct dma_buf_mapping_exp *match_exp;
	const struct dma_buf_mapping_match *match_imp;
	int type_attach;
	int exporter_attach;

	struct completion thread_done;

	/* What happened, in words. */
	char log[128];
};

static void note(struct st *st, const char *word)
{
	size_t len = strlen(st->log);

	scnprintf(st->log + len, sizeof(st->log) - len, "%s%s", len ? " " : "", word);
}

#define EXPECT_LOG(_st, _text)						\
do {									\
	struct st *__st = (_st);					\
									\
	KUNIT_EXPECT_STREQ(__st->test, __st->log, _text);		\
	__st->log[0] = '\0';						\
} while (0)

/*
 * Without CONFIG_GENERIC_BUG a place that warns once does so once after boot,
 * and what comes later cannot be counted.
 */
#define EXPECT_WARNINGS(_st, _nr)					\
do {									\
	struct kunit *__test = (_st)->test;				\
	int __nr = (_nr);						\
									\
	if (IS_ENABLED(CONFIG_GENERIC_BUG))				\
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(__test, __nr);	\
	else								\
		KUNIT_EXPECT_LE(__test, KUNIT_SUPPRESSED_WARNING_COUNT(), __nr); \
} while (0)

/* Types of our own, which nobody but these tests knows. */

static int st_match(struct dma_buf *dmabuf,
		    const struct dma_buf_mapping_exp *exp,
		    const struct dma_buf_mapping_match *imp)
{
	struct st *st = dmabuf->priv;

	note(st, "match");
	st->locked |= dma_resv_is_locked(dmabuf->resv);
	st->match_exp = exp;
	st->match_imp = imp;
	return st->match[st->nr_matches++ % ARRAY_SIZE(st->match)];
}

static int st_type_attach(struct dma_buf_attachment *attach)
{
	struct st *st = attach->dmabuf->priv;

	note(st, "type-attach");
	return st->type_attach;
}

static void st_type_detach(struct dma_buf_attachment *attach)
{
	note(attach->dmabuf->priv, "type-detach");
}

static void st_type_invalidate(struct dma_buf_attachment *attach)
{
	note(attach->dmabuf->priv, "type-invalidate");
}

static const struct dma_buf_mapping_type type_a = {
	.name = "st-a",
	.match = st_match,
	.attach = st_type_attach,
	.detach = st_type_detach,
	.invalidate = st_type_invalidate,
};

static const struct dma_buf_mapping_type type_b = {
	.name = "st-b",
	.match = st_match,
};

/* Has nothing, and the name of another. */
static const struct dma_buf_mapping_type type_c = {
	.name = "st-b",
};

static const struct dma_buf_mapping_type type_counted = {
	.name = "st-counted",
	.needs_invalidate = true,
};

/* The exporter. */

static int st_fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		   u64 offset, u64 length, bool write)
{
	struct st *st = attach->dmabuf->priv;
	int i, ret = 0;

	st->attach = attach;
	st->sink = sink;
	st->offset = offset;
	st->length = length;
	st->write = write;

	for (i = 0; i < st->nr && (!ret || st->stubborn); i++) {
		if (st->hook_at == i)
			st->hook(st);
		ret = dma_buf_sink_add(sink, &st->extents[i]);
		st->rets[i] = ret;
	}
	if (st->hook_at == i)
		st->hook(st);
	return ret < 0 && !st->stubborn ? ret : st->ret;
}

static int st_prepare(struct dma_buf_attachment *attach, u64 offset, u64 length)
{
	struct st *st = attach->dmabuf->priv;

	note(st, "prepare");
	st->attach = attach;
	st->offset = offset;
	st->length = length;
	st->locked |= dma_resv_is_locked(attach->dmabuf->resv);
	return st->ret;
}

static const struct dma_buf_extent_ops st_fill_ops = {
	.fill = st_fill,
};

static const struct dma_buf_extent_ops st_prepare_ops = {
	.prepare = st_prepare,
	.fill = st_fill,
};

static const struct dma_buf_extent_ops st_no_fill_ops = { };

/* Nobody does DMA with these addresses. */
static struct sg_table *st_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	struct st *st = attach->dmabuf->priv;
	struct sg_table *sgt = kzalloc_obj(*sgt);

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	if (sg_alloc_table(sgt, 1, GFP_KERNEL)) {
		kfree(sgt);
		return ERR_PTR(-ENOMEM);
	}
	sg_set_page(sgt->sgl, st->pages, NR_PAGES * PAGE_SIZE, 0);
	sg_dma_address(sgt->sgl) = 0;
	sg_dma_len(sgt->sgl) = NR_PAGES * PAGE_SIZE;
	note(st, "map");
	return sgt;
}

static void st_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		     enum dma_data_direction dir)
{
	note(attach->dmabuf->priv, "unmap");
	sg_free_table(sgt);
	kfree(sgt);
}

static int st_exporter_attach(struct dma_buf *dmabuf,
			      struct dma_buf_attachment *attach)
{
	struct st *st = dmabuf->priv;

	note(st, "exporter-attach");
	st->attach = attach;
	return st->exporter_attach;
}

static void st_exporter_detach(struct dma_buf *dmabuf,
			       struct dma_buf_attachment *attach)
{
	note(dmabuf->priv, "exporter-detach");
}

static int st_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void st_unpin(struct dma_buf_attachment *attach)
{
}

static void st_release(struct dma_buf *dmabuf)
{
	note(dmabuf->priv, "release");
}

static bool st_offered(struct dma_buf *dmabuf)
{
	struct st *st = dmabuf->priv;

	note(st, "offered?");
	st->locked |= dma_resv_is_locked(dmabuf->resv);
	return st->offered;
}

static const struct dma_buf_mapping_exp table_ab[] = {
	{ .type = &type_a }, { .type = &type_b }, { }
};

static const struct dma_buf_mapping_exp table_b[] = { { .type = &type_b }, { } };
static const struct dma_buf_mapping_exp table_c[] = { { .type = &type_c }, { } };
static const struct dma_buf_mapping_exp table_empty[] = { { } };

static const struct dma_buf_mapping_exp table_a_if_b[] = {
	{ .type = &type_a, .offered = st_offered }, { .type = &type_b }, { }
};

static const struct dma_buf_mapping_exp table_flavours[] = {
	{ .type = &type_b, .flavour = DMA_BUF_FLAVOUR_DYNAMIC },
	{ .type = &type_b, .flavour = DMA_BUF_FLAVOUR_REVOCABLE },
	{ .type = &type_b, .flavour = DMA_BUF_FLAVOUR_PINNED },
	{ }
};

static const struct dma_buf_mapping_exp table_granules[] = {
	{ .type = &type_a, .inval_granule = 2 * PAGE_SIZE },
	{ .type = &type_b },
	{ .type = &type_counted, .inval_granule = PAGE_SIZE },
	{ }
};

static const struct dma_buf_mapping_exp table_c_sgt[] = {
	{ .type = &type_c }, DMA_BUF_EMAPPING_SGT(), { }
};

static const struct dma_buf_mapping_exp table_kvm_sgt[] = {
	DMA_BUF_EMAPPING_KVM(&st_fill_ops, .flavour = DMA_BUF_FLAVOUR_DYNAMIC,
			     .inval_granule = PAGE_SIZE),
	DMA_BUF_EMAPPING_SGT(),
	{ }
};

static const struct dma_buf_mapping_exp table_prepare[] = {
	DMA_BUF_EMAPPING_KVM(&st_prepare_ops), { }
};

static const struct dma_buf_mapping_exp table_no_fill[] = {
	DMA_BUF_EMAPPING_KVM(&st_no_fill_ops), { }
};

#define EXPORTER(_name, _mappings, ...)					\
static const struct dma_buf_ops _name = {				\
	.mappings = _mappings,						\
	.attach = st_exporter_attach,					\
	.detach = st_exporter_detach,					\
	.release = st_release,						\
	##__VA_ARGS__							\
}

#define MAPS	.map_dma_buf = st_map, .unmap_dma_buf = st_unmap

EXPORTER(exp_old, NULL, MAPS);
EXPORTER(exp_old_pin, NULL, MAPS, .pin = st_pin, .unpin = st_unpin);
EXPORTER(exp_ab, table_ab);
EXPORTER(exp_b, table_b);
EXPORTER(exp_b_pin, table_b, .pin = st_pin, .unpin = st_unpin);
EXPORTER(exp_c, table_c);
EXPORTER(exp_empty, table_empty, MAPS);
EXPORTER(exp_a_if_b, table_a_if_b);
EXPORTER(exp_flavours, table_flavours);
EXPORTER(exp_granules, table_granules);
EXPORTER(exp_c_sgt, table_c_sgt, MAPS);
EXPORTER(exp_c_sgt_no_map, table_c_sgt);
EXPORTER(exp_c_sgt_half, table_c_sgt, .map_dma_buf = st_map);
EXPORTER(exp_kvm_sgt, table_kvm_sgt, MAPS);
EXPORTER(exp_prepare, table_prepare);
EXPORTER(exp_no_fill, table_no_fill);

/* Importers. */

static int st_install(void *cookie, const struct dma_buf_kvm_extent *extent)
{
	struct st *st = cookie;

	st->locked &= dma_resv_is_locked(st->dmabuf->resv);
	st->installed[st->nr_installed++ % NR_PAGES] = *extent;
	return st->nr_installed == st->install_fails_at ? st->install_ret : 0;
}

static void st_invalidate(struct dma_buf_attachment *attach)
{
	note(attach->dmabuf->priv, "invalidate");
}

static void st_invalidate_range(struct dma_buf_attachment *attach, u64 offset,
				u64 length)
{
	struct st *st = attach->dmabuf->priv;

	note(st, "range");
	st->offset = offset;
	st->length = length;
}

static void st_forget_maps(struct dma_buf_attachment *attach)
{
	note(attach->dmabuf->priv, "forget");
	attach->nr_maps = 0;
}

static void st_mappings_allowed(struct dma_buf_attachment *attach)
{
	struct st *st = attach->dmabuf->priv;

	note(st, "allowed");
	st->locked = dma_resv_is_locked(attach->dmabuf->resv);
}

static const struct dma_buf_kvm_ops st_kvm_ops = {
	.install = st_install,
};

static const struct dma_buf_kvm_ops st_no_install_ops = { };

static const struct dma_buf_attach_ops imp_moves = {
	.invalidate_mappings = st_invalidate,
};

static const struct dma_buf_attach_ops imp_ranges = {
	.allow_peer2peer = true,
	.invalidate_mappings = st_invalidate,
	.invalidate_range = st_invalidate_range,
	.mappings_allowed = st_mappings_allowed,
};

static const struct dma_buf_attach_ops imp_forgets = {
	.invalidate_mappings = st_forget_maps,
};

static const struct dma_buf_attach_ops imp_stays = { };

static const struct dma_buf_mapping_match offer_a[] = { { .type = &type_a } };
static const struct dma_buf_mapping_match offer_b[] = { { .type = &type_b } };
static const struct dma_buf_mapping_match offer_c[] = { { .type = &type_c } };

static const struct dma_buf_mapping_match offers_ba[] = {
	{ .type = &type_b }, { .type = &type_a },
};

static const struct dma_buf_mapping_match offer_counted[] = {
	{ .type = &type_counted },
};

/* Everything is undone when the case ends, in reverse order. */

static void st_put(void *dmabuf)
{
	dma_buf_put(dmabuf);
	/* The last reference of a kernel thread is dropped by a work. */
	flush_delayed_fput();
}

static void st_free_pages(void *pages)
{
	__free_pages(pages, ORDER);
}

static void st_detach(void *data)
{
	struct dma_buf_attachment *attach = data;

	dma_buf_detach(attach->dmabuf, attach);
}

static struct dma_buf *st_try_export(struct st *st, const struct dma_buf_ops *ops,
				     size_t size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);

	exp_info.exp_name = "st";
	exp_info.ops = ops;
	exp_info.size = size;
	exp_info.flags = O_RDWR;
	exp_info.priv = st;
	return dma_buf_export(&exp_info);
}

static struct dma_buf *st_export_size(struct st *st,
				      const struct dma_buf_ops *ops, size_t size)
{
	st->dmabuf = st_try_export(st, ops, size);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(st->test, st->dmabuf);
	KUNIT_ASSERT_EQ(st->test, 0,
			kunit_add_action_or_reset(st->test, st_put, st->dmabuf));
	return st->dmabuf;
}

static struct dma_buf *st_export(struct st *st, const struct dma_buf_ops *ops)
{
	return st_export_size(st, ops, NR_PAGES * PAGE_SIZE);
}

/* The attachment, or the error that came of it. */
static struct dma_buf_attachment *st_try(struct st *st,
					 const struct dma_buf_mapping_match *offers,
					 size_t nr,
					 const struct dma_buf_attach_ops *importer_ops)
{
	struct dma_buf_attachment *attach;

	attach = dma_buf_mapping_attach(st->dmabuf, offers, nr, importer_ops, st);
	if (!IS_ERR(attach))
		KUNIT_ASSERT_EQ(st->test, 0,
				kunit_add_action_or_reset(st->test, st_detach, attach));
	return attach;
}

static struct dma_buf_attachment *st_attach(struct st *st,
					    const struct dma_buf_mapping_match *offers,
					    size_t nr,
					    const struct dma_buf_attach_ops *importer_ops)
{
	struct dma_buf_attachment *attach = st_try(st, offers, nr, importer_ops);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(st->test, attach);
	return attach;
}

static void st_end(struct st *st, struct dma_buf_attachment *attach)
{
	kunit_release_action(st->test, st_detach, attach);
}

/* As dma_buf_attach() does. */
static struct dma_buf_attachment *st_try_sgt(struct st *st)
{
	return st_try(st, &DMA_BUF_IMAPPING_SGT(st->dev, false), 1, NULL);
}

static struct dma_buf_attachment *st_attach_kvm(struct st *st)
{
	return st_attach(st, &DMA_BUF_IMAPPING_KVM(&st_kvm_ops), 1, &imp_ranges);
}

static void st_expect_error(struct st *st, const void *attach, int error)
{
	KUNIT_EXPECT_TRUE(st->test, IS_ERR(attach));
	KUNIT_EXPECT_EQ(st->test, PTR_ERR_OR_ZERO(attach), error);
}

static void st_expect_type(struct st *st, struct dma_buf_attachment *attach,
			   const struct dma_buf_mapping_type *type)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(st->test, attach);
	KUNIT_EXPECT_PTR_EQ(st->test, attach->map_type, type);
	KUNIT_EXPECT_PTR_EQ(st->test, attach->map_exp->type, type);
	KUNIT_EXPECT_PTR_EQ(st->test, attach->map_imp.type, type);
	st_end(st, attach);
}

static int st_init(struct kunit *test)
{
	struct st *st = kunit_kzalloc(test, sizeof(*st), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, st);
	st->test = test;
	st->hook_at = NO_HOOK;
	init_completion(&st->thread_done);
	st->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, ORDER);
	KUNIT_ASSERT_NOT_NULL(test, st->pages);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, st_free_pages, st->pages));
	st->dev = kunit_device_register(test, "st-importer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, st->dev);
	test->priv = st;
	return 0;
}

/*
 * Negotiation
 */

static void exporter_order_comes_first(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st_expect_type(st, st_try(st, offers_ba, 2, NULL), &type_a);
	KUNIT_EXPECT_EQ(test, st->nr_matches, 1);
}

static void importer_order_decides_within_a_type(struct kunit *test)
{
	static const int one, two;
	const struct dma_buf_mapping_match offers[] = {
		{ .type = &type_b, .ops = &one }, { .type = &type_b, .ops = &two },
	};
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_b);
	attach = st_attach(st, offers, 2, NULL);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_imp.ops, (const void *)&one);

	/* The other one, if match() refuses the first. */
	st->match[st->nr_matches] = -EOPNOTSUPP;
	attach = st_attach(st, offers, 2, NULL);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_imp.ops, (const void *)&two);
}

static void match_is_asked_about_the_pair(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st_expect_type(st, st_try(st, &offers_ba[0], 1, NULL), &type_b);
	KUNIT_EXPECT_PTR_EQ(test, st->match_exp, &table_ab[1]);
	KUNIT_EXPECT_PTR_EQ(test, st->match_imp, &offers_ba[0]);
	KUNIT_EXPECT_FALSE(test, st->locked);
}

static void match_refuses_a_row(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st->match[0] = -EOPNOTSUPP;
	st_expect_type(st, st_try(st, offers_ba, 2, NULL), &type_b);
	KUNIT_EXPECT_EQ(test, st->nr_matches, 2);
}

static void match_refuses_everything(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st->match[0] = -EOPNOTSUPP;
	st->match[1] = -EOPNOTSUPP;
	st_expect_error(st, st_try(st, offers_ba, 2, NULL), -EOPNOTSUPP);
	EXPECT_LOG(st, "match match");
}

static void match_fails(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st->match[0] = -EXDEV;
	st_expect_error(st, st_try(st, offers_ba, 2, NULL), -EXDEV);
	EXPECT_LOG(st, "match");

	/* Also after a refusal. */
	st->match[st->nr_matches] = -EOPNOTSUPP;
	st->match[st->nr_matches + 1] = -EACCES;
	st_expect_error(st, st_try(st, offers_ba, 2, NULL), -EACCES);
	EXPECT_LOG(st, "match match");
}

static void nothing_in_common(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_b);
	st_expect_error(st, st_try(st, offer_a, 1, NULL), -EOPNOTSUPP);
	/* The name is the same, but a type is its address. */
	st_expect_error(st, st_try(st, offer_c, 1, NULL), -EOPNOTSUPP);
	EXPECT_LOG(st, "");
}

static void type_without_match(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_c);
	st_expect_type(st, st_try(st, offer_c, 1, NULL), &type_c);
}

static void predicate(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_a_if_b);
	st_expect_type(st, st_try(st, offers_ba, 2, NULL), &type_b);
	EXPECT_LOG(st, "offered? match exporter-attach exporter-detach");
	st_expect_error(st, st_try(st, offer_a, 1, NULL), -EOPNOTSUPP);
	EXPECT_LOG(st, "offered?");

	/* It is asked each time, but only about its own row. */
	st->offered = true;
	st_expect_type(st, st_try(st, offers_ba, 2, NULL), &type_a);
	EXPECT_LOG(st, "offered? match type-attach exporter-attach exporter-detach type-detach");
	st_expect_type(st, st_try(st, offer_b, 1, NULL), &type_b);
	EXPECT_LOG(st, "match exporter-attach exporter-detach");
	KUNIT_EXPECT_FALSE(test, st->locked);
}

static void flavours_refused(struct kunit *test)
{
	struct dma_buf_mapping_match offer = { .type = &type_b };
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;
	int row;

	st_export(st, &exp_flavours);
	for (offer.refuse = 0; offer.refuse < 8; offer.refuse++) {
		for (row = 0; row < 3; row++)
			if (!(offer.refuse & BIT(table_flavours[row].flavour)))
				break;
		attach = st_try(st, &offer, 1, NULL);
		if (row == 3) {
			st_expect_error(st, attach, -EOPNOTSUPP);
			continue;
		}
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
		KUNIT_EXPECT_PTR_EQ(test, attach->map_exp, &table_flavours[row]);
	}
}

static void flavours_of_old_exporters(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_mapping_match offer = DMA_BUF_IMAPPING_SGT(st->dev, false);

	st_export(st, &exp_old);
	offer.refuse = BIT(DMA_BUF_FLAVOUR_DYNAMIC);
	st_expect_type(st, st_try(st, &offer, 1, NULL), &dma_buf_mapping_sgt_type);
	offer.refuse = BIT(DMA_BUF_FLAVOUR_PINNED);
	st_expect_error(st, st_try(st, &offer, 1, NULL), -EOPNOTSUPP);

	/* Who can be told to pin is not pinned otherwise. */
	st_export(st, &exp_old_pin);
	st_expect_type(st, st_try(st, &offer, 1, NULL), &dma_buf_mapping_sgt_type);
	offer.refuse = BIT(DMA_BUF_FLAVOUR_DYNAMIC);
	st_expect_error(st, st_try(st, &offer, 1, NULL), -EOPNOTSUPP);

	/* Those with a table say themselves what they are. */
	st_export(st, &exp_b_pin);
	offer = (struct dma_buf_mapping_match) {
		.type = &type_b,
		.refuse = BIT(DMA_BUF_FLAVOUR_DYNAMIC),
	};
	st_expect_type(st, st_try(st, &offer, 1, NULL), &type_b);
}

/* Old and new exporters and importers, in all four pairings. */

static void old_exporter_old_importer(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	st_export(st, &exp_old);
	attach = dma_buf_attach(st->dmabuf, st->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &dma_buf_mapping_sgt_type);
	KUNIT_EXPECT_PTR_EQ(test, attach->dev, st->dev);
	KUNIT_EXPECT_FALSE(test, attach->peer2peer);

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_FALSE(test, IS_ERR(sgt));
	KUNIT_EXPECT_EQ(test, attach->nr_maps, 1);
	if (!IS_ERR(sgt))
		dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, attach->nr_maps, 0);
	dma_buf_detach(st->dmabuf, attach);
	EXPECT_LOG(st, "exporter-attach map unmap exporter-detach");
}

static void old_exporter_new_importer(struct kunit *test)
{
	struct st *st = test->priv;
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_KVM(&st_kvm_ops),
		DMA_BUF_IMAPPING_SGT(st->dev, true),
	};
	struct dma_buf_attachment *attach;

	st_export(st, &exp_old);
	attach = st_attach(st, offers, 2, &imp_moves);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &dma_buf_mapping_sgt_type);
	KUNIT_EXPECT_PTR_EQ(test, attach->dev, st->dev);
	KUNIT_EXPECT_TRUE(test, attach->peer2peer);
	/* One that has only the new type is refused. */
	st_expect_error(st, st_try(st, offers, 1, &imp_moves), -EOPNOTSUPP);
}

static void new_exporter_old_importer(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_kvm_sgt);
	attach = dma_buf_dynamic_attach(st->dmabuf, st->dev, &imp_ranges, st);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &dma_buf_mapping_sgt_type);
	KUNIT_EXPECT_PTR_EQ(test, attach->importer_priv, (void *)st);
	KUNIT_EXPECT_TRUE(test, attach->peer2peer);
	dma_buf_detach(st->dmabuf, attach);

	/* If there is no SGT in the table there is none to be had. */
	st_export(st, &exp_c);
	st_expect_error(st, dma_buf_attach(st->dmabuf, st->dev), -EOPNOTSUPP);
}

static void new_exporter_new_importer(struct kunit *test)
{
	struct st *st = test->priv;
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(st->dev, false),
		DMA_BUF_IMAPPING_KVM(&st_kvm_ops),
	};
	struct dma_buf_attachment *attach;

	st_export(st, &exp_kvm_sgt);
	attach = st_attach(st, offers, 2, &imp_ranges);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &dma_buf_mapping_kvm_type);
	KUNIT_EXPECT_NULL(test, attach->dev);
	KUNIT_EXPECT_EQ(test, attach->map_exp->flavour, DMA_BUF_FLAVOUR_DYNAMIC);
	KUNIT_EXPECT_EQ(test, attach->map_exp->inval_granule, PAGE_SIZE);
}

static void ops_swapped_after_export(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_ab);
	attach = st_attach(st, offers_ba, 2, NULL);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &type_a);

	/* The table is looked up anew, and what was agreed on stays. */
	st->dmabuf->ops = &exp_b;
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &type_a);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_exp, &table_ab[0]);
	st_expect_type(st, st_try(st, offers_ba, 2, NULL), &type_b);
	st->dmabuf->ops = &exp_old;
	st_expect_error(st, st_try(st, offers_ba, 2, NULL), -EOPNOTSUPP);
	st_expect_type(st, st_try_sgt(st), &dma_buf_mapping_sgt_type);
}

static void order_of_attach_and_detach(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_ab);
	attach = st_attach(st, offer_a, 1, NULL);
	EXPECT_LOG(st, "match type-attach exporter-attach");
	KUNIT_EXPECT_FALSE(test, list_empty(&st->dmabuf->attachments));
	st_end(st, attach);
	EXPECT_LOG(st, "exporter-detach type-detach");
	KUNIT_EXPECT_TRUE(test, list_empty(&st->dmabuf->attachments));
	kunit_release_action(test, st_put, st->dmabuf);
	EXPECT_LOG(st, "release");
}

static void attach_fails_in_the_type(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st->type_attach = -ENOSPC;
	st_expect_error(st, st_try(st, offer_a, 1, NULL), -ENOSPC);
	EXPECT_LOG(st, "match type-attach");
	KUNIT_EXPECT_TRUE(test, list_empty(&st->dmabuf->attachments));
}

static void attach_fails_in_the_exporter(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_ab);
	st->exporter_attach = -ENODEV;
	st_expect_error(st, st_try(st, offer_a, 1, NULL), -ENODEV);
	EXPECT_LOG(st, "match type-attach exporter-attach type-detach");
	/* Types need no callbacks for it. */
	st_expect_error(st, st_try(st, offer_b, 1, NULL), -ENODEV);
	KUNIT_EXPECT_TRUE(test, list_empty(&st->dmabuf->attachments));
}

static void arguments_are_missing(struct kunit *test)
{
	const struct dma_buf_mapping_match no_type[] = { { .type = &type_b }, { } };
	struct st *st = test->priv;

	st_export(st, &exp_b);
	kunit_warning_suppress(test) {
		st_expect_error(st, dma_buf_mapping_attach(NULL, offer_b, 1, NULL, NULL),
				-EINVAL);
		st_expect_error(st, st_try(st, NULL, 1, NULL), -EINVAL);
		st_expect_error(st, st_try(st, offer_b, 0, NULL), -EINVAL);
		st_expect_error(st, st_try(st, no_type, 2, NULL), -EINVAL);
		EXPECT_WARNINGS(st, 4);
	}
	EXPECT_LOG(st, "");
}

static void importer_cannot_be_invalidated(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_kvm_sgt);
	kunit_warning_suppress(test) {
		st_expect_error(st, st_try(st, &DMA_BUF_IMAPPING_KVM(&st_kvm_ops), 1, NULL),
				-EINVAL);
		st_expect_error(st, st_try(st, &DMA_BUF_IMAPPING_KVM(&st_kvm_ops), 1,
					   &imp_stays), -EINVAL);
		EXPECT_WARNINGS(st, 2);
	}
}

static void ops_of_the_kvm_type_are_missing(struct kunit *test)
{
	struct st *st = test->priv;

	kunit_warning_suppress(test) {
		st_export(st, &exp_no_fill);
		st_expect_error(st, st_try(st, &DMA_BUF_IMAPPING_KVM(&st_kvm_ops), 1,
					   &imp_moves), -EINVAL);
		st_export(st, &exp_kvm_sgt);
		st_expect_error(st, st_try(st, &DMA_BUF_IMAPPING_KVM(&st_no_install_ops), 1,
					   &imp_moves), -EINVAL);
		EXPECT_WARNINGS(st, 2);
	}
}

static void sgt_needs_a_device(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_old);
	kunit_warning_suppress(test) {
		st_expect_error(st, st_try(st, &DMA_BUF_IMAPPING_SGT(NULL, false), 1, NULL),
				-EINVAL);
		st_expect_error(st, dma_buf_attach(st->dmabuf, NULL), -EINVAL);
		EXPECT_WARNINGS(st, 2);
	}
}

static void export_checks_the_table(struct kunit *test)
{
	struct st *st = test->priv;

	kunit_warning_suppress(test) {
		st_expect_error(st, st_try_export(st, &exp_empty, PAGE_SIZE), -EINVAL);
		st_expect_error(st, st_try_export(st, &exp_c_sgt_no_map, PAGE_SIZE), -EINVAL);
		st_expect_error(st, st_try_export(st, &exp_c_sgt_half, PAGE_SIZE), -EINVAL);
		EXPECT_WARNINGS(st, 3);
	}
	st_export(st, &exp_c_sgt);
}

/* Some exporters get their ops after dma_buf_export() has checked others. */
static void sgt_without_map_dma_buf(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_c_sgt);
	st->dmabuf->ops = &exp_c_sgt_no_map;
	st_expect_error(st, st_try_sgt(st), -EOPNOTSUPP);
}

static void kvm_attachment_is_not_mapped_as_sgt(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;
	struct sg_table sgt = { };

	st_export(st, &exp_kvm_sgt);
	attach = st_attach_kvm(st);
	st->log[0] = '\0';
	kunit_warning_suppress(test) {
		st_expect_error(st, dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE),
				-EINVAL);
		dma_buf_unmap_attachment_unlocked(attach, &sgt, DMA_TO_DEVICE);
		EXPECT_WARNINGS(st, 2);
	}
	EXPECT_LOG(st, "");
	KUNIT_EXPECT_EQ(test, attach->nr_maps, 0);
}

static void sgt_attachment_is_not_mapped_as_kvm(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_kvm_sgt);
	attach = st_try_sgt(st);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	kunit_warning_suppress(test) {
		dma_resv_lock(st->dmabuf->resv, NULL);
		st->ret = dma_buf_map_attachment_kvm(attach, 0, PAGE_SIZE, false, st);
		dma_resv_unlock(st->dmabuf->resv);
		KUNIT_EXPECT_EQ(test, st->ret, -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, 0, PAGE_SIZE),
				-EINVAL);
		EXPECT_WARNINGS(st, 2);
	}
	KUNIT_EXPECT_NULL(test, st->sink);
}

static void detach_with_live_maps(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_old);
	attach = st_try_sgt(st);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	attach->nr_maps = 1;
	kunit_warning_suppress(test) {
		st_end(st, attach);
		EXPECT_WARNINGS(st, 1);
	}
	EXPECT_LOG(st, "exporter-attach exporter-detach");
}

static void module_is_pinned(struct kunit *test)
{
#ifdef CONFIG_MODULE_UNLOAD
	struct st *st = test->priv;
	struct dma_buf_mapping_type *type = kunit_kzalloc(test, sizeof(*type), GFP_KERNEL);
	struct dma_buf_mapping_exp *table = kunit_kcalloc(test, 2, sizeof(*table), GFP_KERNEL);
	struct dma_buf_ops *ops = kunit_kzalloc(test, sizeof(*ops), GFP_KERNEL);
	struct module *module = kunit_kzalloc(test, sizeof(*module), GFP_KERNEL);
	struct dma_buf_mapping_match offer = { };
	struct dma_buf_attachment *attach;

	KUNIT_ASSERT_NOT_NULL(test, type);
	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_NOT_NULL(test, ops);
	KUNIT_ASSERT_NOT_NULL(test, module);

	/* As the loader makes it, with a reference of its own. */
	module->state = MODULE_STATE_LIVE;
	atomic_set(&module->refcnt, 1);
	*type = type_a;
	type->owner = module;
	table[0].type = type;
	*ops = exp_b;
	ops->mappings = table;
	offer.type = type;

	st_export(st, ops);
	attach = st_attach(st, &offer, 1, NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 2);
	st_end(st, attach);
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 1);

	/* Every way to fail gives it back. */
	st->type_attach = -EIO;
	st_expect_error(st, st_try(st, &offer, 1, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 1);
	st->type_attach = 0;
	st->exporter_attach = -EIO;
	st_expect_error(st, st_try(st, &offer, 1, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 1);
	st->exporter_attach = 0;

	module->state = MODULE_STATE_GOING;
	st_expect_error(st, st_try(st, &offer, 1, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 1);
#else
	kunit_skip(test, "needs CONFIG_MODULE_UNLOAD");
#endif
}

/*
 * The file as user space reads it, by the show function that is behind it, since
 * the kernel itself cannot read from it.
 */
static void st_read_bufinfo(struct st *st, char *buf, size_t size)
{
	struct file_system_type *type = get_fs_type("debugfs");
	struct seq_file s = { .buf = buf, .size = size };
	struct vfsmount *mnt;
	struct seq_file *m;
	struct path root;
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(st->test, type);
	mnt = kern_mount(type);
	KUNIT_ASSERT_FALSE(st->test, IS_ERR(mnt));
	root.mnt = mnt;
	root.dentry = mnt->mnt_root;
	file = file_open_root(&root, "dma_buf/bufinfo", O_RDONLY, 0);
	if (!IS_ERR(file)) {
		m = file->private_data;
		KUNIT_EXPECT_EQ(st->test, m->op->show(&s, m->private), 0);
		filp_close(file, NULL);
		flush_delayed_fput();
	}
	kern_unmount(mnt);
	KUNIT_ASSERT_FALSE(st->test, IS_ERR(file));
	KUNIT_ASSERT_LT(st->test, s.count, size);
	buf[s.count] = '\0';
}

static void bufinfo_without_device(struct kunit *test)
{
	struct st *st = test->priv;
	const size_t size = SZ_64K;
	char *buf;

	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		kunit_skip(test, "needs CONFIG_DEBUG_FS");

	buf = kunit_kzalloc(test, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	st_export(st, &exp_kvm_sgt);
	st_attach_kvm(st);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, st_try_sgt(st));
	st_read_bufinfo(st, buf, size);
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, "\t-\ttype kvm\tfills 0\textents 0\n"));
	snprintf(st->log, sizeof(st->log), "\t%s\ttype sgt\n", dev_name(st->dev));
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, st->log));
}

/* Formatting an event is what would follow a NULL pointer. */
static void tracepoints_without_device(struct kunit *test)
{
#ifdef CONFIG_EVENT_TRACING
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;
	int ret;

	ret = trace_set_clr_event("dma_buf_mapping", NULL, 1);
	KUNIT_EXPECT_EQ(test, ret, 0);
	ret = trace_set_clr_event("dma_buf", NULL, 1);
	KUNIT_EXPECT_EQ(test, ret, 0);

	st_export(st, &exp_kvm_sgt);
	attach = st_attach_kvm(st);
	dma_resv_lock(st->dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(st->dmabuf);
	dma_buf_invalidate_range(st->dmabuf, PAGE_SIZE, PAGE_SIZE);
	dma_resv_unlock(st->dmabuf->resv);
	st_end(st, attach);

	trace_set_clr_event("dma_buf", NULL, 0);
	trace_set_clr_event("dma_buf_mapping", NULL, 0);
	EXPECT_LOG(st, "exporter-attach invalidate range exporter-detach");
#else
	kunit_skip(test, "needs CONFIG_EVENT_TRACING");
#endif
}

static struct kunit_case mapping_cases[] = {
	KUNIT_CASE(exporter_order_comes_first),
	KUNIT_CASE(importer_order_decides_within_a_type),
	KUNIT_CASE(match_is_asked_about_the_pair),
	KUNIT_CASE(match_refuses_a_row),
	KUNIT_CASE(match_refuses_everything),
	KUNIT_CASE(match_fails),
	KUNIT_CASE(nothing_in_common),
	KUNIT_CASE(type_without_match),
	KUNIT_CASE(predicate),
	KUNIT_CASE(flavours_refused),
	KUNIT_CASE(flavours_of_old_exporters),
	KUNIT_CASE(old_exporter_old_importer),
	KUNIT_CASE(old_exporter_new_importer),
	KUNIT_CASE(new_exporter_old_importer),
	KUNIT_CASE(new_exporter_new_importer),
	KUNIT_CASE(ops_swapped_after_export),
	KUNIT_CASE(order_of_attach_and_detach),
	KUNIT_CASE(attach_fails_in_the_type),
	KUNIT_CASE(attach_fails_in_the_exporter),
	KUNIT_CASE(arguments_are_missing),
	KUNIT_CASE(importer_cannot_be_invalidated),
	KUNIT_CASE(ops_of_the_kvm_type_are_missing),
	KUNIT_CASE(sgt_needs_a_device),
	KUNIT_CASE(export_checks_the_table),
	KUNIT_CASE(sgt_without_map_dma_buf),
	KUNIT_CASE(kvm_attachment_is_not_mapped_as_sgt),
	KUNIT_CASE(sgt_attachment_is_not_mapped_as_kvm),
	KUNIT_CASE(detach_with_live_maps),
	KUNIT_CASE(module_is_pinned),
	KUNIT_CASE(bufinfo_without_device),
	KUNIT_CASE(tracepoints_without_device),
	{ }
};

static struct kunit_suite mapping_suite = {
	.name = "dma-buf-mapping",
	.init = st_init,
	.test_cases = mapping_cases,
};

/*
 * The sink, filled through the KVM type
 */

/* In pages. Page n of the buffer is page n of the memory. */
static struct dma_buf_extent *give(struct st *st, u64 first, u64 nr)
{
	struct dma_buf_extent *extent = &st->extents[st->nr++];

	*extent = (struct dma_buf_extent) {
		.offset = first << PAGE_SHIFT,
		.nr_pages = nr,
		.page = st->pages + first,
	};
	return extent;
}

static struct dma_buf_extent *give_mmio(struct st *st, u64 first, u64 nr,
					phys_addr_t phys)
{
	struct dma_buf_extent *extent = give(st, first, nr);

	extent->kind = DMA_BUF_EXTENT_MMIO;
	extent->mmio.phys = phys;
	extent->mmio.provider = &st->provider;
	return extent;
}

/* In bytes. */
static int map_bytes(struct st *st, struct dma_buf_attachment *attach,
		     u64 offset, u64 length)
{
	int ret;

	st->nr_installed = 0;
	dma_resv_lock(st->dmabuf->resv, NULL);
	ret = dma_buf_map_attachment_kvm(attach, offset, length, true, st);
	dma_resv_unlock(st->dmabuf->resv);
	return ret;
}

/* In pages. */
static int map(struct st *st, struct dma_buf_attachment *attach, u64 first, u64 nr)
{
	return map_bytes(st, attach, first << PAGE_SHIFT, nr << PAGE_SHIFT);
}

static struct dma_buf_attachment *begin(struct st *st)
{
	struct dma_buf_attachment *attach;

	st_export(st, &exp_kvm_sgt);
	attach = st_attach_kvm(st);
	st->log[0] = '\0';
	return attach;
}

static void expect_installed(struct st *st, int i, u64 index, u64 nr_pages,
			     unsigned long pfn, enum dma_buf_extent_kind kind,
			     u32 flags)
{
	const struct dma_buf_kvm_extent *extent = &st->installed[i];

	KUNIT_EXPECT_LT(st->test, i, st->nr_installed);
	KUNIT_EXPECT_EQ(st->test, extent->index, index);
	KUNIT_EXPECT_EQ(st->test, extent->nr_pages, nr_pages);
	KUNIT_EXPECT_EQ(st->test, extent->pfn, pfn);
	KUNIT_EXPECT_EQ(st->test, extent->kind, kind);
	KUNIT_EXPECT_EQ(st->test, extent->flags, flags);
}

static void fill_gets_the_window(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 2, 8);
	st->locked = true;
	KUNIT_EXPECT_EQ(test, map(st, attach, 3, 5), 0);
	KUNIT_EXPECT_TRUE(test, st->locked);
	KUNIT_EXPECT_PTR_EQ(test, st->attach, attach);
	KUNIT_EXPECT_EQ(test, st->offset, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, st->length, 5 * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, st->write);
	KUNIT_EXPECT_EQ(test, st->rets[0], 1);
}

static void extents_reach_kvm_as_they_are(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	unsigned long pfn = page_to_pfn(st->pages);

	/* The ends stick out of the window. */
	give(st, 2, 2);
	give(st, 4, 1)->flags = DMA_BUF_EXTENT_READONLY;
	give_mmio(st, 5, 2, BAR);
	give_mmio(st, 7, 1, BAR + SZ_1M)->kind = DMA_BUF_EXTENT_MMIO_WC;
	give_mmio(st, 8, 8, BAR + SZ_2M)->kind = DMA_BUF_EXTENT_MMIO_CACHEABLE;
	KUNIT_EXPECT_EQ(test, map(st, attach, 3, 6), 0);
	KUNIT_EXPECT_EQ(test, st->nr_installed, 5);
	expect_installed(st, 0, 2, 2, pfn + 2, DMA_BUF_EXTENT_RAM, 0);
	expect_installed(st, 1, 4, 1, pfn + 4, DMA_BUF_EXTENT_RAM, DMA_BUF_EXTENT_READONLY);
	expect_installed(st, 2, 5, 2, PHYS_PFN(BAR), DMA_BUF_EXTENT_MMIO, 0);
	expect_installed(st, 3, 7, 1, PHYS_PFN(BAR + SZ_1M), DMA_BUF_EXTENT_MMIO_WC, 0);
	expect_installed(st, 4, 8, 8, PHYS_PFN(BAR + SZ_2M), DMA_BUF_EXTENT_MMIO_CACHEABLE, 0);
}

static void many_extents(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	int i;

	for (i = 0; i < NR_PAGES; i++)
		give(st, i, 1);
	KUNIT_EXPECT_EQ(test, map(st, attach, 0, NR_PAGES), 0);
	KUNIT_EXPECT_EQ(test, st->nr_installed, NR_PAGES);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, st->rets[i], i == NR_PAGES - 1);
}

static void nothing_is_taken_beyond_the_window(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	st->stubborn = true;
	give(st, 0, 2);
	give(st, 2, 2);
	/* Not even looked at. */
	give(st, 9, 0);
	KUNIT_EXPECT_EQ(test, map(st, attach, 1, 1), 0);
	KUNIT_EXPECT_EQ(test, st->nr_installed, 1);
	KUNIT_EXPECT_EQ(test, st->rets[1], 1);
	KUNIT_EXPECT_EQ(test, st->rets[2], 1);
}

static void window_must_be_in_the_buffer(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 0, NR_PAGES);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, map(st, attach, 3, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, map(st, attach, 3, NR_PAGES - 2), -EINVAL);
		KUNIT_EXPECT_EQ(test, map_bytes(st, attach, -PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
		EXPECT_WARNINGS(st, 3);
	}
	KUNIT_EXPECT_NULL(test, st->sink);
	KUNIT_EXPECT_EQ(test, map_bytes(st, attach, NR_PAGES * PAGE_SIZE - 1, 1), 0);
}

/* The last extent is what is wrong, in a window of the pages 4 to 7. */
struct bad_extents {
	const char *name;
	struct {
		u64 first, nr;
	} extents[2];
	void (*spoil)(struct dma_buf_extent *extent);
};

static void spoil_flags(struct dma_buf_extent *extent)
{
	extent->flags = DMA_BUF_EXTENT_PRIVATE << 1;
}

static void spoil_high_flag(struct dma_buf_extent *extent)
{
	extent->flags = DMA_BUF_EXTENT_READONLY | BIT(31);
}

static void spoil_alignment(struct dma_buf_extent *extent)
{
	extent->offset -= 1;
}

static void spoil_kind(struct dma_buf_extent *extent)
{
	extent->kind = DMA_BUF_EXTENT_MMIO_CACHEABLE + 1;
}

static void spoil_page(struct dma_buf_extent *extent)
{
	extent->page = NULL;
}

static void be_mmio(struct dma_buf_extent *extent)
{
	static struct p2pdma_provider provider;

	extent->kind = DMA_BUF_EXTENT_MMIO;
	extent->mmio.phys = BAR;
	extent->mmio.provider = &provider;
}

static void spoil_provider(struct dma_buf_extent *extent)
{
	be_mmio(extent);
	extent->mmio.provider = NULL;
}

static void spoil_mmio_alignment(struct dma_buf_extent *extent)
{
	be_mmio(extent);
	extent->mmio.phys += PAGE_SIZE / 2;
}

static void spoil_mmio_end(struct dma_buf_extent *extent)
{
	be_mmio(extent);
	extent->mmio.phys = -(phys_addr_t)PAGE_SIZE;
}

static const struct bad_extents bad_extents[] = {
	{ "unknown flag", { { 4, 4 } }, spoil_flags },
	{ "unknown flag beside a known one", { { 4, 4 } }, spoil_high_flag },
	{ "empty", { { 4, 0 } } },
	{ "empty, second", { { 4, 2 }, { 6, 0 } } },
	{ "misaligned", { { 4, 4 } }, spoil_alignment },
	{ "length is shifted out", { { 4, 1 }, { 5, 1ULL << 52 } }, be_mmio },
	{ "length overflows", { { 4, 1 }, { 5, U64_MAX } } },
	{ "end overflows", { { 4, 1 }, { 5, (1ULL << 52) - 1 } }, be_mmio },
	{ "leaves the buffer", { { 4, NR_PAGES - 3 } } },
	{ "behind the start", { { 5, 3 } }, be_mmio },
	{ "ends at the start", { { 2, 2 } } },
	{ "gap", { { 4, 2 }, { 7, 1 } }, be_mmio },
	{ "overlap", { { 4, 2 }, { 5, 3 } } },
	{ "repeated", { { 4, 2 }, { 4, 2 } } },
	{ "descending", { { 4, 2 }, { 2, 2 } } },
	{ "unknown kind", { { 4, 4 } }, spoil_kind },
	{ "no page", { { 4, 4 } }, spoil_page },
	{ "no provider", { { 4, 4 } }, spoil_provider },
	{ "misaligned mmio", { { 4, 4 } }, spoil_mmio_alignment },
	{ "end of mmio overflows", { { 4, 4 } }, spoil_mmio_end },
};

KUNIT_ARRAY_PARAM_DESC(bad_extents, bad_extents, name);

static void bad_extent(struct kunit *test)
{
	const struct bad_extents *bad = test->param_value;
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, bad->extents[0].first, bad->extents[0].nr);
	if (bad->extents[1].first)
		give(st, bad->extents[1].first, bad->extents[1].nr);
	if (bad->spoil)
		bad->spoil(&st->extents[st->nr - 1]);

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -EINVAL);
		EXPECT_WARNINGS(st, 1);
	}
	KUNIT_EXPECT_EQ(test, st->rets[st->nr - 1], -EINVAL);
	KUNIT_EXPECT_EQ(test, st->nr_installed, st->nr - 1);
}

/* Window of page 5 in an extent of all pages, one of which is reserved. */
static int map_reserved(struct st *st, struct dma_buf_attachment *attach, int i)
{
	int ret;

	SetPageReserved(st->pages + i);
	ret = map(st, attach, 5, 1);
	ClearPageReserved(st->pages + i);
	return ret;
}

static void reserved_pages(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 0, NR_PAGES);
	kunit_warning_suppress(test) {
		/* The ends, and where the window is. */
		KUNIT_EXPECT_EQ(test, map_reserved(st, attach, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, map_reserved(st, attach, 5), -EINVAL);
		KUNIT_EXPECT_EQ(test, map_reserved(st, attach, NR_PAGES - 1), -EINVAL);
		EXPECT_WARNINGS(st, 3);
	}
	kunit_warning_suppress(test) {
		/* A fault does not walk the rest, a debug kernel does. */
		KUNIT_EXPECT_EQ(test, map_reserved(st, attach, 9),
				IS_ENABLED(CONFIG_DMABUF_DEBUG) ? -EINVAL : 0);
		EXPECT_WARNINGS(st, IS_ENABLED(CONFIG_DMABUF_DEBUG));
	}
	KUNIT_EXPECT_EQ(test, map(st, attach, 5, 1), 0);
}

static void failed_pages(struct kunit *test)
{
#ifdef CONFIG_MEMORY_FAILURE
	static const int pages[] = { 0, 5, NR_PAGES - 1 };
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	int i;

	give(st, 0, NR_PAGES);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		SetPageHWPoison(st->pages + pages[i]);
		KUNIT_EXPECT_EQ(test, map(st, attach, 5, 1), -EHWPOISON);
		ClearPageHWPoison(st->pages + pages[i]);
	}
	KUNIT_EXPECT_EQ(test, map(st, attach, 5, 1), 0);
#else
	kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
#endif
}

/* There is no machine with that much memory behind our pages. */
static void pages_end_before_the_extent(struct kunit *test)
{
	const u64 nr = 1ULL << 36;
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	if (sizeof(size_t) < sizeof(u64))
		kunit_skip(test, "needs buffers of more than 4G");

	st_export_size(st, &exp_kvm_sgt, nr << PAGE_SHIFT);
	attach = st_attach_kvm(st);
	give(st, 0, nr);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, map(st, attach, 0, 1), -EINVAL);
		EXPECT_WARNINGS(st, 1);
	}
	KUNIT_EXPECT_EQ(test, st->nr_installed, 0);
}

static void mmio_must_not_be_ram(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	phys_addr_t ram = page_to_phys(st->pages);

	if (region_intersects(ram, PAGE_SIZE, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) ==
	    REGION_DISJOINT)
		kunit_skip(test, "memory is not among the resources of this architecture");

	/* Also not if a good one was seen before, here or partly. */
	give_mmio(st, 4, 4, BAR);
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 1), 0);
	st->extents[0].mmio.phys = ram;
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 1), -EINVAL);
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 1), -EINVAL);
		EXPECT_WARNINGS(st, 2);
	}
	st->extents[0].mmio.phys = BAR;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 1), 0);
}

/* What a well-behaved mapper or exporter says ends the fill, and stays said. */

static void error_sticks(struct kunit *test)
{
	static const int rets[] = { 0, 1, -ENOMEM };
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	int i;

	st->stubborn = true;
	give(st, 4, 2);
	give(st, 6, 1);
	give(st, 7, 1);
	st->install_fails_at = 2;
	st->install_ret = -ENOSPC;
	for (i = 0; i < ARRAY_SIZE(rets); i++) {
		st->ret = rets[i];
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -ENOSPC);
		KUNIT_EXPECT_EQ(test, st->nr_installed, 2);
		KUNIT_EXPECT_EQ(test, st->rets[0], 0);
		KUNIT_EXPECT_EQ(test, st->rets[1], -ENOSPC);
		KUNIT_EXPECT_EQ(test, st->rets[2], -ENOSPC);
	}

	/* And is forgotten when the next window opens. */
	st->ret = 0;
	st->install_fails_at = 0;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
}

static void fill_fails(struct kunit *test)
{
	static const int rets[][2] = {
		{ -ENODEV, -ENODEV }, { -EAGAIN, -EAGAIN }, { -EHWPOISON, -EHWPOISON },
		{ -EINTR, -EINTR }, { -ERESTARTSYS, -EINTR },
	};
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	int i;

	for (i = 0; i < ARRAY_SIZE(rets); i++) {
		st->ret = rets[i][0];
		st->nr = 0;
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), rets[i][1]);
		/* Even if the window is covered. */
		give(st, 4, 4);
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), rets[i][1]);
	}
}

static void fill_returns_what_the_sink_said(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 4, 4);
	st->ret = 1;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
}

static void fill_is_short(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -EINVAL);
		give(st, 4, 3);
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -EINVAL);
		st->ret = 1;
		KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -EINVAL);
		EXPECT_WARNINGS(st, 3);
	}
}

static void sink_is_kept(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 4, 4);
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, dma_buf_sink_add(st->sink, &st->extents[0]), -EPERM);
		EXPECT_WARNINGS(st, 1);
	}

	/* No better after a fill that failed. */
	st->ret = -ENODEV;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -ENODEV);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, dma_buf_sink_add(st->sink, &st->extents[0]), -EPERM);
		EXPECT_WARNINGS(st, 1);
	}
	KUNIT_EXPECT_EQ(test, st->nr_installed, 1);

	/* The attempts leave no trace. */
	st->ret = 0;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
}

/* Warnings are counted for the task that suppresses them. */
static int add_in_thread(void *data)
{
	struct st *st = data;
	struct kunit_suppressed_warning *warnings;

	warnings = kunit_start_suppress_warning(st->test);
	st->hook_ret = dma_buf_sink_add(st->sink, &st->extents[0]);
	st->hook_warnings = kunit_suppressed_warning_count(warnings);
	kunit_end_suppress_warning(st->test, warnings);
	complete(&st->thread_done);
	return 0;
}

static void hook_thread(struct st *st)
{
	struct task_struct *task = kthread_run(add_in_thread, st, "st-dma-buf");

	if (!IS_ERR(task))
		wait_for_completion(&st->thread_done);
}

static void sink_is_used_by_another_task(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 4, 4);
	st->hook = hook_thread;
	st->hook_at = 0;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
	KUNIT_EXPECT_EQ(test, st->hook_ret, -EPERM);
	if (IS_ENABLED(CONFIG_GENERIC_BUG))
		KUNIT_EXPECT_EQ(test, st->hook_warnings, 1);
	/* Whoever had it open never noticed. */
	KUNIT_EXPECT_EQ(test, st->nr_installed, 1);
}

static void hook_nested(struct st *st)
{
	st->hook_ret = dma_buf_map_attachment_kvm(st->attach, 0, PAGE_SIZE, false, st);
}

static void sink_is_opened_again(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 4, 2);
	give(st, 6, 2);
	st->hook = hook_nested;
	for (st->hook_at = 0; st->hook_at < 3; st->hook_at++) {
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
			EXPECT_WARNINGS(st, 1);
		}
		KUNIT_EXPECT_EQ(test, st->hook_ret, -EBUSY);
		KUNIT_EXPECT_EQ(test, st->nr_installed, 2);
	}
}

static void hook_invalidate(struct st *st)
{
	dma_buf_invalidate_mappings(st->dmabuf);
}

static void hook_invalidate_range(struct st *st)
{
	dma_buf_invalidate_range(st->dmabuf, 8 * PAGE_SIZE, PAGE_SIZE);
}

static void invalidated_before_the_first_extent(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	give(st, 4, 2);
	give(st, 6, 2);
	st->hook_at = 0;
	st->hook = hook_invalidate;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
	st->hook = hook_invalidate_range;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
	EXPECT_LOG(st, "invalidate range");
}

static void invalidated_after_the_first_extent(struct kunit *test)
{
	static void (*const hooks[])(struct st *st) = {
		hook_invalidate, hook_invalidate_range,
	};
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);
	int i;

	give(st, 4, 2);
	give(st, 6, 2);
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		st->hook = hooks[i];
		/* After the last one is no better. */
		for (st->hook_at = 1; st->hook_at < 3; st->hook_at++) {
			kunit_warning_suppress(test) {
				KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), -EAGAIN);
				EXPECT_WARNINGS(st, 1);
			}
			KUNIT_EXPECT_EQ(test, st->nr_installed, st->hook_at);
		}
	}
	st->hook_at = NO_HOOK;
	KUNIT_EXPECT_EQ(test, map(st, attach, 4, 4), 0);
	/* KVM always hears of it. */
	EXPECT_LOG(st, "invalidate invalidate range range");
}

static void prepare_gets_the_range(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_prepare);
	attach = st_attach_kvm(st);
	st->log[0] = '\0';
	KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, PAGE_SIZE, 3 * PAGE_SIZE), 0);
	KUNIT_EXPECT_PTR_EQ(test, st->attach, attach);
	KUNIT_EXPECT_EQ(test, st->offset, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, st->length, 3 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, st->locked);
	st->ret = -ENOMEM;
	KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, 0, PAGE_SIZE), -ENOMEM);
	st->ret = -ERESTARTSYS;
	KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, 0, PAGE_SIZE), -EINTR);
	EXPECT_LOG(st, "prepare prepare prepare");

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, 0, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, PAGE_SIZE,
								 NR_PAGES * PAGE_SIZE), -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, -PAGE_SIZE,
								 2 * PAGE_SIZE), -EINVAL);
		EXPECT_WARNINGS(st, 3);
	}
	EXPECT_LOG(st, "");
}

static void prepare_is_optional(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach = begin(st);

	KUNIT_EXPECT_EQ(test, dma_buf_prepare_attachment(attach, 0, NR_PAGES * PAGE_SIZE), 0);
}

static struct kunit_case sink_cases[] = {
	KUNIT_CASE(fill_gets_the_window),
	KUNIT_CASE(extents_reach_kvm_as_they_are),
	KUNIT_CASE(many_extents),
	KUNIT_CASE(nothing_is_taken_beyond_the_window),
	KUNIT_CASE(window_must_be_in_the_buffer),
	KUNIT_CASE_PARAM(bad_extent, bad_extents_gen_params),
	KUNIT_CASE(reserved_pages),
	KUNIT_CASE(failed_pages),
	KUNIT_CASE(pages_end_before_the_extent),
	KUNIT_CASE(mmio_must_not_be_ram),
	KUNIT_CASE(error_sticks),
	KUNIT_CASE(fill_fails),
	KUNIT_CASE(fill_returns_what_the_sink_said),
	KUNIT_CASE(fill_is_short),
	KUNIT_CASE(sink_is_kept),
	KUNIT_CASE(sink_is_used_by_another_task),
	KUNIT_CASE(sink_is_opened_again),
	KUNIT_CASE(invalidated_before_the_first_extent),
	KUNIT_CASE(invalidated_after_the_first_extent),
	KUNIT_CASE(prepare_gets_the_range),
	KUNIT_CASE(prepare_is_optional),
	{ }
};

static struct kunit_suite sink_suite = {
	.name = "dma-buf-sink",
	.init = st_init,
	.test_cases = sink_cases,
};

/*
 * Invalidation
 */

static void invalidate(struct st *st)
{
	st->log[0] = '\0';
	dma_resv_lock(st->dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(st->dmabuf);
	dma_resv_unlock(st->dmabuf->resv);
}

/* In pages. */
static void invalidate_range(struct st *st, u64 first, u64 nr)
{
	st->log[0] = '\0';
	st->offset = U64_MAX;
	dma_resv_lock(st->dmabuf->resv, NULL);
	dma_buf_invalidate_range(st->dmabuf, first << PAGE_SHIFT, nr << PAGE_SHIFT);
	dma_resv_unlock(st->dmabuf->resv);
}

static void type_hears_of_it_first(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_a, 1, &imp_ranges);
	invalidate(st);
	EXPECT_LOG(st, "type-invalidate invalidate");
	invalidate_range(st, 2, 2);
	EXPECT_LOG(st, "type-invalidate range");
	KUNIT_EXPECT_EQ(test, st->offset, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, st->length, 2 * PAGE_SIZE);
	/* All of it is not a part of it. */
	invalidate_range(st, 0, NR_PAGES);
	EXPECT_LOG(st, "type-invalidate invalidate");
}

static void importer_knows_no_ranges(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_a, 1, &imp_moves);
	invalidate_range(st, 2, 2);
	EXPECT_LOG(st, "type-invalidate invalidate");
}

static void importer_has_no_callbacks(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_a, 1, NULL);
	st_attach(st, offer_a, 1, &imp_stays);
	invalidate(st);
	EXPECT_LOG(st, "type-invalidate type-invalidate");
	invalidate_range(st, 2, 2);
	EXPECT_LOG(st, "type-invalidate type-invalidate");
}

static void row_has_no_granule(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_b, 1, &imp_ranges);
	invalidate_range(st, 2, 2);
	EXPECT_LOG(st, "invalidate");
}

/* Too much is taken back rather than too little. */
static void range_is_not_of_the_granule(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_a, 1, &imp_ranges);
	kunit_warning_suppress(test) {
		invalidate_range(st, 1, 2);
		EXPECT_LOG(st, "type-invalidate invalidate");
		invalidate_range(st, 2, 1);
		EXPECT_LOG(st, "type-invalidate invalidate");
		EXPECT_WARNINGS(st, 2);
	}
}

static void range_is_not_in_the_buffer(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_a, 1, &imp_ranges);
	kunit_warning_suppress(test) {
		invalidate_range(st, 2, 0);
		EXPECT_LOG(st, "type-invalidate invalidate");
		invalidate_range(st, NR_PAGES - 2, 4);
		EXPECT_LOG(st, "type-invalidate invalidate");
		invalidate_range(st, -2ULL, 4);
		EXPECT_LOG(st, "type-invalidate invalidate");
		EXPECT_WARNINGS(st, 3);
	}
}

static void every_attachment_is_told(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_b, 1, &imp_ranges);
	st_attach(st, offer_a, 1, &imp_ranges);
	st_attach(st, offer_a, 1, NULL);
	/* The last one first. */
	invalidate_range(st, 2, 2);
	EXPECT_LOG(st, "type-invalidate type-invalidate range invalidate");
}

/* A type that needs invalidation must have no maps left when it returns. */
static void maps_are_left_behind(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;

	st_export(st, &exp_granules);
	attach = st_attach(st, offer_counted, 1, &imp_ranges);
	attach->nr_maps = 1;
	kunit_warning_suppress(test) {
		invalidate(st);
		EXPECT_WARNINGS(st, 1);
	}
	/* Of the rest of the buffer there may be some. */
	invalidate_range(st, 2, 2);
	EXPECT_LOG(st, "range");
	attach->nr_maps = 0;
	st_end(st, attach);

	attach = st_attach(st, offer_counted, 1, &imp_forgets);
	attach->nr_maps = 1;
	invalidate(st);
	EXPECT_LOG(st, "forget");
}

/* The others unmap when they can. */
static void sgt_maps_may_stay(struct kunit *test)
{
	struct st *st = test->priv;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	st_export(st, &exp_kvm_sgt);
	attach = st_attach(st, &DMA_BUF_IMAPPING_SGT(st->dev, false), 1, &imp_ranges);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(sgt));
	invalidate(st);
	EXPECT_LOG(st, "invalidate");
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
}

static void mappings_are_allowed_again(struct kunit *test)
{
	struct st *st = test->priv;

	st_export(st, &exp_granules);
	st_attach(st, offer_a, 1, &imp_ranges);
	st_attach(st, offer_a, 1, &imp_moves);
	st_attach(st, offer_a, 1, NULL);
	st_attach(st, offer_b, 1, &imp_ranges);
	st->log[0] = '\0';
	dma_resv_lock(st->dmabuf->resv, NULL);
	dma_buf_mappings_allowed(st->dmabuf);
	dma_resv_unlock(st->dmabuf->resv);
	EXPECT_LOG(st, "allowed allowed");
	KUNIT_EXPECT_TRUE(test, st->locked);
}

static struct kunit_case invalidate_cases[] = {
	KUNIT_CASE(type_hears_of_it_first),
	KUNIT_CASE(importer_knows_no_ranges),
	KUNIT_CASE(importer_has_no_callbacks),
	KUNIT_CASE(row_has_no_granule),
	KUNIT_CASE(range_is_not_of_the_granule),
	KUNIT_CASE(range_is_not_in_the_buffer),
	KUNIT_CASE(every_attachment_is_told),
	KUNIT_CASE(maps_are_left_behind),
	KUNIT_CASE(sgt_maps_may_stay),
	KUNIT_CASE(mappings_are_allowed_again),
	{ }
};

static struct kunit_suite invalidate_suite = {
	.name = "dma-buf-invalidate",
	.init = st_init,
	.test_cases = invalidate_cases,
};

kunit_test_suites(&mapping_suite, &sink_suite, &invalidate_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("DMA_BUF_EXTENT");
