#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# modules.sh [-1] MODULE...: load each with what it depends on, unload all, the last
# one first, load them again and leave them. -1: load them once, for those that have
# no exit. KTAP on stdout.
rounds=3
[ "$1" != -1 ] || { rounds=1; shift; }
failed=0
nr=0
backwards=

result()
{
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then
		echo "ok $nr $2"
	else
		echo "not ok $nr $2"
		failed=1
	fi
}

echo "KTAP version 1"
echo "1..$((rounds * $#))"
for m in "$@"; do
	busybox modprobe "$m"
	result $? "load $m"
	backwards="$m $backwards"
done
[ $rounds != 1 ] || exit $failed
for m in $backwards; do
	# It complains of what the module depends on and others use: that may stay.
	busybox modprobe -r "$m"
	[ ! -e "/sys/module/$(echo "$m" | busybox tr - _)" ]
	result $? "unload $m"
done
for m in "$@"; do
	busybox modprobe "$m"
	result $? "load $m again"
done
exit $failed
