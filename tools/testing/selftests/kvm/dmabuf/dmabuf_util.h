/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of dma-buf memslots share: buffers, slots, a guest that does
 * what it is told, and what debugfs says about a buffer.
 */
#ifndef SELFTEST_KVM_DMABUF_UTIL_H
#define SELFTEST_KVM_DMABUF_UTIL_H

#include <linux/memfd.h>
#include <linux/sizes.h>
#include <linux/udmabuf.h>

#include <kvm_util.h>
#include <processor.h>
#include <test_util.h>
#include <ucall_common.h>

/*
 * The guest maps this range of its physical address space, at the same virtual
 * address, with 2M pages. A test puts its memslots anywhere in there. The base
 * is aligned to 1G.
 */
#define DMABUF_GPA		(4ULL * SZ_1G)
#define DMABUF_GPA_SIZE		(2ULL * SZ_1G)
#define DMABUF_SLOT		10

/* How long to wait for something the kernel does by and by. */
#define DMABUF_WAIT_S		10

/* A udmabuf, the memfd below it, and the mappings of both. */
struct dmabuf {
	int fd;
	int memfd;
	u64 size;
	u64 mem_size;
	u8 *mem;		/* of the memfd */
	u8 *map;		/* of the dma-buf */
	u64 ino;		/* names the buffer in debugfs */
};

u64 dmabuf_ino(int fd);

/* Size classes of hugetlb, to be or-ed to the flags of memfd_create(). */
#define DMABUF_2M	(MFD_HUGETLB | MFD_HUGE_2MB)
#define DMABUF_1G	(MFD_HUGETLB | MFD_HUGE_1GB)

/* Are there @nr free huge pages of @size? */
bool dmabuf_hugepages(u64 size, u64 nr);

/* The whole of a new memfd. */
void dmabuf_create(struct dmabuf *buf, u64 size, unsigned int memfd_flags);

/* Page @i of the buffer is page @order[i] of a new memfd; each is an item. */
void dmabuf_create_pages(struct dmabuf *buf, const u32 *order, u32 nr,
			 u64 mem_size, unsigned int memfd_flags);

/* No run is longer than a page: the pages of a memfd in reverse order. */
void dmabuf_create_4k(struct dmabuf *buf, u64 size);

/* May be called again, and after the members were closed one by one. */
void dmabuf_close_fd(struct dmabuf *buf);
void dmabuf_close_memfd(struct dmabuf *buf);
void dmabuf_free(struct dmabuf *buf);

/* A buffer of /dev/dma_heap/@heap, or -1. There is no memfd. */
int dmabuf_create_heap(struct dmabuf *buf, const char *heap, u64 size);

/* What debugfs says about a buffer. */
struct dmabuf_info {
	unsigned int refs;
	unsigned int attachments;
	unsigned int kvm;	/* of these, KVM's */
	u64 fills;		/* sum over KVM's */
	u64 extents;
};

/* False if there is no such buffer (any more). */
bool dmabuf_info(u64 ino, struct dmabuf_info *info);
bool dmabuf_wait_gone(u64 ino);

/*
 * Memslots: a region to be changed at will, and the ioctl in three forms.
 * The library does not know of these slots, they go with the VM.
 */
struct kvm_userspace_memory_region2
dmabuf_region(const struct dmabuf *buf, u32 slot, gpa_t gpa, u64 offset,
	      u64 size, void *hva);

int __dmabuf_set_slot(struct kvm_vm *vm,
		      const struct kvm_userspace_memory_region2 *region);
void dmabuf_set_slot(struct kvm_vm *vm,
		     const struct kvm_userspace_memory_region2 *region);
void dmabuf_set_slot_err(struct kvm_vm *vm,
			 const struct kvm_userspace_memory_region2 *region,
			 int err);

void dmabuf_add_slot(struct kvm_vm *vm, const struct dmabuf *buf, u32 slot,
		     gpa_t gpa, u64 offset, u64 size);
void dmabuf_delete_slot(struct kvm_vm *vm, u32 slot);

