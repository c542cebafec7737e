#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kmemleak.sh: has the kernel look for memory that it allocated since it booted
# and has lost; prints what it found.
set -e
leaks=/sys/kernel/debug/kmemleak

# Reported is what two scans found unreachable and unchanged, the second one
# when it was 5 s old: what the last job left behind has to come of age.
echo scan >$leaks
sleep 6
echo scan >$leaks

cat $leaks
n=$(grep -c '^unreferenced' $leaks) || exit 0
echo "$n objects leaked"
exit 1
