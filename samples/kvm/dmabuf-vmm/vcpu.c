// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <asm/kvm_para.h>

#include "blk.h"
#include "console.h"
#include "device.h"
#include "gmem.h"
#include "reports.h"
#include "serial.h"
#include "vcpu.h"

#define MAX_CPUID	256
#define CPUID_TSC_DEADLINE	0x01000000	/* leaf 1, ecx */

#define PORT_RTC_DATA	0x71
#define PORT_KBD_CTRL	0x64
#define KBD_RESET	0xfe

#define CR0_PE_ET_PG	0x80000011UL
#define CR4_PAE		0x20UL
#define EFER_LME_LMA	0x500UL

struct vcpu {
	struct vmm *vmm;
	struct boot_regs boot;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool stop;
	bool again;		/* from the start */
	u64 exits;
};

/*
 * What KVM supports, except that a guest whose RAM KVM cannot write must not
 * be offered the features that live in guest RAM: kvmclock, steal time, PV EOI.
 */
static void set_cpuid(struct vcpu *vcpu)
{
	struct vmm *vmm = vcpu->vmm;
	struct kvm_cpuid2 *cpuid;

	cpuid = xzalloc(sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	cpuid->nent = MAX_CPUID;
	if (ioctl(vmm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
		die("KVM_GET_SUPPORTED_CPUID: %m");

	for (u32 i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0x0000ffff) | 1 << 16;
			/* Spares the guest calibrating its APIC timer. */
			if (ioctl(vmm->vm_fd, KVM_CHECK_EXTENSION,
				  KVM_CAP_TSC_DEADLINE_TIMER) > 0)
				e->ecx |= CPUID_TSC_DEADLINE;
		}
		if (e->function == KVM_CPUID_FEATURES && vmm->opt.hva != HVA_RW)
			e->eax = 0;
	}
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		die("KVM_SET_CPUID2: %m");
	free(cpuid);
}

static struct kvm_segment flat_segment(u16 selector, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 0xb : 0x3,
		.present = 1,
		.s = 1,
		.l = code,
		.db = !code,
		.g = 1,
	};
}

