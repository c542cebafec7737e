// SPDX-License-Identifier: GPL-2.0-only
/*
 * Negotiation of mapping types: drivers/dma-buf/dma-buf-mapping-type.c.
 */
#include "host.h"

/* What the callbacks of the test types do. */
static struct {
	/* The pairs that match() was asked about, and its answers in turn. */
	const struct dma_buf_mapping_exp *exp[8];
	const struct dma_buf_mapping_match *imp[8];
	struct dma_buf *dmabuf;
	int answers[8];
	int asked;

	int type_attach;
	int exporter_attach;

	/* What predicates say, and how often they were asked. */
	bool offered;
	int predicates;

	/* The last invalidation of a range. */
	u64 offset;
	u64 length;

	/* Seen by the exporter's attach. */
	struct device *dev;
	bool peer2peer;
} fake;

static struct module module_a = { .name = "a" };
static struct device device = { .name = "card0" };

static int fake_match(struct dma_buf *dmabuf,
		      const struct dma_buf_mapping_exp *exp,
		      const struct dma_buf_mapping_match *imp)
{
	assert_true(fake.asked < (int)ARRAY_SIZE(fake.answers));
	assert_false(dmabuf->resv->locked);
	host_trace("match");
	fake.dmabuf = dmabuf;
	fake.exp[fake.asked] = exp;
	fake.imp[fake.asked] = imp;
	return fake.answers[fake.asked++];
}

static bool fake_offered(struct dma_buf *dmabuf)
{
	assert_false(dmabuf->resv->locked);
	fake.dmabuf = dmabuf;
	fake.predicates++;
	return fake.offered;
}

static int fake_type_attach(struct dma_buf_attachment *attach)
{
	assert_false(attach->dmabuf->resv->locked);
	host_trace("type-attach");
	return fake.type_attach;
}

static void fake_type_detach(struct dma_buf_attachment *attach)
{
	host_trace("type-detach");
}

static void fake_type_invalidate(struct dma_buf_attachment *attach)
{
	host_trace("type-invalidate");
}

static void fake_show(struct seq_file *s, struct dma_buf_attachment *attach)
{
	seq_printf(s, "\t%s", "more");
}

/* Has every callback. */
static const struct dma_buf_mapping_type type_a = {
	.name = "a",
	.owner = &module_a,
	.match = fake_match,
	.attach = fake_type_attach,
	.detach = fake_type_detach,
	.invalidate = fake_type_invalidate,
	.show = fake_show,
};

/* Has a match only. */
static const struct dma_buf_mapping_type type_b = {
	.name = "b",
	.match = fake_match,
};

/* Has nothing; carries the name of another, which must not matter. */
static const struct dma_buf_mapping_type type_c = {
	.name = "b",
};

static const struct dma_buf_mapping_type type_invalidate = {
	.name = "invalidate",
	.needs_invalidate = true,
};

static int exporter_attach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	assert_false(dmabuf->resv->locked);
	host_trace("exporter-attach");
	fake.dev = attach->dev;
	fake.peer2peer = attach->peer2peer;
	return fake.exporter_attach;
}

static void exporter_detach(struct dma_buf *dmabuf,
			    struct dma_buf_attachment *attach)
{
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
	fake.offset = offset;
	fake.length = length;
}

/* As a type that counts its maps must, and one that forgets. */
static void importer_unmaps(struct dma_buf_attachment *attach)
{
	host_trace("importer-unmaps");
	attach->nr_maps = 0;
}

static void importer_unmaps_range(struct dma_buf_attachment *attach,
				  u64 offset, u64 length)
{
	importer_unmaps(attach);
}

static void importer_allowed(struct dma_buf_attachment *attach)
{
	assert_true(attach->dmabuf->resv->locked);
	host_trace("importer-allowed");
}

static const struct dma_buf_mapping_exp table_ab[] = {
	{ .type = &type_a }, { .type = &type_b }, { }
};

static const struct dma_buf_mapping_exp table_a[] = { { .type = &type_a }, { } };
static const struct dma_buf_mapping_exp table_b[] = { { .type = &type_b }, { } };
static const struct dma_buf_mapping_exp table_c[] = { { .type = &type_c }, { } };
static const struct dma_buf_mapping_exp table_empty[] = { { } };

static const struct dma_buf_mapping_exp table_c_sgt[] = {
	{ .type = &type_c }, DMA_BUF_EMAPPING_SGT(), { }
};

static const struct dma_buf_mapping_exp table_sgt_c[] = {
	DMA_BUF_EMAPPING_SGT(), { .type = &type_c }, { }
};

static const struct dma_buf_mapping_exp table_invalidate[] = {
	{ .type = &type_invalidate }, { }
};

static const struct dma_buf_mapping_exp table_a_if_b[] = {
	{ .type = &type_a, .offered = fake_offered }, { .type = &type_b }, { }
};

/* One type in all three flavours. */
static const struct dma_buf_mapping_exp table_flavours[] = {
	{ .type = &type_b, .flavour = DMA_BUF_FLAVOUR_DYNAMIC, .offered = fake_offered },
	{ .type = &type_b, .flavour = DMA_BUF_FLAVOUR_REVOCABLE, .offered = fake_offered },
	{ .type = &type_b, .flavour = DMA_BUF_FLAVOUR_PINNED, .offered = fake_offered },
	{ }
};

static const struct dma_buf_mapping_exp table_granule[] = {
	{ .type = &type_b, .inval_granule = 2 * PAGE_SIZE },
	{ .type = &type_a, .inval_granule = PAGE_SIZE },
	{ .type = &type_c },
	{ .type = &type_invalidate, .inval_granule = PAGE_SIZE },
	{ }
};

#define OPS(_mappings)				\
{						\
	.mappings = _mappings,			\
	.attach = exporter_attach,		\
	.detach = exporter_detach,		\
	.map_dma_buf = exporter_map,		\
	.unmap_dma_buf = exporter_unmap,	\
}

