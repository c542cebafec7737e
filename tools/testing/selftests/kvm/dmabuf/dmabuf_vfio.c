// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf_vfio.h"

#define DRIVER	"/sys/bus/pci/drivers/vfio-pci"

static unsigned int read_id(const char *bdf, const char *name)
{
	unsigned int id = 0;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), DRIVER "/%s/%s", bdf, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &id) != 1)
		id = 0;
	fclose(f);
	return id;
}

char *dmabuf_vfio_find(u16 vendor, u16 device, unsigned int nr)
{
	struct dirent **entries;
	char *found = NULL;
	int n;

	n = scandir(DRIVER, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *bdf = entries[i]->d_name;

		if (!found && strchr(bdf, ':') && read_id(bdf, "vendor") == vendor &&
		    read_id(bdf, "device") == device && !nr--)
			found = strdup(bdf);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return found;
}

int __dmabuf_export_bar(struct dmabuf *buf, struct vfio_pci_device *device,
			u32 bar, u32 open_flags,
			const struct vfio_region_dma_range *ranges, u32 nr)
{
	struct vfio_device_feature_dma_buf *get;
	struct vfio_device_feature *feature;
	size_t size = sizeof(*feature) + sizeof(*get) + nr * sizeof(*ranges);
	int r;

	memset(buf, 0, sizeof(*buf));
	buf->memfd = -1;

	feature = calloc(1, size);
	TEST_ASSERT(feature, "out of memory");
	feature->argsz = size;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get = (void *)feature->data;
	get->region_index = bar;
	get->open_flags = open_flags;
	get->nr_ranges = nr;
	if (nr)
		memcpy(get->dma_ranges, ranges, nr * sizeof(*ranges));

	buf->fd = ioctl(device->fd, VFIO_DEVICE_FEATURE, feature);
	r = buf->fd < 0 ? errno : 0;
	errno = 0;
	free(feature);
	if (r)
		return r;

	for (u32 i = 0; i < nr; i++)
		buf->size += ranges[i].length;
	buf->ino = dmabuf_ino(buf->fd);
	return 0;
}

void dmabuf_export_bar(struct dmabuf *buf, struct vfio_pci_device *device,
		       u32 bar, u64 offset, u64 length)
{
	struct vfio_region_dma_range range = { .offset = offset, .length = length };
	int r = __dmabuf_export_bar(buf, device, bar, O_RDWR | O_CLOEXEC, &range, 1);

	TEST_ASSERT(!r, "VFIO_DEVICE_FEATURE_DMA_BUF of BAR %u: %s", bar, strerror(r));
}

void dmabuf_close_bar(struct dmabuf *buf)
{
	if (buf->size)
		kvm_close(buf->fd);
	buf->size = 0;
}

static int feature_set(struct vfio_pci_device *device, struct vfio_device_feature *feature)
{
	int r = ioctl(device->fd, VFIO_DEVICE_FEATURE, feature) ? errno : 0;

	errno = 0;
	return r;
}

int dmabuf_vfio_feature_set(struct vfio_pci_device *device, u32 feature)
{
	struct vfio_device_feature args = {
		.argsz = sizeof(args),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return feature_set(device, &args);
}

int dmabuf_vfio_sleep_until(struct vfio_pci_device *device, int eventfd)
{
	const struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = eventfd,
	};
	u8 buffer[sizeof(struct vfio_device_feature) + sizeof(entry)] __aligned(8) = {};
	struct vfio_device_feature *args = (void *)buffer;

	args->argsz = sizeof(buffer);
	args->flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
	memcpy(args->data, &entry, sizeof(entry));
	return feature_set(device, args);
}
