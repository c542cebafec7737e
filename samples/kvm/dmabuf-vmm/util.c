// SPDX-License-Identifier: GPL-2.0-only
/* How things end: one line that says why, and an exit status that agrees. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

static pthread_mutex_t fail_lock = PTHREAD_MUTEX_INITIALIZER;
static char fail_text[256];

/* Only for setting up: no vCPU runs yet, the kernel cleans up behind us. */
void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("dmabuf-vmm: FAIL: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

/* While the guest runs.  The first failure counts, the rest follows from it. */
void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&fail_lock);
	if (!fail_text[0])
		vsnprintf(fail_text, sizeof(fail_text), fmt, ap);
	pthread_mutex_unlock(&fail_lock);
	va_end(ap);
}

const char *failure(void)
{
	return fail_text[0] ? fail_text : NULL;
}

void *xzalloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		die("out of memory for %zu bytes", size);
	return p;
}

u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}
