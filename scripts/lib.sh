# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Helpers of all shell scripts here. Source it right after "set -euo pipefail".

# Sub-makes must not inherit the job server or the variables of the make that
# called the script.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL CDPATH GREP_OPTIONS
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
ARCH=${ARCH:-x86_64}
V=${V:-0}
CACHE=${KDB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kvm-dmabuf}
B=$ROOT/build/$ARCH
KHDR=$B/headers
# Link to the untouched kernel source in the cache.
PRISTINE=$B/pristine
# What stage.sh remembers about the tree.
STATE=$B/stage

# One clear line, then out.
die()
{
	printf '\r\033[K' >&2 2>/dev/null
	printf 'error: %s\n' "$*" >&2
	exit 1
}
[ -t 2 ] || die()
{
	printf 'error: %s\n' "$*" >&2
	exit 1
}

warn()
{
	printf 'warning: %s\n' "$*" >&2
}

# "step TAG text": one line per piece of work that was really done.
step()
{
	printf '  %-8s%s\n' "$1" "$2"
}

# Shown with V=1 only.
note()
{
	[ "$V" = 0 ] || printf '          %s\n' "$*"
}

# set_flavour NAME: the kernel meant from here on. A flavour is one more fragment
# in vm/config and a build directory of its own beside build/<arch>, with kernel
# and results; everything else is shared. The normal kernel's name is empty.
# "stock" is the kernel without our hooks and files, to compare with; it has a
# tree of its own, from stock_tree.
set_flavour()
{
	FLAVOUR=$1
	K=$B${FLAVOUR:+-$FLAVOUR}
	KOUT=$K/kernel
	TREE=$B/tree
	FLAVOUR_CONFIG=$FLAVOUR
	if [ "$FLAVOUR" = stock ]; then
		TREE=$K/tree
		FLAVOUR_CONFIG=off
	fi
	[ -z "$FLAVOUR" ] || [ -r "$ROOT/vm/config/$FLAVOUR_CONFIG.config" ] ||
		die "no kernel flavour '$FLAVOUR': there is no vm/config/$FLAVOUR_CONFIG.config"
}
set_flavour "${FLAVOUR:-}"

# A copy of the untouched source, where ccache finds what the normal kernel has.
stock_tree()
{
	local base

	base="copy of $(readlink "$PRISTINE")"
	[ "$(cat "$K/base" 2>/dev/null)" != "$base" ] || return 0
	rm -rf "$TREE" "$K/base"
	make_dir "$TREE"
	cp -a --reflink=auto "$PRISTINE/." "$TREE" || die "cannot copy the kernel source to ${TREE#"$ROOT"/}"
	echo "$base" >"$K/base"
}

check_arch()
{
	[ "$ARCH" = x86_64 ] || die "ARCH=$ARCH is not supported, only ARCH=x86_64 is"
	case $ROOT in
	*[[:space:]:]*) die "the path of this repository, '$ROOT', has a space or a colon in it; kbuild cannot build there, move it" ;;
	esac
}

jobs()
{
	nproc
}

# need_space DIR MIB WHAT: DIR need not exist yet.
need_space()
{
	local dir=$1 mib=$2 what=$3 free

	while [ ! -d "$dir" ]; do
		dir=$(dirname "$dir")
	done
	free=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$mib" ] ||
		die "$what needs $mib MiB in $dir, only $free MiB are free; make room or point KDB_CACHE= elsewhere"
}

make_dir()
{
	mkdir -p "$1" 2>/dev/null || die "cannot create $1; check its permissions (KDB_CACHE= moves the cache)"
}

# take_lock FILE: held until the script ends. Says so when it has to wait.
take_lock()
{
	make_dir "$(dirname "$1")"
	exec {LOCK_FD}>"$1"
	flock -n "$LOCK_FD" && return
	step WAIT "another make holds $1"
	flock "$LOCK_FD"
}

