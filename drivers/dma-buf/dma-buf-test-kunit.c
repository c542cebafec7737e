// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test exporter seen by importers that want scatterlists: what they have
 * mapped stays what it is, whatever the exporter is told to do meanwhile.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping-type.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/io.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "dma-buf-test.h"

#define ORDER		2
#define EXTENT		(PAGE_SIZE << ORDER)
#define NR		8
#define SIZE		(NR * EXTENT)

#define DO(_dmabuf, _op, ...)						\
	dma_buf_test_do(_dmabuf, &(struct dma_buf_test_op) {		\
		.op = DMA_BUF_TEST_OP_##_op, ##__VA_ARGS__ })

KUNIT_DEFINE_ACTION_WRAPPER(put_action, dma_buf_put, struct dma_buf *);

static struct dma_buf *create(struct kunit *test, u32 flags)
{
	struct dma_buf_test_create create = {
		.size = SIZE,
		.extent_order = ORDER,
		.flags = flags,
		.fd_flags = O_RDWR,
	};
	struct dma_buf *dmabuf = dma_buf_test_export(&create);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_action, dmabuf));
	return dmabuf;
}

static struct device *create_device(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "dma-buf-test-importer");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0, dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	return dev;
}

struct importer {
	int invalidated;
	int allowed;
};

static void importer_invalidate(struct dma_buf_attachment *attach)
{
	struct importer *importer = attach->importer_priv;

	importer->invalidated++;
}

static void importer_allowed(struct dma_buf_attachment *attach)
{
	struct importer *importer = attach->importer_priv;

	importer->allowed++;
}

static const struct dma_buf_attach_ops importer_ops = {
	.invalidate_mappings = importer_invalidate,
	.mappings_allowed = importer_allowed,
};

/* Through the DMA address, as a device. Without an IOMMU that is possible. */
static u64 *extent_at(struct dma_buf_attachment *attach, struct sg_table *table,
		      unsigned int nr)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(table, sg, i)
		if (i == nr)
			return phys_to_virt(dma_to_phys(attach->dev, sg_dma_address(sg)));
	return NULL;
}

/* Write @seed + n to the n-th extent, or check that it is there. */
static void stamp(struct kunit *test, struct dma_buf_attachment *attach,
		  u64 seed, bool write)
{
	enum dma_data_direction direction = write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
	struct sg_table *table;
	unsigned int i;

	table = dma_buf_map_attachment_unlocked(attach, direction);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	for (i = 0; i < NR; i++) {
		if (write)
			*extent_at(attach, table, i) = seed + i;
		KUNIT_EXPECT_EQ(test, seed + i, *extent_at(attach, table, i));
	}
	dma_buf_unmap_attachment_unlocked(attach, table, direction);
}

static int map_error(struct dma_buf_attachment *attach,
		     enum dma_data_direction direction)
{
	struct sg_table *table = dma_buf_map_attachment_unlocked(attach, direction);

	if (IS_ERR(table))
		return PTR_ERR(table);
	dma_buf_unmap_attachment_unlocked(attach, table, direction);
	return 0;
}

/* Who cannot be told pins the buffer, and it stays. */
static void test_static(struct kunit *test)
{
	struct dma_buf *dmabuf = create(test, DMA_BUF_TEST_DYNAMIC);
	struct dma_buf_attachment *attach;
	struct sg_table *table;

	attach = dma_buf_attach(dmabuf, create_device(test));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	stamp(test, attach, 100, true);

	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	KUNIT_EXPECT_EQ(test, -EBUSY, DO(dmabuf, MOVE));
	KUNIT_EXPECT_EQ(test, -EBUSY, DO(dmabuf, REVOKE));
	KUNIT_EXPECT_EQ(test, -EBUSY, DO(dmabuf, INVALIDATE));
	KUNIT_EXPECT_EQ(test, -EBUSY, DO(dmabuf, SET_READONLY, .value = 1));
	KUNIT_EXPECT_EQ(test, -EBUSY, DO(dmabuf, CHANGE_PFN));
	KUNIT_EXPECT_EQ(test, 103, *extent_at(attach, table, 3));
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_BIDIRECTIONAL);

	KUNIT_EXPECT_EQ(test, -EPERM, DO(dmabuf, CHANGE_PFN));
	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, MOVE));
	stamp(test, attach, 100, false);
	dma_buf_detach(dmabuf, attach);
}

/* Who can be told keeps what it has mapped until it unmaps. */
static void test_dynamic(struct kunit *test)
{
	struct dma_buf *dmabuf = create(test, DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_RANGES);
	struct dma_buf_attachment *attach;
	struct importer importer = {};
	struct sg_table *table;
	u64 *old;

	attach = dma_buf_dynamic_attach(dmabuf, create_device(test), &importer_ops,
					&importer);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	stamp(test, attach, 200, true);

	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	old = extent_at(attach, table, 1);
	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, MOVE, .offset = EXTENT, .length = 2 * EXTENT));
	KUNIT_EXPECT_EQ(test, 1, importer.invalidated);
	KUNIT_EXPECT_EQ(test, 201, *old);
	*old = 0;
	stamp(test, attach, 200, false);
	KUNIT_EXPECT_EQ(test, 0, *old);
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_BIDIRECTIONAL);
	dma_buf_detach(dmabuf, attach);
}

