/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dma_buf_mapping

#if !defined(_TRACE_DMA_BUF_MAPPING_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DMA_BUF_MAPPING_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/tracepoint.h>

TRACE_EVENT(dma_buf_mapping_attach,

	TP_PROTO(struct dma_buf_attachment *attach),

	TP_ARGS(attach),

	TP_STRUCT__entry(
		__field(unsigned long, ino)
		__string(exp_name, attach->dmabuf->exp_name)
		__string(dev_name, attach->dev ? dev_name(attach->dev) : "-")
		__string(type, attach->map_type->name)
		__field(int, flavour)
	),

	TP_fast_assign(
		__entry->ino = attach->dmabuf->file->f_inode->i_ino;
		__assign_str(exp_name);
		__assign_str(dev_name);
		__assign_str(type);
		__entry->flavour = attach->map_exp->flavour;
	),

	TP_printk("ino=%lu exp_name=%s dev_name=%s type=%s flavour=%d",
		  __entry->ino, __get_str(exp_name), __get_str(dev_name),
		  __get_str(type), __entry->flavour)
);

TRACE_EVENT(dma_buf_mapping_invalidate,

	TP_PROTO(struct dma_buf_attachment *attach, u64 offset, u64 length),

	TP_ARGS(attach, offset, length),

	TP_STRUCT__entry(
		__field(unsigned long, ino)
		__string(type, attach->map_type->name)
		__field(u64, offset)
		__field(u64, length)
	),

	TP_fast_assign(
		__entry->ino = attach->dmabuf->file->f_inode->i_ino;
		__assign_str(type);
		__entry->offset = offset;
		__entry->length = length;
	),

	TP_printk("ino=%lu type=%s offset=%#llx length=%#llx", __entry->ino,
		  __get_str(type), __entry->offset, __entry->length)
);

#endif /* _TRACE_DMA_BUF_MAPPING_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
