// SPDX-License-Identifier: GPL-2.0-only
/* IOMMU faults, as the drivers of Intel's and AMD's report them in the kernel's log. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu-log.h"

/* From what is logged after this on; a file descriptor. */
int iommu_log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log < 0 || lseek(log, 0, SEEK_END))
		die("/dev/kmsg: %m");
	return log;
}

static bool is_fault(const char *line, const char *bdf, u64 iova)
{
	const char *at = strstr(line, "fault addr 0x");

	if (!at)
		at = strstr(line, "address=0x");
	return at && strstr(line, bdf) &&
	       strtoull(strchr(at, 'x') + 1, NULL, 16) / PAGE_SIZE == iova / PAGE_SIZE;
}

/* Is one of this device and page among the new lines? */
bool iommu_log_has_fault(int log, const char *bdf, u64 iova)
{
	char line[1024];
	ssize_t len;

	/* EPIPE: some lines have been overwritten. */
	while ((len = read(log, line, sizeof(line) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		line[len] = '\0';
		if (is_fault(line, bdf, iova))
			return true;
	}
	return false;
}
