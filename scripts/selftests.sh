#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the in-VM tests with the kernel's own selftest makefiles: the ones of
# 7.3 that must not regress, and all of ours. The programs, static and without
# debug information, go to build/<arch>/selftests/<collection>/, objects stay in
# build/<arch>/selftests-obj.
#
#   selftests.sh [commands]     commands: only print what would be run
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kbuild.sh
. "$ROOT/scripts/kbuild.sh"

check_arch
KVM=(
	access_tracking_perf_test
	demand_paging_test
	dirty_log_perf_test
	guest_memfd_test
	kvm_page_table_test
	pre_fault_memory_test
	set_memory_region_test
	x86/dirty_log_page_splitting_test
	x86/private_mem_conversions_test
	x86/private_mem_kvm_exits_test
	x86/svm_vmcall_test
)
VFIO=(
	vfio_dma_mapping_mmio_test
	vfio_dma_mapping_test
	vfio_iommufd_setup_test
	vfio_pci_device_init_perf_test
	vfio_pci_device_test
	vfio_pci_driver_test
)
COLLECTIONS=(kvm drivers/dma-buf dmabuf-heaps vfio iommu)
OBJ=$B/selftests-obj
OUT=$B/selftests
LOG=$B/logs/selftests.log

# Programs of ours are named *_test.c and *_bench.c, the rest is shared code.
for f in "$ROOT"/tools/testing/selftests/kvm/dmabuf/*_{test,bench}.c; do
	[ -e "$f" ] || continue
	t=dmabuf/$(basename "$f" .c)
	KVM+=("$t")
	grep -q "TEST_GEN_PROGS.*[ =]$t\b" "$TREE/tools/testing/selftests/kvm/Makefile.kvm" ||
		warn "$t is not in the kernel's selftests/kvm/Makefile.kvm: add it to the hook that patches it"
done

# forget_stale DIR: not all of these makefiles know which headers a program is made
# of, and none knows when it lost one, so that what was built before a change to a
# header or a makefile is not kept. ccache has the rest.
forget_stale()
{
	local dir=$1 changed=first

	[ ! -e "$OBJ/$dir.built" ] ||
		changed=$(find -L "$TREE/tools/testing/selftests/$dir" "$TREE/tools/testing/selftests/lib.mk" \
			"$TREE/drivers/iommu/iommufd/iommufd_test.h" "$KHDR/include" "$ROOT/scripts/selftests.sh" \
			\( -name '*.h' -o -name 'Makefile*' -o -name '*.mk' -o -name '*.sh' \) -newer "$OBJ/$dir.built" -print -quit)
	[ -z "$changed" ] || rm -rf "${OBJ:?}/$dir"
	make_dir "$OBJ/$dir"
	touch "$OBJ/$dir.building"
}

# A case may take longer than the harness allows, on the debug kernel. What hangs
# ends by the limit of its job, at the latest.
USERCFLAGS="-Werror -DTEST_TIMEOUT_DEFAULT=240"

# collection DIR make-arg...: build DIR of the kernel's selftests.
collection()
{
	local dir=$1
	shift
	make -C "$TREE/tools/testing/selftests/$dir" ARCH="$ARCH" CC='ccache gcc' OUTPUT="$OBJ/$dir" \
		KHDR_INCLUDES="-isystem $KHDR/include" USERCFLAGS="$USERCFLAGS" USERLDFLAGS=-static V="$V" \
		-j"$(jobs)" "$@"
}

# Called on the left of "||", where "set -e" does not end it at a failure.
build()
{
	collection kvm TEST_GEN_PROGS_x86="${KVM[*]}" TEST_GEN_PROGS_EXTENDED_x86= "$@" all &&
		collection drivers/dma-buf "$@" all &&
		collection dmabuf-heaps "$@" all &&
		collection vfio "$@" all &&
		collection iommu "$@" all
}

if [ "${1:-}" = commands ]; then
	build -nBw V=1 2>/dev/null
	exit 0
fi

take_lock "$B/selftests.lock"
t0=$SECONDS
for dir in "${COLLECTIONS[@]}"; do
	forget_stale "$dir"
done
run_logged TESTS "$LOG" '(gcc|^  CC)' 0 build --no-print-directory || log_die "$LOG" "the selftests do not build"
for dir in "${COLLECTIONS[@]}"; do
	mv "$OBJ/$dir.building" "$OBJ/$dir.built"
done

# install_prog PROGRAM: only if it was built anew.
programs=()
n=0
install_prog()
{
	programs+=("$1")
	[ -x "$OBJ/$1" ] || die "$1 was not built: is it in the Makefile of its collection? (log: ${LOG#"$ROOT"/})"
	[ "$OBJ/$1" -nt "$OUT/$1" ] || return 0
	mkdir -p "$(dirname "$OUT/$1")"
	strip --strip-debug -o "$OUT/$1.tmp~" "$OBJ/$1"
	mv "$OUT/$1.tmp~" "$OUT/$1"
	n=$((n + 1))
}

for t in "${KVM[@]}"; do
	install_prog "kvm/$t"
done
for t in "${VFIO[@]}"; do
	install_prog "vfio/$t"
done
install_prog drivers/dma-buf/udmabuf
install_prog dmabuf-heaps/dmabuf-heap
for t in iommufd iommufd_fail_nth iommufd_dmabuf iommufd_dmabuf_revoke \
	iommufd_dmabuf_fail_nth iommufd_dmabuf_bench iommufd_dmabuf_bar_bench; do
	install_prog "iommu/$t"
done

# Drop what no longer exists.
while IFS= read -r t; do
	rm -f "$OUT/$t"
	n=$((n + 1))
done < <(comm -13 <(printf '%s\n' "${programs[@]}" | sort) \
		<(cd "$OUT" && find . -type f -printf '%P\n' | sort))
[ $n = 0 ] || step TESTS "${OUT#"$ROOT"/}: ${#programs[@]} programs, $n new, $((SECONDS - t0)) s"
