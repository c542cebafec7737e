// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lies in guest RAM before the first instruction: a Linux kernel by the
 * 64-bit boot protocol (Documentation/arch/x86/boot.rst), or the payload.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asm/bootparam.h>
#include <linux/kvm.h>

#include "device.h"
#include "gmem.h"
#include "memory.h"

#define LOW_RAM_END		0x9fc00UL	/* EBDA and ROMs follow */
#define HIGH_RAM_START		0x100000UL
#define ENTRY_64		0x200		/* from the kernel's start */

#define PTE_TABLE		0x3UL		/* present, writable */
#define PTE_LARGE		0x83UL

#define BARE_CODE		0x100000UL
#define BARE_REPORT		0x101000UL
#define BARE_RAM		MIB(2)

static void *must_ptr(const struct guest_ram *ram, u64 gpa, u64 len,
		      const char *what)
{
	void *p = ram_ptr(ram, gpa, len);

	if (!p)
		die("%s does not fit: give the guest more --mem", what);
	return p;
}

static void read_file(int fd, void *to, u64 len, u64 offset,
		      const char *name)
{
	while (len) {
		ssize_t n = pread(fd, to, len, offset);

		if (n <= 0)
			die("%s: %s", name, n ? "cannot be read" : "too short");
		to = (char *)to + n;
		len -= n;
		offset += n;
	}
}

static int open_file(const char *name, u64 *size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", name);
	*size = st.st_size;
	return fd;
}

/* Map the first 4 GiB one to one, and a flat code and data segment. */
static void build_long_mode(const struct guest_ram *ram)
{
	u64 *table = must_ptr(ram, BOOT_PAGE_TABLES, 6 * PAGE_SIZE, "");
	u64 *gdt = must_ptr(ram, BOOT_GDT, 4 * 8, "");

	memset(table, 0, 6 * PAGE_SIZE);
	table[0] = (BOOT_PAGE_TABLES + PAGE_SIZE) | PTE_TABLE;
	for (unsigned int i = 0; i < 4; i++)
		table[512 + i] = (BOOT_PAGE_TABLES + (2 + i) * PAGE_SIZE) |
				 PTE_TABLE;
	for (u64 i = 0; i < 4 * 512; i++)
		table[1024 + i] = i * MIB(2) | PTE_LARGE;

	gdt[0] = 0;
	gdt[1] = 0;
	gdt[2] = 0x00af9b000000ffff;	/* selector 0x10: 64-bit code */
	gdt[3] = 0x00cf93000000ffff;	/* selector 0x18: data */
}

static void add_e820(struct boot_params *bp, u64 start, u64 end)
{
	struct boot_e820_entry *e = &bp->e820_table[bp->e820_entries++];

	e->addr = start;
	e->size = end - start;
	e->type = 1;			/* usable RAM */
}

static void describe_ram(struct boot_params *bp, const struct guest_ram *ram)
{
	add_e820(bp, 0, LOW_RAM_END);
	add_e820(bp, HIGH_RAM_START, ram->slots[0].size);
	if (ram->nr_slots > 1)
		add_e820(bp, ram->slots[1].gpa,
			 ram->slots[1].gpa + ram->slots[1].size);
}

/* As high as the kernel can reach it, out of its way. */
static void load_initrd(const char *name, struct boot_params *bp,
			const struct guest_ram *ram, u64 kernel_end)
{
	u64 top = ram->slots[0].size, size, gpa;
	int fd = open_file(name, &size);

	if (top > (u64)bp->hdr.initrd_addr_max + 1)
		top = (u64)bp->hdr.initrd_addr_max + 1;
	gpa = (top - size) & ~(PAGE_SIZE - 1);
	if (size > top || gpa < kernel_end)
		die("%s does not fit: give the guest more --mem", name);
	read_file(fd, must_ptr(ram, gpa, size, name), size, 0, name);
	close(fd);

	bp->hdr.ramdisk_image = gpa;
	bp->hdr.ramdisk_size = size;
}

/*
 * Neither ACPI nor an MP table: the interrupt controller is the PIC, and the
 * one device that is not at a legacy place is named.  Without a host mapping
 * KVM cannot write guest memory, so nothing paravirtual is offered and the
 * guest is told the TSC's frequency, which it would get from kvmclock.
 */
