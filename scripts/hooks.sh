#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Work on hooks/*.patch as on ordinary code, in build/<arch>/tree:
#
#   hooks.sh list            what each hook touches
#   hooks.sh edit FILE       make FILE of the tree ready for editing
#   hooks.sh revert FILE     drop edits of FILE that no hook holds
#   hooks.sh save [NAME]     write all edits back to the hooks
#
# An edit goes to the last hook that touches its file. With NAME all edits go to
# hook NAME, which is made if it is new; where a later hook touches the same file
# the edit moves below it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=hooklib.sh
. "$ROOT/scripts/hooklib.sh"

check_arch

# tree_path FILE: as named in the kernel, whether given relative to the tree, to
# the repository or to the file system's root.
tree_path()
{
	local p=$1

	[ -n "$p" ] || die "no file named: make hooks-edit F=virt/kvm/kvm_main.c"
	p=${p#"$ROOT"/}
	p=${p#build/"$ARCH"/tree/}
	printf '%s' "${p#./}"
}

list()
{
	local hook

	for hook in $(list_hooks); do
		printf '%s\n' "${hook##*/}"
		(cd "$STATE" && git apply --numstat "$hook") | awk '{ printf "    +%-3s -%-3s %s\n", $1, $2, $3 }'
	done
}

edit()
{
	local f
	f=$(tree_path "$1")

	if [ -L "$TREE/$f" ]; then
		echo "$f is our own file, edit it in place" >&2
		echo "$ROOT/$f"
		return
	fi
	[ -f "$PRISTINE/$f" ] ||
		die "linux $(base_version) has no $f; a new file goes to its kernel path in this repository"
	chmod u+w "$TREE/$f"
	echo "$TREE/$f"
}

revert()
{
	local f src
	f=$(tree_path "$1")

	src=$STATE/applied/$f
	[ -e "$src" ] || src=$PRISTINE/$f
	[ -f "$src" ] || die "linux $(base_version) has no $f"
	cp --preserve=mode "$src" "$TREE/$f.tmp~"
	mv -f "$TREE/$f.tmp~" "$TREE/$f"
}

# emit DIR-BEFORE DIR-AFTER FILE...: hunks in a form that does not change from
# save to save.
emit()
{
	local old=$1 new=$2 f rc
	shift 2

	for f in "$@"; do
		! cmp -s "$old/$f" "$new/$f" || continue
		rc=0
		diff -U3 --label "a/$f" --label "b/$f" "$old/$f" "$new/$f" || rc=$?
		[ $rc -le 1 ] || die "diff of $f failed"
	done
}

# The text of a hook before its first hunk.
leading_text()
{
	sed '/^diff --git /,$d; /^--- a\//,$d' "$1"
}

save()
{
	local name=${1:-} work=$STATE/save hooks=() names=() edited=() files=() order=()
	local f h i j k n last where out

	name=${name##*/}
	name=${name%.patch}
	[ -z "$name" ] || [[ $name =~ ^[0-9]{4}-[a-z0-9-]+$ ]] ||
		die "HOOK=$name: a hook is named NNNN-topic, for example 0070-kvm-debugfs"
	[ -e "$STATE/hooks.sum" ] || die "nothing is staged yet: make stage"
	check_pristine

	# What differs from what is staged: files newer than the tree only.
	while IFS= read -r f; do
		[ -e "$PRISTINE/$f" ] || continue
		h=$STATE/applied/$f
		[ -e "$h" ] || h=$PRISTINE/$f
		cmp -s "$h" "$TREE/$f" || edited+=("$f")
	done < <(cd "$TREE" && find . -type f -newer "$STATE/stamp" ! -name '*~' ! -name '*.rej' \
			! -name '*.orig' -printf '%P\n' | sort)

	mapfile -t hooks < <(list_hooks)
	for h in "${hooks[@]}"; do
		names+=("$(basename "$h" .patch)")
	done
	if [ -n "$name" ] && [[ " ${names[*]} " != *" $name "* ]]; then
		[ ${#edited[@]} -gt 0 ] || die "HOOK=$name would be empty: nothing in the tree was edited"
		names+=("$name")
		mapfile -t names < <(printf '%s\n' "${names[@]}" | sort)
	fi
	n=${#names[@]}

	# The state after each hook as it is now: $work/0 is pristine, $work/N is staged.
	rm -rf "$work"
	mkdir -p "$work/0"
	{
		for h in "${hooks[@]}"; do
			hook_paths "$h"
		done
		[ ${#edited[@]} = 0 ] || printf '%s\n' "${edited[@]}"
	} | sort -u >"$work/files"
	mapfile -t files <"$work/files"
	for f in "${files[@]}"; do
		mkdir -p "$work/0/$(dirname "$f")"
		cp --preserve=mode "$PRISTINE/$f" "$work/0/$f"
	done
	for ((i = 1; i <= n; i++)); do
		cp -r "$work/$((i - 1))" "$work/$i"
		h=$ROOT/hooks/${names[i - 1]}.patch
		[ -e "$h" ] || continue
		where=$(apply_hook "$h" "$work/$i") ||
			die "hooks/${h##*/} does not fit $where: run make stage first"
	done

	# Put each edit below the hooks that follow the one it goes to.
	for f in "${edited[@]}"; do
		last=0
		for ((i = 1; i <= n; i++)); do
			if [ "${names[i - 1]}" = "$name" ] ||
			   { [ -z "$name" ] && ! cmp -s "$work/$((i - 1))/$f" "$work/$i/$f"; }; then
				last=$i
			fi
		done
		[ $last -gt 0 ] ||
			die "$f belongs to no hook yet: make hooks-save HOOK=NNNN-topic names one (or make hooks-revert F=$f)"
		mkdir -p "$work/edit"
		cp --preserve=mode "$TREE/$f" "$work/edit/file"
		for ((i = n; i >= last; i--)); do
			k=$work/$i/$f
			if [ $i -gt $last ] && ! cmp -s "$work/$((i - 1))/$f" "$k"; then
				# This later hook's part of f, taken out of the edited file.
				rm -rf "$work/below"
				mkdir -p "$work/below/$(dirname "$f")"
				cp "$work/edit/file" "$work/below/$f"
				emit "$work/$((i - 1))" "$work/$i" "$f" >"$work/part"
				where=$(apply_hook "$work/part" "$work/below" -R) ||
					die "the edit of $f overlaps hook ${names[i - 1]} ($where): save it there, without HOOK= or with HOOK=${names[i - 1]}"
				cp "$work/edit/file" "$k.new"
				cp "$work/below/$f" "$work/edit/file"
			else
				cp "$work/edit/file" "$k.new"
			fi
		done
		for ((i = n; i >= last; i--)); do
			mv "$work/$i/$f.new" "$work/$i/$f"
		done
	done

	# Write them, all or none.
	mkdir -p "$work/out" "$ROOT/hooks"
	for ((i = 1; i <= n; i++)); do
		h=$ROOT/hooks/${names[i - 1]}.patch
		out=$work/out/${names[i - 1]}.patch
		# In the order the hook has them, new ones last.
		[ ! -e "$h" ] || hook_paths "$h" >"$work/order"
		[ -e "$h" ] || : >"$work/order"
		mapfile -t order < <(awk '!seen[$0]++' "$work/order" "$work/files")
		emit "$work/$((i - 1))" "$work/$i" "${order[@]}" >"$work/part"
		[ -s "$work/part" ] || continue
		{
			if [ -e "$h" ]; then
				leading_text "$h"
			else
				printf 'TODO: say what %s changes and why.\n\n' "${names[i - 1]}"
			fi
			cat "$work/part"
		} >"$out"
	done
	for ((i = 1; i <= n; i++)); do
		h=$ROOT/hooks/${names[i - 1]}.patch
		out=$work/out/${names[i - 1]}.patch
		if [ ! -e "$out" ]; then
			[ ! -e "$h" ] || { rm "$h"; step DROP "hooks/${h##*/}, it was empty"; }
		elif ! cmp -s "$out" "$h"; then
			j=save
			[ -e "$h" ] || j=new
			cp "$out" "$h.tmp~"
			mv "$h.tmp~" "$h"
			step "${j^^}" "hooks/${h##*/}$([ $j = save ] || echo ', its first lines want a description')"
		fi
	done
	rm -rf "$work"
	# Nothing moves in the tree: it holds what the hooks now say.
	"$ROOT/scripts/stage.sh"
}

[ -d "$TREE" ] || die "nothing is staged yet: make stage"
case ${1:-} in
list) list ;;
edit) edit "${2:-}" ;;
revert) revert "${2:-}" ;;
save) save "${2:-}" ;;
*) die "usage: hooks.sh list|edit FILE|revert FILE|save [NAME]" ;;
esac
