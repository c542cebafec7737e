// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation fails once in what guest_memfd does as an exporter, and in
 * what is done to it while a device has it. Either nothing happened or all of
 * it, a device never has what is private, and what failed works when it is
 * tried again.
 */
#include <fcntl.h>

#include "kvm_test_harness.h"
#include "dmabuf_fail_nth.h"
#include "dmabuf_gmem.h"

#define SEED		0x6e746830ULL
#define NR		16
#define SIZE		(NR * (u64)PAGE_SIZE)
#define ALL		((1ULL << NR) - 1)
#define MAX_ROUNDS	1000

FIXTURE(sweep)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dmabuf buf;
	int fd;
	int device;
	int fail_nth;
	int made;		/* what an action made */
};

#define sweep_t FIXTURE_DATA(sweep)

struct action {
	void (*setup)(sweep_t *self);
	int (*act)(sweep_t *self);	/* returns an errno */
	void (*undo)(sweep_t *self);	/* if act() succeeded */
	bool (*safe)(sweep_t *self, int r);	/* whether it succeeded or not */
	bool cannot_fail;
};

static void add_slot(sweep_t *self)
{
	gmem_add_slot(self->vm, DMABUF_SLOT, DMABUF_GPA, SIZE, self->fd, 0);
}

static void delete_slot(sweep_t *self)
{
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
}

static void close_made(sweep_t *self)
{
	kvm_close(self->made);
}

static int act_export(sweep_t *self)
{
	const struct kvm_gmem_export_dmabuf args = {
		.size = SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	self->made = __gmem_export(self->fd, &args);
	return self->made < 0 ? -self->made : 0;
}

static const struct action export = {
	.act = act_export,
	.undo = close_made,
};

static int act_attach(sweep_t *self)
{
	self->made = __device_attach(self->buf.fd, DMA_BUF_TEST_IOMMU);
	return self->made < 0 ? -self->made : 0;
}

static const struct action attach = {
	.act = act_attach,
	.undo = close_made,
};

/* Nothing is allocated yet; and what is mapped is all or nothing. */
static int act_map(sweep_t *self)
{
	return device_map(self->device, 0, SIZE);
}

static void undo_map(sweep_t *self)
{
	device_unmap(self->device, 0, SIZE);
	TEST_ASSERT(!gmem_punch(self->fd, 0, SIZE), "PUNCH_HOLE failed");
}

static bool mapped_if_done(sweep_t *self, int r)
{
	return device_mapped(self->device, 0, SIZE) == (r ? 0 : ALL);
}

static const struct action map = {
	.setup = add_slot,
	.act = act_map,
	.undo = undo_map,
	.safe = mapped_if_done,
};

static int act_bind(sweep_t *self)
{
	struct kvm_userspace_memory_region2 region;
	int r;

	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SIZE, NULL);
	r = __dmabuf_set_slot(self->vm, &region) ? errno : 0;
	errno = 0;
	return r;
}

static const struct action bind = {
	.act = act_bind,
	.undo = delete_slot,
};

static void setup_mapped(sweep_t *self)
{
	add_slot(self);
	dmabuf_guest(self->vcpu, DMABUF_OP_WRITE, DMABUF_GPA, SIZE, 0, SEED);
	TEST_ASSERT(!device_map(self->device, 0, SIZE), "cannot map");
}

static int act_unbind(sweep_t *self)
{
	struct kvm_userspace_memory_region2 region = { .slot = DMABUF_SLOT };
	int r = __dmabuf_set_slot(self->vm, &region) ? errno : 0;

	errno = 0;
	return r;
}

/* What fails has done nothing, or has been careful: the device lost it all. */
static bool lost_if_done(sweep_t *self, int r)
{
	u64 mapped = device_mapped(self->device, 0, SIZE);

	return !mapped || (r && mapped == ALL);
}

static void undo_unbind(sweep_t *self)
{
	TEST_ASSERT(device_map(self->device, 0, SIZE) == EACCES,
		    "memory that is not bound is shared");
	setup_mapped(self);
}

