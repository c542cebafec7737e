// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping type for handles between devices, as ARM and Android systems have
 * them.
 *
 * The importer gets a number which says nothing about the memory. Only the
 * device for which it was made can redeem it, at the device that made it. Which
 * devices talk to each other at all is wired, and which of these may have a
 * handle is a decision of the exporter's device.
 */
#include <linux/bitops.h>
#include <linux/random.h>
#include <linux/xarray.h>

#include "sample-buf.h"

/*
 * A device, its links to others and those of them that are locked out, each a
 * mask of BIT(id); and the handles that it gave away.
 */
struct node {
	struct device *dev;
	unsigned int id;
	u32 links;
	u32 locked_out;
	struct xarray handles;
};

/* What a handle stands for, known to the device that made it only. */
struct node_grant {
	struct sample_buf *buf;
	unsigned int peer;
};

static int node_grant(struct node *node, struct sample_buf *buf,
		      unsigned int peer, u32 *handle)
{
	struct node_grant *grant;
	int ret;

	grant = kzalloc_obj(*grant);
	if (!grant)
		return -ENOMEM;
	grant->buf = buf;
	grant->peer = peer;

	/* Nobody shall guess the handles of others. */
	do {
		*handle = get_random_u32();
		ret = xa_insert(&node->handles, *handle, grant, GFP_KERNEL);
	} while (ret == -EBUSY);
	if (ret)
		kfree(grant);
	return ret;
}

static void node_withdraw(struct node *node, u32 handle)
{
	kfree(xa_erase(&node->handles, handle));
}

/* Device @peer redeems @handle at @node, and moves data while at it. */
static int node_redeem(struct node *node, unsigned int peer, u32 handle,
		       u64 offset, void *data, size_t len, bool write)
{
	struct node_grant *grant;
	int ret = -ESTALE;

	/* A handle is withdrawn before or after, not meanwhile. */
	xa_lock(&node->handles);
	grant = xa_load(&node->handles, handle);
	if (grant)
		ret = grant->peer == peer ?
		      sample_buf_copy(grant->buf, offset, data, len, write) :
		      -EACCES;
	xa_unlock(&node->handles);
	return ret;
}

/* The type */

/*
 * What the exporter implements. @get and @put are called with the reservation
 * lock held.
 */
struct handle_exp_ops {
	const struct node *(*node)(struct dma_buf *dmabuf);
	int (*get)(struct dma_buf_attachment *attach, unsigned int peer,
		   u32 *handle);
	void (*put)(struct dma_buf_attachment *attach, u32 handle);
};

/*
 * A device that is linked but locked out has failed some check. It gets an
 * error, so that it does not reach the memory by the next pair instead.
 */
static int handle_match(struct dma_buf *dmabuf,
			const struct dma_buf_mapping_exp *exp,
			const struct dma_buf_mapping_match *imp)
{
	const struct handle_exp_ops *exp_ops = exp->ops;
	const struct node *exporter = exp_ops->node(dmabuf);
	const struct node *importer = imp->ops;

	if (!(exporter->links & BIT(importer->id)))
		return -EOPNOTSUPP;
	return exporter->locked_out & BIT(importer->id) ? -EACCES : 0;
}

static const struct dma_buf_mapping_type handle_type = {
	.name = "sample-handle",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.match = handle_match,
};

#define DMA_BUF_EMAPPING_HANDLE(_ops, ...)				\
	{								\
		.type = &handle_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct handle_exp_ops, _ops), \
		##__VA_ARGS__						\
	}

#define DMA_BUF_IMAPPING_HANDLE(_node)					\
	((struct dma_buf_mapping_match) {				\
		.type = &handle_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct node, _node),	\
	})

static int handle_map(struct dma_buf_attachment *attach, u32 *handle)
{
	const struct node *importer = attach->map_imp.ops;
	const struct handle_exp_ops *exp_ops;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(attach->map_type != &handle_type))
		return -EINVAL;

	exp_ops = attach->map_exp->ops;
	ret = exp_ops->get(attach, importer->id, handle);
	if (!ret)
		attach->nr_maps++;
	return ret;
}

