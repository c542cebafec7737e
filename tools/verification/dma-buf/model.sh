#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks kvm_dmabuf.pml: what the code does has to hold, and each mistake has to be
# found, by the property that is there for it. One line per run.
#
#   T=name  only that run; with V=1 also its trail, step by step
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../../scripts/lib.sh
. "$(dirname "$0")/../../../scripts/lib.sh"

T=${T:-}
MODEL=$ROOT/tools/verification/dma-buf/kvm_dmabuf.pml
OUT=$ROOT/build/model
# Each run, of which there are JOBS at a time.
MEM_MIB=2800
TIME_S=900
JOBS=2

# name, how to search, what must come of it, and what is different.
#   cover     all states, and each statement is reached
#   all       all states
#   short     breadth first, for a short trail
#   waiter, anyone  all cycles that are fair to each task, for that LTL formula
runs()
{
	cat <<-END
	code			cover	holds
	dynamic-exporter	all	holds		SELF_MOVE
	one-buffer		all	holds		ONE_BUFFER NO_RETRY
	resv-dropped-seq	all	holds		NO_SLOT_CHANGE RESV_DROPPED_SEQ
	waiter			waiter	holds		PROGRESS ONE_BUFFER
	anyone			anyone	holds		PROGRESS ONE_BUFFER NO_SLOT_CHANGE
	resv-dropped-no-seq	short	 stale-entry	RESV_DROPPED_NO_SEQ
	seq-after-fill		short	 stale-entry	SEQ_AFTER_FILL
	slot-pointer-kept	short	 rmap-gone	SLOT_POINTER_KEPT
	publish-before-attach	short	 stale-entry	PUBLISH_BEFORE_ATTACH
	range-clears-mapped	short	 stale-entry	RANGE_CLEARS_MAYBE_MAPPED
	mapped-before-fill	short	 stale-entry	MAYBE_MAPPED_BEFORE_FILL SELF_MOVE
	detach-after-mmu	short	 freed-mmu	DETACH_AFTER_MMU
	no-invalidate-count	short	 rmap-gone	NO_INVALIDATE_COUNT
	resv-over-swap		short	 deadlock	RESV_OVER_SWAP
	no-grace-period		short	 freed-slot	NO_GRACE_PERIOD
	unbound-before-swap	short	 freed-binding	UNBOUND_BEFORE_SWAP
	flush-before-swap	short	 freed-slot	FLUSH_BEFORE_SWAP
	late-retry		short	 retry-under-lock ONE_BUFFER NO_SLOT_CHANGE NO_RETRY NO_RESNAPSHOT
	resv-dropped-starves	waiter	starves		PROGRESS ONE_BUFFER NO_SLOT_CHANGE RESV_DROPPED_SEQ
	no-resnapshot-starves	waiter	starves		PROGRESS ONE_BUFFER NO_SLOT_CHANGE NO_RESNAPSHOT
	precheck-starves	anyone	starves		PROGRESS ONE_BUFFER NO_SLOT_CHANGE PRECHECK
	no-handover-starves	waiter	starves		PROGRESS ONE_BUFFER NO_SLOT_CHANGE NO_HANDOVER
	other-buffer-starves	waiter	starves		PROGRESS NO_SLOT_CHANGE
	END
}

# The numbers of the properties in the model.
PROPERTIES=([1]=stale-entry freed-slot rmap-gone freed-mmu freed-binding retry-under-lock unbalanced)

# What pan says, in one word.
verdict()
{
	local search=$1 out=$2 nr

	if grep -qE 'max search depth too small|memory limit|out of memory|memory exhausted|hash table.* full' "$out"; then
		echo incomplete
	elif nr=$(sed -n 's/^pan:1: assertion violated .*||(\([0-9]\)==0)).*/\1/p' "$out") && [ -n "$nr" ]; then
		echo "${PROPERTIES[$nr]:-property-$nr}"
	elif grep -q '^pan:1: invalid end state' "$out"; then
		echo deadlock
	elif grep -q '^pan:1: acceptance cycle' "$out"; then
		echo starves
	elif ! grep -q 'errors: 0$' "$out"; then
		echo incomplete
	elif [ "$search" = cover ] && grep -qE '^	\(([1-9][0-9]*) of [0-9]+ states\)' "$out"; then
		echo unreached
	else
		echo holds
	fi
}

