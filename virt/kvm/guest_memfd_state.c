// SPDX-License-Identifier: GPL-2.0-only
/*
 * What importers of a guest_memfd may have of it, and how they lose it.
 *
 * To an importer of the IOMMU type a page is in one of these states, and
 * kvm_gmem_check_shared() is the one place that knows which:
 *
 * Shared
 *   The inode is INIT_SHARED; or the page is bound to a memslot and its owner's
 *   attribute of that gfn is not private. Devices may map it.
 *
 * Private
 *   Everything else: not bound any more, or not yet; private by the attribute.
 *   A map fails with -EACCES.
 *
 * Gone
 *   The owner closed its file, and the inode is not INIT_SHARED. Nobody can
 *   make a page shared again. A map and an attach fail with -ENODEV.
 *
 * In flux
 *   On its way between two of these, or being freed. A map fails with -EAGAIN.
 *
 * A page that is about to leave the shared state, or to be freed, is taken away
 * from importers first, and the state changes in one of two ways:
 *
 *  - under the reservation lock, for memslots that come and go and for the
 *    close of the file: invalidate, change, unlock;
 *
 *  - in flux, where the change cannot be made under that lock, since
 *    truncation waits for folio locks, and conversion is about any number of
 *    inodes: mark and invalidate, unlock; change; lock, unmark.
 *
 * Lock order, outermost first:
 *
 *   slots_lock > invalidate_lock > dma_resv > locks of importers
 *   folio_lock > invalidate_lock (shared) > dma_resv    (memory failure)
 *
 * Hence nothing takes a folio lock under dma_resv, which lockdep would not see.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/minmax.h>

#include "guest_memfd_dmabuf.h"

void kvm_gmem_exports_init(struct kvm_gmem_exports *exports)
{
	dma_resv_init(&exports->resv);
	INIT_LIST_HEAD(&exports->list);
	exports->punch = (struct kvm_gmem_flux){};
	exports->convert = (struct kvm_gmem_flux){};
}

void kvm_gmem_exports_destroy(struct kvm_gmem_exports *exports)
{
	dma_resv_fini(&exports->resv);
}

/*
 * May a device reach the page? 0, or -EACCES or -ENODEV as above. Today the
 * answer comes from the only VM that can bind the inode. When guest_memfd comes
 * to track private and shared memory itself, this is the place to ask it.
 *
 * Called with the reservation lock or the invalidate_lock held, either of which
 * keeps the list of files, their bindings and the memslots that they point to.
 */
int kvm_gmem_check_shared(struct inode *inode, pgoff_t index)
{
	struct kvm_memory_slot *slot;
	struct gmem_file *f;
	int r = -ENODEV;

	if (kvm_gmem_init_shared(inode))
		return 0;

	kvm_gmem_for_each_file(f, inode) {
		slot = xa_load(&f->bindings, index);
		if (!slot ||
		    kvm_mem_is_private(f->kvm, slot->base_gfn +
					       (index - slot->gmem.pgoff)))
			return -EACCES;
		r = 0;
	}
	return r;
}

static bool kvm_gmem_flux_overlaps(const struct kvm_gmem_flux *flux,
				   pgoff_t start, pgoff_t end)
{
	return start < flux->end && flux->start < end;
}

/* May any of pages [start, end) not be mapped for the moment? */
bool kvm_gmem_in_flux(struct inode *inode, pgoff_t start, pgoff_t end)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);

	dma_resv_assert_held(&exports->resv);

	return kvm_gmem_flux_overlaps(&exports->punch, start, end) ||
	       kvm_gmem_flux_overlaps(&exports->convert, start, end);
}

/*
 * Invalidation
 */

static bool kvm_gmem_overlaps(const struct kvm_gmem_dmabuf *gd, pgoff_t start,
			      pgoff_t end)
{
	return start < gd->end && gd->start < end;
}

/* When this returns no importer reaches pages [start, end) any more. */
static void kvm_gmem_invalidate_exports(struct inode *inode, pgoff_t start,
					pgoff_t end)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);
	struct kvm_gmem_dmabuf *gd;

	dma_resv_assert_held(&exports->resv);

	list_for_each_entry(gd, &exports->list, entry) {
		u64 first = max(start, gd->start), last = min(end, gd->end);

		if (first < last)
			dma_buf_invalidate_range(gd->dmabuf,
						 (first - gd->start) << PAGE_SHIFT,
						 (last - first) << PAGE_SHIFT);
	}
}

/*
 * Pages [start, end) are about to be freed. Called with the invalidate_lock held
 * up to kvm_gmem_punch_end(). -EBUSY: an export forbids it, nothing happened.
 */
