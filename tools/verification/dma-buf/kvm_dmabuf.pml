/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dma-buf memslot: faults of two vCPUs against an exporter that revokes and
 * moves, against deletion and re-creation of the slot, and against the end of
 * the VM. README.md says what is left out and how to read a trail.
 *
 * Each statement is one step that others can see. What is in one "atomic" is
 * protected by a lock for as long as it takes: mmu_lock, mn_invalidate_lock, or
 * a mutex that is taken or dropped there. Hence mmu_lock is not a variable: what
 * is done under it without letting go of it is one atomic.
 *
 * Ghost variables exist for the properties only.
 */

/* The properties. model.sh tells them apart by the number. */
#define STALE_ENTRY		1	/* an entry for memory that was taken back */
#define FREED_SLOT		2	/* a slot is freed that is in use or has entries */
#define RMAP_GONE		3	/* an rmap is walked that the slot has not got */
#define FREED_MMU		4	/* page tables are touched after they were freed */
#define FREED_BINDING		5	/* struct kvm_dmabuf is freed, but in use */
#define RETRY_UNDER_LOCK	6	/* a vCPU had dma_resv and has nothing to show */
#define UNBALANCED		7	/* what kvm_destroy_vm() warns about */

#define property(nr, cond)	assert((cond) || nr == 0)

#define NR_PAGES	2
#define ALL_PAGES	3		/* a mask */

/* Values of a slot. Nobody may keep one that is freed, so that one will do. */
#define SLOT		0
#define INVALID		1		/* the copy that kvm_invalidate_memslot() makes */
#define NONE		2

/* Tasks; the first three are the readers of kvm->srcu. */
#define VCPU0		0
#define VCPU1		1
#define MOVER		2
#define VM		3
#define NOBODY		4

/* The buffer */
byte dma_resv = NOBODY;
bool revoked;
bool attached = true;			/* the binding is in dmabuf->attachments */
byte inv_slot = NONE;			/* what an invalidation works on */

/* struct kvm_dmabuf */
bool maybe_mapped;

/* struct kvm */
byte memslots[2];			/* what each of the two sets has for our id */
bit active_set;
bool mn_active_invalidate;		/* ..._count > 0; it is taken under dma_resv */
bool slots_arch_lock;
bool shadow_root_allocated;
byte srcu_readers;			/* a bit for each */
byte srcu_wait;				/* those that synchronize_srcu() waits for */
bool closing;				/* user space closes its fds */
byte fault_slot[2] = NONE;		/* fault->slot of each vCPU */
byte nr_vcpus = 2;			/* with a reference to the VM */
bool destroyed;

/* struct kvm_memory_slot */
bool rmap[2];				/* slot->arch.rmap[], of SLOT and INVALID */

/* The MMU */
byte mmu_invalidate_in_progress;
byte mmu_invalidate_range;		/* a mask of pages */
bool seq_same[2];			/* mmu_invalidate_seq is what the vCPU saw */
bool spte[NR_PAGES];
byte pfn_good[2];			/* ghost: the page whose good pfn a vCPU has */
bool mmu_alive = true;			/* ghost */

/* dma_resv */

#ifdef PROGRESS
mtype = { idle, faulting, waiting };
mtype vcpu0 = idle;			/* ghost */

#define vcpu0_is(what)							\
	if								\
	:: me == VCPU0 -> vcpu0 = what					\
	:: else								\
	fi
#else
#define vcpu0_is(what)	skip
#endif

#if defined(PROGRESS) && !defined(NO_HANDOVER)
/* A ww_mutex is handed over in the order of its waiters. */
chan resv_waiters = [3] of { byte };

inline dma_resv_lock()
{
	vcpu0_is(waiting);
	if
	:: dma_resv == NOBODY -> dma_resv = me
	:: else -> resv_waiters ! me
	fi;
	dma_resv == me
}

