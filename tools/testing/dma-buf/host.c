// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel around the code under test.
 */
#include <time.h>

#include "host.h"

#include "dma-buf-sink.h"

#include <trace/events/dma_buf.h>
#include <trace/events/dma_buf_mapping.h>

#define HOST_MAX_ALLOCS	64

struct host host;
struct module host_module = { .name = "dma-buf" };
struct page host_pages[HOST_NR_PAGES];
atomic_long_t num_poisoned_pages;

static struct task_struct host_task = { .pid = 1 };
struct task_struct *current = &host_task;

static struct dma_resv host_resv;
static const void *host_allocs[HOST_MAX_ALLOCS];
static unsigned int host_random_state;

/* Appends to a buffer in which everything must fit. */
static void append(char *buf, size_t size, const char *fmt, va_list args)
{
	size_t used = strlen(buf);
	int len = vsnprintf(buf + used, size - used, fmt, args);

	assert_true(len >= 0 && used + len < size);
}

void host_warn(const char *file, int line, const char *fmt, ...)
{
	size_t used = strlen(host.warned);
	va_list args;

	host.warnings++;
	snprintf(host.warned + used, sizeof(host.warned) - used, "%s:%d: ",
		 strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
	va_start(args, fmt);
	append(host.warned, sizeof(host.warned), fmt, args);
	va_end(args);
	/* WARN_ON() has no line end of its own. */
	used = strlen(host.warned);
	if (host.warned[used - 1] != '\n')
		snprintf(host.warned + used, sizeof(host.warned) - used, "\n");
}

void host_expect_warnings(int nr)
{
	host.expected_warnings = nr;
}

bool host_config(const char *option)
{
	return host.option && !strcmp(option, host.option);
}

void *host_alloc(size_t nr, size_t size)
{
	void *ptr;
	int i;

	if (host.fail_alloc && !--host.fail_alloc)
		return NULL;

	for (i = 0; i < HOST_MAX_ALLOCS && host_allocs[i]; i++)
		;
	assert_true(i < HOST_MAX_ALLOCS);

	ptr = calloc(nr, size);
	assert_non_null(ptr);
	host_allocs[i] = ptr;
	host.allocs++;
	return ptr;
}

void host_free(const void *ptr)
{
	int i;

	if (!ptr)
		return;

	for (i = 0; i < HOST_MAX_ALLOCS && host_allocs[i] != ptr; i++)
		;
	if (i == HOST_MAX_ALLOCS)
		fail_msg("freed what is not allocated");
	host_allocs[i] = NULL;
	host.allocs--;
	free((void *)ptr);
}

bool try_module_get(struct module *module)
{
	if (!module)
		return true;
	if (module->going) {
		host_trace("no-get");
		return false;
	}
	host_trace("get");
	module->refs++;
	host.refs++;
	return true;
}

void module_put(struct module *module)
{
	if (!module)
		return;
	host_trace("put");
	assert_true(module->refs > 0);
	module->refs--;
	host.refs--;
}

int dma_resv_lock(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	WARN(resv->locked, "dead lock");
	host_trace("lock");
	resv->locked = true;
	host.locks++;
	return 0;
}

void dma_resv_unlock(struct dma_resv *resv)
{
	WARN_ON(!resv->locked);
	host_trace("unlock");
	resv->locked = false;
	host.locks--;
}

void might_sleep(void)
{
	host.might_sleep++;
}

spinlock_t *guard_spinlock_enter(spinlock_t *lock)
{
	WARN_ON(lock->locked);
	lock->locked = true;
	host.locks++;
	return lock;
}

void guard_spinlock_exit(spinlock_t **lock)
{
	(*lock)->locked = false;
	host.locks--;
}

bool trace_dma_buf_dynamic_attach_enabled(void)
{
	return host.tracing;
}

void trace_dma_buf_dynamic_attach(struct dma_buf *dmabuf,
				  struct dma_buf_attachment *attach,
				  bool is_dynamic, struct device *dev)
{
	assert_true(dmabuf->name_lock.locked);
	assert_ptr_equal(attach->dmabuf, dmabuf);
	host_trace("traced");
	host.traced_dynamic = is_dynamic;
	host.traced_dev = dev;
}

void trace_dma_buf_mapping_attach(struct dma_buf_attachment *attach)
{
	assert_non_null(attach->map_type);
	assert_non_null(attach->map_exp);
	host.traced_attach = attach;
	host.traced_attaches++;
}

void trace_dma_buf_mapping_invalidate(struct dma_buf_attachment *attach,
				      u64 offset, u64 length)
{
	host.traced_attach = attach;
	host.traced_offset = offset;
	host.traced_length = length;
	host.traced_invalidations++;
}

void list_add(struct list_head *node, struct list_head *head)
{
	host_trace("list");
	node->next = head->next;
	node->prev = head;
	head->next->prev = node;
	head->next = node;
}

void list_del(struct list_head *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	node->next = NULL;
	node->prev = NULL;
}

void seq_printf(struct seq_file *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(host.seq, sizeof(host.seq), fmt, args);
	va_end(args);
}

void seq_putc(struct seq_file *s, char c)
{
	seq_printf(s, "%c", c);
}

static struct page *host_page(unsigned long pfn)
{
	if (pfn < HOST_PFN || pfn - HOST_PFN >= HOST_NR_PAGES)
		return NULL;
	return &host_pages[pfn - HOST_PFN];
}

struct page *pfn_to_online_page(unsigned long pfn)
{
	struct page *page = host_page(pfn);

	host.lookups++;
	return page && !(page->flags & PAGE_OFFLINE) ? page : NULL;
}

struct folio *page_folio(struct page *page)
{
	host.folio_lookups++;
	return (struct folio *)(page - page->folio_idx);
}

bool noop_dirty_folio(struct address_space *mapping, struct folio *folio)
{
	assert_null(mapping);
	assert_int_equal(folio->page.folio_idx, 0);
	host.dirtied++;
	folio->page.flags |= PAGE_DIRTY;
	return true;
}

int region_intersects(resource_size_t start, size_t size, unsigned long flags,
		      unsigned long desc)
{
	u64 last = start + size - 1;

	assert_int_equal(flags, IORESOURCE_SYSTEM_RAM);
	assert_int_equal(desc, IORES_DESC_NONE);
	host.region_walks++;

	if (last < host.ram_start || start >= host.ram_end)
		return REGION_DISJOINT;
	if (start >= host.ram_start && last < host.ram_end)
		return REGION_INTERSECTS;
	return REGION_MIXED;
}

void host_trace(const char *event)
{
	size_t used = strlen(host.trace);

	assert_true(used + strlen(event) + 2 < sizeof(host.trace));
	sprintf(host.trace + used, "%s%s", used ? " " : "", event);
}

void host_assert_trace(const char *trace)
{
	assert_string_equal(host.trace, trace);
	host.trace[0] = '\0';
}

struct page *host_folio(unsigned long first, unsigned int nr)
{
	unsigned int i;

	assert_true(first + nr <= HOST_NR_PAGES);
	for (i = 0; i < nr; i++)
		host_pages[first + i] = (struct page) { .folio_idx = i, .folio_nr = nr };
	return &host_pages[first];
}

void host_dmabuf_init(struct dma_buf *dmabuf, const struct dma_buf_ops *ops,
		      size_t size)
{
	*dmabuf = (struct dma_buf) {
		.size = size,
		.ops = ops,
		.exp_name = "test-exporter",
		.resv = &host_resv,
	};
	dmabuf->attachments.next = &dmabuf->attachments;
	dmabuf->attachments.prev = &dmabuf->attachments;
}

void host_detach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	list_del(&attach->node);
	if (dmabuf->ops->detach)
		dmabuf->ops->detach(dmabuf, attach);
	dma_buf_mapping_detach(attach);
	host_free(attach);
}

