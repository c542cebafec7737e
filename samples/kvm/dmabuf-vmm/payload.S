/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that needs nothing from KVM but stage-2 entries: it runs without a
 * host mapping of its RAM even on a CPU where KVM must read guest memory to
 * skip an instruction.  The only instruction that exits is OUT, for which the
 * hardware says where the next one is.
 *
 *   rdi  guest physical address of the RAM to fill, mapped one to one
 *   rsi  its length, a multiple of 8
 *   rdx  seed of the pattern
 *   rcx  where to write the report
 */
#include "guest-report.h"

#define COM2_PORT	0x2f8

	.section .rodata
	.globl	payload_start, payload_read, payload_end
	.balign	8
payload_start:
	.code64
	/* Fill: every word holds the pattern of its own address. */
	movabsq	$GUEST_PATTERN_MUL, %r8
	movq	%rdi, %rax
	leaq	(%rdi,%rsi), %r9
1:	movq	%rax, %r10
	xorq	%rdx, %r10
	imulq	%r8, %r10
	movq	%r10, (%rax)
	addq	$8, %rax
	cmpq	%r9, %rax
	jb	1b

	/* Read it back. To begin here: what somebody else has written. */
payload_read:
	leaq	(%rdi,%rsi), %r9
	movabsq	$GUEST_SUM_INIT, %r10
	movabsq	$GUEST_SUM_MUL, %r8
	movq	%rdi, %rax
2:	xorq	(%rax), %r10
	imulq	%r8, %r10
	addq	$8, %rax
	cmpq	%r9, %rax
	jb	2b

	/* struct guest_report with one range */
	movl	$GUEST_REPORT_MAGIC, (%rcx)
	movl	$GUEST_REPORT_RAM, 4(%rcx)
	movl	$1, 8(%rcx)
	movb	$0, 12(%rcx)
	movq	%rdi, GUEST_REPORT_RANGES(%rcx)
	movq	%rsi, GUEST_REPORT_RANGES+8(%rcx)
	movq	%r10, GUEST_REPORT_RANGES+16(%rcx)

	/* Straight into the transmit register: this UART is never busy. */
	movl	$COM2_PORT, %edx
	movb	$GUEST_CMD_REPORT, %al
	outb	%al, %dx
	movq	%rcx, %rax
	shrq	$12, %rax
	movl	$4, %ecx
3:	outb	%al, %dx
	shrq	$8, %rax
	loop	3b
	movb	$GUEST_CMD_EXIT, %al
	outb	%al, %dx
	xorl	%eax, %eax
	outb	%al, %dx
4:	jmp	4b
payload_end:

	.section .note.GNU-stack, "", @progbits