# run_logged LABEL LOG PATTERN HINT cmd...: run cmd with its output in LOG and
# show progress: number of lines that match PATTERN (about HINT in all, 0 if
# unknown) and seconds. A live line on a terminal, otherwise a line every 30 s.
# With V=1 the output itself is shown.
run_logged()
{
	local label=$1 log=$2 pattern=$3 hint=$4 n=0 line t0=$SECONDS last=$SECONDS of='' rc
	shift 4

	make_dir "$(dirname "$log")"
	if [ "$V" != 0 ]; then
		"$@" 2>&1 | tee "$log"
		return "${PIPESTATUS[0]}"
	fi
	[ "$hint" = 0 ] || of="/~$hint"
	# The loop ends at end of file; a time-out of read only refreshes the line.
	"$@" </dev/null 2>&1 | tee "$log" | {
		while :; do
			rc=0
			IFS= read -r -t 5 line || rc=$?
			[ $rc -eq 0 ] || [ $rc -gt 128 ] || break
			[ $rc -ne 0 ] || ! [[ $line =~ $pattern ]] || n=$((n + 1))
			if [ -t 1 ]; then
				printf '\r  %-8s%d%s, %d s \033[K' "$label" $n "$of" $((SECONDS - t0))
			elif [ $((SECONDS - last)) -ge 30 ]; then
				printf '  %-8s%d%s, %d s\n' "$label" $n "$of" $((SECONDS - t0))
				last=$SECONDS
			fi
		done
		[ ! -t 1 ] || printf '\r\033[K'
	}
	return "${PIPESTATUS[0]}"
}

# log_die LOG MESSAGE: the lines that name the cause, if there are any, or the
# last ones; then MESSAGE.
log_die()
{
	local log=$1 why
	shift
	why=$(grep -E '(error|warning): |undefined reference|No such file|No space left|Permission denied|Killed' "$log" |
		head -n 10) || why=$(tail -n 10 "$log")
	printf '%s\n' "$why" >&2
	die "$* (log: ${log#"$ROOT"/})"
}

# Debian's mirrors as the machine's own apt knows them, best guess first.
apt_mirrors()
{
	local codename

	# shellcheck disable=SC1091
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	{
		apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Created-By: Packages' 'Origin: Debian'
		apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Created-By: Packages'
	} 2>/dev/null | awk -v c="$codename" '
		$2 == c && $3 == "main" && !seen[$1]++ { print $1 }'
}

# apt_private DIR TYPE SUITE: apt state of our own in DIR with one source line;
# fetches its lists. Sets APT to the command line prefix. Fails without a word
# if no mirror has the suite; apt_reason DIR then says why.
apt_private()
{
	local dir=$1 type=$2 suite=$3 keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror

	: >"$dir/log"
	command -v apt-get >/dev/null || { echo 'no apt-get' >>"$dir/log"; return 1; }
	[ -r $keyring ] || { echo "no $keyring: install debian-archive-keyring" >>"$dir/log"; return 1; }
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	APT=(apt-get -qq
	     -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
	     -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir" -o "Dir::Cache::archives=$dir/archives"
	     -o Acquire::Languages=none
	     -o Acquire::Retries=2 -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root)
	for mirror in $(apt_mirrors); do
		printf '%s [signed-by=%s%s] %s %s main\n' "$type" $keyring \
			"$([ "$type" = deb-src ] || echo " arch=$(dpkg --print-architecture)")" \
			"$mirror" "$suite" >"$dir/sources.list"
		rm -rf "$dir/lists"
		mkdir -p "$dir/lists/partial"
		"${APT[@]}" -o APT::Update::Error-Mode=any update >>"$dir/log" 2>&1 && return 0
	done
	return 1
}

apt_reason()
{
	local why

	why=$(grep -E '^[EW]: ' "$1/log" | grep -v 'Some index files failed' | head -n 1 | cut -c4-203) || true
	[ -n "$why" ] || why=$(tail -n 1 "$1/log")
	printf '%s' "${why:-no Debian mirror in the configuration of apt}"
}
