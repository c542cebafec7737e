/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/dma-buf.h>

/* Checks the lock, and leaves a trace of its own. */
void trace_dma_buf_dynamic_attach(struct dma_buf *dmabuf,
				  struct dma_buf_attachment *attach,
				  bool is_dynamic, struct device *dev);
bool trace_dma_buf_dynamic_attach_enabled(void);