inline dma_resv_unlock()
{
	if
	:: nempty(resv_waiters) -> resv_waiters ? dma_resv
	:: empty(resv_waiters) -> dma_resv = NOBODY
	fi
}
#else
/* Whoever comes gets it, which allows all that any order does. */
inline dma_resv_lock()
{
#ifdef PROGRESS
	vcpu0_is(waiting);
#endif
	dma_resv == NOBODY -> dma_resv = me
}

inline dma_resv_unlock()
{
	dma_resv = NOBODY
}
#endif

/* kvm->srcu. Readers that come later are not waited for. */

#define srcu_read_lock()	srcu_readers = srcu_readers | (1 << me)

inline srcu_read_unlock()
{
	srcu_readers = srcu_readers & ~(1 << me);
	srcu_wait = srcu_wait & ~(1 << me)
}

/* mmu_lock is held */

inline kvm_mmu_invalidate_start(pages)
{
	mmu_invalidate_in_progress++;
	mmu_invalidate_range = mmu_invalidate_range | (pages)
}

inline kvm_mmu_invalidate_end()
{
	seq_same[VCPU0] = false;
	seq_same[VCPU1] = false;
	mmu_invalidate_in_progress--;
	if
	:: mmu_invalidate_in_progress == 0 -> mmu_invalidate_range = 0
	:: else
	fi
}

inline kvm_unmap_gfn_range(page)
{
	property(FREED_MMU, mmu_alive);
	/* kvm_memslots_have_rmaps() */
	property(RMAP_GONE, !shadow_root_allocated || rmap[inv_slot]);
	spte[page] = false
}

/*
 * kvm_arch_flush_shadow_memslot(), kvm_arch_flush_shadow_all(). The first gets
 * the old slot. That is fine without rmaps too: there is nothing in them.
 */
inline flush_shadow()
{
	property(FREED_MMU, mmu_alive);
	spte[0] = false;
	spte[1] = false
}

/* The callback. dma_resv is held. */

/* mmu_lock may be let go of between two pages. */
inline kvm_dmabuf_zap_slot(pages)
{
	if
	:: atomic {
		(pages) == ALL_PAGES ->
		kvm_mmu_invalidate_start(pages);
		kvm_unmap_gfn_range(0)
	   }
	   atomic { kvm_unmap_gfn_range(1); kvm_mmu_invalidate_end() }
	:: atomic {
		(pages) != ALL_PAGES ->
		kvm_mmu_invalidate_start(pages);
		kvm_unmap_gfn_range((pages) - 1);
		kvm_mmu_invalidate_end()
	   }
	fi
}

#ifdef NO_INVALIDATE_COUNT
#define hold_memslots()		skip
#define release_memslots()	skip
#else
#define hold_memslots()		mn_active_invalidate = true
#define release_memslots()	mn_active_invalidate = false
#endif

#ifdef SLOT_POINTER_KEPT
#define find_slot()		SLOT
#else
#define find_slot()		memslots[active_set]	/* id_to_memslot() */
#endif

#ifdef RANGE_CLEARS_MAYBE_MAPPED
#define clears_maybe_mapped(pages)	true
#else
#define clears_maybe_mapped(pages)	((pages) == ALL_PAGES)
#endif

/*
 * kvm_dmabuf_invalidate() for all pages, or kvm_dmabuf_invalidate_range(). A vCPU
 * that gets here from inside of fill holds kvm->srcu already.
 */
inline kvm_dmabuf_invalidate(pages)
{
	if
	:: !maybe_mapped
	:: atomic { maybe_mapped -> hold_memslots() }
	   if				/* kvm_dmabuf_zap() */
	   :: me == MOVER -> srcu_read_lock()
	   :: else
	   fi;
	   inv_slot = find_slot();
	   if
	   :: inv_slot != NONE -> kvm_dmabuf_zap_slot(pages)
	   :: else
	   fi;
	   atomic {
		inv_slot = NONE;
		if
		:: me == MOVER -> srcu_read_unlock()
		:: else
		fi;
		release_memslots();
		if
		:: clears_maybe_mapped(pages) -> maybe_mapped = false
		:: else
		fi
	   }
	fi
}

