// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation on our paths fails once: the first in the first round, the
 * second in the second, until there is none left. Whatever fails, the error is a
 * documented one, nothing stays behind, and the same works when it is tried
 * again. Splats are for the kernel to find.
 */
#include <fcntl.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"
#include "dmabuf_fail_nth.h"

#define SEED		0x6661696cULL
#define SIZE		SZ_64K
#define MAX_ROUNDS	1000

FIXTURE(sweep)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;	/* what the action is about */
	struct dmabuf made;	/* what it makes */
	int fail_nth;		/* the file */
	int dev;		/* of an exporter */
};

/* Only the names are of interest, but the type must be known. */
#define sweep_t FIXTURE_DATA(sweep)

struct action {
	void (*setup)(sweep_t *self);
	int (*act)(sweep_t *self);	/* returns an errno */
	bool (*done)(sweep_t *self);	/* if act() succeeded: is the result right? */
	void (*undo)(sweep_t *self);	/* if act() succeeded */
	bool (*intact)(sweep_t *self);	/* in any case: still what it was */
	u32 flags;			/* of the buffer */
	u32 order;
	bool allocates_nothing;		/* and must not */
	int errors[3];			/* that may come */
};

static bool guest_reads(sweep_t *self)
{
	return dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, self->buf.size, 0,
			    SEED) == DMABUF_OK;
}

static void add_slot(sweep_t *self)
{
	dmabuf_add_slot(self->vm, &self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size);
}

static void delete_slot(sweep_t *self)
{
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
}

/* Slots */

static int act_attach(sweep_t *self)
{
	struct kvm_userspace_memory_region2 region;

	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, self->buf.size, NULL);
	return __dmabuf_set_slot(self->vm, &region) ? errno : 0;
}

static bool no_slot_but_ours(sweep_t *self)
{
	return dmabuf_counters(&self->buf).attachments <= 1;
}

static const struct action attach = {
	.act = act_attach,
	.undo = delete_slot,
	.intact = no_slot_but_ours,
	.errors = { ENOMEM },
};

static int act_detach(sweep_t *self)
{
	struct kvm_userspace_memory_region2 region = { .slot = DMABUF_SLOT };

	return __dmabuf_set_slot(self->vm, &region) ? errno : 0;
}

static void setup_mapped(sweep_t *self)
{
	add_slot(self);
	guest_reads(self);
}

/* A slot whose deletion failed is there and works. */
static bool slot_works_if_there(sweep_t *self)
{
	u64 nr = dmabuf_counters(&self->buf).attachments;

	return !nr || (nr == 1 && guest_reads(self));
}

static const struct action detach = {
	.setup = setup_mapped,
	.act = act_detach,
	.intact = slot_works_if_there,
	.errors = { ENOMEM },
};

/* Faults of a vCPU that never ran: its caches of page tables are empty, too. */

static bool guest_result;

static void guest_check(u64 size)
{
	guest_result = dmabuf_check((void *)DMABUF_GPA, size, 0, SEED) == DMABUF_OK;
	GUEST_SYNC(0);
}

static void setup_vm(sweep_t *self)
{
	kvm_vm_free(self->vm);
	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_check);
	virt_map_level(self->vm, DMABUF_GPA, DMABUF_GPA, DMABUF_GPA_SIZE, PG_LEVEL_2M);
	vcpu_args_set(self->vcpu, 1, self->buf.size);
	add_slot(self);
}

static int act_run(sweep_t *self)
{
	return dmabuf_run(self->vcpu);
}

static bool new_guest_done(sweep_t *self)
{
	sync_global_from_guest(self->vm, guest_result);
	return dmabuf_is_done(self->vcpu) && guest_result;
}

static const struct action fault = {
	.setup = setup_vm,
	.act = act_run,
	.done = new_guest_done,
	.undo = delete_slot,
	.errors = { ENOMEM, EFAULT },
};

