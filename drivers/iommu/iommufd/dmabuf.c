// SPDX-License-Identifier: GPL-2.0-only
/*
 * Areas of an IOAS that are backed by a dma-buf.
 *
 * Other areas read PFNs from somewhere and write them into domains. Here the
 * exporter is asked to have its memory mapped, through the IOMMU mapping type,
 * and no PFN is seen, pinned, counted or stored. Such areas have no
 * storage_domain, are in no domains_itree, and the CPU cannot access them.
 *
 * What is mapped where follows from the tracks, one for each pair of an area and
 * a domain of its io_pagetable. All of the area is in the domain, or nothing is;
 * except for what the exporter took back, which is recorded in revoked_itree for
 * all areas of the pages. See dmabuf_map.c.
 *
 * Lock order, outermost first:
 *
 *   domains_rwsem > iova_rwsem > dma_resv > fs_reclaim
 *
 * dma_resv protects all that changes in pages->dmabuf. pages->mutex is not
 * taken: an exporter may call back at any time, and does so under dma_resv.
 * Tracks hold pointers to areas and domains, which such a callback uses. So a
 * pair is untracked before its area or its domain goes.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-resv.h>
#include <linux/iommufd.h>
#include <linux/slab.h>

#include "io_pagetable.h"

static void iopt_dmabuf_lock(struct iopt_pages *pages)
{
	dma_resv_lock(pages->dmabuf.attach->dmabuf->resv, NULL);
}

static void iopt_dmabuf_unlock(struct iopt_pages *pages)
{
	dma_resv_unlock(pages->dmabuf.attach->dmabuf->resv);
}

/*
 * Tracks
 */

static struct iopt_dmabuf_track *
iopt_dmabuf_find_track(struct iopt_pages *pages, struct iopt_area *area,
		       struct iommu_domain *domain)
{
	struct iopt_dmabuf_track *track;

	list_for_each_entry(track, &pages->dmabuf.tracker, elm)
		if (track->area == area && track->domain == domain)
			return track;
	return NULL;
}

static void iopt_dmabuf_untrack(struct iopt_pages *pages,
				struct iopt_dmabuf_track *track)
{
	iopt_dmabuf_unmap(pages, track);
	list_del(&track->elm);
	kfree(track);
}

static void iopt_dmabuf_untrack_area(struct iopt_pages *pages,
				     struct iopt_area *area)
{
	struct iopt_dmabuf_track *track, *next;

	list_for_each_entry_safe(track, next, &pages->dmabuf.tracker, elm)
		if (track->area == area)
			iopt_dmabuf_untrack(pages, track);
}

/*
 * With @may_lack a revoked buffer is no failure: the pair is tracked and not
 * mapped.
 */
static int iopt_dmabuf_track(struct iopt_pages *pages, struct iopt_area *area,
			     struct iommu_domain *domain, bool may_lack)
{
	struct iopt_dmabuf_track *track;
	int rc;

	if (IS_ENABLED(CONFIG_IOMMUFD_TEST) &&
	    WARN_ON(iopt_dmabuf_find_track(pages, area, domain)))
		return -EINVAL;

	track = kzalloc_obj(*track, GFP_KERNEL_ACCOUNT);
	if (!track)
		return -ENOMEM;

	track->area = area;
	track->domain = domain;
	list_add_tail(&track->elm, &pages->dmabuf.tracker);

	if (pages->dmabuf.revoked)
		return 0;

	rc = iopt_dmabuf_map(pages, track);
	if (rc == -ENODEV && may_lack)
		return 0;
	if (rc)
		iopt_dmabuf_untrack(pages, track);
	return rc;
}

/*
 * Areas and domains come and go
 */

/* Teach lockdep the order in which domains will be added to this area. */
static void iopt_dmabuf_prime_lockdep(struct iopt_area *area,
				      struct iopt_pages *pages)
{
	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;

	down_read(&area->iopt->iova_rwsem);
	iopt_dmabuf_lock(pages);
	iopt_dmabuf_unlock(pages);
	up_read(&area->iopt->iova_rwsem);
}

/*
 * The exporter did not have the memory just now. What it took back it need not
 * have, and need not want to give. If it takes more in the meantime, then the
 * next attempt finds out and deals with it.
 */
static int iopt_dmabuf_prepare(struct iopt_area *area, struct iopt_pages *pages)
{
	unsigned long index = iopt_area_index(area);
	size_t size;
	u64 offset;
	int rc;

	while (true) {
		iopt_dmabuf_lock(pages);
		size = iopt_dmabuf_next_piece(pages, area, &index, &offset);
		iopt_dmabuf_unlock(pages);
		if (!size)
			return 0;

		rc = dma_buf_prepare_attachment(pages->dmabuf.attach, offset,
						size);
		if (rc && rc != -ENODEV && rc != -EACCES)
			return rc;
	}
}

