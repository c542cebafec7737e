// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOMMU mapping type, drivers/dma-buf/dma-buf-iommu.c, attached and mapped
 * as iommufd does it, against a reference that goes page by page.
 */
#include "host_iommu.h"

#include <linux/dma-buf-iommu.h>
#include <linux/dma-buf-kvm.h>

#include "dma-buf-sink.h"

#define NR_PAGES	64
#define SIZE		(NR_PAGES * PAGE_SIZE)
#define BAR		0xe00000000ULL
#define IOVA		(8 * PAGE_SIZE)
#define RW		(IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)

/* What the buffer consists of, and with what the exporter fails. */
static struct dma_buf_extent extents[NR_PAGES];
static unsigned int nr_extents;
static int fill_error;
static bool moves_late;
static bool wrote;

static struct iommu_domain domain;
static struct dma_buf dmabuf;
static struct dma_buf_mapping_exp table[2];

static int fill(struct dma_buf_attachment *attach, struct dma_buf_sink *sink,
		u64 offset, u64 length, bool write)
{
	unsigned int i = 0;
	int ret = 0;

	wrote = write;
	while (extents[i].offset + (extents[i].nr_pages << PAGE_SHIFT) <= offset)
		i++;
	for (; i < nr_extents && !ret; i++) {
		ret = dma_buf_sink_add(sink, &extents[i]);
		if (!ret && fill_error)
			return fill_error;
	}
	if (moves_late)
		host_invalidate(attach->dmabuf);
	return ret < 0 ? ret : 0;
}

static void invalidate(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_extent_ops extent_ops = { .fill = fill };
static const struct dma_buf_extent_ops no_fill = { };
static const struct dma_buf_ops ops = { .mappings = table };
static const struct dma_buf_attach_ops importer_ops = {
	.invalidate_mappings = invalidate,
};

static void init(u64 granule)
{
	const struct dma_buf_mapping_exp row =
		DMA_BUF_EMAPPING_IOMMU(&extent_ops,
				       .flavour = DMA_BUF_FLAVOUR_REVOCABLE);

	table[0] = row;
	table[0].inval_granule = granule;
	nr_extents = 0;
	fill_error = 0;
	moves_late = false;
	memset(&domain, 0, sizeof(domain));
	host_dmabuf_init(&dmabuf, &ops, SIZE);
}

static struct dma_buf_attachment *try_attach(void)
{
	return dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_IOMMU(), 1,
				      &importer_ops, NULL);
}

static struct dma_buf_attachment *attach_granule(u64 granule)
{
	struct dma_buf_attachment *attach;

	init(granule);
	attach = try_attach();
	assert_false(IS_ERR(attach));
	assert_ptr_equal(attach->map_type, &dma_buf_mapping_iommu_type);
	return attach;
}

static struct dma_buf_extent *give(u64 nr_pages)
{
	struct dma_buf_extent *extent = &extents[nr_extents];

	*extent = (struct dma_buf_extent) { .nr_pages = nr_pages };
	if (nr_extents++)
		extent->offset = extent[-1].offset +
				 (extent[-1].nr_pages << PAGE_SHIFT);
	return extent;
}

static struct dma_buf_extent *give_ram(unsigned int page, u64 nr_pages)
{
	struct dma_buf_extent *extent = give(nr_pages);

	extent->page = &host_pages[page];
	return extent;
}

static struct dma_buf_extent *give_mmio(u64 page, u64 nr_pages,
					enum dma_buf_extent_kind kind)
{
	struct dma_buf_extent *extent = give(nr_pages);

	extent->kind = kind;
	extent->mmio.phys = BAR + (page << PAGE_SHIFT);
	extent->mmio.provider = (void *)&dmabuf;
	return extent;
}

static int map(struct dma_buf_attachment *attach, u64 offset, size_t size,
	       int prot, unsigned int flags)
{
	int ret;

	dma_resv_lock(dmabuf.resv, NULL);
	ret = dma_buf_map_attachment_iommu(attach, &domain, IOVA, offset, size,
					   prot, flags);
	dma_resv_unlock(dmabuf.resv);
	return ret;
}

static void unmap_at(struct dma_buf_attachment *attach, unsigned long iova,
		     size_t size)
{
	dma_resv_lock(dmabuf.resv, NULL);
	dma_buf_unmap_attachment_iommu(attach, &domain, iova, size);
	dma_resv_unlock(dmabuf.resv);
}

