// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping type for addresses of a memory fabric, such as UALink.
 *
 * Devices on a fabric load from and store to each other's memory by addresses
 * that are those of the fabric: not physical, not DMA, and the same from every
 * device. What is there has to be opened first, and whoever uses an address that
 * was closed gets a fault instead of somebody else's memory.
 */
#include <linux/uuid.h>
#include <linux/xarray.h>

#include "sample-buf.h"

/*
 * The fabric: what is open, by page, and the next address to give out. Addresses
 * are not used again, so that stale ones are seen.
 */
struct fabric {
	uuid_t id;
	struct xarray pages;
	unsigned long next;
};

static void fabric_close(struct fabric *fabric, u64 addr)
{
	unsigned long i;

	for (i = 0; i < SAMPLE_NR_PAGES; i++)
		xa_erase(&fabric->pages, (addr >> PAGE_SHIFT) + i);
}

static int fabric_open(struct fabric *fabric, struct sample_buf *buf, u64 *addr)
{
	unsigned long i, first;
	int ret;

	xa_lock(&fabric->pages);
	first = fabric->next;
	fabric->next += SAMPLE_NR_PAGES;
	xa_unlock(&fabric->pages);

	*addr = (u64)first << PAGE_SHIFT;
	for (i = 0; i < SAMPLE_NR_PAGES; i++) {
		ret = xa_err(xa_store(&fabric->pages, first + i, buf->page[i],
				      GFP_KERNEL));
		if (ret) {
			fabric_close(fabric, *addr);
			return ret;
		}
	}
	return 0;
}

/* A load or store of a device on the fabric. */
static int fabric_copy(struct fabric *fabric, u64 addr, void *data, size_t len,
		       bool write)
{
	while (len) {
		size_t n = min(len, PAGE_SIZE - offset_in_page(addr));
		void *at;

		/* To close the page waits for the access. */
		xa_lock(&fabric->pages);
		at = xa_load(&fabric->pages, addr >> PAGE_SHIFT);
		if (at)
			sample_copy(at + offset_in_page(addr), data, n, write);
		xa_unlock(&fabric->pages);
		if (!at)
			return -EFAULT;

		data += n;
		addr += n;
		len -= n;
	}
	return 0;
}

/* The type */

/*
 * What the exporter implements. @open and @close are called with the reservation
 * lock held.
 */
struct fabric_exp_ops {
	const uuid_t *(*id)(struct dma_buf *dmabuf);
	int (*open)(struct dma_buf_attachment *attach, u64 *addr);
	void (*close)(struct dma_buf_attachment *attach, u64 addr);
};

/* What the importer brings: the fabric that it is on. */
struct fabric_importer {
	uuid_t id;
};

/* Drivers do not share objects of the fabric, only its name. */
static int fabric_match(struct dma_buf *dmabuf,
			const struct dma_buf_mapping_exp *exp,
			const struct dma_buf_mapping_match *imp)
{
	const struct fabric_exp_ops *exp_ops = exp->ops;
	const struct fabric_importer *importer = imp->ops;

	return uuid_equal(exp_ops->id(dmabuf), &importer->id) ? 0 : -EOPNOTSUPP;
}

static const struct dma_buf_mapping_type fabric_type = {
	.name = "sample-fabric",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.match = fabric_match,
};

#define DMA_BUF_EMAPPING_FABRIC(_ops, ...)				\
	{								\
		.type = &fabric_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct fabric_exp_ops, _ops), \
		##__VA_ARGS__						\
	}

#define DMA_BUF_IMAPPING_FABRIC(_importer)				\
	((struct dma_buf_mapping_match) {				\
		.type = &fabric_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct fabric_importer,	\
					     _importer),		\
	})

static int fabric_map(struct dma_buf_attachment *attach, u64 *addr)
{
	const struct fabric_exp_ops *exp_ops;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(attach->map_type != &fabric_type))
		return -EINVAL;

	exp_ops = attach->map_exp->ops;
	ret = exp_ops->open(attach, addr);
	if (!ret)
		attach->nr_maps++;
	return ret;
}

