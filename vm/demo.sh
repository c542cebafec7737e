#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots the demo and shows what the sample VMM prints. The last line is
# "demo: PASS" or "demo: FAIL: <why>" whatever happens, the exit status agrees.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch
unset T
take_lock "$K/results/demo.lock"

if ! LIVE=1 "$ROOT/vm/run.sh" demo; then
	echo "demo: FAIL: the VM could not be started"
	exit 1
fi
exec "$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$K/results" --demo demo
