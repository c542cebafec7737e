// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small VMM whose guest RAM is a dma-buf.
 *
 * Two threads: this one waits for everything in one io_uring, the other one
 * runs the vCPU.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "blk.h"
#include "console.h"
#include "device.h"
#include "gmem.h"
#include "memory.h"
#include "reports.h"
#include "uring.h"
#include "vcpu.h"

#define TSS_ADDRESS	0xfffbd000UL	/* three pages that VMX may need */

static const char usage_text[] =
"Usage: dmabuf-vmm [options]\n"
"Run a guest whose RAM is a dma-buf and check that both sides see the same bytes.\n"
"\n"
"  --kernel FILE     Linux bzImage\n"
"  --initrd FILE     its initramfs\n"
"  --cmdline TEXT    added to the kernel's command line\n"
"  --disk FILE       disk image or block device for /dev/vda, opened O_DIRECT\n"
"  --vfio BDF        a 82576 bound to vfio-pci does DMA to the guest's RAM\n"
"  --bar BDF         the memory of an ivshmem device bound to vfio-pci is the\n"
"                    guest's too, and is revoked on the way; needs --bare, --vfio\n"
"  --private SIZE    memory of the guest that is private until it is converted on\n"
"                    the way, in a protected VM; needs --bare, --vfio\n"
"  --bare            run the built-in bare-metal payload instead of a kernel\n"
"  --mem SIZE        guest RAM, with suffix M or G (default 256M)\n"
"  --backing KIND    dmabuf (default), memfd or guest_memfd\n"
"  --hugepages SIZE  2M or 1G: memfd on hugetlb; none (default)\n"
"  --scatter         dma-buf of single pages, so that no extent exceeds 4K\n"
"  --hva MODE        what KVM gets as userspace_addr: rw (default), ro or none\n"
"  --prefault        install all of guest RAM before the guest starts\n"
"  --console         guest console on this terminal, without prefix\n"
"  --timeout SECONDS give up after that time (default 60, 0: never)\n"
"  --quiet           no guest console\n"
"  --help            this text\n"
"\n"
"The last line is \"dmabuf-vmm: PASS\" or \"dmabuf-vmm: FAIL: <why>\"; the exit\n"
"status is 0 or 1, and 2 for a wrong option.\n";

struct session {
	struct vmm vmm;
	struct vcpu *vcpu;
	bool running;
	u64 stopped;
	int signal_fd;
	struct signalfd_siginfo siginfo;
	struct uring_op stop_op, signal_op, timeout_op;
};

static void __noreturn usage_error(const char *what, const char *value)
{
	fprintf(stderr, "dmabuf-vmm: %s%s (see --help)\n", what,
		value ? value : "");
	exit(2);
}

static u64 parse_size(const char *text)
{
	char *end;
	u64 n = strtoull(text, &end, 10);
	unsigned int shift = *end == 'G' ? 30 : *end == 'M' ? 20 : 0;

	if (end == text || !shift || end[1] || !n || n > (1ULL << 40) >> shift)
		usage_error("not a size in M or G: ", text);
	return n << shift;
}

