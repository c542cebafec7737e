#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes build/<arch>/kernel/.config from vm/config/{base,<arch>,kunit}.config on top
# of allnoconfig, and checks that every symbol they ask for is in the result. Does
# nothing if the fragments, Kconfig and the compiler are as before. FLAVOUR=name:
# the same with vm/config/<name>.config on top, which has the last word.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

check_arch
[ "$FLAVOUR" != stock ] || stock_tree
FRAGMENTS=("$ROOT/vm/config/base.config" "$ROOT/vm/config/$ARCH.config" "$ROOT/vm/config/kunit.config")
[ -z "$FLAVOUR" ] || FRAGMENTS+=("$ROOT/vm/config/$FLAVOUR_CONFIG.config")
# Configured beside the kernel's output, so that a failure leaves that alone.
WORK=$K/config

key=$({
	cat "${FRAGMENTS[@]}" "$ROOT/kernel.pin" "$0"
	cat "$STATE/hooks.sum" "$STATE/base" 2>/dev/null || true
	find "$ROOT/drivers" "$ROOT/samples" "$ROOT/virt" -name 'Kconfig*' -exec cat {} + 2>/dev/null || true
	gcc --version
} | sha256sum)
if [ -e "$KOUT/.config" ] && [ "$(cat "$WORK/key" 2>/dev/null)" = "$key" ]; then
	exit 0
fi

step CONFIG "$(printf ' + %s' "${FRAGMENTS[@]#"$ROOT"/}" | cut -c4-)"
make_dir "$WORK"
make_dir "$KOUT"
(cd "$TREE" && CC='ccache gcc' HOSTCC='ccache gcc' KCONFIG_CONFIG='' \
	scripts/kconfig/merge_config.sh -n -O "$WORK" "${FRAGMENTS[@]}") >"$WORK/log" 2>&1 </dev/null ||
	log_die "$WORK/log" "kconfig failed"

missing=$(awk '
	FNR == NR {
		if (match($0, /^CONFIG_[A-Za-z0-9_]+=/)) {
			want[substr($0, 1, RLENGTH - 1)] = substr($0, RLENGTH + 1)
		} else if ($0 ~ /^# CONFIG_[A-Za-z0-9_]+ is not set$/)
			want[$2] = "n"
		next
	}
	match($0, /^CONFIG_[A-Za-z0-9_]+=/) {
		got[substr($0, 1, RLENGTH - 1)] = substr($0, RLENGTH + 1)
	}
	END {
		for (s in want) {
			g = s in got ? got[s] : "n"
			if (g != want[s])
				printf "%s=%s (is %s) ", s, want[s], g
		}
	}' <(cat "${FRAGMENTS[@]}") "$WORK/.config")
[ -z "$missing" ] ||
	die "kconfig did not take: ${missing% }; fix vm/config/ or add what these depend on"

# kbuild looks at what changed inside, but an equal file need not be touched.
cmp -s "$WORK/.config" "$KOUT/.config" || cp "$WORK/.config" "$KOUT/.config"
echo "$key" >"$WORK/key"
