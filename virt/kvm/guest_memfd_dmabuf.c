// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd as an exporter of dma-bufs.
 *
 * A dma-buf is a slice of an inode. It holds the inode, hence the memory, but
 * neither the file nor the VM. All dma-bufs of an inode share the reservation
 * lock of that inode.
 *
 * Which pages devices may have, and how they lose them: guest_memfd_state.c,
 * which also has the lock order. Fill looks pages up and leaves it to prepare
 * to allocate and clear them.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-extent.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/kvm_dmabuf.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "guest_memfd_dmabuf.h"

/*
 * Exporter operations of extents
 */

/* With the folio in @busy: its lock is taken, wait for it and try again. */
static int kvm_gmem_prepare_page(struct inode *inode, pgoff_t index,
				 struct folio **busy)
{
	struct folio *folio;
	int r = 0;

	folio = filemap_get_folio(inode->i_mapping, index);
	if (IS_ERR(folio)) {
		folio = kvm_gmem_get_folio(inode, index);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
	} else if (folio_test_uptodate(folio)) {
		goto out_put;
	} else if (!folio_trylock(folio)) {
		*busy = folio;
		return 0;
	}

	if (folio_test_hwpoison(folio)) {
		r = -EHWPOISON;
	} else if (!folio_test_uptodate(folio)) {
		clear_highpage(folio_file_page(folio, index));
		folio_mark_uptodate(folio);
	}
	folio_unlock(folio);

out_put:
	folio_put(folio);
	return r;
}

/*
 * Allocate and clear, as a fault would. The invalidate_lock keeps pages from
 * being populated by the architecture meanwhile. It is dropped to wait for a
 * folio, since memory failure takes these two the other way round.
 */
static int kvm_gmem_prepare(struct dma_buf_attachment *attach, u64 offset,
			    u64 length)
{
	struct kvm_gmem_dmabuf *gd = attach->dmabuf->priv;
	struct inode *inode = gd->inode;
	pgoff_t index = gd->start + (offset >> PAGE_SHIFT);
	pgoff_t end = gd->start + DIV_ROUND_UP_ULL(offset + length, PAGE_SIZE);
	struct folio *busy = NULL;
	int r = 0;

	filemap_invalidate_lock_shared(inode->i_mapping);
	while (!r && index < end) {
		if (signal_pending(current)) {
			r = -EINTR;
			break;
		}

		r = kvm_gmem_check_shared(inode, index);
		if (!r)
			r = kvm_gmem_prepare_page(inode, index, &busy);
		if (busy) {
			filemap_invalidate_unlock_shared(inode->i_mapping);
			folio_wait_locked(busy);
			folio_put(busy);
			busy = NULL;
			filemap_invalidate_lock_shared(inode->i_mapping);
			continue;
		}
		index++;
		cond_resched();
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);

	return r;
}

static int kvm_gmem_fill_page(struct kvm_gmem_dmabuf *gd,
			      struct dma_buf_sink *sink, pgoff_t index)
{
	struct dma_buf_extent extent = {
		.offset = (u64)(index - gd->start) << PAGE_SHIFT,
		.nr_pages = 1,
		.kind = DMA_BUF_EXTENT_RAM,
	};
	struct folio *folio;
	int r;

	r = kvm_gmem_check_shared(gd->inode, index);
	if (r)
		return r;

	folio = filemap_get_folio(gd->inode->i_mapping, index);
	if (IS_ERR(folio))
		return -EAGAIN;

	/*
	 * No reference is needed beyond this call: what frees a page of the
	 * inode takes it away from importers first. Soft offlining asks nobody,
	 * but drops only what is clean and has no other reference.
	 */
	folio_mark_dirty(folio);
	extent.page = folio_file_page(folio, index);
	r = folio_test_uptodate(folio) ? dma_buf_sink_add(sink, &extent) : -EAGAIN;
	folio_put(folio);
	return r;
}

