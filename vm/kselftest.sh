#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kselftest.sh T BOOT...: runs the jobs that match T, KTAP on stdout, verdict on
# stderr. T is the name of a job, its last part, or a glob; "dmabuf" stands for
# kvm/dmabuf/*. The first boot that has such a job runs them; "BOOT/..." names it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch

T=${1:-}
shift || true
BOOTS=("$@")

if [ -n "$T" ] && [ -r "$ROOT/vm/boots/${T%%/*}.boot" ]; then
	BOOTS=("${T%%/*}")
	T=${T#"${T%%/*}"}
	T=${T#/}
	T=${T:-*}
fi
[ "$T" != dmabuf ] || T='kvm/dmabuf/*'
export T

first=
for boot in "${BOOTS[@]}"; do
	if [ -n "$T" ] && [ -z "$first" ] && [ -n "$("$ROOT/vm/run.sh" --jobs "$boot")" ]; then
		first=$boot
	fi
done
if [ -z "$first" ]; then
	names=$(unset T; for boot in "${BOOTS[@]}"; do "$ROOT/vm/run.sh" --jobs "$boot"; done |
		cut -d' ' -f1 | sort -u | tr '\n' ' ')
	die "no test matches T=$T; name one of: dmabuf $names"
fi

# All have one place for their results.
take_lock "$K/results/kselftest.lock"
"$ROOT/vm/run.sh" "$first" kselftest
cat "$K/results/kselftest/result.log"
exec "$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$K/results" \
	--stderr kselftest
