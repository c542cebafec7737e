// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping type that one driver has for itself.
 *
 * Cards of this driver can be wired together. In such a hive a card reaches the
 * memory of every other one over links that nobody else knows of, so that what
 * crosses the border is the driver's own buffer object. The type is static:
 * there is no name by which another driver could offer it.
 */
#include "sample-buf.h"

/* A card, and the hive that it is wired to. */
struct hive_card {
	struct device *dev;
	unsigned int hive;
};

/* The type */

/* What the exporter implements. @map is called with the reservation lock held. */
struct hive_exp_ops {
	const struct hive_card *(*card)(struct dma_buf *dmabuf);
	struct sample_buf *(*map)(struct dma_buf_attachment *attach);
};

/* Another hive is no error: the next pair may do. */
static int hive_match(struct dma_buf *dmabuf,
		      const struct dma_buf_mapping_exp *exp,
		      const struct dma_buf_mapping_match *imp)
{
	const struct hive_exp_ops *exp_ops = exp->ops;
	const struct hive_card *importer = imp->ops;

	return exp_ops->card(dmabuf)->hive == importer->hive ? 0 : -EOPNOTSUPP;
}

static const struct dma_buf_mapping_type hive_type = {
	.name = "sample-private",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.match = hive_match,
};

#define DMA_BUF_EMAPPING_HIVE(_ops, ...)				\
	{								\
		.type = &hive_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct hive_exp_ops, _ops), \
		##__VA_ARGS__						\
	}

#define DMA_BUF_IMAPPING_HIVE(_card)					\
	((struct dma_buf_mapping_match) {				\
		.type = &hive_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct hive_card, _card),	\
	})

static struct sample_buf *hive_map(struct dma_buf_attachment *attach)
{
	const struct hive_exp_ops *exp_ops;
	struct sample_buf *buf;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(attach->map_type != &hive_type))
		return ERR_PTR(-EINVAL);

	exp_ops = attach->map_exp->ops;
	buf = exp_ops->map(attach);
	if (!IS_ERR(buf))
		attach->nr_maps++;
	return buf;
}

static void hive_unmap(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	attach->nr_maps--;
}

/* The exporter */

static const struct hive_card *hive_exp_card(struct dma_buf *dmabuf)
{
	struct sample_buf *buf = dmabuf->priv;

	return buf->owner;
}

static struct sample_buf *hive_exp_map(struct dma_buf_attachment *attach)
{
	struct sample_buf *buf = attach->dmabuf->priv;

	return buf->revoked ? ERR_PTR(-ENODEV) : buf;
}

static const struct hive_exp_ops hive_exp_ops = {
	.card = hive_exp_card,
	.map = hive_exp_map,
};

