#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Puts the untouched source of the base kernel into the cache, as
# $CACHE/src/<id>/linux, and points build/<arch>/pristine at it.
#
# Where it comes from, in this order:
#   1. KERNEL_TARBALL=path, a linux-<SERIES>.y tarball that the user names;
#   2. the package version that kernel.pin names, checked against its SHA256;
#   3. the newest version of that series in the pinned suite. Whether the hooks
#      fit it is for stage.sh to find out.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

check_arch
# shellcheck source=../kernel.pin
. "$ROOT/kernel.pin"

SRC=$CACHE/src
# Download, tarball and unpacked source, with room to spare.
NEED_MIB=2600
OTHER_WAY="or name a linux-$SERIES.y tarball: make KERNEL_TARBALL=path"

work=''
cleanup()
{
	[ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

point_at()
{
	local old

	old=$(readlink "$PRISTINE" 2>/dev/null || true)
	[ "$old" != "$SRC/$1/linux" ] || return 0
	make_dir "$B"
	ln -sfn "$SRC/$1/linux" "$PRISTINE.tmp"
	mv -T "$PRISTINE.tmp" "$PRISTINE"
}

# The tar archive on stdin becomes $SRC/$1/linux, if it is of the right series.
unpack()
{
	local id=$1 name=$2 version

	step UNPACK "$name"
	mkdir -p "$work/src/linux"
	tar -x --no-same-owner --strip-components=1 -C "$work/src/linux" 2>"$work/tar.log" ||
		die "$name could not be unpacked ($(head -n 1 "$work/tar.log")): is the file damaged, or the disk full?"
	version=$(sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' "$work/src/linux/Makefile" 2>/dev/null |
		paste -sd.) || true
	[ -n "$version" ] || die "$name holds no Linux kernel source"
	[ "$version" = "$SERIES" ] ||
		die "$name is a kernel of series $version; the hooks are made for $SERIES.y"
	# What changes later than this was changed by accident.
	touch "$work/src/unpacked"
	mkdir -p "$SRC"
	rm -rf "${SRC:?}/$id"
	mv "$work/src" "$SRC/$id"
}

# Everything half-done lives in one directory that the next run clears.
begin()
{
	take_lock "$CACHE/fetch.lock"
	rm -rf "$CACHE"/fetch.tmp
	need_space "$CACHE" $NEED_MIB "the kernel source"
	work=$CACHE/fetch.tmp
	mkdir "$work" || die "cannot write to $CACHE; check its permissions (KDB_CACHE= moves the cache)"
}

from_tarball()
{
	local file=$1 id sum

	[ -f "$file" ] && [ -r "$file" ] || die "KERNEL_TARBALL=$file: no such readable file"
	# Size and time tell an unchanged file apart; its content names it.
	id=tarball-$(stat -L -c '%n %s %Y %i' "$file" | sha256sum | cut -c1-16)
	if [ -e "$SRC/$id/linux/Makefile" ]; then
		point_at "$id"
		return
	fi
	begin
	case $file in
	*.tar.xz | *.tar.gz | *.tar.zst | *.tar) ;;
	*) die "KERNEL_TARBALL=$file: expected a .tar.xz, .tar.gz, .tar.zst or .tar" ;;
	esac
	sum=$(tar -xaOf "$file" --occurrence=1 --wildcards '*/Makefile' --no-wildcards-match-slash 2>/dev/null |
		sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p; 5q' | paste -sd.) || true
	[ -z "$sum" ] || [ "$sum" = "$SERIES" ] ||
		die "KERNEL_TARBALL=$file is a kernel of series $sum; the hooks are made for $SERIES.y"
	case $file in
	*.xz) xz -dc -T0 <"$file" 2>/dev/null ;;
	*.gz) gzip -dc <"$file" 2>/dev/null ;;
	*.zst) zstd -qdc <"$file" 2>/dev/null ;;
	*) cat "$file" ;;
	esac | unpack "$id" "$file"
	point_at "$id"
}

# unpack_deb ID FILE
unpack_deb()
{
	dpkg-deb --fsys-tarfile "$2" | tar -xO "./usr/src/linux-source-$SERIES.tar.xz" |
		xz -dc -T0 2>/dev/null | unpack "$1" "linux-source-$SERIES ${1#*:}"
}

# download VERSION: into $work/archives; fails without a word.
download()
{
	(cd "$work/archives" && "${APT[@]}" download "$PACKAGE=$1") >>"$work/log" 2>&1
}

from_apt()
{
	local id=$VERSION-${SHA256:0:12} deb version sum

	if [ -e "$SRC/$id/linux/Makefile" ]; then
		point_at "$id"
		return
	fi
	# An earlier run found the pinned version gone and took a newer one.
	if [ -e "$SRC/instead-of-$id" ]; then
		version=$(readlink "$SRC/instead-of-$id")
		if [ -e "$SRC/$version/linux/Makefile" ]; then
			note "the pinned $VERSION is gone, using $version"
			point_at "$version"
			return
		fi
	fi
	begin
	# Another make may have fetched it while this one waited.
	if [ -e "$SRC/$id/linux/Makefile" ]; then
		point_at "$id"
		return
	fi
	step FETCH "$PACKAGE $VERSION, about 160 MiB, from $SUITE"
	apt_private "$work" deb "$SUITE" ||
		die "apt could not read suite $SUITE ($(apt_reason "$work")): check the network and apt's configuration, $OTHER_WAY"
	if download "$VERSION"; then
		deb=$(echo "$work"/archives/*.deb)
		sum=$(sha256sum "$deb" | cut -d' ' -f1)
		if [ "$sum" != "$SHA256" ]; then
			rm -f "$deb"
			die "$PACKAGE $VERSION has sha256 $sum, kernel.pin says $SHA256; the download was removed"
		fi
		unpack_deb "$id" "$deb"
		point_at "$id"
		return
	fi
	if "${APT[@]}" -s -o Debug::NoLocking=1 download "$PACKAGE=$VERSION" >/dev/null 2>&1; then
		die "apt could not download $PACKAGE $VERSION ($(apt_reason "$work")): check the network and try again, $OTHER_WAY"
	fi
	version=$(apt-cache "${APT[@]:2}" madison "$PACKAGE" 2>/dev/null | awk -F'|' 'NR == 1 { gsub(/ /, "", $2); print $2 }')
	[ -n "$version" ] || die "suite $SUITE has no $PACKAGE any more; name a linux-$SERIES.y tarball: make KERNEL_TARBALL=path"
	warn "the pinned $PACKAGE $VERSION is gone from $SUITE, trying $version"
	download "$version" || die "apt could not download $PACKAGE $version ($(apt_reason "$work")): check the network and try again, $OTHER_WAY"
	unpack_deb "$version" "$(echo "$work"/archives/*.deb)"
	ln -sfn "$version" "$SRC/instead-of-$id"
	point_at "$version"
}

if [ -n "${KERNEL_TARBALL:-}" ]; then
	from_tarball "$KERNEL_TARBALL"
else
	from_apt
fi
