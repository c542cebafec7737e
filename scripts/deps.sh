#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs the Debian packages that are missing. Silent if none is. DOCS=1: and
# those that only make docs needs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

check_arch
PACKAGES=(
	# kbuild
	gcc libc6-dev make flex bison bc libelf-dev libssl-dev cpio kmod rsync xz-utils zstd lz4 ccache
	patch git perl python3
	# host tests, in-VM tests, sample VMM
	libcmocka-dev liburing-dev libcap-dev libnuma-dev uuid-dev
	# test VM
	busybox-static e2fsprogs util-linux
	# the model
	spin
	# fetch and lint
	debian-archive-keyring dpkg-dev shellcheck
)
DOCS_PACKAGES=(python3-sphinx python3-yaml)
[ "${DOCS:-0}" = 0 ] || PACKAGES+=("${DOCS_PACKAGES[@]}")
QEMU=qemu-system-x86
# Before 9, TCG lacks what KVM_AMD needs here.
QEMU_MIN=9

# Checked before, and dpkg has not installed or removed anything since.
STAMP=$CACHE/deps$([ "${DOCS:-0}" = 0 ] || echo -docs).ok
key="$(sha256sum <"$0") $(stat -c '%Y %i %s' /var/lib/dpkg/status 2>/dev/null || true)"
if [ "$(cat "$STAMP" 2>/dev/null)" = "$key" ]; then
	exit 0
fi

for tool in dpkg-query apt-get; do
	command -v $tool >/dev/null ||
		die "no $tool: this needs Debian or a relative of it, with these packages: ${PACKAGES[*]} $QEMU (>= $QEMU_MIN)"
done

missing=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${PACKAGES[@]}" 2>/dev/null |
	awk 'NR == FNR { if ($1 == "installed") have[$2]; next }
	     { for (i = 1; i <= NF; i++) if (!($i in have)) printf "%s ", $i }' - <(echo "${PACKAGES[*]}")) || true
qemu=$(dpkg-query -W -f '${db:Status-Status} ${Version}' $QEMU 2>/dev/null || true)
want_qemu=1
if [ "${qemu%% *}" = installed ] && dpkg --compare-versions "${qemu#* }" ge "1:$QEMU_MIN"; then
	want_qemu=0
fi

if [ -n "$missing" ] || [ $want_qemu = 1 ]; then
	LOG=$CACHE/logs/apt.log
	UPDATE_LOG=$CACHE/logs/apt-update.log
	what="${missing% }"
	[ $want_qemu = 0 ] || what="${what:+$what }$QEMU"
	SUDO=()
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "these packages are missing: $what; install them as root (apt-get install), $QEMU in version $QEMU_MIN or newer"
		SUDO=(sudo)
		# Ask for the password where the question can be seen.
		sudo -v || die "these packages are missing: $what; sudo was refused, install them as root"
	fi
	make_dir "$CACHE/logs"
	step DEPS "installing $what"
	INSTALL=(-qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300
		 -o Acquire::Retries=2)
	failed()
	{
		local why
		why=$(grep -hE '^(E|W): ' "$UPDATE_LOG" "$LOG" 2>/dev/null | grep -v 'Some index files failed' |
			head -n 1 | cut -c4-203) || true
		die "apt could not install $1 (${why:-see the log}): check the network and apt's configuration, or install it by hand (log: $LOG)"
	}
	apt()
	{
		run_logged DEPS "$LOG" '^Unpacking ' 0 "${SUDO[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@"
	}

	# Lists that are there already may do if this fails.
	"${SUDO[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 update \
		</dev/null >"$UPDATE_LOG" 2>&1 || true
	if [ -n "$missing" ]; then
		# shellcheck disable=SC2086
		apt "${INSTALL[@]}" install $missing || failed "${missing% }"
	fi
	if [ $want_qemu = 1 ]; then
		candidate=$(apt-cache policy $QEMU | awk '$1 == "Candidate:" { print $2 }')
		if [ -n "$candidate" ] && dpkg --compare-versions "$candidate" ge "1:$QEMU_MIN"; then
			apt "${INSTALL[@]}" install $QEMU || failed $QEMU
		else
			# From backports, with the system's sources beside it for what
			# QEMU depends on, and without a trace in the system's lists.
			# shellcheck disable=SC1091
			suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")-backports
			work=$(mktemp -d)
			# Files in there may be root's.
			trap '"${SUDO[@]}" rm -rf "$work"' EXIT
			apt_private "$work" deb "$suite" ||
				die "$QEMU >= $QEMU_MIN is needed, this system has ${candidate:-none}, and suite $suite cannot be read ($(apt_reason "$work")): check the network or install it by hand"
			cat /etc/apt/sources.list >>"$work/sources.list" 2>/dev/null || true
			PRIVATE=(-o "Dir::Etc::sourcelist=$work/sources.list"
				 -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/archives")
			"${SUDO[@]}" apt-get "${PRIVATE[@]}" -qq update </dev/null >"$UPDATE_LOG" 2>&1 || true
			apt "${PRIVATE[@]}" "${INSTALL[@]}" -t "$suite" install $QEMU || failed "$QEMU from $suite"
		fi
	fi
	key="$(sha256sum <"$0") $(stat -c '%Y %i %s' /var/lib/dpkg/status)"
fi
make_dir "$CACHE"
echo "$key" >"$STAMP"
