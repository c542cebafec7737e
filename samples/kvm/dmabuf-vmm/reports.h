/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest says it did, whether it is true, and what a person sees of it.
 */
#ifndef REPORTS_H
#define REPORTS_H

#include "guest-report.h"
#include "kernel-stats.h"
#include "serial.h"
#include "vmm.h"

enum phase { PHASE_START, PHASE_RUN, PHASE_HELLO, PHASE_STOP, PHASE_END,
	     NR_PHASES };

#define REPORT_TEXT	sizeof(((struct guest_report *)0)->text)

/* Ranges of one kind as the guest reported them, and what they add up to. */
struct proof {
	struct guest_range *ranges;
	size_t nr;
	u64 bytes;
	u64 guest_sum, host_sum;
};

struct report {
	struct vmm *vmm;
	struct serial serial;		/* COM2, from the guest */
	u8 command[5];
	unsigned int command_len;

	u64 phase_us[NR_PHASES];
	bool exited;
	u8 exit_status;
	char hello[REPORT_TEXT];
	bool file_checked;
	char file_name[REPORT_TEXT];
	struct guest_range file;
	struct proof ram, disk;

	struct stage2_pages pages;
	struct buffer_info buffer;
};

void report_create(struct vmm *vmm, u64 start_us);
void report_destroy(struct report *rep);
void report_phase(struct report *rep, enum phase phase);
struct serial *report_serial(struct report *rep);
bool report_exited(const struct report *rep);
void report_again(struct report *rep);

void report_verify(struct report *rep);
void report_print(const struct report *rep, u64 exits, bool fixed_buffers);

#endif /* REPORTS_H */