void host_invalidate(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	list_for_each_entry(attach, &dmabuf->attachments, node)
		dma_buf_mapping_invalidate(attach, 0, dmabuf->size);
}

static int host_take(struct dma_buf_attachment *attach, void *cookie,
		     const struct dma_buf_extent *extent)
{
	assert_true(host.nr_taken < ARRAY_SIZE(host.taken));
	host.taken[host.nr_taken++] = *extent;
	return host.take_error;
}

int host_fill(const struct dma_buf_extent_ops *ops, unsigned int nr_pages,
	      u64 offset, u64 length, bool write)
{
	const struct dma_buf_mapping_exp row = { .ops = ops };
	const struct dma_buf_ops dmabuf_ops = { };
	struct dma_buf dmabuf;
	struct dma_buf_attachment attach = {
		.dmabuf = &dmabuf,
		.map_exp = &row,
	};
	int ret;

	host_dmabuf_init(&dmabuf, &dmabuf_ops, (size_t)nr_pages << PAGE_SHIFT);
	host.nr_taken = 0;
	host.trace[0] = '\0';

	assert_int_equal(dma_buf_sink_attach(&attach), 0);
	dma_resv_lock(dmabuf.resv, NULL);
	ret = dma_buf_sink_run(&attach, offset, length, write, host_take, NULL);
	dma_resv_unlock(dmabuf.resv);
	dma_buf_sink_detach(&attach);
	return ret;
}