static int iopt_dmabuf_try_fill_domains(struct iopt_area *area,
					struct iopt_pages *pages)
{
	struct iommu_domain *domain;
	unsigned long index;
	int rc = 0;

	iopt_dmabuf_lock(pages);
	xa_for_each(&area->iopt->domains, index, domain) {
		rc = iopt_dmabuf_track(pages, area, domain,
				       pages->dmabuf.remap);
		if (rc) {
			iopt_dmabuf_untrack_area(pages, area);
			break;
		}
	}
	if (!rc)
		iopt_dmabuf_restore(pages);
	iopt_dmabuf_unlock(pages);
	return rc;
}

/**
 * iopt_dmabuf_fill_domains() - Map a new area into the domains of its iopt
 * @area: The area to act on
 * @pages: The pages associated with the area (area->pages is NULL)
 *
 * See iopt_area_fill_domains(). If the pages are known to be revoked this
 * succeeds and leaves the domains unchanged.
 */
int iopt_dmabuf_fill_domains(struct iopt_area *area, struct iopt_pages *pages)
{
	int rc;

	lockdep_assert_held(&area->iopt->domains_rwsem);

	iopt_dmabuf_prime_lockdep(area, pages);

	rc = iopt_dmabuf_try_fill_domains(area, pages);
	if (rc != -EAGAIN)
		return rc;
	rc = iopt_dmabuf_prepare(area, pages);
	if (rc)
		return rc;
	return iopt_dmabuf_try_fill_domains(area, pages);
}

/**
 * iopt_dmabuf_unfill_domains() - Unmap an area from the domains of its iopt
 * @area: The area to act on
 * @pages: The pages associated with the area (area->pages is NULL)
 */
void iopt_dmabuf_unfill_domains(struct iopt_area *area,
				struct iopt_pages *pages)
{
	lockdep_assert_held(&area->iopt->domains_rwsem);

	iopt_dmabuf_lock(pages);
	iopt_dmabuf_untrack_area(pages, area);
	iopt_dmabuf_unlock(pages);
}

static int iopt_dmabuf_try_fill_domain(struct iopt_area *area,
				       struct iopt_pages *pages,
				       struct iommu_domain *domain)
{
	int rc;

	iopt_dmabuf_lock(pages);
	/* Areas that lost their memory do not keep domains away. */
	rc = iopt_dmabuf_track(pages, area, domain, true);
	if (!rc)
		iopt_dmabuf_restore(pages);
	iopt_dmabuf_unlock(pages);
	return rc;
}

/**
 * iopt_dmabuf_fill_domain() - Map an area into a domain that is new to its iopt
 * @area: The area to act on
 * @pages: The pages associated with the area
 * @domain: The domain to map into
 *
 * See iopt_fill_domain(). A revoked buffer is no failure.
 */
int iopt_dmabuf_fill_domain(struct iopt_area *area, struct iopt_pages *pages,
			    struct iommu_domain *domain)
{
	int rc;

	lockdep_assert_held_write(&area->iopt->domains_rwsem);

	rc = iopt_dmabuf_try_fill_domain(area, pages, domain);
	if (rc != -EAGAIN)
		return rc;
	rc = iopt_dmabuf_prepare(area, pages);
	if (rc)
		return rc;
	return iopt_dmabuf_try_fill_domain(area, pages, domain);
}

/**
 * iopt_dmabuf_unfill_domain() - Unmap an area from a domain of its iopt
 * @area: The area to act on
 * @pages: The pages associated with the area
 * @domain: The domain to unmap from
 */
void iopt_dmabuf_unfill_domain(struct iopt_area *area, struct iopt_pages *pages,
			       struct iommu_domain *domain)
{
	struct iopt_dmabuf_track *track;

	lockdep_assert_held_write(&area->iopt->domains_rwsem);

	iopt_dmabuf_lock(pages);
	track = iopt_dmabuf_find_track(pages, area, domain);
	if (!WARN_ON(!track))
		iopt_dmabuf_untrack(pages, track);
	iopt_dmabuf_unlock(pages);
}

/*
 * Life and death
 */

static int iopt_dmabuf_pin(struct iopt_pages *pages,
			   struct dma_buf_attachment *attach)
{
	struct dma_resv *resv = attach->dmabuf->resv;
	int rc;

