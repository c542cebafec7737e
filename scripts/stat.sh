#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How much there is: own lines by directory, kernel files that hooks touch, and
# changed lines per hook. A hook of more than 40 changed lines wants to be two;
# pure deletions do not count.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=hooklib.sh
. "$ROOT/scripts/hooklib.sh"

check_arch
LIMIT=40
cd "$ROOT"

echo 'own files and lines, by directory'
if [ -e .git ]; then
	git -c safe.directory="$ROOT" ls-files -co --exclude-standard
else
	find . -name build -prune -o -type f -printf '%P\n'
fi | grep -vE '^(hooks|vm/golden)/|^COPYING$' | sort -u | while IFS= read -r f; do
	[ ! -f "$f" ] || printf '%s %s\n' "$(dirname "$f")" "$(wc -l <"$f")"
done | awk '
	{ files[$1]++; lines[$1] += $2; f++; l += $2 }
	END {
		for (d in files)
			printf "  %-44s %4d %7d\n", d, files[d], lines[d] | "sort"
		close("sort")
		printf "  %-44s %4d %7d\n", "all", f, l
	}'

echo
echo 'hooks: changed lines (pure deletions do not count), added, deleted'
for hook in $(list_hooks); do
	(cd "$STATE" && git apply --numstat "$hook") |
		awk -v h="${hook##*/}" '{ a += $1; d += $2 } END { printf "  %-44s %4d   +%d -%d\n", h, a, a, d }'
done

echo
echo 'kernel files that hooks touch'
{
	for hook in $(list_hooks); do
		(cd "$STATE" && git apply --numstat "$hook")
	done
} | awk '
	{ if (!($3 in a)) n++; a[$3] += $1; d[$3] += $2; ta += $1; td += $2 }
	END {
		for (f in a)
			printf "  %-44s %4s   +%d -%d\n", f, "", a[f], d[f] | "sort"
		close("sort")
		printf "  %-44s %4d   +%d -%d\n", "all", n, ta, td
	}'

for hook in $(list_hooks); do
	n=$( (cd "$STATE" && git apply --numstat "$hook") | awk '{ a += $1 } END { print a + 0 }')
	[ "$n" -le $LIMIT ] || warn "hooks/${hook##*/} changes $n lines, more than $LIMIT: split it, or move code to a file of ours"
done