static void set_registers(struct vcpu *vcpu, const struct boot_regs *boot)
{
	struct kvm_regs regs = {
		.rip = boot->rip,
		.rsi = boot->rsi,
		.rdi = boot->rdi,
		.rdx = boot->rdx,
		.rcx = boot->rcx,
		.rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	sregs.cs = flat_segment(0x10, true);
	sregs.ds = flat_segment(0x18, false);
	sregs.es = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.gdt.base = BOOT_GDT;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.cr0 = CR0_PE_ET_PG;
	sregs.cr3 = BOOT_PAGE_TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME_LMA;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS: %m");
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS: %m");
}

struct vcpu *vcpu_create(struct vmm *vmm, const struct boot_regs *boot)
{
	struct vcpu *vcpu = xzalloc(sizeof(*vcpu));
	int size;

	vcpu->vmm = vmm;
	vcpu->boot = *boot;
	vcpu->fd = ioctl(vmm->vm_fd, KVM_CREATE_VCPU, 0);
	if (vcpu->fd < 0)
		die("KVM_CREATE_VCPU: %m");
	size = ioctl(vmm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		die("KVM_GET_VCPU_MMAP_SIZE: %m");
	vcpu->run_size = size;
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of struct kvm_run: %m");
	set_cpuid(vcpu);
	set_registers(vcpu, boot);
	return vcpu;
}

static struct serial *serial_at(struct vcpu *vcpu, u16 port)
{
	struct serial *com1 = console_serial(vcpu->vmm->console);
	struct serial *com2 = report_serial(vcpu->vmm->report);

	if (serial_owns(com1, port))
		return com1;
	return serial_owns(com2, port) ? com2 : NULL;
}

static u8 port_in(struct vcpu *vcpu, u16 port)
{
	struct serial *serial = serial_at(vcpu, port);

	if (serial)
		return serial_in(serial, port);
	/* Never busy: a clock that does not tick, a controller that is idle. */
	if (port == PORT_RTC_DATA || port == PORT_KBD_CTRL)
		return 0;
	return 0xff;
}

static void port_out(struct vcpu *vcpu, u16 port, u8 value)
{
	struct serial *serial = serial_at(vcpu, port);

	if (serial)
		serial_out(serial, port, value);
	else if (port == PORT_KBD_CTRL && value == KBD_RESET)
		vcpu->stop = true;
}

static void handle_io(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;

	for (u32 i = 0; i < run->io.count; i++) {
		for (u8 b = 0; b < run->io.size; b++, data++) {
			if (run->io.direction == KVM_EXIT_IO_IN)
				*data = port_in(vcpu, run->io.port + b);
			else
				port_out(vcpu, run->io.port + b, *data);
		}
	}
	/* The payload has no other way to stop, or to start anew. */
	if (!vcpu->vmm->opt.bare || !report_exited(vcpu->vmm->report))
		return;
	if (device_revoke(vcpu->vmm->device)) {
		report_again(vcpu->vmm->report);
		vcpu->again = true;
	} else if (gmem_convert(vcpu->vmm->gmem)) {
		boot_bare_read(&vcpu->boot);
		report_again(vcpu->vmm->report);
		vcpu->again = true;
	} else {
		vcpu->stop = true;
	}
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct blk *blk = vcpu->vmm->blk;
	u64 offset = run->mmio.phys_addr - GPA_VIRTIO;
	u32 value = ~0U;

	if (!blk || run->mmio.phys_addr < GPA_VIRTIO ||
	    offset >= VIRTIO_MMIO_SIZE || run->mmio.len > sizeof(value)) {
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return;
	}
	if (run->mmio.is_write) {
		value = 0;
		memcpy(&value, run->mmio.data, run->mmio.len);
		virtio_mmio_write(blk_device(blk), offset, value,
				  run->mmio.len);
	} else {
		value = virtio_mmio_read(blk_device(blk), offset,
					 run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
}

/*
 * KVM could not map a page.  If the exporter has revoked the buffer, another
 * KVM_RUN would end here again: wait for the exporter or delete the slot.
 * This VMM has nobody to wait for but itself.
 */
static void memory_fault(struct vcpu *vcpu, int error)
{
	const struct kvm_run *run = vcpu->run;
	u64 gpa = run->memory_fault.gpa;
	bool revoked = run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_REVOKED;

	if (revoked && device_revoked(vcpu->vmm->device, gpa))
		return;
	vcpu->stop = true;
	if (revoked)
		fail("the exporter has revoked the buffer (gpa 0x%llx)", gpa);
	else
		fail("KVM cannot map gpa 0x%llx: %s, flags 0x%llx", gpa,
		     strerror(error),
		     run->memory_fault.flags);
}

static void run_failed(struct vcpu *vcpu, int error)
{
	if (error == EINTR || error == EAGAIN)
		return;		/* kicked; vcpu->stop says whether to go on */
	if (vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	    (error == EFAULT || error == EHWPOISON)) {
		memory_fault(vcpu, error);
		return;
	}
	vcpu->stop = true;
	fail("KVM_RUN: %s", strerror(error));
}

static void guest_died(struct vcpu *vcpu, const char *how, unsigned long code)
{
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	fail("%s (%lu) at rip 0x%llx", how, code, regs.rip);
	vcpu->stop = true;
}

static void handle_exit(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	vcpu->exits++;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:		/* reboot=t, or the guest is lost */
		if (!report_exited(vcpu->vmm->report))
			guest_died(vcpu, "triple fault", 0);
		vcpu->stop = true;
		break;
	case KVM_EXIT_FAIL_ENTRY:
		guest_died(vcpu, "the CPU refuses to enter the guest",
			   run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		guest_died(vcpu, "KVM internal error", run->internal.suberror);
		break;
	default:
		guest_died(vcpu, "unexpected exit", run->exit_reason);
	}
}

/* The OUT that the guest is in ends first, or it would change the registers. */
static void start_again(struct vcpu *vcpu)
{
	vcpu->again = false;
	vcpu->run->immediate_exit = 1;
	if (!ioctl(vcpu->fd, KVM_RUN, 0) || errno != EINTR)
		fail("KVM_RUN: no immediate exit");
	vcpu->run->immediate_exit = 0;
	set_registers(vcpu, &vcpu->boot);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!__atomic_load_n(&vcpu->stop, __ATOMIC_ACQUIRE)) {
		if (ioctl(vcpu->fd, KVM_RUN, 0))
			run_failed(vcpu, errno);
		else
			handle_exit(vcpu);
		if (vcpu->again)
			start_again(vcpu);
	}
	eventfd_write(vcpu->vmm->stop_fd, 1);
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig;	/* only there to interrupt KVM_RUN */
}

void vcpu_start(struct vcpu *vcpu)
{
	struct sigaction sa = { .sa_handler = on_kick };
	int ret;

	sigaction(SIGUSR1, &sa, NULL);
	ret = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (ret)
		die("pthread_create: %s", strerror(ret));
}

/* immediate_exit closes the gap between looking at ->stop and KVM_RUN. */
void vcpu_kick_out(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->stop, true, __ATOMIC_RELEASE);
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(vcpu->thread, SIGUSR1);
}

void vcpu_join(struct vcpu *vcpu)
{
	pthread_join(vcpu->thread, NULL);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
	free(vcpu);
}

int vcpu_fd(const struct vcpu *vcpu)
{
	return vcpu->fd;
}

u64 vcpu_exits(const struct vcpu *vcpu)
{
	return vcpu->exits;
}