static void handle_unmap(struct dma_buf_attachment *attach, u32 handle)
{
	const struct handle_exp_ops *exp_ops = attach->map_exp->ops;

	dma_resv_assert_held(attach->dmabuf->resv);

	exp_ops->put(attach, handle);
	attach->nr_maps--;
}

/* The exporter */

static const struct node *handle_exp_node(struct dma_buf *dmabuf)
{
	struct sample_buf *buf = dmabuf->priv;

	return buf->owner;
}

static int handle_exp_get(struct dma_buf_attachment *attach, unsigned int peer,
			  u32 *handle)
{
	struct sample_buf *buf = attach->dmabuf->priv;

	return buf->revoked ? -ENODEV :
	       node_grant(buf->owner, buf, peer, handle);
}

static void handle_exp_put(struct dma_buf_attachment *attach, u32 handle)
{
	struct sample_buf *buf = attach->dmabuf->priv;

	node_withdraw(buf->owner, handle);
}

static const struct handle_exp_ops handle_exp_ops = {
	.node = handle_exp_node,
	.get = handle_exp_get,
	.put = handle_exp_put,
};

static const struct dma_buf_mapping_exp handle_mappings[] = {
	DMA_BUF_EMAPPING_HANDLE(&handle_exp_ops,
				.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops handle_dmabuf_ops = {
	.mappings = handle_mappings,
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

static struct dma_buf *handle_export(struct node *node)
{
	return sample_export(&handle_dmabuf_ops, node, NULL);
}

/* The importer */

/*
 * @peer is the device at the other end of the link. @mapped and @handle are
 * protected by the reservation lock.
 */
struct handle_import {
	const struct node *node;
	struct node *peer;
	struct dma_buf_attachment *attach;
	u32 handle;
	bool mapped;
};

static void handle_invalidate(struct dma_buf_attachment *attach)
{
	struct handle_import *import = attach->importer_priv;

	if (!import->mapped)
		return;
	import->mapped = false;
	handle_unmap(attach, import->handle);
}

static const struct dma_buf_attach_ops handle_attach_ops = {
	.invalidate_mappings = handle_invalidate,
};

static struct dma_buf_attachment *handle_attach(struct handle_import *import,
						struct dma_buf *dmabuf)
{
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_HANDLE(import->node),
		DMA_BUF_IMAPPING_SGT(import->node->dev, false),
	};

	return dma_buf_mapping_attach(dmabuf, offers, ARRAY_SIZE(offers),
				      &handle_attach_ops, import);
}

/* Maps on demand and keeps the mapping until it is invalidated. */
static int handle_access(void *importer, u64 offset, void *data, size_t len,
			 bool write)
{
	struct handle_import *import = importer;
	struct dma_buf_attachment *attach = import->attach;
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	if (attach->map_type == &dma_buf_mapping_sgt_type) {
		ret = sample_sgt_access(attach, offset, data, len, write);
		goto unlock;
	}
	if (!import->mapped) {
		ret = handle_map(attach, &import->handle);
		if (ret)
			goto unlock;
		import->mapped = true;
	}
	ret = node_redeem(import->peer, import->node->id, import->handle,
			  offset, data, len, write);
unlock:
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* The test */

#define EXPORTER	1
#define IMPORTER	2
#define STRANGER	3

static void node_destroy_action(void *data)
{
	struct node *node = data;

	WARN_ON(!xa_empty(&node->handles));
	xa_destroy(&node->handles);
}

static struct node *node_create(struct kunit *test, unsigned int id)
{
	struct node *node = kunit_kzalloc(test, sizeof(*node), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, node);
	node->dev = sample_device(test, id == EXPORTER ? "exporter" :
					id == IMPORTER ? "importer" :
							 "stranger");
	node->id = id;
	node->links = BIT(EXPORTER) | BIT(IMPORTER);
	xa_init(&node->handles);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   node_destroy_action,
							   node));
	return node;
}

static struct handle_import *handle_test_import(struct kunit *test,
						struct dma_buf *dmabuf,
						struct node *peer,
						unsigned int id)
{
	struct handle_import *import;

	import = kunit_kzalloc(test, sizeof(*import), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, import);
	import->node = node_create(test, id);
	import->peer = peer;
	import->attach = sample_managed_attach(test, handle_attach(import,
								   dmabuf));
	return import;
}

static void handle_test_moves(struct kunit *test)
{
	struct node *node = node_create(test, EXPORTER);
	struct dma_buf *dmabuf = sample_managed(test, handle_export(node));
	struct handle_import *import;

	import = handle_test_import(test, dmabuf, node, IMPORTER);
	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type, &handle_type);
	sample_expect_moves(test, dmabuf, import, handle_access);
	KUNIT_EXPECT_EQ(test, 1, import->attach->nr_maps);
}

