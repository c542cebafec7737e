/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test exporter without user space.
 */
#ifndef __DMA_BUF_TEST_H__
#define __DMA_BUF_TEST_H__

#include <uapi/linux/dma-buf-test.h>

struct device;
struct dma_buf;

struct dma_buf *dma_buf_test_export(const struct dma_buf_test_create *create);
int dma_buf_test_do(struct dma_buf *dmabuf, const struct dma_buf_test_op *op);
int dma_buf_test_import(struct device *dev, void __user *arg);
int dma_buf_test_poison(void __user *arg);

#endif /* __DMA_BUF_TEST_H__ */
