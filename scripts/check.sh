#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All checks that need no kernel build. A file that passed is not checked again
# until it, its checker or this script changes.
#
#   check.sh                    everything
#   check.sh run KIND [FILE...] one batch of one kind (used by the former)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
cd "$ROOT"
# What passed, by content: files in the cache, for all clones that check in the
# same way; what runs programs, in the build directory.
ID=$({
	cat scripts/check.sh "$TREE/scripts/checkpatch.pl" "$TREE/scripts/kernel-doc"
	shellcheck --version 2>/dev/null || true
} | sha256sum | cut -c1-16)
DIR=$CACHE/check/$ID
LOCAL=$B/check
CHECKPATCH=(scripts/checkpatch.pl --strict --quiet --no-summary --show-types --color=never --terse)

# Types that say nothing about our code:
#   FILE_PATH_CHANGES  MAINTAINERS is not ours to change
#   COMMIT_MESSAGE     a hook is not a mail, its text stands before the first hunk
IGNORE_HOOK=FILE_PATH_CHANGES,COMMIT_MESSAGE
# In user space there are no kernel types, attribute macros or negative errno, and
# volatile is for memory that is shared with a guest.
IGNORE_USER=PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE,AVOID_EXTERNS,ENOSYS,USE_NEGATIVE_ERRNO
# Tests have macros that make functions, as those of the KVM selftests, and names
# of files that are also names of functions.
IGNORE_TEST=$IGNORE_USER,COMPLEX_MACRO,MACRO_ARG_REUSE,MINMAX,EMBEDDED_FUNCTION_NAME
# What stands in for the kernel's headers has the kernel's names and forms.
IGNORE_SHIM=$IGNORE_TEST,NEW_TYPEDEFS,BIT_MACRO,MACRO_ARG_UNUSED,CAMELCASE,SIZEOF_ADDRESS

# A hook as the mail that checkpatch expects.
as_mail()
{
	awk 'NR == 1 { printf "Subject: [PATCH] %s\n\n", $0; next }
	     !diff && /^--- a\// { diff = 1; print "---\n" }
	     { print }' "$1"
}

run_checkpatch()
{
	local ignore=$1
	shift
	# From the tree, where paths are the kernel's and no git is around.
	(cd "$TREE" && "${CHECKPATCH[@]}" ${ignore:+--ignore "$ignore"} -f "$@")
}

run_one()
{
	local kind=$1 f to path heading code name pattern rc=0
	shift

	case $kind in
	kernel) run_checkpatch '' "$@" ;;
	user) run_checkpatch $IGNORE_USER "$@" ;;
	# TP_PROTO( and its like end a line.
	trace) run_checkpatch OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT "$@" ;;
	test) run_checkpatch $IGNORE_TEST "$@" ;;
	shim) run_checkpatch $IGNORE_SHIM "$@" ;;
	# Not in the tree: the way there and back.
	init) run_checkpatch $IGNORE_USER "${@/#/../../../}" ;;
	hook)
		for f in "$@"; do
			as_mail "$f" >"$LOCAL/${f##*/}"
			! grep -q '^TODO' "$f" || { echo "$f: describe it in its first lines"; rc=1; }
		done
		(cd "$TREE" && "${CHECKPATCH[@]}" --no-signoff --ignore $IGNORE_HOOK "${@/#hooks/$LOCAL}") |
			sed "s|^$LOCAL/|hooks/|" || rc=1
		return $rc
		;;
	kerneldoc) (cd "$TREE" && scripts/kernel-doc -none -Werror "$@") ;;
	shell)
		for f in "$@"; do
			bash -n "$f" || rc=1
		done
		# 1091, 2034, 2154: variables come from and go to sourced files.
		# 1007, 2054, 2100: "V= cmd", commas of QEMU's, minus signs in names.
		shellcheck -x -P SCRIPTDIR -S warning -e SC1091,SC2034,SC2154,SC1007,SC2054,SC2100 "$@" || rc=1
		return $rc
		;;
	python)
		python3 -c 'import ast, sys
