// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include <linux/sizes.h>
#include <linux/udmabuf.h>

#include "dmabuf_backing.h"
#include "kvm_syscalls.h"
#include "kvm_util.h"
#include "test_util.h"

#define SIZE_LIMIT	"/sys/module/udmabuf/parameters/size_limit_mb"
#define HUGE_SIZE_BITS	(MAP_HUGE_MASK << MAP_HUGE_SHIFT)

/* The number in a file of sysfs, or @missing if there is no such file. */
static unsigned long sysfs_read(const char *path, unsigned long missing)
{
	unsigned long value;
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return missing;
	TEST_ASSERT(fscanf(f, "%lu", &value) == 1, "No number in '%s'", path);
	fclose(f);
	return value;
}

static void require_hugepages(size_t page_size, size_t size)
{
	unsigned long avail, need = size / page_size, kb = page_size / SZ_1K;
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%lukB/free_hugepages", kb);
	avail = sysfs_read(path, 0);
	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%lukB/resv_hugepages", kb);
	avail -= sysfs_read(path, 0);

	__TEST_REQUIRE(avail >= need, "%lu free huge pages of %lu kB needed, %lu there",
		       need, kb, avail);
}

void dmabuf_backing_alloc(struct userspace_mem_region *region,
			  enum vm_mem_backing_src_type src_type)
{
	size_t page_size = get_backing_src_pagesz(src_type);
	size_t size = align_up(region->mmap_size, page_size);
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	__TEST_REQUIRE(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_MEMSLOT,
		       "KVM has no dma-buf memslots");

	/* The flags of memfd_create() give the size as those of mmap() do. */
	if (is_backing_src_hugetlb(src_type)) {
		require_hugepages(page_size, size);
		flags |= MFD_HUGETLB;
		flags |= vm_mem_backing_src_alias(src_type)->flag & HUGE_SIZE_BITS;
	}

	fd = memfd_create("kvm_selftest_dmabuf", flags);
	TEST_ASSERT(fd >= 0, __KVM_SYSCALL_ERROR("memfd_create()", fd));
	kvm_ftruncate(fd, size);

	/* A udmabuf wants to rely on the memory staying there. */
	TEST_ASSERT(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK),
		    "F_SEAL_SHRINK failed, errno: %d", errno);

	region->fd = fd;
	region->mmap_size = size;
}

void dmabuf_backing_bind(struct userspace_mem_region *region)
{
	/* One item, however large: the limit of items is never met. */
	struct udmabuf_create create = {
		.memfd = region->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = region->mmap_size,
	};
	unsigned long limit_mb;
	int dev, fd;

	if (!backing_src_is_dmabuf(region->backing_src_type))
		return;

	dev = __open_path_or_exit("/dev/udmabuf", O_RDWR | O_CLOEXEC,
				  "Is CONFIG_UDMABUF enabled?");
	limit_mb = sysfs_read(SIZE_LIMIT, INT_MAX);
	__TEST_REQUIRE(create.size <= limit_mb * SZ_1M,
		       "udmabuf.size_limit_mb is %lu, the test needs %llu", limit_mb,
		       DIV_ROUND_UP(create.size, SZ_1M));

	fd = ioctl(dev, UDMABUF_CREATE, &create);
	TEST_ASSERT(fd >= 0, __KVM_SYSCALL_ERROR("UDMABUF_CREATE", fd));
	kvm_close(dev);

	region->region.flags |= KVM_MEM_DMABUF;
	region->region.dmabuf_fd = fd;
	region->region.dmabuf_offset = 0;
}

void dmabuf_backing_release(struct userspace_mem_region *region)
{
	if (backing_src_is_dmabuf(region->backing_src_type))
		kvm_close(region->region.dmabuf_fd);
}

void dmabuf_backing_check_flags(const struct userspace_mem_region *region, int ret)
{
	u32 flags = region->region.flags;

	if (!ret || !backing_src_is_dmabuf(region->backing_src_type))
		return;

	__TEST_REQUIRE(!(flags & KVM_MEM_LOG_DIRTY_PAGES) || errno != EINVAL,
		       "KVM logs no dirty pages of a dma-buf memslot");
	__TEST_REQUIRE(!(flags & KVM_MEM_GUEST_MEMFD) || errno != EOPNOTSUPP,
		       "a memslot has a dma-buf or a guest_memfd, not both");
}

void dmabuf_backing_check_move(const struct userspace_mem_region *region, int ret)
{
	__TEST_REQUIRE(!ret || errno != EINVAL ||
		       !backing_src_is_dmabuf(region->backing_src_type),
		       "KVM does not move a dma-buf memslot");
}
