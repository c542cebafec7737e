// SPDX-License-Identifier: GPL-2.0-only
/*
 * The UAPI of dma-buf memslots: what is accepted, what is refused with which
 * error, and that a refused call leaves nothing behind.
 */
#include <fcntl.h>
#include <limits.h>

#include "kvm_test_harness.h"
#include "dmabuf_exporter.h"

#define BUF_PAGES	32
#define BUF_SIZE	(BUF_PAGES * PAGE_SIZE)
#define SLOT_SIZE	(16 * PAGE_SIZE)

/* File descriptors that a test may pass as dmabuf_fd. */
enum fd_kind {
	FD_DMABUF,
	FD_CLOSED,
	FD_NEGATIVE,
	FD_HUGE,
	FD_PATH,
	FD_REGULAR,
	FD_DIRECTORY,
	FD_MEMFD,
	FD_EVENTFD,
	FD_PIPE,
	FD_KVM,
	FD_VM,
	FD_GUEST_MEMFD,
	FD_UDMABUF_DEVICE,
	FD_SGT_ONLY,
	FD_SGT_ONLY_RDONLY,
	FD_SGT_ONLY_WRONLY,
};

/* What is wrong with a region that would otherwise be fine. */
struct spoil {
	int err;
	enum fd_kind fd;
	u32 slot;
	u32 flags;
	s64 gpa;
	s64 size;
	s64 offset;
	u64 hva;
	unsigned int pad;	/* word of pad2, counted from 1 */
};

static void spoil_region(struct kvm_userspace_memory_region2 *region,
			 const struct spoil *spoil)
{
	region->slot += spoil->slot;
	region->flags |= spoil->flags;
	region->guest_phys_addr += spoil->gpa;
	region->memory_size += spoil->size;
	region->dmabuf_offset += spoil->offset;
	if (spoil->hva)
		region->userspace_addr = spoil->hva;
	if (spoil->pad)
		region->pad2[spoil->pad - 1] = 1ULL << (spoil->pad * 4);
}

/* A buffer without the KVM mapping type. */
static int sgt_only_buf(unsigned int fd_flags)
{
	struct dma_buf_test_create args = {
		.size = BUF_SIZE,
		.flags = DMA_BUF_TEST_SGT_ONLY,
		.fd_flags = fd_flags,
	};
	int dev = open("/dev/dma_buf_test", O_RDWR | O_CLOEXEC);
	int r;

	if (dev < 0)
		return -1;
	r = ioctl(dev, DMA_BUF_TEST_CREATE, &args);
	TEST_ASSERT(!r, "DMA_BUF_TEST_CREATE failed, errno %d", errno);
	close(dev);
	return args.fd;
}

static int spoil_fd(struct kvm_vm *vm, const struct dmabuf *buf, enum fd_kind kind)
{
	int fds[2];

	switch (kind) {
	case FD_DMABUF:
		return buf->fd;
	case FD_CLOSED:
		fds[0] = kvm_dup(buf->fd);
		close(fds[0]);
		return fds[0];
	case FD_NEGATIVE:
		return -1;
	case FD_HUGE:
		return INT_MAX;
	case FD_PATH:
		return open("/proc/self/exe", O_PATH);
	case FD_REGULAR:
		return open("/proc/self/exe", O_RDONLY);
	case FD_DIRECTORY:
		return open("/", O_RDONLY | O_DIRECTORY);
	case FD_MEMFD:
		return buf->memfd;
	case FD_EVENTFD:
		return kvm_new_eventfd();
	case FD_PIPE:
		TEST_ASSERT(!pipe(fds), "pipe() failed");
		return fds[1];
	case FD_KVM:
		return vm->kvm_fd;
	case FD_VM:
		return vm->fd;
	case FD_GUEST_MEMFD:
		return vm_create_guest_memfd(vm, BUF_SIZE, 0);
	case FD_UDMABUF_DEVICE:
		return open("/dev/udmabuf", O_RDWR);
	case FD_SGT_ONLY:
		return sgt_only_buf(O_RDWR);
	case FD_SGT_ONLY_RDONLY:
		return sgt_only_buf(O_RDONLY);
	case FD_SGT_ONLY_WRONLY:
		return sgt_only_buf(O_WRONLY);
	}
	return -1;
}