	rc = dma_resv_lock_interruptible(resv, NULL);
	if (rc)
		return rc;
	rc = dma_buf_pin(attach);
	if (!rc)
		pages->dmabuf.attach = attach;
	dma_resv_unlock(resv);
	return rc;
}

/* From here on the callbacks are deaf, and the attachment can go. */
static void iopt_dmabuf_unpin(struct iopt_pages *pages)
{
	struct dma_buf_attachment *attach = pages->dmabuf.attach;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	dma_buf_unpin(attach);
	pages->dmabuf.attach = NULL;
	dma_resv_unlock(attach->dmabuf->resv);
}

static int iopt_dmabuf_attach(struct iopt_pages *pages, struct dma_buf *dmabuf,
			      u64 offset, u64 length)
{
	struct dma_buf_attachment *attach;
	long rc;

	attach = dma_buf_mapping_attach(dmabuf, &DMA_BUF_IMAPPING_IOMMU(), 1,
					iopt_dmabuf_attach_ops(pages), pages);
	if (IS_ERR(attach))
		return PTR_ERR(attach);

	rc = iopt_dmabuf_pin(pages, attach);
	if (rc)
		goto err_detach;

	rc = dma_buf_prepare_attachment(attach, offset, length);
	/* Who can wait for the memory does not need it now. */
	if (rc && !(rc == -ENODEV && pages->dmabuf.remap))
		goto err_unpin;

	/*
	 * The memory may be on its way to where it is pinned. It moves no more
	 * after that, so later fences are of no concern.
	 */
	rc = dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_KERNEL, true,
				   MAX_SCHEDULE_TIMEOUT);
	if (rc < 0)
		goto err_unpin;
	return 0;

err_unpin:
	iopt_dmabuf_unpin(pages);
err_detach:
	dma_buf_detach(dmabuf, attach);
	return rc;
}

/**
 * iopt_alloc_dmabuf_pages() - Pages that are a slice of a dma-buf
 * @ictx: iommufd_ctx that the pages are for
 * @dmabuf: The buffer; on success its reference moves to the pages
 * @start_byte: Where the slice starts in its first page
 * @start: Where it starts in the buffer, in bytes
 * @length: How long it is, in bytes
 * @writable: Areas may be writable
 * @remap: Map again what was revoked, once the exporter allows it
 */
struct iopt_pages *iopt_alloc_dmabuf_pages(struct iommufd_ctx *ictx,
					   struct dma_buf *dmabuf,
					   unsigned long start_byte,
					   unsigned long start,
					   unsigned long length, bool writable,
					   bool remap)
{
	struct iopt_pages *pages;
	int rc;

	if (dmabuf->size <= start + length - 1)
		return ERR_PTR(-EINVAL);

	pages = iopt_alloc_pages(start_byte, length, writable);
	if (IS_ERR(pages))
		return pages;

	/* dmabuf does not use pinned page accounting. */
	pages->account_mode = IOPT_PAGES_ACCOUNT_NONE;
	pages->type = IOPT_ADDRESS_DMABUF;
	pages->dmabuf.start = start - start_byte;
	pages->dmabuf.revoked_itree = RB_ROOT_CACHED;
	pages->dmabuf.remap = remap;
	INIT_LIST_HEAD(&pages->dmabuf.tracker);

	rc = iopt_dmabuf_attach(pages, dmabuf, start, length);
	if (rc) {
		iopt_put_pages(pages);
		return ERR_PTR(rc);
	}
	return pages;
}

/**
 * iopt_dmabuf_release() - Let go of the buffer
 * @pages: Pages that are in no area; they may have failed to attach
 */
void iopt_dmabuf_release(struct iopt_pages *pages)
{
	struct dma_buf_attachment *attach = pages->dmabuf.attach;

	WARN_ON(!list_empty(&pages->dmabuf.tracker));

	if (attach) {
		struct dma_buf *dmabuf = attach->dmabuf;

		iopt_dmabuf_unpin(pages);
		dma_buf_detach(dmabuf, attach);
		dma_buf_put(dmabuf);
	}
	iopt_dmabuf_forget_revoked(pages);
}

/**
 * iopt_dmabuf_can_go() - Can an exporter have IOPTEs removed at any time?
 * @pages: Pages of a dma-buf, in an area
 *
 * It does so under the reservation lock, and page tables are freed with them. So
 * iova_rwsem is not enough for a walk over the IOPTEs of these pages, and the
 * reservation lock is no help to one that writes to memory of user space.
 */
bool iopt_dmabuf_can_go(struct iopt_pages *pages)
{
	return pages->dmabuf.attach->map_exp->flavour != DMA_BUF_FLAVOUR_PINNED;
}
