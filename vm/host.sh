#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the host unit tests as one more boot, "host": same job runner, same KTAP,
# same judge. cmocka speaks TAP.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch

OUT=$K/results/host
TIMEOUT=60

rm -rf "$OUT"
make_dir "$OUT"
make -s -C "$ROOT/tools/testing/dma-buf" O="$B/host" CC='ccache gcc' V="$V" \
	-j"$(jobs)" >"$OUT/console.log" 2>&1 || log_die "$OUT/console.log" "the host unit tests do not build"
for program in $(make -s -C "$ROOT/tools/testing/dma-buf" list); do
	echo "$program $TIMEOUT $B/host/$program"
done >"$OUT/jobs"
[ -s "$OUT/jobs" ] || die "tools/testing/dma-buf/Makefile names no programs"

start=$SECONDS
CMOCKA_MESSAGE_OUTPUT=TAP "$B/vm/init" "$OUT/jobs" >"$OUT/result.log" || true
printf '%s\n' boot=host "seconds=$((SECONDS - start))" >"$OUT/meta"
echo 0 >"$OUT/status"
