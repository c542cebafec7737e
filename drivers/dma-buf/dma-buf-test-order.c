// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space has the test exporter do to a buffer.
 */
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/bitmap.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "dma-buf-test-priv.h"

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
		if (rcu_access_pointer(fence->ops) != &dma_buf_test_fence_ops)
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
int dma_buf_test_move_in_fill(struct dma_buf_test *buf)
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

int dma_buf_test_signal(struct dma_buf_test *buf)
{
	if (!buf->fence)
		return -ENOENT;

	dma_fence_signal(buf->fence);
	dma_fence_put(buf->fence);
	buf->fence = NULL;
	return 0;
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
