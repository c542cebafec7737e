/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What guest_memfd.c, guest_memfd_dmabuf.c and guest_memfd_state.c share.
 */
#ifndef __KVM_GUEST_MEMFD_DMABUF_H__
#define __KVM_GUEST_MEMFD_DMABUF_H__

#include <linux/dma-buf-mapping-type.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mempolicy.h>
#include <linux/xarray.h>

struct dma_buf;
struct folio;

/* Pages [start, end) that nobody may come to map, empty if end is 0. */
struct kvm_gmem_flux {
	pgoff_t start;
	pgoff_t end;
};

/*
 * The dma-bufs of an inode. They share one reservation lock, which protects
 * everything here. To add one takes the invalidate_lock, too.
 */
struct kvm_gmem_exports {
#ifdef CONFIG_KVM_DMABUF
	struct dma_resv resv;
	struct list_head list;
	struct kvm_gmem_flux punch;	/* one writer: invalidate_lock */
	struct kvm_gmem_flux convert;	/* one writer: slots_lock of the owner */
#endif
};

/*
 * A guest_memfd instance can be associated with multiple VMs. The inode is the
 * physical storage, and tracks properties of the memory; each file is one VM's
 * view of it, and tracks what belongs to that VM, e.g. its memslots.
 */
struct gmem_file {
	struct kvm *kvm;
	struct file *file;	/* not a reference */
	struct xarray bindings;
	struct list_head entry;
};

struct gmem_inode {
	struct shared_policy policy;
	struct inode vfs_inode;
	struct list_head gmem_file_list;
	struct kvm_gmem_exports exports;

	u64 flags;
};

static __always_inline struct gmem_inode *GMEM_I(struct inode *inode)
{
	return container_of(inode, struct gmem_inode, vfs_inode);
}

#define kvm_gmem_for_each_file(f, inode) \
	list_for_each_entry(f, &GMEM_I(inode)->gmem_file_list, entry)

/* Of guest_memfd.c. */
struct folio *kvm_gmem_get_folio(struct inode *inode, pgoff_t index);
int kvm_gmem_prepare_slot(struct kvm *kvm, struct kvm_memory_slot *slot,
			  struct file *file, uoff_t offset);

#ifdef CONFIG_KVM_DMABUF
/* Constant but for @entry. */
struct kvm_gmem_dmabuf {
	struct dma_buf *dmabuf;
	struct inode *inode;
	pgoff_t start;		/* first page in the inode */
	pgoff_t end;
	u32 flags;		/* of struct kvm_gmem_export_dmabuf */
	struct list_head entry;	/* of kvm_gmem_exports.list */
};

static inline struct kvm_gmem_exports *kvm_gmem_exports(struct inode *inode)
{
	return &GMEM_I(inode)->exports;
}

static inline bool kvm_gmem_init_shared(struct inode *inode)
{
	return GMEM_I(inode)->flags & GUEST_MEMFD_FLAG_INIT_SHARED;
}

/* The private type in which guest_memfd and KVM meet: @_kvm binds its own. */
extern const struct dma_buf_mapping_type kvm_gmem_native_type;

#define DMA_BUF_IMAPPING_GMEM_NATIVE(_kvm)				\
	((struct dma_buf_mapping_match) {				\
		.type = &kvm_gmem_native_type,				\
		.ops = DMA_BUF_MAPPING_TYPED(struct kvm, _kvm),		\
	})

int kvm_gmem_bind_native(struct kvm *kvm, struct kvm_memory_slot *slot,
			 struct dma_buf *dmabuf, u64 offset);

long kvm_gmem_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* Of guest_memfd_state.c. */
void kvm_gmem_exports_init(struct kvm_gmem_exports *exports);
void kvm_gmem_exports_destroy(struct kvm_gmem_exports *exports);

int kvm_gmem_check_shared(struct inode *inode, pgoff_t index);
bool kvm_gmem_in_flux(struct inode *inode, pgoff_t start, pgoff_t end);

int kvm_gmem_punch_begin(struct inode *inode, pgoff_t start, pgoff_t end);
void kvm_gmem_punch_end(struct inode *inode);
void kvm_gmem_convert_begin(struct kvm *kvm, gfn_t start, gfn_t end,
			    unsigned long attributes);
void kvm_gmem_convert_end(struct kvm *kvm, gfn_t start, gfn_t end);
void kvm_gmem_rebind_begin(struct inode *inode, pgoff_t start, pgoff_t end);
void kvm_gmem_rebind_end(struct inode *inode);
void kvm_gmem_poison(struct inode *inode, pgoff_t start, pgoff_t end);
#else
#define kvm_gmem_ioctl NULL

static inline void kvm_gmem_exports_init(struct kvm_gmem_exports *exports)
{
}

static inline void kvm_gmem_exports_destroy(struct kvm_gmem_exports *exports)
{
}

static inline int kvm_gmem_punch_begin(struct inode *inode, pgoff_t start,
				       pgoff_t end)
{
	return 0;
}

static inline void kvm_gmem_punch_end(struct inode *inode)
{
}

static inline void kvm_gmem_convert_begin(struct kvm *kvm, gfn_t start,
					  gfn_t end, unsigned long attributes)
{
}

static inline void kvm_gmem_convert_end(struct kvm *kvm, gfn_t start, gfn_t end)
{
}

static inline void kvm_gmem_rebind_begin(struct inode *inode, pgoff_t start,
					 pgoff_t end)
{
}

static inline void kvm_gmem_rebind_end(struct inode *inode)
{
}

static inline void kvm_gmem_poison(struct inode *inode, pgoff_t start,
				   pgoff_t end)
{
}
#endif /* CONFIG_KVM_DMABUF */

#endif /* __KVM_GUEST_MEMFD_DMABUF_H__ */
