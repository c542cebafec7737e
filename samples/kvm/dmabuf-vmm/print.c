// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "blk.h"
#include "device.h"
#include "gmem.h"
#include "reports.h"

static const char *backing_text(const struct options *opt)
{
	switch (opt->backing) {
	case BACKING_MEMFD:
		return "memfd";
	case BACKING_GUEST_MEMFD:
		return "guest_memfd";
	default:
		return opt->scatter ? "dma-buf (udmabuf, one item per 4K page)"
				    : "dma-buf (udmabuf)";
	}
}

static void print_buffer(const struct report *rep)
{
	const struct options *opt = &rep->vmm->opt;
	const struct buffer_info *b = &rep->buffer;

	if (opt->backing != BACKING_DMABUF)
		return;
	if (!b->readable)
		printf("mapping type   unknown: %s\n", BUFINFO_HINT);
	else
		printf("mapping type   %s; exporter asked %llu times, pushed %llu extents\n",
		       b->type, b->fills, b->extents);
}

static void print_proof(const char *what, const struct proof *p,
			const char *through)
{
	if (p->nr)
		printf("%s %llu KiB in %zu ranges: guest %016llx, host %016llx through %s\n",
		       what, p->bytes >> 10, p->nr, p->guest_sum, p->host_sum,
		       through);
}

static void print_disk(const struct report *rep, bool fixed_buffers)
{
	const struct vmm *vmm = rep->vmm;
	const struct blk_stats *st;

	if (!vmm->blk)
		return;
	st = blk_stats(vmm->blk);
	if (rep->file_checked)
		printf("file read      %s, %llu KiB, checksum %016llx as expected\n",
		       rep->file_name, rep->file.len >> 10, rep->file.sum);
	print_proof("file written  ", &rep->disk, "the disk image");
	printf("disk           %llu reads of %llu KiB, %llu writes of %llu KiB, %llu flushes\n",
	       st->reads, st->bytes_read >> 10, st->writes,
	       st->bytes_written >> 10, st->flushes);
	printf("io_uring       up to %u requests in flight, %s, O_DIRECT\n",
	       st->max_in_flight,
	       fixed_buffers ? "registered buffers" : "buffers not registered");
}

static double seconds(const struct report *rep, enum phase from,
		      enum phase to)
{
	if (!rep->phase_us[from] || !rep->phase_us[to])
		return 0;
	return (rep->phase_us[to] - rep->phase_us[from]) / 1e6;
}

void report_print(const struct report *rep, u64 exits, bool fixed_buffers)
{
	static const char * const hva[] = { "read-write", "read-only", "none" };
	const struct options *opt = &rep->vmm->opt;
	enum phase booted = rep->phase_us[PHASE_HELLO] ? PHASE_HELLO : PHASE_RUN;

	printf("guest          %s, %llu MiB\n",
	       opt->bare ? "bare-metal payload" :
	       rep->hello[0] ? rep->hello : opt->kernel,
	       opt->mem >> 20);
	printf("backing        %s; host mapping for KVM: %s\n",
	       backing_text(opt), hva[opt->hva]);
	print_buffer(rep);
	printf("stage-2 pages  4K: %llu, 2M: %llu, 1G: %llu\n",
	       rep->pages.pages_4k, rep->pages.pages_2m, rep->pages.pages_1g);
	print_proof("RAM           ", &rep->ram,
		    opt->backing == BACKING_DMABUF ? "the dma-buf's mmap" :
						     "a mapping of its own");
	print_disk(rep, fixed_buffers);
	if (rep->vmm->device)
		device_print(rep->vmm->device);
	if (rep->vmm->gmem)
		gmem_print(rep->vmm->gmem);
	printf("exits to VMM   %llu\n", exits);
	printf("seconds        set-up %.2f, boot to init %.2f, work %.2f, check %.2f, total %.2f\n",
	       seconds(rep, PHASE_START, PHASE_RUN), seconds(rep, PHASE_RUN, booted),
	       seconds(rep, booted, PHASE_STOP), seconds(rep, PHASE_STOP, PHASE_END),
	       seconds(rep, PHASE_START, PHASE_END));
}
