/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has no meaning in these programs.
 */
#ifndef __STUBS_H__
#define __STUBS_H__

/* There is nothing to export to. */
#define EXPORT_SYMBOL_NS_GPL(_sym, ...)		static_assert(1, #_sym)

/* The same. */
#define EXPORT_SYMBOL_FOR_MODULES(_sym, ...)	static_assert(1, #_sym)

/* One task at a time. */
#define READ_ONCE(_x)		(_x)
#define WRITE_ONCE(_x, _val)	((_x) = (_val))

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0

#define cond_resched()

/* Looked up in the tables of a faked kernel, which knows one kind of RAM. */
#define IORESOURCE_SYSTEM_RAM	1
#define IORES_DESC_NONE		0

struct address_space;
struct ww_acquire_ctx;

#endif /* __STUBS_H__ */
