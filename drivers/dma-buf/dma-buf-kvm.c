// SPDX-License-Identifier: GPL-2.0-only
/*
 * The KVM mapping type: guest memory that the exporter installs through a
 * callback which belongs to KVM.
 *
 * KVM stays what it is, the manager of the guest's address space and the only
 * one who writes its page tables. The exporter answers a window that KVM opened
 * in one memslot. It cannot name a guest physical address, cannot reach another
 * slot, and has no way to call KVM at any other time. The reservation lock
 * covers both the answer and the page table entry that KVM makes of it.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-kvm.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "dma-buf-sink.h"

static int dma_buf_kvm_match(struct dma_buf *dmabuf,
			     const struct dma_buf_mapping_exp *exp,
			     const struct dma_buf_mapping_match *imp)
{
	const struct dma_buf_extent_ops *exp_ops = exp->ops;
	const struct dma_buf_kvm_ops *imp_ops = imp->ops;

	if (WARN_ON_ONCE(!exp_ops || !exp_ops->fill ||
			 !imp_ops || !imp_ops->install))
		return -EINVAL;
	return 0;
}

/*
 * The buffer becomes memory of a guest. The exporter implements struct
 * dma_buf_extent_ops, KVM calls dma_buf_map_attachment_kvm().
 *
 * The guest's accesses are those of a CPU and coherent with the host's. KVM
 * does not bracket them with dma_buf_begin_cpu_access(): where a device with a
 * non-coherent mapping of the buffer takes part, the VMM has to, by
 * DMA_BUF_IOCTL_SYNC.
 */
const struct dma_buf_mapping_type dma_buf_mapping_kvm_type = {
	.name = "kvm",
	.owner = THIS_MODULE,
	.needs_invalidate = true,
	.takes_private = true,
	.match = dma_buf_kvm_match,
	.attach = dma_buf_sink_attach,
	.detach = dma_buf_sink_detach,
	.invalidate = dma_buf_sink_invalidate,
	.show = dma_buf_sink_show,
};
EXPORT_SYMBOL_NS_GPL(dma_buf_mapping_kvm_type, "DMA_BUF");

static int dma_buf_kvm_take(struct dma_buf_attachment *attach, void *cookie,
			    const struct dma_buf_extent *extent)
{
	const struct dma_buf_kvm_ops *ops = attach->map_imp.ops;
	struct dma_buf_kvm_extent kvm_extent = {
		.index = extent->offset >> PAGE_SHIFT,
		.nr_pages = extent->nr_pages,
		.kind = extent->kind,
		.flags = extent->flags,
	};

	if (extent->kind == DMA_BUF_EXTENT_RAM)
		kvm_extent.pfn = page_to_pfn(extent->page);
	else
		kvm_extent.pfn = PHYS_PFN(extent->mmio.phys);

	return ops->install(cookie, &kvm_extent);
}

/**
 * dma_buf_map_attachment_kvm - have the exporter install a part of its buffer
 * @attach: attachment of the KVM type
 * @offset: where the window starts in the buffer, in bytes
 * @length: how long it is, in bytes, not 0
 * @write: the guest will be allowed to write
 * @cookie: for &dma_buf_kvm_ops.install
 *
 * What install was given is valid until the reservation lock is dropped, and
 * so is what KVM made of it in a page table until
 * &dma_buf_attach_ops.invalidate_mappings is called. There is no unmap.
 *
 * Only KVM and the KUnit tests may call it. As with every symbol that is
 * exported for certain modules, this binds modules; code that is built in is
 * not restrained.
 *
 * Context: process context, may sleep. The reservation lock is held. The
 * fences of the buffer are the caller's to honour.
 *
 * Return: 0 when the whole window was installed, or an error:
 *
 * * -ENODEV: the buffer is revoked
 * * -EAGAIN: try again soon, after dropping the reservation lock
 * * -EHWPOISON: the memory has failed
 * * -EINTR, -ENOMEM: the exporter was interrupted, or found no memory
 * * -EINVAL, -EBUSY: misuse by either side. Warns.
 * * any other error of the exporter or of install
 */
int dma_buf_map_attachment_kvm(struct dma_buf_attachment *attach, u64 offset,
			       u64 length, bool write, void *cookie)
{
	if (WARN_ON_ONCE(attach->map_type != &dma_buf_mapping_kvm_type))
		return -EINVAL;

	return dma_buf_sink_run(attach, offset, length, write,
				dma_buf_kvm_take, cookie);
}
EXPORT_SYMBOL_FOR_MODULES(dma_buf_map_attachment_kvm, "kvm,dmabuf_kunit");
