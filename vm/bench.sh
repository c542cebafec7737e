#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots the benchmark twice, then what counts contention between CPUs, then what also
# runs on the stock kernel (BARs, PUNCH_HOLE), with ours and with that one, checks that
# all boots were clean, and has bench.py compare them, print the tables and write
# build/bench-<arch>.json.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch
unset T LIVE LONG
take_lock "$K/results/bench.lock"

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

for flavour in '' stock; do
	step BENCH "BARs and PUNCH_HOLE, ${flavour:-our} kernel"
	results=$B${flavour:+-$flavour}/results
	rm -rf "${results:?}/bench-bar"
	FLAVOUR=$flavour "$ROOT/vm/run.sh" bench-bar
	"$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$results" \
		bench-bar >"$results/bench-bar/verdict" || {
		cat "$results/bench-bar/verdict" >&2
		die "the benchmark of BARs and PUNCH_HOLE failed with ${flavour:-our} kernel, no figures were written"
	}
done

exec "$ROOT/vm/bench.py" --arch "$ARCH" --out "$JSON" --smp "$B/results/bench-smp" \
	--bar "$B/results/bench-bar" --stock "$B-stock/results/bench-bar" \
	"$B/results/bench-1" "$B/results/bench-2"
