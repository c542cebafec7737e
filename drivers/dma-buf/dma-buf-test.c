// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf exporter for tests of importers: it revokes, moves, write-protects
 * and fences its buffers, and fails, when user space says so. It plays by the
 * rules for exporters all the while. See include/uapi/linux/dma-buf-test.h.
 *
 * The states of a buffer. All but the first two can be had together.
 *
 * Present
 *   Every extent has memory. fill gives it out, one lookup for each extent.
 *
 * Lazy
 *   Some extents have no memory yet. They get it when they are prepared, mapped
 *   as a scatterlist or touched through mmap; until then fill says -EAGAIN.
 *   They never lose it again.
 *
 * Revoked
 *   Entered before the invalidation of the whole buffer, so that no importer
 *   comes back in between. fill, prepare, map and pin say -ENODEV, mmap raises
 *   SIGBUS. SGT importers cannot attach, for they may expect map to work
 *   afterwards, nor can IOMMU importers unless they have mappings_allowed;
 *   those that map on demand can.
 *
 * Pinned by an importer
 *   The buffer neither moves nor is revoked: -EBUSY.
 *
 * Read-only
 *   For importers. Extents say so, and a scatterlist can be mapped only
 *   DMA_TO_DEVICE. Entered before an invalidation, as is the revoked state. The
 *   exporter itself may write, which is what mmap does.
 *
 * Locked
 *   Some extents are private memory of a guest. They say so, and mmap raises
 *   SIGBUS on them; a scatterlist cannot be mapped. Entered and left before an
 *   invalidation. The buffer is neither moved nor revoked: -EBUSY.
 *
 * Fenced
 *   A fence of KERNEL usage is pending. It is up to importers to wait for it;
 *   mmap does not.
 *
 * Lock order, outermost first:
 *
 *   mmap_lock > dma_resv > i_mmap_rwsem, fs_reclaim, locks of importers
 *
 * dma_resv protects all that changes in a buffer. Memory for a move that user
 * space asks for is allocated before it is taken and freed after it is dropped.
 */
#define pr_fmt(fmt) "dma_buf_test: " fmt

#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/bitmap.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-buf-kvm.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dma-buf-test.h"
#include "dma-buf-test-mem.h"

#define DMA_BUF_TEST_FLAVOURS	(DMA_BUF_TEST_REVOCABLE | DMA_BUF_TEST_DYNAMIC)
#define DMA_BUF_TEST_FLAGS	(DMA_BUF_TEST_FLAVOURS | DMA_BUF_TEST_LAZY |	\
				 DMA_BUF_TEST_READONLY | DMA_BUF_TEST_RANGES |	\
				 DMA_BUF_TEST_SGT_ONLY)

/**
 * struct dma_buf_test - a buffer
 * @dmabuf: what was made of it
 * @shift: each extent is 2^@shift bytes
 * @nr: number of extents
 * @kind: DMA_BUF_TEST_RAM or DMA_BUF_TEST_MMIO
 * @flags: of struct dma_buf_test_create
 * @context: of fences
 * @extents: the memory, in order; NULL where there is none yet
 * @revoked: see above
 * @readonly: see above
 * @private: a bit for each extent that is locked
 * @locked: there is such a bit
 * @move_in_fill: the next fill moves the buffer
 * @fail_in: the fill that fails, counted from 1; 0: none
 * @fail_error: with what, a negative errno
 * @pins: how often it is pinned
 * @fence: the fence that is pending, or NULL
 * @seqno: of the last fence
 * @nr_fills: for user space
 * @nr_extents: for user space
 * @nr_prepares: for user space
 * @nr_invalidations: for user space
 *
 * What comes before @extents is constant, that and the rest is protected by the
 * reservation lock.
 */
struct dma_buf_test {
	struct dma_buf *dmabuf;
	unsigned int shift;
	size_t nr;
	u32 kind;
	u32 flags;
	u64 context;

	struct dma_buf_test_extent **extents;
	bool revoked;
	bool readonly;
	unsigned long *private;
	bool locked;
	bool move_in_fill;
	u32 fail_in;
	int fail_error;
	unsigned int pins;
	struct dma_fence *fence;
	u64 seqno;
	u64 nr_fills;
	u64 nr_extents;
	u64 nr_prepares;
	u64 nr_invalidations;
};

/* A scatterlist keeps the memory that it was made of, even if the buffer moves. */
struct dma_buf_test_sgt {
	struct sg_table table;
	size_t nr;
	struct dma_buf_test_extent *extents[] __counted_by(nr);
};