struct refused {
	struct kvm_vm *vm;
	struct kvm_userspace_memory_region2 region;
	int err;
	int wrong;
};

static void try_refused(void *arg)
{
	struct refused *refused = arg;
	int r = __dmabuf_set_slot(refused->vm, &refused->region);

	if (!r || errno != refused->err)
		refused->wrong = r ? errno : -1;
	errno = 0;
}

/*
 * Each way to get it wrong: the error, again and again without a trace in the
 * slab caches, no reference or attachment kept, and the slot still free.
 */
FIXTURE(refuse)
{
	struct kvm_vm *vm;
	struct dmabuf buf;
};

FIXTURE_VARIANT(refuse)
{
	struct spoil spoil;
};

FIXTURE_SETUP(refuse)
{
	self->vm = vm_create_barebones();
	dmabuf_create(&self->buf, BUF_SIZE, 0);
}

FIXTURE_TEARDOWN(refuse)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

TEST_F(refuse, region)
{
	const struct spoil *spoil = &variant->spoil;
	struct dmabuf_info before, after;
	struct refused refused = { .vm = self->vm, .err = spoil->err };
	struct kvm_userspace_memory_region2 good;
	const char *leak;

	good = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SLOT_SIZE,
			     self->buf.mem);
	refused.region = good;
	refused.region.dmabuf_fd = spoil_fd(self->vm, &self->buf, spoil->fd);
	if (spoil->fd >= FD_SGT_ONLY && (int)refused.region.dmabuf_fd < 0)
		SKIP(return, "no /dev/dma_buf_test (CONFIG_DMABUF_TEST)");
	spoil_region(&refused.region, spoil);

	ASSERT_TRUE(dmabuf_info(self->buf.ino, &before));
	ASSERT_EQ(-1, __dmabuf_set_slot(self->vm, &refused.region));
	ASSERT_EQ(spoil->err, errno);
	errno = 0;

	leak = dmabuf_leak(try_refused, &refused);
	EXPECT_EQ(0, refused.wrong);
	EXPECT_EQ(NULL, leak)
		TH_LOG("each call leaves an object in %s", leak);

	ASSERT_TRUE(dmabuf_info(self->buf.ino, &after));
	EXPECT_EQ(before.refs, after.refs);
	EXPECT_EQ(0, after.attachments);

	ASSERT_EQ(0, __dmabuf_set_slot(self->vm, &good));
}

FIXTURE_VARIANT_ADD(refuse, flag_log_dirty) { { EINVAL, .flags = KVM_MEM_LOG_DIRTY_PAGES } };
FIXTURE_VARIANT_ADD(refuse, flag_log_dirty_readonly) {
	{ EINVAL, .flags = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY }
};

FIXTURE_VARIANT_ADD(refuse, flag_guest_memfd) { { EOPNOTSUPP, .flags = KVM_MEM_GUEST_MEMFD } };
FIXTURE_VARIANT_ADD(refuse, flag_guest_memfd_log_dirty) {
	{ EINVAL, .flags = KVM_MEM_GUEST_MEMFD | KVM_MEM_LOG_DIRTY_PAGES }
};

FIXTURE_VARIANT_ADD(refuse, flag_unknown_lowest) { { EINVAL, .flags = KVM_MEM_DMABUF << 1 } };
FIXTURE_VARIANT_ADD(refuse, flag_unknown_highest) { { EINVAL, .flags = 1U << 31 } };

FIXTURE_VARIANT_ADD(refuse, offset_one_byte) { { EINVAL, .offset = 1 } };
FIXTURE_VARIANT_ADD(refuse, offset_half_page) { { EINVAL, .offset = PAGE_SIZE / 2 } };
FIXTURE_VARIANT_ADD(refuse, offset_last_byte_of_page) { { EINVAL, .offset = PAGE_SIZE - 1 } };
FIXTURE_VARIANT_ADD(refuse, slice_one_page_too_far) {
	{ EINVAL, .offset = BUF_SIZE - SLOT_SIZE + PAGE_SIZE }
};

