// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf exporter for the selftests, and what a device would see of a
 * dma-buf. It can revoke a buffer and give it back, which is all that the
 * selftests need; /dev/dma_buf_test can do more.
 */
#include <linux/align.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/memory_hotplug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "iommufd_private.h"
#include "selftest_dmabuf.h"

/* More than one extent unless the buffer is very small. */
#define IOMMUFD_TEST_DMABUF_ORDER	2
#define IOMMUFD_TEST_DMABUF_SHIFT	(PAGE_SHIFT + IOMMUFD_TEST_DMABUF_ORDER)

struct iommufd_test_dma_buf {
	bool revoked;		/* protected by dma_resv */
	size_t nr;
	struct page *chunks[] __counted_by(nr);
};

static void iommufd_test_dma_buf_free(struct iommufd_test_dma_buf *priv)
{
	size_t i;

	for (i = 0; i < priv->nr && priv->chunks[i]; i++)
		__free_pages(priv->chunks[i], IOMMUFD_TEST_DMABUF_ORDER);
	kfree(priv);
}

static struct iommufd_test_dma_buf *iommufd_test_dma_buf_alloc(size_t len)
{
	size_t nr = ALIGN(len, 1UL << IOMMUFD_TEST_DMABUF_SHIFT) >>
		    IOMMUFD_TEST_DMABUF_SHIFT;
	struct iommufd_test_dma_buf *priv;
	size_t i;

	priv = kzalloc(struct_size(priv, chunks, nr), GFP_KERNEL);
	if (!priv)
		return NULL;

	priv->nr = nr;
	for (i = 0; i < nr; i++) {
		priv->chunks[i] = alloc_pages(GFP_KERNEL | __GFP_ZERO,
					      IOMMUFD_TEST_DMABUF_ORDER);
		if (!priv->chunks[i]) {
			iommufd_test_dma_buf_free(priv);
			return NULL;
		}
	}
	return priv;
}

/* Only who will be told when the memory is back can wait for it. */
static int iommufd_test_dma_buf_attach(struct dma_buf *dmabuf,
				       struct dma_buf_attachment *attach)
{
	struct iommufd_test_dma_buf *priv = dmabuf->priv;
	bool revoked;

	dma_resv_lock(dmabuf->resv, NULL);
	revoked = priv->revoked;
	dma_resv_unlock(dmabuf->resv);

	return revoked && !attach->importer_ops->mappings_allowed ? -ENODEV : 0;
}

static int iommufd_test_dma_buf_fill(struct dma_buf_attachment *attach,
				     struct dma_buf_sink *sink, u64 offset,
				     u64 length, bool write)
{
	struct iommufd_test_dma_buf *priv = attach->dmabuf->priv;
	size_t i = offset >> IOMMUFD_TEST_DMABUF_SHIFT;
	int rc;

	if (priv->revoked)
		return -ENODEV;

	do {
		u64 start = (u64)i << IOMMUFD_TEST_DMABUF_SHIFT;
		u64 size = min_t(u64, 1UL << IOMMUFD_TEST_DMABUF_SHIFT,
				 attach->dmabuf->size - start);
		struct dma_buf_extent extent = {
			.offset = start,
			.nr_pages = size >> PAGE_SHIFT,
			.kind = DMA_BUF_EXTENT_RAM,
			.page = priv->chunks[i],
		};

		rc = dma_buf_sink_add(sink, &extent);
		i++;
	} while (!rc);

	return rc < 0 ? rc : 0;
}

static void iommufd_test_dma_buf_release(struct dma_buf *dmabuf)
{
	iommufd_test_dma_buf_free(dmabuf->priv);
}

static const struct dma_buf_extent_ops iommufd_test_extent_ops = {
	.fill = iommufd_test_dma_buf_fill,
};

static const struct dma_buf_mapping_exp iommufd_test_mappings[] = {
	DMA_BUF_EMAPPING_IOMMU(&iommufd_test_extent_ops,
			       .flavour = DMA_BUF_FLAVOUR_REVOCABLE),
	{ }
};

