# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="a shell on the serial console (make vm-shell)"
MEM=5G
CMDLINE="quiet default_hugepagesz=2M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64"
INTERACTIVE=1
JOBS="
shell	1	/bin/sh
"
