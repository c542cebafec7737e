# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How this project calls kbuild: sourced after lib.sh by all that do, so that all
# use the same flags and share one ccache.

# Paths are hashed relative to the build directory, so that a clone elsewhere
# finds the same objects.
export CCACHE_DIR=$CACHE/ccache
export CCACHE_BASEDIR=${TREE%/tree}
export CCACHE_NOHASHDIR=1
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-4G}
unset CCACHE_DISABLE CCACHE_RECACHE CCACHE_READONLY

# The same source gives the same kernel, whoever builds it when and where.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=kvm-dmabuf KBUILD_BUILD_HOST=build KBUILD_BUILD_VERSION=1
unset KCFLAGS KAFLAGS KCPPFLAGS KBUILD_OUTPUT KBUILD_EXTMOD KBUILD_VERBOSE CROSS_COMPILE LOCALVERSION

# kbuild args...: kbuild in the staged tree. ccache turns the path of the tree
# into a relative one, which __FILE__ must not show.
kbuild()
{
	local tree

	tree=$(realpath -m --relative-to="$KOUT" "$TREE")
	make -C "$TREE" O="$KOUT" ARCH="$ARCH" CC='ccache gcc' HOSTCC='ccache gcc' LOCALVERSION= \
		KCFLAGS="-fmacro-prefix-map=$tree/=" V="$V" -j"$(jobs)" --no-print-directory "$@"
}
