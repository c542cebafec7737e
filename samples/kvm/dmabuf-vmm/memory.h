/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest RAM: one buffer, shown to KVM in one or two slots. */
#ifndef MEMORY_H
#define MEMORY_H

#include "vmm.h"

struct ram_slot {
	u64 gpa;
	u64 offset;	/* in the buffer */
	u64 size;
};

struct guest_ram {
	u64 size;
	int memfd;		/* memfd or guest_memfd: the memory itself */
	int dmabuf;		/* the dma-buf made from the memfd, or -1 */
	u8 *view;		/* the VMM's own view, always read-write */
	void *hva;		/* what KVM is told, NULL: no host mapping */
	unsigned int nr_slots;
	struct ram_slot slots[2];
};

void ram_create(struct vmm *vmm);
void ram_add_slots(struct vmm *vmm);
void ram_prefault(struct vmm *vmm, int vcpu_fd);
void *ram_ptr(const struct guest_ram *ram, u64 gpa, u64 len);
const void *ram_proof_begin(const struct guest_ram *ram);
void ram_proof_end(const struct guest_ram *ram, const void *map);
u64 ram_offset(const struct guest_ram *ram, u64 gpa, u64 len);
void ram_destroy(struct guest_ram *ram);

#define RAM_NOWHERE	(~0ULL)

#endif /* MEMORY_H */