/*
 * dma_buf_invalidate_mappings(). After it, and under the same lock, the memory
 * is the exporter's again. That it never comes back to the buffer is more than
 * a real exporter would promise, and so nothing hides behind old pfns.
 */
inline dma_buf_invalidate_mappings(pages)
{
	if
	:: attached -> kvm_dmabuf_invalidate(pages)
	:: else
	fi;
	atomic {
		property(STALE_ENTRY, !((pages) & 1 && spte[0]) &&
				      !((pages) & 2 && spte[1]));
		pfn_good[VCPU0] = pfn_good[VCPU0] & ~(pages);
		pfn_good[VCPU1] = pfn_good[VCPU1] & ~(pages)
	}
}

/* A vCPU */

#if defined(RESV_DROPPED_NO_SEQ) || defined(RESV_DROPPED_SEQ) || \
    defined(SEQ_AFTER_FILL)
#define drop_resv_early()	dma_resv_unlock()
#define drop_resv()		skip
#else
#define drop_resv_early()	skip
#define drop_resv()		dma_resv_unlock()
#endif

#if defined(RESV_DROPPED_NO_SEQ) || defined(RESV_DROPPED_SEQ) || \
    defined(NO_RESNAPSHOT)
#define snapshot()		seq_same[me] = true
#define snapshot_again()	skip
#else
#define snapshot()		snapshot_for_precheck()
#define snapshot_again()	seq_same[me] = true
#endif

/*
 * mmu_invalidate_retry_gfn(). For other memslots it is also called before the
 * pfn is asked for, which only comes to the same result sooner. So progress
 * would depend on it, but nothing else would.
 */
#define must_retry()		(mmu_invalidate_range & (1 << page) || !seq_same[me])

#ifdef PRECHECK
#define snapshot_for_precheck()	seq_same[me] = true
#define precheck()		must_retry()
#else
#define snapshot_for_precheck()	skip
#define precheck()		false
#endif

#ifdef RESV_DROPPED_NO_SEQ
#define is_page_fault_stale()	false
#else
#define is_page_fault_stale()	must_retry()
#endif

/* Unless something else is invalidated, who had the lock need not retry. */
#ifdef NO_RETRY
#define had_resv()		property(RETRY_UNDER_LOCK, false)
#else
#define had_resv()		skip
#endif

#ifdef MAYBE_MAPPED_BEFORE_FILL
#define mark_early()		maybe_mapped = true
#define mark()			skip
#else
#define mark_early()		skip
#define mark()			maybe_mapped = true
#endif