static const struct dma_buf_ops ops_legacy = OPS(NULL);
static const struct dma_buf_ops ops_ab = OPS(table_ab);
static const struct dma_buf_ops ops_a = OPS(table_a);
static const struct dma_buf_ops ops_b = OPS(table_b);
static const struct dma_buf_ops ops_c = OPS(table_c);
static const struct dma_buf_ops ops_c_sgt = OPS(table_c_sgt);
static const struct dma_buf_ops ops_sgt_c = OPS(table_sgt_c);
static const struct dma_buf_ops ops_invalidate = OPS(table_invalidate);
static const struct dma_buf_ops ops_a_if_b = OPS(table_a_if_b);
static const struct dma_buf_ops ops_flavours = OPS(table_flavours);
static const struct dma_buf_ops ops_granule = OPS(table_granule);
static const struct dma_buf_ops ops_silent = { .mappings = table_a };
static const struct dma_buf_ops ops_no_sgt = { .mappings = table_sgt_c };

static const struct dma_buf_attach_ops importer_moves = {
	.invalidate_mappings = importer_invalidate,
};

static const struct dma_buf_attach_ops importer_ranges = {
	.invalidate_mappings = importer_invalidate,
	.invalidate_range = importer_invalidate_range,
};

static const struct dma_buf_attach_ops importer_good = {
	.invalidate_mappings = importer_unmaps,
	.invalidate_range = importer_unmaps_range,
};

static const struct dma_buf_attach_ops importer_returns = {
	.mappings_allowed = importer_allowed,
};

static const struct dma_buf_attach_ops importer_stays = { };
static const struct dma_buf_attach_ops importer_p2p = { .allow_peer2peer = true };

static const struct dma_buf_mapping_match offers_a[] = { { .type = &type_a } };
static const struct dma_buf_mapping_match offers_b[] = { { .type = &type_b } };
static const struct dma_buf_mapping_match offers_c[] = { { .type = &type_c } };

static const struct dma_buf_mapping_match offers_ba[] = {
	{ .type = &type_b }, { .type = &type_a },
};

static const struct dma_buf_mapping_match offers_invalidate[] = {
	{ .type = &type_invalidate },
};

static struct dma_buf dmabuf;

static void init(const struct dma_buf_ops *ops)
{
	memset(&fake, 0, sizeof(fake));
	module_a.refs = 0;
	module_a.going = false;
	host_dmabuf_init(&dmabuf, ops, 16 * PAGE_SIZE);
}

static struct dma_buf_attachment *
attach_to(const struct dma_buf_mapping_match *offers, size_t nr)
{
	return dma_buf_mapping_attach(&dmabuf, offers, nr, NULL, NULL);
}

/* As dma_buf_attach() does. */
static struct dma_buf_attachment *attach_legacy(void)
{
	return attach_to(&DMA_BUF_IMAPPING_SGT(&device, false), 1);
}

static void assert_agreed(struct dma_buf_attachment *attach,
			  const struct dma_buf_mapping_type *type)
{
	assert_false(IS_ERR(attach));
	assert_ptr_equal(attach->map_type, type);
	assert_ptr_equal(attach->map_exp->type, type);
	assert_ptr_equal(attach->map_imp.type, type);
	host_detach(attach);
}

static void exporter_order_comes_first(void)
{
	init(&ops_ab);
	assert_agreed(attach_to(offers_ba, 2), &type_a);
	assert_int_equal(fake.asked, 1);
}

static void importer_order_decides_within_a_type(void)
{
	static const int one, two;
	const struct dma_buf_mapping_match offers[] = {
		{ .type = &type_b, .ops = &one }, { .type = &type_b, .ops = &two },
	};
	struct dma_buf_attachment *attach;

	init(&ops_b);
	attach = attach_to(offers, ARRAY_SIZE(offers));
	assert_ptr_equal(attach->map_imp.ops, &one);
	assert_agreed(attach, &type_b);
}

static void refused_offer_falls_to_the_next_offer(void)
{
	static const int one, two;
	const struct dma_buf_mapping_match offers[] = {
		{ .type = &type_b, .ops = &one }, { .type = &type_b, .ops = &two },
	};
	struct dma_buf_attachment *attach;

	init(&ops_b);
	fake.answers[0] = -EOPNOTSUPP;
	attach = attach_to(offers, ARRAY_SIZE(offers));
	assert_ptr_equal(attach->map_imp.ops, &two);
	assert_agreed(attach, &type_b);
	assert_int_equal(fake.asked, 2);
}

static void refused_row_falls_to_the_next_row(void)
{
	init(&ops_ab);
	fake.answers[0] = -EOPNOTSUPP;
	assert_agreed(attach_to(offers_ba, 2), &type_b);
	assert_int_equal(fake.asked, 2);
}

static void other_error_ends_the_attach(void)
{
	init(&ops_ab);
	fake.answers[0] = -EPERM;
	assert_error(attach_to(offers_ba, 2), -EPERM);
	assert_int_equal(fake.asked, 1);
	host_assert_trace("match");
}

static void other_error_in_the_second_pair(void)
{
	init(&ops_ab);
	fake.answers[0] = -EOPNOTSUPP;
	fake.answers[1] = -EIO;
	assert_error(attach_to(offers_ba, 2), -EIO);
	assert_int_equal(fake.asked, 2);
}

static void everything_refused(void)
{
	init(&ops_ab);
	fake.answers[0] = -EOPNOTSUPP;
	fake.answers[1] = -EOPNOTSUPP;
	assert_error(attach_to(offers_ba, 2), -EOPNOTSUPP);
	host_assert_trace("match match");
}

static void no_type_in_common(void)
{
	init(&ops_a);
	assert_error(attach_to(offers_b, 1), -EOPNOTSUPP);
	assert_int_equal(fake.asked, 0);
	host_assert_trace("");
}