static int kvm_gmem_fill(struct dma_buf_attachment *attach,
			 struct dma_buf_sink *sink, u64 offset, u64 length,
			 bool write)
{
	struct kvm_gmem_dmabuf *gd = attach->dmabuf->priv;
	pgoff_t index = gd->start + (offset >> PAGE_SHIFT);
	pgoff_t end = gd->start + DIV_ROUND_UP_ULL(offset + length, PAGE_SIZE);
	int r = 0;

	if (kvm_gmem_in_flux(gd->inode, index, end))
		return -EAGAIN;

	/* An importer may ask for all of it, and others wait for the lock. */
	while (!r && index < end)
		r = fatal_signal_pending(current) ? -EINTR :
			kvm_gmem_fill_page(gd, sink, index++);
	return min(r, 0);
}

static const struct dma_buf_extent_ops kvm_gmem_extent_ops = {
	.prepare = kvm_gmem_prepare,
	.fill = kvm_gmem_fill,
};

/*
 * Without GUEST_MEMFD_FLAG_MMAP what the guest sees of a shared page is
 * elsewhere, behind userspace_addr, and the page of the inode still has what was
 * private.
 */
static bool kvm_gmem_offers_iommu(struct dma_buf *dmabuf)
{
	struct kvm_gmem_dmabuf *gd = dmabuf->priv;

	return GMEM_I(gd->inode)->flags & (GUEST_MEMFD_FLAG_MMAP |
					   GUEST_MEMFD_FLAG_INIT_SHARED);
}

/*
 * The native type
 */

/* The file through which @kvm sees the inode: -EACCES, it is another VM's. */
static struct file *kvm_gmem_get_owner_file(struct inode *inode,
					    const struct kvm *kvm)
{
	struct file *file = ERR_PTR(-ENODEV);
	struct gmem_file *f;

	filemap_invalidate_lock_shared(inode->i_mapping);
	kvm_gmem_for_each_file(f, inode) {
		if (f->kvm != kvm) {
			file = ERR_PTR(-EACCES);
			continue;
		}
		/* It is on the list until its release is over. */
		file = get_file_active(&f->file) ?: ERR_PTR(-ENODEV);
		break;
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return file;
}

static int kvm_gmem_native_match(struct dma_buf *dmabuf,
				 const struct dma_buf_mapping_exp *exp,
				 const struct dma_buf_mapping_match *imp)
{
	struct kvm_gmem_dmabuf *gd = dmabuf->priv;
	struct file *file = kvm_gmem_get_owner_file(gd->inode, imp->ops);

	if (IS_ERR(file))
		return PTR_ERR(file);
	fput(file);
	return 0;
}

/*
 * A memslot of the VM that owns the guest_memfd. It is bound to the guest_memfd
 * as if by its own fd, with private faults and all that the architecture hooks
 * into them; the attachment is there to agree on that, and ends at once.
 */
const struct dma_buf_mapping_type kvm_gmem_native_type = {
	.name = "kvm_gmem_native",
	.owner = THIS_MODULE,
	.match = kvm_gmem_native_match,
};

static const struct dma_buf_mapping_exp kvm_gmem_mappings[] = {
	{ .type = &kvm_gmem_native_type },
	DMA_BUF_EMAPPING_IOMMU(&kvm_gmem_extent_ops,
			       .offered = kvm_gmem_offers_iommu,
			       .flavour = DMA_BUF_FLAVOUR_REVOCABLE,
			       .inval_granule = PAGE_SIZE),
	{ }
};

/*
 * Make a new memslot one of the guest_memfd behind @dmabuf, an attachment to
 * which was agreed to be of the native type. @offset is that into the dma-buf,
 * and the slice is inside of it. On success the caller got a reference to
 * slot->gmem.file, as from kvm_gmem_prepare_memory_region().
 */
int kvm_gmem_bind_native(struct kvm *kvm, struct kvm_memory_slot *slot,
			 struct dma_buf *dmabuf, u64 offset)
{
	struct kvm_gmem_dmabuf *gd = dmabuf->priv;
	struct file *file;

	/* As with KVM_MEM_GUEST_MEMFD. */
	if (slot->flags & KVM_MEM_READONLY)
		return -EOPNOTSUPP;

	file = kvm_gmem_get_owner_file(gd->inode, kvm);
	if (IS_ERR(file))
		return PTR_ERR(file);

	slot->flags &= ~KVM_MEM_DMABUF;
	slot->flags |= KVM_MEM_GUEST_MEMFD;
	if (!slot->userspace_addr)
		slot->flags |= KVM_MEMSLOT_NO_HVA;
	return kvm_gmem_prepare_slot(kvm, slot, file,
				     ((u64)gd->start << PAGE_SHIFT) + offset);
}

/*
 * Life and death
 */

/* Mapping would fail for ever; so say it now. */
static int kvm_gmem_attach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	struct kvm_gmem_dmabuf *gd = dmabuf->priv;
	bool gone;

	filemap_invalidate_lock_shared(gd->inode->i_mapping);
	gone = !kvm_gmem_init_shared(gd->inode) &&
	       list_empty(&GMEM_I(gd->inode)->gmem_file_list);
	filemap_invalidate_unlock_shared(gd->inode->i_mapping);

	return gone ? -ENODEV : 0;
}

