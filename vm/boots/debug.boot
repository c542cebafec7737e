# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="on the debug kernel: the tests that take most locks, in part"
FLAVOUR=debug
MEM=2G
# The last is not for the kernel, which puts it into the environment of init.
CMDLINE="default_hugepagesz=2M hugepagesz=2M hugepages=64 kunit.enable=1 DMABUF_MOVES=400"
CMDLINE+=" memmap=4M\$0x38000000 dma_buf_test.mmio=0x38000000,0x400000"
TIMEOUT=220
JOBS="
kvm/dmabuf/dmabuf_memslot_test		30	kvm/dmabuf/dmabuf_memslot_test
kvm/dmabuf/dmabuf_lifetime_test-order	20	kvm/dmabuf/dmabuf_lifetime_test -f order
kvm/dmabuf/dmabuf_exporter_test		20	kvm/dmabuf/dmabuf_exporter_test
kvm/dmabuf/dmabuf_revoke_test-ranges	30	kvm/dmabuf/dmabuf_revoke_test -v ranges_4k
kvm/dmabuf/dmabuf_revoke_test-page	20	kvm/dmabuf/dmabuf_revoke_test -f page
kvm/dmabuf/dmabuf_move_test-parts	60	kvm/dmabuf/dmabuf_move_test -v parts_4k
kvm/dmabuf/dmabuf_race_test-move	20	kvm/dmabuf/dmabuf_race_test -v move_4k
kvm/dmabuf/dmabuf_race_test-revoke	20	kvm/dmabuf/dmabuf_race_test -v revoke_4k
kvm/dmabuf/dmabuf_fail_nth_test-attach	20	kvm/dmabuf/dmabuf_fail_nth_test -v attach
kvm/dmabuf/dmabuf_fail_nth_test-fill	20	kvm/dmabuf/dmabuf_fail_nth_test -v move_in_fill
iommu/iommufd_dmabuf_revoke		20	iommu/iommufd_dmabuf_revoke
iommu/iommufd_dmabuf_fail_nth		20	iommu/iommufd_dmabuf_fail_nth
kvm/dmabuf/dmabuf_gmem_race_test	60	kvm/dmabuf/dmabuf_gmem_race_test
kvm/dmabuf/dmabuf_gmem_state_test	60	kvm/dmabuf/dmabuf_gmem_state_test
kvm/dmabuf/dmabuf_private_test		30	kvm/dmabuf/dmabuf_private_test
kunit/dma-buf				20	/bin/kunit.sh dma-buf-mapping dma-buf-sink dma-buf-invalidate
kunit/samples				20	/bin/kunit.sh dma_buf_sample_*
"
