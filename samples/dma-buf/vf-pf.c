// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping type between a virtual function and its physical function.
 *
 * An SR-IOV device has its own memory, and gives each VF a partition of it. For
 * the PF a buffer in there is an offset in the memory of the device, whatever
 * the VF's BAR and IOMMU would make of it.
 *
 * Here the parent of a VF is its PF. PCI drivers use pci_physfn().
 */
#include <linux/device/faux.h>

#include "sample-buf.h"

#define PF_NR_VFS	2
#define PF_LMEM_SIZE	(PF_NR_VFS * SAMPLE_SIZE)

struct pf {
	struct device *dev;
	void *lmem;
};

struct vf {
	struct device *dev;
	struct pf *pf;
	unsigned int index;
};

/* The type */

/*
 * What the exporter implements. @map gives where the buffer starts in the
 * memory of the device, and is called with the reservation lock held.
 */
struct vf_pf_exp_ops {
	struct device *(*vf)(struct dma_buf *dmabuf);
	int (*map)(struct dma_buf_attachment *attach, u64 *lmem_offset);
};

/* What the importer brings: the PF, and how much memory its device has. */
struct vf_pf_importer {
	struct device *pf;
	u64 lmem_size;
};

static int vf_pf_match(struct dma_buf *dmabuf,
		       const struct dma_buf_mapping_exp *exp,
		       const struct dma_buf_mapping_match *imp)
{
	const struct vf_pf_exp_ops *exp_ops = exp->ops;
	const struct vf_pf_importer *importer = imp->ops;

	return exp_ops->vf(dmabuf)->parent == importer->pf ? 0 : -EOPNOTSUPP;
}

static const struct dma_buf_mapping_type vf_pf_type = {
	.name = "sample-vf-pf",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.match = vf_pf_match,
};

#define DMA_BUF_EMAPPING_VF_PF(_ops, ...)				\
	{								\
		.type = &vf_pf_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct vf_pf_exp_ops, _ops), \
		##__VA_ARGS__						\
	}

#define DMA_BUF_IMAPPING_VF_PF(_importer)				\
	((struct dma_buf_mapping_match) {				\
		.type = &vf_pf_type,					\
		.ops = DMA_BUF_MAPPING_TYPED(struct vf_pf_importer,	\
					     _importer),		\
	})

static int vf_pf_map(struct dma_buf_attachment *attach, u64 *lmem_offset)
{
	const struct vf_pf_importer *importer = attach->map_imp.ops;
	const struct vf_pf_exp_ops *exp_ops;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(attach->map_type != &vf_pf_type))
		return -EINVAL;

	exp_ops = attach->map_exp->ops;
	ret = exp_ops->map(attach, lmem_offset);
	if (ret)
		return ret;

	/* The PF can reach every partition: see that it does not leave them. */
	if (WARN_ON_ONCE(attach->dmabuf->size > importer->lmem_size ||
			 *lmem_offset > importer->lmem_size -
					attach->dmabuf->size))
		return -EINVAL;
	attach->nr_maps++;
	return 0;
}

static void vf_pf_unmap(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	attach->nr_maps--;
}

/* The exporter: a VF */

static struct device *vf_exp_vf(struct dma_buf *dmabuf)
{
	struct sample_buf *buf = dmabuf->priv;
	struct vf *vf = buf->owner;

	return vf->dev;
}

static int vf_exp_map(struct dma_buf_attachment *attach, u64 *lmem_offset)
{
	struct sample_buf *buf = attach->dmabuf->priv;
	struct vf *vf = buf->owner;

	if (buf->revoked)
		return -ENODEV;
	*lmem_offset = buf->page[0] - vf->pf->lmem;
	return 0;
}

static const struct vf_pf_exp_ops vf_exp_ops = {
	.vf = vf_exp_vf,
	.map = vf_exp_map,
};

