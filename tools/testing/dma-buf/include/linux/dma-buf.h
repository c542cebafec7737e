/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The members of dma-buf's own structures that the code under test uses, with
 * the types that they have in the kernel.
 */
#ifndef __LINUX_DMA_BUF_H__
#define __LINUX_DMA_BUF_H__

#include <shim.h>
#include <linux/dma-buf-mapping-type.h>

enum dma_data_direction {
	DMA_BIDIRECTIONAL,
};

struct dma_buf;
struct dma_buf_attachment;
struct dma_buf_sink;
struct sg_table;

struct dma_buf_ops {
	const struct dma_buf_mapping_exp *mappings;
	int (*attach)(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
	void (*detach)(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
	int (*pin)(struct dma_buf_attachment *attach);
	void (*unpin)(struct dma_buf_attachment *attach);
	struct sg_table *(*map_dma_buf)(struct dma_buf_attachment *attach,
					enum dma_data_direction direction);
	void (*unmap_dma_buf)(struct dma_buf_attachment *attach,
			      struct sg_table *sgt,
			      enum dma_data_direction direction);
};

struct dma_buf {
	size_t size;
	struct list_head attachments;
	const struct dma_buf_ops *ops;
	const char *exp_name;
	spinlock_t name_lock;	/* held while an attach is traced */
	void *priv;
	struct dma_resv *resv;
};

struct dma_buf_attach_ops {
	bool allow_peer2peer;
	void (*invalidate_mappings)(struct dma_buf_attachment *attach);
	void (*invalidate_range)(struct dma_buf_attachment *attach, u64 offset,
				 u64 length);
	void (*mappings_allowed)(struct dma_buf_attachment *attach);
};

struct dma_buf_attachment {
	struct dma_buf *dmabuf;
	struct device *dev;
	struct list_head node;
	bool peer2peer;
	const struct dma_buf_attach_ops *importer_ops;
	void *importer_priv;
	void *priv;
	const struct dma_buf_mapping_type *map_type;
	const struct dma_buf_mapping_exp *map_exp;
	struct dma_buf_mapping_match map_imp;
	unsigned int nr_maps;
	struct dma_buf_sink *sink;
};

#endif /* __LINUX_DMA_BUF_H__ */
