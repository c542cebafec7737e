/* SPDX-License-Identifier: GPL-2.0-only */
/* What the IOMMU has to say about a device. */
#ifndef IOMMU_LOG_H
#define IOMMU_LOG_H

#include "vmm.h"

int iommu_log_open(void);
bool iommu_log_has_fault(int log, const char *bdf, u64 iova);

#endif /* IOMMU_LOG_H */
