#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# sparse (C=2) and gcc's W=1 on our objects and on those whose source our hooks
# change. A warning fails if it is in a file of ours or on a line that a hook
# adds: the rest of a hooked file is the kernel's. Has a build directory of its
# own, because W=1 changes every object.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"
# shellcheck source-path=SCRIPTDIR source=hooklib.sh
. "$ROOT/scripts/hooklib.sh"

check_arch
OUT=$B/lint
LOG=$B/logs/lint.log

take_lock "$B/lint.lock"
sparse=$("$ROOT/scripts/sparse.sh")

# The object of a source file, by the name kbuild has for it: KVM's generic part
# is built from the architecture's directory.
object_of()
{
	case $1 in
	virt/kvm/*.c) echo "arch/x86/kvm/../../../${1%.c}.o" ;;
	virt/*.c | arch/*.c | drivers/*.c | samples/dma-buf/*.c) echo "${1%.c}.o" ;;
	esac
}

hooked=$(files_in "$STATE/applied")
own=$(grep -E '^(arch|drivers|include|samples/dma-buf|virt)/' "$STATE/own" || true)
mapfile -t objects < <(for f in $own $hooked; do object_of "$f"; done | sort -u)
[ ${#objects[@]} -gt 0 ] || { step LINT "nothing to look at: no files of ours, no hooks"; exit 0; }

# What counts: "FILE:LINE" of every line that a hook adds.
lines_of_hooks()
{
	local f
	for f in $hooked; do
		diff -U0 "$PRISTINE/$f" "$TREE/$f" | awk -v f="$f" '
			/^@@/ {
				split($3, a, ",")
				n = length(a) > 1 && a[2] != "" ? a[2] : 1
				for (i = 0; i < n; i++)
					print f ":" substr(a[1], 2) + i
			}' || true
	done
}

# Warnings become errors for what counts only, see below.
make_dir "$OUT"
if ! cmp -s "$KOUT/.config" "$OUT/config.from"; then
	cp "$KOUT/.config" "$OUT/.config"
	"$TREE/scripts/config" --file "$OUT/.config" --disable WERROR --disable KVM_WERROR
	lint_kbuild() { KOUT=$OUT kbuild "$@"; }
	run_logged LINT "$B/logs/lint-config.log" . 0 lint_kbuild olddefconfig ||
		log_die "$B/logs/lint-config.log" "kconfig failed"
	cp "$KOUT/.config" "$OUT/config.from"
fi

t0=$SECONDS
step LINT "${#objects[@]} objects"
# gcc says it again only if it runs again.
[ ! -d "$OUT/arch/x86/kvm" ] || (cd "$OUT" && rm -f "${objects[@]}")
lint() { KOUT=$OUT kbuild C=2 W=1 CHECK="$sparse" "${objects[@]}"; }
run_logged LINT "$LOG" '^  (CC|CHECK)' 0 lint || log_die "$LOG" "our objects do not build with W=1"

! grep -q 'C=2 specified, but' "$LOG" || die "kbuild refuses $sparse: remove it, then make lint builds it anew"
checked=$(grep -c '^  CHECK ' "$LOG" || true)
[ "$V" != 0 ] || [ "$checked" -ge ${#objects[@]} ] ||
	die "only $checked of ${#objects[@]} objects were checked: is a source file of ours in no Makefile? (log: ${LOG#"$ROOT"/})"

# Paths as the kernel has them, "a/../" taken out.
bad=$(sed -e "s|^$TREE/||" -e 's|^\.\./tree/||' -e ':a' -e 's|^\(.*/\)\{0,1\}[^/.][^/]*/\.\./|\1|' -e 'ta' "$LOG" |
	{ grep -E '^[^ :]+:[0-9]+:.*(warning|error)' || true; } | sort -u |
	awk -F: 'FILENAME == ARGV[1] { own[$0]; next } FILENAME == ARGV[2] { line[$0]; next }
		 ($1 in own) || (($1 ":" $2) in line)' <(printf '%s\n' "$own") <(lines_of_hooks) -)
if [ -n "$bad" ]; then
	printf '%s\n' "$bad" >&2
	die "make lint found $(wc -l <<<"$bad") warnings (log: ${LOG#"$ROOT"/})"
fi
step LINT "passed, $((SECONDS - t0)) s"