static void match_is_asked_about_the_pair(void)
{
	init(&ops_ab);
	fake.answers[0] = -EOPNOTSUPP;
	assert_agreed(attach_to(offers_ba, 2), &type_b);
	assert_ptr_equal(fake.dmabuf, &dmabuf);
	assert_ptr_equal(fake.exp[0], &table_ab[0]);
	assert_ptr_equal(fake.imp[0], &offers_ba[1]);
	assert_ptr_equal(fake.exp[1], &table_ab[1]);
	assert_ptr_equal(fake.imp[1], &offers_ba[0]);
}

static void type_without_match_is_accepted(void)
{
	init(&ops_c);
	assert_agreed(attach_to(offers_c, 1), &type_c);
}

static void same_name_is_another_type(void)
{
	init(&ops_b);
	assert_error(attach_to(offers_c, 1), -EOPNOTSUPP);
}

static void offers_beyond_their_number_are_not_read(void)
{
	init(&ops_ab);
	assert_agreed(attach_to(offers_ba, 1), &type_b);
}

static void empty_table_offers_nothing(void)
{
	const struct dma_buf_ops ops = OPS(table_empty);

	init(&ops);
	assert_error(attach_legacy(), -EOPNOTSUPP);
}

static void predicate_says_yes(void)
{
	init(&ops_a_if_b);
	fake.offered = true;
	assert_agreed(attach_to(offers_ba, 2), &type_a);
	assert_int_equal(fake.predicates, 1);
	assert_ptr_equal(fake.dmabuf, &dmabuf);
}

static void predicate_says_no(void)
{
	init(&ops_a_if_b);
	assert_agreed(attach_to(offers_ba, 2), &type_b);
	assert_int_equal(fake.predicates, 1);
	/* The type is not asked about what is not offered. */
	assert_int_equal(fake.asked, 1);
	assert_ptr_equal(fake.exp[0], &table_a_if_b[1]);
}

static void predicate_leaves_nothing(void)
{
	init(&ops_a_if_b);
	assert_error(attach_to(offers_a, 1), -EOPNOTSUPP);
	assert_int_equal(fake.asked, 0);
	host_assert_trace("");
}

static void predicate_is_asked_at_each_attach(void)
{
	init(&ops_a_if_b);
	assert_agreed(attach_to(offers_ba, 2), &type_b);
	fake.offered = true;
	assert_agreed(attach_to(offers_ba, 2), &type_a);
	assert_int_equal(fake.predicates, 2);
}

static void predicate_is_for_its_own_row(void)
{
	init(&ops_a_if_b);
	assert_agreed(attach_to(offers_b, 1), &type_b);
	assert_int_equal(fake.predicates, 0);
}

/* All three flavours against every mask, in the exporter's order. */
static void every_mask_of_flavours(void)
{
	static const enum dma_buf_flavour order[] = {
		DMA_BUF_FLAVOUR_DYNAMIC,
		DMA_BUF_FLAVOUR_REVOCABLE,
		DMA_BUF_FLAVOUR_PINNED,
	};
	struct dma_buf_mapping_match offer = { .type = &type_b };
	struct dma_buf_attachment *attach;
	unsigned int i;

	for (offer.refuse = 0; offer.refuse < 8; offer.refuse++) {
		init(&ops_flavours);
		fake.offered = true;
		attach = attach_to(&offer, 1);
		for (i = 0; i < 3 && offer.refuse & BIT(order[i]); i++)
			;
		if (i == 3) {
			assert_error(attach, -EOPNOTSUPP);
			assert_int_equal(fake.predicates, 0);
			assert_int_equal(fake.asked, 0);
		} else {
			/* Nobody is asked about a row that was refused. */
			assert_int_equal(fake.predicates, 1);
			assert_int_equal(fake.asked, 1);
			assert_ptr_equal(attach->map_exp, &table_flavours[i]);
			assert_int_equal(attach->map_exp->flavour, order[i]);
			assert_agreed(attach, &type_b);
		}
		host.trace[0] = '\0';
	}
}

static void flavour_is_refused_by_one_offer_only(void)
{
	const struct dma_buf_mapping_match offers[] = {
		{ .type = &type_b, .refuse = BIT(DMA_BUF_FLAVOUR_DYNAMIC) },
		{ .type = &type_b },
	};
	struct dma_buf_attachment *attach;

	init(&ops_flavours);
	fake.offered = true;
	attach = attach_to(offers, 2);
	assert_ptr_equal(attach->map_exp, &table_flavours[0]);
	assert_ptr_equal(fake.imp[0], &offers[1]);
	assert_agreed(attach, &type_b);
}

static int exporter_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void exporter_unpin(struct dma_buf_attachment *attach)
{
}

static void old_exporter_is_pinned(void)
{
	struct dma_buf_mapping_match offer = DMA_BUF_IMAPPING_SGT(&device, false);
	struct dma_buf_attachment *attach;

	init(&ops_legacy);
	offer.refuse = BIT(DMA_BUF_FLAVOUR_DYNAMIC) | BIT(DMA_BUF_FLAVOUR_REVOCABLE);
	attach = attach_to(&offer, 1);
	assert_int_equal(attach->map_exp->flavour, DMA_BUF_FLAVOUR_PINNED);
	assert_agreed(attach, &dma_buf_mapping_sgt_type);

	offer.refuse = BIT(DMA_BUF_FLAVOUR_PINNED);
	assert_error(attach_to(&offer, 1), -EOPNOTSUPP);
}

static void old_exporter_with_pin_is_dynamic(void)
{
	const struct dma_buf_ops ops = {
		.pin = exporter_pin,
		.unpin = exporter_unpin,
		.map_dma_buf = exporter_map,
		.unmap_dma_buf = exporter_unmap,
	};
	struct dma_buf_mapping_match offer = DMA_BUF_IMAPPING_SGT(&device, false);
	struct dma_buf_attachment *attach;

	init(&ops);
	assert_true(dma_buf_mapping_ops_valid(&ops));
	attach = attach_legacy();
	assert_int_equal(attach->map_exp->flavour, DMA_BUF_FLAVOUR_DYNAMIC);
	assert_agreed(attach, &dma_buf_mapping_sgt_type);

	offer.refuse = BIT(DMA_BUF_FLAVOUR_DYNAMIC);
	assert_error(attach_to(&offer, 1), -EOPNOTSUPP);
}