static void unmap(struct dma_buf_attachment *attach, size_t size)
{
	unmap_at(attach, IOVA, size);
}

static int nr_mapped(void)
{
	int i, nr = 0;

	for (i = 0; i < HOST_NR_IOPTES; i++)
		nr += !!domain.ptes[i].call;
	return nr;
}

/* The reference: what is at @offset of the buffer, looked up from the start. */
static phys_addr_t phys_at(u64 offset, int prot, int *expected_prot)
{
	const struct dma_buf_extent *extent = extents;

	while (extent->offset + (extent->nr_pages << PAGE_SHIFT) <= offset)
		extent++;
	if (extent->kind == DMA_BUF_EXTENT_RAM) {
		*expected_prot = prot;
		return page_to_phys(extent->page) + offset - extent->offset;
	}
	*expected_prot = (prot & ~IOMMU_CACHE) | IOMMU_MMIO;
	return extent->mmio.phys + offset - extent->offset;
}

/*
 * Each page of the domain is right, and two of them come from one call exactly
 * if they may.
 */
static void assert_mapped(u64 offset, size_t size, int prot, u64 granule)
{
	size_t i, first = IOVA / HOST_IO_PAGE, nr = size / HOST_IO_PAGE;
	phys_addr_t phys, before = 0;
	int expected, prot_before = 0;
	bool joins;

	assert_int_equal(nr_mapped(), nr);
	for (i = 0; i < nr; i++, offset += HOST_IO_PAGE) {
		phys = phys_at(offset, prot, &expected);
		assert_true(domain.ptes[first + i].call);
		assert_int_equal(domain.ptes[first + i].phys, phys);
		assert_int_equal(domain.ptes[first + i].prot, expected);
		joins = i && phys == before + HOST_IO_PAGE &&
			expected == prot_before && (!granule || offset % granule);
		if (i)
			assert_int_equal(domain.ptes[first + i].call ==
					 domain.ptes[first + i - 1].call, joins);
		before = phys;
		prot_before = expected;
	}
}

static void ram_of_one_extent(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	give_ram(4, NR_PAGES);
	assert_int_equal(map(attach, 0, SIZE, RW, 0), 0);
	assert_mapped(0, SIZE, RW, 0);
	assert_int_equal(domain.calls, 1);
	assert_int_equal(attach->nr_maps, 1);
	unmap(attach, SIZE);
	assert_int_equal(nr_mapped(), 0);
	assert_int_equal(attach->nr_maps, 0);
	host_detach(attach);
}

static void extents_that_follow_each_other_are_joined(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		give_ram(i, 1);
	assert_int_equal(map(attach, 0, SIZE, RW, 0), 0);
	assert_mapped(0, SIZE, RW, 0);
	assert_int_equal(domain.calls, 1);
	unmap(attach, SIZE);
	host_detach(attach);
}

static void kinds_are_not_joined(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);
	enum dma_buf_extent_kind kind;

	/* Device memory whose address happens to be the next. */
	give_ram(0, 4);
	for (kind = DMA_BUF_EXTENT_MMIO; kind <= DMA_BUF_EXTENT_MMIO_CACHEABLE; kind++)
		give_mmio(0, 4, kind)->mmio.phys = PFN_PHYS(HOST_PFN + 4 * kind);
	assert_int_equal(map(attach, 0, 16 * PAGE_SIZE, RW, 0), 0);
	assert_mapped(0, 16 * PAGE_SIZE, RW, 0);
	assert_int_equal(domain.calls, 2);
	unmap(attach, 16 * PAGE_SIZE);
	host_detach(attach);
}

static void prot_is_taken_as_given(void)
{
	static const int prots[] = {
		IOMMU_READ, IOMMU_WRITE, IOMMU_READ | IOMMU_CACHE, RW,
	};
	struct dma_buf_attachment *attach = attach_granule(0);
	unsigned int i;

	give_ram(0, 2);
	give_mmio(0, 2, DMA_BUF_EXTENT_MMIO);
	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		assert_int_equal(map(attach, 0, 4 * PAGE_SIZE, prots[i], 0), 0);
		assert_mapped(0, 4 * PAGE_SIZE, prots[i], 0);
		assert_int_equal(wrote, !!(prots[i] & IOMMU_WRITE));
		unmap(attach, 4 * PAGE_SIZE);
	}
	host_detach(attach);
}

