// SPDX-License-Identifier: GPL-2.0-only
/* Looks at what the guest reported from the host's side. */
#include <stdlib.h>
#include <string.h>

#include "blk.h"
#include "device.h"
#include "gmem.h"
#include "memory.h"
#include "reports.h"

#define CHUNK		MIB(1)

static void account(struct proof *proof, const struct guest_range *r,
		    u64 host_sum)
{
	proof->bytes += r->len;
	proof->guest_sum = (proof->guest_sum ^ r->sum) * GUEST_SUM_MUL;
	proof->host_sum = (proof->host_sum ^ host_sum) * GUEST_SUM_MUL;
}

/* Every word is compared with the pattern, and the sum with the guest's. */
static void verify_ram(struct report *rep)
{
	const struct vmm *vmm = rep->vmm;
	const u8 *map = ram_proof_begin(vmm->ram);

	if (!map)
		return;
	for (size_t i = 0; i < rep->ram.nr; i++) {
		const struct guest_range *r = &rep->ram.ranges[i];
		u64 offset = ram_offset(vmm->ram, r->start, r->len);
		u64 sum = GUEST_SUM_INIT, gpa = r->start;
		const u64 *word;

		if (offset == RAM_NOWHERE || r->start % 8 || r->len % 8) {
			fail("the guest reports RAM at 0x%llx, where there is none",
			     r->start);
			break;
		}
		word = (const u64 *)(map + offset);
		for (; gpa < r->start + r->len; gpa += 8, word++) {
			if (*word != guest_pattern(gpa, vmm->seed)) {
				fail("wrong bytes at gpa 0x%llx", gpa);
				break;
			}
			sum = (sum ^ *word) * GUEST_SUM_MUL;
		}
		account(&rep->ram, r, sum);
	}
	ram_proof_end(vmm->ram, map);
	if (rep->ram.guest_sum != rep->ram.host_sum)
		fail("guest and host disagree about the bytes in RAM");
}

static void verify_disk(struct report *rep)
{
	u8 *buf = aligned_alloc(PAGE_SIZE, CHUNK);

	if (!buf)
		die("out of memory");
	for (size_t i = 0; i < rep->disk.nr; i++) {
		const struct guest_range *r = &rep->disk.ranges[i];
		u64 sum = GUEST_SUM_INIT;

		for (u64 at = 0; at < r->len; at += CHUNK) {
			u64 n = r->len - at < CHUNK ? r->len - at : CHUNK;

			if (blk_pread(rep->vmm->blk, buf, n, r->start + at)) {
				fail("cannot read the disk image at %llu",
				     r->start + at);
				goto out;
			}
			sum = guest_sum(buf, n, sum);
		}
		account(&rep->disk, r, sum);
	}
	if (rep->disk.guest_sum != rep->disk.host_sum)
		fail("guest and host disagree about the bytes on the disk");
out:
	free(buf);
}

/* The entries must be of the size that the memory was prepared for. */
static void verify_levels(const struct report *rep)
{
	const struct options *opt = &rep->vmm->opt;
	const struct stage2_pages *p = &rep->pages;

	if (opt->backing != BACKING_DMABUF)
		return;
	if (opt->scatter && (p->pages_2m || p->pages_1g))
		fail("--scatter, yet %llu 2M and %llu 1G entries", p->pages_2m,
		     p->pages_1g);
	if (opt->hugepages && !opt->scatter && !p->pages_2m && !p->pages_1g)
		fail("huge pages, yet no 2M or 1G entry");
}

static void verify_buffer(const struct report *rep)
{
	const struct buffer_info *b = &rep->buffer;
	const struct vmm *vmm = rep->vmm;

	if (!b->readable)
		return;
	if (!b->listed)
		fail("%s does not list the buffer", BUFINFO);
	else if (b->attachments != vmm->ram->nr_slots)
		fail("%u slots, but %u attachments", vmm->ram->nr_slots,
		     b->attachments);
	else if (strcmp(b->type, "kvm"))
		fail("the agreed mapping type is %s, not kvm", b->type);
	else if (vmm->device && b->others != vmm->ram->nr_slots)
		fail("%u slots for a device, but %u attachments",
		     vmm->ram->nr_slots, b->others);
	else if (!b->fills)
		fail("the exporter was never asked for memory");
}

/* The guest must have done all that it was started for. */
static void verify_complete(const struct report *rep)
{
	const struct options *opt = &rep->vmm->opt;

	if (opt->console)
		return;
	if (!rep->exited || (!rep->ram.nr && !opt->bar && !opt->private_mem))
		fail("the guest stopped before it had reported everything");
	else if (rep->exit_status)
		fail("the guest's exit status is %u", rep->exit_status);
	else if (opt->disk && !(rep->file_checked && rep->disk.nr))
		fail("the guest did not use its disk");
}

/* While the VM still exists: its counters go away with it. */
void report_verify(struct report *rep)
{
	if (!read_stage2_pages(rep->vmm->vm_fd, &rep->pages))
		fail("KVM_GET_STATS_FD: no statistics of stage-2 pages");
	if (rep->vmm->ram->dmabuf >= 0)
		read_buffer_info(rep->vmm->ram->dmabuf, &rep->buffer);
	if (failure())
		return;
	verify_complete(rep);
	verify_buffer(rep);
	verify_levels(rep);
	if (rep->vmm->device)
		device_verify(rep->vmm->device);
	if (rep->vmm->gmem)
		gmem_verify(rep->vmm->gmem);
	if (rep->ram.nr)
		verify_ram(rep);
	if (rep->disk.nr && rep->vmm->blk)
		verify_disk(rep);
}
