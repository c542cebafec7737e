# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="does a guest run inside a VM under the host's KVM? (vm/probe-accel.sh)"
TIMEOUT=60
JOBS="
kvm/set_memory_region_test	40	kvm/set_memory_region_test
"
