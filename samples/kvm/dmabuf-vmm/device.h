/* SPDX-License-Identifier: GPL-2.0-only */
/* What devices do with the memory of the guest: --vfio and --bar. */
#ifndef DEVICE_H
#define DEVICE_H

#include "guest-report.h"
#include "vfio.h"

/* Where the guest has the BAR of --bar; RAM ends below. */
#define GPA_BAR		0x80000000UL

struct device;

void device_create(struct vmm *vmm);
u64 device_bar_size(const struct device *dev);

/* What it reaches, and a page by DMA, to and from memory of our own. */
const struct ioas *device_ioas(const struct device *dev);
void device_send(struct device *dev, u64 gpa, const void *page);
void device_fetch(struct device *dev, u64 gpa, void *page);
bool device_faults(struct device *dev, u64 gpa, const void *page);

/* The guest stands still and wants these pages written, says what it got. */
void device_write(struct device *dev, const struct guest_range *pages, u32 nr);
void device_was_read(struct device *dev, u64 len, u64 sum);

/*
 * The guest stands still: it has filled the BAR; it is done; it touched the BAR
 * while that was revoked. The second says whether the guest shall start anew,
 * the third whether it can go on.
 */
bool device_owns(const struct device *dev, u64 gpa);
void device_check_bar(struct device *dev, const struct guest_range *range);
bool device_revoke(struct device *dev);
bool device_revoked(struct device *dev, u64 gpa);

void device_verify(const struct device *dev);
void device_print(const struct device *dev);
void device_destroy(struct device *dev);

#endif /* DEVICE_H */
