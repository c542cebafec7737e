// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SGT type with exporters and importers that know of mapping types and with
 * such that do not: data moves between any two of them.
 *
 * The type itself is in the core. A driver that has nothing but scatterlists
 * needs no change, and one that has more lists SGT among the rest.
 */
#include "sample-buf.h"

/* The exporters */

/* As written before there were mapping types. */
static const struct dma_buf_ops sgt_old_ops = {
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

static const struct dma_buf_mapping_exp sgt_mappings[] = {
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops sgt_new_ops = {
	.mappings = sgt_mappings,
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

/* The importers */

/* Counts invalidations in a test's variable. Nothing stays mapped in between. */
static void sgt_invalidate(struct dma_buf_attachment *attach)
{
	int *count = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	(*count)++;
}

static const struct dma_buf_attach_ops sgt_attach_ops = {
	.invalidate_mappings = sgt_invalidate,
};

static struct dma_buf_attachment *
sgt_attach_old_static(struct dma_buf *dmabuf, struct device *dev, int *count)
{
	return dma_buf_attach(dmabuf, dev);
}

static struct dma_buf_attachment *
sgt_attach_old_dynamic(struct dma_buf *dmabuf, struct device *dev, int *count)
{
	return dma_buf_dynamic_attach(dmabuf, dev, &sgt_attach_ops, count);
}

static struct dma_buf_attachment *
sgt_attach_new_static(struct dma_buf *dmabuf, struct device *dev, int *count)
{
	return dma_buf_mapping_attach(dmabuf, &DMA_BUF_IMAPPING_SGT(dev, false),
				      1, NULL, NULL);
}

static struct dma_buf_attachment *
sgt_attach_new_dynamic(struct dma_buf *dmabuf, struct device *dev, int *count)
{
	return dma_buf_mapping_attach(dmabuf, &DMA_BUF_IMAPPING_SGT(dev, false),
				      1, &sgt_attach_ops, count);
}

static int sgt_access(void *importer, u64 offset, void *data, size_t len,
		      bool write)
{
	struct dma_buf_attachment *attach = importer;
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = sample_sgt_access(attach, offset, data, len, write);
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* The test */

struct sgt_pairing {
	const char *name;
	const struct dma_buf_ops *exporter;
	struct dma_buf_attachment *(*attach)(struct dma_buf *dmabuf,
					     struct device *dev, int *count);
};

#define SGT_PAIRING(_exporter, _importer, _kind)			\
	{								\
		.name = #_exporter " exporter, " #_importer " " #_kind	\
			" importer",					\
		.exporter = &sgt_##_exporter##_ops,			\
		.attach = sgt_attach_##_importer##_##_kind,		\
	}

static const struct sgt_pairing sgt_pairings[] = {
	SGT_PAIRING(old, old, static),
	SGT_PAIRING(old, old, dynamic),
	SGT_PAIRING(old, new, static),
	SGT_PAIRING(old, new, dynamic),
	SGT_PAIRING(new, old, static),
	SGT_PAIRING(new, old, dynamic),
	SGT_PAIRING(new, new, static),
	SGT_PAIRING(new, new, dynamic),
};

KUNIT_ARRAY_PARAM_DESC(sgt_pairing, sgt_pairings, name);

static void sgt_test_pairing(struct kunit *test)
{
	const struct sgt_pairing *pairing = test->param_value;
	struct device *dev = sample_device(test, "importer");
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	int count = 0;
	u8 byte;

	dmabuf = sample_managed(test, sample_export(pairing->exporter, NULL, NULL));
	attach = pairing->attach(dmabuf, dev, &count);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, &dma_buf_mapping_sgt_type);
	KUNIT_EXPECT_PTR_EQ(test, attach->dev, dev);
	sample_expect_moves(test, dmabuf, attach, sgt_access);

	sample_set_revoked(dmabuf, true);
	KUNIT_EXPECT_EQ(test, count, attach->importer_ops ? 1 : 0);
	KUNIT_EXPECT_EQ(test, -ENODEV, sgt_access(attach, 0, &byte, 1, false));
	sample_set_revoked(dmabuf, false);
	sample_expect_moves(test, dmabuf, attach, sgt_access);

	KUNIT_EXPECT_EQ(test, 0, attach->nr_maps);
	dma_buf_detach(dmabuf, attach);
}

/* An importer that cannot lose its memory keeps off what may be revoked. */
static void sgt_test_refuses_flavour(struct kunit *test)
{
	struct device *dev = sample_device(test, "importer");
	struct dma_buf_mapping_match offer = DMA_BUF_IMAPPING_SGT(dev, false);
	struct dma_buf *dmabuf;

	offer.refuse = BIT(DMA_BUF_FLAVOUR_REVOCABLE) |
		       BIT(DMA_BUF_FLAVOUR_DYNAMIC);

	dmabuf = sample_managed(test, sample_export(&sgt_new_ops, NULL, NULL));
	sample_expect_refused(test, dmabuf, &offer, 1, NULL, -EOPNOTSUPP);

	dmabuf = sample_managed(test, sample_export(&sgt_old_ops, NULL, NULL));
	sample_expect_type(test, dmabuf, &offer, 1, NULL,
			   &dma_buf_mapping_sgt_type);
}

static struct kunit_case sgt_cases[] = {
	KUNIT_CASE_PARAM(sgt_test_pairing, sgt_pairing_gen_params),
	KUNIT_CASE(sgt_test_refuses_flavour),
	{ }
};

static struct kunit_suite sgt_suite = {
	.name = "dma_buf_sample_sgt",
	.test_cases = sgt_cases,
};

kunit_test_suite(sgt_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Sample: old and new users of dma-buf scatterlists");
MODULE_LICENSE("GPL");
