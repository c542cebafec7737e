/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the samples of mapping types share, none of which is about mapping types:
 * a small buffer of scattered pages, its scatterlist, and the proof that data
 * really moves.
 */
#ifndef __SAMPLE_BUF_H__
#define __SAMPLE_BUF_H__

#include <kunit/device.h>
#include <kunit/resource.h>
#include <kunit/test.h>

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping-type.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#define SAMPLE_NR_PAGES	4
#define SAMPLE_SIZE	(SAMPLE_NR_PAGES * PAGE_SIZE)

/*
 * A buffer of an exporter. @owner is what the exporter wants to remember, and
 * @revoked is protected by the reservation lock.
 */
struct sample_buf {
	void *owner;
	void *block;
	void *page[SAMPLE_NR_PAGES];
	bool revoked;
};

static inline bool sample_in_bounds(u64 offset, size_t len)
{
	return offset <= SAMPLE_SIZE && len <= SAMPLE_SIZE - offset;
}

/* To @at, or from there. */
static inline void sample_copy(void *at, void *data, size_t len, bool write)
{
	if (write)
		memcpy(at, data, len);
	else
		memcpy(data, at, len);
}

/* The exporter's own view of its memory, and what plays an engine of a device. */
static inline int sample_buf_copy(struct sample_buf *buf, u64 offset, void *data,
				  size_t len, bool write)
{
	if (!sample_in_bounds(offset, len))
		return -EFAULT;

	while (len) {
		size_t n = min(len, PAGE_SIZE - offset_in_page(offset));

		sample_copy(buf->page[offset >> PAGE_SHIFT] +
			    offset_in_page(offset), data, n, write);
		data += n;
		offset += n;
		len -= n;
	}
	return 0;
}

/* &dma_buf_ops.release of all samples. */
static inline void sample_release(struct dma_buf *dmabuf)
{
	struct sample_buf *buf = dmabuf->priv;

	if (buf->block)
		free_pages_exact(buf->block, 6 * PAGE_SIZE);
	kfree(buf);
}

/* Export SAMPLE_SIZE bytes at @mem, or new memory if that is NULL. */
static inline struct dma_buf *sample_export(const struct dma_buf_ops *ops,
					    void *owner, void *mem)
{
	/* Two neighbours, one that lies before them, one that is apart. */
	static const int scattered[SAMPLE_NR_PAGES] = { 2, 3, 0, 5 };
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct sample_buf *buf;
	struct dma_buf *dmabuf;
	int i;

	buf = kzalloc_obj(*buf);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	buf->owner = owner;
	if (!mem) {
		buf->block = alloc_pages_exact(6 * PAGE_SIZE,
					       GFP_KERNEL | __GFP_ZERO);
		if (!buf->block)
			goto err_free;
	}
	for (i = 0; i < SAMPLE_NR_PAGES; i++)
		buf->page[i] = mem ? mem + i * PAGE_SIZE :
				     buf->block + scattered[i] * PAGE_SIZE;

	info.ops = ops;
	info.size = SAMPLE_SIZE;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		return dmabuf;

	if (buf->block)
		free_pages_exact(buf->block, 6 * PAGE_SIZE);
err_free:
	kfree(buf);
	return ERR_PTR(-ENOMEM);
}

/* Take the memory back, or give it out again. */
static inline void sample_set_revoked(struct dma_buf *dmabuf, bool revoked)
{
	struct sample_buf *buf = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	buf->revoked = revoked;
	if (revoked)
		dma_buf_invalidate_mappings(dmabuf);
	else
		dma_buf_mappings_allowed(dmabuf);
	dma_resv_unlock(dmabuf->resv);
}

/* &dma_buf_ops.map_dma_buf of all samples. */
static inline struct sg_table *
sample_sgt_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct sample_buf *buf = attach->dmabuf->priv;
	struct page *pages[SAMPLE_NR_PAGES];
	struct sg_table *sgt;
	int i, ret;

	if (buf->revoked)
		return ERR_PTR(-ENODEV);

	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < SAMPLE_NR_PAGES; i++)
		pages[i] = virt_to_page(buf->page[i]);
	ret = sg_alloc_table_from_pages(sgt, pages, SAMPLE_NR_PAGES, 0,
					SAMPLE_SIZE, GFP_KERNEL);
	if (ret)
		goto err_free;

	ret = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (ret)
		goto err_table;
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}