static const struct action unbind = {
	.setup = setup_mapped,
	.act = act_unbind,
	.undo = undo_unbind,
	.safe = lost_if_done,
};

static int set_attributes(sweep_t *self, u64 attributes)
{
	struct kvm_memory_attributes attr = {
		.attributes = attributes,
		.address = DMABUF_GPA,
		.size = SIZE,
	};
	int r = __vm_ioctl(self->vm, KVM_SET_MEMORY_ATTRIBUTES, &attr) ? errno : 0;

	errno = 0;
	return r;
}

static int act_convert(sweep_t *self)
{
	return set_attributes(self, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static void undo_convert(sweep_t *self)
{
	TEST_ASSERT(!set_attributes(self, 0), "cannot convert");
	TEST_ASSERT(!device_map(self->device, 0, SIZE), "cannot map");
}

static const struct action convert = {
	.setup = setup_mapped,
	.act = act_convert,
	.undo = undo_convert,
	.safe = lost_if_done,
};

static int act_punch(sweep_t *self)
{
	return gmem_punch(self->fd, 0, SIZE);
}

static void undo_punch(sweep_t *self)
{
	TEST_ASSERT(!device_map(self->device, 0, SIZE), "cannot map");
}

static const struct action punch = {
	.setup = setup_mapped,
	.act = act_punch,
	.undo = undo_punch,
	.safe = lost_if_done,
	.cannot_fail = true,
};

FIXTURE_VARIANT(sweep)
{
	const struct action *action;
};

FIXTURE_VARIANT_ADD(sweep, export) { .action = &export };
FIXTURE_VARIANT_ADD(sweep, attach) { .action = &attach };
FIXTURE_VARIANT_ADD(sweep, map) { .action = &map };
FIXTURE_VARIANT_ADD(sweep, bind) { .action = &bind };
FIXTURE_VARIANT_ADD(sweep, unbind) { .action = &unbind };
FIXTURE_VARIANT_ADD(sweep, convert) { .action = &convert };
FIXTURE_VARIANT_ADD(sweep, punch) { .action = &punch };

FIXTURE_SETUP(sweep)
{
	if (!fail_nth_supported())
		SKIP(return, "no fault injection");
	if (!gmem_has_private())
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	self->fail_nth = fail_nth_open();
	self->vm = dmabuf_vm_create_type(1, &self->vcpu, KVM_X86_SW_PROTECTED_VM);
	self->fd = vm_create_guest_memfd(self->vm, SIZE, GUEST_MEMFD_FLAG_MMAP);
	gmem_export(&self->buf, self->fd, 0, SIZE, 0);
	self->device = device_attach(self->buf.fd);
}

FIXTURE_TEARDOWN(sweep)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

TEST_F(sweep, every_allocation)
{
	const struct action *action = variant->action;
	u32 n, left, failed = 0;
	int r;

	if (action->setup)
		action->setup(self);

	for (n = 1; n < MAX_ROUNDS; n++) {
		fail_nth_set(self->fail_nth, n);
		r = action->act(self);
		left = fail_nth_clear(self->fail_nth);

		EXPECT_TRUE(r == 0 || r == ENOMEM);
		EXPECT_TRUE(!action->cannot_fail || !r);
		if (action->safe)
			EXPECT_TRUE(action->safe(self, r));
		failed += r != 0;

		/* Again, and nothing is in the way. */
		if (r) {
			ASSERT_EQ(0, action->act(self));
			if (action->safe)
				EXPECT_TRUE(action->safe(self, 0));
		}
		if (action->undo)
			action->undo(self);
		if (left)
			break;
	}
	EXPECT_LT(n, MAX_ROUNDS);
	ksft_print_msg("%u allocations, %u of them made it fail\n", n - 1, failed);
	EXPECT_TRUE(action->cannot_fail || n > 1);
}

TEST_HARNESS_MAIN