FIXTURE_VARIANT_ADD(refuse, slice_at_the_end) { { EINVAL, .offset = BUF_SIZE } };
FIXTURE_VARIANT_ADD(refuse, slice_behind_the_end) { { EINVAL, .offset = 2 * BUF_SIZE } };
FIXTURE_VARIANT_ADD(refuse, slice_one_page_too_long) {
	{ EINVAL, .size = BUF_SIZE - SLOT_SIZE + PAGE_SIZE }
};

FIXTURE_VARIANT_ADD(refuse, slice_wraps_to_zero) { { EINVAL, .offset = -(s64)SLOT_SIZE } };
FIXTURE_VARIANT_ADD(refuse, slice_wraps_into_the_buffer) { { EINVAL, .offset = -(s64)PAGE_SIZE } };
FIXTURE_VARIANT_ADD(refuse, slice_offset_sign_bit) { { EINVAL, .offset = LLONG_MIN } };

FIXTURE_VARIANT_ADD(refuse, size_one_byte_more) { { EINVAL, .size = 1 } };
FIXTURE_VARIANT_ADD(refuse, size_one_byte_less) { { EINVAL, .size = -1 } };
FIXTURE_VARIANT_ADD(refuse, size_zero_without_slot) { { EINVAL, .size = -(s64)SLOT_SIZE } };
FIXTURE_VARIANT_ADD(refuse, size_beyond_any_slot) { { EINVAL, .size = 1LL << 44 } };
FIXTURE_VARIANT_ADD(refuse, gpa_one_byte) { { EINVAL, .gpa = 1 } };
FIXTURE_VARIANT_ADD(refuse, gpa_half_page) { { EINVAL, .gpa = PAGE_SIZE / 2 } };
FIXTURE_VARIANT_ADD(refuse, gpa_wraps) { { EINVAL, .gpa = -(s64)(DMABUF_GPA + PAGE_SIZE) } };
/* Refused by the arch, when the buffer is bound already. */
FIXTURE_VARIANT_ADD(refuse, gpa_too_high) { { EINVAL, .gpa = 1LL << 52 } };
FIXTURE_VARIANT_ADD(refuse, slot_too_high) { { EINVAL, .slot = 0x8000 } };
FIXTURE_VARIANT_ADD(refuse, address_space_too_high) { { EINVAL, .slot = 2U << 16 } };

FIXTURE_VARIANT_ADD(refuse, hva_misaligned) { { EINVAL, .hva = 0x10000001 } };
FIXTURE_VARIANT_ADD(refuse, hva_of_the_kernel) { { EINVAL, .hva = 1ULL << 63 } };
FIXTURE_VARIANT_ADD(refuse, hva_end_of_address_space) { { EINVAL, .hva = -(u64)PAGE_SIZE } };

