#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds sparse into the cache and prints its path. The kernel wants 0.6.5 or
# newer, which Debian's stable suites do not have; its source comes from sid,
# with apt checking the signatures.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

WANT=0.6.5~rc1-2
LEAST=0.6.5~
DIR=$CACHE/tools/sparse
BIN=$DIR/sparse

if [ -x "$BIN" ]; then
	echo "$BIN"
	exit 0
fi
{
	take_lock "$CACHE/sparse.lock"
	[ ! -x "$BIN" ] || { echo "$BIN" >&3; exit 0; }
	step SPARSE "$WANT from Debian's source package"
	work=$CACHE/tools/sparse.tmp
	rm -rf "$work"
	make_dir "$work"
	trap 'rm -rf "$work"' EXIT
	apt_private "$work" deb-src sid ||
		die "apt could not read the source packages of sid ($(apt_reason "$work")): check the network, or put a sparse >= 0.6.5 at $BIN"
	cd "$work"
	if ! "${APT[@]}" source --download-only "sparse=$WANT" >>log 2>&1; then
		version=$(apt-cache "${APT[@]:2}" showsrc sparse 2>/dev/null | sed -n 's/^Version: //p' | sort -V | tail -n 1)
		[ -n "$version" ] && dpkg --compare-versions "$version" ge "$LEAST" ||
			die "sid has no sparse >= 0.6.5 any more (it has ${version:-none}): put one at $BIN"
		"${APT[@]}" source --download-only "sparse=$version" >>log 2>&1 ||
			die "apt could not download the source of sparse $version ($(apt_reason "$work")): check the network"
	fi
	dpkg-source --no-check -x sparse_*.dsc src >>log 2>&1 || die "the source of sparse does not unpack: $(tail -n 1 log)"
	# Just the checker; the tools around it want libraries.
	make -C src -j"$(jobs)" HAVE_LLVM=no HAVE_SQLITE=no HAVE_LIBXML=no HAVE_GTK=no \
		CC='gcc' sparse >>log 2>&1 || { tail -n 5 log; die "sparse does not build"; }
	mkdir -p "$DIR"
	cp src/sparse "$BIN.tmp"
	mv "$BIN.tmp" "$BIN"
} 3>&1 >&2
echo "$BIN"
