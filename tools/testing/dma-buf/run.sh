#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh DIR PROGRAM...: runs test programs that were built in DIR. Prints a line
# for each and what failed; with CMOCKA_MESSAGE_OUTPUT=TAP, KTAP with a subtest for
# each. What a program printed stays in DIR/PROGRAM.tap.
set -euo pipefail

dir=$1
shift
tap=
[ "${CMOCKA_MESSAGE_OUTPUT:-}" != TAP ] || tap=1
[ -z "$tap" ] || printf 'KTAP version 1\n1..%d\n' $#
nr=0
failed=0
total=0

for program in "$@"; do
	nr=$((nr + 1))
	log=$dir/$program.tap
	result=ok
	# In a file, as nobody would read the rest of a pipe once it crashed.
	CMOCKA_MESSAGE_OUTPUT=TAP "$dir/$program" >"$log" 2>"$log.err" </dev/null || result='not ok'
	passed=$(grep -c '^ok ' "$log" || true)
	total=$((total + passed))
	# Whatever went wrong, the plan has to be reached.
	grep -qx "1\.\.$passed" "$log" || result='not ok'
	[ "$result" = ok ] || failed=1
	sed 's/^/# /' "$log.err" >>"$log"
	rm -f "$log.err"

	if [ -n "$tap" ]; then
		printf '  KTAP version 1\n  # Subtest: %s\n' "$program"
		sed 's/^\(1\.\.\|ok \|not ok \|#\)/  \1/; t; s/^/  # /' "$log"
		echo "$result $nr $program"
	elif [ "$result" = ok ]; then
		printf '%s: %d tests passed\n' "$program" "$passed"
	else
		printf '%s: FAILED, run it alone: %s\n' "$program" "$dir/$program"
		grep -v '^ok \|^1\.\.' "$log" | head -n 40
	fi
done

if [ -n "$tap" ]; then
	echo "# exit $failed"
elif [ $failed = 0 ]; then
	echo "$total tests passed"
fi
exit $failed