static void fabric_unmap(struct dma_buf_attachment *attach, u64 addr)
{
	const struct fabric_exp_ops *exp_ops = attach->map_exp->ops;

	dma_resv_assert_held(attach->dmabuf->resv);

	exp_ops->close(attach, addr);
	attach->nr_maps--;
}

/* The exporter */

static const uuid_t *fabric_exp_id(struct dma_buf *dmabuf)
{
	struct sample_buf *buf = dmabuf->priv;
	struct fabric *fabric = buf->owner;

	return &fabric->id;
}

static int fabric_exp_open(struct dma_buf_attachment *attach, u64 *addr)
{
	struct sample_buf *buf = attach->dmabuf->priv;

	return buf->revoked ? -ENODEV : fabric_open(buf->owner, buf, addr);
}

static void fabric_exp_close(struct dma_buf_attachment *attach, u64 addr)
{
	struct sample_buf *buf = attach->dmabuf->priv;

	fabric_close(buf->owner, addr);
}

static const struct fabric_exp_ops fabric_exp_ops = {
	.id = fabric_exp_id,
	.open = fabric_exp_open,
	.close = fabric_exp_close,
};

static const struct dma_buf_mapping_exp fabric_mappings[] = {
	DMA_BUF_EMAPPING_FABRIC(&fabric_exp_ops,
				.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops fabric_dmabuf_ops = {
	.mappings = fabric_mappings,
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

static struct dma_buf *fabric_export(struct fabric *fabric)
{
	return sample_export(&fabric_dmabuf_ops, fabric, NULL);
}

/* The importer */

/* @mapped and @addr are protected by the reservation lock. */
struct fabric_import {
	struct device *dev;
	struct fabric *fabric;
	struct fabric_importer importer;
	struct dma_buf_attachment *attach;
	u64 addr;
	bool mapped;
};

static void fabric_invalidate(struct dma_buf_attachment *attach)
{
	struct fabric_import *import = attach->importer_priv;

	if (!import->mapped)
		return;
	import->mapped = false;
	fabric_unmap(attach, import->addr);
}

static const struct dma_buf_attach_ops fabric_attach_ops = {
	.invalidate_mappings = fabric_invalidate,
};

static struct dma_buf_attachment *fabric_attach(struct fabric_import *import,
						struct dma_buf *dmabuf)
{
	const struct fabric_importer *importer = &import->importer;
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_FABRIC(importer),
		DMA_BUF_IMAPPING_SGT(import->dev, false),
	};

	import->importer.id = import->fabric->id;
	return dma_buf_mapping_attach(dmabuf, offers, ARRAY_SIZE(offers),
				      &fabric_attach_ops, import);
}

/* Maps on demand and keeps the mapping until it is invalidated. */
static int fabric_access(void *importer, u64 offset, void *data, size_t len,
			 bool write)
{
	struct fabric_import *import = importer;
	struct dma_buf_attachment *attach = import->attach;
	int ret;

	if (!sample_in_bounds(offset, len))
		return -EFAULT;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	if (attach->map_type == &dma_buf_mapping_sgt_type) {
		ret = sample_sgt_access(attach, offset, data, len, write);
		goto unlock;
	}
	if (!import->mapped) {
		ret = fabric_map(attach, &import->addr);
		if (ret)
			goto unlock;
		import->mapped = true;
	}
	ret = fabric_copy(import->fabric, import->addr + offset, data, len,
			  write);
unlock:
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* The test */

static void fabric_destroy_action(void *data)
{
	struct fabric *fabric = data;

	WARN_ON(!xa_empty(&fabric->pages));
	xa_destroy(&fabric->pages);
}

static struct fabric *fabric_create(struct kunit *test)
{
	struct fabric *fabric;

	fabric = kunit_kzalloc(test, sizeof(*fabric), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fabric);
	uuid_gen(&fabric->id);
	xa_init(&fabric->pages);
	fabric->next = 0x1000;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   fabric_destroy_action,
							   fabric));
	return fabric;
}

static struct fabric_import *fabric_test_import(struct kunit *test,
						struct fabric *fabric,
						struct dma_buf *dmabuf)
{
	struct fabric_import *import;

	import = kunit_kzalloc(test, sizeof(*import), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, import);
	import->dev = sample_device(test, "importer");
	import->fabric = fabric;
	import->attach = sample_managed_attach(test, fabric_attach(import,
								   dmabuf));
	return import;
}

static void fabric_test_moves(struct kunit *test)
{
	struct fabric *fabric = fabric_create(test);
	struct dma_buf *dmabuf = sample_managed(test, fabric_export(fabric));
	struct fabric_import *import = fabric_test_import(test, fabric, dmabuf);

	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type, &fabric_type);
	sample_expect_moves(test, dmabuf, import, fabric_access);
	KUNIT_EXPECT_EQ(test, 1, import->attach->nr_maps);
}

