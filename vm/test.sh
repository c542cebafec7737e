#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh BOOT...: host unit tests, then the boots, then the verdict on all. A
# boot that cannot be started does not keep the others from running; it has no
# results then, which the judge calls a failure. One that was killed ends it all.
# FLAVOUR=debug: all boots on the debug kernel.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch
unset T LIVE LONG
take_lock "$K/results/test.lock"

# Old results must not be taken for new ones.
for name in host "$@"; do
	rm -rf "${K:?}/results/$name"
done

"$ROOT/vm/host.sh" || warn "the host unit tests could not be run"
for boot in "$@"; do
	"$ROOT/vm/run.sh" "$boot" || [ $? -lt 128 ] || exit 1
done
exec "$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$K/results" host "$@"
