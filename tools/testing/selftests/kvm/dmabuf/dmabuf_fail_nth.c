// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf_fail_nth.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define DEBUGFS		"/sys/kernel/debug/"

static void write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	TEST_ASSERT(fd >= 0, "cannot open %s", path);
	TEST_ASSERT(write(fd, value, strlen(value)) == (ssize_t)strlen(value),
		    "cannot write '%s' to %s", value, path);
	close(fd);
}

bool fail_nth_supported(void)
{
	return !access(FAIL_NTH, W_OK) &&
	       !access(DEBUGFS "failslab", X_OK) &&
	       !access(DEBUGFS "fail_page_alloc", X_OK);
}

int fail_nth_open(void)
{
	int fd;

	write_file(DEBUGFS "failslab/ignore-gfp-wait", "N");
	write_file(DEBUGFS "failslab/verbose", "0");
	write_file(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	write_file(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	write_file(DEBUGFS "fail_page_alloc/min-order", "0");
	write_file(DEBUGFS "fail_page_alloc/verbose", "0");

	fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	TEST_ASSERT(fd >= 0, "cannot open " FAIL_NTH);
	return fd;
}

void fail_nth_set(int fd, u32 n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	TEST_ASSERT(pwrite(fd, buf, len, 0) == len, "cannot write " FAIL_NTH);
}

u32 fail_nth_clear(int fd)
{
	char buf[16] = "";

	TEST_ASSERT(pread(fd, buf, sizeof(buf) - 1, 0) > 0, "cannot read " FAIL_NTH);
	fail_nth_set(fd, 0);
	return strtoul(buf, NULL, 10);
}
