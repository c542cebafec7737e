/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_memfd that is exported, and a device of software that maps it.
 */
#ifndef SELFTEST_KVM_DMABUF_GMEM_H
#define SELFTEST_KVM_DMABUF_GMEM_H

#include "dmabuf_exporter.h"

/* Is there a VM type with private memory? */
static inline bool gmem_has_private(void)
{
	return kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM);
}

/* KVM_GMEM_EXPORT_DMABUF; an fd or a negative errno. */
int __gmem_export(int gmem, const struct kvm_gmem_export_dmabuf *args);

/*
 * A buffer that dmabuf_add_slot(), dmabuf_close_fd() and so on work on. It has no
 * mapping, only buf->fd.
 */
void gmem_export(struct dmabuf *buf, int gmem, u64 offset, u64 size, u32 flags);

/* By the fd of the guest_memfd. */
void gmem_add_slot(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 size, int gmem,
		   u64 offset);

/* PUNCH_HOLE; an errno. */
int gmem_punch(int gmem, u64 offset, u64 size);

/* The device. An fd or a negative errno. */
int __device_attach(int dmabuf_fd, u32 type);
int device_attach(int dmabuf_fd);

/* These return an errno. */
int __device_map(int device, u64 offset, u64 size, u32 flags);
int device_map(int device, u64 offset, u64 size);
int device_unmap(int device, u64 offset, u64 size);
int device_read(int device, u64 offset, u64 *value);
int device_write(int device, u64 offset, u64 value);

/* What is mapped of a range, a bit for each page, up to 64. */
u64 device_mapped(int device, u64 offset, u64 size);

/* Have the page at @offset of a file fail; an errno. */
int gmem_poison(int gmem, u64 offset);

#endif /* SELFTEST_KVM_DMABUF_GMEM_H */
