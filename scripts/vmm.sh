#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the sample VMM and the init of its guest into build/<arch>/vmm.
#
#   vmm.sh [commands]     commands: only print what would be run
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
LOG=$B/logs/vmm.log

vmm()
{
	make -C "$ROOT/samples/kvm/dmabuf-vmm" O="$B/vmm" KHDR="$KHDR" CC='ccache gcc' V="$V" -j"$(jobs)" "$@"
}

if [ "${1:-}" = commands ]; then
	vmm -nBw V=1
	exit 0
fi
run_logged VMM "$LOG" '^  (CC|LD)' 0 vmm --no-print-directory || log_die "$LOG" "the sample VMM does not build"