/* A table says it itself. */
static void pin_says_nothing_beside_a_table(void)
{
	const struct dma_buf_ops ops = {
		.mappings = table_b,
		.pin = exporter_pin,
		.unpin = exporter_unpin,
	};
	struct dma_buf_attachment *attach;

	init(&ops);
	attach = attach_to(offers_b, 1);
	assert_int_equal(attach->map_exp->flavour, DMA_BUF_FLAVOUR_PINNED);
	assert_agreed(attach, &type_b);
}

static void old_exporter_and_old_importer(void)
{
	init(&ops_legacy);
	assert_agreed(attach_legacy(), &dma_buf_mapping_sgt_type);
	assert_ptr_equal(fake.dev, &device);
	assert_false(fake.peer2peer);
}

static void old_exporter_and_new_importer(void)
{
	const struct dma_buf_mapping_match offers[] = {
		{ .type = &type_c }, DMA_BUF_IMAPPING_SGT(&device, false),
	};

	init(&ops_legacy);
	assert_agreed(attach_to(offers, ARRAY_SIZE(offers)), &dma_buf_mapping_sgt_type);
}

static void new_exporter_and_old_importer(void)
{
	init(&ops_c_sgt);
	assert_agreed(attach_legacy(), &dma_buf_mapping_sgt_type);
}

static void new_exporter_and_new_importer(void)
{
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(&device, false), { .type = &type_c },
	};

	init(&ops_c_sgt);
	assert_agreed(attach_to(offers, ARRAY_SIZE(offers)), &type_c);
}

static void old_exporter_has_no_new_type(void)
{
	init(&ops_legacy);
	assert_error(attach_to(offers_c, 1), -EOPNOTSUPP);
}

static void table_without_sgt_refuses_old_importers(void)
{
	init(&ops_c);
	assert_error(attach_legacy(), -EOPNOTSUPP);
}

static void sgt_needs_map_dma_buf(void)
{
	init(&ops_no_sgt);
	assert_error(attach_legacy(), -EOPNOTSUPP);
}

static void sgt_without_map_dma_buf_falls_through(void)
{
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(&device, false), { .type = &type_c },
	};

	init(&ops_no_sgt);
	assert_agreed(attach_to(offers, ARRAY_SIZE(offers)), &type_c);
}

static void sgt_needs_a_device(void)
{
	host_expect_warnings(1);
	init(&ops_sgt_c);
	assert_error(attach_to(&DMA_BUF_IMAPPING_SGT(NULL, false), 1), -EINVAL);
}

static void sgt_sets_what_exporters_read(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_legacy);
	attach = attach_to(&DMA_BUF_IMAPPING_SGT(&device, true), 1);
	assert_false(IS_ERR(attach));
	assert_ptr_equal(attach->dev, &device);
	assert_true(attach->peer2peer);
	/* Exporters look at them in their attach already. */
	assert_ptr_equal(fake.dev, &device);
	assert_true(fake.peer2peer);
	host_detach(attach);
}

static void sgt_offer_has_the_say_on_peer_memory(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_legacy);
	attach = dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_SGT(&device, false),
					1, &importer_p2p, NULL);
	assert_false(IS_ERR(attach));
	assert_false(attach->peer2peer);
	host_detach(attach);
}

static void other_types_have_no_device(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_c);
	attach = dma_buf_mapping_attach(&dmabuf, offers_c, 1, &importer_p2p, NULL);
	assert_false(IS_ERR(attach));
	assert_null(attach->dev);
	assert_true(attach->peer2peer);
	host_detach(attach);

	attach = dma_buf_mapping_attach(&dmabuf, offers_c, 1, &importer_stays, NULL);
	assert_false(IS_ERR(attach));
	assert_false(attach->peer2peer);
	host_detach(attach);
}

static void table_is_looked_up_at_attach(void)
{
	init(&ops_a);
	assert_agreed(attach_to(offers_ba, 2), &type_a);
	dmabuf.ops = &ops_b;
	assert_agreed(attach_to(offers_ba, 2), &type_b);
	dmabuf.ops = &ops_legacy;
	assert_error(attach_to(offers_ba, 2), -EOPNOTSUPP);
}

static void agreement_outlives_swapped_ops(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_a);
	attach = attach_to(offers_a, 1);
	dmabuf.ops = &ops_b;
	assert_ptr_equal(attach->map_exp, &table_a[0]);
	assert_agreed(attach, &type_a);
}

static void attachment_is_filled_in(void)
{
	static const int ops;
	struct dma_buf_mapping_match offers[] = {
		{ .type = &type_a }, { .type = &type_b, .ops = &ops },
	};
	struct dma_buf_attachment *attach;
	int priv;

	init(&ops_ab);
	fake.answers[0] = -EOPNOTSUPP;
	attach = dma_buf_mapping_attach(&dmabuf, offers, 2, &importer_moves, &priv);
	assert_false(IS_ERR(attach));
	/* Offers are copied. */
	memset(offers, 0, sizeof(offers));
	assert_ptr_equal(attach->dmabuf, &dmabuf);
	assert_ptr_equal(attach->importer_ops, &importer_moves);
	assert_ptr_equal(attach->importer_priv, &priv);
	assert_ptr_equal(attach->map_type, &type_b);
	assert_ptr_equal(attach->map_exp, &table_ab[1]);
	assert_ptr_equal(attach->map_imp.type, &type_b);
	assert_ptr_equal(attach->map_imp.ops, &ops);
	assert_null(attach->sink);
	host_detach(attach);
}

static void attachments_are_listed(void)
{
	struct dma_buf_attachment *one, *two;

	init(&ops_a);
	one = attach_to(offers_a, 1);
	two = attach_to(offers_a, 1);
	assert_ptr_equal(dmabuf.attachments.next, &two->node);
	assert_ptr_equal(two->node.next, &one->node);
	assert_ptr_equal(one->node.next, &dmabuf.attachments);
	host_detach(two);
	assert_ptr_equal(dmabuf.attachments.next, &one->node);
	host_detach(one);
	assert_ptr_equal(dmabuf.attachments.next, &dmabuf.attachments);
}

