/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memslots that are backed by a dma-buf.
 *
 * The words: a *binding* ties one memslot to a slice of a dma-buf, by one
 * attachment of the KVM mapping type. The *extent* is what the exporter said
 * about the page that a fault is about.
 */
#ifndef __KVM_DMABUF_H__
#define __KVM_DMABUF_H__

#include <linux/dma-buf-kvm.h>
#include <linux/kvm_host.h>

struct kvm_dmabuf;

/* The extent around one gfn. Valid while the binding is locked. */
struct kvm_dmabuf_extent {
	u64 index;		/* the page behind the gfn, counted in the buffer */
	struct dma_buf_kvm_extent extent;
};

static inline bool kvm_slot_has_dmabuf(const struct kvm_memory_slot *slot)
{
	return IS_ENABLED(CONFIG_KVM_DMABUF) && slot &&
	       (slot->flags & KVM_MEM_DMABUF);
}

/* For internal use: such a slot became that of a guest_memfd, without an hva. */
#define KVM_MEMSLOT_NO_HVA	BIT(18)

/* In-kernel accesses to such a slot fail, there is nothing to access it by. */
static inline bool kvm_slot_has_no_hva(const struct kvm_memory_slot *slot)
{
	if (slot && (slot->flags & KVM_MEMSLOT_NO_HVA))
		return true;
	return kvm_slot_has_dmabuf(slot) && !slot->userspace_addr;
}

#ifdef CONFIG_KVM_DMABUF
int kvm_dmabuf_capabilities(struct kvm *kvm);
int kvm_dmabuf_prepare_memory_region(struct kvm *kvm,
				     struct kvm_memory_slot *slot,
				     const struct kvm_userspace_memory_region2 *mem);
void kvm_dmabuf_unbind(struct kvm_memory_slot *slot);
void kvm_dmabuf_unbind_all(struct kvm *kvm);

int kvm_dmabuf_lock_extent(struct kvm_memory_slot *slot, gfn_t gfn,
			   struct kvm_dmabuf_extent *extent);
void kvm_dmabuf_unlock(struct kvm_dmabuf *binding);
bool kvm_dmabuf_block_fits(const struct kvm_memory_slot *slot, gfn_t gfn,
			   const struct kvm_dmabuf_extent *extent,
			   unsigned int order);
#else
static inline int kvm_dmabuf_capabilities(struct kvm *kvm)
{
	return 0;
}

static inline int
kvm_dmabuf_prepare_memory_region(struct kvm *kvm, struct kvm_memory_slot *slot,
				 const struct kvm_userspace_memory_region2 *mem)
{
	return -EINVAL;
}

static inline void kvm_dmabuf_unbind(struct kvm_memory_slot *slot)
{
}

static inline void kvm_dmabuf_unbind_all(struct kvm *kvm)
{
}

static inline void kvm_dmabuf_unlock(struct kvm_dmabuf *binding)
{
}
#endif /* CONFIG_KVM_DMABUF */

#endif /* __KVM_DMABUF_H__ */
