#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots the benchmark twice, checks that both boots were clean, and has bench.py
# compare them, print the table and write build/bench-<arch>.json.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch
unset T LIVE

JSON=$ROOT/build/bench-$ARCH.json
RUNS=(bench-1 bench-2)

# Old figures must not be taken for new ones.
rm -f "$JSON"
for run in "${RUNS[@]}"; do
	rm -rf "${B:?}/results/$run"
done

for run in "${RUNS[@]}"; do
	step BENCH "boot ${run#bench-} of ${#RUNS[@]}"
	"$ROOT/vm/run.sh" bench "$run"
	"$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$B/results" \
		"$run" >"$B/results/$run/verdict" || {
		cat "$B/results/$run/verdict" >&2
		die "the benchmark failed in boot ${run#bench-}, no figures were written"
	}
done
exec "$ROOT/vm/bench.py" --arch "$ARCH" --out "$JSON" "${RUNS[@]/#/$B/results/}"