/* A reset of the VF takes the memory back. */
static const struct dma_buf_mapping_exp vf_mappings[] = {
	DMA_BUF_EMAPPING_VF_PF(&vf_exp_ops,
			       .flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops vf_dmabuf_ops = {
	.mappings = vf_mappings,
	.map_dma_buf = sample_sgt_map,
	.unmap_dma_buf = sample_sgt_unmap,
	.release = sample_release,
};

/* One buffer that fills the partition of @vf. */
static struct dma_buf *vf_export(struct vf *vf)
{
	return sample_export(&vf_dmabuf_ops, vf,
			     vf->pf->lmem + vf->index * SAMPLE_SIZE);
}

/* The importer: the PF */

/* @mapped and @lmem_offset are protected by the reservation lock. */
struct pf_import {
	struct pf *pf;
	struct vf_pf_importer importer;
	struct dma_buf_attachment *attach;
	u64 lmem_offset;
	bool mapped;
};

static void pf_invalidate(struct dma_buf_attachment *attach)
{
	struct pf_import *import = attach->importer_priv;

	if (!import->mapped)
		return;
	import->mapped = false;
	vf_pf_unmap(attach);
}

static const struct dma_buf_attach_ops pf_attach_ops = {
	.invalidate_mappings = pf_invalidate,
};

static struct dma_buf_attachment *pf_attach(struct pf_import *import,
					    struct pf *pf,
					    struct dma_buf *dmabuf)
{
	const struct vf_pf_importer *importer = &import->importer;
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_VF_PF(importer),
		DMA_BUF_IMAPPING_SGT(pf->dev, false),
	};

	import->pf = pf;
	import->importer.pf = pf->dev;
	import->importer.lmem_size = PF_LMEM_SIZE;
	return dma_buf_mapping_attach(dmabuf, offers, ARRAY_SIZE(offers),
				      &pf_attach_ops, import);
}

/* Maps on demand and keeps the mapping until it is invalidated. */
static int pf_access(void *importer, u64 offset, void *data, size_t len,
		     bool write)
{
	struct pf_import *import = importer;
	struct dma_buf_attachment *attach = import->attach;
	int ret = 0;

	if (!sample_in_bounds(offset, len))
		return -EFAULT;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	if (attach->map_type == &dma_buf_mapping_sgt_type) {
		ret = sample_sgt_access(attach, offset, data, len, write);
		goto unlock;
	}
	if (!import->mapped) {
		ret = vf_pf_map(attach, &import->lmem_offset);
		if (ret)
			goto unlock;
		import->mapped = true;
	}

	/* The copy engine of the device takes offsets in its memory. */
	sample_copy(import->pf->lmem + import->lmem_offset + offset, data, len,
		    write);
unlock:
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* The test */

KUNIT_DEFINE_ACTION_WRAPPER(vf_destroy_action, faux_device_destroy,
			    struct faux_device *);

static void pf_lmem_action(void *lmem)
{
	free_pages_exact(lmem, PF_LMEM_SIZE);
}

static struct pf *pf_create(struct kunit *test, const char *name)
{
	struct pf *pf = kunit_kzalloc(test, sizeof(*pf), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pf);
	pf->dev = sample_device(test, name);
	pf->lmem = alloc_pages_exact(PF_LMEM_SIZE, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, pf->lmem);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, pf_lmem_action,
							   pf->lmem));
	return pf;
}

static struct vf *vf_create(struct kunit *test, struct pf *pf,
			    unsigned int index)
{
	struct vf *vf = kunit_kzalloc(test, sizeof(*vf), GFP_KERNEL);
	struct faux_device *fdev;
	char name[8];

	KUNIT_ASSERT_NOT_NULL(test, vf);
	snprintf(name, sizeof(name), "vf%u", index);
	fdev = faux_device_create(name, pf->dev, NULL);
	KUNIT_ASSERT_NOT_NULL(test, fdev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   vf_destroy_action,
							   fdev));
	vf->dev = &fdev->dev;
	vf->pf = pf;
	vf->index = index;
	return vf;
}