static void read_only_is_not_written(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	give_ram(0, 2);
	give_ram(8, 2)->flags = DMA_BUF_EXTENT_READONLY;
	assert_int_equal(map(attach, 0, 4 * PAGE_SIZE, RW, 0), -EACCES);
	assert_int_equal(map(attach, 0, 4 * PAGE_SIZE, IOMMU_WRITE, 0), -EACCES);
	assert_int_equal(nr_mapped(), 0);
	assert_int_equal(map(attach, 0, 2 * PAGE_SIZE, RW, 0), 0);
	unmap(attach, 2 * PAGE_SIZE);
	assert_int_equal(map(attach, 0, 4 * PAGE_SIZE, IOMMU_READ, 0), 0);
	unmap(attach, 4 * PAGE_SIZE);
	host_detach(attach);
}

/* In the middle, where a fault would not look. */
static void page_flag(unsigned int page, unsigned int flag, int error)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	give_ram(0, 16);
	host_pages[page].flags |= flag;
	assert_int_equal(map(attach, 0, 16 * PAGE_SIZE, RW, 0), error);
	assert_int_equal(map(attach, (page - 1) * PAGE_SIZE, 2 * PAGE_SIZE, RW, 0), error);
	assert_int_equal(nr_mapped(), 0);
	/* Next to it, and up to it. */
	assert_int_equal(map(attach, (page + 1) * PAGE_SIZE, PAGE_SIZE, RW, 0), 0);
	unmap(attach, PAGE_SIZE);
	assert_int_equal(map(attach, PAGE_SIZE, (page - 1) * PAGE_SIZE, RW, 0), 0);
	unmap(attach, (page - 1) * PAGE_SIZE);
	host_detach(attach);
}

static void failed_page(void)
{
	page_flag(7, PAGE_HWPOISON, -EHWPOISON);
}

static void failed_page_of_a_folio(void)
{
	host_folio(0, 16)->flags = PAGE_LRU | PAGE_HAS_HWPOISONED;
	page_flag(7, PAGE_HWPOISON, -EHWPOISON);
}

/* Of a driver's own, of which memory_failure() notes nothing but the page. */
static void failed_page_of_a_folio_not_on_lru(void)
{
	host_folio(0, 16);
	page_flag(7, PAGE_HWPOISON, -EHWPOISON);
}

static void reserved_page(void)
{
	host_expect_warnings(2);
	page_flag(7, PAGE_RESERVED, -EINVAL);
}

static void offline_page(void)
{
	host_expect_warnings(2);
	page_flag(7, PAGE_OFFLINE, -EINVAL);
}

static void device_page(void)
{
	host_expect_warnings(2);
	page_flag(7, PAGE_ZONE_DEVICE, -EINVAL);
}

/* The ends of the extent, the page where it meets the window, and the folio. */
static void pages_of_a_folio_are_checked_once(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	host_folio(0, NR_PAGES)->flags = PAGE_LRU;
	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, 8 * PAGE_SIZE, 32 * PAGE_SIZE, RW, 0), 0);
	assert_int_equal(host.lookups, 4);
	unmap(attach, 32 * PAGE_SIZE);
	host_detach(attach);
}

static void parts_of_pages(void)
{
	struct dma_buf_attachment *attach = attach_granule(PAGE_SIZE);
	u64 offset = 3 * PAGE_SIZE + HOST_IO_PAGE;
	size_t size = 5 * PAGE_SIZE;

	give_ram(0, 4);
	give_mmio(0, 12, DMA_BUF_EXTENT_MMIO);
	assert_int_equal(map(attach, offset, size, RW, 0), 0);
	assert_mapped(offset, size, RW, PAGE_SIZE);
	unmap(attach, size);
	/* No more than a part. */
	assert_int_equal(map(attach, offset, HOST_IO_PAGE, RW, 0), 0);
	assert_mapped(offset, HOST_IO_PAGE, RW, PAGE_SIZE);
	unmap(attach, HOST_IO_PAGE);
	host_detach(attach);
}

