// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf_exporter.h"

#define DEVICE	"/dev/dma_buf_test"

bool dmabuf_exporter(void)
{
	return !access(DEVICE, R_OK | W_OK);
}

int dmabuf_exporter_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_path_or_exit(DEVICE, O_RDWR | O_CLOEXEC);
	return fd;
}

static int exporter_ioctl(unsigned long cmd, void *arg)
{
	int r = ioctl(dmabuf_exporter_fd(), cmd, arg) ? errno : 0;

	errno = 0;
	return r;
}

int __dmabuf_create_test(struct dmabuf *buf, struct dma_buf_test_create *args)
{
	int prot = PROT_READ, r;

	memset(buf, 0, sizeof(*buf));
	buf->memfd = -1;
	r = exporter_ioctl(DMA_BUF_TEST_CREATE, args);
	if (r)
		return r;

	buf->fd = args->fd;
	buf->size = args->size;
	buf->ino = dmabuf_ino(buf->fd);

	if ((args->fd_flags & O_ACCMODE) == O_RDWR)
		prot |= PROT_WRITE;
	buf->map = kvm_mmap(buf->size, prot, MAP_SHARED, buf->fd);
	return 0;
}

void dmabuf_create_test(struct dmabuf *buf, u64 size, u32 order, u32 flags)
{
	struct dma_buf_test_create args = {
		.size = size,
		.extent_order = order,
		.kind = DMA_BUF_TEST_RAM,
		.flags = flags,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int r = __dmabuf_create_test(buf, &args);

	TEST_ASSERT(!r, "DMA_BUF_TEST_CREATE of 0x%llx bytes, order %u, flags 0x%x: %s",
		    (unsigned long long)size, order, flags, strerror(r));
}

int __dmabuf_test_op(const struct dmabuf *buf, struct dma_buf_test_op op)
{
	op.fd = buf->fd;
	return exporter_ioctl(DMA_BUF_TEST_OP, &op);
}

static void test_op(const struct dmabuf *buf, struct dma_buf_test_op op)
{
	int r = __dmabuf_test_op(buf, op);

	TEST_ASSERT(!r, "DMA_BUF_TEST_OP %u failed: %s", op.op, strerror(r));
}

void dmabuf_revoke(const struct dmabuf *buf)
{
	test_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_REVOKE });
}

void dmabuf_unrevoke(const struct dmabuf *buf)
{
	test_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_UNREVOKE });
}

void dmabuf_move(const struct dmabuf *buf, u64 offset, u64 length)
{
	test_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_MOVE,
		.offset = offset,
		.length = length,
	});
}

void dmabuf_invalidate(const struct dmabuf *buf, u64 offset, u64 length)
{
	test_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_INVALIDATE,
		.offset = offset,
		.length = length,
	});
}

void dmabuf_lock(const struct dmabuf *buf, u64 offset, u64 length)
{
	test_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_LOCK,
		.offset = offset,
		.length = length,
	});
}

void dmabuf_unlock(const struct dmabuf *buf, u64 offset, u64 length)
{
	test_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_UNLOCK,
		.offset = offset,
		.length = length,
	});
}

void dmabuf_set_readonly(const struct dmabuf *buf, bool readonly)
{
	test_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_SET_READONLY,
		.value = readonly,
	});
}

void dmabuf_hold_fence(const struct dmabuf *buf)
{
	test_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_HOLD_FENCE });
}

void dmabuf_signal_fence(const struct dmabuf *buf)
{
	test_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_SIGNAL_FENCE });
}

void dmabuf_fail_fill(const struct dmabuf *buf, u32 nth, u32 error)
{
	test_op(buf, (struct dma_buf_test_op) {
		.op = DMA_BUF_TEST_OP_FAIL_FILL,
		.value = nth,
		.error = error,
	});
}

void dmabuf_move_in_fill(const struct dmabuf *buf)
{
	test_op(buf, (struct dma_buf_test_op){ .op = DMA_BUF_TEST_OP_MOVE_IN_FILL });
}

struct dma_buf_test_counters dmabuf_counters(const struct dmabuf *buf)
{
	struct dma_buf_test_counters counters = { .fd = buf->fd };
	int r = exporter_ioctl(DMA_BUF_TEST_COUNTERS, &counters);

	TEST_ASSERT(!r, "DMA_BUF_TEST_COUNTERS failed: %s", strerror(r));
	return counters;
}

u64 dmabuf_ms_since(struct timespec start)
{
	struct timespec elapsed = timespec_elapsed(start);

	return elapsed.tv_sec * 1000ULL + elapsed.tv_nsec / 1000000;
}

#define RACE_MS		1000
#define RACE_LEAST	3

bool dmabuf_another_round(struct dmabuf_rounds *rounds, int max)
{
	if (!rounds->done)
		clock_gettime(CLOCK_MONOTONIC, &rounds->start);
	if (rounds->done >= max ||
	    (rounds->done >= RACE_LEAST && dmabuf_ms_since(rounds->start) > RACE_MS)) {
		ksft_print_msg("%d rounds\n", rounds->done);
		return false;
	}
	rounds->done++;
	return true;
}

bool dmabuf_wait_fills(const struct dmabuf *buf, u64 since, u64 nr)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (dmabuf_counters(buf).fills < since + nr) {
		if (dmabuf_ms_since(start) > DMABUF_WAIT_S * 1000)
			return false;
		sched_yield();
	}
	return true;
}

int dmabuf_run(struct kvm_vcpu *vcpu)
{
	int r;

	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	r = __vcpu_run(vcpu) ? errno : 0;
	errno = 0;
	return r;
}

bool dmabuf_is_fault(struct kvm_vcpu *vcpu, u64 flags, gpa_t gpa)
{
	const struct kvm_run *run = vcpu->run;

	if (run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	    run->memory_fault.flags == flags && run->memory_fault.gpa == gpa &&
	    run->memory_fault.size == PAGE_SIZE)
		return true;
	ksft_print_msg("exit %s, flags %llx gpa %llx size %llx; expected flags %lx gpa %lx\n",
		       exit_reason_str(run->exit_reason), run->memory_fault.flags,
		       run->memory_fault.gpa, run->memory_fault.size, (unsigned long)flags,
		       (unsigned long)gpa);
	return false;
}

bool dmabuf_is_done(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	return get_ucall(vcpu, &uc) == UCALL_SYNC;
}

int dmabuf_prefault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 size)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };
	int r = 0;

	while (!r && range.size)
		r = __vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range) ? errno : 0;
	errno = 0;
	return r;
}
