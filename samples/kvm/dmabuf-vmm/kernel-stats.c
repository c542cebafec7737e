// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "kernel-stats.h"

/* The statistics of a VM: a header, descriptors with names, then values. */
static bool read_stat(int fd, const struct kvm_stats_header *hdr,
		      const u8 *descs, const char *name, u64 *value)
{
	size_t size = sizeof(struct kvm_stats_desc) + hdr->name_size;

	for (u32 i = 0; i < hdr->num_desc; i++) {
		const struct kvm_stats_desc *d = (const void *)(descs + i * size);

		if (!strcmp(d->name, name))
			return pread(fd, value, sizeof(*value),
				     hdr->data_offset + d->offset) ==
			       sizeof(*value);
	}
	return false;
}

bool read_stage2_pages(int vm_fd, struct stage2_pages *pages)
{
	int fd = ioctl(vm_fd, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header hdr;
	u8 *descs = NULL;
	bool ok = false;
	ssize_t size;

	if (fd < 0)
		return false;
	if (pread(fd, &hdr, sizeof(hdr), 0) != sizeof(hdr))
		goto out;
	size = hdr.num_desc * (sizeof(struct kvm_stats_desc) + hdr.name_size);
	descs = xzalloc(size);
	if (pread(fd, descs, size, hdr.desc_offset) != size)
		goto out;
	ok = read_stat(fd, &hdr, descs, "pages_4k", &pages->pages_4k) &&
	     read_stat(fd, &hdr, descs, "pages_2m", &pages->pages_2m) &&
	     read_stat(fd, &hdr, descs, "pages_1g", &pages->pages_1g);
out:
	free(descs);
	close(fd);
	return ok;
}

static u64 number_after(const char *line, const char *word)
{
	const char *p = strstr(line, word);

	if (!p)
		return 0;
	p += strlen(word);
	p += strspn(p, " :=");
	return strtoull(p, NULL, 10);
}

/* An attachment: device or "-", mapping type, counters if the type has any. */
static void parse_attachment(const char *line, struct buffer_info *info)
{
	if (strstr(line, "type iommu")) {
		info->others++;
		return;
	}
	info->attachments++;
	if (sscanf(line, "%*s type %31s", info->type) != 1)
		sscanf(line, "%*s %31s", info->type);
	info->fills += number_after(line, "fills");
	info->extents += number_after(line, "extents");
}

/* A buffer: one line that ends in inode and name, then its attachments. */
void read_buffer_info(int dmabuf, struct buffer_info *info)
{
	FILE *f = fopen(BUFINFO, "r");
	u64 ino;
	bool ours = false, list = false;
	struct stat st;
	char line[512];

	if (!f || fstat(dmabuf, &st))
		goto out;
	info->readable = true;
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "Attached Devices")) {
			list = true;
		} else if (!strncmp(line, "Total", 5)) {
			list = false;
			ours = false;
		} else if (!list) {
			if (sscanf(line, "%*s %*s %*s %*s %*s %llu", &ino) == 1)
				ours = ino == st.st_ino;
			info->listed |= ours;
		} else if (ours) {
			parse_attachment(line, info);
		}
	}
out:
	if (f)
		fclose(f);
}
