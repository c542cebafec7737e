/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of the guest that can be private: --private. */
#ifndef GMEM_H
#define GMEM_H

#include "guest-report.h"
#include "vmm.h"

/* Where the guest has it; RAM ends below. */
#define GPA_PRIVATE	0x80000000UL

struct gmem;

void gmem_create(struct vmm *vmm);

/*
 * The guest stands still: it says what it found there; it is done. The second
 * says whether it shall read once more.
 */
bool gmem_owns(const struct gmem *gmem, u64 gpa);
void gmem_was_read(struct gmem *gmem, const struct guest_range *range);
bool gmem_convert(struct gmem *gmem);

void gmem_verify(const struct gmem *gmem);
void gmem_print(const struct gmem *gmem);
void gmem_destroy(struct gmem *gmem);

#endif /* GMEM_H */
