# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="guest_memfd as an exporter; not part of make test, see docs/guest-memfd.md"
MEM=5G
CMDLINE="default_hugepagesz=2M hugepagesz=2M hugepages=64"
TIMEOUT=900
JOBS="
kvm/dmabuf/dmabuf_gmem_export_test	120	kvm/dmabuf/dmabuf_gmem_export_test
kvm/dmabuf/dmabuf_gmem_fail_nth_test	120	kvm/dmabuf/dmabuf_gmem_fail_nth_test
kvm/dmabuf/dmabuf_gmem_iommufd_test	120	kvm/dmabuf/dmabuf_gmem_iommufd_test
kvm/dmabuf/dmabuf_gmem_race_test	120	kvm/dmabuf/dmabuf_gmem_race_test
kvm/dmabuf/dmabuf_gmem_state_test	120	kvm/dmabuf/dmabuf_gmem_state_test
kvm/dmabuf/dmabuf_gmem_uring_test	120	kvm/dmabuf/dmabuf_gmem_uring_test
"