static struct pf_import *pf_test_import(struct kunit *test, struct pf *pf,
					struct dma_buf *dmabuf)
{
	struct pf_import *import;

	import = kunit_kzalloc(test, sizeof(*import), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, import);
	import->attach = sample_managed_attach(test, pf_attach(import, pf,
							       dmabuf));
	return import;
}

/* Each VF's buffer is in its own partition, and the other one stays clear. */
static void vf_pf_test_moves(struct kunit *test)
{
	struct pf *pf = pf_create(test, "pf");
	int i;

	for (i = PF_NR_VFS - 1; i >= 0; i--) {
		struct vf *vf = vf_create(test, pf, i);
		struct dma_buf *dmabuf = sample_managed(test, vf_export(vf));
		struct pf_import *import = pf_test_import(test, pf, dmabuf);

		KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type,
				    &vf_pf_type);
		KUNIT_EXPECT_NULL(test, memchr_inv(pf->lmem, 0, SAMPLE_SIZE));
		sample_expect_moves(test, dmabuf, import, pf_access);
		KUNIT_EXPECT_EQ(test, import->lmem_offset, i * SAMPLE_SIZE);
	}
}

static void vf_pf_test_other_pf(struct kunit *test)
{
	struct vf *vf = vf_create(test, pf_create(test, "pf-a"), 0);
	struct dma_buf *dmabuf = sample_managed(test, vf_export(vf));
	struct pf *other = pf_create(test, "pf-b");
	const struct vf_pf_importer importer = {
		.pf = other->dev,
		.lmem_size = PF_LMEM_SIZE,
	};
	struct pf_import *import;

	sample_expect_refused(test, dmabuf, &DMA_BUF_IMAPPING_VF_PF(&importer),
			      1, &pf_attach_ops, -EOPNOTSUPP);

	/* Another device gets there by DMA. */
	import = pf_test_import(test, other, dmabuf);
	KUNIT_ASSERT_PTR_EQ(test, import->attach->map_type,
			    &dma_buf_mapping_sgt_type);
	sample_expect_moves(test, dmabuf, import, pf_access);
}

/* The exporter's first row wins over the importer's first offer. */
static void vf_pf_test_priority(struct kunit *test)
{
	struct pf *pf = pf_create(test, "pf");
	struct vf *vf = vf_create(test, pf, 0);
	struct dma_buf *dmabuf = sample_managed(test, vf_export(vf));
	const struct vf_pf_importer importer = {
		.pf = pf->dev,
		.lmem_size = PF_LMEM_SIZE,
	};
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_SGT(pf->dev, false),
		DMA_BUF_IMAPPING_VF_PF(&importer),
	};

	sample_expect_type(test, dmabuf, offers, ARRAY_SIZE(offers),
			   &pf_attach_ops, &vf_pf_type);
}

static void vf_pf_test_revoke(struct kunit *test)
{
	struct pf *pf = pf_create(test, "pf");
	struct vf *vf = vf_create(test, pf, 1);
	struct dma_buf *dmabuf = sample_managed(test, vf_export(vf));
	struct pf_import *import = pf_test_import(test, pf, dmabuf);

	sample_expect_revoke(test, dmabuf, import->attach, import, pf_access);
}

static struct kunit_case vf_pf_cases[] = {
	KUNIT_CASE(vf_pf_test_moves),
	KUNIT_CASE(vf_pf_test_other_pf),
	KUNIT_CASE(vf_pf_test_priority),
	KUNIT_CASE(vf_pf_test_revoke),
	{ }
};

static struct kunit_suite vf_pf_suite = {
	.name = "dma_buf_sample_vf_pf",
	.test_cases = vf_pf_cases,
};

kunit_test_suite(vf_pf_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Sample: a dma-buf mapping type from a VF to its PF");
MODULE_LICENSE("GPL");
