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
#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-buf-kvm.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "dma-buf-test-priv.h"

#define DMA_BUF_TEST_FLAGS	(DMA_BUF_TEST_FLAVOURS | DMA_BUF_TEST_LAZY |	\
				 DMA_BUF_TEST_READONLY | DMA_BUF_TEST_RANGES |	\
				 DMA_BUF_TEST_SGT_ONLY)

/*
 * Memory
 */

/* Where memory for @nr extents from @first on must not begin, and not end. */
void dma_buf_test_borders(struct dma_buf_test *buf, size_t first, size_t nr,
			  unsigned long *before, unsigned long *after)
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

void dma_buf_test_free(struct dma_buf_test_extent **extents, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		dma_buf_test_extent_put(extents[i]);
	kvfree(extents);
}

/* Memory for @nr extents, not yet in the buffer; without @zero to be filled. */
struct dma_buf_test_extent **
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
struct dma_buf_test_extent *
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
 * Exporter operations
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

struct dma_buf_test *dma_buf_test_of(struct dma_buf *dmabuf)
{
	if (dmabuf->ops->release != dma_buf_test_release)
		return ERR_PTR(-EINVAL);
	return dmabuf->priv;
}
