# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="how often vCPUs wait for each other; the debug kernel counts"
FLAVOUR=debug
SMP=4
TIMEOUT=60
JOBS="
smp	50	kvm/dmabuf/dmabuf_smp_bench
"
