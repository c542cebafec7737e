// SPDX-License-Identifier: GPL-2.0-only
/*
 * Negotiation of dma-buf mapping types, and the SGT type.
 */
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping-type.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <trace/events/dma_buf.h>

#define CREATE_TRACE_POINTS
#include <trace/events/dma_buf_mapping.h>

/* What an exporter without a table offers. */
static const struct dma_buf_mapping_exp dma_buf_sgt_pinned[] = {
	DMA_BUF_EMAPPING_SGT(),
	{ }
};

/* The same with &dma_buf_ops.pin, which says that it moves buffers. */
static const struct dma_buf_mapping_exp dma_buf_sgt_dynamic[] = {
	DMA_BUF_EMAPPING_SGT(.flavour = DMA_BUF_FLAVOUR_DYNAMIC),
	{ }
};

static const struct dma_buf_mapping_exp *
dma_buf_mapping_table(const struct dma_buf_ops *ops)
{
	if (ops->mappings)
		return ops->mappings;
	return ops->pin ? dma_buf_sgt_dynamic : dma_buf_sgt_pinned;
}

static int dma_buf_sgt_match(struct dma_buf *dmabuf,
			     const struct dma_buf_mapping_exp *exp,
			     const struct dma_buf_mapping_match *imp)
{
	if (WARN_ON_ONCE(!imp->sgt.dev))
		return -EINVAL;
	return dmabuf->ops->map_dma_buf ? 0 : -EOPNOTSUPP;
}

/* Exporters read these fields since long before there were mapping types. */
static int dma_buf_sgt_attach(struct dma_buf_attachment *attach)
{
	attach->dev = attach->map_imp.sgt.dev;
	attach->peer2peer = attach->map_imp.sgt.allow_p2p;
	return 0;
}

/*
 * DMA addresses for one device, in a scatterlist. The exporter implements
 * dma_buf_ops.map_dma_buf, the importer calls dma_buf_map_attachment(). Every
 * exporter and importer that does not mention mapping types uses this one.
 */
const struct dma_buf_mapping_type dma_buf_mapping_sgt_type = {
	.name = "sgt",
	.owner = THIS_MODULE,
	.match = dma_buf_sgt_match,
	.attach = dma_buf_sgt_attach,
};
EXPORT_SYMBOL_NS_GPL(dma_buf_mapping_sgt_type, "DMA_BUF");

/**
 * dma_buf_mapping_is_sgt - may this attachment be mapped as a scatterlist
 * @attach: the attachment
 *
 * Warns when it may not, as the caller is then about to misuse it.
 *
 * Return: true if SGT is what was agreed on.
 */
bool dma_buf_mapping_is_sgt(const struct dma_buf_attachment *attach)
{
	return !WARN_ON_ONCE(attach->map_type != &dma_buf_mapping_sgt_type);
}

/**
 * dma_buf_mapping_ops_valid - check that ops can serve what they offer
 * @ops: ops of an exporter
 *
 * An exporter that offers SGT, by its table or by having none, must implement
 * it.
 *
 * Return: true if dma_buf_export() can accept @ops.
 */
bool dma_buf_mapping_ops_valid(const struct dma_buf_ops *ops)
{
	const struct dma_buf_mapping_exp *exp = dma_buf_mapping_table(ops);

	if (!exp->type)
		return false;

	for (; exp->type; exp++)
		if (exp->type == &dma_buf_mapping_sgt_type &&
		    (!ops->map_dma_buf || !ops->unmap_dma_buf))
			return false;
	return true;
}

static int dma_buf_mapping_try(struct dma_buf *dmabuf,
			       const struct dma_buf_mapping_exp *exp,
			       const struct dma_buf_mapping_match *imp)
{
	if (exp->type != imp->type || (imp->refuse & BIT(exp->flavour)))
		return -EOPNOTSUPP;
	if (exp->offered && !exp->offered(dmabuf))
		return -EOPNOTSUPP;
	if (!exp->type->match)
		return 0;
	return exp->type->match(dmabuf, exp, imp);
}