/*
 * Memory
 */

/* Where memory for @nr extents from @first on must not begin, and not end. */
static void dma_buf_test_borders(struct dma_buf_test *buf, size_t first,
				 size_t nr, unsigned long *before,
				 unsigned long *after)
{
	struct dma_buf_test_extent **extents = buf->extents;

	dma_resv_assert_held(buf->dmabuf->resv);

	*before = 0;
	*after = 0;
	if (first && extents[first - 1])
		*before = dma_buf_test_extent_end(extents[first - 1]);
	if (first + nr < buf->nr && extents[first + nr])
		*after = extents[first + nr]->pfn;
}

static void dma_buf_test_free(struct dma_buf_test_extent **extents, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		dma_buf_test_extent_put(extents[i]);
	kvfree(extents);
}

/* Memory for @nr extents, not yet in the buffer; without @zero to be filled. */
static struct dma_buf_test_extent **
dma_buf_test_alloc(struct dma_buf_test *buf, size_t nr, bool zero,
		   unsigned long before, unsigned long after)
{
	unsigned int order = buf->shift - PAGE_SHIFT;
	struct dma_buf_test_extent **extents;
	size_t i;
	int ret;

	extents = kvcalloc(nr, sizeof(*extents), GFP_KERNEL | __GFP_NOWARN);
	if (!extents)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < nr; i++) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			goto err_free;
		}
		extents[i] = dma_buf_test_extent_alloc(buf->kind, order, zero,
						       before,
						       i == nr - 1 ? after : 0);
		if (IS_ERR(extents[i])) {
			ret = PTR_ERR(extents[i]);
			goto err_free;
		}
		before = dma_buf_test_extent_end(extents[i]);
	}
	return extents;

err_free:
	dma_buf_test_free(extents, i);
	return ERR_PTR(ret);
}

/* Extent @i, with memory. */
static struct dma_buf_test_extent *
dma_buf_test_populate(struct dma_buf_test *buf, size_t i)
{
	struct dma_buf_test_extent *extent = buf->extents[i];
	unsigned long before, after;

	if (extent)
		return extent;

	dma_buf_test_borders(buf, i, 1, &before, &after);
	extent = dma_buf_test_extent_alloc(buf->kind, buf->shift - PAGE_SHIFT,
					   true, before, after);
	if (!IS_ERR(extent))
		buf->extents[i] = extent;
	return extent;
}

/*
 * Invalidation
 */

static const char *dma_buf_test_fence_name(struct dma_fence *fence)
{
	return "dma_buf_test";
}

static const struct dma_fence_ops dma_buf_test_fence_ops = {
	.get_driver_name = dma_buf_test_fence_name,
	.get_timeline_name = dma_buf_test_fence_name,
};

/*
 * Importers may access the memory until their fences have signalled. Those of
 * this exporter say something else and are signalled when user space likes, also
 * where a sync_file brought them to another buffer.
 */
static void dma_buf_test_wait(struct dma_buf_test *buf)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_for_each_fence(&cursor, buf->dmabuf->resv,
				DMA_RESV_USAGE_BOOKKEEP, fence)
		if (fence->ops != &dma_buf_test_fence_ops)
			dma_fence_wait(fence, false);
}

static void dma_buf_test_zap_vmas(struct dma_buf_test *buf, u64 offset,
				  u64 length)
{
	/* Faults wait for the reservation lock. */
	unmap_mapping_range(buf->dmabuf->file->f_mapping, offset, length, 1);
}

/* When this returns, importers do not use the range any more. */
static void dma_buf_test_invalidate(struct dma_buf_test *buf, u64 offset,
				    u64 length)
{
	buf->nr_invalidations++;
	if (buf->flags & DMA_BUF_TEST_RANGES)
		dma_buf_invalidate_range(buf->dmabuf, offset, length);
	else
		dma_buf_invalidate_mappings(buf->dmabuf);
	dma_buf_test_wait(buf);
}

/*
 * Put the memory @new in the place of @nr extents from @first on, which must
 * not be used by anybody but VMAs. On return @new holds the old memory, and what
 * was not needed: where there was none before, there is none now.
 */
static void dma_buf_test_replace(struct dma_buf_test *buf, size_t first,
				 size_t nr, struct dma_buf_test_extent **new)
{
	struct dma_buf_test_extent **old = buf->extents + first;
	size_t i;

	dma_resv_assert_held(buf->dmabuf->resv);

	dma_buf_test_zap_vmas(buf, (u64)first << buf->shift,
			      (u64)nr << buf->shift);

	for (i = 0; i < nr; i++) {
		if (!old[i])
			continue;
		dma_buf_test_extent_copy(new[i], old[i]);
		swap(new[i], old[i]);
	}
}