static void small_pages(void)
{
	struct dma_buf_attachment *attach = attach_granule(4 * PAGE_SIZE);

	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, PAGE_SIZE, 16 * PAGE_SIZE, RW,
			     DMA_BUF_IOMMU_SMALL_PAGES), 0);
	assert_mapped(PAGE_SIZE, 16 * PAGE_SIZE, RW, PAGE_SIZE);
	assert_int_equal(domain.calls, 16);
	assert_int_equal(domain.syncs, 1);
	unmap(attach, 16 * PAGE_SIZE);
	host_detach(attach);
}

static void sync_comes_once(void)
{
	struct dma_buf_attachment *attach = attach_granule(PAGE_SIZE);

	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, 0, SIZE, RW, 0), 0);
	assert_int_equal(domain.syncs, 1);
	assert_int_equal(domain.sync_iova, IOVA);
	assert_int_equal(domain.sync_size, SIZE);
	unmap(attach, SIZE);

	domain.fail_sync = -EIO;
	assert_int_equal(map(attach, 0, SIZE, RW, 0), -EIO);
	assert_int_equal(nr_mapped(), 0);
	host_detach(attach);
}

static void every_map_may_fail(void)
{
	struct dma_buf_attachment *attach = attach_granule(2 * PAGE_SIZE);
	int nth, ret;

	give_ram(8, 5);
	give_mmio(0, 3, DMA_BUF_EXTENT_MMIO_WC);
	give_ram(20, 8);
	for (nth = 1, ret = -ENOMEM; ret; nth++) {
		domain.calls = 0;
		domain.unmaps = 0;
		domain.fail_map = nth;
		ret = map(attach, PAGE_SIZE, 14 * PAGE_SIZE, RW, 0);
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(domain.calls, nth);
		assert_int_equal(nr_mapped(), 0);
		assert_int_equal(attach->nr_maps, 0);
		/* Nothing is unmapped that was not mapped. */
		assert_int_equal(domain.unmaps, nth > 1);
	}
	assert_int_equal(nth, domain.calls + 1);
	assert_int_equal(attach->sink->nr_failed, domain.calls);
	assert_mapped(PAGE_SIZE, 14 * PAGE_SIZE, RW, 2 * PAGE_SIZE);
	unmap(attach, 14 * PAGE_SIZE);
	host_detach(attach);
}

static void exporter_fails_half_way(void)
{
	struct dma_buf_attachment *attach = attach_granule(PAGE_SIZE);

	give_ram(0, 4);
	give_ram(8, 4);
	fill_error = -ENODEV;
	assert_int_equal(map(attach, 0, 8 * PAGE_SIZE, RW, 0), -ENODEV);
	assert_int_equal(nr_mapped(), 0);

	/* Or gives less than it should. */
	fill_error = 0;
	host_expect_warnings(1);
	assert_int_equal(map(attach, 0, 9 * PAGE_SIZE, RW, 0), -EINVAL);
	assert_int_equal(nr_mapped(), 0);
	host_detach(attach);
}

static void exporter_takes_back_what_it_gives(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	host_expect_warnings(1);
	give_ram(0, 4);
	moves_late = true;
	assert_int_equal(map(attach, 0, 4 * PAGE_SIZE, RW, 0), -EAGAIN);
	assert_int_equal(nr_mapped(), 0);
	host_detach(attach);
}

/* What is there is none of our business, and stays. */
static void something_is_mapped_there(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	give_ram(0, 8);
	assert_int_equal(iommu_map_nosync(&domain, IOVA + 2 * PAGE_SIZE, BAR,
					  PAGE_SIZE, RW, 0), 0);
	assert_int_equal(map(attach, 0, 4 * PAGE_SIZE, RW, 0), -EADDRINUSE);
	assert_int_equal(nr_mapped(), 2);
	host_detach(attach);
}

static void unmap_by_pieces(void)
{
	struct dma_buf_attachment *attach = attach_granule(4 * PAGE_SIZE);

	give_ram(0, 32);
	assert_int_equal(map(attach, 0, 32 * PAGE_SIZE, RW, 0), 0);
	unmap_at(attach, IOVA + 8 * PAGE_SIZE, 4 * PAGE_SIZE);
	assert_int_equal(nr_mapped(), 28 * 2);
	assert_int_equal(attach->nr_maps, 1);
	unmap_at(attach, IOVA, 8 * PAGE_SIZE);
	unmap_at(attach, IOVA + 12 * PAGE_SIZE, 20 * PAGE_SIZE);
	assert_int_equal(nr_mapped(), 0);
	assert_int_equal(attach->nr_maps, 0);
	host_detach(attach);
}

