# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="the sample VMM boots Linux on a dma-buf (make demo)"
MEM=3G
CMDLINE="hugepagesz=2M hugepages=192"
TIMEOUT=180
JOBS="
demo	150	/vmm/demo.sh
"
