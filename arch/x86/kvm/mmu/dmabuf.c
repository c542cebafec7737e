// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults on memslots that are backed by a dma-buf.
 */
#include <linux/kvm_dmabuf.h>
#include <linux/kvm_host.h>

#include "mmu.h"
#include "mmu_internal.h"
#include "spte.h"

static int kvm_mmu_dmabuf_error(struct kvm_vcpu *vcpu,
				struct kvm_page_fault *fault, int r)
{
	switch (r) {
	case -EINTR:
		fault->pfn = KVM_PFN_ERR_SIGPENDING;
		return RET_PF_CONTINUE;
	case -EAGAIN:
		/* As for an invalid memslot: prefaulting promises no progress. */
		return fault->prefetch ? -EAGAIN : RET_PF_RETRY;
	}

	kvm_mmu_prepare_memory_fault_exit(vcpu, fault);
	if (r == -EHWPOISON)
		return r;
	if (r == -ENODEV)
		vcpu->run->memory_fault.flags |= KVM_MEMORY_EXIT_FLAG_REVOKED;
	return -EFAULT;
}

/*
 * The memory type of an entry follows from the pfn, not from the kind: what KVM
 * takes for host MMIO is mapped UC, and the guest's PAT may make that WC. So
 * both uncached kinds can be honoured, provided that KVM sees it the same way;
 * memory that is cacheable but not RAM cannot. What is RAM was checked already.
 */
static bool kvm_mmu_dmabuf_kind_ok(enum dma_buf_extent_kind kind, kvm_pfn_t pfn)
{
	switch (kind) {
	case DMA_BUF_EXTENT_RAM:
		return true;
	case DMA_BUF_EXTENT_MMIO:
	case DMA_BUF_EXTENT_MMIO_WC:
		return __kvm_is_mmio_pfn(pfn);
	case DMA_BUF_EXTENT_MMIO_CACHEABLE:
		return false;
	}
	return false;
}

/*
 * Resolve a fault on a dma-buf slot. On RET_PF_CONTINUE without an error pfn
 * the binding is locked and recorded in @fault: the exporter can neither move
 * nor revoke the page until kvm_mmu_do_page_fault() lets go of it, i.e. until
 * the page table entry is in place or the fault was given up.
 */
int kvm_mmu_faultin_pfn_dmabuf(struct kvm_vcpu *vcpu,
			       struct kvm_page_fault *fault)
{
	struct kvm_memory_slot *slot = fault->slot;
	bool readonly_slot = slot->flags & KVM_MEM_READONLY;
	bool readonly_extent;
	struct kvm_dmabuf_extent extent;
	int r;

	if (readonly_slot && fault->write) {
		fault->pfn = KVM_PFN_ERR_RO_FAULT;
		return RET_PF_CONTINUE;
	}

	r = kvm_dmabuf_lock_extent(slot, fault->gfn, &extent);
	if (r)
		return kvm_mmu_dmabuf_error(vcpu, fault, r);

	fault->dmabuf = slot->dmabuf;
	fault->pfn = extent.extent.pfn + (extent.index - extent.extent.index);

	if (!kvm_mmu_dmabuf_kind_ok(extent.extent.kind, fault->pfn))
		return kvm_mmu_dmabuf_error(vcpu, fault, -EOPNOTSUPP);

	/*
	 * Whether memory is private is for the exporter to say, and whether the
	 * guest means it to be, for the guest; user space has to have the two
	 * agree.
	 */
	if (fault->is_private != !!(extent.extent.flags & DMA_BUF_EXTENT_PRIVATE))
		return kvm_mmu_dmabuf_error(vcpu, fault, -EACCES);

	/*
	 * Here the architecture would bring its own tables into line, and say
	 * how large a page they allow. Only software needs neither.
	 */
	if (fault->is_private &&
	    vcpu->kvm->arch.vm_type != KVM_X86_SW_PROTECTED_VM)
		return kvm_mmu_dmabuf_error(vcpu, fault, -EOPNOTSUPP);

	/* Mapping it read-only once more would fault for ever. */
	readonly_extent = extent.extent.flags & DMA_BUF_EXTENT_READONLY;
	if (readonly_extent && fault->write)
		return kvm_mmu_dmabuf_error(vcpu, fault, -EACCES);

	/*
	 * Invalidations of this buffer are locked out from here on. One that
	 * came while this vCPU waited for the lock must not make it retry, or
	 * a buffer that moves often would starve it; so the sequence is read
	 * anew, and with it everything that was decided after the old one.
	 */
	fault->mmu_seq = vcpu->kvm->mmu_invalidate_seq;
	/* Pairs with the write barrier in kvm_mmu_invalidate_end(). */
	smp_rmb();
	if (fault->is_private != kvm_mem_is_private(vcpu->kvm, fault->gfn))
		return RET_PF_RETRY;

	fault->map_writable = !readonly_slot && !readonly_extent;
	while (fault->max_level > PG_LEVEL_4K &&
	       !kvm_dmabuf_block_fits(slot, fault->gfn, &extent,
				      KVM_HPAGE_GFN_SHIFT(fault->max_level)))
		fault->max_level--;

	return RET_PF_CONTINUE;
}
