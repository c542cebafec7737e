/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dma-buf mapping types: what an exporter and an importer can agree on.
 */
#ifndef __DMA_BUF_MAPPING_TYPE_H__
#define __DMA_BUF_MAPPING_TYPE_H__

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/types.h>

struct device;
struct dma_buf;
struct dma_buf_attach_ops;
struct dma_buf_attachment;
struct dma_buf_mapping_exp;
struct dma_buf_mapping_match;
struct dma_buf_ops;
struct module;
struct seq_file;

/**
 * DOC: mapping types
 *
 * The words, before any code:
 *
 * Mapping type
 *   One way in which an importer can reach the memory of a dma-buf, with its
 *   own operations on either side. It is a singleton, and its address is its
 *   identity: two parties mean the same type when they name the same object.
 *
 * Exporter's table
 *   The types that a buffer offers, best first. It is constant data which
 *   &dma_buf_ops.mappings points to. No table means that the exporter has
 *   never heard of mapping types; it then offers the SGT type and no other.
 *
 * Importer's offers
 *   The types that an importer can live with, best first. They are passed to
 *   dma_buf_mapping_attach() and copied where they are needed.
 *
 * Negotiation
 *   The core walks the exporter's table and, for each row, the importer's
 *   offers. The first pair that names the same type, and that the type's own
 *   match() accepts, is the agreement. The exporter's order comes first since
 *   only the exporter knows where the memory is.
 *
 * Agreement
 *   &dma_buf_attachment.map_type, with the exporter's row in
 *   &dma_buf_attachment.map_exp and the importer's offer in
 *   &dma_buf_attachment.map_imp. It is fixed until dma_buf_detach().
 *
 * Flavour
 *   Whether the memory can be taken away while it is mapped, and whether it
 *   comes back elsewhere. It goes with a row, and an importer may refuse it.
 *
 * Invalidation
 *   The exporter takes memory back: for good, for some time, or in order to
 *   move it. It is told to importers before it takes effect, under the
 *   reservation lock, for the whole buffer or for a range.
 *
 * Negotiation runs without the reservation lock and before
 * &dma_buf_ops.attach, and it reads &dma_buf.ops anew for each attachment,
 * because some exporters replace that pointer after dma_buf_export(). Hence
 * nothing in a table, and nothing in match(), may depend on state that the
 * reservation lock protects.
 */

/**
 * struct dma_buf_mapping_type - one way to map a dma-buf
 * @name: short name, shown in debugfs
 * @owner: module that holds this object, pinned by each attachment that agreed
 *	on it
 * @needs_invalidate: the importer must have
 *	&dma_buf_attach_ops.invalidate_mappings, and when that returns nothing
 *	that came from the buffer may be reachable any more
 * @takes_private: extents can be DMA_BUF_EXTENT_PRIVATE. For types without it
 *	dma_buf_sink_add() of such an extent fails with -EACCES.
 * @match: [optional] says whether this pair of row and offer works. Returns 0,
 *	-EOPNOTSUPP to let the core try the next pair, or another error with
 *	which the attach then fails. Called without the reservation lock.
 * @attach: [optional] sets up per-attachment state once a pair matched.
 *	Called without the reservation lock, before &dma_buf_ops.attach. Returns
 *	0 or an error with which the attach then fails.
 * @detach: [optional] undoes @attach. Called without the reservation lock,
 *	when the attachment is no longer on the list of the buffer.
 * @invalidate: [optional] told of an invalidation before the importer is.
 *	Called with the reservation lock held.
 * @show: [optional] adds to the attachment's line in debugfs. Called with the
 *	reservation lock held.
 */
struct dma_buf_mapping_type {
	const char *name;
	struct module *owner;
	bool needs_invalidate;
	bool takes_private;
	int (*match)(struct dma_buf *dmabuf,
		     const struct dma_buf_mapping_exp *exp,
		     const struct dma_buf_mapping_match *imp);
	int (*attach)(struct dma_buf_attachment *attach);
	void (*detach)(struct dma_buf_attachment *attach);
	void (*invalidate)(struct dma_buf_attachment *attach);
	void (*show)(struct seq_file *s, struct dma_buf_attachment *attach);
};

