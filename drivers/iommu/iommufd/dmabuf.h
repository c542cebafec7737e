/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Areas of an IOAS that are backed by a dma-buf.
 */
#ifndef __IOMMUFD_DMABUF_H
#define __IOMMUFD_DMABUF_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>

struct dma_buf;
struct dma_buf_attach_ops;
struct dma_buf_attachment;
struct iommu_domain;
struct iommufd_ctx;
struct iopt_area;
struct iopt_pages;

/*
 * The part of struct iopt_pages that is used for a dma-buf. attach and start
 * are constant once the pages are in an area, the rest is protected by the
 * reservation lock of the buffer. pages->mutex is not used.
 */
struct iopt_pages_dmabuf {
	/* NULL while the buffer is not pinned. */
	struct dma_buf_attachment *attach;
	/* Always PAGE_SIZE aligned */
	unsigned long start;
	/* struct iopt_dmabuf_track, one for each area and each of its domains */
	struct list_head tracker;
	/*
	 * Indexes that the exporter took back, as intervals that neither overlap
	 * nor touch. No domain maps any of them.
	 */
	struct rb_root_cached revoked_itree;
	unsigned int nr_revoked;
	/* Nothing is mapped, and nothing will be until the exporter allows it. */
	bool revoked : 1;
	/* It can allow it. Constant. */
	bool remap : 1;
	/* The exporter is being asked for memory. */
	bool filling : 1;
};

/*
 * A pair of an area and a domain. The indexes of the area below end are in the
 * domain, except for those that were taken back; if that is 0, none is.
 */
struct iopt_dmabuf_track {
	struct list_head elm;
	struct iopt_area *area;
	struct iommu_domain *domain;
	unsigned long end;
	/* While an interval of revoked_itree is mapped again: it is here. */
	bool restored;
};

struct iopt_pages *iopt_alloc_dmabuf_pages(struct iommufd_ctx *ictx,
					   struct dma_buf *dmabuf,
					   unsigned long start_byte,
					   unsigned long start,
					   unsigned long length, bool writable,
					   bool remap);
void iopt_dmabuf_release(struct iopt_pages *pages);
bool iopt_dmabuf_can_go(struct iopt_pages *pages);

int iopt_dmabuf_fill_domains(struct iopt_area *area, struct iopt_pages *pages);
void iopt_dmabuf_unfill_domains(struct iopt_area *area,
				struct iopt_pages *pages);
int iopt_dmabuf_fill_domain(struct iopt_area *area, struct iopt_pages *pages,
			    struct iommu_domain *domain);
void iopt_dmabuf_unfill_domain(struct iopt_area *area, struct iopt_pages *pages,
			       struct iommu_domain *domain);

/* From dmabuf_map.c, with the reservation lock held. */
int iopt_dmabuf_map(struct iopt_pages *pages, struct iopt_dmabuf_track *track);
void iopt_dmabuf_unmap(struct iopt_pages *pages,
		       struct iopt_dmabuf_track *track);
void iopt_dmabuf_restore(struct iopt_pages *pages);
size_t iopt_dmabuf_next_piece(struct iopt_pages *pages, struct iopt_area *area,
			      unsigned long *index, u64 *offset);

/* From there, when nobody else can have the pages. */
void iopt_dmabuf_forget_revoked(struct iopt_pages *pages);
const struct dma_buf_attach_ops *
iopt_dmabuf_attach_ops(const struct iopt_pages *pages);

#endif
