/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What behaves otherwise than in the kernel, because a test looks at it or
 * makes it fail. Implemented in host.c.
 */
#ifndef __CUSTOM_H__
#define __CUSTOM_H__

/* Every warning counts, also those that the kernel would print once. */
void host_warn(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define WARN(_cond, ...)					\
({								\
	bool __warn = (_cond);					\
								\
	if (__warn)						\
		host_warn(__FILE__, __LINE__, __VA_ARGS__);	\
	__warn;							\
})

#define WARN_ONCE(_cond, ...)	WARN(_cond, __VA_ARGS__)
#define WARN_ON(_cond)		WARN(_cond, "%s", #_cond)
#define WARN_ON_ONCE(_cond)	WARN(_cond, "%s", #_cond)

/* A test switches options on and off. */
bool host_config(const char *option);

#define IS_ENABLED(CONFIG_option)	host_config(#CONFIG_option)

/* Memory comes from malloc(), so that the sanitizer sees its bounds. */
void *host_alloc(size_t nr, size_t size);
void host_free(const void *ptr);

#define kzalloc_obj(_obj)		((typeof(_obj) *)host_alloc(1, sizeof(_obj)))
#define kvmalloc_objs(_obj, _nr, ...)	((typeof(_obj) *)host_alloc(_nr, sizeof(_obj)))
#define kvcalloc(_nr, _size, ...)	host_alloc(_nr, _size)
#define kfree(_ptr)			host_free(_ptr)
#define kvfree(_ptr)			host_free(_ptr)

/* Modules count their references, and leave a trace of each. */
struct module {
	const char *name;
	bool going;
	int refs;
};

extern struct module host_module;

#define THIS_MODULE		(&host_module)

bool try_module_get(struct module *module);
void module_put(struct module *module);

/* There is one lock, which leaves a trace, and one task at a time. */
struct dma_resv {
	bool locked;
};

int dma_resv_lock(struct dma_resv *resv, struct ww_acquire_ctx *ctx);
void dma_resv_unlock(struct dma_resv *resv);

#define dma_resv_assert_held(_resv)	((void)WARN_ON(!(_resv)->locked))

/* Counts in host.might_sleep. */
void might_sleep(void);

struct spinlock {
	bool locked;
};

#define spinlock_t		struct spinlock

spinlock_t *guard_spinlock_enter(spinlock_t *lock);
void guard_spinlock_exit(spinlock_t **lock);

/* Until the end of the block. */
#define guard(_class)							\
	__attribute__((cleanup(guard_ ## _class ## _exit), unused))	\
	spinlock_t *__guard = guard_ ## _class ## _enter

struct task_struct {
	int pid;
};

extern struct task_struct *current;

/* Leaves a trace. */
void list_add(struct list_head *node, struct list_head *head);
void list_del(struct list_head *node);

/* Prints into host.seq. */
struct seq_file;

void seq_printf(struct seq_file *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void seq_putc(struct seq_file *s, char c);

/*
 * Memory: page frames from HOST_PFN on, whose folios and flags are what a test
 * makes them. As in the kernel, a folio is its first page.
 */
#define HOST_PFN		0x40000UL
#define HOST_NR_PAGES		1024UL

enum host_page_flag {
	PAGE_OFFLINE = 1,
	PAGE_RESERVED = 2,
	PAGE_ZONE_DEVICE = 4,
	PAGE_HWPOISON = 8,
	PAGE_DIRTY = 16,
	/* Of folios, on their first page. */
	PAGE_HUGETLB = 32,
	PAGE_HAS_HWPOISONED = 64,
	PAGE_LRU = 128,
};

struct page {
	unsigned int flags;
	unsigned int folio_idx;
	unsigned int folio_nr;
};

struct folio {
	struct page page;
};

extern struct page host_pages[HOST_NR_PAGES];

/* Counts in host.lookups. */
struct page *pfn_to_online_page(unsigned long pfn);

static inline unsigned long page_to_pfn(const struct page *page)
{
	return HOST_PFN + (page - host_pages);
}

static inline struct page *pfn_to_page(unsigned long pfn)
{
	return &host_pages[pfn - HOST_PFN];
}

#define page_to_phys(_page)	PFN_PHYS(page_to_pfn(_page))

static inline bool PageReserved(const struct page *page)
{
	return page->flags & PAGE_RESERVED;
}

/* The page itself, or its folio if that remembers nothing finer. */
static inline bool is_page_hwpoison(const struct page *page)
{
	const struct page *head = page - page->folio_idx;

	return page->flags & PAGE_HWPOISON ||
	       (head->flags & PAGE_HUGETLB && head->flags & PAGE_HWPOISON);
}

static inline bool is_zone_device_page(const struct page *page)
{
	return page->flags & PAGE_ZONE_DEVICE;
}

/* Counts in host.folio_lookups. */
struct folio *page_folio(struct page *page);

static inline unsigned long folio_page_idx(const struct folio *folio,
					   const struct page *page)
{
	return page - &folio->page;
}

static inline unsigned long folio_nr_pages(const struct folio *folio)
{
	return folio->page.folio_nr;
}

static inline bool folio_contain_hwpoisoned_page(const struct folio *folio)
{
	return folio->page.flags & (PAGE_HWPOISON | PAGE_HAS_HWPOISONED);
}

#define PMD_SIZE		(512 * PAGE_SIZE)

typedef struct { long counter; } atomic_long_t;

extern atomic_long_t num_poisoned_pages;

static inline long atomic_long_read(const atomic_long_t *v)
{
	return v->counter;
}

static inline bool folio_test_hugetlb(const struct folio *folio)
{
	return folio->page.flags & PAGE_HUGETLB;
}

static inline bool folio_test_lru(const struct folio *folio)
{
	return folio->page.flags & PAGE_LRU;
}

/* Counts in host.dirtied. */
bool noop_dirty_folio(struct address_space *mapping, struct folio *folio);

/* Knows host.ram_start to host.ram_end, and counts in host.region_walks. */
int region_intersects(resource_size_t start, size_t size, unsigned long flags,
		      unsigned long desc);

/* A fake I/O page table, see host_iommu.h. */
struct iommu_domain;

int iommu_map_nosync(struct iommu_domain *domain, unsigned long iova,
		     phys_addr_t phys, size_t size, int prot, int gfp);
int iommu_sync_map(struct iommu_domain *domain, unsigned long iova, size_t size);
size_t iommu_unmap(struct iommu_domain *domain, unsigned long iova, size_t size);

#endif /* __CUSTOM_H__ */