/**
 * enum dma_buf_flavour - what may happen to memory that is mapped
 * @DMA_BUF_FLAVOUR_PINNED: it stays until the buffer is released
 * @DMA_BUF_FLAVOUR_REVOCABLE: it does not move, but can be taken away, and
 *	given back, at any time
 * @DMA_BUF_FLAVOUR_DYNAMIC: it can move or be taken away at any time
 */
enum dma_buf_flavour {
	DMA_BUF_FLAVOUR_PINNED,
	DMA_BUF_FLAVOUR_REVOCABLE,
	DMA_BUF_FLAVOUR_DYNAMIC,
};

/**
 * struct dma_buf_mapping_exp - a row of an exporter's table
 * @type: the type that is offered; NULL ends the table
 * @ops: what the exporter implements for @type. Set it only through the macro
 *	of that type, such as DMA_BUF_EMAPPING_KVM(), which checks its type.
 * @offered: [optional] whether this buffer offers the row. Called without the
 *	reservation lock; what it looks at must not change during the life of
 *	the buffer.
 * @flavour: what may happen to the memory
 * @inval_granule: dma_buf_invalidate_range() is only ever called with multiples
 *	of this many bytes. A mapper need not keep smaller pieces apart. 0 says
 *	that only the whole buffer is ever invalidated.
 */
struct dma_buf_mapping_exp {
	const struct dma_buf_mapping_type *type;
	const void *ops;
	bool (*offered)(struct dma_buf *dmabuf);
	enum dma_buf_flavour flavour;
	u64 inval_granule;
};

/**
 * struct dma_buf_mapping_match - an offer of an importer
 * @type: the type that the importer can use
 * @ops: what the importer implements for @type. Set it only through the macro
 *	of that type, such as DMA_BUF_IMAPPING_KVM(), which checks its type.
 * @refuse: flavours that the importer cannot live with, a mask of
 *	BIT(enum dma_buf_flavour)
 * @sgt: data of the SGT type
 * @sgt.dev: device that will do the DMA
 * @sgt.allow_p2p: the importer copes with peer memory that has no struct page
 */
struct dma_buf_mapping_match {
	const struct dma_buf_mapping_type *type;
	const void *ops;
	unsigned int refuse;
	union {
		struct {
			struct device *dev;
			bool allow_p2p;
		} sgt;
	};
};

/* Evaluates to @ptr, which must be a pointer to const @type. */
#define DMA_BUF_MAPPING_TYPED(type, ptr)				\
	((const void *)(ptr) +						\
	 BUILD_BUG_ON_ZERO(!__builtin_types_compatible_p(typeof(ptr),	\
							 const type *)))

extern const struct dma_buf_mapping_type dma_buf_mapping_sgt_type;

/*
 * Exporter: &dma_buf_ops.map_dma_buf and unmap_dma_buf serve importers. More
 * members of the row may follow, as ".flavour = ...".
 */
#define DMA_BUF_EMAPPING_SGT(...)					\
	{ .type = &dma_buf_mapping_sgt_type, ##__VA_ARGS__ }

/* Importer: wants DMA addresses for @_dev in a scatterlist. */
#define DMA_BUF_IMAPPING_SGT(_dev, _allow_p2p)				\
	((struct dma_buf_mapping_match) {				\
		.type = &dma_buf_mapping_sgt_type,			\
		.sgt = { .dev = (_dev), .allow_p2p = (_allow_p2p) },	\
	})

struct dma_buf_attachment *
dma_buf_mapping_attach(struct dma_buf *dmabuf,
		       const struct dma_buf_mapping_match *offers,
		       size_t nr_offers,
		       const struct dma_buf_attach_ops *importer_ops,
		       void *importer_priv);

void dma_buf_invalidate_range(struct dma_buf *dmabuf, u64 offset, u64 length);
void dma_buf_mappings_allowed(struct dma_buf *dmabuf);

/* For drivers/dma-buf/dma-buf.c only. */
bool dma_buf_mapping_ops_valid(const struct dma_buf_ops *ops);
bool dma_buf_mapping_is_sgt(const struct dma_buf_attachment *attach);
void dma_buf_mapping_detach(struct dma_buf_attachment *attach);
void dma_buf_mapping_invalidate(struct dma_buf_attachment *attach, u64 offset,
				u64 length);
void dma_buf_mapping_show(struct seq_file *s,
			  struct dma_buf_attachment *attach);

#endif /* __DMA_BUF_MAPPING_TYPE_H__ */
