// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots that are backed by a dma-buf.
 *
 * Lock order, outermost first:
 *
 *   kvm->slots_lock > dma_resv > kvm->mmu_lock
 *   kvm->srcu (read) > dma_resv > kvm->srcu (read)
 *
 * dma_resv is never held while memslots are swapped. The invalidate callback,
 * which runs under it, takes no sleeping lock of KVM, and never waits for a
 * grace period of kvm->srcu.
 */
#include <linux/array_size.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/kvm_dmabuf.h>
#include <linux/kvm_host.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/rcuwait.h>

#include "dmabuf_extent.h"
#include "guest_memfd_dmabuf.h"
#include "kvm_mm.h"

/* How long a vCPU waits for a fence before it lets go of kvm->srcu. */
#define KVM_DMABUF_FENCE_WAIT_MS	10

/*
 * Ties one memslot to a slice of a dma-buf. Everything but maybe_mapped is
 * constant. There is deliberately no pointer to the memslot: the slot that is
 * being deleted is not the one that other vCPUs and the arch code work on, so
 * an invalidation looks the slot up among the active ones.
 */
struct kvm_dmabuf {
	struct kvm *kvm;
	struct dma_buf_attachment *attach;
	u64 index;		/* first page of the slice in the buffer */
	gfn_t base_gfn;
	unsigned long npages;
	u16 as_id;
	short id;
	bool maybe_mapped;	/* protected by dma_resv */
};

static struct dma_resv *kvm_dmabuf_resv(struct kvm_dmabuf *binding)
{
	return binding->attach->dmabuf->resv;
}

/*
 * Hold off swaps of the memslots, exactly like an mmu_notifier does between
 * its start and its end, so that a slot found in the active set stays the one
 * that page tables and rmaps belong to.
 */
static void kvm_dmabuf_hold_memslots(struct kvm *kvm)
{
	spin_lock(&kvm->mn_invalidate_lock);
	kvm->mn_active_invalidate_count++;
	spin_unlock(&kvm->mn_invalidate_lock);
}

static void kvm_dmabuf_release_memslots(struct kvm *kvm)
{
	bool wake;

	spin_lock(&kvm->mn_invalidate_lock);
	if (!WARN_ON_ONCE(!kvm->mn_active_invalidate_count))
		--kvm->mn_active_invalidate_count;
	wake = !kvm->mn_active_invalidate_count;
	spin_unlock(&kvm->mn_invalidate_lock);

	if (wake)
		rcuwait_wake_up(&kvm->mn_memslots_update_rcuwait);
}

static void kvm_dmabuf_zap_slot(struct kvm *kvm, struct kvm_memory_slot *slot,
				gfn_t start, gfn_t end)
{
	struct kvm_gfn_range range = {
		.slot = slot,
		.start = start,
		.end = end,
		.attr_filter = KVM_FILTER_SHARED | KVM_FILTER_PRIVATE,
		.may_block = true,
	};

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_start(kvm);
	if (kvm_mmu_unmap_gfn_range(kvm, &range))
		kvm_flush_remote_tlbs(kvm);
	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);

	kvm_arch_guest_memory_reclaimed(kvm);
}

/*
 * Pages of the slice that the exporter takes back. When this returns, the guest
 * can no longer reach them. Called with dma_resv held, in any context that may
 * sleep, reclaim included; allocates nothing.
 *
 * A slot that is not found has been flushed on its way out, or was not yet
 * active and has no page table entry.
 */
static void kvm_dmabuf_zap(struct kvm_dmabuf *binding, u64 first, u64 npages)
{
	gfn_t start = binding->base_gfn + first;
	struct kvm *kvm = binding->kvm;
	struct kvm_memory_slot *slot;
	int idx;

	kvm_dmabuf_hold_memslots(kvm);
	idx = srcu_read_lock(&kvm->srcu);

	slot = id_to_memslot(__kvm_memslots(kvm, binding->as_id), binding->id);
	if (slot)
		kvm_dmabuf_zap_slot(kvm, slot, start, start + npages);

	srcu_read_unlock(&kvm->srcu, idx);
	kvm_dmabuf_release_memslots(kvm);
}

static void kvm_dmabuf_invalidate(struct dma_buf_attachment *attach)
{
	struct kvm_dmabuf *binding = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!binding->maybe_mapped)
		return;

	kvm_dmabuf_zap(binding, 0, binding->npages);
	binding->maybe_mapped = false;
}

/* What is left may still be mapped, so maybe_mapped stays as it is. */
static void kvm_dmabuf_invalidate_range(struct dma_buf_attachment *attach,
					u64 offset, u64 length)
{
	struct kvm_dmabuf *binding = attach->importer_priv;
	u64 start = offset >> PAGE_SHIFT;
	u64 end = DIV_ROUND_UP_ULL(offset + length, PAGE_SIZE);

	dma_resv_assert_held(attach->dmabuf->resv);

	start = max(start, binding->index);
	end = min(end, binding->index + binding->npages);

	if (binding->maybe_mapped && start < end)
		kvm_dmabuf_zap(binding, start - binding->index, end - start);
}

