#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs the staged kernel's UAPI headers to build/<arch>/headers/include, for
# the selftests and the sample VMM. Files that stay the same keep their time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
LOG=$B/logs/headers.log

# All UAPI headers of the tree that can have changed: those newer than the tree.
key=$({
	cat "$STATE/base"
	cd "$TREE"
	find -L include/uapi include/linux arch/x86/include/uapi -name '*.h' -newer "$STATE/stamp" \
		-path '*uapi*' -printf '%p %T@ %s\n' | sort
} | sha256sum)
if [ "$(cat "$KHDR/key" 2>/dev/null)" = "$key" ]; then
	exit 0
fi
step HEADERS "${KHDR#"$ROOT"/}"
run_logged HEADERS "$LOG" '^  (HDRINST|GEN)' 0 kbuild headers || log_die "$LOG" "the UAPI headers cannot be installed"
make_dir "$KHDR/include"
rsync -rc --delete --include='*/' --include='*.h' --exclude='*' "$KOUT/usr/include/" "$KHDR/include/"
echo "$key" >"$KHDR/key"