/* The guest. */
enum dmabuf_op {
	DMABUF_OP_WRITE,	/* the pattern of @seed, all pages of the range */
	DMABUF_OP_READ,		/* ... and check it */
	DMABUF_OP_TOUCH,	/* read a byte of each page */
	DMABUF_OP_LOAD,		/* 64 bits at gva */
	DMABUF_OP_STORE,	/* @arg at gva */
	DMABUF_OP_CALL,		/* the function at gva */
	DMABUF_OP_INVLPG,
	DMABUF_OP_RANDOM,	/* write @arg times 8 bytes anywhere in the range */
	DMABUF_OP_CYCLE,	/* read and write the range until @stop */
};

/* What OP_READ returns when every word is right; otherwise the first wrong gva. */
#define DMABUF_OK	(~0ULL)

struct dmabuf_cmd {
	u64 op;
	u64 gva;
	u64 size;
	u64 offset;		/* of gva in the buffer: the pattern counts from there */
	u64 seed;
	u64 arg;
	u64 result;
	u64 stop;
	u64 rounds;
};

struct kvm_vm *dmabuf_vm_create(u32 nr_vcpus, struct kvm_vcpu *vcpus[]);
struct kvm_vm *dmabuf_vm_create_type(u32 nr_vcpus, struct kvm_vcpu *vcpus[],
				     unsigned long type);
struct dmabuf_cmd *dmabuf_cmd(struct kvm_vcpu *vcpu);

/* Hand the guest an order; run it until it is done, or until another exit. */
void dmabuf_order(struct kvm_vcpu *vcpu, enum dmabuf_op op, u64 gva, u64 size,
		  u64 offset, u64 seed, u64 arg);
u64 dmabuf_finish(struct kvm_vcpu *vcpu);
u64 dmabuf_guest(struct kvm_vcpu *vcpu, enum dmabuf_op op, u64 gva, u64 size,
		 u64 offset, u64 seed);
void dmabuf_order_load(struct kvm_vcpu *vcpu, u64 gva);
void dmabuf_order_store(struct kvm_vcpu *vcpu, u64 gva, u64 value);
u64 dmabuf_load(struct kvm_vcpu *vcpu, u64 gva);
void dmabuf_store(struct kvm_vcpu *vcpu, u64 gva, u64 value);

/* For tests that use the harness: the guest finds the pattern of @_seed. */
#define EXPECT_READ(_vcpu, _gpa, _size, _offset, _seed)			\
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(_vcpu, DMABUF_OP_READ, _gpa,	\
					  _size, _offset, _seed))

/*
 * The pattern: each word depends on where in the buffer it is, so that a wrong
 * page or a wrong order never goes unseen. A few words of a page stand for it.
 * Used by guest and host.
 */
#define DMABUF_WORDS	4

static inline u64 dmabuf_mix(u64 x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ULL;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dULL;
	return x ^ (x >> 33);
}

static inline u64 dmabuf_word(u64 seed, u64 offset)
{
	return dmabuf_mix(seed + offset) | 1;
}

static inline u64 dmabuf_word_at(unsigned int i)
{
	static const u16 at[DMABUF_WORDS] = { 0, 0x108, 0x7f8, 0xff8 };

	return at[i];
}

void dmabuf_fill(void *mem, u64 size, u64 offset, u64 seed);
/* DMABUF_OK or the offset into @mem of the first wrong word. */
u64 dmabuf_check(const void *mem, u64 size, u64 offset, u64 seed);

/* Leaf entries that KVM made for the guest, by size. */
struct dmabuf_levels {
	u64 p4k, p2m, p1g;
};

struct dmabuf_levels dmabuf_levels(struct kvm_vm *vm);
struct dmabuf_levels dmabuf_levels_since(struct kvm_vm *vm,
					 struct dmabuf_levels since);
/* Of all sizes. */
u64 dmabuf_leaves(struct kvm_vm *vm);

/* Does one more object per round stay behind? Names the slab cache, or NULL. */
const char *dmabuf_leak(void (*round)(void *arg), void *arg);

#endif /* SELFTEST_KVM_DMABUF_UTIL_H */
