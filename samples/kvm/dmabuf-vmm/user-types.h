/* SPDX-License-Identifier: GPL-2.0-only */
/* Names that the kernel has and user space lacks; u64 is always %llu. */
#ifndef USER_TYPES_H
#define USER_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define __noreturn	__attribute__((__noreturn__))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))
#define __aligned(x)	__attribute__((__aligned__(x)))

#endif /* USER_TYPES_H */