static const struct action fault_2m = {
	.setup = setup_vm,
	.act = act_run,
	.done = new_guest_done,
	.undo = delete_slot,
	.order = DMABUF_ORDER_2M,
	.errors = { ENOMEM, EFAULT },
};

static bool guest_done(sweep_t *self)
{
	return dmabuf_is_done(self->vcpu) && dmabuf_cmd(self->vcpu)->result == DMABUF_OK;
}

static void setup_move_in_fill(sweep_t *self)
{
	add_slot(self);
	dmabuf_order(self->vcpu, DMABUF_OP_READ, DMABUF_GPA, self->buf.size, 0, SEED, 0);
	dmabuf_move_in_fill(&self->buf);
}

static const struct action move_in_fill = {
	.setup = setup_move_in_fill,
	.act = act_run,
	.done = guest_done,
	.undo = delete_slot,
	.errors = { ENOMEM, EFAULT },
};

/* The memory comes with the fault. It is all zero, which is what is looked for. */
static void setup_lazy(sweep_t *self)
{
	dmabuf_create_test(&self->made, SIZE, 0, DMA_BUF_TEST_LAZY);
	dmabuf_add_slot(self->vm, &self->made, DMABUF_SLOT, DMABUF_GPA, 0, SIZE);
	dmabuf_order_load(self->vcpu, DMABUF_GPA + SIZE / 2);
}

static bool lazy_done(sweep_t *self)
{
	return dmabuf_is_done(self->vcpu) && !dmabuf_cmd(self->vcpu)->result;
}

static void undo_lazy(sweep_t *self)
{
	delete_slot(self);
	dmabuf_free(&self->made);
	TEST_ASSERT(dmabuf_wait_gone(self->made.ino), "a buffer stays");
}

static const struct action prepare = {
	.setup = setup_lazy,
	.act = act_run,
	.done = lazy_done,
	.undo = undo_lazy,
	.errors = { ENOMEM, EFAULT },
};

static int act_prefault(sweep_t *self)
{
	return dmabuf_prefault(self->vcpu, DMABUF_GPA, self->buf.size);
}

/* The guest then finds it mapped. */
static bool prefault_done(sweep_t *self)
{
	u64 fills = dmabuf_counters(&self->buf).fills;

	return !dmabuf_run(self->vcpu) && new_guest_done(self) &&
	       dmabuf_counters(&self->buf).fills == fills;
}

static const struct action prefault = {
	.setup = setup_vm,
	.act = act_prefault,
	.done = prefault_done,
	.undo = delete_slot,
	.errors = { ENOMEM, EFAULT },
};

/* The exporter's side. What fails there leaves the guest's memory as it was. */

static int act_move(sweep_t *self)
{
	return __dmabuf_test_op(&self->buf, (struct dma_buf_test_op) {
				.op = DMA_BUF_TEST_OP_MOVE });
}

static const struct action move = {
	.setup = setup_mapped,
	.act = act_move,
	.undo = delete_slot,
	.intact = guest_reads,
	.errors = { ENOMEM },
};

static int act_move_part(sweep_t *self)
{
	return __dmabuf_test_op(&self->buf, (struct dma_buf_test_op) {
				.op = DMA_BUF_TEST_OP_MOVE,
				.offset = SIZE / 2,
				.length = SIZE / 4,
				});
}

static const struct action move_part = {
	.setup = setup_mapped,
	.act = act_move_part,
	.undo = delete_slot,
	.intact = guest_reads,
	.flags = DMA_BUF_TEST_RANGES,
	.errors = { ENOMEM },
};

static int act_revoke(sweep_t *self)
{
	return __dmabuf_test_op(&self->buf, (struct dma_buf_test_op) {
				.op = DMA_BUF_TEST_OP_REVOKE });
}

static void undo_revoke(sweep_t *self)
{
	dmabuf_unrevoke(&self->buf);
	TEST_ASSERT(guest_reads(self), "wrong content after un-revoke");
	delete_slot(self);
}