/* &dma_buf_ops.unmap_dma_buf of all samples. */
static inline void sample_sgt_unmap(struct dma_buf_attachment *attach,
				    struct sg_table *sgt,
				    enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

/*
 * Plays the DMA of @dev. Only a test may turn a DMA address back into a pointer,
 * and only because sample_device() makes devices without an IOMMU and without
 * bounce buffers. A driver gives the address to its device.
 */
static inline void sample_dma(struct device *dev, dma_addr_t addr, void *data,
			      size_t len, bool write)
{
	sample_copy(phys_to_virt(dma_to_phys(dev, addr)), data, len, write);
}

/* What an importer does with an attachment of the SGT type. */
static inline int sample_sgt_access(struct dma_buf_attachment *attach,
				    u64 offset, void *data, size_t len,
				    bool write)
{
	struct scatterlist *sg;
	struct sg_table *sgt;
	int i;

	dma_resv_assert_held(attach->dmabuf->resv);

	sgt = dma_buf_map_attachment(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);

	for_each_sgtable_dma_sg(sgt, sg, i) {
		size_t n;

		if (offset >= sg_dma_len(sg)) {
			offset -= sg_dma_len(sg);
			continue;
		}
		n = min_t(u64, len, sg_dma_len(sg) - offset);
		sample_dma(attach->dev, sg_dma_address(sg) + offset, data, n,
			   write);
		data += n;
		len -= n;
		offset = 0;
	}
	dma_buf_unmap_attachment(attach, sgt, DMA_BIDIRECTIONAL);
	return len ? -EFAULT : 0;
}

/* Importer's access to @len bytes of the buffer from @offset. */
typedef int (*sample_access_t)(void *importer, u64 offset, void *data,
			       size_t len, bool write);

/*
 * What the exporter writes the importer reads, and the other way round: at
 * either end of the buffer and across pages that are not contiguous.
 */
static inline void sample_expect_moves(struct kunit *test,
				       struct dma_buf *dmabuf, void *importer,
				       sample_access_t access)
{
	const u64 offsets[] = { 0, PAGE_SIZE - 32, SAMPLE_SIZE - 64 };
	struct sample_buf *buf = dmabuf->priv;
	u8 sent[64], got[64];
	int i, j;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		for (j = 0; j < sizeof(sent); j++)
			sent[j] = i * sizeof(sent) + j;
		memset(got, 0, sizeof(got));
		KUNIT_ASSERT_EQ(test, 0, sample_buf_copy(buf, offsets[i], sent,
							 sizeof(sent), true));
		KUNIT_EXPECT_EQ(test, 0, access(importer, offsets[i], got,
						sizeof(got), false));
		KUNIT_EXPECT_MEMEQ(test, got, sent, sizeof(sent));

		for (j = 0; j < sizeof(sent); j++)
			sent[j] ^= 0xff;
		KUNIT_EXPECT_EQ(test, 0, access(importer, offsets[i], sent,
						sizeof(sent), true));
		KUNIT_ASSERT_EQ(test, 0, sample_buf_copy(buf, offsets[i], got,
							 sizeof(got), false));
		KUNIT_EXPECT_MEMEQ(test, got, sent, sizeof(sent));
	}
}

/* The offers lead to @type, whatever their order. */
static inline void
sample_expect_type(struct kunit *test, struct dma_buf *dmabuf,
		   const struct dma_buf_mapping_match *offers, size_t nr_offers,
		   const struct dma_buf_attach_ops *importer_ops,
		   const struct dma_buf_mapping_type *type)
{
	struct dma_buf_attachment *attach;

	attach = dma_buf_mapping_attach(dmabuf, offers, nr_offers, importer_ops,
					NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_PTR_EQ(test, attach->map_type, type);
	dma_buf_detach(dmabuf, attach);
}

/* The offers end in @err. */
static inline void
sample_expect_refused(struct kunit *test, struct dma_buf *dmabuf,
		      const struct dma_buf_mapping_match *offers,
		      size_t nr_offers,
		      const struct dma_buf_attach_ops *importer_ops, int err)
{
	struct dma_buf_attachment *attach;

	attach = dma_buf_mapping_attach(dmabuf, offers, nr_offers, importer_ops,
					NULL);
	KUNIT_EXPECT_EQ(test, err, PTR_ERR_OR_ZERO(attach));
	if (!IS_ERR(attach))
		dma_buf_detach(dmabuf, attach);
}

/* Nothing is reachable while the buffer is revoked, all of it afterwards. */
static inline void sample_expect_revoke(struct kunit *test,
					struct dma_buf *dmabuf,
					struct dma_buf_attachment *attach,
					void *importer, sample_access_t access)
{
	u8 byte;

	KUNIT_ASSERT_EQ(test, 0, access(importer, 0, &byte, 1, false));
	KUNIT_EXPECT_EQ(test, 1, attach->nr_maps);

	sample_set_revoked(dmabuf, true);
	KUNIT_EXPECT_EQ(test, 0, attach->nr_maps);
	KUNIT_EXPECT_EQ(test, -ENODEV, access(importer, 0, &byte, 1, false));

	sample_set_revoked(dmabuf, false);
	sample_expect_moves(test, dmabuf, importer, access);
}

/* A device that does DMA and lives until the end of the test. */
static inline struct device *sample_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0, dma_coerce_mask_and_coherent(dev,
							      DMA_BIT_MASK(64)));
	if (device_iommu_mapped(dev))
		kunit_skip(test, "DMA addresses of %s go through an IOMMU", name);
	return dev;
}

static inline void sample_put_action(void *dmabuf)
{
	dma_buf_put(dmabuf);
	/* Tests run in kernel threads, where the last put is deferred. */
	flush_delayed_fput();
}

/* @dmabuf, which is released at the end of the test. */
static inline struct dma_buf *sample_managed(struct kunit *test,
					     struct dma_buf *dmabuf)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   sample_put_action,
							   dmabuf));
	return dmabuf;
}

/* An importer that goes does to itself what an invalidation does to it. */
static inline void sample_detach_action(void *data)
{
	struct dma_buf_attachment *attach = data;
	struct dma_buf *dmabuf = attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	if (attach->importer_ops)
		attach->importer_ops->invalidate_mappings(attach);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
}

/* @attach, which is detached at the end of the test. */
static inline struct dma_buf_attachment *
sample_managed_attach(struct kunit *test, struct dma_buf_attachment *attach)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   sample_detach_action,
							   attach));
	return attach;
}

#endif /* __SAMPLE_BUF_H__ */