proctype vcpu(byte me)
{
	bit page;

enter:	/* the guest, or user space */
	atomic {
		page = 0;
		if
		:: closing -> goto out
#ifndef PROGRESS
		/* The first nested guest */
		:: !shadow_root_allocated -> srcu_read_lock(); goto shadow_root
#endif
		:: !spte[0] -> page = 0
		:: !spte[1] -> page = 1
		fi
	}

fault:	/* kvm_mmu_do_page_fault() */
	atomic {
		vcpu0_is(faulting);
		srcu_read_lock();
		/* kvm_vcpu_gfn_to_memslot() */
		fault_slot[me] = memslots[active_set]
	}

	/* kvm_mmu_faultin_pfn() */
	snapshot();				/* fault->mmu_seq */
	if
	:: atomic { fault_slot[me] == NONE -> goto done } /* KVM_EXIT_MMIO */
	:: atomic { fault_slot[me] == INVALID -> goto retry }
	:: atomic { fault_slot[me] == SLOT && precheck() -> goto retry }
	:: fault_slot[me] == SLOT && !precheck()
	fi;

	/* kvm_dmabuf_lock_extent() */
	atomic {
		if
		:: true -> dma_resv_lock()
#ifndef PROGRESS
		:: dma_resv != NOBODY -> goto done	/* -EINTR */
#endif
		fi;
		mark_early();

		/* ops->fill() */
		if
		:: revoked -> dma_resv_unlock(); goto done	/* -ENODEV */
		:: !revoked
		fi;
#ifdef SELF_MOVE
	}
	if					/* Some exporters move in there. */
	:: true -> dma_buf_invalidate_mappings(ALL_PAGES)
	:: true
	fi;
	atomic {
#endif
		pfn_good[me] = 1 << page;
		mark();
		drop_resv_early()
	}

	/* kvm_mmu_faultin_pfn_dmabuf() */
	snapshot_again();

	/* kvm_tdp_mmu_page_fault(), with mmu_lock held */
	atomic {
		if
		:: is_page_fault_stale() -> had_resv(); drop_resv(); goto retry
		:: else
		fi;
		/* kvm_tdp_mmu_map() */
		property(FREED_MMU, mmu_alive);
		property(STALE_ENTRY, pfn_good[me] != 0);
		spte[page] = true;
		drop_resv();			/* kvm_mmu_do_page_fault() */
		goto done
	}

done:	/* The entry is there, or user space is told why not. */
	atomic {
		vcpu0_is(idle);
		fault_slot[me] = NONE;
		pfn_good[me] = 0;
		seq_same[me] = false;
		srcu_read_unlock();
		goto enter
	}

retry:	/* RET_PF_RETRY: the guest goes on and faults again */
	atomic {
		fault_slot[me] = NONE;
		pfn_good[me] = 0;
		seq_same[me] = false;
		srcu_read_unlock();
		if
		:: !spte[page] && !closing -> goto fault
		:: else -> vcpu0_is(idle); goto enter
		fi
	}

#ifndef PROGRESS
shadow_root: /* mmu_first_shadow_root_alloc() */
	atomic {
		!slots_arch_lock -> slots_arch_lock = true;
		if
		:: memslots[active_set] != NONE -> rmap[memslots[active_set]] = true
		:: else
		fi
	}
	atomic { shadow_root_allocated = true; slots_arch_lock = false }
	atomic { srcu_read_unlock(); goto enter }
#endif

out:	nr_vcpus--
}

/* The exporter */

proctype mover(byte me)
{
	byte pages;

end:	do
	:: atomic {
		dma_resv_lock();
		if
		:: revoked -> revoked = false; goto unlock /* nobody is told */
		:: pages = ALL_PAGES
		:: pages = 1
		:: pages = 2
		fi
	   }
	   dma_buf_invalidate_mappings(pages);
	   atomic {
		if
		:: true				/* moved */
		:: pages == ALL_PAGES -> revoked = true
		fi;
unlock:		pages = 0;
		dma_resv_unlock()
	   }
	:: destroyed -> break
	od
}

/* Memslots, by KVM_SET_USER_MEMORY_REGION2 under slots_lock; and the end */

inline kvm_swap_active_memslots()
{
	/* mn_invalidate_lock is held from the check to the swap. */
	atomic {
		!mn_active_invalidate ->
		active_set = 1 - active_set;
		slots_arch_lock = false;
		srcu_wait = srcu_readers
	}
#ifndef NO_GRACE_PERIOD
	srcu_wait == 0				/* synchronize_srcu_expedited() */
#endif
}

/* dma_buf_mapping_attach(), dma_buf_detach() */
inline set_attached(yes)
{
	atomic { dma_resv_lock(); attached = yes; dma_resv_unlock() }
}

#define nobody_has(s)	(fault_slot[VCPU0] != s && fault_slot[VCPU1] != s && \
			 inv_slot != s)

inline kvm_dmabuf_unbind()
{
	set_attached(false);
	atomic { property(FREED_BINDING, nobody_has(SLOT)); maybe_mapped = false }
}

inline kvm_free_memslot()
{
	atomic {
		property(FREED_SLOT, !spte[0] && !spte[1] && nobody_has(SLOT));
		rmap[SLOT] = false
	}
}