static void handle_test_not_linked(struct kunit *test)
{
	struct node *node = node_create(test, EXPORTER);
	struct dma_buf *dmabuf = sample_managed(test, handle_export(node));
	struct handle_import *import;

	import = handle_test_import(test, dmabuf, node, STRANGER);
	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type,
			    &dma_buf_mapping_sgt_type);
	sample_expect_moves(test, dmabuf, import, handle_access);
	sample_expect_refused(test, dmabuf,
			      &DMA_BUF_IMAPPING_HANDLE(import->node), 1,
			      &handle_attach_ops, -EOPNOTSUPP);
}

/* An error of match() ends the attach, although SGT would have worked. */
static void handle_test_locked_out(struct kunit *test)
{
	struct node *node = node_create(test, EXPORTER);
	struct dma_buf *dmabuf = sample_managed(test, handle_export(node));
	const struct node *importer = node_create(test, IMPORTER);
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_HANDLE(importer),
		DMA_BUF_IMAPPING_SGT(importer->dev, false),
	};

	node->locked_out = BIT(IMPORTER);
	sample_expect_refused(test, dmabuf, offers, ARRAY_SIZE(offers),
			      &handle_attach_ops, -EACCES);
}

/* The exporter's first row wins over the importer's first offer. */
static void handle_test_priority(struct kunit *test)
{
	struct node *node = node_create(test, EXPORTER);
	struct dma_buf *dmabuf = sample_managed(test, handle_export(node));
	const struct node *importer = node_create(test, IMPORTER);
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(importer->dev, false),
		DMA_BUF_IMAPPING_HANDLE(importer),
	};

	sample_expect_type(test, dmabuf, offers, ARRAY_SIZE(offers),
			   &handle_attach_ops, &handle_type);
}

static void handle_test_revoke(struct kunit *test)
{
	struct node *node = node_create(test, EXPORTER);
	struct dma_buf *dmabuf = sample_managed(test, handle_export(node));
	struct handle_import *import;

	import = handle_test_import(test, dmabuf, node, IMPORTER);
	sample_expect_revoke(test, dmabuf, import->attach, import,
			     handle_access);
}

/* A handle works for one device, and until it is withdrawn. */
static void handle_test_redeem(struct kunit *test)
{
	struct node *node = node_create(test, EXPORTER);
	struct dma_buf *dmabuf = sample_managed(test, handle_export(node));
	struct handle_import *import;
	u32 handle;
	u8 byte;

	import = handle_test_import(test, dmabuf, node, IMPORTER);
	KUNIT_ASSERT_EQ(test, 0, handle_access(import, 0, &byte, 1, false));
	handle = import->handle;
	KUNIT_EXPECT_EQ(test, 0, node_redeem(node, IMPORTER, handle, 0, &byte,
					     1, false));
	KUNIT_EXPECT_EQ(test, -EACCES, node_redeem(node, STRANGER, handle, 0,
						   &byte, 1, false));

	sample_set_revoked(dmabuf, true);
	KUNIT_EXPECT_EQ(test, -ESTALE, node_redeem(node, IMPORTER, handle, 0,
						   &byte, 1, false));
}

static struct kunit_case handle_cases[] = {
	KUNIT_CASE(handle_test_moves),
	KUNIT_CASE(handle_test_not_linked),
	KUNIT_CASE(handle_test_locked_out),
	KUNIT_CASE(handle_test_priority),
	KUNIT_CASE(handle_test_revoke),
	KUNIT_CASE(handle_test_redeem),
	{ }
};

static struct kunit_suite handle_suite = {
	.name = "dma_buf_sample_handle",
	.test_cases = handle_cases,
};

kunit_test_suite(handle_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Sample: a dma-buf mapping type of handles between devices");
MODULE_LICENSE("GPL");