static void fabric_test_other_fabric(struct kunit *test)
{
	struct fabric *fabric = fabric_create(test);
	struct fabric *other = fabric_create(test);
	struct dma_buf *dmabuf = sample_managed(test, fabric_export(fabric));
	const struct fabric_importer importer = { .id = other->id };
	struct fabric_import *import;

	sample_expect_refused(test, dmabuf, &DMA_BUF_IMAPPING_FABRIC(&importer),
			      1, &fabric_attach_ops, -EOPNOTSUPP);

	import = fabric_test_import(test, other, dmabuf);
	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type,
			    &dma_buf_mapping_sgt_type);
	sample_expect_moves(test, dmabuf, import, fabric_access);
}

/* The exporter's first row wins over the importer's first offer. */
static void fabric_test_priority(struct kunit *test)
{
	struct fabric *fabric = fabric_create(test);
	struct dma_buf *dmabuf = sample_managed(test, fabric_export(fabric));
	struct device *dev = sample_device(test, "importer");
	const struct fabric_importer importer = { .id = fabric->id };
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(dev, false),
		DMA_BUF_IMAPPING_FABRIC(&importer),
	};

	sample_expect_type(test, dmabuf, offers, ARRAY_SIZE(offers),
			   &fabric_attach_ops, &fabric_type);
}

static void fabric_test_revoke(struct kunit *test)
{
	struct fabric *fabric = fabric_create(test);
	struct dma_buf *dmabuf = sample_managed(test, fabric_export(fabric));
	struct fabric_import *import = fabric_test_import(test, fabric, dmabuf);

	sample_expect_revoke(test, dmabuf, import->attach, import,
			     fabric_access);
}

/* Who kept an address over a revoke gets a fault. */
static void fabric_test_stale_address(struct kunit *test)
{
	struct fabric *fabric = fabric_create(test);
	struct dma_buf *dmabuf = sample_managed(test, fabric_export(fabric));
	struct fabric_import *import = fabric_test_import(test, fabric, dmabuf);
	u64 stale;
	u8 byte;

	KUNIT_ASSERT_EQ(test, 0, fabric_access(import, 0, &byte, 1, false));
	stale = import->addr;
	KUNIT_ASSERT_EQ(test, 0, fabric_copy(fabric, stale, &byte, 1, false));

	sample_set_revoked(dmabuf, true);
	KUNIT_EXPECT_EQ(test, -EFAULT, fabric_copy(fabric, stale, &byte, 1,
						   false));
	sample_set_revoked(dmabuf, false);
	KUNIT_EXPECT_EQ(test, 0, fabric_access(import, 0, &byte, 1, false));
	KUNIT_EXPECT_EQ(test, -EFAULT, fabric_copy(fabric, stale, &byte, 1,
						   false));
}

static struct kunit_case fabric_cases[] = {
	KUNIT_CASE(fabric_test_moves),
	KUNIT_CASE(fabric_test_other_fabric),
	KUNIT_CASE(fabric_test_priority),
	KUNIT_CASE(fabric_test_revoke),
	KUNIT_CASE(fabric_test_stale_address),
	{ }
};

static struct kunit_suite fabric_suite = {
	.name = "dma_buf_sample_fabric",
	.test_cases = fabric_cases,
};

kunit_test_suite(fabric_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Sample: a dma-buf mapping type of fabric addresses");
MODULE_LICENSE("GPL");