static void no_buffer(void)
{
	host_expect_warnings(1);
	init(&ops_a);
	assert_error(dma_buf_mapping_attach(NULL, offers_a, 1, NULL, NULL), -EINVAL);
}

static void no_offers(void)
{
	host_expect_warnings(1);
	init(&ops_a);
	assert_error(attach_to(NULL, 1), -EINVAL);
}

static void zero_offers(void)
{
	host_expect_warnings(1);
	init(&ops_a);
	assert_error(attach_to(offers_a, 0), -EINVAL);
}

static void offer_without_type(void)
{
	const struct dma_buf_mapping_match offers[] = { { .type = &type_a }, { } };

	host_expect_warnings(1);
	init(&ops_a);
	assert_error(attach_to(offers, ARRAY_SIZE(offers)), -EINVAL);
	host_assert_trace("");
}

static void invalidation_needs_importer_ops(void)
{
	host_expect_warnings(1);
	init(&ops_invalidate);
	assert_error(attach_to(offers_invalidate, 1), -EINVAL);
}

static void invalidation_needs_the_callback(void)
{
	host_expect_warnings(1);
	init(&ops_invalidate);
	assert_error(dma_buf_mapping_attach(&dmabuf, offers_invalidate, 1,
					    &importer_stays, NULL), -EINVAL);
}

static void invalidation_is_checked_for_all_offers(void)
{
	const struct dma_buf_mapping_match offers[] = {
		{ .type = &type_a }, { .type = &type_invalidate },
	};

	host_expect_warnings(1);
	init(&ops_a);
	assert_error(attach_to(offers, ARRAY_SIZE(offers)), -EINVAL);
	host_assert_trace("");
}

static void invalidation_with_the_callback(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_invalidate);
	attach = dma_buf_mapping_attach(&dmabuf, offers_invalidate, 1,
					&importer_moves, NULL);
	assert_agreed(attach, &type_invalidate);
}

static void no_memory(void)
{
	init(&ops_a);
	host.fail_alloc = 1;
	assert_error(attach_to(offers_a, 1), -ENOMEM);
	host_assert_trace("");
}

static void type_is_being_unloaded(void)
{
	init(&ops_a);
	module_a.going = true;
	assert_error(attach_to(offers_a, 1), -ENOENT);
	host_assert_trace("match no-get");
}

static void type_that_is_built_in(void)
{
	init(&ops_b);
	assert_agreed(attach_to(offers_b, 1), &type_b);
	host_assert_trace("match exporter-attach lock list unlock exporter-detach");
}

static void sgt_is_pinned_by_its_attachments(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_legacy);
	attach = attach_legacy();
	assert_int_equal(host_module.refs, 1);
	host_detach(attach);
	assert_int_equal(host_module.refs, 0);
}

static void order_of_attach_and_detach(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_a);
	attach = attach_to(offers_a, 1);
	host_assert_trace("match get type-attach exporter-attach lock list unlock");
	assert_int_equal(module_a.refs, 1);
	host_detach(attach);
	host_assert_trace("exporter-detach type-detach put");
}

static void attach_is_traced(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_legacy);
	host.tracing = true;
	attach = attach_legacy();
	host_assert_trace("get exporter-attach lock list unlock traced");
	assert_false(host.traced_dynamic);
	assert_ptr_equal(host.traced_dev, &device);
	host_detach(attach);
}

static void attach_without_device_is_traced(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_c);
	host.tracing = true;
	attach = dma_buf_mapping_attach(&dmabuf, offers_c, 1, &importer_moves, NULL);
	host_assert_trace("exporter-attach lock list unlock traced");
	assert_true(host.traced_dynamic);
	assert_null(host.traced_dev);
	host_detach(attach);
}

/* Lockdep learns of the lock whether or not somebody is listening. */
static void tracepoint_is_always_reached_with_lockdep(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_c);
	host.option = "CONFIG_LOCKDEP";
	attach = attach_to(offers_c, 1);
	host_assert_trace("exporter-attach lock list unlock traced");
	host_detach(attach);
}

static void failed_attach_is_not_traced(void)
{
	init(&ops_c);
	host.tracing = true;
	fake.exporter_attach = -ENODEV;
	assert_error(attach_to(offers_c, 1), -ENODEV);
	host_assert_trace("exporter-attach");
}

static void exporter_without_attach(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_silent);
	attach = attach_to(offers_a, 1);
	host_assert_trace("match get type-attach lock list unlock");
	host_detach(attach);
	host_assert_trace("type-detach put");
}

static void type_attach_fails(void)
{
	init(&ops_a);
	fake.type_attach = -ENOMEM;
	assert_error(attach_to(offers_a, 1), -ENOMEM);
	host_assert_trace("match get type-attach put");
	assert_ptr_equal(dmabuf.attachments.next, &dmabuf.attachments);
}

static void exporter_attach_fails(void)
{
	init(&ops_a);
	fake.exporter_attach = -ENODEV;
	assert_error(attach_to(offers_a, 1), -ENODEV);
	host_assert_trace("match get type-attach exporter-attach type-detach put");
	assert_ptr_equal(dmabuf.attachments.next, &dmabuf.attachments);
}

static void exporter_attach_fails_for_a_type_without_detach(void)
{
	init(&ops_b);
	fake.exporter_attach = -ENODEV;
	assert_error(attach_to(offers_b, 1), -ENODEV);
	host_assert_trace("match exporter-attach");
}

static void is_sgt(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_legacy);
	attach = attach_legacy();
	assert_true(dma_buf_mapping_is_sgt(attach));
	host_detach(attach);
}

static void is_not_sgt(void)
{
	struct dma_buf_attachment *attach;

	host_expect_warnings(1);
	init(&ops_a);
	attach = attach_to(offers_a, 1);
	assert_false(dma_buf_mapping_is_sgt(attach));
	host_detach(attach);
}

