// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf importer for tests of exporters: a device with an IOMMU of its own,
 * both made of software, that user space has access memory.
 *
 * It maps and lets go of ranges like iommufd does, with the I/O virtual address
 * being the offset into the buffer. An access goes through the page table, and
 * where there is no entry it fails, as a device's would. An unmap waits for the
 * accesses under way, as the flush of an IOTLB does.
 */
#define pr_fmt(fmt) "dma_buf_test: " fmt

#include <linux/anon_inodes.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "dma-buf-test.h"

/**
 * struct dma_buf_test_importer - the device
 * @attach: what it is attached by
 * @domain: its address space
 * @pages: of @domain, by page of the I/O virtual address: pfn, and whether it
 *	can be written. The lock of the array is held during each access.
 */
struct dma_buf_test_importer {
	struct dma_buf_attachment *attach;
	struct iommu_domain domain;
	struct xarray pages;
};

/*
 * The IOMMU
 */

#define DMA_BUF_TEST_PTE_WRITE	1

static unsigned long dma_buf_test_pte(phys_addr_t phys, int prot)
{
	return PHYS_PFN(phys) << 1 |
	       (prot & IOMMU_WRITE ? DMA_BUF_TEST_PTE_WRITE : 0);
}

static int dma_buf_test_map_pages(struct iommu_domain *domain,
				  unsigned long iova, phys_addr_t phys,
				  size_t pgsize, size_t pgcount, int prot,
				  gfp_t gfp, size_t *mapped)
{
	struct dma_buf_test_importer *importer =
		container_of(domain, struct dma_buf_test_importer, domain);
	void *entry;
	size_t i;
	int ret;

	for (i = 0; i < pgcount; i++) {
		entry = xa_mk_value(dma_buf_test_pte(phys, prot));
		ret = xa_insert(&importer->pages, PHYS_PFN(iova), entry, gfp);
		if (ret)
			return ret == -EBUSY ? -EADDRINUSE : ret;
		iova += pgsize;
		phys += pgsize;
		*mapped += pgsize;
	}
	return 0;
}

static size_t dma_buf_test_unmap_pages(struct iommu_domain *domain,
				       unsigned long iova, size_t pgsize,
				       size_t pgcount,
				       struct iommu_iotlb_gather *gather)
{
	struct dma_buf_test_importer *importer =
		container_of(domain, struct dma_buf_test_importer, domain);
	size_t i;

	for (i = 0; i < pgcount; i++)
		if (!xa_erase(&importer->pages, PHYS_PFN(iova) + i))
			break;
	return i * pgsize;
}

static const struct iommu_domain_ops dma_buf_test_domain_ops = {
	.map_pages = dma_buf_test_map_pages,
	.unmap_pages = dma_buf_test_unmap_pages,
};

/*
 * The importer
 */

static void dma_buf_test_drop(struct dma_buf_test_importer *importer,
			      u64 offset, u64 length)
{
	unsigned long index, last = PHYS_PFN(offset + length - 1);
	void *entry;

	xa_for_each_range(&importer->pages, index, entry, PHYS_PFN(offset), last)
		dma_buf_unmap_attachment_iommu(importer->attach,
					       &importer->domain,
					       PFN_PHYS(index), PAGE_SIZE);
}

static void dma_buf_test_import_invalidate(struct dma_buf_attachment *attach)
{
	dma_buf_test_drop(attach->importer_priv, 0, attach->dmabuf->size);
}

static void
dma_buf_test_import_invalidate_range(struct dma_buf_attachment *attach,
				     u64 offset, u64 length)
{
	dma_buf_test_drop(attach->importer_priv, offset, length);
}

static const struct dma_buf_attach_ops dma_buf_test_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = dma_buf_test_import_invalidate,
	.invalidate_range = dma_buf_test_import_invalidate_range,
};

static bool dma_buf_test_range_ok(const struct dma_buf_attachment *attach,
				  const struct dma_buf_test_map *map)
{
	u64 end;

	return map->length && PAGE_ALIGNED(map->offset | map->length) &&
	       !check_add_overflow(map->offset, map->length, &end) &&
	       end <= attach->dmabuf->size;
}

static int dma_buf_test_import_map(struct dma_buf_test_importer *importer,
				   void __user *arg)
{
	struct dma_buf_attachment *attach = importer->attach;
	struct dma_resv *resv = attach->dmabuf->resv;
	struct dma_buf_test_map map;
	int prot = IOMMU_READ | IOMMU_CACHE;
	int ret;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (attach->map_type != &dma_buf_mapping_iommu_type ||
	    (map.flags & ~(DMA_BUF_TEST_MAP_WRITE |
			   DMA_BUF_TEST_MAP_UNPREPARED)) ||
	    map.__reserved || !dma_buf_test_range_ok(attach, &map))
		return -EINVAL;

	if (map.flags & DMA_BUF_TEST_MAP_WRITE)
		prot |= IOMMU_WRITE;

	if (!(map.flags & DMA_BUF_TEST_MAP_UNPREPARED)) {
		ret = dma_buf_prepare_attachment(attach, map.offset, map.length);
		if (ret)
			return ret;
	}

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	ret = dma_buf_map_attachment_iommu(attach, &importer->domain, map.offset,
					   map.offset, map.length, prot, 0);
	dma_resv_unlock(resv);
	return ret;
}

