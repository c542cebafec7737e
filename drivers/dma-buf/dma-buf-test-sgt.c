// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of the test exporter as scatterlists, and mapped by user space.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "dma-buf-test-priv.h"

/* A scatterlist keeps the memory that it was made of, even if the buffer moves. */
struct dma_buf_test_sgt {
	struct sg_table table;
	size_t nr;
	struct dma_buf_test_extent *extents[] __counted_by(nr);
};

static void dma_buf_test_sgt_free(struct dma_buf_test_sgt *sgt)
{
	size_t i;

	for (i = 0; i < sgt->nr; i++)
		dma_buf_test_extent_put(sgt->extents[i]);
	sg_free_table(&sgt->table);
	kvfree(sgt);
}

struct sg_table *dma_buf_test_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction direction)
{
	struct dma_buf_test *buf = attach->dmabuf->priv;
	struct dma_buf_test_extent *extent;
	struct dma_buf_test_sgt *sgt;
	struct scatterlist *sg;
	int ret, i;

	if (buf->revoked)
		return ERR_PTR(-ENODEV);
	if ((buf->readonly && direction != DMA_TO_DEVICE) || buf->locked)
		return ERR_PTR(-EACCES);

	sgt = kvzalloc(struct_size(sgt, extents, buf->nr), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);

	sgt->nr = buf->nr;
	ret = sg_alloc_table(&sgt->table, buf->nr, GFP_KERNEL);
	if (ret)
		goto err_free;

	for_each_sgtable_sg(&sgt->table, sg, i) {
		extent = dma_buf_test_populate(buf, i);
		if (IS_ERR(extent)) {
			ret = PTR_ERR(extent);
			goto err_free;
		}
		dma_buf_test_extent_get(extent);
		sgt->extents[i] = extent;
		sg_set_page(sg, pfn_to_page(extent->pfn), 1U << buf->shift, 0);
	}

	ret = dma_map_sgtable(attach->dev, &sgt->table, direction, 0);
	if (ret)
		goto err_free;
	return &sgt->table;

err_free:
	dma_buf_test_sgt_free(sgt);
	return ERR_PTR(ret);
}

void dma_buf_test_unmap(struct dma_buf_attachment *attach,
			struct sg_table *table,
			enum dma_data_direction direction)
{
	dma_unmap_sgtable(attach->dev, table, direction, 0);
	dma_buf_test_sgt_free(container_of(table, struct dma_buf_test_sgt, table));
}

/*
 * Access by the CPU
 */

static vm_fault_t dma_buf_test_vm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct dma_buf_test *buf = vma->vm_private_data;
	unsigned int order = buf->shift - PAGE_SHIFT;
	struct dma_buf_test_extent *extent;
	pgoff_t skip = vmf->pgoff & ((1UL << order) - 1);
	size_t i = vmf->pgoff >> order;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	if (i >= buf->nr)
		return ret;

	dma_resv_lock(buf->dmabuf->resv, NULL);
	if (buf->revoked || test_bit(i, buf->private))
		goto out_unlock;

	extent = dma_buf_test_populate(buf, i);
	if (IS_ERR(extent))
		goto out_unlock;

	/* Still under the lock, so that a move zaps it. */
	ret = vmf_insert_pfn(vma, vmf->address, extent->pfn + skip);

out_unlock:
	dma_resv_unlock(buf->dmabuf->resv);
	return ret;
}

static const struct vm_operations_struct dma_buf_test_vm_ops = {
	.fault = dma_buf_test_vm_fault,
};

int dma_buf_test_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct dma_buf_test *buf = dmabuf->priv;

	if (vma_is_cow_mapping(vma))
		return -EINVAL;

	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (buf->kind == DMA_BUF_TEST_MMIO)
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_ops = &dma_buf_test_vm_ops;
	vma->vm_private_data = buf;
	return 0;
}
