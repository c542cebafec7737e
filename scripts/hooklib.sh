# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What stage.sh and hooks.sh share about hooks/*.patch: sourced after lib.sh.

# Neither the user's git configuration nor the repository around us has a say in
# how a hook applies.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES=$STATE:$ROOT

# All hooks, in the order in which they apply.
list_hooks()
{
	local h

	for h in "$ROOT"/hooks/*.patch; do
		[ ! -e "$h" ] || echo "$h"
	done
}

# hook_paths FILE: the files it changes.
hook_paths()
{
	local out

	out=$(cd "$STATE" && git apply --numstat -p1 "$1" 2>&1) ||
		die "hooks/${1##*/} is not a patch: ${out#error: }"
	printf '%s\n' "$out" | cut -f3 | awk '!seen[$0]++'
}

base_version()
{
	make -s -C "$PRISTINE" kernelversion 2>/dev/null || basename "$(dirname "$(readlink "$PRISTINE")")"
}

# apply_hook FILE DIR [git-apply option...]: no fuzz, all files or none. On
# failure prints the first place that does not fit.
apply_hook()
{
	local hook=$1 dir=$2 err
	shift 2

	err=$(cd "$dir" && git apply -p1 --whitespace=nowarn "$@" "$hook" 2>&1) && return
	printf '%s\n' "$err" | sed -n 's/^error: patch failed: //p; t q; s/^error: //p; :q' | head -n 1
	return 1
}

# apply_all DIR: copies what the hooks touch from the pristine source to DIR and
# applies them all.
apply_all()
{
	local dir=$1 hook paths path where

	rm -rf "$dir"
	mkdir -p "$dir"
	for hook in $(list_hooks); do
		paths=$(hook_paths "$hook")
		for path in $paths; do
			[ -f "$PRISTINE/$path" ] ||
				die "hooks/${hook##*/} touches $path, which linux $(base_version) does not have; a new file goes to its kernel path in this repository"
			if [ ! -e "$dir/$path" ]; then
				mkdir -p "$dir/${path%/*}"
				cp --preserve=mode "$PRISTINE/$path" "$dir/$path"
			fi
		done
		where=$(apply_hook "$hook" "$dir") ||
			die "hooks/${hook##*/} does not fit $where of linux $(base_version): correct that hunk in the hook"
	done
}

# Files below DIR, relative to it.
files_in()
{
	[ ! -d "$1" ] || (cd "$1" && find . -type f -printf '%P\n' | sort)
}

# Every clone builds from the source in the cache: it must be as unpacked. An edit
# of it is newer.
check_pristine()
{
	local src bad

	src=$(dirname "$(readlink "$PRISTINE")")
	[ -e "$src/unpacked" ] || return 0
	bad=$(cd "$src/linux" && find . -type f -newer "$src/unpacked" -printf '%P\n' -quit)
	[ -z "$bad" ] ||
		die "$bad was edited in the cache, which all clones share (the place to edit is build/$ARCH/tree); save the edit elsewhere, then: rm -rf '$src' && make stage"
}