FIXTURE_VARIANT_ADD(refuse, pad2_word_0) { { EINVAL, .pad = 1 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_1) { { EINVAL, .pad = 2 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_2) { { EINVAL, .pad = 3 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_3) { { EINVAL, .pad = 4 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_4) { { EINVAL, .pad = 5 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_5) { { EINVAL, .pad = 6 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_6) { { EINVAL, .pad = 7 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_7) { { EINVAL, .pad = 8 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_8) { { EINVAL, .pad = 9 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_9) { { EINVAL, .pad = 10 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_10) { { EINVAL, .pad = 11 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_11) { { EINVAL, .pad = 12 } };
FIXTURE_VARIANT_ADD(refuse, pad2_word_12) { { EINVAL, .pad = 13 } };

FIXTURE_VARIANT_ADD(refuse, fd_closed) { { EBADF, .fd = FD_CLOSED } };
FIXTURE_VARIANT_ADD(refuse, fd_negative) { { EBADF, .fd = FD_NEGATIVE } };
FIXTURE_VARIANT_ADD(refuse, fd_huge) { { EBADF, .fd = FD_HUGE } };
FIXTURE_VARIANT_ADD(refuse, fd_path) { { EBADF, .fd = FD_PATH } };
FIXTURE_VARIANT_ADD(refuse, fd_regular_file) { { EINVAL, .fd = FD_REGULAR } };
FIXTURE_VARIANT_ADD(refuse, fd_directory) { { EINVAL, .fd = FD_DIRECTORY } };
FIXTURE_VARIANT_ADD(refuse, fd_memfd) { { EINVAL, .fd = FD_MEMFD } };
FIXTURE_VARIANT_ADD(refuse, fd_eventfd) { { EINVAL, .fd = FD_EVENTFD } };
FIXTURE_VARIANT_ADD(refuse, fd_pipe) { { EINVAL, .fd = FD_PIPE } };
FIXTURE_VARIANT_ADD(refuse, fd_kvm) { { EINVAL, .fd = FD_KVM } };
FIXTURE_VARIANT_ADD(refuse, fd_vm) { { EINVAL, .fd = FD_VM } };
FIXTURE_VARIANT_ADD(refuse, fd_guest_memfd) { { EINVAL, .fd = FD_GUEST_MEMFD } };
FIXTURE_VARIANT_ADD(refuse, fd_udmabuf_device) { { EINVAL, .fd = FD_UDMABUF_DEVICE } };

/* An exporter that offers SGT alone. What the caller may do is checked before that. */
FIXTURE_VARIANT_ADD(refuse, sgt_only) { { EOPNOTSUPP, .fd = FD_SGT_ONLY } };
FIXTURE_VARIANT_ADD(refuse, sgt_only_readonly_slot) {
	{ EOPNOTSUPP, .fd = FD_SGT_ONLY, .flags = KVM_MEM_READONLY }
};

FIXTURE_VARIANT_ADD(refuse, sgt_only_rdonly) { { EACCES, .fd = FD_SGT_ONLY_RDONLY } };
FIXTURE_VARIANT_ADD(refuse, sgt_only_rdonly_readonly_slot) {
	{ EOPNOTSUPP, .fd = FD_SGT_ONLY_RDONLY, .flags = KVM_MEM_READONLY }
};

FIXTURE_VARIANT_ADD(refuse, sgt_only_wronly) { { EACCES, .fd = FD_SGT_ONLY_WRONLY } };
FIXTURE_VARIANT_ADD(refuse, sgt_only_wronly_readonly_slot) {
	{ EACCES, .fd = FD_SGT_ONLY_WRONLY, .flags = KVM_MEM_READONLY }
};

/* Changes of memslots that exist. */
FIXTURE(memslot)
{
	struct kvm_vm *vm;
	struct dmabuf buf;
	struct kvm_userspace_memory_region2 region;
	struct kvm_userspace_memory_region2 normal;
};

FIXTURE_SETUP(memslot)
{
	self->vm = vm_create_barebones();
	dmabuf_create(&self->buf, BUF_SIZE, 0);
	self->region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0,
				     SLOT_SIZE, self->buf.mem);
	self->normal = self->region;
	self->normal.flags = 0;
	self->normal.dmabuf_fd = 0;
	self->normal.userspace_addr =
		(u64)kvm_mmap(SLOT_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

FIXTURE_TEARDOWN(memslot)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

#define ASSERT_SET(_region)						\
	ASSERT_EQ(0, __dmabuf_set_slot(self->vm, &(_region)))

#define ASSERT_SET_ERR(_err, _region)					\
do {									\
	struct kvm_userspace_memory_region2 __region = (_region);	\
									\
	errno = 0;							\
	ASSERT_EQ(-1, __dmabuf_set_slot(self->vm, &__region));		\
	ASSERT_EQ(_err, errno);						\
	errno = 0;							\
} while (0)

static unsigned int nr_bound(const struct dmabuf *buf)
{
	struct dmabuf_info info;

	return dmabuf_info(buf->ino, &info) ? info.kvm : 0;
}

static int caps_expected(int readonly_mem)
{
	return KVM_DMABUF_CAP_MEMSLOT | KVM_DMABUF_CAP_NO_HVA |
	       KVM_DMABUF_CAP_GUEST_MEMFD | KVM_DMABUF_CAP_PRIVATE |
	       (readonly_mem ? KVM_DMABUF_CAP_READONLY : 0) |
	       (kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY) ? KVM_DMABUF_CAP_PRE_FAULT : 0);
}

TEST(capability_of_system)
{
	EXPECT_EQ(caps_expected(kvm_check_cap(KVM_CAP_READONLY_MEM)),
		  kvm_check_cap(KVM_CAP_DMABUF));
}

TEST(capability_of_vm)
{
	struct kvm_vm *vm = vm_create_barebones();

	EXPECT_EQ(caps_expected(vm_check_cap(vm, KVM_CAP_READONLY_MEM)),
		  vm_check_cap(vm, KVM_CAP_DMABUF));
	kvm_vm_free(vm);
}

TEST(capability_follows_tdp)
{
	EXPECT_EQ(kvm_is_tdp_enabled(),
		  !!(kvm_check_cap(KVM_CAP_DMABUF) & KVM_DMABUF_CAP_PRE_FAULT));
}

TEST(capability_cannot_be_enabled)
{
	struct kvm_vm *vm = vm_create_barebones();

	EXPECT_EQ(-1, __vm_enable_cap(vm, KVM_CAP_DMABUF, 0));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	kvm_vm_free(vm);
}

TEST(layout_of_region)
{
	EXPECT_EQ(44, offsetof(struct kvm_userspace_memory_region2, dmabuf_fd));
	EXPECT_EQ(48, offsetof(struct kvm_userspace_memory_region2, dmabuf_offset));
	EXPECT_EQ(160, sizeof(struct kvm_userspace_memory_region2));
}

TEST_F(memslot, add_and_delete)
{
	ASSERT_SET(self->region);
	EXPECT_EQ(1, nr_bound(&self->buf));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(0, nr_bound(&self->buf));
}

TEST_F(memslot, whole_buffer)
{
	self->region.memory_size = BUF_SIZE;
	ASSERT_SET(self->region);
}

TEST_F(memslot, last_page)
{
	self->region.memory_size = PAGE_SIZE;
	self->region.dmabuf_offset = BUF_SIZE - PAGE_SIZE;
	ASSERT_SET(self->region);
}

TEST_F(memslot, every_page_a_slot)
{
	for (int i = 0; i < BUF_PAGES; i++) {
		self->region.slot = DMABUF_SLOT + i;
		self->region.memory_size = PAGE_SIZE;
		self->region.dmabuf_offset = i * PAGE_SIZE;
		self->region.guest_phys_addr = DMABUF_GPA + i * PAGE_SIZE;
		ASSERT_SET(self->region);
	}
	EXPECT_EQ(BUF_PAGES, nr_bound(&self->buf));
}

TEST_F(memslot, without_hva)
{
	self->region.userspace_addr = 0;
	ASSERT_SET(self->region);
}

TEST_F(memslot, readonly)
{
	self->region.flags |= KVM_MEM_READONLY;
	ASSERT_SET(self->region);
}

TEST_F(memslot, fd_may_be_closed)
{
	ASSERT_SET(self->region);
	dmabuf_free(&self->buf);
	EXPECT_EQ(1, nr_bound(&self->buf));
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_TRUE(dmabuf_wait_gone(self->buf.ino));
}

TEST_F(memslot, dup_of_fd)
{
	int fd = kvm_dup(self->buf.fd);

	self->region.dmabuf_fd = fd;
	ASSERT_SET(self->region);
	close(fd);
}

TEST_F(memslot, two_vms)
{
	struct kvm_vm *vm = vm_create_barebones();

	ASSERT_SET(self->region);
	ASSERT_EQ(0, __dmabuf_set_slot(vm, &self->region));
	EXPECT_EQ(2, nr_bound(&self->buf));
	kvm_vm_free(vm);
	EXPECT_EQ(1, nr_bound(&self->buf));
}

TEST_F(memslot, two_address_spaces)
{
	struct kvm_userspace_memory_region2 other = self->region;

	if (vm_check_cap(self->vm, KVM_CAP_MULTI_ADDRESS_SPACE) < 2)
		SKIP(return, "one address space only (CONFIG_KVM_SMM)");

	other.slot |= 1U << 16;
	other.dmabuf_offset = SLOT_SIZE;
	ASSERT_SET(self->region);
	ASSERT_SET(other);
	EXPECT_EQ(2, nr_bound(&self->buf));

	dmabuf_delete_slot(self->vm, other.slot);
	EXPECT_EQ(1, nr_bound(&self->buf));
	ASSERT_SET_ERR(EINVAL, self->region);
	ASSERT_SET(other);
	dmabuf_delete_slot(self->vm, DMABUF_SLOT);
	EXPECT_EQ(1, nr_bound(&self->buf));
}

/* Overlap of guest physical ranges, from every side. */
static const struct {
	s64 gpa, size;
} overlaps[] = {
	{ 0, 0 },
	{ PAGE_SIZE, -2 * (s64)PAGE_SIZE },
	{ -(s64)PAGE_SIZE, 2 * PAGE_SIZE },
	{ SLOT_SIZE - PAGE_SIZE, 0 },
	{ -(s64)SLOT_SIZE + PAGE_SIZE, 0 },
};

#define ASSERT_OVERLAPS(_other)						\
	for (int i = 0; i < ARRAY_SIZE(overlaps); i++) {		\
		struct kvm_userspace_memory_region2 other = (_other);	\
									\
		other.slot++;						\
		other.guest_phys_addr += overlaps[i].gpa;		\
		other.memory_size += overlaps[i].size;			\
		ASSERT_SET_ERR(EEXIST, other);				\
	}

TEST_F(memslot, overlap_with_dmabuf_slot)
{
	ASSERT_SET(self->region);
	ASSERT_OVERLAPS(self->region);
	EXPECT_EQ(1, nr_bound(&self->buf));
}

TEST_F(memslot, overlap_with_normal_slot)
{
	ASSERT_SET(self->normal);
	ASSERT_OVERLAPS(self->region);
	EXPECT_EQ(0, nr_bound(&self->buf));
}

TEST_F(memslot, overlap_of_normal_slot)
{
	ASSERT_SET(self->region);
	ASSERT_OVERLAPS(self->normal);
}

TEST_F(memslot, neighbours)
{
	ASSERT_SET(self->region);
	self->region.slot++;
	self->region.guest_phys_addr += SLOT_SIZE;
	ASSERT_SET(self->region);
	self->normal.slot += 2;
	self->normal.guest_phys_addr -= SLOT_SIZE;
	ASSERT_SET(self->normal);
}

/* A dma-buf slot can be deleted, nothing else. It survives all attempts. */
FIXTURE(immutable)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct dmabuf buf;
};

FIXTURE_VARIANT(immutable)
{
	struct spoil spoil;
	u32 clear_flags;
};

FIXTURE_SETUP(immutable)
{
	self->vm = dmabuf_vm_create(1, &self->vcpu);
	dmabuf_create(&self->buf, BUF_SIZE, 0);
}

FIXTURE_TEARDOWN(immutable)
{
	dmabuf_free(&self->buf);
	kvm_vm_free(self->vm);
}

TEST_F(immutable, slot)
{
	struct kvm_userspace_memory_region2 region, changed;

	dmabuf_fill(self->buf.mem, BUF_SIZE, 0, 1);
	region = dmabuf_region(&self->buf, DMABUF_SLOT, DMABUF_GPA, 0, SLOT_SIZE,
			       self->buf.mem);
	ASSERT_SET(region);
	ASSERT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA,
					  SLOT_SIZE / 2, 0, 1));

	changed = region;
	spoil_region(&changed, &variant->spoil);
	changed.flags &= ~variant->clear_flags;
	ASSERT_SET_ERR(variant->spoil.err, changed);

	EXPECT_EQ(1, nr_bound(&self->buf));
	EXPECT_EQ(DMABUF_OK, dmabuf_guest(self->vcpu, DMABUF_OP_READ, DMABUF_GPA,
					  SLOT_SIZE, 0, 1));
}

FIXTURE_VARIANT_ADD(immutable, move_up) { { EINVAL, .gpa = PAGE_SIZE } };
FIXTURE_VARIANT_ADD(immutable, move_far) { { EINVAL, .gpa = SZ_1G } };
FIXTURE_VARIANT_ADD(immutable, become_readonly) { { EINVAL, .flags = KVM_MEM_READONLY } };
FIXTURE_VARIANT_ADD(immutable, log_dirty_pages) { { EINVAL, .flags = KVM_MEM_LOG_DIRTY_PAGES } };
FIXTURE_VARIANT_ADD(immutable, log_dirty_pages_without_flag) {
	{ EINVAL, .flags = KVM_MEM_LOG_DIRTY_PAGES }, .clear_flags = KVM_MEM_DMABUF
};

FIXTURE_VARIANT_ADD(immutable, same_again) { { EINVAL, .gpa = 0 } };
FIXTURE_VARIANT_ADD(immutable, other_offset) { { EINVAL, .offset = PAGE_SIZE } };
FIXTURE_VARIANT_ADD(immutable, other_hva) { { EINVAL, .hva = 0x10000000 } };
FIXTURE_VARIANT_ADD(immutable, grow) { { EINVAL, .size = PAGE_SIZE } };
FIXTURE_VARIANT_ADD(immutable, shrink) { { EINVAL, .size = -(s64)PAGE_SIZE } };
FIXTURE_VARIANT_ADD(immutable, become_normal) {
	{ EINVAL, .gpa = 0 }, .clear_flags = KVM_MEM_DMABUF
};

FIXTURE_VARIANT_ADD(immutable, become_normal_and_move) {
	{ EINVAL, .gpa = SLOT_SIZE }, .clear_flags = KVM_MEM_DMABUF
};

TEST_F(memslot, normal_slot_cannot_become_dmabuf)
{
	ASSERT_SET(self->normal);
	self->region.userspace_addr = self->normal.userspace_addr;
	ASSERT_SET_ERR(EINVAL, self->region);
	EXPECT_EQ(0, nr_bound(&self->buf));
}

TEST_F(memslot, delete_between_kinds)
{
	for (int i = 0; i < 3; i++) {
		ASSERT_SET(self->normal);
		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		ASSERT_SET(self->region);
		EXPECT_EQ(1, nr_bound(&self->buf));
		dmabuf_delete_slot(self->vm, DMABUF_SLOT);
		EXPECT_EQ(0, nr_bound(&self->buf));
	}
}

/* Reserved and new fields count only with the flag; old callers pass garbage. */
static void fill_with_garbage(struct kvm_userspace_memory_region2 *region)
{
	region->dmabuf_fd = 0xdeadbeef;
	region->dmabuf_offset = 0xdeadbeefdeadbeef;
	memset(region->pad2, 0xa5, sizeof(region->pad2));
}

TEST_F(memslot, garbage_without_flag)
{
	fill_with_garbage(&self->normal);
	ASSERT_SET(self->normal);
	self->normal.guest_phys_addr += SZ_1M;
	ASSERT_SET(self->normal);
	self->normal.flags = KVM_MEM_LOG_DIRTY_PAGES;
	ASSERT_SET(self->normal);
}

TEST_F(memslot, delete_with_garbage)
{
	struct kvm_userspace_memory_region2 del = { .slot = DMABUF_SLOT };

	ASSERT_SET(self->region);
	fill_with_garbage(&del);
	ASSERT_SET(del);
	EXPECT_EQ(0, nr_bound(&self->buf));
}

TEST_F(memslot, delete_with_flag_and_garbage)
{
	struct kvm_userspace_memory_region2 del = {
		.slot = DMABUF_SLOT,
		.flags = KVM_MEM_DMABUF,
	};

	ASSERT_SET(self->region);
	fill_with_garbage(&del);
	ASSERT_SET(del);
	EXPECT_EQ(0, nr_bound(&self->buf));
}

TEST_F(memslot, delete_twice)
{
	struct kvm_userspace_memory_region2 del = { .slot = DMABUF_SLOT };

	ASSERT_SET(self->region);
	ASSERT_SET(del);
	ASSERT_SET_ERR(EINVAL, del);
}

TEST_F(memslot, old_ioctl_refuses_flag)
{
	EXPECT_EQ(-1, __vm_set_user_memory_region(self->vm, DMABUF_SLOT, KVM_MEM_DMABUF,
						  DMABUF_GPA, SLOT_SIZE, self->buf.mem));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, __vm_set_user_memory_region(self->vm, DMABUF_SLOT,
						  KVM_MEM_DMABUF | KVM_MEM_READONLY,
						  DMABUF_GPA, SLOT_SIZE, self->buf.mem));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
}

TEST_F(memslot, old_ioctl_deletes)
{
	ASSERT_SET(self->region);
	ASSERT_EQ(0, __vm_set_user_memory_region(self->vm, DMABUF_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, nr_bound(&self->buf));
}

TEST_F(memslot, old_ioctl_does_not_change)
{
	ASSERT_SET(self->region);
	EXPECT_EQ(-1, __vm_set_user_memory_region(self->vm, DMABUF_SLOT, 0, DMABUF_GPA,
						  SLOT_SIZE, self->buf.mem));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(1, nr_bound(&self->buf));
}

TEST_F(memslot, no_dirty_log)
{
	unsigned long bitmap[BUF_PAGES / 8] = {};
	struct kvm_dirty_log log = { .slot = DMABUF_SLOT, .dirty_bitmap = bitmap };

	ASSERT_SET(self->region);
	EXPECT_EQ(-1, __vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(ENOENT, errno);
	errno = 0;
}

TEST_F(memslot, vm_with_private_memory)
{
	struct kvm_vm *vm;

	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM)))
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");

	vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	EXPECT_EQ(caps_expected(vm_check_cap(vm, KVM_CAP_READONLY_MEM)),
		  vm_check_cap(vm, KVM_CAP_DMABUF));
	EXPECT_EQ(0, __dmabuf_set_slot(vm, &self->region));
	EXPECT_EQ(1, nr_bound(&self->buf));
	kvm_vm_free(vm);
	EXPECT_EQ(0, nr_bound(&self->buf));
}

/* A file that is no dma-buf: no reference to it is kept. */
TEST_F(memslot, no_reference_to_other_file)
{
	int fds[2];
	char c;

	ASSERT_EQ(0, pipe(fds));
	self->region.dmabuf_fd = fds[1];
	ASSERT_SET_ERR(EINVAL, self->region);
	close(fds[1]);
	EXPECT_EQ(0, read(fds[0], &c, 1));
}

struct cycle {
	struct kvm_vm *vm;
	struct kvm_userspace_memory_region2 region, second;
	int wrong;
};

static void cycle_slot(void *arg)
{
	struct kvm_userspace_memory_region2 del = { .slot = DMABUF_SLOT };
	struct cycle *cycle = arg;

	cycle->wrong += !!__dmabuf_set_slot(cycle->vm, &cycle->region);
	if (cycle->second.memory_size)
		cycle->wrong += !__dmabuf_set_slot(cycle->vm, &cycle->second);
	cycle->wrong += !!__dmabuf_set_slot(cycle->vm, &del);
}

TEST_F(memslot, add_and_delete_leak_nothing)
{
	struct cycle cycle = { .vm = self->vm, .region = self->region };
	struct dmabuf_info before, after;
	const char *leak;

	ASSERT_TRUE(dmabuf_info(self->buf.ino, &before));
	leak = dmabuf_leak(cycle_slot, &cycle);
	EXPECT_EQ(NULL, leak)
		TH_LOG("each round leaves an object in %s", leak);
	EXPECT_EQ(0, cycle.wrong);
	ASSERT_TRUE(dmabuf_info(self->buf.ino, &after));
	EXPECT_EQ(before.refs, after.refs);
}

TEST_F(memslot, refused_overlap_leaks_nothing)
{
	struct cycle cycle = { .vm = self->vm, .region = self->region,
			       .second = self->region };
	struct dmabuf_info before, after;
	const char *leak;

	cycle.second.slot++;
	ASSERT_TRUE(dmabuf_info(self->buf.ino, &before));
	leak = dmabuf_leak(cycle_slot, &cycle);
	EXPECT_EQ(NULL, leak)
		TH_LOG("each round leaves an object in %s", leak);
	EXPECT_EQ(0, cycle.wrong);
	ASSERT_TRUE(dmabuf_info(self->buf.ino, &after));
	EXPECT_EQ(before.refs, after.refs);
}

TEST_HARNESS_MAIN