static const struct dma_buf_attach_ops kvm_dmabuf_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = kvm_dmabuf_invalidate,
	.invalidate_range = kvm_dmabuf_invalidate_range,
};

static int kvm_dmabuf_install(void *cookie,
			      const struct dma_buf_kvm_extent *extent)
{
	struct kvm_dmabuf_extent *want = cookie;

	kvm_dmabuf_extent_join(&want->extent, want->index, extent);
	return 0;
}

static const struct dma_buf_kvm_ops kvm_dmabuf_kvm_ops = {
	.install = kvm_dmabuf_install,
};

int kvm_dmabuf_capabilities(struct kvm *kvm)
{
	int caps = KVM_DMABUF_CAP_MEMSLOT | KVM_DMABUF_CAP_NO_HVA |
		   KVM_DMABUF_CAP_GUEST_MEMFD | KVM_DMABUF_CAP_PRIVATE;

	if (kvm ? kvm_arch_has_readonly_mem(kvm) :
		  IS_ENABLED(CONFIG_HAVE_KVM_READONLY_MEM))
		caps |= KVM_DMABUF_CAP_READONLY;
	if (kvm_vm_ioctl_check_extension(kvm, KVM_CAP_PRE_FAULT_MEMORY) > 0)
		caps |= KVM_DMABUF_CAP_PRE_FAULT;
	return caps;
}

/* Teach lockdep the order that an invalidation will use some day. */
static void kvm_dmabuf_prime_lockdep(struct kvm_dmabuf *binding)
{
	struct kvm *kvm = binding->kvm;
	int idx;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;

	dma_resv_lock(kvm_dmabuf_resv(binding), NULL);
	kvm_dmabuf_hold_memslots(kvm);
	idx = srcu_read_lock(&kvm->srcu);
	KVM_MMU_LOCK(kvm);
	KVM_MMU_UNLOCK(kvm);
	srcu_read_unlock(&kvm->srcu, idx);
	kvm_dmabuf_release_memslots(kvm);
	dma_resv_unlock(kvm_dmabuf_resv(binding));
}

static int kvm_dmabuf_check(struct dma_buf *dmabuf,
			    const struct kvm_userspace_memory_region2 *mem)
{
	fmode_t mode = FMODE_READ;
	u64 end;

	if (memchr_inv(mem->pad2, 0, sizeof(mem->pad2)))
		return -EINVAL;
	if (!PAGE_ALIGNED(mem->dmabuf_offset) ||
	    check_add_overflow(mem->dmabuf_offset, mem->memory_size, &end) ||
	    end > dmabuf->size)
		return -EINVAL;

	if (!(mem->flags & KVM_MEM_READONLY))
		mode |= FMODE_WRITE;
	return (dmabuf->file->f_mode & mode) == mode ? 0 : -EACCES;
}

/*
 * Bind a new memslot to its slice of the buffer. Called with slots_lock held,
 * before the slot is visible to anybody. On success kvm_dmabuf_unbind() is
 * owed. The errors are those that KVM_SET_USER_MEMORY_REGION2 documents.
 *
 * If the buffer is guest_memfd of @kvm, what is left is a memslot with that
 * guest_memfd, as from kvm_gmem_prepare_memory_region(), and no binding.
 */
