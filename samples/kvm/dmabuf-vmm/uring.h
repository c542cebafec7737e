/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One io_uring for everything the VMM waits for.  An operation is a struct
 * uring_op inside of whatever it belongs to; done() runs in uring_run().
 */
#ifndef URING_H
#define URING_H

#include "vmm.h"

struct uring_op {
	void (*done)(struct uring_op *op, int result);
};

struct guest_ram;

struct uring *uring_create(void);
void uring_destroy(struct uring *ring);
bool uring_register_ram(struct uring *ring, const struct guest_ram *ram);

void uring_read(struct uring *ring, struct uring_op *op, int fd, void *buf,
		size_t len);
void uring_write(struct uring *ring, struct uring_op *op, int fd,
		 const void *buf, size_t len);
void uring_ram_io(struct uring *ring, struct uring_op *op, int fd, bool write,
		  void *buf, size_t len, u64 offset);
void uring_fsync(struct uring *ring, struct uring_op *op, int fd);
void uring_timeout(struct uring *ring, struct uring_op *op,
		   unsigned int seconds);

void uring_run(struct uring *ring, const bool *go_on);

#endif /* URING_H */
