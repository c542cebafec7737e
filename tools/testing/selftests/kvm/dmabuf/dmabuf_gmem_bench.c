// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guest_memfd costs as an exporter. The unit is the tick of the TSC, as in
 * dmabuf_bench, which has the rows about guest_memfd in a memslot.
 *
 *   punch          PUNCH_HOLE, per page of a range. The difference of a large
 *                  and of a small range, so that the call itself is not in it.
 *   punch.call     PUNCH_HOLE of one page.
 *   export, attach Of a buffer of 1 GiB that has no pages yet: a dma-buf made
 *                  and closed, a device attached and detached.
 *   prepare        First map for a device, per page: allocated, cleared, mapped.
 *   map            The same of pages that are there.
 *
 * punch comes in four forms: without a dma-buf; with one that nobody has
 * attached to; with a device attached, and nothing mapped; with all of it mapped.
 * The device is that of the test exporter, and there is no memslot.
 *
 * dmabuf_gmem_bench ROW: only that row. punch.none and punch.call.none run on a
 * kernel without dma-bufs of guest_memfd, too.
 */
#include <fcntl.h>
#include <linux/sizes.h>

#include "dmabuf_gmem.h"

#define SIZE	SZ_64M
#define SMALL	SZ_2M		/* not counted */
#define HUGE	SZ_1G
#define ROUNDS	5

enum export {
	NONE,
	EXPORTED,
	ATTACHED,
	MAPPED,
};

static struct kvm_vm *vm;

static void populate(int gmem, u64 size)
{
	TEST_ASSERT(!fallocate(gmem, FALLOC_FL_KEEP_SIZE, 0, size),
		    "fallocate() failed, errno %d", errno);
}

static void map(int device, u64 size)
{
	int r = device_map(device, 0, size);

	TEST_ASSERT(!r, "DMA_BUF_TEST_MAP failed: %s", strerror(r));
}

static s64 time_punch(int gmem, u64 size)
{
	u64 t = rdtsc();
	int r = gmem_punch(gmem, 0, size);

	t = rdtsc() - t;
	TEST_ASSERT(!r, "PUNCH_HOLE failed: %s", strerror(r));
	return t;
}

static s64 punch(int gmem, enum export export, u64 size)
{
	struct dmabuf buf;
	int device = -1;
	s64 t;

	populate(gmem, size);
	if (export >= EXPORTED)
		gmem_export(&buf, gmem, 0, SIZE, 0);
	if (export >= ATTACHED)
		device = device_attach(buf.fd);
	if (export >= MAPPED)
		map(device, size);

	t = time_punch(gmem, size);

	if (export >= ATTACHED)
		kvm_close(device);
	if (export >= EXPORTED)
		kvm_close(buf.fd);
	return t;
}

static s64 punch_pages(int gmem, u64 export)
{
	return punch(gmem, export, SIZE) - punch(gmem, export, SMALL);
}

static s64 punch_call(int gmem, u64 export)
{
	return punch(gmem, export, PAGE_SIZE);
}

static s64 export(int gmem, u64 arg)
{
	u64 t = rdtsc();
	struct dmabuf buf;

	gmem_export(&buf, gmem, 0, HUGE, 0);
	kvm_close(buf.fd);
	return rdtsc() - t;
}

static s64 attach(int gmem, u64 arg)
{
	struct dmabuf buf;
	s64 t;

	gmem_export(&buf, gmem, 0, HUGE, 0);
	t = rdtsc();
	kvm_close(device_attach(buf.fd));
	t = rdtsc() - t;
	kvm_close(buf.fd);
	return t;
}

static s64 time_map(int device, u64 size)
{
	u64 t = rdtsc();

	map(device, size);
	return rdtsc() - t;
}

/* @populated: by a map before this one. */
static s64 map_pages(int gmem, u64 populated)
{
	struct dmabuf buf;
	int device;
	s64 t[2];

	gmem_export(&buf, gmem, 0, SIZE, 0);
	device = device_attach(buf.fd);
	for (int i = 0; i < 2; i++) {
		u64 size = i ? SIZE : SMALL;

		time_punch(gmem, SIZE);
		if (populated) {
			map(device, size);
			TEST_ASSERT(!device_unmap(device, 0, size), "DMA_BUF_TEST_UNMAP failed");
		}
		t[i] = time_map(device, size);
		TEST_ASSERT(!device_unmap(device, 0, size), "DMA_BUF_TEST_UNMAP failed");
	}
	kvm_close(device);
	kvm_close(buf.fd);
	return t[1] - t[0];
}

#define PAGES	((SIZE - SMALL) / SZ_4K)

static const struct row {
	const char *name;
	u64 units;
	s64 (*measure)(int gmem, u64 arg);
	u64 arg;
	u64 size;		/* of the guest_memfd */
} rows[] = {
	{ "punch.none",		PAGES,	punch_pages,	NONE,		SIZE },
	{ "punch.exported",	PAGES,	punch_pages,	EXPORTED,	SIZE },
	{ "punch.attached",	PAGES,	punch_pages,	ATTACHED,	SIZE },
	{ "punch.mapped",	PAGES,	punch_pages,	MAPPED,		SIZE },
	{ "punch.call.none",	1,	punch_call,	NONE,		SIZE },
	{ "punch.call.mapped",	1,	punch_call,	MAPPED,		SIZE },
	{ "gmem.export",	1,	export,		0,		HUGE },
	{ "gmem.attach",	1,	attach,		0,		HUGE },
	{ "gmem.prepare",	PAGES,	map_pages,	false,		SIZE },
	{ "gmem.map",		PAGES,	map_pages,	true,		SIZE },
};

static int cmp_s64(const void *a, const void *b)
{
	s64 x = *(const s64 *)a, y = *(const s64 *)b;

	return (x > y) - (x < y);
}

/*
 * The least of some rounds, not their median: in some, to free a page takes about 31
 * instructions more, whether there is a dma-buf or not. vm/bench.py reads what is
 * printed.
 */
static void measure_row(const struct row *row)
{
	int gmem = vm_create_guest_memfd(vm, row->size, GUEST_MEMFD_FLAG_MMAP |
					 GUEST_MEMFD_FLAG_INIT_SHARED);
	s64 ticks[ROUNDS];

	row->measure(gmem, row->arg);
	for (int i = 0; i < ROUNDS; i++)
		ticks[i] = row->measure(gmem, row->arg);
	qsort(ticks, ROUNDS, sizeof(*ticks), cmp_s64);
	ksft_print_msg("row %s pages %lu ticks %ld min %ld max %ld\n", row->name, row->units,
		       ticks[0], ticks[0], ticks[ROUNDS - 1]);
	kvm_close(gmem);
	ksft_test_result_pass("%s\n", row->name);
}

int main(int argc, char *argv[])
{
	if (argc == 1) {
		TEST_REQUIRE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_GUEST_MEMFD);
		TEST_REQUIRE(dmabuf_exporter());
	}

	ksft_print_header();
	ksft_set_plan(argc == 1 ? ARRAY_SIZE(rows) : 1);
	vm = vm_create_barebones();
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		if (argc == 1 || !strcmp(rows[i].name, argv[1]))
			measure_row(&rows[i]);
	}
	kvm_vm_free(vm);
	ksft_finished();
}
