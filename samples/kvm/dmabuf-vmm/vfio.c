// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vfio.h"

struct vfio {
	const char *bdf;
	int fd;
	u64 config;		/* offset of the configuration space */
};

void ioas_create(struct ioas *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	ioas->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (ioas->fd < 0)
		die("/dev/iommu: %m");
	if (ioctl(ioas->fd, IOMMU_IOAS_ALLOC, &alloc))
		die("IOMMU_IOAS_ALLOC: %m");
	ioas->id = alloc.out_ioas_id;
}

/*
 * A dma-buf: nothing is pinned, and no mapping of this process is used. An
 * errno, for those who expect it to fail.
 */
int __ioas_map_file(const struct ioas *ioas, int fd, u64 offset, u64 size,
		    u64 iova, u32 flags)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE | flags,
		.ioas_id = ioas->id,
		.fd = fd,
		.start = offset,
		.length = size,
		.iova = iova,
	};

	return ioctl(ioas->fd, IOMMU_IOAS_MAP_FILE, &map) ? errno : 0;
}

void ioas_map_file(const struct ioas *ioas, int fd, u64 offset, u64 size,
		   u64 iova, u32 flags)
{
	int error = __ioas_map_file(ioas, fd, offset, size, iova, flags);

	if (error)
		die("IOMMU_IOAS_MAP_FILE of %llu KiB at 0x%llx: %s", size >> 10,
		    iova, strerror(error));
}

void ioas_map_memory(const struct ioas *ioas, void *mem, u64 size, u64 iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas->id,
		.user_va = (unsigned long)mem,
		.length = size,
		.iova = iova,
	};

	if (ioctl(ioas->fd, IOMMU_IOAS_MAP, &map))
		die("IOMMU_IOAS_MAP of %llu KiB: %m", size >> 10);
}

void ioas_destroy(struct ioas *ioas)
{
	close(ioas->fd);
}

static int open_cdev(const char *bdf)
{
	char path[512];
	struct dirent *e;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		die("%s is not bound to vfio-pci: %s: %m", bdf, path);
	while (fd < 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", e->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			die("%s: %m", path);
	}
	closedir(dir);
	if (fd < 0)
		die("%s has no device node (CONFIG_VFIO_DEVICE_CDEV)", bdf);
	return fd;
}

static struct vfio_region_info region(struct vfio *vfio, unsigned int index)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};

	if (ioctl(vfio->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("%s: VFIO_DEVICE_GET_REGION_INFO %u: %m", vfio->bdf, index);
	return info;
}

struct vfio *vfio_open(const char *bdf, const struct ioas *ioas, bool dma)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = ioas->fd,
	};
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = ioas->id,
	};
	struct vfio *vfio = xzalloc(sizeof(*vfio));

	vfio->bdf = bdf;
	vfio->fd = open_cdev(bdf);
	if (ioctl(vfio->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("%s: VFIO_DEVICE_BIND_IOMMUFD: %m", bdf);
	if (dma && ioctl(vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		die("%s: VFIO_DEVICE_ATTACH_IOMMUFD_PT: %m", bdf);
	vfio->config = region(vfio, VFIO_PCI_CONFIG_REGION_INDEX).offset;
	vfio_set_command(vfio, PCI_COMMAND_MEMORY, 0);
	return vfio;
}

void *vfio_map_bar(struct vfio *vfio, unsigned int bar, u64 *size)
{
	struct vfio_region_info info = region(vfio, bar);
	void *p;

	p = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->fd,
		 info.offset);
	if (p == MAP_FAILED)
		die("%s: mmap of BAR %u, %llu bytes: %m", vfio->bdf, bar,
		    info.size);
	*size = info.size;
	return p;
}

/* The whole BAR as one range; around a table of MSI-X it would be two. */
int vfio_export_bar(struct vfio *vfio, unsigned int bar, u64 size)
{
	struct vfio_device_feature_dma_buf *get;
	struct vfio_device_feature *feature;
	size_t argsz = sizeof(*feature) + sizeof(*get) + sizeof(get->dma_ranges[0]);
	int fd;

	feature = xzalloc(argsz);
	feature->argsz = argsz;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get = (void *)feature->data;
	get->region_index = bar;
	get->open_flags = O_RDWR | O_CLOEXEC;
	get->nr_ranges = 1;
	get->dma_ranges[0].length = size;
	fd = ioctl(vfio->fd, VFIO_DEVICE_FEATURE, feature);
	if (fd < 0)
		die("%s: VFIO_DEVICE_FEATURE_DMA_BUF of BAR %u: %m", vfio->bdf,
		    bar);
	free(feature);
	return fd;
}

void vfio_set_command(struct vfio *vfio, u16 set, u16 clear)
{
	off_t at = vfio->config + PCI_COMMAND;
	u16 command;

	if (pread(vfio->fd, &command, sizeof(command), at) != sizeof(command))
		die("%s: cannot read its configuration: %m", vfio->bdf);
	command = (command | set) & ~clear;
	if (pwrite(vfio->fd, &command, sizeof(command), at) != sizeof(command))
		die("%s: cannot write its configuration: %m", vfio->bdf);
}

void vfio_close(struct vfio *vfio)
{
	close(vfio->fd);
	free(vfio);
}
