// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOMMU mapping type: memory that devices reach through a domain of the
 * importer.
 *
 * This is the one place where a domain and an address meet. The importer names
 * a domain and an I/O virtual address and never hears of a physical one; the
 * exporter gives its extents and never hears of the domain.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-iommu.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "dma-buf-sink.h"

/*
 * A window on its way into a domain. What was given is collected in a run for
 * as long as it is contiguous and of one kind, and then mapped in one go, so
 * that the IOMMU can use large pages.
 */
struct dma_buf_iommu_window {
	struct iommu_domain *domain;
	unsigned long iova;
	u64 offset;		/* where it starts in the buffer */
	u64 end;		/* where it ends */
	u64 granule;		/* no mapping crosses a multiple of it; 0: any may */
	int prot;
	u64 mapped;		/* bytes, from the start of the window */
	u64 run;		/* bytes after those, given but not mapped */
	phys_addr_t run_phys;
	int run_prot;
};

static int dma_buf_iommu_match(struct dma_buf *dmabuf,
			       const struct dma_buf_mapping_exp *exp,
			       const struct dma_buf_mapping_match *imp)
{
	const struct dma_buf_extent_ops *ops = exp->ops;

	if (WARN_ON_ONCE(!ops || !ops->fill))
		return -EINVAL;
	if (WARN_ON_ONCE(exp->inval_granule &&
			 (exp->inval_granule < PAGE_SIZE ||
			  !is_power_of_2(exp->inval_granule))))
		return -EINVAL;
	return 0;
}

static void dma_buf_iommu_show(struct seq_file *s,
			       struct dma_buf_attachment *attach)
{
	dma_buf_sink_show(s, attach);
	seq_printf(s, "\tmapped %llu\tfailed %llu", attach->sink->mapped,
		   attach->sink->nr_failed);
}

/*
 * The buffer is mapped into domains of the importer. The exporter implements
 * struct dma_buf_extent_ops, the importer calls dma_buf_map_attachment_iommu().
 *
 * Domains do not take faults, so what is mapped stays mapped until the importer
 * is told to let go of it. An exporter that moves buffers must be pinned by
 * dma_buf_pin() first, and no exporter may invalidate from reclaim.
 */
const struct dma_buf_mapping_type dma_buf_mapping_iommu_type = {
	.name = "iommu",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.match = dma_buf_iommu_match,
	.attach = dma_buf_sink_attach,
	.detach = dma_buf_sink_detach,
	.invalidate = dma_buf_sink_invalidate,
	.show = dma_buf_iommu_show,
};
EXPORT_SYMBOL_NS_GPL(dma_buf_mapping_iommu_type, "DMA_BUF");

static void dma_buf_iommu_unmap(struct iommu_domain *domain, unsigned long iova,
				size_t size)
{
	/*
	 * Drivers do not fail here. If one does, or if this is not what was
	 * mapped, then devices go on using memory that is not theirs any more.
	 */
	WARN_ON(size && iommu_unmap(domain, iova, size) != size);
}

/*
 * Map the run. iommu_unmap() cannot split what one iommu_map() made, so nothing
 * is joined across a border at which the exporter may take a part back.
 */
static int dma_buf_iommu_flush(struct dma_buf_iommu_window *window)
{
	u64 size, pos;
	int ret;

	while (window->run) {
		size = window->run;
		if (window->granule) {
			pos = window->offset + window->mapped;
			size = min(size, window->granule -
					 (pos & (window->granule - 1)));
		}

		ret = iommu_map_nosync(window->domain,
				       window->iova + window->mapped,
				       window->run_phys, size, window->run_prot,
				       GFP_KERNEL_ACCOUNT);
		if (ret)
			return ret;

		window->mapped += size;
		window->run_phys += size;
		window->run -= size;
		cond_resched();
	}
	return 0;
}

static int dma_buf_iommu_take(struct dma_buf_attachment *attach, void *cookie,
			      const struct dma_buf_extent *extent)
{
	struct dma_buf_iommu_window *window = cookie;
	u64 pos = window->offset + window->mapped + window->run;
	u64 end = extent->offset + (extent->nr_pages << PAGE_SHIFT);
	u64 size = min(end, window->end) - pos;
	u64 skip = pos - extent->offset;
	int prot = window->prot;
	phys_addr_t phys;
	int ret;

	if ((extent->flags & DMA_BUF_EXTENT_READONLY) && (prot & IOMMU_WRITE))
		return -EACCES;

	if (extent->kind == DMA_BUF_EXTENT_RAM) {
		u64 first = skip >> PAGE_SHIFT;
		u64 last = (skip + size - 1) >> PAGE_SHIFT;

		/* Nobody looks at a page later on, as a fault would. */
		ret = dma_buf_sink_check_pages(extent->page + first,
					       last - first + 1);
		if (ret)
			return ret;
		phys = page_to_phys(extent->page) + skip;
	} else {
		/* On AMD this also keeps memory encryption off. */
		prot = (prot & ~IOMMU_CACHE) | IOMMU_MMIO;
		phys = extent->mmio.phys + skip;
	}

	if (window->run && (phys != window->run_phys + window->run ||
			    prot != window->run_prot)) {
		ret = dma_buf_iommu_flush(window);
		if (ret)
			return ret;
	}
	if (!window->run) {
		window->run_phys = phys;
		window->run_prot = prot;
	}
	window->run += size;
	cond_resched();
	return 0;
}

