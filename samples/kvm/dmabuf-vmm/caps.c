// SPDX-License-Identifier: GPL-2.0-only
/* What KVM must be able to do; asked at start, so that nothing fails later. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "vmm.h"

struct required_cap {
	int cap;
	int bits;		/* of the answer, 0: any answer above 0 */
	bool (*wanted)(const struct options *opt);	/* NULL: always */
	const char *name;
};

static bool want_dmabuf(const struct options *opt)
{
	return opt->backing == BACKING_DMABUF;
}

static bool want_dmabuf_no_hva(const struct options *opt)
{
	return (want_dmabuf(opt) && opt->hva == HVA_NONE) || opt->bar || opt->private_mem;
}

static bool want_dmabuf_prefault(const struct options *opt)
{
	return want_dmabuf(opt) && opt->prefault;
}

static bool want_private(const struct options *opt)
{
	return opt->private_mem;
}

static bool want_gmem(const struct options *opt)
{
	return opt->backing == BACKING_GUEST_MEMFD;
}

static bool want_prefault(const struct options *opt)
{
	return opt->prefault;
}

#define CAP(c)		{ KVM_CAP_##c, 0, NULL, "KVM_CAP_" #c }
#define CAP_IF(c, fn)	{ KVM_CAP_##c, 0, fn, "KVM_CAP_" #c }
#define BIT_IF(c, b, fn) { KVM_CAP_##c, b, fn, "KVM_CAP_" #c " with " #b }

static const struct required_cap required_caps[] = {
	CAP(USER_MEMORY2),
	CAP(EXT_CPUID),
	CAP(GET_TSC_KHZ),
	CAP(IRQCHIP),
	CAP(PIT2),
	CAP(IRQFD),
	CAP(IOEVENTFD),
	CAP(IMMEDIATE_EXIT),
	CAP(MEMORY_FAULT_INFO),
	CAP(BINARY_STATS_FD),
	BIT_IF(DMABUF, KVM_DMABUF_CAP_MEMSLOT, want_dmabuf),
	BIT_IF(DMABUF, KVM_DMABUF_CAP_NO_HVA, want_dmabuf_no_hva),
	BIT_IF(DMABUF, KVM_DMABUF_CAP_PRE_FAULT, want_dmabuf_prefault),
	BIT_IF(DMABUF, KVM_DMABUF_CAP_GUEST_MEMFD, want_private),
	BIT_IF(MEMORY_ATTRIBUTES, KVM_MEMORY_ATTRIBUTE_PRIVATE, want_private),
	BIT_IF(GUEST_MEMFD_FLAGS, GUEST_MEMFD_FLAG_MMAP, want_private),
	CAP_IF(GUEST_MEMFD, want_gmem),
	BIT_IF(GUEST_MEMFD_FLAGS, GUEST_MEMFD_FLAG_MMAP, want_gmem),
	BIT_IF(GUEST_MEMFD_FLAGS, GUEST_MEMFD_FLAG_INIT_SHARED, want_gmem),
	CAP_IF(PRE_FAULT_MEMORY, want_prefault),
};

/* Asked on the VM: some answers depend on its type. */
void caps_check(struct vmm *vmm)
{
	unsigned int missing = 0;

	for (size_t i = 0; i < ARRAY_SIZE(required_caps); i++) {
		const struct required_cap *rc = &required_caps[i];
		int answer;

		if (rc->wanted && !rc->wanted(&vmm->opt))
			continue;
		answer = ioctl(vmm->vm_fd, KVM_CHECK_EXTENSION, rc->cap);
		if (answer > 0 && (answer & rc->bits) == rc->bits)
			continue;
		printf("missing: %s (KVM answers %d)\n", rc->name, answer);
		missing++;
	}
	if (missing)
		die("KVM lacks %u of the capabilities this run needs", missing);
}