inline kvm_delete_memslot()
{
#ifdef UNBOUND_BEFORE_SWAP
	kvm_dmabuf_unbind();
#endif
#ifdef RESV_OVER_SWAP
	atomic { dma_resv_lock() }
#endif
	/* kvm_set_memslot(), kvm_invalidate_memslot() */
	atomic {
		!slots_arch_lock -> slots_arch_lock = true;
		rmap[INVALID] = rmap[SLOT];
		memslots[1 - active_set] = INVALID
	}
#ifdef FLUSH_BEFORE_SWAP
	atomic { flush_shadow() }
#endif
	kvm_swap_active_memslots();
#ifdef RESV_OVER_SWAP
	atomic { dma_resv_unlock() }
#endif
#ifndef FLUSH_BEFORE_SWAP
	atomic { flush_shadow() }
#endif
	atomic {
		!slots_arch_lock -> slots_arch_lock = true;
		rmap[SLOT] = rmap[INVALID];	/* old->arch = invalid_slot->arch */
		memslots[1 - active_set] = NONE	/* kvm_delete_memslot() */
	}
	kvm_swap_active_memslots();
	atomic {
		memslots[1 - active_set] = NONE;
		property(FREED_SLOT, nobody_has(INVALID));
		rmap[INVALID] = false
	}
	/* kvm_commit_memory_region() */
	kvm_dmabuf_unbind();
	kvm_free_memslot()
}

inline kvm_create_memslot()
{
	atomic {
		!slots_arch_lock -> slots_arch_lock = true;
		rmap[SLOT] = shadow_root_allocated; /* kvm_alloc_memslot_metadata() */
		memslots[1 - active_set] = SLOT
	}
	kvm_swap_active_memslots();
	memslots[1 - active_set] = SLOT
#ifdef PUBLISH_BEFORE_ATTACH
	;
	set_attached(true)
#endif
}

proctype vm(byte me)
{
	do
#ifndef NO_SLOT_CHANGE
	:: memslots[active_set] != NONE -> kvm_delete_memslot()
	:: memslots[active_set] == NONE ->
#ifndef PUBLISH_BEFORE_ATTACH
		set_attached(true);	/* kvm_dmabuf_prepare_memory_region() */
#endif
		if
		:: kvm_create_memslot()
		:: kvm_dmabuf_unbind()	/* kvm_set_memslot() failed */
		fi
#endif
#ifndef ONE_BUFFER
	/* Any other invalidation, here kvm_vm_set_mem_attributes() */
	:: memslots[active_set] != NONE ->
		atomic { kvm_mmu_invalidate_start(ALL_PAGES); flush_shadow() }
		atomic { kvm_mmu_invalidate_end() }
#endif
#ifdef PROGRESS
	:: false				/* User space keeps the VM. */
#else
	:: break
#endif
	od;

	/* kvm_destroy_vm(), when the last reference is dropped */
	closing = true;
	nr_vcpus == 0;
	atomic { flush_shadow() }		/* mmu_notifier_unregister() */
#ifndef DETACH_AFTER_MMU
	if					/* kvm_dmabuf_unbind_all() */
	:: memslots[active_set] != NONE -> kvm_dmabuf_unbind()
	:: else
	fi;
#endif
	atomic {
		property(UNBALANCED, mn_active_invalidate ||
				     !mmu_invalidate_in_progress);
		mmu_alive = false		/* kvm_arch_destroy_vm() */
	}
#ifdef DETACH_AFTER_MMU
	if
	:: memslots[active_set] != NONE -> kvm_dmabuf_unbind()
	:: else
	fi;
#endif
	if					/* kvm_free_memslots() */
	:: memslots[active_set] != NONE -> kvm_free_memslot()
	:: else
	fi;
	destroyed = true
}

init {
	atomic {
		run vcpu(VCPU0);
		run vcpu(VCPU1);
		run mover(MOVER);
		run vm(VM)
	}
}

#ifdef PROGRESS
/* Who waits for dma_resv gets an entry, or an exit that says why there is none. */
ltl waiter { [] (vcpu0 == waiting -> <> (vcpu0 == idle)) }
/* Who faults does. */
ltl anyone { [] (vcpu0 == faulting -> <> (vcpu0 == idle)) }
#endif
