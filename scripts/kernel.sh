#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the staged kernel into build/<arch>/kernel, or build/<arch>-<name>/kernel
# with FLAVOUR=name. kbuild decides what there is to do; ccache makes the first
# build of a fresh clone cheap.
#
#   kernel.sh [target...]     default: bzImage
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
# A build from nothing: objects, for the progress line, and minutes.
OBJECTS=1770 MINUTES=6
[ -z "$FLAVOUR" ] || MINUTES=8
LOG=$K/logs/kernel.log

take_lock "$K/kernel.lock"

hint=0
if [ ! -e "$KOUT/vmlinux" ]; then
	need_space "$K" 1500 "the kernel build"
	step KERNEL "first build of the ${FLAVOUR:+$FLAVOUR }kernel: $MINUTES minutes on two cores, less with a warm ccache"
	hint=$OBJECTS
fi
before=$(stat -c %Y "$KOUT/arch/x86/boot/bzImage" 2>/dev/null || echo 0)
t0=$SECONDS
run_logged KERNEL "$LOG" '^  (CC|AS|LD|AR|HOSTCC)' $hint kbuild "${@:-bzImage}" ||
	log_die "$LOG" "the kernel does not build"
after=$(stat -c %Y "$KOUT/arch/x86/boot/bzImage" 2>/dev/null || echo 0)
[ "$before" = "$after" ] || step KERNEL "${KOUT#"$ROOT"/}/arch/x86/boot/bzImage, $((SECONDS - t0)) s"