static void ops_without_table_are_valid(void)
{
	assert_true(dma_buf_mapping_ops_valid(&ops_legacy));
}

static void ops_without_table_need_map(void)
{
	const struct dma_buf_ops ops = { .unmap_dma_buf = exporter_unmap };

	assert_false(dma_buf_mapping_ops_valid(&ops));
}

static void ops_without_table_need_unmap(void)
{
	const struct dma_buf_ops ops = { .map_dma_buf = exporter_map };

	assert_false(dma_buf_mapping_ops_valid(&ops));
}

static void ops_with_empty_table_are_invalid(void)
{
	const struct dma_buf_ops ops = OPS(table_empty);

	assert_false(dma_buf_mapping_ops_valid(&ops));
}

static void ops_with_sgt_in_table_are_valid(void)
{
	assert_true(dma_buf_mapping_ops_valid(&ops_c_sgt));
	assert_true(dma_buf_mapping_ops_valid(&ops_sgt_c));
}

static void ops_with_sgt_in_any_row_need_map(void)
{
	const struct dma_buf_ops first = { .mappings = table_sgt_c };
	const struct dma_buf_ops second = { .mappings = table_c_sgt };
	const struct dma_buf_ops half = {
		.mappings = table_c_sgt,
		.map_dma_buf = exporter_map,
	};

	assert_false(dma_buf_mapping_ops_valid(&first));
	assert_false(dma_buf_mapping_ops_valid(&second));
	assert_false(dma_buf_mapping_ops_valid(&half));
}

static void ops_without_sgt_need_no_map(void)
{
	const struct dma_buf_ops ops = { .mappings = table_c };

	assert_true(dma_buf_mapping_ops_valid(&ops));
}

static void invalidate(struct dma_buf_attachment *attach)
{
	dma_resv_lock(dmabuf.resv, NULL);
	dma_buf_mapping_invalidate(attach, 0, dmabuf.size);
	dma_resv_unlock(dmabuf.resv);
}

static void invalidation_reaches_the_type_first(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_a);
	attach = dma_buf_mapping_attach(&dmabuf, offers_a, 1, &importer_moves, NULL);
	host.trace[0] = '\0';
	invalidate(attach);
	host_assert_trace("lock type-invalidate importer-invalidate unlock");
	host_detach(attach);
}

static void invalidation_without_the_type(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_b);
	attach = dma_buf_mapping_attach(&dmabuf, offers_b, 1, &importer_moves, NULL);
	host.trace[0] = '\0';
	invalidate(attach);
	host_assert_trace("lock importer-invalidate unlock");
	host_detach(attach);
}

static void invalidation_without_importer_ops(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_a);
	attach = attach_to(offers_a, 1);
	host.trace[0] = '\0';
	invalidate(attach);
	host_assert_trace("lock type-invalidate unlock");
	host_detach(attach);
}

static void invalidation_without_the_importers_callback(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_a);
	attach = dma_buf_mapping_attach(&dmabuf, offers_a, 1, &importer_stays, NULL);
	host.trace[0] = '\0';
	invalidate(attach);
	host_assert_trace("lock type-invalidate unlock");
	host_detach(attach);
}

static void invalidation_needs_the_lock(void)
{
	struct dma_buf_attachment *attach;

	host_expect_warnings(1);
	init(&ops_b);
	attach = attach_to(offers_b, 1);
	dma_buf_mapping_invalidate(attach, 0, dmabuf.size);
	host_detach(attach);
}

static void whole_buffer_is_no_range(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_granule);
	attach = dma_buf_mapping_attach(&dmabuf, offers_b, 1, &importer_ranges, NULL);
	host.trace[0] = '\0';
	invalidate(attach);
	host_assert_trace("lock importer-invalidate unlock");
	assert_ptr_equal(host.traced_attach, attach);
	assert_int_equal(host.traced_offset, 0);
	assert_int_equal(host.traced_length, dmabuf.size);
	host_detach(attach);
}

static void invalidate_range(u64 offset, u64 length)
{
	host.trace[0] = '\0';
	dma_resv_lock(dmabuf.resv, NULL);
	dma_buf_invalidate_range(&dmabuf, offset, length);
	dma_resv_unlock(dmabuf.resv);
}

/* Attaches to @offers, invalidates what is given, and looks what came of it. */
static void assert_range(const struct dma_buf_mapping_match *offers,
			 const struct dma_buf_attach_ops *importer, u64 offset,
			 u64 length, const char *trace)
{
	struct dma_buf_attachment *attach;

	init(&ops_granule);
	attach = dma_buf_mapping_attach(&dmabuf, offers, 1, importer, NULL);
	assert_false(IS_ERR(attach));
	invalidate_range(offset, length);
	host_assert_trace(trace);
	host_detach(attach);
}

static void range_reaches_the_importer(void)
{
	assert_range(offers_b, &importer_ranges, 2 * PAGE_SIZE, 4 * PAGE_SIZE,
		     "lock importer-range unlock");
	assert_int_equal(fake.offset, 2 * PAGE_SIZE);
	assert_int_equal(fake.length, 4 * PAGE_SIZE);
	assert_int_equal(host.traced_invalidations, 1);
	assert_int_equal(host.traced_offset, 2 * PAGE_SIZE);
	assert_int_equal(host.traced_length, 4 * PAGE_SIZE);
}

static void range_at_the_end(void)
{
	assert_range(offers_b, &importer_ranges, 14 * PAGE_SIZE, 2 * PAGE_SIZE,
		     "lock importer-range unlock");
	assert_int_equal(fake.offset, 14 * PAGE_SIZE);
}

static void range_reaches_the_type_first(void)
{
	assert_range(offers_a, &importer_ranges, 3 * PAGE_SIZE, PAGE_SIZE,
		     "lock type-invalidate importer-range unlock");
}

static void range_that_is_the_whole_buffer(void)
{
	assert_range(offers_b, &importer_ranges, 0, 16 * PAGE_SIZE,
		     "lock importer-invalidate unlock");
}

