// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping type for DMA addresses without pages: "scatterlist-ng".
 *
 * The importer gets a vector of DMA address and length, in the form that
 * dmaengine has for it. There is no scatterlist, so there is nothing in which a
 * page could be looked up.
 */
#include <linux/dmaengine.h>

#include "sample-buf.h"

/* The type */

struct dma_vec_map {
	unsigned int nr;
	struct dma_vec vec[SAMPLE_NR_PAGES];
};

/*
 * What the exporter implements. @limit is the last byte that the importer's
 * device must be able to address. @map and @unmap are called with the
 * reservation lock held.
 */
struct dma_vec_exp_ops {
	phys_addr_t (*limit)(struct dma_buf *dmabuf);
	int (*map)(struct dma_buf_attachment *attach, struct device *dev,
		   struct dma_vec_map *map);
	void (*unmap)(struct dma_buf_attachment *attach, struct device *dev,
		      struct dma_vec_map *map);
};

/* What the importer brings. */
struct dma_vec_importer {
	struct device *dev;
};

/*
 * A vector cannot be copied to where a device with a narrow mask reaches it,
 * because both sides keep using it at the same time.
 */
static int dma_vec_match(struct dma_buf *dmabuf,
			 const struct dma_buf_mapping_exp *exp,
			 const struct dma_buf_mapping_match *imp)
{
	const struct dma_vec_exp_ops *exp_ops = exp->ops;
	const struct dma_vec_importer *importer = imp->ops;

	if (!importer->dev->dma_mask ||
	    exp_ops->limit(dmabuf) > dma_get_mask(importer->dev))
		return -EOPNOTSUPP;
	return 0;
}

static const struct dma_buf_mapping_type dma_vec_type = {
	.name = "sample-dma-vec",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.match = dma_vec_match,
};

#define DMA_BUF_EMAPPING_DMA_VEC(_ops, ...)				\
	{								\
		.type = &dma_vec_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct dma_vec_exp_ops, _ops), \
		##__VA_ARGS__						\
	}

#define DMA_BUF_IMAPPING_DMA_VEC(_importer)				\
	((struct dma_buf_mapping_match) {				\
		.type = &dma_vec_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct dma_vec_importer,	\
					     _importer),		\
	})

static int dma_vec_map(struct dma_buf_attachment *attach,
		       struct dma_vec_map *map)
{
	const struct dma_vec_importer *importer = attach->map_imp.ops;
	const struct dma_vec_exp_ops *exp_ops;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(attach->map_type != &dma_vec_type))
		return -EINVAL;

	exp_ops = attach->map_exp->ops;
	ret = exp_ops->map(attach, importer->dev, map);
	if (!ret)
		attach->nr_maps++;
	return ret;
}

static void dma_vec_unmap(struct dma_buf_attachment *attach,
			  struct dma_vec_map *map)
{
	const struct dma_vec_importer *importer = attach->map_imp.ops;
	const struct dma_vec_exp_ops *exp_ops = attach->map_exp->ops;

	dma_resv_assert_held(attach->dmabuf->resv);

	exp_ops->unmap(attach, importer->dev, map);
	attach->nr_maps--;
}

/* The exporter */

static phys_addr_t dma_vec_exp_limit(struct dma_buf *dmabuf)
{
	struct sample_buf *buf = dmabuf->priv;
	phys_addr_t limit = 0;
	int i;

	for (i = 0; i < SAMPLE_NR_PAGES; i++)
		limit = max(limit, virt_to_phys(buf->page[i]) + PAGE_SIZE - 1);
	return limit;
}

static void dma_vec_exp_unmap(struct dma_buf_attachment *attach,
			      struct device *dev, struct dma_vec_map *map)
{
	while (map->nr--)
		dma_unmap_phys(dev, map->vec[map->nr].addr,
			       map->vec[map->nr].len, DMA_BIDIRECTIONAL, 0);
}

static int dma_vec_exp_map(struct dma_buf_attachment *attach,
			   struct device *dev, struct dma_vec_map *map)
{
	struct sample_buf *buf = attach->dmabuf->priv;
	unsigned int i, n;

	if (buf->revoked)
		return -ENODEV;

	map->nr = 0;
	for (i = 0; i < SAMPLE_NR_PAGES; i += n) {
		struct dma_vec *vec = &map->vec[map->nr];

		/* One entry for pages that happen to be neighbours. */
		for (n = 1; i + n < SAMPLE_NR_PAGES; n++)
			if (buf->page[i + n] != buf->page[i] + n * PAGE_SIZE)
				break;

		vec->len = n * PAGE_SIZE;
		vec->addr = dma_map_phys(dev, virt_to_phys(buf->page[i]),
					 vec->len, DMA_BIDIRECTIONAL, 0);
		if (dma_mapping_error(dev, vec->addr)) {
			dma_vec_exp_unmap(attach, dev, map);
			return -ENOMEM;
		}
		map->nr++;
	}
	return 0;
}

static const struct dma_vec_exp_ops dma_vec_exp_ops = {
	.limit = dma_vec_exp_limit,
	.map = dma_vec_exp_map,
	.unmap = dma_vec_exp_unmap,
};