/* Called where nothing was given from this buffer yet. */
static int dma_buf_test_move_in_fill(struct dma_buf_test *buf)
{
	struct dma_buf_test_extent **new;

	if (buf->pins || buf->locked)
		return -EBUSY;

	new = dma_buf_test_alloc(buf, buf->nr, false, 0, 0);
	if (IS_ERR(new))
		return PTR_ERR(new);

	dma_buf_test_invalidate(buf, 0, buf->dmabuf->size);
	dma_buf_test_replace(buf, 0, buf->nr, new);
	dma_buf_test_free(new, buf->nr);
	return 0;
}

/*
 * Exporter operations of extents
 */

static int dma_buf_test_prepare(struct dma_buf_attachment *attach, u64 offset,
				u64 length)
{
	struct dma_buf_test *buf = attach->dmabuf->priv;
	struct dma_resv *resv = attach->dmabuf->resv;
	struct dma_buf_test_extent *extent;
	size_t i, last;
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;

	buf->nr_prepares++;
	if (buf->revoked) {
		ret = -ENODEV;
		goto out_unlock;
	}

	last = (offset + length - 1) >> buf->shift;
	for (i = offset >> buf->shift; i <= last; i++) {
		extent = dma_buf_test_populate(buf, i);
		if (IS_ERR(extent)) {
			ret = PTR_ERR(extent);
			break;
		}
	}

out_unlock:
	dma_resv_unlock(resv);
	return ret;
}

static int dma_buf_test_fill(struct dma_buf_attachment *attach,
			     struct dma_buf_sink *sink, u64 offset, u64 length,
			     bool write)
{
	struct dma_buf_test *buf = attach->dmabuf->priv;
	size_t i = offset >> buf->shift;
	int ret;

	buf->nr_fills++;
	if (buf->fail_in && !--buf->fail_in)
		return buf->fail_error;
	if (buf->revoked)
		return -ENODEV;

	if (buf->move_in_fill) {
		buf->move_in_fill = false;
		ret = dma_buf_test_move_in_fill(buf);
		if (ret)
			return ret;
	}

	do {
		struct dma_buf_extent extent = {};

		if (!buf->extents[i])
			return -EAGAIN;

		dma_buf_test_extent_describe(buf->extents[i], &extent);
		extent.offset = (u64)i << buf->shift;
		if (buf->readonly)
			extent.flags |= DMA_BUF_EXTENT_READONLY;
		if (test_bit(i, buf->private))
			extent.flags |= DMA_BUF_EXTENT_PRIVATE;

		ret = dma_buf_sink_add(sink, &extent);
		if (ret >= 0)
			buf->nr_extents++;
		i++;
	} while (!ret);

	return ret < 0 ? ret : 0;
}

static const struct dma_buf_extent_ops dma_buf_test_extent_ops = {
	.prepare = dma_buf_test_prepare,
	.fill = dma_buf_test_fill,
};

/*
 * Exporter operations of scatterlists
 */

static int dma_buf_test_attach(struct dma_buf *dmabuf,
			       struct dma_buf_attachment *attach)
{
	struct dma_buf_test *buf = dmabuf->priv;
	bool revoked;

	if (attach->map_type == &dma_buf_mapping_kvm_type)
		return 0;

	/* What cannot be pinned must be let go of when it is revoked. */
	if ((buf->flags & DMA_BUF_TEST_REVOCABLE) &&
	    !dma_buf_attach_revocable(attach))
		return -EOPNOTSUPP;

	/* An importer of this kind is told when the memory is there. */
	if (attach->map_type == &dma_buf_mapping_iommu_type &&
	    attach->importer_ops->mappings_allowed)
		return 0;

	dma_resv_lock(dmabuf->resv, NULL);
	revoked = buf->revoked;
	dma_resv_unlock(dmabuf->resv);
	return revoked ? -ENODEV : 0;
}

static int dma_buf_test_pin(struct dma_buf_attachment *attach)
{
	struct dma_buf_test *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (buf->revoked)
		return -ENODEV;
	buf->pins++;
	return 0;
}

static void dma_buf_test_unpin(struct dma_buf_attachment *attach)
{
	struct dma_buf_test *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	buf->pins--;
}