void host_assert_extent(unsigned int i, unsigned int first, unsigned int nr,
			u32 kind)
{
	assert_true(i < host.nr_taken);
	assert_int_equal(host.taken[i].offset, (u64)first << PAGE_SHIFT);
	assert_int_equal(host.taken[i].nr_pages, nr);
	assert_int_equal(host.taken[i].kind, kind);
	assert_int_equal(host.taken[i].flags, 0);
}

unsigned int host_seed(void)
{
	const char *seed = getenv("SEED");

	host_random_state = seed ? strtoul(seed, NULL, 0) : (unsigned int)time(NULL);
	return host_random_state;
}

unsigned int host_random(unsigned int below)
{
	host_random_state = host_random_state * 1664525 + 1013904223;
	return (host_random_state >> 8) % below;
}

/* A fresh kernel, also after a test that failed half-way. */
static void host_reset(void)
{
	int i;

	for (i = 0; i < HOST_MAX_ALLOCS; i++) {
		free((void *)host_allocs[i]);
		host_allocs[i] = NULL;
	}
	memset(&host, 0, sizeof(host));
	memset(&host_resv, 0, sizeof(host_resv));
	host_module.refs = 0;
	host_module.going = false;
	current = &host_task;
	for (i = 0; i < (int)HOST_NR_PAGES; i++)
		host_folio(i, 1);
}

static void host_run(void **state)
{
	const struct host_test *test = *state;

	host_reset();
	test->run();

	if (host.warnings != host.expected_warnings)
		fail_msg("%d warnings instead of %d: %s", host.warnings,
			 host.expected_warnings, host.warned);
	if (host.allocs)
		fail_msg("%d allocations leaked", host.allocs);
	if (host.refs)
		fail_msg("%d module references leaked", host.refs);
	if (host.locks)
		fail_msg("%d locks left held", host.locks);
}

int host_main(const char *group, const struct host_test *tests, size_t nr)
{
	struct cmocka_test *cases = calloc(nr, sizeof(*cases));
	size_t i;
	int ret;

	if (!cases)
		return 1;
	/* So that a crash does not take the results before it along. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < nr; i++) {
		cases[i].name = tests[i].name;
		cases[i].test_func = host_run;
		cases[i].initial_state = (void *)&tests[i];
	}
	ret = _cmocka_run_group_tests(group, cases, nr, NULL, NULL);
	free(cases);
	return ret;
}
