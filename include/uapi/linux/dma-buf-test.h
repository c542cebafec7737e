/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * A dma-buf exporter for tests: /dev/dma_buf_test creates buffers and does to
 * them what exporters do, at the moment that the test chooses. And an importer,
 * which does to the buffers of any exporter what a device does.
 */
#ifndef _UAPI_LINUX_DMA_BUF_TEST_H
#define _UAPI_LINUX_DMA_BUF_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* flags of struct dma_buf_test_create */
#define DMA_BUF_TEST_REVOCABLE	(1 << 0) /* flavour; neither this nor DYNAMIC: pinned */
#define DMA_BUF_TEST_DYNAMIC	(1 << 1) /* flavour */
#define DMA_BUF_TEST_LAZY	(1 << 2) /* allocate in prepare, fill says EAGAIN before */
#define DMA_BUF_TEST_READONLY	(1 << 3) /* extents are read-only to begin with */
#define DMA_BUF_TEST_RANGES	(1 << 4) /* invalidate ranges of pages, not the whole buffer */
#define DMA_BUF_TEST_SGT_ONLY	(1 << 5) /* offer scatterlists and no other mapping type */

/* kind of struct dma_buf_test_create */
#define DMA_BUF_TEST_RAM	0
#define DMA_BUF_TEST_MMIO	1 /* from the range reserved for that, if there is one */

/* of struct dma_buf_test_create */
#define DMA_BUF_TEST_MAX_ORDER	18

/**
 * struct dma_buf_test_create - ioctl(DMA_BUF_TEST_CREATE)
 * @size: bytes, a multiple of the extent size
 * @extent_order: each extent is 2^@extent_order pages, aligned to its size;
 *	neighbours are never contiguous
 * @kind: what the memory is
 * @flags: DMA_BUF_TEST_* flags
 * @fd_flags: O_RDONLY, O_WRONLY or O_RDWR, and O_CLOEXEC
 * @fd: out, the dma-buf
 * @__reserved: must be 0
 *
 * Errors: EINVAL: unknown flag or kind, both flavours, @size is 0 or no multiple
 * of the extent size, @extent_order too large, reserved not 0. ENODEV: no
 * memory of that kind on this machine. ENOMEM, EMFILE, EINTR, EFAULT.
 */
struct dma_buf_test_create {
	__u64 size;
	__u32 extent_order;
	__u32 kind;
	__u32 flags;
	__u32 fd_flags;
	__s32 fd;
	__u32 __reserved;
};

/*
 * op of struct dma_buf_test_op
 *
 * REVOKE: take the whole buffer away from importers and from mmap, whose
 *	accesses raise SIGBUS. EALREADY, EBUSY.
 * UNREVOKE: give it back. EALREADY.
 * MOVE: the range @offset, @length to new memory, with its content. EBUSY.
 * SET_READONLY: @value 1: importers can only read, after an invalidation, EBUSY;
 *	0: they can write. mmap is the exporter's own access, which can.
 * HOLD_FENCE: add a fence of usage KERNEL and do not signal it. EBUSY.
 * SIGNAL_FENCE: signal it. ENOENT. Closing the buffer does so, too.
 * FAIL_FILL: the @value-th fill from now, counted from 1, fails with -@error.
 * MOVE_IN_FILL: the next fill that would give an extent moves the whole buffer
 *	before that.
 * CHANGE_PFN: as MOVE, without an invalidation. EPERM if anything is attached.
 * INVALIDATE: the range @offset, @length, which can be pages of an extent. The
 *	memory stays. EBUSY.
 * LOCK: the range @offset, @length becomes private memory of a guest. Other
 *	importers lose it, and accesses by mmap raise SIGBUS. As long as anything
 *	is locked REVOKE, MOVE and SET_READONLY fail with EBUSY: the device would
 *	not let go of it. EBUSY.
 * UNLOCK: the range is shared again, and for everybody.
 *
 * EBUSY: an importer has pinned the buffer, or a part of it is locked; for
 * HOLD_FENCE there is a fence already; for LOCK the buffer is revoked. All can
 * fail with EINTR, and MOVE, CHANGE_PFN and HOLD_FENCE with ENOMEM.
 */
#define DMA_BUF_TEST_OP_REVOKE		0
#define DMA_BUF_TEST_OP_UNREVOKE	1
#define DMA_BUF_TEST_OP_MOVE		2
#define DMA_BUF_TEST_OP_SET_READONLY	3
#define DMA_BUF_TEST_OP_HOLD_FENCE	4
#define DMA_BUF_TEST_OP_SIGNAL_FENCE	5
#define DMA_BUF_TEST_OP_FAIL_FILL	6
#define DMA_BUF_TEST_OP_MOVE_IN_FILL	7
#define DMA_BUF_TEST_OP_CHANGE_PFN	8
#define DMA_BUF_TEST_OP_INVALIDATE	9
#define DMA_BUF_TEST_OP_LOCK		10
#define DMA_BUF_TEST_OP_UNLOCK		11