static void dma_buf_test_sgt_free(struct dma_buf_test_sgt *sgt)
{
	size_t i;

	for (i = 0; i < sgt->nr; i++)
		dma_buf_test_extent_put(sgt->extents[i]);
	sg_free_table(&sgt->table);
	kvfree(sgt);
}

static struct sg_table *dma_buf_test_map(struct dma_buf_attachment *attach,
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

static void dma_buf_test_unmap(struct dma_buf_attachment *attach,
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

static int dma_buf_test_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
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

/*
 * What is offered. Tables are constant data, hence one for each combination.
 */

static bool dma_buf_test_offers_extents(struct dma_buf *dmabuf)
{
	struct dma_buf_test *buf = dmabuf->priv;

	return !(buf->flags & DMA_BUF_TEST_SGT_ONLY);
}

/* A scatterlist needs pages. */
static bool dma_buf_test_offers_sgt(struct dma_buf *dmabuf)
{
	struct dma_buf_test *buf = dmabuf->priv;

	return buf->kind == DMA_BUF_TEST_RAM;
}

static void dma_buf_test_release(struct dma_buf *dmabuf);

/* The arguments go into each row. */
#define DMA_BUF_TEST_MAPPINGS(...)					\
	((const struct dma_buf_mapping_exp[]) {				\
		DMA_BUF_EMAPPING_KVM(&dma_buf_test_extent_ops,		\
				     .offered = dma_buf_test_offers_extents, \
				     __VA_ARGS__),			\
		DMA_BUF_EMAPPING_IOMMU(&dma_buf_test_extent_ops,	\
				       .offered = dma_buf_test_offers_extents, \
				       __VA_ARGS__),			\
		DMA_BUF_EMAPPING_SGT(.offered = dma_buf_test_offers_sgt, \
				     __VA_ARGS__),			\
		{ }							\
	})

#define DMA_BUF_TEST_OPS(_mappings, ...)				\
	{								\
		.mappings = (_mappings),				\
		.attach = dma_buf_test_attach,				\
		.map_dma_buf = dma_buf_test_map,			\
		.unmap_dma_buf = dma_buf_test_unmap,			\
		.mmap = dma_buf_test_mmap,				\
		.release = dma_buf_test_release,			\
		##__VA_ARGS__						\
	}

#define DMA_BUF_TEST_OPS_PINNED(...)					\
	DMA_BUF_TEST_OPS(DMA_BUF_TEST_MAPPINGS(				\
				.flavour = DMA_BUF_FLAVOUR_PINNED, ##__VA_ARGS__))

#define DMA_BUF_TEST_OPS_REVOCABLE(...)					\
	DMA_BUF_TEST_OPS(DMA_BUF_TEST_MAPPINGS(				\
				.flavour = DMA_BUF_FLAVOUR_REVOCABLE, ##__VA_ARGS__))

#define DMA_BUF_TEST_OPS_DYNAMIC(...)					\
	DMA_BUF_TEST_OPS(DMA_BUF_TEST_MAPPINGS(				\
				.flavour = DMA_BUF_FLAVOUR_DYNAMIC, ##__VA_ARGS__), \
			 .pin = dma_buf_test_pin,			\
			 .unpin = dma_buf_test_unpin)

/* By flavour, and by whether ranges are invalidated. */
static const struct dma_buf_ops dma_buf_test_ops[][2] = {
	[DMA_BUF_FLAVOUR_PINNED] = {
		DMA_BUF_TEST_OPS_PINNED(),
		DMA_BUF_TEST_OPS_PINNED(.inval_granule = PAGE_SIZE),
	},
	[DMA_BUF_FLAVOUR_REVOCABLE] = {
		DMA_BUF_TEST_OPS_REVOCABLE(),
		DMA_BUF_TEST_OPS_REVOCABLE(.inval_granule = PAGE_SIZE),
	},
	[DMA_BUF_FLAVOUR_DYNAMIC] = {
		DMA_BUF_TEST_OPS_DYNAMIC(),
		DMA_BUF_TEST_OPS_DYNAMIC(.inval_granule = PAGE_SIZE),
	},
};

static const struct dma_buf_ops *dma_buf_test_choose_ops(u32 flags)
{
	enum dma_buf_flavour flavour = DMA_BUF_FLAVOUR_PINNED;

	if (flags & DMA_BUF_TEST_REVOCABLE)
		flavour = DMA_BUF_FLAVOUR_REVOCABLE;
	else if (flags & DMA_BUF_TEST_DYNAMIC)
		flavour = DMA_BUF_FLAVOUR_DYNAMIC;
	return &dma_buf_test_ops[flavour][!!(flags & DMA_BUF_TEST_RANGES)];
}

/*
 * Fences
 */

static int dma_buf_test_add_fence(struct dma_buf_test *buf)
{
	struct dma_resv *resv = buf->dmabuf->resv;
	struct dma_fence *fence;
	int ret;

	if (buf->fence)
		return -EBUSY;

	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;

	fence = kzalloc_obj(*fence);
	if (!fence)
		return -ENOMEM;

	dma_fence_init(fence, &dma_buf_test_fence_ops, NULL, buf->context,
		       ++buf->seqno);
	dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_KERNEL);
	buf->fence = fence;
	return 0;
}

static int dma_buf_test_signal(struct dma_buf_test *buf)
{
	if (!buf->fence)
		return -ENOENT;

	dma_fence_signal(buf->fence);
	dma_fence_put(buf->fence);
	buf->fence = NULL;
	return 0;
}

/*
 * Life and death
 */

static void dma_buf_test_release(struct dma_buf *dmabuf)
{
	struct dma_buf_test *buf = dmabuf->priv;

	/* Others may have a reference to the fence, and wait. */
	dma_buf_test_signal(buf);
	dma_buf_test_free(buf->extents, buf->nr);
	bitmap_free(buf->private);
	kfree(buf);
}

static int dma_buf_test_check(const struct dma_buf_test_create *create)
{
	if (create->__reserved ||
	    (create->flags & ~DMA_BUF_TEST_FLAGS) ||
	    (create->flags & DMA_BUF_TEST_FLAVOURS) == DMA_BUF_TEST_FLAVOURS ||
	    (create->fd_flags & ~(O_ACCMODE | O_CLOEXEC)) ||
	    (create->fd_flags & O_ACCMODE) == O_ACCMODE ||
	    (create->kind != DMA_BUF_TEST_RAM &&
	     create->kind != DMA_BUF_TEST_MMIO) ||
	    create->extent_order > DMA_BUF_TEST_MAX_ORDER ||
	    !create->size ||
	    !IS_ALIGNED(create->size, PAGE_SIZE << create->extent_order))
		return -EINVAL;

	if (create->kind == DMA_BUF_TEST_MMIO && !dma_buf_test_have_mmio())
		return -ENODEV;
	if (create->size >> PAGE_SHIFT > totalram_pages())
		return -ENOMEM;
	return 0;
}

/**
 * dma_buf_test_export - create a buffer
 * @create: as for DMA_BUF_TEST_CREATE; @fd is not used
 *
 * Return: the dma-buf or an ERR_PTR, see &struct dma_buf_test_create.
 */
struct dma_buf *dma_buf_test_export(const struct dma_buf_test_create *create)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct dma_buf *dmabuf;
	struct dma_buf_test *buf;
	int ret;

	ret = dma_buf_test_check(create);
	if (ret)
		return ERR_PTR(ret);

	buf = kzalloc_obj(*buf);
	if (!buf)
		return ERR_PTR(-ENOMEM);

	buf->shift = PAGE_SHIFT + create->extent_order;
	buf->nr = create->size >> buf->shift;
	buf->kind = create->kind;
	buf->flags = create->flags;
	buf->context = dma_fence_context_alloc(1);
	buf->readonly = create->flags & DMA_BUF_TEST_READONLY;
	buf->private = bitmap_zalloc(buf->nr, GFP_KERNEL);
	if (!buf->private) {
		ret = -ENOMEM;
		goto err_free;
	}

	if (create->flags & DMA_BUF_TEST_LAZY) {
		buf->extents = kvcalloc(buf->nr, sizeof(*buf->extents),
					GFP_KERNEL);
		ret = buf->extents ? 0 : -ENOMEM;
	} else {
		buf->extents = dma_buf_test_alloc(buf, buf->nr, true, 0, 0);
		ret = PTR_ERR_OR_ZERO(buf->extents);
	}
	if (ret)
		goto err_free;

	exp_info.exp_name = "dma_buf_test";
	exp_info.ops = dma_buf_test_choose_ops(create->flags);
	exp_info.size = create->size;
	exp_info.flags = create->fd_flags & O_ACCMODE;
	exp_info.priv = buf;
	dmabuf = dma_buf_export(&exp_info);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_extents;
	}

	buf->dmabuf = dmabuf;
	return dmabuf;

err_extents:
	dma_buf_test_free(buf->extents, buf->nr);
err_free:
	bitmap_free(buf->private);
	kfree(buf);
	return ERR_PTR(ret);
}

static int dma_buf_test_ioctl_create(void __user *arg)
{
	struct dma_buf_test_create create;
	struct dma_buf *dmabuf;
	int ret;

	if (copy_from_user(&create, arg, sizeof(create)))
		return -EFAULT;

	create.fd = get_unused_fd_flags(create.fd_flags & O_CLOEXEC);
	if (create.fd < 0)
		return create.fd;

	dmabuf = dma_buf_test_export(&create);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}

	if (copy_to_user(arg, &create, sizeof(create))) {
		ret = -EFAULT;
		goto err_dmabuf;
	}

	fd_install(create.fd, dmabuf->file);
	return 0;

err_dmabuf:
	dma_buf_put(dmabuf);
err_fd:
	put_unused_fd(create.fd);
	return ret;
}

static struct dma_buf_test *dma_buf_test_of(struct dma_buf *dmabuf)
{
	if (dmabuf->ops->release != dma_buf_test_release)
		return ERR_PTR(-EINVAL);
	return dmabuf->priv;
}

/*
 * Orders of user space. Unless noted otherwise they are called with the
 * reservation lock held.
 */

static int dma_buf_test_revoke(struct dma_buf_test *buf,
			       const struct dma_buf_test_op *op)
{
	u64 size = buf->dmabuf->size;

	if (buf->revoked)
		return -EALREADY;
	if (buf->pins || buf->locked)
		return -EBUSY;

	buf->revoked = true;
	dma_buf_test_invalidate(buf, 0, size);
	dma_buf_test_zap_vmas(buf, 0, size);
	return 0;
}

static int dma_buf_test_unrevoke(struct dma_buf_test *buf,
				 const struct dma_buf_test_op *op)
{
	if (!buf->revoked)
		return -EALREADY;

	buf->revoked = false;
	dma_buf_mappings_allowed(buf->dmabuf);
	return 0;
}

static int dma_buf_test_set_readonly(struct dma_buf_test *buf,
				     const struct dma_buf_test_op *op)
{
	if (op->value > 1)
		return -EINVAL;
	if (op->value == buf->readonly)
		return 0;
	if (op->value && !(buf->flags & DMA_BUF_TEST_FLAVOURS))
		return -EPERM;
	if (op->value && (buf->pins || buf->locked))
		return -EBUSY;

	buf->readonly = op->value;
	if (buf->readonly)
		dma_buf_test_invalidate(buf, 0, buf->dmabuf->size);
	return 0;
}

static int dma_buf_test_hold_fence(struct dma_buf_test *buf,
				   const struct dma_buf_test_op *op)
{
	return dma_buf_test_add_fence(buf);
}

static int dma_buf_test_signal_fence(struct dma_buf_test *buf,
				     const struct dma_buf_test_op *op)
{
	return dma_buf_test_signal(buf);
}

static int dma_buf_test_fail_fill(struct dma_buf_test *buf,
				  const struct dma_buf_test_op *op)
{
	/* From ERESTARTSYS on they are the kernel's own: user space never sees one. */
	if (!op->value || !op->error || op->error >= ERESTARTSYS)
		return -EINVAL;

	buf->fail_in = op->value;
	buf->fail_error = -(int)op->error;
	return 0;
}

static int dma_buf_test_order_move_in_fill(struct dma_buf_test *buf,
					   const struct dma_buf_test_op *op)
{
	buf->move_in_fill = true;
	return 0;
}

/* As before a move that then does not happen. */
static int dma_buf_test_order_invalidate(struct dma_buf_test *buf,
					 const struct dma_buf_test_op *op)
{
	u64 size = buf->dmabuf->size, length = op->length;

	if (op->offset >= size)
		return -EINVAL;
	if (!length)
		length = size - op->offset;
	if (length > size - op->offset || !PAGE_ALIGNED(op->offset | length))
		return -EINVAL;
	if (buf->pins)
		return -EBUSY;

	dma_buf_test_invalidate(buf, op->offset, length);
	return 0;
}

static int dma_buf_test_extents(struct dma_buf_test *buf,
				const struct dma_buf_test_op *op, size_t *first,
				size_t *nr)
{
	u64 size = buf->dmabuf->size, length = op->length;

	if (op->offset >= size)
		return -EINVAL;
	if (!length)
		length = size - op->offset;
	if (length > size - op->offset ||
	    !IS_ALIGNED(op->offset | length, 1ULL << buf->shift))
		return -EINVAL;

	*first = op->offset >> buf->shift;
	*nr = length >> buf->shift;
	return 0;
}

static int dma_buf_test_lock(struct dma_buf_test *buf,
			     const struct dma_buf_test_op *op)
{
	size_t first, nr;
	int ret;

	ret = dma_buf_test_extents(buf, op, &first, &nr);
	if (ret)
		return ret;

	if (op->op == DMA_BUF_TEST_OP_LOCK) {
		if (buf->pins || buf->revoked)
			return -EBUSY;
		bitmap_set(buf->private, first, nr);
	} else {
		bitmap_clear(buf->private, first, nr);
	}
	buf->locked = !bitmap_empty(buf->private, buf->nr);

	dma_buf_test_invalidate(buf, (u64)first << buf->shift,
				(u64)nr << buf->shift);
	dma_buf_test_zap_vmas(buf, (u64)first << buf->shift,
			      (u64)nr << buf->shift);
	return 0;
}

/* With the lock held; -EAGAIN: the neighbours moved, and @new must not be used. */
static int dma_buf_test_move_to(struct dma_buf_test *buf, size_t first,
				size_t nr, struct dma_buf_test_extent **new,
				bool invalidate)
{
	unsigned long before, after;

	if (buf->pins || buf->locked)
		return -EBUSY;
	/* What was mapped would go on to be used. */
	if (!invalidate && !list_empty(&buf->dmabuf->attachments))
		return -EPERM;

	dma_buf_test_borders(buf, first, nr, &before, &after);
	if (new[0]->pfn == before ||
	    dma_buf_test_extent_end(new[nr - 1]) == after)
		return -EAGAIN;

	if (invalidate)
		dma_buf_test_invalidate(buf, (u64)first << buf->shift,
					(u64)nr << buf->shift);
	dma_buf_test_replace(buf, first, nr, new);
	return 0;
}

/* Called without the lock. */
static int dma_buf_test_move(struct dma_buf_test *buf,
			     const struct dma_buf_test_op *op)
{
	struct dma_resv *resv = buf->dmabuf->resv;
	struct dma_buf_test_extent **new;
	unsigned long before, after;
	size_t first, nr;
	int ret;

	ret = dma_buf_test_extents(buf, op, &first, &nr);
	if (ret)
		return ret;

	do {
		ret = dma_resv_lock_interruptible(resv, NULL);
		if (ret)
			return ret;
		dma_buf_test_borders(buf, first, nr, &before, &after);
		dma_resv_unlock(resv);

		new = dma_buf_test_alloc(buf, nr, false, before, after);
		if (IS_ERR(new))
			return PTR_ERR(new);

		dma_resv_lock(resv, NULL);
		ret = dma_buf_test_move_to(buf, first, nr, new,
					   op->op == DMA_BUF_TEST_OP_MOVE);
		dma_resv_unlock(resv);

		dma_buf_test_free(new, nr);
	} while (ret == -EAGAIN);

	return ret;
}

/**
 * struct dma_buf_test_order - what user space can order
 * @run: does it
 * @flavours: flags of the flavours that allow it; 0: all do
 * @unlocked: @run takes the reservation lock
 * @range: @offset and @length are used
 * @value: @value is used
 * @error: @error is used
 */
struct dma_buf_test_order {
	int (*run)(struct dma_buf_test *buf, const struct dma_buf_test_op *op);
	u32 flavours;
	bool unlocked;
	bool range;
	bool value;
	bool error;
};

static const struct dma_buf_test_order dma_buf_test_orders[] = {
	[DMA_BUF_TEST_OP_REVOKE] = {
		.run = dma_buf_test_revoke,
		.flavours = DMA_BUF_TEST_FLAVOURS,
	},
	[DMA_BUF_TEST_OP_UNREVOKE] = {
		.run = dma_buf_test_unrevoke,
		.flavours = DMA_BUF_TEST_FLAVOURS,
	},
	[DMA_BUF_TEST_OP_MOVE] = {
		.run = dma_buf_test_move,
		.flavours = DMA_BUF_TEST_DYNAMIC,
		.unlocked = true,
		.range = true,
	},
	[DMA_BUF_TEST_OP_SET_READONLY] = {
		.run = dma_buf_test_set_readonly,
		.value = true,
	},
	[DMA_BUF_TEST_OP_HOLD_FENCE] = {
		.run = dma_buf_test_hold_fence,
	},
	[DMA_BUF_TEST_OP_SIGNAL_FENCE] = {
		.run = dma_buf_test_signal_fence,
	},
	[DMA_BUF_TEST_OP_FAIL_FILL] = {
		.run = dma_buf_test_fail_fill,
		.value = true,
		.error = true,
	},
	[DMA_BUF_TEST_OP_MOVE_IN_FILL] = {
		.run = dma_buf_test_order_move_in_fill,
		.flavours = DMA_BUF_TEST_DYNAMIC,
	},
	[DMA_BUF_TEST_OP_CHANGE_PFN] = {
		.run = dma_buf_test_move,
		.flavours = DMA_BUF_TEST_DYNAMIC,
		.unlocked = true,
		.range = true,
	},
	[DMA_BUF_TEST_OP_INVALIDATE] = {
		.run = dma_buf_test_order_invalidate,
		.flavours = DMA_BUF_TEST_FLAVOURS,
		.range = true,
	},
	[DMA_BUF_TEST_OP_LOCK] = {
		.run = dma_buf_test_lock,
		.flavours = DMA_BUF_TEST_FLAVOURS,
		.range = true,
	},
	[DMA_BUF_TEST_OP_UNLOCK] = {
		.run = dma_buf_test_lock,
		.flavours = DMA_BUF_TEST_FLAVOURS,
		.range = true,
	},
};

/**
 * dma_buf_test_do - do what user space orders
 * @dmabuf: any dma-buf
 * @op: as for DMA_BUF_TEST_OP; @fd is not used
 *
 * Context: process context. The reservation lock must not be held.
 *
 * Return: 0 or an error, see &struct dma_buf_test_op.
 */
int dma_buf_test_do(struct dma_buf *dmabuf, const struct dma_buf_test_op *op)
{
	struct dma_buf_test *buf = dma_buf_test_of(dmabuf);
	const struct dma_buf_test_order *order;
	u32 nr = op->op;
	int ret;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	if (nr >= ARRAY_SIZE(dma_buf_test_orders))
		return -EINVAL;

	nr = array_index_nospec(nr, ARRAY_SIZE(dma_buf_test_orders));
	order = &dma_buf_test_orders[nr];
	if ((!order->range && (op->offset || op->length)) ||
	    (!order->value && op->value) || (!order->error && op->error))
		return -EINVAL;
	if (order->flavours && !(order->flavours & buf->flags))
		return -EPERM;
	if (order->unlocked)
		return order->run(buf, op);

	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	ret = order->run(buf, op);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static int dma_buf_test_ioctl_op(void __user *arg)
{
	struct dma_buf_test_op op;
	struct dma_buf *dmabuf;
	int ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;

	dmabuf = dma_buf_get(op.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = dma_buf_test_do(dmabuf, &op);
	dma_buf_put(dmabuf);
	return ret;
}

static int dma_buf_test_ioctl_counters(void __user *arg)
{
	struct dma_buf_test_counters counters;
	struct dma_buf_test *buf;
	struct dma_buf *dmabuf;

	if (copy_from_user(&counters, arg, sizeof(counters)))
		return -EFAULT;
	if (counters.__reserved)
		return -EINVAL;

	dmabuf = dma_buf_get(counters.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	buf = dma_buf_test_of(dmabuf);
	if (IS_ERR(buf)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(buf);
	}

	dma_resv_lock(dmabuf->resv, NULL);
	counters.fills = buf->nr_fills;
	counters.extents = buf->nr_extents;
	counters.prepares = buf->nr_prepares;
	counters.invalidations = buf->nr_invalidations;
	counters.attachments = list_count_nodes(&dmabuf->attachments);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_put(dmabuf);

	return copy_to_user(arg, &counters, sizeof(counters)) ? -EFAULT : 0;
}

static struct miscdevice dma_buf_test_device;

static long dma_buf_test_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	switch (cmd) {
	case DMA_BUF_TEST_CREATE:
		return dma_buf_test_ioctl_create((void __user *)arg);
	case DMA_BUF_TEST_OP:
		return dma_buf_test_ioctl_op((void __user *)arg);
	case DMA_BUF_TEST_COUNTERS:
		return dma_buf_test_ioctl_counters((void __user *)arg);
	case DMA_BUF_TEST_IMPORT:
		return dma_buf_test_import(dma_buf_test_device.this_device,
					   (void __user *)arg);
	case DMA_BUF_TEST_POISON:
		return dma_buf_test_poison((void __user *)arg);
	}
	return -ENOTTY;
}

static const struct file_operations dma_buf_test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dma_buf_test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice dma_buf_test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dma_buf_test",
	.fops = &dma_buf_test_fops,
};

builtin_misc_device(dma_buf_test_device);
