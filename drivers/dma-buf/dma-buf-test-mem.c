// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the test exporter: extents of any order, from the page allocator
 * or from a range of device memory.
 */
#define pr_fmt(fmt) "dma_buf_test: " fmt

#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <uapi/linux/dma-buf-test.h>

#include "dma-buf-test-mem.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dma_buf_test."

/*
 * What no CPU may have mapped write-back, so it has to be kept out of the
 * kernel's memory from the start, as by memmap=size$start on the command line.
 * Not to be read back: addresses are not for user space.
 */
static unsigned long mmio[2];
module_param_array(mmio, ulong, NULL, 0);
MODULE_PARM_DESC(mmio, "start,size of a reserved range that buffers of kind MMIO are made of");

static struct gen_pool *mmio_pool;

/* Nobody does DMA to this memory, but it has to belong to somebody. */
static struct p2pdma_provider mmio_provider;

bool dma_buf_test_have_mmio(void)
{
	return mmio_pool;
}

static unsigned long dma_buf_test_alloc_mmio(unsigned int order)
{
	struct genpool_data_align align = { .align = PAGE_SIZE << order };

	return PHYS_PFN(gen_pool_alloc_algo(mmio_pool, PAGE_SIZE << order,
					    gen_pool_first_fit_align, &align));
}

static unsigned long dma_buf_test_alloc_ram(unsigned int order, bool zero)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL |
			  (zero ? __GFP_ZERO : 0);
	struct page *page = NULL;

	if (order <= MAX_PAGE_ORDER)
		page = alloc_pages(gfp | __GFP_COMP, order);
#ifdef CONFIG_CONTIG_ALLOC
	else
		page = alloc_contig_pages(1UL << order, gfp, numa_mem_id(), NULL);
#endif
	return page ? page_to_pfn(page) : 0;
}

static void dma_buf_test_free_ram(unsigned long pfn, unsigned int order)
{
	if (order <= MAX_PAGE_ORDER)
		__free_pages(pfn_to_page(pfn), order);
#ifdef CONFIG_CONTIG_ALLOC
	else
		free_contig_range(pfn, 1UL << order);
#endif
}

static struct dma_buf_test_extent *
dma_buf_test_extent_alloc_any(u32 kind, unsigned int order, bool zero)
{
	struct dma_buf_test_extent *extent = kzalloc_obj(*extent);

	if (!extent)
		return NULL;

	kref_init(&extent->ref);
	extent->order = order;

	if (kind == DMA_BUF_TEST_RAM) {
		extent->pfn = dma_buf_test_alloc_ram(order, zero);
		if (!extent->pfn)
			goto err_free;
		return extent;
	}

	extent->pfn = dma_buf_test_alloc_mmio(order);
	if (!extent->pfn)
		goto err_free;

	extent->io = ioremap(PFN_PHYS(extent->pfn), PAGE_SIZE << order);
	if (!extent->io)
		goto err_pool;

	if (zero)
		memset_io(extent->io, 0, PAGE_SIZE << order);
	return extent;

err_pool:
	gen_pool_free(mmio_pool, PFN_PHYS(extent->pfn), PAGE_SIZE << order);
err_free:
	kfree(extent);
	return NULL;
}

/**
 * dma_buf_test_extent_alloc - allocate an extent
 * @kind: DMA_BUF_TEST_RAM, or DMA_BUF_TEST_MMIO if dma_buf_test_have_mmio()
 * @order: of the number of pages
 * @zero: clear it; else the caller is about to fill it
 * @before: pfn where the extent must not start, as the one before ends there; 0
 *	if there is none
 * @after: pfn where it must not end, as the one after starts there; 0 if there
 *	is none
 *
 * Return: the extent or an ERR_PTR: -ENOMEM.
 */
