// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <liburing.h>

#include "memory.h"
#include "uring.h"

#define RING_ENTRIES	256
#define MAX_BUFFER	GIB(1)	/* io_uring registers no larger one */

struct uring {
	struct io_uring ring;
	struct __kernel_timespec timeout;
	u8 *fixed;		/* registered buffers, end to end */
	u64 fixed_size;
};

struct uring *uring_create(void)
{
	struct uring *ring = xzalloc(sizeof(*ring));
	int ret = io_uring_queue_init(RING_ENTRIES, &ring->ring, 0);

	if (ret)
		die("io_uring: %s", strerror(-ret));
	return ring;
}

void uring_destroy(struct uring *ring)
{
	io_uring_queue_exit(&ring->ring);
	free(ring);
}

/*
 * Guest RAM becomes registered buffers: pinned once, so that a request of the
 * guest's costs neither a page walk nor a copy.
 */
bool uring_register_ram(struct uring *ring, const struct guest_ram *ram)
{
	unsigned int nr = (ram->size + MAX_BUFFER - 1) / MAX_BUFFER;
	struct iovec *iov = xzalloc(nr * sizeof(*iov));
	int ret;

	for (unsigned int i = 0; i < nr; i++) {
		u64 left = ram->size - i * MAX_BUFFER;

		iov[i].iov_base = ram->view + i * MAX_BUFFER;
		iov[i].iov_len = left < MAX_BUFFER ? left : MAX_BUFFER;
	}
	ret = io_uring_register_buffers(&ring->ring, iov, nr);
	free(iov);
	if (ret)
		return false;
	ring->fixed = ram->view;
	ring->fixed_size = ram->size;
	return true;
}

static struct io_uring_sqe *get_sqe(struct uring *ring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring->ring)))
		io_uring_submit(&ring->ring);
	return sqe;
}

/* Offset -1: the file's own position, for pipes, terminals and eventfds. */
void uring_read(struct uring *ring, struct uring_op *op, int fd, void *buf,
		size_t len)
{
	struct io_uring_sqe *sqe = get_sqe(ring);

	io_uring_prep_read(sqe, fd, buf, len, -1);
	io_uring_sqe_set_data(sqe, op);
}

void uring_write(struct uring *ring, struct uring_op *op, int fd,
		 const void *buf, size_t len)
{
	struct io_uring_sqe *sqe = get_sqe(ring);

	io_uring_prep_write(sqe, fd, buf, len, -1);
	io_uring_sqe_set_data(sqe, op);
}

/* @buf is guest RAM. */
void uring_ram_io(struct uring *ring, struct uring_op *op, int fd, bool write,
		  void *buf, size_t len, u64 offset)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	u64 first = (u8 *)buf - ring->fixed;
	u64 last = first + len - 1;
	int index = first / MAX_BUFFER;

	if (!ring->fixed || index != (int)(last / MAX_BUFFER)) {
		if (write)
			io_uring_prep_write(sqe, fd, buf, len, offset);
		else
			io_uring_prep_read(sqe, fd, buf, len, offset);
	} else if (write) {
		io_uring_prep_write_fixed(sqe, fd, buf, len, offset, index);
	} else {
		io_uring_prep_read_fixed(sqe, fd, buf, len, offset, index);
	}
	io_uring_sqe_set_data(sqe, op);
}

void uring_fsync(struct uring *ring, struct uring_op *op, int fd)
{
	struct io_uring_sqe *sqe = get_sqe(ring);

	io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, op);
}

void uring_timeout(struct uring *ring, struct uring_op *op,
		   unsigned int seconds)
{
	struct io_uring_sqe *sqe = get_sqe(ring);

	ring->timeout.tv_sec = seconds;
	io_uring_prep_timeout(sqe, &ring->timeout, 0, 0);
	io_uring_sqe_set_data(sqe, op);
}

/*
 * Run as long as *@go_on, which done() functions change.  Everything that they
 * queue goes out with one system call.
 */
void uring_run(struct uring *ring, const bool *go_on)
{
	struct io_uring_cqe *cqe;

	while (*go_on) {
		int ret = io_uring_submit_and_wait(&ring->ring, 1);

		if (ret < 0 && ret != -EINTR && ret != -EBUSY)
			die("io_uring_enter: %s", strerror(-ret));
		while (!io_uring_peek_cqe(&ring->ring, &cqe)) {
			struct uring_op *op = io_uring_cqe_get_data(cqe);
			int result = cqe->res;

			io_uring_cqe_seen(&ring->ring, cqe);
			op->done(op, result);
		}
	}
}