/**
 * struct dma_buf_test_op - ioctl(DMA_BUF_TEST_OP)
 * @fd: a dma-buf that DMA_BUF_TEST_CREATE returned
 * @op: what to do
 * @offset: of a range, in bytes, a multiple of the extent size; for INVALIDATE
 *	of the page size
 * @length: of a range, likewise; 0: to the end
 * @value: for some ops
 * @error: for some ops, a positive errno
 *
 * Errors: EBADF: @fd is not open. EINVAL: it is not a buffer of this exporter,
 * unknown @op, a field that the op does not use is not 0, a bad range. EPERM:
 * the flavour of the buffer does not allow it. Others as noted at the op.
 */
struct dma_buf_test_op {
	__s32 fd;
	__u32 op;
	__u64 offset;
	__u64 length;
	__u32 value;
	__u32 error;
};

/**
 * struct dma_buf_test_counters - ioctl(DMA_BUF_TEST_COUNTERS)
 * @fd: a dma-buf that DMA_BUF_TEST_CREATE returned
 * @__reserved: must be 0
 * @fills: out, calls of fill
 * @extents: out, extents that were given
 * @prepares: out, calls of prepare
 * @invalidations: out, invalidations of the buffer or a range of it
 * @attachments: out, attachments right now
 *
 * Errors: EBADF, EINVAL as for DMA_BUF_TEST_OP.
 */
struct dma_buf_test_counters {
	__s32 fd;
	__u32 __reserved;
	__u64 fills;
	__u64 extents;
	__u64 prepares;
	__u64 invalidations;
	__u64 attachments;
};

/* type of struct dma_buf_test_import */
#define DMA_BUF_TEST_SGT	0 /* attach, and no more */
#define DMA_BUF_TEST_IOMMU	1

/**
 * struct dma_buf_test_import - ioctl(DMA_BUF_TEST_IMPORT)
 * @fd: any dma-buf
 * @type: how to attach to it
 *
 * Returns the fd of an importer. Errors: EBADF; EINVAL: not a dma-buf, unknown
 * type; whatever the attach fails with.
 */
struct dma_buf_test_import {
	__s32 fd;
	__u32 type;
};

/* flags of struct dma_buf_test_map */
#define DMA_BUF_TEST_MAP_WRITE		(1 << 0)
#define DMA_BUF_TEST_MAP_UNPREPARED	(1 << 1) /* ask fill without prepare */

/**
 * struct dma_buf_test_map - ioctl(DMA_BUF_TEST_MAP), ioctl(DMA_BUF_TEST_UNMAP)
 * @offset: into the buffer, and the I/O virtual address
 * @length: in bytes
 * @flags: of a map; must be 0 for an unmap
 * @__reserved: must be 0
 *
 * For the fd of an importer. An unmap drops what is mapped in the range, which
 * may be nothing. Errors: EINVAL; EADDRINUSE: something is mapped; whatever the
 * exporter fails with, then nothing was mapped.
 */
struct dma_buf_test_map {
	__u64 offset;
	__u64 length;
	__u32 flags;
	__u32 __reserved;
};

/**
 * struct dma_buf_test_access - ioctl(DMA_BUF_TEST_ACCESS)
 * @offset: I/O virtual address, a multiple of 8
 * @value: what to write, or what was read
 * @write: 0 or 1
 * @__reserved: must be 0
 *
 * For the fd of an importer. Errors: EINVAL; ENXIO: nothing is mapped there;
 * EACCES: not for writing; EOPNOTSUPP: the memory is not RAM.
 */
struct dma_buf_test_access {
	__u64 offset;
	__u64 value;
	__u32 write;
	__u32 __reserved;
};

/**
 * struct dma_buf_test_poison - ioctl(DMA_BUF_TEST_POISON)
 * @fd: any file
 * @__reserved: must be 0
 * @offset: into the file
 *
 * The page that is there fails, as far as software can tell. Errors: EBADF,
 * EINVAL; ENOENT: there is none; EOPNOTSUPP: CONFIG_MEMORY_FAILURE is not set;
 * whatever memory_failure() fails with.
 */
struct dma_buf_test_poison {
	__s32 fd;
	__u32 __reserved;
	__u64 offset;
};

#define DMA_BUF_TEST_BASE	'd'
#define DMA_BUF_TEST_CREATE	_IOWR(DMA_BUF_TEST_BASE, 0xe0, struct dma_buf_test_create)
#define DMA_BUF_TEST_OP		_IOW(DMA_BUF_TEST_BASE, 0xe1, struct dma_buf_test_op)
#define DMA_BUF_TEST_COUNTERS	_IOWR(DMA_BUF_TEST_BASE, 0xe2, struct dma_buf_test_counters)
#define DMA_BUF_TEST_IMPORT	_IOW(DMA_BUF_TEST_BASE, 0xe3, struct dma_buf_test_import)
#define DMA_BUF_TEST_POISON	_IOW(DMA_BUF_TEST_BASE, 0xe4, struct dma_buf_test_poison)

/* Of an importer. */
#define DMA_BUF_TEST_MAP	_IOW(DMA_BUF_TEST_BASE, 0xe8, struct dma_buf_test_map)
#define DMA_BUF_TEST_UNMAP	_IOW(DMA_BUF_TEST_BASE, 0xe9, struct dma_buf_test_map)
#define DMA_BUF_TEST_ACCESS	_IOWR(DMA_BUF_TEST_BASE, 0xea, struct dma_buf_test_access)

#endif /* _UAPI_LINUX_DMA_BUF_TEST_H */