int kvm_gmem_punch_begin(struct inode *inode, pgoff_t start, pgoff_t end)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);
	struct kvm_gmem_dmabuf *gd;
	int r = 0;

	/* None can be added now. */
	if (list_empty(&exports->list))
		return 0;

	dma_resv_lock(&exports->resv, NULL);

	list_for_each_entry(gd, &exports->list, entry)
		if ((gd->flags & KVM_GMEM_DMABUF_NO_PUNCH) &&
		    kvm_gmem_overlaps(gd, start, end))
			r = -EBUSY;
	if (!r) {
		exports->punch = (struct kvm_gmem_flux){ start, end };
		kvm_gmem_invalidate_exports(inode, start, end);
	}

	dma_resv_unlock(&exports->resv);
	return r;
}

void kvm_gmem_punch_end(struct inode *inode)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);

	if (!exports->punch.end)
		return;

	dma_resv_lock(&exports->resv, NULL);
	exports->punch = (struct kvm_gmem_flux){};
	dma_resv_unlock(&exports->resv);
}

/* Pages [start, end) of the inode, and @private: they are to become so. */
static void kvm_gmem_convert_pages(struct inode *inode, pgoff_t start,
				   pgoff_t end, bool private)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);
	struct kvm_gmem_flux *flux = &exports->convert;

	dma_resv_lock(&exports->resv, NULL);

	/* What is between two memslots of the inode waits, too. */
	flux->start = flux->end ? min(flux->start, start) : start;
	flux->end = max(flux->end, end);
	if (private)
		kvm_gmem_invalidate_exports(inode, start, end);

	dma_resv_unlock(&exports->resv);
}

static void kvm_gmem_convert_done(struct inode *inode)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);

	dma_resv_lock(&exports->resv, NULL);
	exports->convert = (struct kvm_gmem_flux){};
	dma_resv_unlock(&exports->resv);
}

/* The inode, if it cares. slots_lock keeps a file that is being closed. */
static struct inode *kvm_gmem_convertible(const struct kvm_memory_slot *slot)
{
	struct inode *inode;

	if (!kvm_slot_has_gmem(slot) || !slot->gmem.file)
		return NULL;

	inode = file_inode(slot->gmem.file);
	return kvm_gmem_init_shared(inode) ? NULL : inode;
}

static void kvm_gmem_convert_slots(struct kvm *kvm, int as_id, gfn_t start,
				   gfn_t end, bool private)
{
	struct kvm_memslot_iter iter;

	kvm_for_each_memslot_in_gfn_range(&iter, __kvm_memslots(kvm, as_id),
					  start, end) {
		struct kvm_memory_slot *slot = iter.slot;
		struct inode *inode = kvm_gmem_convertible(slot);
		gfn_t first = max(start, slot->base_gfn);
		gfn_t last = min(end, slot->base_gfn + slot->npages);

		if (inode)
			kvm_gmem_convert_pages(inode,
					       first - slot->base_gfn + slot->gmem.pgoff,
					       last - slot->base_gfn + slot->gmem.pgoff,
					       private);
	}
}

/*
 * The attributes of gfns [start, end) are about to become @attributes. What
 * becomes private is taken away from devices. What becomes shared is theirs to
 * ask for.
 */
void kvm_gmem_convert_begin(struct kvm *kvm, gfn_t start, gfn_t end,
			    unsigned long attributes)
{
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++)
		kvm_gmem_convert_slots(kvm, i, start, end,
				       attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

void kvm_gmem_convert_end(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_memslot_iter iter;
	struct inode *inode;
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++) {
		kvm_for_each_memslot_in_gfn_range(&iter, __kvm_memslots(kvm, i),
						  start, end) {
			inode = kvm_gmem_convertible(iter.slot);
			if (inode)
				kvm_gmem_convert_done(inode);
		}
	}
}

/*
 * The bindings of pages [start, end) are about to change, up to
 * kvm_gmem_rebind_end(). No bindings change if the range is empty, they are only
 * added. Called with the invalidate_lock held.
 */
void kvm_gmem_rebind_begin(struct inode *inode, pgoff_t start, pgoff_t end)
{
	dma_resv_lock(&kvm_gmem_exports(inode)->resv, NULL);
	if (!kvm_gmem_init_shared(inode))
		kvm_gmem_invalidate_exports(inode, start, end);
}

void kvm_gmem_rebind_end(struct inode *inode)
{
	dma_resv_unlock(&kvm_gmem_exports(inode)->resv);
}

/*
 * Pages [start, end) have failed, and are marked so. Called with the folio lock
 * and the invalidate_lock held.
 */
void kvm_gmem_poison(struct inode *inode, pgoff_t start, pgoff_t end)
{
	struct kvm_gmem_exports *exports = kvm_gmem_exports(inode);

	dma_resv_lock(&exports->resv, NULL);
	kvm_gmem_invalidate_exports(inode, start, end);
	dma_resv_unlock(&exports->resv);
}