# In a directory of its own; the verdict, states and seconds go to the file "result".
run()
{
	local name=$1 search=$2 cc=() pan=() defines=() t0=$EPOCHREALTIME v states
	shift 3

	mkdir -p "$OUT/$name"
	cd "$OUT/$name"
	rm -f -- *
	# By its bare name, for short messages.
	ln -s "$MODEL" kvm_dmabuf.pml
	defines=("${@/#/-D}")
	case $search in
	cover | all)		cc=(-O2 -DSAFETY); pan=(-w25) ;;
	short)			cc=(-O1 -DSAFETY -DBFS); pan=(-w24) ;;
	waiter | anyone)	cc=(-O1 -DNFAIR=3); pan=(-w22 -a -f -N "$search") ;;
	esac
	v=error
	if spin -a "${defines[@]}" kvm_dmabuf.pml >log 2>&1 &&
	   nice gcc -w "${cc[@]}" -DCOLLAPSE -DMEMLIM=$MEM_MIB -o pan pan.c >>log 2>&1; then
		nice timeout --foreground $TIME_S ./pan -m1000000 "${pan[@]}" >out 2>&1 || true
		v=$(verdict "$search" out)
	fi
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out 2>/dev/null) || true
	echo "$v ${states:--} $((${EPOCHREALTIME/./} - ${t0/./}))" >result.tmp
	mv result.tmp result
}

# The steps of a trail that do something: task, line of the model, statement.
trail()
{
	cd "$OUT/$1"
	shift 3
	spin -t -k kvm_dmabuf.pml.trail -p "${@/#/-D}" kvm_dmabuf.pml 2>/dev/null |
		sed -nE -e '/\[(\(1\)|else|assert.*|\(run .*)\]$/d' \
			-e 's/^ *[0-9]+:	proc +([0-9]+) \(([a-z]+):.*pml:([0-9]+) .*	\[(.*)\]$/\1 \2 \3 \4/p' \
			-e 's/^.*(START OF CYCLE).*/- - - \1/p' |
		awk '{ who = $2 == "vcpu" ? "vcpu" $1 - 1 : $2; line = $3; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "")
		       printf "    %-6s %4s  %s\n", who, line, $0 }'
}

command -v spin >/dev/null || die "no spin: install the package spin (make deps does)"
command -v gcc >/dev/null || die "no gcc: install the package gcc (make deps does)"
make_dir "$OUT"
take_lock "$OUT/lock"

TABLE=()
while read -r line; do
	[ -n "$T" ] && [ "${line%%[[:space:]]*}" != "$T" ] || TABLE+=("$line")
done < <(runs)
[ ${#TABLE[@]} -gt 0 ] || die "no run is called '$T'; these are: $(runs | awk '{ printf "%s ", $1 }')"

# Each run is a process group, so that an interrupt leaves nothing behind.
set -m
declare -A STARTED=()
stop_runs()
{
	local name

	for name in "${!STARTED[@]}"; do
		[ -e "$OUT/$name/result" ] || kill -- "-${STARTED[$name]}" 2>/dev/null || true
	done
}
trap stop_runs EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
failed=0
report()
{
	local name=$1 expected=$3 v states us

	read -r v states us <"$OUT/$name/result"
	printf '  %-22s %-17s %-17s %9s %6.1f s\n' "$name" "$expected" "$v" "$states" "$((us / 100000))e-1"
	[ "$V" = 0 ] || { cat "$OUT/$name/log"; sed 's/^/    /' "$OUT/$name/out"; } 2>/dev/null
	if [ "$V" != 0 ] && [ -n "$T" ] && [ -e "$OUT/$name/kvm_dmabuf.pml.trail" ]; then
		trail "$@"
	fi
	if [ "$v" = "$expected" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED $name: $v instead of $expected; how it comes about: make model T=$name V=1 (logs: ${OUT#"$ROOT"/}/$name/)"
	fi
}

printf '  %-22s %-17s %-17s %9s %8s\n' run expected verdict states time
for line in "${TABLE[@]}"; do
	# shellcheck disable=SC2086
	set -- $line
	rm -f "$OUT/$1/result"
done
next=0
running=0
for line in "${TABLE[@]}"; do
	if [ $running -ge $JOBS ]; then
		wait -n || true
		running=$((running - 1))
	fi
	# shellcheck disable=SC2086
	( set +m; run $line ) &
	STARTED[${line%%[[:space:]]*}]=$!
	running=$((running + 1))
	# In the order of the table.
	while read -r name _ <<<"${TABLE[next]}" && [ -e "$OUT/$name/result" ]; do
		# shellcheck disable=SC2086
		report ${TABLE[next]}
		next=$((next + 1))
	done
done
wait
for line in "${TABLE[@]:next}"; do
	read -r name _ <<<"$line"
	[ -e "$OUT/$name/result" ] || echo "error - 0" >"$OUT/$name/result"
	# shellcheck disable=SC2086
	report $line
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
