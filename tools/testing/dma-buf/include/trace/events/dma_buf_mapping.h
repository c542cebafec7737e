/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/dma-buf.h>

/* Count in host.traced_attaches and host.traced_invalidations. */
void trace_dma_buf_mapping_attach(struct dma_buf_attachment *attach);
void trace_dma_buf_mapping_invalidate(struct dma_buf_attachment *attach,
				      u64 offset, u64 length);