static void unmap_is_short(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	host_expect_warnings(2);
	give_ram(0, 8);
	assert_int_equal(map(attach, 0, 8 * PAGE_SIZE, RW, 0), 0);
	/* A part of what one call mapped: less goes, or more. */
	unmap_at(attach, IOVA + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(nr_mapped(), 16);
	unmap_at(attach, IOVA, 7 * PAGE_SIZE);
	assert_int_equal(nr_mapped(), 0);
	assert_int_equal(attach->nr_maps, 0);
	host_detach(attach);
}

static void more_is_unmapped_than_mapped(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	/* Short, and more than there is. */
	host_expect_warnings(2);
	unmap(attach, PAGE_SIZE);
	host_detach(attach);
}

static void misuse(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);
	struct dma_buf_attachment other = *attach;

	host_expect_warnings(8);
	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, 0, PAGE_SIZE, RW, BIT(1)), -EINVAL);
	assert_int_equal(map(attach, 0, 0, RW, 0), -EINVAL);
	assert_int_equal(map(attach, SIZE, PAGE_SIZE, RW, 0), -EINVAL);
	assert_int_equal(map(attach, PAGE_SIZE, SIZE, RW, 0), -EINVAL);
	dma_resv_lock(dmabuf.resv, NULL);
	assert_int_equal(dma_buf_map_attachment_iommu(attach, &domain, -PAGE_SIZE, 0,
						      2 * PAGE_SIZE, RW, 0), -EINVAL);
	other.map_type = &dma_buf_mapping_kvm_type;
	assert_int_equal(dma_buf_map_attachment_iommu(&other, &domain, IOVA, 0,
						      PAGE_SIZE, RW, 0), -EINVAL);
	dma_buf_unmap_attachment_iommu(&other, &domain, IOVA, PAGE_SIZE);
	dma_buf_unmap_attachment_iommu(attach, &domain, IOVA, 0);
	dma_resv_unlock(dmabuf.resv);
	assert_int_equal(nr_mapped(), 0);
	assert_int_equal(domain.unmaps, 0);
	host_detach(attach);
}

static void lock_is_needed(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	give_ram(0, NR_PAGES);
	/* One for the window, and one for the extent. */
	host_expect_warnings(3);
	assert_int_equal(dma_buf_map_attachment_iommu(attach, &domain, IOVA, 0,
						      PAGE_SIZE, RW, 0), 0);
	dma_buf_unmap_attachment_iommu(attach, &domain, IOVA, PAGE_SIZE);
	host_detach(attach);
}

static void detached_with_live_maps(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	host_expect_warnings(1);
	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, 0, SIZE, RW, 0), 0);
	host_detach(attach);
}

static void left_behind_by_an_invalidation(void)
{
	struct dma_buf_attachment *attach = attach_granule(0);

	host_expect_warnings(1);
	give_ram(0, NR_PAGES);
	assert_int_equal(map(attach, 0, SIZE, RW, 0), 0);
	dma_resv_lock(dmabuf.resv, NULL);
	host_invalidate(&dmabuf);
	dma_resv_unlock(dmabuf.resv);
	unmap(attach, SIZE);
	host_detach(attach);
}

static void match(void)
{
	static const u64 bad[] = { 1, HOST_IO_PAGE, PAGE_SIZE + 1, 3 * PAGE_SIZE };
	unsigned int i;

	host_expect_warnings(ARRAY_SIZE(bad) + 2);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		init(bad[i]);
		assert_error(try_attach(), -EINVAL);
	}
	init(0);
	table[0].ops = &no_fill;
	assert_error(try_attach(), -EINVAL);
	table[0].ops = NULL;
	assert_error(try_attach(), -EINVAL);
}

static void importer_must_let_go(void)
{
	host_expect_warnings(1);
	init(0);
	assert_error(dma_buf_mapping_attach(&dmabuf, &DMA_BUF_IMAPPING_IOMMU(), 1,
					    NULL, NULL), -EINVAL);
}

