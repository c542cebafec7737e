// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a page of a BAR costs to map for a device and to unmap, with the page tables
 * of a real driver. Uses nothing that Linux 7.3 does not have, so that the kernel
 * without mapping types can be measured, too.
 *
 * VFIO_BAR_BDF names a device that is bound to vfio-pci and whose BAR 2 is memory of
 * 64 MiB or more. It is mapped for itself. The fixed cost of a call, to which the
 * attachment to the buffer belongs, is part of the figure.
 */
#include <dirent.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "iommufd_dmabuf_bench.h"

#define BAR	VFIO_PCI_BAR2_REGION_INDEX
#define IOVA	0x40000000

static int open_device(const char *bdf)
{
	struct dirent *entry;
	char path[256];
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	require(dir);
	while (fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%.32s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(dir);
	require(fd >= 0);
	return fd;
}

static void enable_memory(int device)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u16 command;

	require(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	require(pread(device, &command, 2, info.offset + PCI_COMMAND) == 2);
	command |= PCI_COMMAND_MEMORY;
	require(pwrite(device, &command, 2, info.offset + PCI_COMMAND) == 2);
}

/* The device in an IOAS of its own. */
static __u32 attach(int iommufd, int device)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };

	require(!ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	require(!ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc));
	attach.pt_id = alloc.out_ioas_id;
	require(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	return alloc.out_ioas_id;
}

static int export_bar(int device, size_t size)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf get;
		struct vfio_region_dma_range range;
	} args = {
		.feature.argsz = sizeof(args),
		.feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
		.get.region_index = BAR,
		.get.open_flags = O_RDWR | O_CLOEXEC,
		.get.nr_ranges = 1,
		.range.length = size,
	};
	int fd = ioctl(device, VFIO_DEVICE_FEATURE, &args);

	require(fd >= 0);
	return fd;
}

static void measure_size(int iommufd, __u32 ioas, int device, const char *name, size_t size)
{
	__s64 map_ticks[ROUNDS], unmap_ticks[ROUNDS];
	int fd = export_bar(device, size), i;
	__u64 iova = IOVA, t[4];
	uint64_t unmapped;

	for (i = -1; i < ROUNDS; i++) {
		t[0] = ticks();
		require(!_test_ioctl_ioas_map_file(iommufd, ioas, fd, 0, size, &iova,
						   MAP_FLAGS));
		t[1] = ticks();
		t[2] = ticks();
		require(!_test_ioctl_ioas_unmap(iommufd, ioas, iova, size, &unmapped));
		t[3] = ticks();
		require(unmapped == size);
		if (i < 0)
			continue;
		map_ticks[i] = t[1] - t[0];
		unmap_ticks[i] = t[3] - t[2];
	}
	print_row("ioas_map", name, size, map_ticks);
	print_row("ioas_unmap", name, size, unmap_ticks);
	close(fd);
	ksft_test_result_pass("%s\n", name);
}

int main(void)
{
	const char *bdf = getenv("VFIO_BAR_BDF");
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC), device;
	__u32 ioas;

	ksft_print_header();
	if (iommufd < 0 || !bdf)
		ksft_exit_skip("needs /dev/iommu and VFIO_BAR_BDF\n");
	ksft_set_plan(2);

	device = open_device(bdf);
	ioas = attach(iommufd, device);
	enable_memory(device);
	measure_size(iommufd, ioas, device, "bar.16m", 16 * MB);
	measure_size(iommufd, ioas, device, "bar.64m", 64 * MB);
	close(device);
	ksft_finished();
}
