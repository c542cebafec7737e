#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Prints "kvm" if this machine's KVM runs a guest *inside* our VM, else "tcg".
# That /dev/kvm exists says little: only a nested guest that ran is believed.
# The answer is kept in build/<arch>/vm/accel until host kernel or QEMU change.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

CACHED=$B/vm/accel
KEY="$(uname -r) $(qemu-system-x86_64 --version | head -n 1)"

may_nest()
{
	local module

	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	grep -qwE 'vmx|svm' /proc/cpuinfo || return 1
	for module in kvm_intel kvm_amd; do
		grep -qs '[Y1]' "/sys/module/$module/parameters/nested" && return 0
	done
	return 1
}

nested_guest_ran()
{
	FLAVOUR= T= ACCEL=kvm "$ROOT/vm/run.sh" probe probe >/dev/null 2>&1 &&
		grep -qx '# exit 0' "$B/results/probe/result.log"
}

if [ -r "$CACHED" ] && [ "$(sed 1d "$CACHED")" = "$KEY" ]; then
	head -n 1 "$CACHED"
	exit
fi

accel=tcg
if may_nest && nested_guest_ran; then
	accel=kvm
fi
make_dir "$B/vm"
printf '%s\n' "$accel" "$KEY" >"$CACHED.tmp"
mv "$CACHED.tmp" "$CACHED"
echo "$accel"