static void kvm_gmem_dmabuf_release(struct dma_buf *dmabuf)
{
	struct kvm_gmem_dmabuf *gd = dmabuf->priv;
	struct kvm_gmem_exports *exports = kvm_gmem_exports(gd->inode);

	dma_resv_lock(&exports->resv, NULL);
	list_del(&gd->entry);
	dma_resv_unlock(&exports->resv);

	iput(gd->inode);
	kfree(gd);
}

static const struct dma_buf_ops kvm_gmem_dmabuf_ops = {
	.mappings = kvm_gmem_mappings,
	.attach = kvm_gmem_attach,
	.release = kvm_gmem_dmabuf_release,
};

static struct dma_buf *kvm_gmem_export(struct file *file,
				       const struct kvm_gmem_export_dmabuf *args)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct inode *inode = file_inode(file);
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);
	struct kvm_gmem_dmabuf *gd;
	struct dma_buf *dmabuf;

	gd = kzalloc_obj(*gd, GFP_KERNEL_ACCOUNT);
	if (!gd)
		return ERR_PTR(-ENOMEM);

	gd->inode = inode;
	gd->start = args->offset >> PAGE_SHIFT;
	gd->end = gd->start + (args->size >> PAGE_SHIFT);
	gd->flags = args->flags;
	INIT_LIST_HEAD(&gd->entry);
	ihold(inode);

	exp_info.exp_name = "guest_memfd";
	/* Inodes go with the file system, which goes with this module. */
	exp_info.owner = file->f_op->owner;
	exp_info.ops = &kvm_gmem_dmabuf_ops;
	exp_info.size = args->size;
	exp_info.flags = args->fd_flags & O_ACCMODE;
	exp_info.resv = &exports->resv;
	exp_info.priv = gd;
	dmabuf = dma_buf_export(&exp_info);
	if (IS_ERR(dmabuf)) {
		iput(inode);
		kfree(gd);
		return dmabuf;
	}
	gd->dmabuf = dmabuf;

	filemap_invalidate_lock(inode->i_mapping);
	dma_resv_lock(&exports->resv, NULL);
	list_add(&gd->entry, &exports->list);
	dma_resv_unlock(&exports->resv);
	filemap_invalidate_unlock(inode->i_mapping);

	return dmabuf;
}

static int kvm_gmem_export_check(struct inode *inode,
				 const struct kvm_gmem_export_dmabuf *args)
{
	u64 end;

	if ((args->flags & ~KVM_GMEM_DMABUF_NO_PUNCH) ||
	    (args->fd_flags & ~(O_ACCMODE | O_CLOEXEC)) ||
	    (args->fd_flags & O_WRONLY) ||
	    memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;

	if (!args->size || !PAGE_ALIGNED(args->offset | args->size) ||
	    check_add_overflow(args->offset, args->size, &end) ||
	    end > i_size_read(inode))
		return -EINVAL;
	return 0;
}

long kvm_gmem_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvm_gmem_export_dmabuf args;
	struct dma_buf *dmabuf;
	int r;

	if (cmd != KVM_GMEM_EXPORT_DMABUF)
		return -ENOTTY;
	if (copy_from_user(&args, (void __user *)arg, sizeof(args)))
		return -EFAULT;

	r = kvm_gmem_export_check(file_inode(file), &args);
	if (r)
		return r;

	dmabuf = kvm_gmem_export(file, &args);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	r = dma_buf_fd(dmabuf, args.fd_flags & O_CLOEXEC);
	if (r < 0)
		dma_buf_put(dmabuf);
	return r;
}

MODULE_IMPORT_NS("DMA_BUF_EXTENT");
