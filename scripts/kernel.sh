#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the staged kernel into build/<arch>/kernel. kbuild decides what there is
# to do; ccache makes the first build of a fresh clone cheap.
#
#   kernel.sh [target...]     default: bzImage
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
# Objects of a build from nothing, for the progress line.
OBJECTS=1770
LOG=$B/logs/kernel.log

take_lock "$B/kernel.lock"

hint=0
if [ ! -e "$KOUT/vmlinux" ]; then
	need_space "$B" 1500 "the kernel build"
	step KERNEL "first build: 6 minutes on two cores, less with a warm ccache"
	hint=$OBJECTS
fi
before=$(stat -c %Y "$KOUT/arch/x86/boot/bzImage" 2>/dev/null || echo 0)
t0=$SECONDS
run_logged KERNEL "$LOG" '^  (CC|AS|LD|AR|HOSTCC)' $hint kbuild "${@:-bzImage}" ||
	log_die "$LOG" "the kernel does not build"
after=$(stat -c %Y "$KOUT/arch/x86/boot/bzImage" 2>/dev/null || echo 0)
[ "$before" = "$after" ] || step KERNEL "${KOUT#"$ROOT"/}/arch/x86/boot/bzImage, $((SECONDS - t0)) s"