for f in sys.argv[1:]:
    ast.parse(open(f).read(), f)' "$@"
		;;
	spdx)
		for f in "$@"; do
			head -n 3 "$f" | grep -q SPDX-License-Identifier || { echo "$f has no SPDX line"; rc=1; }
		done
		return $rc
		;;
	links)
		# [text](path#heading), as in GitHub's flavour of Markdown.
		for f in README.md docs/*.md; do
			while IFS='#' read -r path heading; do
				to=$f
				[ -z "$path" ] || to=${f%"${f##*/}"}$path
				if [ ! -e "$to" ]; then
					echo "$f: there is no $path"
					rc=1
				elif [ -n "$heading" ] && ! sed -n 's/^##* //p' "$to" | tr 'A-Z ' 'a-z-' |
						tr -dc 'a-z0-9_\n-' | grep -qxF -- "$heading"; then
					echo "$f: there is no heading #$heading in $to"
					rc=1
				fi
			done < <(grep -oE '\]\([^) ]+\)' "$f" | sed 's/^](//; s/)$//' | grep -vE '^[a-z]+:')
		done
		# Hooks, by their numbers.
		while IFS=: read -r f name; do
			compgen -G "hooks/$name-*.patch" >/dev/null || { echo "$f: there is no hook $name"; rc=1; }
		done < <(grep -oE '\b0[0-9]{3}\b' README.md docs/*.md | sort -u)
		# What docs/requirements.md names: fixture.case, or a word of our code.
		code=$(find arch drivers hooks include samples scripts tools virt vm -type f ! -name '*.log' -exec cat {} +)
		while IFS= read -r name; do
			case $name in
			make\ *) continue ;;
			*.*) pattern="TEST_F(_TIMEOUT)?\\(${name%.*}, ${name#*.}\\b" ;;
			*) pattern="\\b$name\\b" ;;
			esac
			grep -qE -e "$pattern" <<<"$code" || { echo "docs/requirements.md: nothing is named $name"; rc=1; }
		done < <(grep -oE '`[^`]+`' docs/requirements.md | tr -d '`' | sort -u)
		return $rc
		;;
	golden) make --no-print-directory golden </dev/null ;;
	host-tests)
		make -C tools/testing/dma-buf O="$B/host" CC='ccache gcc' V="$V" -j"$(jobs)" \
			--no-print-directory check </dev/null
		;;
	esac
}

# One batch: its output only if it fails.
if [ "${1:-}" = run ]; then
	kind=$2
	shift 2
	rc=0
	# Of what is checked, should it change meanwhile.
	[ $# = 0 ] || sums=$(sha256sum "$@")
	out=$(run_one "$kind" "$@" 2>&1) || rc=$?
	case $kind in
	golden | host-tests | links)
		printf '%s\n' "$out" >"$B/logs/$kind.log"
		if [ $rc = 0 ]; then
			mv "$LOCAL/$kind.key" "$LOCAL/$kind.ok"
			exit 0
		fi
		out="$(tail -n 20 <<<"$out")
(log: build/$ARCH/logs/$kind.log)"
		;;
	shell) ;;
	*)
		# These say nothing if all is well.
		[ -z "$out" ] || rc=1
		;;
	esac
	if [ $rc = 0 ]; then
		printf '%s\n' "$sums" >>"$DIR/$kind.ok"
		exit 0
	fi
	printf '%s:\n%s\n' "$kind" "$out" >&2
	exit 1
fi

make_dir "$DIR"
make_dir "$LOCAL"
make_dir "$B/logs"

if [ -e .git ]; then
	mapfile -t all < <(git -c safe.directory="$ROOT" ls-files -co --exclude-standard)
else
	mapfile -t all < <(find . -name build -prune -o -type f -printf '%P\n')
fi

select_files()
{
	printf '%s\n' "${all[@]}" | grep -E "$1" | while IFS= read -r f; do [ ! -e "$f" ] || echo "$f"; done || true
}

# Batches to run, one a line: KIND [FILE...].
work=()
what=()

# files KIND BATCH FILES-REGEX [BUT-NOT-REGEX]
files()
{
	local kind=$1 batch=$2 list
	touch "$DIR/$kind.ok"
	list=$(select_files "$3" | grep -vE "${4:-^$}") || true
	[ -n "$list" ] || return 0
	list=$(printf '%s\n' "$list" | xargs sha256sum | sort | comm -23 - <(sort -u "$DIR/$kind.ok") | cut -c67-)
	[ -n "$list" ] || return 0
	what+=("$kind $(wc -l <<<"$list")")
	mapfile -t -O ${#work[@]} work < <(xargs -n "$batch" echo "$kind" <<<"$list")
}

# program KIND INPUT-REGEX: run it unless it passed with these inputs.
program()
{
	{
		select_files "$2" | xargs -r sha256sum
		cat "$STATE/base" "$STATE/hooks.sum"
		gcc --version
		echo "$ID"
	} | sha256sum >"$LOCAL/$1.key"
	! cmp -s "$LOCAL/$1.key" "$LOCAL/$1.ok" || return 0
	what+=("$1")
	work+=("$1")
}

# The longest first.
[ ! -e tools/testing/dma-buf/Makefile ] ||
	program host-tests '^(tools/testing/dma-buf|drivers|include|virt|arch)/'
[ ! -e vm/vm.mk ] || program golden '^vm/'
# Any file may be what a link leads to.
program links .
files test 8 '^tools/testing/.*\.[chS]$' '^tools/testing/dma-buf/include/'
files user 15 '^samples/.*\.[chS]$' '^samples/dma-buf/'
files kernel 8 '^(arch|drivers|include|samples/dma-buf|virt)/.*\.[chS]$' '^include/trace/'
files trace 8 '^include/trace/.*\.h$'
files shim 20 '^tools/testing/dma-buf/include/.*\.h$'
files init 6 '^vm/.*\.[chS]$'
files hook 20 '^hooks/.*\.patch$'
files kerneldoc 20 '^(arch|drivers|include|samples/dma-buf|virt)/.*\.[ch]$'
files shell 10 '(\.sh|^\.ci/run)$' '^vm/golden/'
files python 20 '\.py$'
files spdx 200 '(\.(sh|py|mk|config|boot)|^\.ci/run|Makefile|\.pin)$'

if [ ${#work[@]} = 0 ]; then
	step CHECK "passed, nothing changed since"
	exit 0
fi
printf -v list '%s, ' "${what[@]}"
step CHECK "${list%, }"
t0=$SECONDS
printf '%s\n' "${work[@]}" | xargs -P "$(jobs)" -L 1 "$0" run || die "make check failed, see above"
step CHECK "passed, $((SECONDS - t0)) s"