static const struct action revocation = {
	.setup = setup_mapped,
	.act = act_revoke,
	.allocates_nothing = true,
	.undo = undo_revoke,
	.errors = { ENOMEM },
};

static int act_fence(sweep_t *self)
{
	return __dmabuf_test_op(&self->buf, (struct dma_buf_test_op) {
				.op = DMA_BUF_TEST_OP_HOLD_FENCE });
}

static void undo_fence(sweep_t *self)
{
	dmabuf_signal_fence(&self->buf);
	TEST_ASSERT(guest_reads(self), "wrong content after a fence");
	delete_slot(self);
}

static const struct action fence = {
	.setup = setup_mapped,
	.act = act_fence,
	.undo = undo_fence,
	.errors = { ENOMEM },
};

/* Buffers */

static void setup_create(sweep_t *self)
{
	self->dev = open_path_or_exit("/dev/dma_buf_test", O_RDWR | O_CLOEXEC);
}

static int act_create(sweep_t *self)
{
	struct dma_buf_test_create args = {
		.size = SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int r = ioctl(self->dev, DMA_BUF_TEST_CREATE, &args) ? errno : 0;

	self->made.fd = args.fd;
	return r;
}

static void undo_create(sweep_t *self)
{
	kvm_close(self->made.fd);
	kvm_close(self->dev);
}

static const struct action create = {
	.setup = setup_create,
	.act = act_create,
	.undo = undo_create,
	.errors = { ENOMEM },
};

static void setup_udmabuf(sweep_t *self)
{
	struct dmabuf *buf = &self->made;

	memset(buf, 0, sizeof(*buf));
	buf->memfd = memfd_create("dmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	kvm_ftruncate(buf->memfd, SIZE);
	fcntl(buf->memfd, F_ADD_SEALS, F_SEAL_SHRINK);
	self->dev = open_path_or_exit("/dev/udmabuf", O_RDWR | O_CLOEXEC);
}

static int act_udmabuf(sweep_t *self)
{
	struct udmabuf_create args = {
		.memfd = self->made.memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = SIZE,
	};

	self->made.fd = ioctl(self->dev, UDMABUF_CREATE, &args);
	return self->made.fd < 0 ? errno : 0;
}

static void undo_udmabuf(sweep_t *self)
{
	kvm_close(self->made.fd);
	kvm_close(self->made.memfd);
	kvm_close(self->dev);
}

static const struct action udmabuf = {
	.setup = setup_udmabuf,
	.act = act_udmabuf,
	.undo = undo_udmabuf,
	.errors = { ENOMEM },
};

FIXTURE_VARIANT(sweep)
{
	const struct action *action;
	bool tdp;			/* needs it */
};

FIXTURE_VARIANT_ADD(sweep, attach) { .action = &attach };
FIXTURE_VARIANT_ADD(sweep, detach) { .action = &detach };
FIXTURE_VARIANT_ADD(sweep, fault) { .action = &fault };
FIXTURE_VARIANT_ADD(sweep, fault_2m) { .action = &fault_2m };
FIXTURE_VARIANT_ADD(sweep, move_in_fill) { .action = &move_in_fill };
FIXTURE_VARIANT_ADD(sweep, prepare) { .action = &prepare };
FIXTURE_VARIANT_ADD(sweep, prefault) { .action = &prefault, .tdp = true };
FIXTURE_VARIANT_ADD(sweep, move) { .action = &move };
FIXTURE_VARIANT_ADD(sweep, move_part) { .action = &move_part };
FIXTURE_VARIANT_ADD(sweep, revoke) { .action = &revocation };
FIXTURE_VARIANT_ADD(sweep, fence) { .action = &fence };
FIXTURE_VARIANT_ADD(sweep, create) { .action = &create };
FIXTURE_VARIANT_ADD(sweep, udmabuf) { .action = &udmabuf };

FIXTURE_SETUP(sweep)
{
	const struct action *action = variant->action;
	u64 size = action->order ? PAGE_SIZE << action->order : SIZE;

	if (variant->tdp && !dmabuf_has_tdp())
		SKIP(return, "KVM_PRE_FAULT_MEMORY needs two-dimensional paging");

	self->fail_nth = fail_nth_open();
	dmabuf_create_test(&self->buf, size, action->order, action->flags | DMA_BUF_TEST_DYNAMIC);
	dmabuf_fill(self->buf.map, size, 0, SEED);
	self->vm = dmabuf_vm_create(1, &self->vcpu);
}

FIXTURE_TEARDOWN(sweep)
{
	kvm_vm_free(self->vm);
	EXPECT_EQ(0, dmabuf_counters(&self->buf).attachments);
	dmabuf_free(&self->buf);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

static bool error_known(const struct action *action, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(action->errors); i++)
		if (err == action->errors[i])
			return true;
	return false;
}

/* A kernel that checks itself takes its time over each round. */
TEST_F_TIMEOUT(sweep, every_allocation, 900)
{
	const struct action *action = variant->action;
	u32 n, failed = 0, left = 0;
	int err;

	for (n = 1; n < MAX_ROUNDS && !left; n++) {
		if (action->setup)
			action->setup(self);

		fail_nth_set(self->fail_nth, n);
		err = action->act(self);
		left = fail_nth_clear(self->fail_nth);

		if (action->intact)
			EXPECT_TRUE(action->intact(self))
				TH_LOG("after failure %u, error %d", n, err);
		if (err) {
			failed++;
			ASSERT_TRUE(error_known(action, err))
				TH_LOG("failure %u: error %d", n, err);
			ASSERT_EQ(0, action->act(self))
				TH_LOG("a second try after failure %u does not work", n);
		}
		if (action->done)
			ASSERT_TRUE(action->done(self))
				TH_LOG("wrong result after failure %u", n);
		if (action->undo)
			action->undo(self);
	}
	ASSERT_LT(n, MAX_ROUNDS);
	EXPECT_EQ(0, err);
	EXPECT_EQ(action->allocates_nothing, n == 2);
	TH_LOG("%u allocations, %u were fatal", n - 2, failed);
}

/* Slot creation once more, many times: nothing stays in the slab caches. */
struct leak {
	sweep_t *self;
	u32 n;
};

static void leak_round(void *arg)
{
	struct leak *leak = arg;
	int err;

	fail_nth_set(leak->self->fail_nth, leak->n);
	err = act_attach(leak->self);
	fail_nth_clear(leak->self->fail_nth);
	if (!err)
		delete_slot(leak->self);
}

TEST(failed_attach_leaks_nothing)
{
	sweep_t self = {};
	struct leak leak = { .self = &self };
	u32 left;
	int err;

	self.fail_nth = fail_nth_open();
	dmabuf_create_test(&self.buf, SIZE, 0, DMA_BUF_TEST_DYNAMIC);
	self.vm = dmabuf_vm_create(1, &self.vcpu);

	for (leak.n = 1;; leak.n++) {
		fail_nth_set(self.fail_nth, leak.n);
		err = act_attach(&self);
		left = fail_nth_clear(self.fail_nth);
		if (!err)
			delete_slot(&self);
		if (left)
			break;
		EXPECT_EQ(NULL, dmabuf_leak(leak_round, &leak))
			TH_LOG("allocation %u", leak.n);
		EXPECT_EQ(0, dmabuf_counters(&self.buf).attachments);
	}
	EXPECT_GT(leak.n, 3);
	kvm_vm_free(self.vm);
	dmabuf_free(&self.buf);
	EXPECT_TRUE(dmabuf_wait_gone(self.buf.ino));
}

int main(int argc, char *argv[])
{
	__TEST_REQUIRE(dmabuf_exporter(), "no /dev/dma_buf_test: CONFIG_DMABUF_TEST is off");
	__TEST_REQUIRE(fail_nth_supported(), "no fault injection: CONFIG_FAILSLAB is off");
	return test_harness_run(argc, argv);
}
