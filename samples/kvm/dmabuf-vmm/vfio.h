/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices that are bound to vfio-pci, and what they can reach by DMA. */
#ifndef VMM_VFIO_H
#define VMM_VFIO_H

#include "vmm.h"

struct vfio;

/* One I/O address space, for all devices that do DMA. */
struct ioas {
	int fd;
	u32 id;
};

void ioas_create(struct ioas *ioas);
int __ioas_map_file(const struct ioas *ioas, int fd, u64 offset, u64 size,
		    u64 iova, u32 flags);
void ioas_map_file(const struct ioas *ioas, int fd, u64 offset, u64 size,
		   u64 iova, u32 flags);
void ioas_map_memory(const struct ioas *ioas, void *mem, u64 size, u64 iova);
void ioas_destroy(struct ioas *ioas);

struct vfio *vfio_open(const char *bdf, const struct ioas *ioas, bool dma);
void *vfio_map_bar(struct vfio *vfio, unsigned int bar, u64 *size);
int vfio_export_bar(struct vfio *vfio, unsigned int bar, u64 size);
void vfio_set_command(struct vfio *vfio, u16 set, u16 clear);
void vfio_close(struct vfio *vfio);

#endif /* VMM_VFIO_H */
