#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit.sh PATTERN...: run the KUnit suites of this kernel that match, one after
# another, KTAP on stdout. A pattern without a suite is a failure.
dir=/sys/kernel/debug/kunit

cd $dir || { echo "no $dir: is kunit.enable=1 on the kernel command line?"; exit 1; }
suites=
for pattern in "$@"; do
	matches=$(find . -maxdepth 1 -type d -name "$pattern" | cut -c3- | sort)
	[ -n "$matches" ] || { echo "this kernel has no KUnit suite $pattern"; exit 1; }
	suites="$suites $matches"
done

failed=0
nr=0
echo "KTAP version 1"
echo "1..$(echo "$suites" | wc -w)"
for suite in $suites; do
	nr=$((nr + 1))
	echo 1 >"$suite/run" || failed=1
	# Each is a plan of one suite. Here it is one of many.
	sed -e 1,2d -e "s/^ok 1 /ok $nr /" -e "s/^not ok 1 /not ok $nr /" "$suite/results"
	! grep -q '^not ok' "$suite/results" || failed=1
done
exit $failed