static unsigned int parse_choice(const char *text, const char *const *names)
{
	for (unsigned int i = 0; names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	usage_error("unknown choice: ", text);
}

static void check_options(const struct options *opt)
{
	if (!opt->bare == !opt->kernel)
		usage_error("give either --kernel or --bare", NULL);
	if (opt->bare && (opt->disk || opt->initrd || opt->cmdline))
		usage_error("the payload of --bare takes no disk, initrd or cmdline",
			    NULL);
	if (opt->backing == BACKING_MEMFD && opt->hva != HVA_RW)
		usage_error("--backing memfd needs --hva rw: the host mapping is the guest's RAM",
			    NULL);
	if (opt->backing == BACKING_GUEST_MEMFD && opt->hugepages)
		usage_error("guest_memfd has no --hugepages", NULL);
	if (opt->vfio && opt->backing != BACKING_DMABUF)
		usage_error("--vfio needs --backing dmabuf", NULL);
	if (opt->bar && (!opt->bare || !opt->vfio || opt->mem > GPA_BAR))
		usage_error("--bar needs --bare, --vfio and no more than 2G of RAM",
			    NULL);
	if (opt->private_mem && (!opt->bare || !opt->vfio || opt->bar ||
				 opt->mem > GPA_PRIVATE))
		usage_error("--private needs --bare, --vfio, no --bar and no more than 2G of RAM",
			    NULL);
	if (opt->backing != BACKING_DMABUF && opt->scatter)
		usage_error("--scatter needs --backing dmabuf", NULL);
	if (opt->hugepages && opt->mem % opt->hugepages)
		usage_error("--mem is not a multiple of --hugepages", NULL);
	if (opt->console && opt->quiet)
		usage_error("--console or --quiet, not both", NULL);
}

static void parse_options(int argc, char **argv, struct options *opt)
{
	enum { KERNEL = 256, INITRD, CMDLINE, DISK, VFIO, BAR, PRIVATE, BARE, MEM, BACKING,
	       HUGEPAGES, SCATTER, HVA, PREFAULT, CONSOLE, TIMEOUT, QUIET,
	       HELP };
	static const struct option longs[] = {
		{ "kernel", required_argument, NULL, KERNEL },
		{ "initrd", required_argument, NULL, INITRD },
		{ "cmdline", required_argument, NULL, CMDLINE },
		{ "disk", required_argument, NULL, DISK },
		{ "vfio", required_argument, NULL, VFIO },
		{ "bar", required_argument, NULL, BAR },
		{ "private", required_argument, NULL, PRIVATE },
		{ "bare", no_argument, NULL, BARE },
		{ "mem", required_argument, NULL, MEM },
		{ "backing", required_argument, NULL, BACKING },
		{ "hugepages", required_argument, NULL, HUGEPAGES },
		{ "scatter", no_argument, NULL, SCATTER },
		{ "hva", required_argument, NULL, HVA },
		{ "prefault", no_argument, NULL, PREFAULT },
		{ "console", no_argument, NULL, CONSOLE },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "quiet", no_argument, NULL, QUIET },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	static const char *const backings[] = { "dmabuf", "memfd",
						"guest_memfd", NULL };
	static const char *const hvas[] = { "rw", "ro", "none", NULL };
	static const char *const huge[] = { "none", "2M", "1G", NULL };
	static const u64 huge_sizes[] = { 0, MIB(2), GIB(1) };
	char *end;
	int c;

	*opt = (struct options){ .mem = MIB(256), .timeout = 60 };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case KERNEL:
			opt->kernel = optarg;
			break;
		case INITRD:
			opt->initrd = optarg;
			break;
		case CMDLINE:
			opt->cmdline = optarg;
			break;
		case DISK:
			opt->disk = optarg;
			break;
		case VFIO:
			opt->vfio = optarg;
			break;
		case BAR:
			opt->bar = optarg;
			break;
		case PRIVATE:
			opt->private_mem = parse_size(optarg);
			break;
		case BARE:
			opt->bare = true;
			break;
		case MEM:
			opt->mem = parse_size(optarg);
			break;
		case BACKING:
			opt->backing = parse_choice(optarg, backings);
			break;
		case HUGEPAGES:
			opt->hugepages = huge_sizes[parse_choice(optarg, huge)];
			break;
		case SCATTER:
			opt->scatter = true;
			break;
		case HVA:
			opt->hva = parse_choice(optarg, hvas);
			break;
		case PREFAULT:
			opt->prefault = true;
			break;
		case CONSOLE:
			opt->console = true;
			break;
		case TIMEOUT:
			opt->timeout = strtoul(optarg, &end, 10);
			if (end == optarg || *end)
				usage_error("not a number of seconds: ", optarg);
			break;
		case QUIET:
			opt->quiet = true;
			break;
		case HELP:
			fputs(usage_text, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc)
		usage_error("unexpected argument: ", argv[optind]);
	check_options(opt);
}

/* An interrupt controller and a timer in KVM: the rest is ours. */
static void vm_create(struct vmm *vmm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vmm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm->kvm_fd < 0)
		die("/dev/kvm: %m");
	if (ioctl(vmm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		die("/dev/kvm speaks another version of the API");
	vmm->vm_fd = ioctl(vmm->kvm_fd, KVM_CREATE_VM,
			   vmm->opt.private_mem ? KVM_X86_SW_PROTECTED_VM :
						  KVM_X86_DEFAULT_VM);
	if (vmm->vm_fd < 0)
		die("KVM_CREATE_VM: %m");
	caps_check(vmm);
	if (ioctl(vmm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS))
		die("KVM_SET_TSS_ADDR: %m");
	if (ioctl(vmm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		die("KVM_CREATE_IRQCHIP: %m");
	if (ioctl(vmm->vm_fd, KVM_CREATE_PIT2, &pit))
		die("KVM_CREATE_PIT2: %m");
}

static void on_stop(struct uring_op *op, int result)
{
	struct session *s = container_of(op, struct session, stop_op);

	(void)result;
	s->running = false;
}

static void on_signal(struct uring_op *op, int result)
{
	struct session *s = container_of(op, struct session, signal_op);

	/* What comes when the guest is done changes nothing. */
	if (result != sizeof(s->siginfo) || !s->running)
		return;
	fail("ended by signal %u", s->siginfo.ssi_signo);
	vcpu_kick_out(s->vcpu);
}

static void on_timeout(struct uring_op *op, int result)
{
	struct session *s = container_of(op, struct session, timeout_op);

	(void)result;
	if (!s->running)
		return;
	fail("the guest is not done after %u seconds", s->vmm.opt.timeout);
	vcpu_kick_out(s->vcpu);
}

/* SIGINT and SIGTERM arrive in the ring, like everything else. */
static void take_signals(struct session *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (s->signal_fd < 0)
		die("signalfd: %m");
	signal(SIGPIPE, SIG_IGN);
}

static void run(struct session *s)
{
	struct vmm *vmm = &s->vmm;

	s->stop_op.done = on_stop;
	s->signal_op.done = on_signal;
	s->timeout_op.done = on_timeout;
	uring_read(vmm->ring, &s->stop_op, vmm->stop_fd, &s->stopped,
		   sizeof(s->stopped));
	uring_read(vmm->ring, &s->signal_op, s->signal_fd, &s->siginfo,
		   sizeof(s->siginfo));
	if (vmm->opt.timeout)
		uring_timeout(vmm->ring, &s->timeout_op, vmm->opt.timeout);
	console_start(vmm->console);
	if (vmm->blk)
		virtio_mmio_start(blk_device(vmm->blk));

	report_phase(vmm->report, PHASE_RUN);
	s->running = true;
	vcpu_start(s->vcpu);
	uring_run(vmm->ring, &s->running);
	vcpu_join(s->vcpu);
	report_phase(vmm->report, PHASE_STOP);
	console_finish(vmm->console);
}

int main(int argc, char **argv)
{
	struct session s = { };
	struct vmm *vmm = &s.vmm;
	u64 start = now_us();
	struct boot_regs boot;
	bool fixed_buffers;

	parse_options(argc, argv, &vmm->opt);
	take_signals(&s);
	if (getrandom(&vmm->seed, sizeof(vmm->seed), 0) != sizeof(vmm->seed))
		die("getrandom: %m");
	vmm->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (vmm->stop_fd < 0)
		die("eventfd: %m");

	vm_create(vmm);
	report_create(vmm, start);
	ram_create(vmm);
	ram_add_slots(vmm);
	if (vmm->opt.vfio)
		device_create(vmm);
	if (vmm->opt.private_mem)
		gmem_create(vmm);
	boot = vmm->opt.bare ? boot_bare(vmm) : boot_linux(vmm);
	s.vcpu = vcpu_create(vmm, &boot);
	if (vmm->opt.prefault)
		ram_prefault(vmm, vcpu_fd(s.vcpu));

	vmm->ring = uring_create();
	console_create(vmm);
	if (vmm->opt.disk)
		blk_create(vmm);
	fixed_buffers = vmm->blk && uring_register_ram(vmm->ring, vmm->ram);

	run(&s);

	report_verify(vmm->report);
	report_phase(vmm->report, PHASE_END);
	report_print(vmm->report, vcpu_exits(s.vcpu), fixed_buffers);

	uring_destroy(vmm->ring);
	if (vmm->blk)
		blk_destroy(vmm);
	console_destroy(vmm->console);
	report_destroy(vmm->report);
	if (vmm->gmem)
		gmem_destroy(vmm->gmem);
	if (vmm->device)
		device_destroy(vmm->device);
	vcpu_destroy(s.vcpu);
	close(vmm->vm_fd);
	close(vmm->kvm_fd);
	ram_destroy(vmm->ram);
	close(vmm->stop_fd);
	close(s.signal_fd);

	if (failure()) {
		printf("dmabuf-vmm: FAIL: %s\n", failure());
		return EXIT_FAILURE;
	}
	printf("dmabuf-vmm: PASS\n");
	return EXIT_SUCCESS;
}