static const struct dma_buf_mapping_exp dma_vec_mappings[] = {
	DMA_BUF_EMAPPING_DMA_VEC(&dma_vec_exp_ops,
				 .flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops dma_vec_dmabuf_ops = {
	.mappings = dma_vec_mappings,
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

static struct dma_buf *dma_vec_export(void)
{
	return sample_export(&dma_vec_dmabuf_ops, NULL, NULL);
}

/* The importer */

/* @mapped and @map are protected by the reservation lock. */
struct dma_vec_import {
	struct dma_vec_importer importer;
	struct dma_buf_attachment *attach;
	struct dma_vec_map map;
	bool mapped;
};

static void dma_vec_invalidate(struct dma_buf_attachment *attach)
{
	struct dma_vec_import *import = attach->importer_priv;

	if (!import->mapped)
		return;
	import->mapped = false;
	dma_vec_unmap(attach, &import->map);
}

static const struct dma_buf_attach_ops dma_vec_attach_ops = {
	.invalidate_mappings = dma_vec_invalidate,
};

static struct dma_buf_attachment *dma_vec_attach(struct dma_vec_import *import,
						 struct dma_buf *dmabuf)
{
	const struct dma_vec_importer *importer = &import->importer;
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_DMA_VEC(importer),
		DMA_BUF_IMAPPING_SGT(importer->dev, false),
	};

	return dma_buf_mapping_attach(dmabuf, offers, ARRAY_SIZE(offers),
				      &dma_vec_attach_ops, import);
}

static int dma_vec_copy(struct dma_vec_import *import, u64 offset, void *data,
			size_t len, bool write)
{
	unsigned int i;

	for (i = 0; i < import->map.nr && len; i++) {
		const struct dma_vec *vec = &import->map.vec[i];
		size_t n;

		if (offset >= vec->len) {
			offset -= vec->len;
			continue;
		}
		n = min(len, vec->len - offset);
		sample_dma(import->importer.dev, vec->addr + offset, data, n,
			   write);
		data += n;
		len -= n;
		offset = 0;
	}
	return len ? -EFAULT : 0;
}

/* Maps on demand and keeps the mapping until it is invalidated. */
static int dma_vec_access(void *importer, u64 offset, void *data, size_t len,
			  bool write)
{
	struct dma_vec_import *import = importer;
	struct dma_buf_attachment *attach = import->attach;
	int ret = 0;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	if (!import->mapped) {
		ret = dma_vec_map(attach, &import->map);
		import->mapped = !ret;
	}
	if (!ret)
		ret = dma_vec_copy(import, offset, data, len, write);
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* The test */

static struct dma_vec_import *dma_vec_test_import(struct kunit *test,
						  struct dma_buf *dmabuf)
{
	struct dma_vec_import *import;

	import = kunit_kzalloc(test, sizeof(*import), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, import);
	import->importer.dev = sample_device(test, "importer");
	import->attach = sample_managed_attach(test, dma_vec_attach(import,
								    dmabuf));
	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type, &dma_vec_type);
	return import;
}

static void dma_vec_test_moves(struct kunit *test)
{
	struct dma_buf *dmabuf = sample_managed(test, dma_vec_export());
	struct dma_vec_import *import = dma_vec_test_import(test, dmabuf);

	sample_expect_moves(test, dmabuf, import, dma_vec_access);

	/* Two of the pages are neighbours. */
	KUNIT_ASSERT_EQ(test, 3, import->map.nr);
	KUNIT_EXPECT_EQ(test, 2 * PAGE_SIZE, import->map.vec[0].len);
	KUNIT_EXPECT_EQ(test, PAGE_SIZE, import->map.vec[1].len);
	KUNIT_EXPECT_EQ(test, PAGE_SIZE, import->map.vec[2].len);
}

static void dma_vec_test_narrow_device(struct kunit *test)
{
	struct dma_buf *dmabuf = sample_managed(test, dma_vec_export());
	struct device *dev = sample_device(test, "importer");
	const struct dma_vec_importer importer = { .dev = dev };
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_DMA_VEC(&importer),
		DMA_BUF_IMAPPING_SGT(dev, false),
	};

	*dev->dma_mask = DMA_BIT_MASK(12);
	sample_expect_refused(test, dmabuf, offers, 1, &dma_vec_attach_ops,
			      -EOPNOTSUPP);
	sample_expect_type(test, dmabuf, offers, ARRAY_SIZE(offers),
			   &dma_vec_attach_ops, &dma_buf_mapping_sgt_type);
}

/* The exporter's first row wins over the importer's first offer. */
static void dma_vec_test_priority(struct kunit *test)
{
	struct dma_buf *dmabuf = sample_managed(test, dma_vec_export());
	struct device *dev = sample_device(test, "importer");
	const struct dma_vec_importer importer = { .dev = dev };
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(dev, false),
		DMA_BUF_IMAPPING_DMA_VEC(&importer),
	};

	sample_expect_type(test, dmabuf, offers, ARRAY_SIZE(offers),
			   &dma_vec_attach_ops, &dma_vec_type);
}

static void dma_vec_test_revoke(struct kunit *test)
{
	struct dma_buf *dmabuf = sample_managed(test, dma_vec_export());
	struct dma_vec_import *import = dma_vec_test_import(test, dmabuf);

	sample_expect_revoke(test, dmabuf, import->attach, import,
			     dma_vec_access);
}

static struct kunit_case dma_vec_cases[] = {
	KUNIT_CASE(dma_vec_test_moves),
	KUNIT_CASE(dma_vec_test_narrow_device),
	KUNIT_CASE(dma_vec_test_priority),
	KUNIT_CASE(dma_vec_test_revoke),
	{ }
};

static struct kunit_suite dma_vec_suite = {
	.name = "dma_buf_sample_dma_vec",
	.test_cases = dma_vec_cases,
};

kunit_test_suite(dma_vec_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Sample: a dma-buf mapping type of DMA addresses without pages");
MODULE_LICENSE("GPL");
