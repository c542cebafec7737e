#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes build/<arch>/tree: a copy of the pristine kernel source, hooks/*.patch
# applied to it without fuzz, our own files as symbolic links.
#
# Hooks are applied in a scratch directory and only files whose content differs
# are moved into the tree, so kbuild rebuilds what changed and nothing else, and a
# hook that does not fit leaves the tree as it was. What was applied stays in
# $STATE/applied, to tell edits that no hook holds yet.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=hooklib.sh
. "$ROOT/scripts/hooklib.sh"

check_arch
# Kernel paths that own files may have.
OWN_DIRS=(Documentation arch drivers include samples tools virt)

# Own files: what git tracks or would track.
list_own()
{
	cd "$ROOT"
	{
		if [ -e .git ]; then
			git -c safe.directory="$ROOT" ls-files -co --exclude-standard -- "${OWN_DIRS[@]}"
		else
			find "${OWN_DIRS[@]}" -type f ! -name '.*' ! -name '*~' ! -name '*.o' ! -name '*.d' 2>/dev/null || true
		fi
	} | sort -u | while IFS= read -r f; do
		[ ! -f "$f" ] || printf '%s\n' "$f"
	done
}

# has_edits PATH: the tree's file is not what stage.sh put there.
has_edits()
{
	local was=$STATE/applied/$1

	[ -e "$was" ] || was=$PRISTINE/$1
	[ -e "$TREE/$1" ] && ! cmp -s "$TREE/$1" "$was"
}

make_tree()
{
	local base f

	# The same place in the cache may have been unpacked anew.
	base="copy of $(readlink "$PRISTINE") $(stat -L -c %i "$PRISTINE/Makefile")"
	if [ -d "$TREE" ] && [ "$(cat "$STATE/base" 2>/dev/null)" = "$base" ]; then
		return
	fi
	for f in $(files_in "$STATE/applied"); do
		! has_edits "$f" ||
			die "build/$ARCH/tree/$f has edits that no hook holds, and the base kernel changed; make hooks-save, or make hooks-revert F=$f"
	done
	check_pristine
	# Not under the feet of a build.
	for f in "$B" "$B"-*/; do
		[ ! -d "$f" ] || take_lock "${f%/}/kernel.lock"
	done
	step TREE "${TREE#"$ROOT"/}"
	# The new source is older than what was built from the old one.
	rm -rf "$TREE" "$TREE.tmp" "$STATE" "$KOUT" "$KHDR" "$B"/{config,selftests,selftests-obj,vmm,host,lint,users} "$B"-*/{kernel,config}
	mkdir -p "$STATE"
	need_space "$B" 2200 "a copy of the kernel source"
	# No hard links: an edit in place would reach the cache, and all other trees.
	cp -a --reflink=auto "$PRISTINE/." "$TREE.tmp" ||
		die "cannot copy the kernel source to $TREE.tmp; is the disk full?"
	mv "$TREE.tmp" "$TREE"
	touch "$STATE/stamp"
	echo "$base" >"$STATE/base"
}

stage_hooks()
{
	local new=$STATE/applied.new sum f n=0

	sum=$({
		list_hooks
		# shellcheck disable=SC2046
		cat $(list_hooks) </dev/null
	} | sha256sum)
	[ "$(cat "$STATE/hooks.sum" 2>/dev/null)" != "$sum" ] || return 0

	check_pristine
	apply_all "$new"
	for f in $( { files_in "$new"; files_in "$STATE/applied"; } | sort -u); do
		# Would this overwrite an edit?
		if has_edits "$f" && ! cmp -s "$new/$f" "$STATE/applied/$f" && ! cmp -s "$new/$f" "$TREE/$f"; then
			die "build/$ARCH/tree/$f has edits that no hook holds; make hooks-save, or make hooks-revert F=$f"
		fi
	done
	for f in $(files_in "$new"); do
		# As it should be, or edited on top of what has not changed.
		! cmp -s "$new/$f" "$TREE/$f" || continue
		! cmp -s "$new/$f" "$STATE/applied/$f" || continue
		cp --preserve=mode "$new/$f" "$TREE/$f.tmp~"
		mv -f "$TREE/$f.tmp~" "$TREE/$f"
		n=$((n + 1))
	done
	for f in $(files_in "$STATE/applied"); do
		[ ! -e "$new/$f" ] || continue
		# It must be newer than what was built from it.
		cp --preserve=mode "$PRISTINE/$f" "$TREE/$f.tmp~"
		mv -f "$TREE/$f.tmp~" "$TREE/$f"
		n=$((n + 1))
	done
	rm -rf "$STATE/applied"
	mv "$new" "$STATE/applied"
	echo "$sum" >"$STATE/hooks.sum"
	[ $n = 0 ] || step HOOKS "$(list_hooks | wc -l) hooks, $n files of the kernel changed"
}

# The way from the directory of FILE in the tree up to the repository.
up_from()
{
	local rest=$1 up=../../..

	while [[ $rest == */* ]]; do
		up=$up/..
		rest=${rest#*/}
	done
	printf '%s' "$up"
}

stage_own()
{
	local own=$STATE/own.new f n=0

	list_own >"$own"
	while IFS= read -r f; do
		if [ -L "$TREE/$f" ]; then
			[ "$TREE/$f" -ef "$ROOT/$f" ] && continue
		elif [ -e "$PRISTINE/$f" ]; then
			die "$f exists in the kernel: change it with a hook (make hooks-edit F=$f), not with a file of our own"
		fi
		mkdir -p "$TREE/${f%/*}"
		rm -rf "${TREE:?}/$f"
		ln -s "$(up_from "$f")/$f" "$TREE/$f"
		n=$((n + 1))
	done <"$own"
	# What is ours no longer.
	if [ -e "$STATE/own" ] && ! cmp -s "$own" "$STATE/own"; then
		while IFS= read -r f; do
			[ -L "$TREE/$f" ] || continue
			rm -f "$TREE/$f"
			(cd "$TREE" && rmdir -p --ignore-fail-on-non-empty "${f%/*}")
			n=$((n + 1))
		done < <(comm -13 "$own" "$STATE/own")
	fi
	cmp -s "$own" "$STATE/own" || cp "$own" "$STATE/own"
	[ $n = 0 ] || step OWN "$(wc -l <"$own") files of ours, $n links changed"
}

[ -e "$PRISTINE/Makefile" ] || die "there is no kernel source yet: make fetch"
take_lock "$B/stage.lock"
make_tree
stage_hooks
stage_own
