// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>

#include "dmabuf_gmem.h"

/* By value, and gone from errno: TEST_ASSERT() turns EACCES into a skip. */
static int take_errno(int r)
{
	int err = r < 0 ? errno : 0;

	errno = 0;
	return err;
}

static int fd_or_errno(int fd)
{
	return fd < 0 ? -take_errno(fd) : fd;
}

int __gmem_export(int gmem, const struct kvm_gmem_export_dmabuf *args)
{
	return fd_or_errno(ioctl(gmem, KVM_GMEM_EXPORT_DMABUF, args));
}

void gmem_export(struct dmabuf *buf, int gmem, u64 offset, u64 size, u32 flags)
{
	const struct kvm_gmem_export_dmabuf args = {
		.offset = offset,
		.size = size,
		.flags = flags,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	*buf = (struct dmabuf){ .memfd = -1, .size = size };
	buf->fd = __gmem_export(gmem, &args);
	TEST_ASSERT(buf->fd >= 0, "KVM_GMEM_EXPORT_DMABUF failed: %s",
		    strerror(-buf->fd));
	buf->ino = dmabuf_ino(buf->fd);
}

void gmem_add_slot(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 size, int gmem,
		   u64 offset)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.guest_memfd = gmem,
		.guest_memfd_offset = offset,
	};

	dmabuf_set_slot(vm, &region);
}

int gmem_punch(int gmem, u64 offset, u64 size)
{
	return take_errno(fallocate(gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    offset, size));
}

int __device_attach(int dmabuf_fd, u32 type)
{
	struct dma_buf_test_import import = { .fd = dmabuf_fd, .type = type };

	return fd_or_errno(ioctl(dmabuf_exporter_fd(), DMA_BUF_TEST_IMPORT, &import));
}

int device_attach(int dmabuf_fd)
{
	int fd = __device_attach(dmabuf_fd, DMA_BUF_TEST_IOMMU);

	TEST_ASSERT(fd >= 0, "DMA_BUF_TEST_IMPORT failed: %s", strerror(-fd));
	return fd;
}

int __device_map(int device, u64 offset, u64 size, u32 flags)
{
	const struct dma_buf_test_map map = {
		.offset = offset,
		.length = size,
		.flags = flags,
	};

	return take_errno(ioctl(device, DMA_BUF_TEST_MAP, &map));
}

int device_map(int device, u64 offset, u64 size)
{
	return __device_map(device, offset, size, DMA_BUF_TEST_MAP_WRITE);
}

int device_unmap(int device, u64 offset, u64 size)
{
	const struct dma_buf_test_map map = { .offset = offset, .length = size };

	return take_errno(ioctl(device, DMA_BUF_TEST_UNMAP, &map));
}

int device_read(int device, u64 offset, u64 *value)
{
	struct dma_buf_test_access access = { .offset = offset };
	int r = take_errno(ioctl(device, DMA_BUF_TEST_ACCESS, &access));

	if (!r)
		*value = access.value;
	return r;
}

int device_write(int device, u64 offset, u64 value)
{
	struct dma_buf_test_access access = {
		.offset = offset,
		.value = value,
		.write = 1,
	};

	return take_errno(ioctl(device, DMA_BUF_TEST_ACCESS, &access));
}

u64 device_mapped(int device, u64 offset, u64 size)
{
	u64 mapped = 0, value;

	for (u64 i = 0; i < size / PAGE_SIZE; i++)
		if (!device_read(device, offset + i * PAGE_SIZE, &value))
			mapped |= 1ULL << i;
	return mapped;
}

int gmem_poison(int gmem, u64 offset)
{
	const struct dma_buf_test_poison poison = { .fd = gmem, .offset = offset };

	int r = take_errno(ioctl(dmabuf_exporter_fd(), DMA_BUF_TEST_POISON, &poison));

	/* It stays in the file, which is what memory_failure() calls a failure. */
	return r == EBUSY ? 0 : r;
}
