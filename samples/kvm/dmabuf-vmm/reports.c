// SPDX-License-Identifier: GPL-2.0-only
/* Takes the guest's reports; guest-report.h says how they arrive. */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "gmem.h"
#include "memory.h"
#include "reports.h"

#define MAX_RANGES	1000000U

static void add_ranges(struct proof *proof, const struct guest_report *g)
{
	size_t nr = proof->nr + g->nr_ranges;

	if (nr > MAX_RANGES) {
		fail("the guest reports too many ranges");
		return;
	}
	proof->ranges = realloc(proof->ranges, nr * sizeof(g->ranges[0]));
	if (!proof->ranges)
		die("out of memory");
	memcpy(proof->ranges + proof->nr, g->ranges,
	       g->nr_ranges * sizeof(g->ranges[0]));
	proof->nr = nr;
}

/* The page is the guest's: copy it, then believe nothing. */
static void take_page(struct report *rep, u64 gpa)
{
	const void *page = ram_ptr(rep->vmm->ram, gpa, PAGE_SIZE);
	union {
		struct guest_report g;
		u8 bytes[PAGE_SIZE];
	} copy;
	struct guest_report *g = &copy.g;

	if (!page) {
		fail("the guest reports from 0x%llx, which is not RAM", gpa);
		return;
	}
	memcpy(&copy, page, sizeof(copy));
	g->text[sizeof(g->text) - 1] = '\0';
	if (g->magic != GUEST_REPORT_MAGIC ||
	    g->nr_ranges > GUEST_REPORT_MAX_RANGES) {
		fail("no valid report at 0x%llx", gpa);
		return;
	}

	switch (g->kind) {
	case GUEST_REPORT_HELLO:
		report_phase(rep, PHASE_HELLO);
		memcpy(rep->hello, g->text, sizeof(rep->hello));
		break;
	case GUEST_REPORT_FILE:
		rep->file_checked = true;
		rep->file = g->ranges[0];
		memcpy(rep->file_name, g->text, sizeof(rep->file_name));
		break;
	case GUEST_REPORT_RAM:
		if (g->nr_ranges && device_owns(rep->vmm->device, g->ranges[0].start))
			device_check_bar(rep->vmm->device, &g->ranges[0]);
		else if (g->nr_ranges && gmem_owns(rep->vmm->gmem, g->ranges[0].start))
			gmem_was_read(rep->vmm->gmem, &g->ranges[0]);
		else
			add_ranges(&rep->ram, g);
		break;
	case GUEST_REPORT_WANT:
		if (rep->vmm->device)
			device_write(rep->vmm->device, g->ranges, g->nr_ranges);
		break;
	case GUEST_REPORT_GOT:
		if (rep->vmm->device && g->nr_ranges)
			device_was_read(rep->vmm->device, g->ranges[0].len,
					g->ranges[0].sum);
		break;
	case GUEST_REPORT_DISK:
		add_ranges(&rep->disk, g);
		break;
	case GUEST_REPORT_ERROR:
		fail("guest: %s", g->text);
		break;
	default:
		fail("the guest sent a report of unknown kind %u", g->kind);
	}
}

static void transmit(struct serial *serial, u8 byte)
{
	struct report *rep = container_of(serial, struct report, serial);
	u8 *c = rep->command;

	/* Whatever the UART's driver sends by itself is no command. */
	if (!rep->command_len && byte != GUEST_CMD_REPORT &&
	    byte != GUEST_CMD_EXIT)
		return;
	c[rep->command_len++] = byte;

	if (c[0] == GUEST_CMD_EXIT && rep->command_len == 2) {
		rep->exited = true;
		rep->exit_status = c[1];
		rep->command_len = 0;
	} else if (rep->command_len == sizeof(rep->command)) {
		u32 gfn = c[1] | c[2] << 8 | c[3] << 16 |
			       (u32)c[4] << 24;

		rep->command_len = 0;
		take_page(rep, gfn * (u64)PAGE_SIZE);
	}
}

void report_create(struct vmm *vmm, u64 start_us)
{
	struct report *rep = xzalloc(sizeof(*rep));

	rep->vmm = vmm;
	rep->phase_us[PHASE_START] = start_us;
	serial_init(&rep->serial, vmm->vm_fd, COM2_PORT, COM2_IRQ, transmit);
	vmm->report = rep;
}

void report_destroy(struct report *rep)
{
	free(rep->ram.ranges);
	free(rep->disk.ranges);
	free(rep);
}

void report_phase(struct report *rep, enum phase phase)
{
	rep->phase_us[phase] = now_us();
}

struct serial *report_serial(struct report *rep)
{
	return &rep->serial;
}

void report_again(struct report *rep)
{
	rep->exited = false;
}

bool report_exited(const struct report *rep)
{
	return rep->exited;
}
