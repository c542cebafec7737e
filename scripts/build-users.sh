#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does everything that has to do with dma-buf still build and link? Not part of
# make test: the first step takes more than an hour on two cores.
#
#   users       every directory that exports, imports or maps a dma-buf, and what our
#               hooks touch, from allmodconfig; no warning that pristine source
#               does not give
#   modules     a kernel with KVM, iommufd, vfio-pci and heaps as modules; they load
#               in the VM and our tests pass on them
#   restricted  a module that calls what only KVM or iommufd may call does not link
#   off         a kernel with all our symbols off, and one without dma-buf
#
# STEPS="a b": these only. D=files: of the first step, only the source files that
# name dma-buf (minutes). D="path ...": these directories (with / at the end) or
# objects.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
STEPS=${STEPS:-off modules restricted users}
D=${D:-}
OUT=$B/users
USES='struct dma_buf_ops|struct dma_buf_attach|\bdma_buf_[a-z_]+\('

# kbuild_in SRC OUT args...: as kbuild, for another source and output.
kbuild_in()
{
	local src=$1 out=$2
	shift 2
	KOUT=$out TREE=$src kbuild "$@"
}

# Paths that kbuild can be asked for: what our hooks or we compile, and who names
# dma-buf. Directories without a Makefile are built by one above.
list_users()
{
	local f dir

	cd "$TREE"
	{
		grep -rlE "$USES" --include='*.c' arch/x86 drivers io_uring net samples sound virt || true
		(cd "$STATE/applied" && find . -name '*.c' -printf '%P\n')
		grep '\.c$' "$STATE/own"
	} | grep -vE '^(tools|samples/kvm)/' | sort -u | while IFS= read -r f; do
		if [ "$D" = files ]; then
			# Included by another source file.
			[[ $f != */i915/*/selftests/* && $f != */xe/tests/* ]] || continue
			# Built by the Makefile of another directory.
			echo "${f%.c}.o" | sed 's|^virt/kvm/|arch/x86/kvm/../../../virt/kvm/|
				s|/amd/amdkfd/|/amd/amdgpu/../amdkfd/|'
			continue
		fi
		dir=${f%/*}
		while [ ! -e "$dir/Makefile" ] && [ ! -e "$dir/Kbuild" ] && [[ $dir == */* ]]; do
			dir=${dir%/*}
		done
		[ "$dir" != virt/kvm ] && [ "$dir" != virt ] || dir=arch/x86/kvm
		echo "$dir/"
	done | sort -u | awk '
		# What lies below another one is built with it.
		{ for (d in seen) if (index($0, d) == 1 && d ~ /\/$/) next; seen[$0]; print }'
}

# A path as a regular expression that matches only it.
literal()
{
	sed 's/[]*.^$+?(){}|\\@[]/\\&/g'
}

# warnings NAME SRC: what the compiler and modpost had to say, one a line, without
# line numbers, which hooks move, and without the place of the source.
warnings()
{
	local log=$B/logs/users-$1.log rel src

	rel=$(realpath -m --relative-to="$OUT/$1" "$2" | literal)
	src=$(literal <<<"$2")
	grep -E '(warning|error): |modpost: |\*\*\* .*\.o\] Error' "$log" |
		sed -E "s@^($rel|$src)/@@; s@(\[).*/scripts/Makefile[^ ]* @\1@; s/:[0-9]+(:[0-9]+)?:/:/" | sort -u || true
}

# build_users NAME SRC target...: what can be built of the targets.
build_users()
{
	local name=$1 src=$2 out=$OUT/$1 log=$B/logs/users-$1.log
	shift 2

	make_dir "$out"
	if ! cmp -s "$ROOT/scripts/build-users.config" "$out/fragment"; then
		KCONFIG_ALLCONFIG=$ROOT/scripts/build-users.config kbuild_in "$src" "$out" allmodconfig \
			>"$log" 2>&1 </dev/null || log_die "$log" "allmodconfig failed"
		cp "$ROOT/scripts/build-users.config" "$out/fragment"
	fi
	run_logged "PREPARE" "$log" '^  (CC|AS|LD|HOSTCC)' 0 kbuild_in "$src" "$out" prepare ||
		log_die "$log" "the $name tree cannot be prepared"
	[ -e "$out/prepared" ] || touch "$out/prepared"
	# With -k: a target that has no rule is one that this configuration leaves out,
	# and what else fails is compared like a warning.
	run_logged "${name^^}" "$log" '^  (CC|AS|LD|AR) ' 0 kbuild_in "$src" "$out" -k "$@" || true
	warnings "$name" "$src" >"$OUT/$name.warnings"
}

step_users()
{
	local targets=() new f

	if [ -n "$D" ] && [ "$D" != files ]; then
		read -ra targets <<<"$D"
		for f in "${targets[@]}"; do
			[[ $f == */ && -d $TREE/$f ]] || [ -e "$TREE/${f%.o}.c" ] ||
				die "D=: there is no $f in the kernel; name directories with a / at the end, or objects"
		done
	else
		mapfile -t targets < <(list_users)
	fi
	need_space "$B" 12000 "the build of all users"
	[ "$D" = '' ] && step USERS "${#targets[@]} directories; more than an hour on two cores, D=files does it in minutes" ||
		step USERS "${#targets[@]} targets"
	# What was compiled before a run that did not end well would not warn again.
	# ccache still has it, and what it had to say.
	[ ! -e "$OUT/unfinished" ] || rm -rf "$OUT/users" "$OUT/pristine"
	make_dir "$OUT"
	touch "$OUT/unfinished"
	build_users users "$TREE" "${targets[@]}"
	step USERS "$(grep -cE '^  CC ' "$B/logs/users-users.log" || true) files compiled, $(wc -l <"$OUT/users.warnings") different warnings and errors"
	# Nothing else may lack a rule than what was asked for.
	! grep -E "No rule to make target .*needed by" "$B/logs/users-users.log" >&2 ||
		die "a Makefile names what does not exist"
	sed -n "s/.*No rule to make target '\([^']*\)'.*/          not in this configuration: \1/p" "$B/logs/users-users.log" | sort -u
	[ -n "$(find "$OUT/users" -name '*.o' -newer "$OUT/users/prepared" -print -quit)" ] ||
		log_die "$B/logs/users-users.log" "nothing was compiled"
	if [ ! -s "$OUT/users.warnings" ]; then
		rm "$OUT/unfinished"
		return 0
	fi

	# Only what warned, from pristine source: are these ours?
	mapfile -t targets < <(sed -nE 's/^([^ :]*\.c):.*/\1/p' "$OUT/users.warnings" | sort -u |
		while IFS= read -r f; do [ ! -e "$PRISTINE/$f" ] || echo "${f%.c}.o"; done)
	: >"$OUT/pristine.warnings"
	if [ ${#targets[@]} -gt 0 ]; then
		build_users pristine "$(readlink -f "$PRISTINE")" "${targets[@]}"
	fi
	new=$(comm -23 "$OUT/users.warnings" "$OUT/pristine.warnings")
	if [ -n "$new" ]; then
		printf '%s\n' "$new" >&2
		die "these are new, the pristine source does not give them"
	fi
	rm "$OUT/unfinished"
	step USERS "all of them are the pristine source's"
}

step_modules()
{
	local mods

	set_flavour modules
	mods=$K/modules
	FLAVOUR=modules "$ROOT/scripts/config.sh"
	FLAVOUR=modules "$ROOT/scripts/kernel.sh" bzImage modules
	rm -rf "$mods" "$K/initramfs.cpio"
	kbuild INSTALL_MOD_PATH="$mods" modules_install >"$K/logs/modules.log" 2>&1 </dev/null ||
		log_die "$K/logs/modules.log" "modules_install failed"
	# run.sh puts this behind the root file system of a boot of this flavour.
	{
		(cd "$mods" && find lib -type d -printf 'dir /%p 0755 0 0\n')
		(cd "$mods" && find lib -type f -printf "file /%p $mods/%p 0644 0 0\n")
	} >"$K/initramfs.spec"
	"$KOUT/usr/gen_init_cpio" -t 1 "$K/initramfs.spec" >"$K/initramfs.cpio.tmp"
	mv "$K/initramfs.cpio.tmp" "$K/initramfs.cpio"
	step MODULES "$(find "$mods" -name '*.ko' | wc -l) modules"
	"$ROOT/vm/run.sh" modules
	"$ROOT/vm/results.py" --kunit "$PRISTINE/tools/testing/kunit" --results "$B/results" modules
}

step_restricted()
{
	local dir log ns

	set_flavour modules
	# Against what the source exports now.
	FLAVOUR=modules "$ROOT/scripts/config.sh"
	FLAVOUR=modules "$ROOT/scripts/kernel.sh" bzImage modules
	dir=$K/restricted
	log=$K/logs/restricted.log
	rm -rf "$dir"
	make_dir "$dir"
	echo 'obj-m := thief.o' >"$dir/Makefile"
	# write_thief EXPRESSION LINE: a module that evaluates one and contains the other.
	write_thief()
	{
		cat >"$dir/thief.c" <<-END
		// SPDX-License-Identifier: GPL-2.0-only
		#include <linux/dma-buf.h>
		#include <linux/dma-buf-iommu.h>
		#include <linux/dma-buf-kvm.h>
		#include <linux/module.h>

		static int __init thief_init(void)
		{
			return $1;
		}
		module_init(thief_init);
		MODULE_DESCRIPTION("Calls what it may not");
		MODULE_LICENSE("GPL");
		MODULE_IMPORT_NS("DMA_BUF");
		$2
		END
	}
	write_thief 'dma_buf_prepare_attachment(NULL, 0, 0)' ''
	kbuild M="$dir" modules >"$log" 2>&1 </dev/null || log_die "$log" "a module that does nothing wrong does not build"
	# refused OWNER FUNCTION EXPRESSION: as it is, and pretending.
	refused()
	{
		for ns in '' "MODULE_IMPORT_NS(\"module:$1,dmabuf_kunit\");"; do
			write_thief "$3" "$ns"
			! kbuild M="$dir" modules >"$log" 2>&1 </dev/null ||
				die "a module that is not $1 links to $2()"
			grep -qE "ERROR: modpost: .*(from|importing) namespace '?module:" "$log" ||
				log_die "$log" "the module was refused for another reason than its use of $2()"
		done
		step LINK "$2() is refused to another module than $1"
	}
	refused kvm dma_buf_map_attachment_kvm \
		'dma_buf_map_attachment_kvm(NULL, 0, 0, true, NULL)'
	refused iommufd dma_buf_map_attachment_iommu \
		'dma_buf_map_attachment_iommu(NULL, NULL, 0, 0, 0, 0, 0)'
	refused iommufd dma_buf_unmap_attachment_iommu \
		'(dma_buf_unmap_attachment_iommu(NULL, NULL, 0, 0), 0)'
}

step_off()
{
	local flavour

	for flavour in off no-dma-buf; do
		FLAVOUR=$flavour "$ROOT/scripts/config.sh"
		FLAVOUR=$flavour "$ROOT/scripts/kernel.sh" bzImage
		step OFF "$flavour builds"
	done
}

for s in $STEPS; do
	case $s in
	users | modules | restricted | off) ;;
	*) die "no step '$s' of build-users: there are users, modules, restricted, off" ;;
	esac
done
for s in $STEPS; do
	t0=$SECONDS
	(step_"$s")
	note "$s: $((SECONDS - t0)) s"
done