/* On success the agreement is in @attach. */
static int dma_buf_mapping_negotiate(struct dma_buf_attachment *attach,
				     const struct dma_buf_mapping_match *offers,
				     size_t nr_offers)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	const struct dma_buf_mapping_exp *exp;
	size_t i;
	int ret;

	for (exp = dma_buf_mapping_table(dmabuf->ops); exp->type; exp++) {
		for (i = 0; i < nr_offers; i++) {
			ret = dma_buf_mapping_try(dmabuf, exp, &offers[i]);
			if (ret == -EOPNOTSUPP)
				continue;
			if (ret)
				return ret;

			attach->map_type = exp->type;
			attach->map_exp = exp;
			attach->map_imp = offers[i];
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

static void dma_buf_mapping_trace_attach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	trace_dma_buf_mapping_attach(attach);

	/* As for every tracepoint of dma-buf: lockdep shall see the lock. */
	if (!IS_ENABLED(CONFIG_LOCKDEP) &&
	    !trace_dma_buf_dynamic_attach_enabled())
		return;

	guard(spinlock)(&dmabuf->name_lock);
	trace_dma_buf_dynamic_attach(dmabuf, attach, attach->importer_ops,
				     attach->dev);
}

/**
 * dma_buf_mapping_attach - attach an importer by what it can use
 * @dmabuf: buffer to attach to
 * @offers: mapping types that the importer can use, best first. The array is
 *	copied from and need not outlive the call; what it points to must live
 *	until dma_buf_detach().
 * @nr_offers: number of @offers, not 0
 * @importer_ops: operations of the importer; may be NULL if every offer is of a
 *	type that does not need invalidation
 * @importer_priv: for the importer's use, in &dma_buf_attachment.importer_priv
 *
 * Agrees with the exporter on a mapping type, see the chapter on mapping types,
 * and creates an attachment of that type, to be ended by dma_buf_detach().
 *
 * Context: process context, may sleep. The reservation lock must not be held.
 *
 * Return: the attachment, or an ERR_PTR:
 *
 * * -EOPNOTSUPP: there is no type that both sides can use
 * * -EINVAL: an argument is missing, or a type was offered which needs
 *   invalidation by an importer that has no
 *   &dma_buf_attach_ops.invalidate_mappings. Warns.
 * * -ENOENT: the module of the agreed type is being unloaded
 * * -ENOMEM: no memory
 * * any other error of &dma_buf_mapping_type.match,
 *   &dma_buf_mapping_type.attach or &dma_buf_ops.attach
 */
struct dma_buf_attachment *
dma_buf_mapping_attach(struct dma_buf *dmabuf,
		       const struct dma_buf_mapping_match *offers,
		       size_t nr_offers,
		       const struct dma_buf_attach_ops *importer_ops,
		       void *importer_priv)
{
	struct dma_buf_attachment *attach;
	size_t i;
	int ret;

	if (WARN_ON(!dmabuf || !offers || !nr_offers))
		return ERR_PTR(-EINVAL);

	for (i = 0; i < nr_offers; i++) {
		if (WARN_ON(!offers[i].type))
			return ERR_PTR(-EINVAL);
		if (!offers[i].type->needs_invalidate)
			continue;
		if (WARN_ON(!importer_ops ||
			    !importer_ops->invalidate_mappings))
			return ERR_PTR(-EINVAL);
	}

	attach = kzalloc_obj(*attach);
	if (!attach)
		return ERR_PTR(-ENOMEM);

	attach->dmabuf = dmabuf;
	attach->importer_ops = importer_ops;
	attach->importer_priv = importer_priv;
	if (importer_ops)
		attach->peer2peer = importer_ops->allow_peer2peer;

	ret = dma_buf_mapping_negotiate(attach, offers, nr_offers);
	if (ret)
		goto err_free;

	if (!try_module_get(attach->map_type->owner)) {
		ret = -ENOENT;
		goto err_free;
	}

	if (attach->map_type->attach) {
		ret = attach->map_type->attach(attach);
		if (ret)
			goto err_module;
	}

	if (dmabuf->ops->attach) {
		ret = dmabuf->ops->attach(dmabuf, attach);
		if (ret)
			goto err_type;
	}

	dma_resv_lock(dmabuf->resv, NULL);
	list_add(&attach->node, &dmabuf->attachments);
	dma_resv_unlock(dmabuf->resv);

	dma_buf_mapping_trace_attach(attach);
	return attach;

err_type:
	if (attach->map_type->detach)
		attach->map_type->detach(attach);
err_module:
	module_put(attach->map_type->owner);
err_free:
	kfree(attach);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_mapping_attach, "DMA_BUF");

/**
 * dma_buf_mapping_detach - undo what negotiation set up
 * @attach: attachment that is no longer on the list of its buffer
 *
 * For dma_buf_detach(), after &dma_buf_ops.detach. Warns if the importer forgot
 * to unmap.
 */
void dma_buf_mapping_detach(struct dma_buf_attachment *attach)
{
	WARN_ON_ONCE(attach->nr_maps);

	if (attach->map_type->detach)
		attach->map_type->detach(attach);
	module_put(attach->map_type->owner);
}

/**
 * dma_buf_mapping_invalidate - pass an invalidation on to one attachment
 * @attach: the attachment
 * @offset: where it starts in the buffer, in bytes
 * @length: how long it is, in bytes
 *
 * For dma_buf_invalidate_mappings(). The type hears of it first, since it may
 * have a fill in progress that must not go on.
 */
void dma_buf_mapping_invalidate(struct dma_buf_attachment *attach, u64 offset,
				u64 length)
{
	const struct dma_buf_attach_ops *ops = attach->importer_ops;

	dma_resv_assert_held(attach->dmabuf->resv);

	trace_dma_buf_mapping_invalidate(attach, offset, length);

	if (attach->map_type->invalidate)
		attach->map_type->invalidate(attach);

	if (!ops)
		return;
	if (ops->invalidate_range && length < attach->dmabuf->size)
		ops->invalidate_range(attach, offset, length);
	else if (ops->invalidate_mappings)
		ops->invalidate_mappings(attach);
	else
		return;

	/* Types that need invalidation are done with the buffer on return. */
	WARN_ON_ONCE(attach->map_type->needs_invalidate && attach->nr_maps &&
		     length == attach->dmabuf->size);
}

/**
 * dma_buf_invalidate_range - take back a part of a buffer
 * @dmabuf: the buffer
 * @offset: where it starts, in bytes
 * @length: how long it is, in bytes, not 0
 *
 * As dma_buf_invalidate_mappings(), but mappings of the rest of the buffer can
 * stay. Importers without &dma_buf_attach_ops.invalidate_range, and those that
 * agreed on a row whose granule says that this does not happen, lose the whole
 * buffer.
 *
 * Only for exporters. The range is in the buffer, and both @offset and @length
 * are multiples of &dma_buf_mapping_exp.inval_granule of every row that was agreed
 * on; otherwise warns and takes everything back.
 *
 * Context: the reservation lock is held.
 */
void dma_buf_invalidate_range(struct dma_buf *dmabuf, u64 offset, u64 length)
{
	struct dma_buf_attachment *attach;
	u64 granule, end;
	bool all;

	dma_resv_assert_held(dmabuf->resv);

	all = WARN_ON_ONCE(!length || check_add_overflow(offset, length, &end) ||
			   end > dmabuf->size);

	list_for_each_entry(attach, &dmabuf->attachments, node) {
		granule = attach->map_exp->inval_granule;
		if (all || !granule ||
		    WARN_ON_ONCE(offset % granule || length % granule))
			dma_buf_mapping_invalidate(attach, 0, dmabuf->size);
		else
			dma_buf_mapping_invalidate(attach, offset, length);
	}
}
EXPORT_SYMBOL_NS_GPL(dma_buf_invalidate_range, "DMA_BUF");

/**
 * dma_buf_mappings_allowed - tell importers that they may map again
 * @dmabuf: a buffer that was revoked
 *
 * Only for exporters, once mapping works again. An importer that maps on demand
 * need not be told. One that does not, and that has
 * &dma_buf_attach_ops.mappings_allowed, can map now.
 *
 * Context: the reservation lock is held, and stays held from the change of the
 * exporter's state to this call.
 */
void dma_buf_mappings_allowed(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	dma_resv_assert_held(dmabuf->resv);

	list_for_each_entry(attach, &dmabuf->attachments, node)
		if (attach->importer_ops &&
		    attach->importer_ops->mappings_allowed)
			attach->importer_ops->mappings_allowed(attach);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_mappings_allowed, "DMA_BUF");

/**
 * dma_buf_mapping_show - describe an attachment in debugfs
 * @s: where to
 * @attach: the attachment
 *
 * One line: device, or "-" for an importer without one; mapping type; what the
 * type has to add.
 */
void dma_buf_mapping_show(struct seq_file *s, struct dma_buf_attachment *attach)
{
	seq_printf(s, "\t%s\ttype %s", attach->dev ? dev_name(attach->dev) : "-",
		   attach->map_type->name);
	if (attach->map_type->show)
		attach->map_type->show(s, attach);
	seq_putc(s, '\n');
}