static void build_cmdline(const struct vmm *vmm, char *buf, size_t size)
{
	size_t n = 0;
	int khz = ioctl(vmm->vm_fd, KVM_GET_TSC_KHZ, 0);

	n += snprintf(buf + n, size - n,
		      "console=ttyS0 acpi=off noapic reboot=k panic=-1 vmm.seed=0x%llx",
		      vmm->seed);
	if (khz > 0)
		n += snprintf(buf + n, size - n, " tsc_early_khz=%d", khz);
	if (vmm->opt.vfio)
		n += snprintf(buf + n, size - n, " vmm.device");
	if (vmm->opt.disk)
		n += snprintf(buf + n, size - n,
			      " virtio_mmio.device=4K@0x%lx:%d",
			      GPA_VIRTIO, IRQ_VIRTIO);
	if (vmm->opt.cmdline)
		n += snprintf(buf + n, size - n, " %s", vmm->opt.cmdline);
	if (n >= size)
		die("--cmdline is longer than this kernel takes (%zu bytes)",
		    size - 1);
}

struct boot_regs boot_linux(struct vmm *vmm)
{
	const struct guest_ram *ram = vmm->ram;
	const char *name = vmm->opt.kernel;
	struct setup_header hdr;
	struct boot_params *bp;
	u64 file_size, offset, size, start;
	int fd = open_file(name, &file_size);

	read_file(fd, &hdr, sizeof(hdr), offsetof(struct boot_params, hdr), name);
	if (hdr.header != 0x53726448 || hdr.version < 0x020c ||
	    !(hdr.xloadflags & XLF_KERNEL_64))
		die("%s is not a 64-bit bzImage", name);

	offset = ((hdr.setup_sects ?: 4) + 1) * 512;
	if (file_size <= offset)
		die("%s: too short", name);
	size = file_size - offset;
	start = hdr.pref_address;
	must_ptr(ram, start, hdr.init_size > size ? hdr.init_size : size, name);
	read_file(fd, must_ptr(ram, start, size, name), size, offset, name);
	close(fd);

	bp = must_ptr(ram, BOOT_ZERO_PAGE, sizeof(*bp), "the zero page");
	memset(bp, 0, sizeof(*bp));
	bp->hdr = hdr;
	bp->hdr.type_of_loader = 0xff;
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE;
	build_cmdline(vmm, must_ptr(ram, BOOT_CMDLINE, hdr.cmdline_size + 1UL,
				    "the command line"),
		      hdr.cmdline_size + 1UL);
	describe_ram(bp, ram);
	if (vmm->opt.initrd)
		load_initrd(vmm->opt.initrd, bp, ram, start + hdr.init_size);

	build_long_mode(ram);
	return (struct boot_regs){
		.rip = start + ENTRY_64,
		.rsi = BOOT_ZERO_PAGE,
	};
}

/* See payload.S for what the registers mean there. */
struct boot_regs boot_bare(struct vmm *vmm)
{
	const struct guest_ram *ram = vmm->ram;
	size_t size = payload_end - payload_start;
	struct boot_regs boot = {
		.rip = BARE_CODE,
		.rdi = BARE_RAM,
		.rsi = ram->slots[0].size - BARE_RAM,
		.rdx = vmm->seed,
		.rcx = BARE_REPORT,
	};

	memcpy(must_ptr(ram, BARE_CODE, size, "the payload"), payload_start,
	       size);
	must_ptr(ram, BARE_REPORT, PAGE_SIZE, "the report");
	must_ptr(ram, BARE_RAM, MIB(2), "the pattern");

	build_long_mode(ram);
	if (vmm->opt.bar) {
		boot.rdi = GPA_BAR;
		boot.rsi = device_bar_size(vmm->device);
	} else if (vmm->opt.private_mem) {
		boot.rdi = GPA_PRIVATE;
		boot.rsi = vmm->opt.private_mem;
	}
	return boot;
}

/* The same without filling: what is there is only read. */
void boot_bare_read(struct boot_regs *boot)
{
	boot->rip = BARE_CODE + (payload_read - payload_start);
}
