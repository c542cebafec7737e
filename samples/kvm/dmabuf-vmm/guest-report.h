/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the guest tells the VMM what it did; shared by both sides.
 *
 * The guest fills in one page of its own RAM with a struct guest_report and
 * sends GUEST_CMD_REPORT and the page's frame number, four bytes, the lowest
 * first, out of COM2.  The VMM reads the page from guest RAM while the vCPU is
 * stopped at the last byte; once that has left the UART the guest may use the
 * page again.  Any number of reports may be sent.  GUEST_CMD_EXIT and one byte
 * of exit status end it.
 *
 * A UART, because user space can drive one on any kernel, and because OUT is
 * the one exit for which KVM never needs to read the instruction.
 *
 * Ranges of RAM hold a pattern that depends on the guest physical address and
 * on a seed that the VMM draws for every run: neither a page in the wrong
 * place nor the memory of an earlier run can give the right checksum.
 */
#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#define GUEST_CMD_REPORT	0x52	/* 'R' */
#define GUEST_CMD_EXIT		0x58	/* 'X' */

#define GUEST_REPORT_MAGIC	0x54525047	/* "GPRT" */

#define GUEST_REPORT_HELLO	1	/* user space runs; text: its kernel */
#define GUEST_REPORT_FILE	2	/* file checked; text: name */
#define GUEST_REPORT_RAM	3	/* start: guest physical address */
#define GUEST_REPORT_DISK	4	/* start: byte offset on the disk */
#define GUEST_REPORT_ERROR	5	/* text: what went wrong */
#define GUEST_REPORT_WANT	6	/* pages for a device to write */
#define GUEST_REPORT_GOT	7	/* all of them, checksum in that order */

/* Offsets and multipliers are spelled out for the assembler's sake. */
#define GUEST_REPORT_RANGES	128
#define GUEST_PATTERN_MUL	0x9e3779b97f4a7c15
#define GUEST_SUM_INIT		0xcbf29ce484222325
#define GUEST_SUM_MUL		0x100000001b3

#ifndef __ASSEMBLER__
#include "user-types.h"

struct guest_range {
	u64 start;
	u64 len;
	u64 sum;
};

struct guest_report {
	u32 magic;
	u32 kind;
	u32 nr_ranges;
	char text[GUEST_REPORT_RANGES - 12];
	struct guest_range ranges[];
};

#define GUEST_REPORT_MAX_RANGES \
	((4096 - sizeof(struct guest_report)) / sizeof(struct guest_range))

static inline u64 guest_pattern(u64 address, u64 seed)
{
	return (address ^ seed) * GUEST_PATTERN_MUL;
}

/* Fill @len bytes with the pattern that belongs to address @start. */
static inline void guest_fill(void *buf, u64 start, u64 len,
			      u64 seed)
{
	u64 *word = (u64 *)buf;

	for (u64 i = 0; i < len / 8; i++)
		word[i] = guest_pattern(start + i * 8, seed);
}

/* Checksum over 64-bit words; start with GUEST_SUM_INIT, may be continued. */
static inline u64 guest_sum(const void *buf, u64 len, u64 sum)
{
	const u64 *word = (const u64 *)buf;

	for (u64 i = 0; i < len / 8; i++)
		sum = (sum ^ word[i]) * GUEST_SUM_MUL;
	return sum;
}
#endif /* __ASSEMBLER__ */
#endif /* GUEST_REPORT_H */