struct dma_buf_test_extent *
dma_buf_test_extent_alloc(u32 kind, unsigned int order, bool zero,
			  unsigned long before, unsigned long after)
{
	struct dma_buf_test_extent *extent, *rejects[2];
	int nr = 0;

	/* Only two places are wrong. The third try cannot be. */
	for (;;) {
		extent = dma_buf_test_extent_alloc_any(kind, order, zero);
		if (!extent)
			break;
		if (extent->pfn != before &&
		    dma_buf_test_extent_end(extent) != after)
			break;
		if (WARN_ON_ONCE(nr == ARRAY_SIZE(rejects)))
			break;
		rejects[nr++] = extent;
	}

	while (nr--)
		dma_buf_test_extent_put(rejects[nr]);
	return extent ?: ERR_PTR(-ENOMEM);
}

void dma_buf_test_extent_get(struct dma_buf_test_extent *extent)
{
	kref_get(&extent->ref);
}

static void dma_buf_test_extent_release(struct kref *ref)
{
	struct dma_buf_test_extent *extent =
		container_of(ref, struct dma_buf_test_extent, ref);

	if (dma_buf_test_is_mmio(extent)) {
		iounmap(extent->io);
		gen_pool_free(mmio_pool, PFN_PHYS(extent->pfn),
			      PAGE_SIZE << extent->order);
	} else {
		dma_buf_test_free_ram(extent->pfn, extent->order);
	}
	kfree(extent);
}

void dma_buf_test_extent_put(struct dma_buf_test_extent *extent)
{
	if (extent)
		kref_put(&extent->ref, dma_buf_test_extent_release);
}

/* Both are of the same kind and order. */
void dma_buf_test_extent_copy(struct dma_buf_test_extent *to,
			      const struct dma_buf_test_extent *from)
{
	size_t size = PAGE_SIZE << to->order, done, n;
	u64 bounce[32];

	if (!dma_buf_test_is_mmio(to)) {
		for (done = 0; done < size; done += n) {
			n = min_t(size_t, size - done, SZ_2M);
			memcpy(pfn_to_kaddr(to->pfn) + done,
			       pfn_to_kaddr(from->pfn) + done, n);
			cond_resched();
		}
		return;
	}

	for (done = 0; done < size; done += sizeof(bounce)) {
		memcpy_fromio(bounce, from->io + done, sizeof(bounce));
		memcpy_toio(to->io + done, bounce, sizeof(bounce));
		cond_resched();
	}
}

/* All that the sink wants to know, but for the offset and flags. */
void dma_buf_test_extent_describe(const struct dma_buf_test_extent *from,
				  struct dma_buf_extent *to)
{
	to->nr_pages = 1ULL << from->order;
	if (dma_buf_test_is_mmio(from)) {
		to->kind = DMA_BUF_EXTENT_MMIO;
		to->mmio.phys = PFN_PHYS(from->pfn);
		to->mmio.provider = &mmio_provider;
	} else {
		to->kind = DMA_BUF_EXTENT_RAM;
		to->page = pfn_to_page(from->pfn);
	}
}

static int __init dma_buf_test_mmio_init(void)
{
	unsigned long start = mmio[0], size = mmio[1];
	struct gen_pool *pool;
	int ret;

	if (!size)
		return 0;

	if (!start || !PAGE_ALIGNED(start) || !PAGE_ALIGNED(size) ||
	    start + size < start ||
	    region_intersects(start, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("mmio= is not a range that was kept out of System RAM\n");
		return -EINVAL;
	}

	pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (!pool)
		return -ENOMEM;

	ret = gen_pool_add(pool, start, size, NUMA_NO_NODE);
	if (ret)
		goto err_pool;

	if (!request_mem_region(start, size, "dma_buf_test")) {
		pr_err("mmio= is a range that is in use\n");
		ret = -EBUSY;
		goto err_pool;
	}

	mmio_pool = pool;
	return 0;

err_pool:
	gen_pool_destroy(pool);
	return ret;
}
device_initcall(dma_buf_test_mmio_init);