static int dma_buf_iommu_run(struct dma_buf_attachment *attach,
			     struct dma_buf_iommu_window *window, size_t size)
{
	int ret;

	ret = dma_buf_sink_run(attach, window->offset, size,
			       window->prot & IOMMU_WRITE, dma_buf_iommu_take,
			       window);
	if (ret)
		return ret;
	ret = dma_buf_iommu_flush(window);
	if (ret)
		return ret;
	return iommu_sync_map(window->domain, window->iova, size);
}

/**
 * dma_buf_map_attachment_iommu - map a part of a buffer into a domain
 * @attach: attachment of the IOMMU type
 * @domain: domain of the importer
 * @iova: where to, unused so far
 * @offset: where the part starts in the buffer, in bytes
 * @size: how long it is, in bytes, not 0
 * @prot: IOMMU_READ, IOMMU_WRITE, and IOMMU_CACHE for memory that is RAM. The
 *	kind of the memory decides on IOMMU_MMIO.
 * @flags: DMA_BUF_IOMMU_SMALL_PAGES or 0
 *
 * Everything or nothing is mapped. @iova, @offset and @size are multiples of
 * the smallest page of @domain, which need not be a page of the CPU.
 *
 * What was mapped is unmapped by dma_buf_unmap_attachment_iommu(), at the
 * latest before &dma_buf_attach_ops.invalidate_mappings returns.
 *
 * Only iommufd and the KUnit tests may call it. As with every symbol that is
 * exported for certain modules, this binds modules; code that is built in is
 * not restrained.
 *
 * Context: process context, may sleep. The reservation lock is held. The
 * fences of the buffer are the caller's to honour.
 *
 * Return: 0, or an error:
 *
 * * -ENODEV: the buffer is revoked
 * * -EAGAIN: try again soon, after dropping the reservation lock
 * * -EACCES: IOMMU_WRITE, and a part of the memory is read-only; or a part is
 *   private
 * * -EHWPOISON: the memory has failed
 * * -EADDRINUSE: there is a mapping at @iova
 * * -EINTR, -ENOMEM: interrupted, or no memory
 * * -EINVAL, -EBUSY: misuse by either side. Warns.
 * * any other error of the exporter or of the IOMMU driver
 */
int dma_buf_map_attachment_iommu(struct dma_buf_attachment *attach,
				 struct iommu_domain *domain,
				 unsigned long iova, u64 offset, size_t size,
				 int prot, unsigned int flags)
{
	struct dma_buf_iommu_window window = {
		.domain = domain,
		.iova = iova,
		.offset = offset,
		.end = offset + size,
		.prot = prot,
	};
	unsigned long last;
	int ret;

	if (WARN_ON_ONCE(attach->map_type != &dma_buf_mapping_iommu_type ||
			 (flags & ~DMA_BUF_IOMMU_SMALL_PAGES) || !size ||
			 check_add_overflow(iova, size - 1, &last)))
		return -EINVAL;

	window.granule = attach->map_exp->inval_granule;
	if (flags & DMA_BUF_IOMMU_SMALL_PAGES)
		window.granule = PAGE_SIZE;

	ret = dma_buf_iommu_run(attach, &window, size);
	if (ret) {
		dma_buf_iommu_unmap(domain, iova, window.mapped);
		attach->sink->nr_failed++;
		return ret;
	}

	attach->sink->mapped += size;
	attach->nr_maps = 1;
	return 0;
}
EXPORT_SYMBOL_FOR_MODULES(dma_buf_map_attachment_iommu, "iommufd,dmabuf_kunit");

/**
 * dma_buf_unmap_attachment_iommu - undo dma_buf_map_attachment_iommu()
 * @attach: attachment of the IOMMU type
 * @domain: domain that was mapped into
 * @iova: where to start
 * @size: how many bytes, not 0
 *
 * All of the range must be mapped. It can be several mappings that follow each
 * other, and a part of one, as far as that begins and ends at multiples of
 * &dma_buf_mapping_exp.inval_granule in the buffer. When this returns devices
 * cannot reach the memory any more.
 *
 * Context: process context, may sleep. The reservation lock is held.
 */
void dma_buf_unmap_attachment_iommu(struct dma_buf_attachment *attach,
				    struct iommu_domain *domain,
				    unsigned long iova, size_t size)
{
	struct dma_buf_sink *sink = attach->sink;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (WARN_ON_ONCE(attach->map_type != &dma_buf_mapping_iommu_type ||
			 !size))
		return;

	dma_buf_iommu_unmap(domain, iova, size);

	if (!WARN_ON_ONCE(sink->mapped < size))
		sink->mapped -= size;
	attach->nr_maps = !!sink->mapped;
}
EXPORT_SYMBOL_FOR_MODULES(dma_buf_unmap_attachment_iommu,
			  "iommufd,dmabuf_kunit");