static int dma_buf_test_import_unmap(struct dma_buf_test_importer *importer,
				     void __user *arg)
{
	struct dma_buf_attachment *attach = importer->attach;
	struct dma_buf_test_map map;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (map.flags || map.__reserved || !dma_buf_test_range_ok(attach, &map))
		return -EINVAL;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	dma_buf_test_drop(importer, map.offset, map.length);
	dma_resv_unlock(attach->dmabuf->resv);
	return 0;
}

static int dma_buf_test_access_pte(unsigned long pte,
				   struct dma_buf_test_access *access)
{
	struct page *page = pfn_to_online_page(pte >> 1);
	u64 *word;

	if (access->write && !(pte & DMA_BUF_TEST_PTE_WRITE))
		return -EACCES;
	if (!page)
		return -EOPNOTSUPP;

	word = page_address(page) + offset_in_page(access->offset);
	if (access->write)
		WRITE_ONCE(*word, access->value);
	else
		access->value = READ_ONCE(*word);
	return 0;
}

/* Nobody but the page table says what is there, as it is with a device. */
static int dma_buf_test_import_access(struct dma_buf_test_importer *importer,
				      void __user *arg)
{
	struct dma_buf_test_access access;
	int ret = -ENXIO;
	void *entry;

	if (copy_from_user(&access, arg, sizeof(access)))
		return -EFAULT;
	if (access.__reserved || access.write > 1 ||
	    !IS_ALIGNED(access.offset, sizeof(access.value)))
		return -EINVAL;

	xa_lock(&importer->pages);
	entry = xa_load(&importer->pages, PHYS_PFN(access.offset));
	if (entry)
		ret = dma_buf_test_access_pte(xa_to_value(entry), &access);
	xa_unlock(&importer->pages);

	if (ret)
		return ret;
	return copy_to_user(arg, &access, sizeof(access)) ? -EFAULT : 0;
}

static long dma_buf_test_import_ioctl(struct file *file, unsigned int cmd,
				      unsigned long arg)
{
	struct dma_buf_test_importer *importer = file->private_data;

	switch (cmd) {
	case DMA_BUF_TEST_MAP:
		return dma_buf_test_import_map(importer, (void __user *)arg);
	case DMA_BUF_TEST_UNMAP:
		return dma_buf_test_import_unmap(importer, (void __user *)arg);
	case DMA_BUF_TEST_ACCESS:
		return dma_buf_test_import_access(importer, (void __user *)arg);
	}
	return -ENOTTY;
}

static void dma_buf_test_importer_free(struct dma_buf_test_importer *importer)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_test_drop(importer, 0, dmabuf->size);
	dma_resv_unlock(dmabuf->resv);

	dma_buf_detach(dmabuf, importer->attach);
	dma_buf_put(dmabuf);
	xa_destroy(&importer->pages);
	kfree(importer);
}

static int dma_buf_test_import_release(struct inode *inode, struct file *file)
{
	dma_buf_test_importer_free(file->private_data);
	return 0;
}

static const struct file_operations dma_buf_test_import_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dma_buf_test_import_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = dma_buf_test_import_release,
};

/* The importer takes over the reference to @dmabuf if there is no error. */
static struct dma_buf_test_importer *
dma_buf_test_import_attach(struct device *dev, struct dma_buf *dmabuf, u32 type)
{
	const struct dma_buf_mapping_match sgt = DMA_BUF_IMAPPING_SGT(dev, true);
	const struct dma_buf_mapping_match iommu = DMA_BUF_IMAPPING_IOMMU();
	struct dma_buf_test_importer *importer;
	struct dma_buf_attachment *attach;

	importer = kzalloc_obj(*importer);
	if (!importer)
		return ERR_PTR(-ENOMEM);

	xa_init(&importer->pages);
	importer->domain.type = IOMMU_DOMAIN_UNMANAGED;
	importer->domain.ops = &dma_buf_test_domain_ops;
	importer->domain.pgsize_bitmap = PAGE_SIZE;

	attach = dma_buf_mapping_attach(dmabuf,
					type == DMA_BUF_TEST_SGT ? &sgt : &iommu,
					1, &dma_buf_test_attach_ops, importer);
	if (IS_ERR(attach)) {
		kfree(importer);
		return ERR_CAST(attach);
	}
	importer->attach = attach;
	return importer;
}

/**
 * dma_buf_test_import - attach a device of software to a buffer
 * @dev: what the attachment is for
 * @arg: of DMA_BUF_TEST_IMPORT
 *
 * Return: an fd or an error, see &struct dma_buf_test_import.
 */
int dma_buf_test_import(struct device *dev, void __user *arg)
{
	struct dma_buf_test_importer *importer;
	struct dma_buf_test_import import;
	struct dma_buf *dmabuf;
	int fd;

	if (copy_from_user(&import, arg, sizeof(import)))
		return -EFAULT;
	if (import.type != DMA_BUF_TEST_SGT && import.type != DMA_BUF_TEST_IOMMU)
		return -EINVAL;

	dmabuf = dma_buf_get(import.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	importer = dma_buf_test_import_attach(dev, dmabuf, import.type);
	if (IS_ERR(importer)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(importer);
	}

	fd = anon_inode_getfd("dma_buf_test_import", &dma_buf_test_import_fops,
			      importer, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		dma_buf_test_importer_free(importer);
	return fd;
}