static const struct dma_buf_ops iommufd_test_dmabuf_ops = {
	.mappings = iommufd_test_mappings,
	.attach = iommufd_test_dma_buf_attach,
	.release = iommufd_test_dma_buf_release,
};

/* Returns an fd. */
int iommufd_test_dmabuf_get(unsigned int open_flags, size_t len)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct iommufd_test_dma_buf *priv;
	struct dma_buf *dmabuf;
	int rc;

	len = ALIGN(len, PAGE_SIZE);
	if (len == 0 || len > PAGE_SIZE * 512)
		return -EINVAL;

	priv = iommufd_test_dma_buf_alloc(len);
	if (!priv)
		return -ENOMEM;

	exp_info.ops = &iommufd_test_dmabuf_ops;
	exp_info.size = len;
	exp_info.flags = open_flags;
	exp_info.priv = priv;

	dmabuf = dma_buf_export(&exp_info);
	if (IS_ERR(dmabuf)) {
		iommufd_test_dma_buf_free(priv);
		return PTR_ERR(dmabuf);
	}

	rc = dma_buf_fd(dmabuf, open_flags);
	if (rc < 0)
		dma_buf_put(dmabuf);
	return rc;
}

int iommufd_test_dmabuf_revoke(int fd, bool revoked)
{
	struct iommufd_test_dma_buf *priv;
	struct dma_buf *dmabuf;
	int rc = 0;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	if (dmabuf->ops != &iommufd_test_dmabuf_ops) {
		rc = -EOPNOTSUPP;
		goto out_put;
	}

	priv = dmabuf->priv;
	dma_resv_lock(dmabuf->resv, NULL);
	priv->revoked = revoked;
	if (revoked)
		dma_buf_invalidate_mappings(dmabuf);
	else
		dma_buf_mappings_allowed(dmabuf);
	dma_resv_unlock(dmabuf->resv);

out_put:
	dma_buf_put(dmabuf);
	return rc;
}

static int iommufd_test_read_phys(phys_addr_t phys, size_t len,
				  void __user *uptr)
{
	void __iomem *io;
	void *copy;
	int rc;

	if (pfn_to_online_page(PHYS_PFN(phys)))
		return copy_to_user(uptr, phys_to_virt(phys), len) ? -EFAULT : 0;

	copy = kmalloc(len, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	io = ioremap(phys, len);
	if (!io) {
		rc = -ENOMEM;
		goto out_free;
	}
	memcpy_fromio(copy, io, len);
	iounmap(io);
	rc = copy_to_user(uptr, copy, len) ? -EFAULT : 0;

out_free:
	kfree(copy);
	return rc;
}

/*
 * What a device behind this HWPT reads from @iova. -ENOENT: it faults. Nobody
 * may change mappings meanwhile.
 */
int iommufd_test_md_read(struct iommufd_ucmd *ucmd, u32 hwpt_id,
			 unsigned long iova, size_t length, void __user *uptr)
{
	struct iommufd_object *obj;
	struct iommu_domain *domain;
	unsigned long page_size;
	phys_addr_t phys;
	int rc = 0;

	obj = iommufd_get_object(ucmd->ictx, hwpt_id, IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	domain = container_of(obj, struct iommufd_hw_pagetable, obj)->domain;
	page_size = min(1UL << __ffs(domain->pgsize_bitmap), PAGE_SIZE);
	if (!IS_ALIGNED(iova | length, page_size))
		rc = -EINVAL;

	for (; !rc && length; length -= page_size) {
		phys = iommu_iova_to_phys(domain, iova);
		if (phys)
			rc = iommufd_test_read_phys(phys, page_size, uptr);
		else
			rc = -ENOENT;
		iova += page_size;
		uptr += page_size;
	}

	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}

MODULE_IMPORT_NS("DMA_BUF_EXTENT");