static const struct dma_buf_mapping_exp hive_mappings[] = {
	DMA_BUF_EMAPPING_HIVE(&hive_exp_ops,
			      .flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops hive_dmabuf_ops = {
	.mappings = hive_mappings,
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

static struct dma_buf *hive_export(struct hive_card *card)
{
	return sample_export(&hive_dmabuf_ops, card, NULL);
}

/* The importer */

/* @buf is NULL while nothing is mapped, protected by the reservation lock. */
struct hive_import {
	const struct hive_card *card;
	struct dma_buf_attachment *attach;
	struct sample_buf *buf;
};

static void hive_invalidate(struct dma_buf_attachment *attach)
{
	struct hive_import *import = attach->importer_priv;

	if (!import->buf)
		return;
	import->buf = NULL;
	hive_unmap(attach);
}

static const struct dma_buf_attach_ops hive_attach_ops = {
	.invalidate_mappings = hive_invalidate,
};

static struct dma_buf_attachment *hive_attach(struct hive_import *import,
					      struct dma_buf *dmabuf)
{
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_HIVE(import->card),
		DMA_BUF_IMAPPING_SGT(import->card->dev, false),
	};

	return dma_buf_mapping_attach(dmabuf, offers, ARRAY_SIZE(offers),
				      &hive_attach_ops, import);
}

/* Maps on demand and keeps the mapping until it is invalidated. */
static int hive_access(void *importer, u64 offset, void *data, size_t len,
		       bool write)
{
	struct hive_import *import = importer;
	struct dma_buf_attachment *attach = import->attach;
	struct sample_buf *buf;
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	if (attach->map_type == &dma_buf_mapping_sgt_type) {
		ret = sample_sgt_access(attach, offset, data, len, write);
		goto unlock;
	}
	if (!import->buf) {
		buf = hive_map(attach);
		if (IS_ERR(buf)) {
			ret = PTR_ERR(buf);
			goto unlock;
		}
		import->buf = buf;
	}
	ret = sample_buf_copy(import->buf, offset, data, len, write);
unlock:
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* The test */

static struct hive_card *hive_card(struct kunit *test, const char *name,
				   unsigned int hive)
{
	struct hive_card *card = kunit_kzalloc(test, sizeof(*card), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, card);
	card->dev = sample_device(test, name);
	card->hive = hive;
	return card;
}

static struct dma_buf *hive_test_export(struct kunit *test, unsigned int hive)
{
	return sample_managed(test, hive_export(hive_card(test, "exporter",
							  hive)));
}

static struct hive_import *hive_test_import(struct kunit *test,
					    struct dma_buf *dmabuf,
					    unsigned int hive)
{
	struct hive_import *import;

	import = kunit_kzalloc(test, sizeof(*import), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, import);
	import->card = hive_card(test, "importer", hive);
	import->attach = sample_managed_attach(test, hive_attach(import, dmabuf));
	return import;
}

static void hive_test_moves(struct kunit *test)
{
	struct dma_buf *dmabuf = hive_test_export(test, 1);
	struct hive_import *import = hive_test_import(test, dmabuf, 1);

	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type, &hive_type);
	sample_expect_moves(test, dmabuf, import, hive_access);
	KUNIT_EXPECT_EQ(test, import->attach->nr_maps, 1);
}

static void hive_test_other_hive(struct kunit *test)
{
	struct dma_buf *dmabuf = hive_test_export(test, 1);
	const struct hive_card *card = hive_card(test, "importer", 2);

	sample_expect_refused(test, dmabuf, &DMA_BUF_IMAPPING_HIVE(card), 1,
			      &hive_attach_ops, -EOPNOTSUPP);
}

/* The exporter's first row wins over the importer's first offer. */
static void hive_test_priority(struct kunit *test)
{
	struct dma_buf *dmabuf = hive_test_export(test, 1);
	const struct hive_card *card = hive_card(test, "importer", 1);
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(card->dev, false),
		DMA_BUF_IMAPPING_HIVE(card),
	};

	sample_expect_type(test, dmabuf, offers, ARRAY_SIZE(offers),
			   &hive_attach_ops, &hive_type);
}

/* The next pair is SGT, which is used then, and hive_map() refuses it. */
static void hive_test_falls_through(struct kunit *test)
{
	struct dma_buf *dmabuf = hive_test_export(test, 1);
	struct hive_import *import = hive_test_import(test, dmabuf, 2);

	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type,
			    &dma_buf_mapping_sgt_type);
	sample_expect_moves(test, dmabuf, import, hive_access);

	kunit_warning_suppress(test) {
		dma_resv_lock(dmabuf->resv, NULL);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				PTR_ERR_OR_ZERO(hive_map(import->attach)));
		dma_resv_unlock(dmabuf->resv);
	}
}

static void hive_test_revoke(struct kunit *test)
{
	struct dma_buf *dmabuf = hive_test_export(test, 1);
	struct hive_import *import = hive_test_import(test, dmabuf, 1);

	sample_expect_revoke(test, dmabuf, import->attach, import, hive_access);
}

static struct kunit_case hive_cases[] = {
	KUNIT_CASE(hive_test_moves),
	KUNIT_CASE(hive_test_other_hive),
	KUNIT_CASE(hive_test_priority),
	KUNIT_CASE(hive_test_falls_through),
	KUNIT_CASE(hive_test_revoke),
	{ }
};

static struct kunit_suite hive_suite = {
	.name = "dma_buf_sample_private",
	.test_cases = hive_cases,
};

kunit_test_suite(hive_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Sample: a dma-buf mapping type of one driver");
MODULE_LICENSE("GPL");