static void show(void)
{
	static const char line[] =
		"\t-\ttype iommu\tfills 2\textents 3\tmapped 65536\tfailed 1\n";
	struct dma_buf_attachment *attach = attach_granule(0);

	give_ram(0, 8);
	give_ram(16, 8);
	assert_int_equal(map(attach, 0, 16 * PAGE_SIZE, RW, 0), 0);
	domain.fail_map = domain.calls + 1;
	assert_int_equal(map(attach, 0, PAGE_SIZE, RW, 0), -ENOMEM);
	dma_buf_mapping_show(NULL, attach);
	assert_string_equal(host.seq, line);
	unmap(attach, 16 * PAGE_SIZE);
	host_detach(attach);
}

/* One extent after another, some of them next to the one before. */
static void random_extents_give(void)
{
	unsigned int left = NR_PAGES, page = 0, nr;
	u64 mmio = 0;

	for (; left; left -= nr) {
		nr = 1 + host_random(left < 8 ? left : 8);
		if (host_random(3)) {
			page += host_random(2) ? 0 : 1 + host_random(4);
			give_ram(page, nr);
			page += nr;
		} else {
			mmio += host_random(2) ? 0 : 1 + host_random(4);
			give_mmio(mmio, nr, DMA_BUF_EXTENT_MMIO + host_random(3));
			mmio += nr;
		}
	}
}

static void random_windows(void)
{
	static const u64 granules[] = { 0, 1, 2, 4, 16 };
	unsigned int seed = host_seed(), i;

	print_message("# SEED=%u\n", seed);
	for (i = 0; i < 20000; i++) {
		u64 granule = granules[host_random(ARRAY_SIZE(granules))] * PAGE_SIZE;
		struct dma_buf_attachment *attach = attach_granule(granule);
		unsigned int units = SIZE / HOST_IO_PAGE;
		u64 first = host_random(units);
		u64 nr = 1 + host_random(units - first);
		u64 offset = first * HOST_IO_PAGE;
		size_t size = nr * HOST_IO_PAGE, done;
		unsigned int flags = host_random(4) ? 0 : DMA_BUF_IOMMU_SMALL_PAGES;
		int prot = 1 + host_random(7), ret;

		host.trace[0] = '\0';
		random_extents_give();
		domain.fail_map = host_random(3) ? 0 : 1 + host_random(20);
		ret = map(attach, offset, size, prot, flags);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(domain.calls, domain.fail_map);
			assert_int_equal(nr_mapped(), 0);
			assert_int_equal(attach->nr_maps, 0);
			host_detach(attach);
			continue;
		}
		if (flags)
			granule = PAGE_SIZE;
		assert_mapped(offset, size, prot, granule);

		/* In one go, or granule by granule. */
		for (done = 0; granule && host_random(2) && done < size;) {
			size_t piece = granule - (offset + done) % granule;

			piece = piece < size - done ? piece : size - done;
			unmap_at(attach, IOVA + done, piece);
			done += piece;
		}
		if (done < size)
			unmap_at(attach, IOVA + done, size - done);
		assert_int_equal(nr_mapped(), 0);
		assert_int_equal(attach->nr_maps, 0);
		host_detach(attach);
	}
}

static const struct host_test tests[] = {
	TEST(ram_of_one_extent),
	TEST(extents_that_follow_each_other_are_joined),
	TEST(kinds_are_not_joined),
	TEST(prot_is_taken_as_given),
	TEST(read_only_is_not_written),
	TEST(failed_page),
	TEST(failed_page_of_a_folio),
	TEST(failed_page_of_a_folio_not_on_lru),
	TEST(reserved_page),
	TEST(offline_page),
	TEST(device_page),
	TEST(pages_of_a_folio_are_checked_once),
	TEST(parts_of_pages),
	TEST(small_pages),
	TEST(sync_comes_once),
	TEST(every_map_may_fail),
	TEST(exporter_fails_half_way),
	TEST(exporter_takes_back_what_it_gives),
	TEST(something_is_mapped_there),
	TEST(unmap_by_pieces),
	TEST(unmap_is_short),
	TEST(more_is_unmapped_than_mapped),
	TEST(misuse),
	TEST(lock_is_needed),
	TEST(detached_with_live_maps),
	TEST(left_behind_by_an_invalidation),
	TEST(match),
	TEST(importer_must_let_go),
	TEST(show),
	TEST(random_windows),
};

int main(void)
{
	return host_main("iommu", tests, ARRAY_SIZE(tests));
}