static void range_for_an_importer_without(void)
{
	assert_range(offers_b, &importer_moves, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
		     "lock importer-invalidate unlock");
}

static void range_for_an_importer_that_stays(void)
{
	assert_range(offers_a, &importer_stays, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
		     "lock type-invalidate unlock");
}

static void range_for_an_importer_without_ops(void)
{
	assert_range(offers_a, NULL, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
		     "lock type-invalidate unlock");
}

static void range_in_a_row_without_granule(void)
{
	assert_range(offers_c, &importer_ranges, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
		     "lock importer-invalidate unlock");
	assert_int_equal(host.traced_offset, 0);
	assert_int_equal(host.traced_length, dmabuf.size);
}

/* Too much is taken back rather than too little. */
static void range_starts_inside_a_granule(void)
{
	host_expect_warnings(1);
	assert_range(offers_b, &importer_ranges, PAGE_SIZE, 2 * PAGE_SIZE,
		     "lock importer-invalidate unlock");
}

static void range_ends_inside_a_granule(void)
{
	host_expect_warnings(1);
	assert_range(offers_b, &importer_ranges, 2 * PAGE_SIZE, PAGE_SIZE,
		     "lock importer-invalidate unlock");
}

static void range_is_empty(void)
{
	host_expect_warnings(1);
	assert_range(offers_b, &importer_ranges, 2 * PAGE_SIZE, 0,
		     "lock importer-invalidate unlock");
}

static void range_leaves_the_buffer(void)
{
	host_expect_warnings(1);
	assert_range(offers_b, &importer_ranges, 14 * PAGE_SIZE, 4 * PAGE_SIZE,
		     "lock importer-invalidate unlock");
}

static void range_overflows(void)
{
	host_expect_warnings(1);
	assert_range(offers_b, &importer_ranges, -2 * PAGE_SIZE, 4 * PAGE_SIZE,
		     "lock importer-invalidate unlock");
}

/* Each gets what it agreed on. The last one on the list is the first attached. */
static void range_goes_to_every_attachment(void)
{
	struct dma_buf_attachment *a, *b, *c;

	init(&ops_granule);
	a = dma_buf_mapping_attach(&dmabuf, offers_a, 1, NULL, NULL);
	b = dma_buf_mapping_attach(&dmabuf, offers_b, 1, &importer_ranges, NULL);
	c = dma_buf_mapping_attach(&dmabuf, offers_c, 1, &importer_ranges, NULL);
	invalidate_range(2 * PAGE_SIZE, 2 * PAGE_SIZE);
	host_assert_trace("lock importer-invalidate importer-range type-invalidate unlock");
	host_detach(a);
	host_detach(b);
	host_detach(c);
}

static void range_without_attachments(void)
{
	init(&ops_granule);
	invalidate_range(0, PAGE_SIZE);
	host_assert_trace("lock unlock");
}

static void range_needs_the_lock(void)
{
	host_expect_warnings(1);
	init(&ops_granule);
	dma_buf_invalidate_range(&dmabuf, 0, PAGE_SIZE);
}

/* @left: the mapping that is left behind is what the warning is about. */
static void assert_unmapped(const struct dma_buf_mapping_match *offers,
			    const struct dma_buf_attach_ops *importer,
			    u64 length, bool left)
{
	struct dma_buf_attachment *attach;
	int warnings = host.warnings;

	init(&ops_granule);
	attach = dma_buf_mapping_attach(&dmabuf, offers, 1, importer, NULL);
	assert_false(IS_ERR(attach));
	attach->nr_maps = 2;
	invalidate_range(0, length);
	assert_int_equal(host.warnings, warnings + left);
	attach->nr_maps = 0;
	host_detach(attach);
}

static void invalidation_leaves_maps_behind(void)
{
	host_expect_warnings(2);
	assert_unmapped(offers_invalidate, &importer_ranges, 16 * PAGE_SIZE, true);
	assert_unmapped(offers_invalidate, &importer_moves, 16 * PAGE_SIZE, true);
}

/* They may be of the rest of the buffer. */
static void range_leaves_maps_behind(void)
{
	assert_unmapped(offers_invalidate, &importer_ranges, PAGE_SIZE, false);
}

static void invalidation_leaves_no_maps_behind(void)
{
	assert_unmapped(offers_invalidate, &importer_good, PAGE_SIZE, false);
	assert_unmapped(offers_invalidate, &importer_good, 16 * PAGE_SIZE, false);
}

/* As SGT, where the importer unmaps later. */
static void invalidation_may_be_finished_later(void)
{
	assert_unmapped(offers_a, &importer_ranges, PAGE_SIZE, false);
	assert_unmapped(offers_a, &importer_ranges, 16 * PAGE_SIZE, false);
}

static void detach_with_maps(void)
{
	struct dma_buf_attachment *attach;

	host_expect_warnings(1);
	init(&ops_a);
	attach = attach_to(offers_a, 1);
	attach->nr_maps = 1;
	host.trace[0] = '\0';
	host_detach(attach);
	/* And goes on. */
	host_assert_trace("exporter-detach type-detach put");
}

static void mappings_are_allowed(void)
{
	struct dma_buf_attachment *a, *b, *c, *d;

	init(&ops_a);
	a = dma_buf_mapping_attach(&dmabuf, offers_a, 1, &importer_returns, NULL);
	b = dma_buf_mapping_attach(&dmabuf, offers_a, 1, &importer_ranges, NULL);
	c = attach_to(offers_a, 1);
	d = dma_buf_mapping_attach(&dmabuf, offers_a, 1, &importer_returns, NULL);
	host.trace[0] = '\0';
	dma_resv_lock(dmabuf.resv, NULL);
	dma_buf_mappings_allowed(&dmabuf);
	dma_resv_unlock(dmabuf.resv);
	host_assert_trace("lock importer-allowed importer-allowed unlock");
	host_detach(a);
	host_detach(b);
	host_detach(c);
	host_detach(d);
}

static void mappings_allowed_needs_the_lock(void)
{
	host_expect_warnings(1);
	init(&ops_a);
	dma_buf_mappings_allowed(&dmabuf);
}