int kvm_dmabuf_prepare_memory_region(struct kvm *kvm,
				     struct kvm_memory_slot *slot,
				     const struct kvm_userspace_memory_region2 *mem)
{
	const struct kvm *importer = kvm;
	const struct dma_buf_mapping_match offers[] = {
		DMA_BUF_IMAPPING_GMEM_NATIVE(importer),
		DMA_BUF_IMAPPING_KVM(&kvm_dmabuf_kvm_ops),
	};
	struct dma_buf_attachment *attach;
	struct kvm_dmabuf *binding;
	struct dma_buf *dmabuf;
	int r;

	lockdep_assert_held(&kvm->slots_lock);

	dmabuf = dma_buf_get(mem->dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	r = kvm_dmabuf_check(dmabuf, mem);
	if (r)
		goto out_put;

	binding = kzalloc_obj(*binding, GFP_KERNEL_ACCOUNT);
	if (!binding) {
		r = -ENOMEM;
		goto out_put;
	}

	binding->kvm = kvm;
	binding->index = mem->dmabuf_offset >> PAGE_SHIFT;
	binding->base_gfn = slot->base_gfn;
	binding->npages = slot->npages;
	binding->as_id = slot->as_id;
	binding->id = slot->id;

	attach = dma_buf_mapping_attach(dmabuf, offers, ARRAY_SIZE(offers),
					&kvm_dmabuf_attach_ops, binding);
	if (IS_ERR(attach)) {
		r = PTR_ERR(attach);
		goto out_free;
	}

	if (attach->map_type == &kvm_gmem_native_type) {
		r = kvm_gmem_bind_native(kvm, slot, dmabuf, mem->dmabuf_offset);
		dma_buf_detach(dmabuf, attach);
		goto out_free;
	}

	binding->attach = attach;
	slot->dmabuf = binding;
	kvm_dmabuf_prime_lockdep(binding);
	return 0;

out_free:
	kfree(binding);
out_put:
	dma_buf_put(dmabuf);
	return r;
}

/*
 * Undo kvm_dmabuf_prepare_memory_region(), if it succeeded for this slot and
 * was not undone before. Nothing may look at the slot any more: its page table
 * entries are gone and a grace period of kvm->srcu is over.
 */
void kvm_dmabuf_unbind(struct kvm_memory_slot *slot)
{
	struct kvm_dmabuf *binding = slot->dmabuf;
	struct dma_buf *dmabuf;

	if (!binding)
		return;

	slot->dmabuf = NULL;
	dmabuf = binding->attach->dmabuf;
	dma_buf_detach(dmabuf, binding->attach);
	dma_buf_put(dmabuf);
	kfree(binding);
}

/*
 * The VM is going away: its page tables are empty and about to be freed, while
 * its memslots live on for a moment. No invalidation may come in between.
 */
void kvm_dmabuf_unbind_all(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	int i, bkt;

	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++)
		kvm_for_each_memslot(slot, bkt, __kvm_memslots(kvm, i))
			kvm_dmabuf_unbind(slot);
}

/*
 * Memory that is still being moved or cleared must not reach the guest, but a
 * wait under dma_resv would block the mover, and a long one every update of
 * the memslots. Most buffers never had a fence.
 */
static bool kvm_dmabuf_has_fence(struct dma_resv *resv)
{
	return rcu_access_pointer(resv->fences) &&
	       !dma_resv_test_signaled(resv, DMA_RESV_USAGE_KERNEL);
}

/*
 * Ask the exporter about the page behind @gfn. Called with kvm->srcu held, by
 * a vCPU that takes its snapshot of mmu_invalidate_seq after this returned: an
 * exporter that moves the buffer while it is asked changes the sequence.
 *
 * On success the binding is locked, and what @extent says stays true until
 * kvm_dmabuf_unlock(). Until then nobody can invalidate it, so the caller holds
 * on to it until the page table entry is in place.
 *
 * On failure nothing is locked. -EINTR: a signal is pending. -EAGAIN: try
 * again after letting go of kvm->srcu. -ENODEV: the buffer is revoked.
 * -EHWPOISON: the memory has failed. Anything else is the exporter's.
 */
int kvm_dmabuf_lock_extent(struct kvm_memory_slot *slot, gfn_t gfn,
			   struct kvm_dmabuf_extent *extent)
{
	struct kvm_dmabuf *binding = slot->dmabuf;
	struct dma_resv *resv = kvm_dmabuf_resv(binding);
	long r;

	r = dma_resv_lock_interruptible(resv, NULL);
	if (r)
		return r;

	extent->index = binding->index + (gfn - binding->base_gfn);
	extent->extent = (struct dma_buf_kvm_extent){};

	r = dma_buf_map_attachment_kvm(binding->attach,
				       extent->index << PAGE_SHIFT, PAGE_SIZE,
				       !(slot->flags & KVM_MEM_READONLY), extent);
	if (r)
		goto err_unlock;

	if (kvm_dmabuf_has_fence(resv)) {
		dma_resv_unlock(resv);
		r = dma_resv_wait_timeout(resv, DMA_RESV_USAGE_KERNEL, true,
					  msecs_to_jiffies(KVM_DMABUF_FENCE_WAIT_MS));
		return r < 0 ? -EINTR : -EAGAIN;
	}

	/* Set under the lock and before the entry, so no invalidation is lost. */
	binding->maybe_mapped = true;
	return 0;

err_unlock:
	dma_resv_unlock(resv);
	if (r == -EAGAIN)
		r = dma_buf_prepare_attachment(binding->attach,
					       extent->index << PAGE_SHIFT,
					       PAGE_SIZE) ?: -EAGAIN;
	return r;
}

/* End what kvm_dmabuf_lock_extent() began; a NULL @binding is fine. */
void kvm_dmabuf_unlock(struct kvm_dmabuf *binding)
{
	if (binding)
		dma_resv_unlock(kvm_dmabuf_resv(binding));
}

/* May @gfn be mapped by a naturally aligned block of 2^@order pages? */
bool kvm_dmabuf_block_fits(const struct kvm_memory_slot *slot, gfn_t gfn,
			   const struct kvm_dmabuf_extent *extent,
			   unsigned int order)
{
	return kvm_dmabuf_extent_fits(&extent->extent, extent->index, gfn,
				      slot->base_gfn, slot->npages, order);
}

MODULE_IMPORT_NS("DMA_BUF");
