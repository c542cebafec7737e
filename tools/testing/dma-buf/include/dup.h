/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must mean the same as in the kernel.
 */
#ifndef __DUP_H__
#define __DUP_H__

typedef uint8_t u8;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef u64 phys_addr_t;
typedef u64 resource_size_t;

#define pgoff_t			unsigned long

#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define PAGE_ALIGN(_x)		(((_x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_ALIGNED(_x)	(((u64)(_x) & (PAGE_SIZE - 1)) == 0)
#define PHYS_PFN(_x)		((unsigned long)((_x) >> PAGE_SHIFT))
#define PFN_PHYS(_x)		((phys_addr_t)(_x) << PAGE_SHIFT)

#define BIT(_nr)		(1UL << (_nr))

static inline bool is_power_of_2(unsigned long long n)
{
	return n && !(n & (n - 1));
}

#define ARRAY_SIZE(_a)		(sizeof(_a) / sizeof((_a)[0]))

#define BUILD_BUG_ON_ZERO(_e)	((int)(0 * sizeof(char [1 - 2 * !!(_e)])))
#define __same_type(_a, _b)	__builtin_types_compatible_p(typeof(_a), typeof(_b))

/* Both sides must be of one type, as the kernel demands it of signedness. */
#define min(_a, _b)						\
({								\
	typeof(_a) __a = (_a);					\
	typeof(_b) __b = (_b);					\
								\
	(void)(&__a == &__b);					\
	__a < __b ? __a : __b;					\
})

#define max(_a, _b)						\
({								\
	typeof(_a) __a = (_a);					\
	typeof(_b) __b = (_b);					\
								\
	(void)(&__a == &__b);					\
	__a > __b ? __a : __b;					\
})

static inline bool __attribute__((warn_unused_result))
must_check_overflow(bool overflow)
{
	return overflow;
}

#define check_add_overflow(_a, _b, _d)				\
	must_check_overflow(__builtin_add_overflow(_a, _b, _d))

/* For unsigned values; true if bits are lost. */
#define check_shl_overflow(_a, _s, _d)				\
	must_check_overflow(({					\
		typeof(_a) __a = (_a);				\
		typeof(_d) __d = (_d);				\
		unsigned int __s = (_s);			\
								\
		*__d = __a << __s;				\
		*__d >> __s != __a;				\
	}))

#define MAX_ERRNO		4095
#define ERESTARTSYS		512

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *ptr)
{
	return (long)ptr;
}

static inline bool IS_ERR(const void *ptr)
{
	return (unsigned long)ptr >= (unsigned long)-MAX_ERRNO;
}

struct list_head {
	struct list_head *next, *prev;
};

#define list_entry_like(_pos, _ptr, _member)			\
	((typeof(_pos))((char *)(_ptr) -			\
			offsetof(typeof(*(_pos)), _member)))

#define list_for_each_entry(_pos, _head, _member)		\
	for (_pos = list_entry_like(_pos, (_head)->next, _member);	\
	     &_pos->_member != (_head);				\
	     _pos = list_entry_like(_pos, _pos->_member.next, _member))

struct scatterlist {
	struct page *page;
	unsigned int length;
};

/* The kernel chains them; here they are in a row. */
struct sg_table {
	struct scatterlist *sgl;
	unsigned int orig_nents;
};

#define sg_page(_sg)		((_sg)->page)

#define for_each_sgtable_sg(_sgt, _sg, _i)			\
	for (_i = 0, _sg = (_sgt)->sgl; _i < (_sgt)->orig_nents; _i++, _sg++)

#define IOMMU_READ		1
#define IOMMU_WRITE		2
#define IOMMU_CACHE		4
#define IOMMU_MMIO		16

struct phys_vec {
	phys_addr_t paddr;
	size_t len;
};

struct device {
	const char *name;
};

static inline const char *dev_name(const struct device *dev)
{
	return dev->name;
}

enum {
	REGION_INTERSECTS,
	REGION_DISJOINT,
	REGION_MIXED,
};

#endif /* __DUP_H__ */