static void agreement_is_traced(void)
{
	struct dma_buf_attachment *attach;

	init(&ops_b);
	attach = attach_to(offers_b, 1);
	assert_int_equal(host.traced_attaches, 1);
	assert_ptr_equal(host.traced_attach, attach);
	host_detach(attach);
	fake.exporter_attach = -ENODEV;
	assert_error(attach_to(offers_b, 1), -ENODEV);
	assert_int_equal(host.traced_attaches, 1);
}

static void assert_shown(struct dma_buf_attachment *attach, const char *line)
{
	assert_false(IS_ERR(attach));
	dma_buf_mapping_show(NULL, attach);
	assert_string_equal(host.seq, line);
	host_detach(attach);
}

static void show_device(void)
{
	init(&ops_legacy);
	assert_shown(attach_legacy(), "\tcard0\ttype sgt\n");
}

static void show_without_device(void)
{
	init(&ops_b);
	assert_shown(attach_to(offers_b, 1), "\t-\ttype b\n");
}

static void show_what_the_type_adds(void)
{
	init(&ops_a);
	assert_shown(attach_to(offers_a, 1), "\t-\ttype a\tmore\n");
}

static const struct host_test tests[] = {
	TEST(exporter_order_comes_first),
	TEST(importer_order_decides_within_a_type),
	TEST(refused_offer_falls_to_the_next_offer),
	TEST(refused_row_falls_to_the_next_row),
	TEST(other_error_ends_the_attach),
	TEST(other_error_in_the_second_pair),
	TEST(everything_refused),
	TEST(no_type_in_common),
	TEST(match_is_asked_about_the_pair),
	TEST(type_without_match_is_accepted),
	TEST(same_name_is_another_type),
	TEST(offers_beyond_their_number_are_not_read),
	TEST(empty_table_offers_nothing),
	TEST(predicate_says_yes),
	TEST(predicate_says_no),
	TEST(predicate_leaves_nothing),
	TEST(predicate_is_asked_at_each_attach),
	TEST(predicate_is_for_its_own_row),
	TEST(every_mask_of_flavours),
	TEST(flavour_is_refused_by_one_offer_only),
	TEST(old_exporter_is_pinned),
	TEST(old_exporter_with_pin_is_dynamic),
	TEST(pin_says_nothing_beside_a_table),
	TEST(old_exporter_and_old_importer),
	TEST(old_exporter_and_new_importer),
	TEST(new_exporter_and_old_importer),
	TEST(new_exporter_and_new_importer),
	TEST(old_exporter_has_no_new_type),
	TEST(table_without_sgt_refuses_old_importers),
	TEST(sgt_needs_map_dma_buf),
	TEST(sgt_without_map_dma_buf_falls_through),
	TEST(sgt_needs_a_device),
	TEST(sgt_sets_what_exporters_read),
	TEST(sgt_offer_has_the_say_on_peer_memory),
	TEST(other_types_have_no_device),
	TEST(table_is_looked_up_at_attach),
	TEST(agreement_outlives_swapped_ops),
	TEST(attachment_is_filled_in),
	TEST(attachments_are_listed),
	TEST(no_buffer),
	TEST(no_offers),
	TEST(zero_offers),
	TEST(offer_without_type),
	TEST(invalidation_needs_importer_ops),
	TEST(invalidation_needs_the_callback),
	TEST(invalidation_is_checked_for_all_offers),
	TEST(invalidation_with_the_callback),
	TEST(no_memory),
	TEST(type_is_being_unloaded),
	TEST(type_that_is_built_in),
	TEST(sgt_is_pinned_by_its_attachments),
	TEST(order_of_attach_and_detach),
	TEST(attach_is_traced),
	TEST(attach_without_device_is_traced),
	TEST(tracepoint_is_always_reached_with_lockdep),
	TEST(failed_attach_is_not_traced),
	TEST(exporter_without_attach),
	TEST(type_attach_fails),
	TEST(exporter_attach_fails),
	TEST(exporter_attach_fails_for_a_type_without_detach),
	TEST(is_sgt),
	TEST(is_not_sgt),
	TEST(ops_without_table_are_valid),
	TEST(ops_without_table_need_map),
	TEST(ops_without_table_need_unmap),
	TEST(ops_with_empty_table_are_invalid),
	TEST(ops_with_sgt_in_table_are_valid),
	TEST(ops_with_sgt_in_any_row_need_map),
	TEST(ops_without_sgt_need_no_map),
	TEST(invalidation_reaches_the_type_first),
	TEST(invalidation_without_the_type),
	TEST(invalidation_without_importer_ops),
	TEST(invalidation_without_the_importers_callback),
	TEST(invalidation_needs_the_lock),
	TEST(whole_buffer_is_no_range),
	TEST(range_reaches_the_importer),
	TEST(range_at_the_end),
	TEST(range_reaches_the_type_first),
	TEST(range_that_is_the_whole_buffer),
	TEST(range_for_an_importer_without),
	TEST(range_for_an_importer_that_stays),
	TEST(range_for_an_importer_without_ops),
	TEST(range_in_a_row_without_granule),
	TEST(range_starts_inside_a_granule),
	TEST(range_ends_inside_a_granule),
	TEST(range_is_empty),
	TEST(range_leaves_the_buffer),
	TEST(range_overflows),
	TEST(range_goes_to_every_attachment),
	TEST(range_without_attachments),
	TEST(range_needs_the_lock),
	TEST(invalidation_leaves_maps_behind),
	TEST(range_leaves_maps_behind),
	TEST(invalidation_leaves_no_maps_behind),
	TEST(invalidation_may_be_finished_later),
	TEST(detach_with_maps),
	TEST(mappings_are_allowed),
	TEST(mappings_allowed_needs_the_lock),
	TEST(agreement_is_traced),
	TEST(show_device),
	TEST(show_without_device),
	TEST(show_what_the_type_adds),
};

int main(void)
{
	return host_main("mapping_type", tests, ARRAY_SIZE(tests));
}
