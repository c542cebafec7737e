/* SPDX-License-Identifier: GPL-2.0-only */
/* A network card that copies memory: what it sends comes straight back. */
#ifndef IGB_H
#define IGB_H

#include "vfio.h"

#define IGB_FRAME	1024UL	/* copied at a time */
#define IGB_RINGS	256UL	/* bytes for its rings, aligned to 128 */

struct igb;

struct igb *igb_create(struct vfio *vfio, void *rings, u64 iova);
bool igb_copy(struct igb *igb, u64 src, u64 dst, u64 size);
void igb_destroy(struct igb *igb);

#endif /* IGB_H */
