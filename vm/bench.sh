#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots the benchmark twice, then what counts contention between CPUs, checks that
# all boots were clean, and has bench.py compare the first two, print the tables
# and write build/bench-<arch>.json.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch
unset T LIVE LONG

JSON=$ROOT/build/bench-$ARCH.json
RUNS=(bench-1 bench-2 bench-smp)

# Old figures must not be taken for new ones.
rm -f "$JSON"
for run in "${RUNS[@]}"; do
	rm -rf "${B:?}/results/$run"
done

for run in "${RUNS[@]}"; do
	step BENCH "boot ${run#bench-} of 1 2 smp"
	boot=bench
	[ "$run" != bench-smp ] || boot=bench-smp
	"$ROOT/vm/run.sh" "$boot" "$run"
	"$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$B/results" \
		"$run" >"$B/results/$run/verdict" || {
		cat "$B/results/$run/verdict" >&2
		die "the benchmark failed in boot ${run#bench-}, no figures were written"
	}
done
exec "$ROOT/vm/bench.py" --arch "$ARCH" --out "$JSON" --smp "$B/results/bench-smp" \
	"$B/results/bench-1" "$B/results/bench-2"