static void test_revoked(struct kunit *test)
{
	struct dma_buf *dmabuf = create(test, DMA_BUF_TEST_REVOCABLE);
	struct device *dev = create_device(test);
	struct dma_buf_attachment *attach;
	struct importer importer = {};

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, PTR_ERR_OR_ZERO(dma_buf_attach(dmabuf, dev)));

	attach = dma_buf_dynamic_attach(dmabuf, dev, &importer_ops, &importer);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	stamp(test, attach, 300, true);

	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, REVOKE));
	KUNIT_EXPECT_EQ(test, 1, importer.invalidated);
	KUNIT_EXPECT_EQ(test, -ENODEV, map_error(attach, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			PTR_ERR_OR_ZERO(dma_buf_dynamic_attach(dmabuf, dev, &importer_ops,
							       &importer)));
	KUNIT_EXPECT_EQ(test, 0, importer.allowed);

	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, UNREVOKE));
	KUNIT_EXPECT_EQ(test, 1, importer.allowed);
	stamp(test, attach, 300, false);
	dma_buf_detach(dmabuf, attach);
}

/* The exporter may do to it what it likes while nobody can look. */
static void test_revoked_pin(struct kunit *test)
{
	struct dma_buf *dmabuf = create(test, DMA_BUF_TEST_DYNAMIC);
	struct dma_buf_attachment *attach;

	attach = dma_buf_attach(dmabuf, create_device(test));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	stamp(test, attach, 350, true);
	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, REVOKE));
	KUNIT_EXPECT_EQ(test, -ENODEV, map_error(attach, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, MOVE));
	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, UNREVOKE));
	stamp(test, attach, 350, false);
	dma_buf_detach(dmabuf, attach);
}

static void test_readonly(struct kunit *test)
{
	struct dma_buf *dmabuf = create(test, DMA_BUF_TEST_READONLY);
	struct dma_buf_attachment *attach;

	attach = dma_buf_attach(dmabuf, create_device(test));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_EQ(test, -EACCES, map_error(attach, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, -EACCES, map_error(attach, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, map_error(attach, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, SET_READONLY, .value = 0));
	stamp(test, attach, 400, true);
	dma_buf_detach(dmabuf, attach);
}

static void test_lazy(struct kunit *test)
{
	struct dma_buf *dmabuf = create(test, DMA_BUF_TEST_LAZY);
	struct dma_buf_attachment *attach;

	attach = dma_buf_attach(dmabuf, create_device(test));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	stamp(test, attach, 500, true);
	stamp(test, attach, 500, false);
	dma_buf_detach(dmabuf, attach);
}

static void expect_layout(struct kunit *test, struct dma_buf_attachment *attach)
{
	struct sg_table *table;
	struct scatterlist *sg;
	dma_addr_t end = 0;
	unsigned int i, nr = 0;

	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	for_each_sgtable_dma_sg(table, sg, i) {
		KUNIT_EXPECT_EQ(test, EXTENT, sg_dma_len(sg));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(sg_dma_address(sg), EXTENT));
		KUNIT_EXPECT_NE(test, end, sg_dma_address(sg));
		end = sg_dma_address(sg) + sg_dma_len(sg);
		nr++;
	}
	KUNIT_EXPECT_EQ(test, NR, nr);
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_TO_DEVICE);
}

/* Extents have the size that was asked for, are aligned and stay apart. */
static void test_layout(struct kunit *test)
{
	static const u32 flags[] = {
		DMA_BUF_TEST_DYNAMIC, DMA_BUF_TEST_DYNAMIC | DMA_BUF_TEST_LAZY,
	};
	struct device *dev = create_device(test);
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	unsigned int i, first, nr;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		dmabuf = create(test, flags[i]);
		attach = dma_buf_attach(dmabuf, dev);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
		expect_layout(test, attach);
		for (first = 0; first < NR; first++) {
			for (nr = 1; nr <= NR - first; nr++) {
				KUNIT_EXPECT_EQ(test, 0, DO(dmabuf, MOVE, .offset = first * EXTENT,
							    .length = nr * EXTENT));
				expect_layout(test, attach);
			}
		}
		dma_buf_detach(dmabuf, attach);
	}
}

static void test_foreign(struct kunit *test)
{
	struct dma_buf_test_create bad = { .size = SIZE + 1, .fd_flags = O_RDWR };
	struct dma_buf *dmabuf = create(test, 0);
	const struct dma_buf_ops *ops = dmabuf->ops;
	struct dma_buf_ops other = *ops;

	KUNIT_EXPECT_EQ(test, -EINVAL, PTR_ERR_OR_ZERO(dma_buf_test_export(&bad)));

	other.release = NULL;
	dmabuf->ops = &other;
	KUNIT_EXPECT_EQ(test, -EINVAL, DO(dmabuf, HOLD_FENCE));
	dmabuf->ops = ops;
}

static struct kunit_case dma_buf_test_cases[] = {
	KUNIT_CASE(test_static),
	KUNIT_CASE(test_dynamic),
	KUNIT_CASE(test_revoked),
	KUNIT_CASE(test_revoked_pin),
	KUNIT_CASE(test_readonly),
	KUNIT_CASE(test_lazy),
	KUNIT_CASE(test_layout),
	KUNIT_CASE(test_foreign),
	{ }
};

static struct kunit_suite dma_buf_test_suite = {
	.name = "dma-buf-test",
	.test_cases = dma_buf_test_cases,
};

kunit_test_suite(dma_buf_test_suite);
