// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a page costs to map for a device and to unmap, by the kind of memory.
 *
 * One memfd is mapped in three ways, in a domain of the mock driver, whose page
 * tables are those of AMD:
 *
 *   dmabuf   IOMMU_IOAS_MAP_FILE of a udmabuf over it
 *   address  IOMMU_IOAS_MAP of a shared mapping of it
 *   memfd    IOMMU_IOAS_MAP_FILE of itself
 *
 * and for each there are two figures:
 *
 *   ioas_map    the call that maps all of it
 *   ioas_unmap  IOMMU_IOAS_UNMAP of all of it
 *
 * The fixed cost of a call is part of the figure, with a dma-buf the negotiation
 * with its exporter, too. What is behind it is there beforehand: pages, page
 * tables of the process, the dma-buf. Page tables of the IOMMU are not. Pages of
 * 4K follow each other neither upwards nor downwards, so that none are mapped as
 * one.
 */
#include <linux/udmabuf.h>

#include "iommufd_dmabuf_bench.h"

enum way {
	DMABUF,
	DMABUF_LIST,		/* with an item per page, in reverse order */
	ADDRESS,
	MEMFD,
};

static const struct kind {
	const char *name;
	enum way way;
	size_t size;
	size_t page;
} kinds[] = {
	{ "dmabuf.4k",		DMABUF_LIST,	32 * MB,	4 * KB },
	{ "dmabuf_memfd.4k",	DMABUF,		32 * MB,	4 * KB },
	{ "address.4k",		ADDRESS,	32 * MB,	4 * KB },
	{ "memfd.4k",		MEMFD,		32 * MB,	4 * KB },
	{ "dmabuf.2m",		DMABUF,		256 * MB,	2 * MB },
	{ "address.2m",		ADDRESS,	256 * MB,	2 * MB },
	{ "memfd.2m",		MEMFD,		256 * MB,	2 * MB },
};

struct ioas {
	int fd;
	__u32 id;
	__u32 hwpt;
};

static int create_memfd(const struct kind *kind, __u64 **map)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING |
				       (kind->page == 2 * MB ? MFD_HUGETLB : 0));
	size_t i, first;

	require(fd >= 0);
	require(!ftruncate(fd, kind->size));
	require(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	*map = mmap(NULL, kind->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	require(*map != MAP_FAILED);

	/* Neighbours are allocated far apart. */
	for (first = 0; first < 2; first++)
		for (i = first * kind->page; i < kind->size; i += 2 * kind->page)
			(*map)[i / sizeof(**map)] = ~i;
	return fd;
}

static int create_udmabuf(const struct kind *kind, int memfd)
{
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;
	size_t nr = kind->way == DMABUF_LIST ? kind->size / kind->page : 1, i;
	struct udmabuf_create_list *list;

	require(dev >= 0);
	list = calloc(1, sizeof(*list) + nr * sizeof(*list->list));
	require(list);
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = nr;
	for (i = 0; i < nr; i++)
		list->list[i] = (struct udmabuf_create_item) {
			.memfd = memfd,
			.offset = (nr - 1 - i) * kind->page,
			.size = kind->size / nr,
		};
	fd = ioctl(dev, UDMABUF_CREATE_LIST, list);
	require(fd >= 0);
	free(list);
	close(dev);
	return fd;
}

/* A figure is worth nothing if something else was mapped. */
static void check(const struct ioas *ioas, const struct kind *kind, const __u64 *map)
{
	__u64 copy[MOCK_PAGE_SIZE / sizeof(__u64)];
	size_t i, at;

	for (i = 0; i < kind->size; i += kind->page) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_MD_READ,
			.id = ioas->hwpt,
			.check_map = {
				.iova = MOCK_APERTURE_START + i,
				.length = sizeof(copy),
				.uptr = (uintptr_t)copy,
			},
		};

		at = kind->way == DMABUF_LIST ? kind->size - kind->page - i : i;
		require(!ioctl(ioas->fd, IOMMU_TEST_CMD, &cmd));
		require(copy[0] == map[at / sizeof(*map)]);
	}
}

/* Maps and unmaps once. Sets what that took. */
static void measure(const struct ioas *ioas, const struct kind *kind, int fd, __u64 *map,
		    __s64 *map_ticks, __s64 *unmap_ticks)
{
	__u64 iova = MOCK_APERTURE_START, t;
	int ret;

	t = ticks();
	if (kind->way == ADDRESS)
		ret = _test_ioctl_ioas_map(ioas->fd, ioas->id, map, kind->size, &iova,
					   MAP_FLAGS);
	else
		ret = _test_ioctl_ioas_map_file(ioas->fd, ioas->id, fd, 0, kind->size,
						&iova, MAP_FLAGS);
	*map_ticks = ticks() - t;
	require(!ret);

	check(ioas, kind, map);

	t = ticks();
	ret = _test_ioctl_ioas_unmap(ioas->fd, ioas->id, iova, kind->size, NULL);
	*unmap_ticks = ticks() - t;
	require(!ret);
}

static void measure_kind(const struct ioas *ioas, const struct kind *kind)
{
	__s64 map_ticks[ROUNDS], unmap_ticks[ROUNDS];
	int memfd, fd, i;
	__u64 *map;

	memfd = create_memfd(kind, &map);
	fd = memfd;
	if (kind->way == DMABUF || kind->way == DMABUF_LIST)
		fd = create_udmabuf(kind, memfd);

	measure(ioas, kind, fd, map, &map_ticks[0], &unmap_ticks[0]);
	for (i = 0; i < ROUNDS; i++)
		measure(ioas, kind, fd, map, &map_ticks[i], &unmap_ticks[i]);
	print_row("ioas_map", kind->name, kind->size, map_ticks);
	print_row("ioas_unmap", kind->name, kind->size, unmap_ticks);

	munmap(map, kind->size);
	if (fd != memfd)
		close(fd);
	close(memfd);
	ksft_test_result_pass("%s\n", kind->name);
}

int main(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct ioas ioas = { .fd = open("/dev/iommu", O_RDWR | O_CLOEXEC) };
	size_t i;

	ksft_print_header();
	if (ioas.fd < 0 || access("/dev/udmabuf", R_OK | W_OK))
		ksft_exit_skip("needs /dev/iommu and /dev/udmabuf\n");
	ksft_set_plan(ARRAY_SIZE(kinds));

	require(!ioctl(ioas.fd, IOMMU_IOAS_ALLOC, &alloc));
	ioas.id = alloc.out_ioas_id;
	require(!_test_cmd_mock_domain(ioas.fd, ioas.id, NULL, &ioas.hwpt, NULL));
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		measure_kind(&ioas, &kinds[i]);
	ksft_finished();
}
