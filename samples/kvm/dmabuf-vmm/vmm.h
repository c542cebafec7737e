/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the sample VMM share. */
#ifndef VMM_H
#define VMM_H

#include "user-types.h"

#define KIB(x)			((u64)(x) << 10)
#define MIB(x)			((u64)(x) << 20)
#define GIB(x)			((u64)(x) << 30)
#define BIT(nr)			(1U << (nr))
#define PAGE_SIZE		4096UL
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* Guest physical memory map.  Devices live in the hole below 4 GiB. */
#define GPA_HOLE		GIB(3)
#define GPA_HIGH		GIB(4)
#define GPA_VIRTIO		0xd0000000UL
#define IRQ_VIRTIO		5
#define COM1_PORT		0x3f8
#define COM1_IRQ		4
#define COM2_PORT		0x2f8
#define COM2_IRQ		3

enum backing { BACKING_DMABUF, BACKING_MEMFD, BACKING_GUEST_MEMFD };
enum hva_mode { HVA_RW, HVA_RO, HVA_NONE };

struct options {
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	const char *disk;
	const char *vfio;	/* addresses of PCI devices */
	const char *bar;
	u64 mem;
	u64 private_mem;	/* its size, 0: none */
	u64 hugepages;	/* size of one, 0: none */
	enum backing backing;
	enum hva_mode hva;
	unsigned int timeout;
	bool scatter;
	bool prefault;
	bool bare;
	bool console;
	bool quiet;
};

struct guest_ram;
struct uring;
struct console;
struct report;
struct blk;
struct device;
struct gmem;

struct vmm {
	struct options opt;
	u64 seed;		/* of the guest's pattern, new for every run */
	int kvm_fd;
	int vm_fd;
	int stop_fd;		/* eventfd: the vCPU has stopped */
	struct guest_ram *ram;
	struct uring *ring;
	struct console *console;
	struct report *report;
	struct blk *blk;
	struct device *device;
	struct gmem *gmem;
};

/* util.c */
void __noreturn __printf(1, 2) die(const char *fmt, ...);
void __printf(1, 2) fail(const char *fmt, ...);
const char *failure(void);
void *xzalloc(size_t size);
u64 now_us(void);

/* caps.c */
void caps_check(struct vmm *vmm);

/* boot.c */
#define BOOT_GDT		0x500UL
#define BOOT_ZERO_PAGE		0x7000UL
#define BOOT_PAGE_TABLES	0x9000UL
#define BOOT_CMDLINE		0x20000UL

struct boot_regs {
	u64 rip, rsi;
	u64 rdi, rdx, rcx;	/* arguments of the bare-metal payload */
};

/* payload.S */
extern const u8 payload_start[], payload_read[], payload_end[];

struct boot_regs boot_linux(struct vmm *vmm);
struct boot_regs boot_bare(struct vmm *vmm);
void boot_bare_read(struct boot_regs *boot);

#endif /* VMM_H */
