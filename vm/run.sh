#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh NAME [RESULTS]: boots vm/boots/NAME.boot and leaves what it said in
# build/<arch>/results/RESULTS (NAME if not given): console.log (kernel log),
# result.log (KTAP from the result port), status (exit status of QEMU, 124:
# timed out) and what results.py must know to judge them. Judging is not done
# here: the exit status tells only whether there is something to judge.
# run.sh --jobs NAME: prints its job lines instead.
#
#   ACCEL=tcg|kvm  instead of what probe-accel.sh finds
#   FLAVOUR=debug  the debug kernel, results in build/<arch>-debug
#   T=GLOB         only jobs whose name, or the last part of it, matches
#   LIVE=1         what the jobs print goes to stdout while they run
#   LONG=1         the moves of dmabuf_move_test are 100,000, limits of time follow
#
# QEMU never outlives this script, nor the make that called it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
check_arch

JOBS_ONLY=0
if [ "${1:-}" = --jobs ]; then
	JOBS_ONLY=1
	shift
fi
NAME=${1:?usage: run.sh [--jobs] NAME [RESULTS]}
OUT=$K/results/${2:-$NAME}
VM=$B/vm
ASKED_FLAVOUR=$FLAVOUR
T=${T:-}
LIVE=${LIVE:-0}
LONG=${LONG:-0}

# What a boot sets, and what it gets if it does not. SMP counts the CPUs for tests.
DESC=$NAME
SMP=2
TCG_THREAD=multi
MEM=2G
CPU_EXTRA=
QEMU_EXTRA=()
CMDLINE=
TIMEOUT=120
EXPECT=
ICOUNT=0
INTERACTIVE=0
JOBS=

[ -r "$ROOT/vm/boots/$NAME.boot" ] ||
	die "no boot named $NAME; there are: $(cd "$ROOT/vm/boots" && echo *.boot | sed 's/\.boot//g')"
# shellcheck source=/dev/null
. "$ROOT/vm/boots/$NAME.boot"
set_flavour "$FLAVOUR"
BZIMAGE=$KOUT/arch/x86/boot/bzImage

# Limits are those of the normal kernel. What the debug kernel looks at takes
# time, and its notes take memory.
SLOWER=1
if [ "$FLAVOUR" = debug ]; then
	SLOWER=8
	TIMEOUT=$((TIMEOUT * SLOWER))
	MEM=$((${MEM%G} + 1))G
fi

# Unknown to the kernel, which puts it into the environment of init.
if [ "$LONG" != 0 ]; then
	SLOWER=$((SLOWER * 50))
	TIMEOUT=$((TIMEOUT * 50))
	CMDLINE+=" DMABUF_MOVES=100000"
fi

# Job lines of the boot with paths as the VM sees them. "@glob TIMEOUT PATTERN
# ARGS" stands for all selftests that match and are not listed by name; one that
# matches nothing stays in the list and fails. *_bench measures and is no test,
# *_vfio_* needs devices that a boot must have on purpose.
expand_jobs()
{
	local name timeout path args f nr listed=" "

	while read -r name timeout path args; do
		case $name in
		'' | '#'*) continue ;;
		@glob) ;;
		*) listed+="$path " ;;
		esac
	done <<<"$JOBS"

	while read -r name timeout path args; do
		case $name in
		'' | '#'*)
			;;
		@glob)
			nr=0
			for f in "$B"/selftests/$path; do
				[ -f "$f" ] && [ -x "$f" ] || continue
				nr=$((nr + 1))
				f=${f#"$B"/selftests/}
				[[ $f == *_bench || $f == *_vfio_* || $listed == *" $f "* ]] ||
					echo "$f $timeout /selftests/$f $args"
			done
			[ $nr -gt 0 ] || echo "$path $timeout /selftests/$path $args"
			;;
		*)
			case $path in
			'' | /*) ;;
			*) path=/selftests/$path ;;
			esac
			echo "$name $timeout $path $args"
			;;
		esac
	done <<<"$JOBS"
}

select_jobs()
{
	local name timeout rest

	while read -r name timeout rest; do
		# shellcheck disable=SC2053 # T is a glob
		if [ -z "$T" ] || [[ $name == $T ]] || [[ ${name##*/} == $T ]]; then
			echo "$name $((timeout * SLOWER)) $rest"
		fi
	done
}

if [ $JOBS_ONLY = 1 ]; then
	expand_jobs | select_jobs
	exit
fi

command -v qemu-system-x86_64 >/dev/null || die "no qemu-system-x86_64: install QEMU 9 or newer (make deps)"
QEMU_VERSION=$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
[ "${QEMU_VERSION:-0}" -ge 9 ] || die "QEMU ${QEMU_VERSION:-?} is too old, 9 or newer is needed (make deps)"
case $FLAVOUR in
modules) make="make build-users STEPS=modules" ;;
*) make="make ${FLAVOUR:+$FLAVOUR-}kernel" ;;
esac
[ -r "$BZIMAGE" ] || die "no kernel at ${BZIMAGE#"$ROOT"/}: run $make first"
[ -r "$VM/initramfs.cpio" ] || die "no initramfs at build/$ARCH/vm: run make initramfs first"

rm -rf "$OUT"
make_dir "$OUT"
expand_jobs | select_jobs >"$OUT/jobs"
[ -s "$OUT/jobs" ] || die "no job of boot $NAME matches T=$T; there are: $(expand_jobs | cut -d' ' -f1 | tr '\n' ' ')"
[ "$FLAVOUR" != debug ] || [ "$INTERACTIVE" = 1 ] || echo "kmemleak 120 /bin/kmemleak.sh" >>"$OUT/jobs"
[ -z "$EXPECT" ] || cp "$ROOT/vm/boots/$EXPECT" "$OUT/warnings"
[ -z "$T" ] || touch "$OUT/partial"

# The job list travels in an archive of its own behind the others.
echo "file /jobs $OUT/jobs 0644 0 0" >"$OUT/jobs.spec"
{
	cat "$VM/initramfs.cpio"
	# What only this kernel needs.
	[ ! -e "$K/initramfs.cpio" ] || cat "$K/initramfs.cpio"
	"$KOUT/usr/gen_init_cpio" -t 1 "$OUT/jobs.spec"
} >"$OUT/initrd"
rm -f "$OUT/jobs.spec"

ACCEL=${ACCEL:-$("$ROOT/vm/probe-accel.sh")}
if [ "$ICOUNT" = 1 ]; then
	# The clock of the guest counts instructions: same figures on every run.
	ACCEL_ARGS=(-accel tcg,thread=single -icount shift=0,sleep=off -cpu "max,+svm,+npt$CPU_EXTRA")
	SMP=1
elif [ "$ACCEL" = kvm ]; then
	# An IOMMU that remaps interrupts needs the split irqchip.
	ACCEL_ARGS=(-accel kvm,kernel-irqchip=split -cpu "host$CPU_EXTRA")
else
	ACCEL_ARGS=(-accel "tcg,thread=$TCG_THREAD" -cpu "max,+svm,+npt$CPU_EXTRA")
	# No guest runs on CPU 0 beside others. In QEMU (10.0.13; 11.1.3 fails in the
	# same way) a CPU that restores its FPU state clears a flag of CPU 0 by a plain
	# read-modify-write, in cpu_clear_ignne(). That can undo what CPU 0 does to the
	# same word on its way out of a guest, and the host runs on behind the guest's
	# page tables.
	if [ "$TCG_THREAD" = multi ]; then
		SMP=$((SMP + 1))
		CMDLINE+=" LEAVE_CPU0=1"
	fi
fi

# A boot that declares warnings must live on after them.
APPEND="console=ttyS0 panic=-1 oops=panic reboot=t printk.devkmsg=on"
[ -n "$EXPECT" ] || APPEND+=" panic_on_warn=1"
[ "$INTERACTIVE" = 1 ] || APPEND+=" loglevel=7"
APPEND+=" $CMDLINE"

# pdeathsig: QEMU dies with its parent, however that one ends.
QEMU=(setpriv --pdeathsig KILL qemu-system-x86_64
	-machine q35 "${ACCEL_ARGS[@]}" -smp "$SMP" -m "$MEM"
	-nodefaults -no-user-config -no-reboot -nographic "${QEMU_EXTRA[@]}"
	-kernel "$BZIMAGE" -initrd "$OUT/initrd" -append "$APPEND")

if [ "$INTERACTIVE" = 1 ]; then
	exec "${QEMU[@]}" -serial mon:stdio
fi

QEMU+=(-serial "file:$OUT/console.log"
	-device virtio-serial-pci -chardev "file,id=result,path=$OUT/result.log"
	-device virtserialport,chardev=result,name=org.kvm-dmabuf.result)

# make leaves its children alone when it is killed: watch the topmost one.
MAKE_PID=
pid=$PPID
while [ "$pid" -gt 1 ] && [ -r "/proc/$pid/stat" ]; do
	[ "$(cat "/proc/$pid/comm")" != make ] || MAKE_PID=$pid
	pid=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f2)
done

vm_pid=
helper_pids=()
cleanup()
{
	local p

	trap - EXIT HUP INT TERM
	for p in $vm_pid; do
		# TERM is passed on to QEMU; killing timeout kills it by pdeathsig.
		kill -TERM "$p" 2>/dev/null || true
		kill -KILL "$p" 2>/dev/null || true
	done
	for p in "${helper_pids[@]}"; do
		kill "$p" 2>/dev/null || true
	done
	wait 2>/dev/null || true	# bash would tell who died
	rm -f "$OUT/initrd"
}
# A shell that waits for us stops only if the signal is seen to have killed us.
trap cleanup EXIT
for sig in HUP INT TERM; do
	# shellcheck disable=SC2064
	trap "cleanup; kill -$sig \$\$" $sig
done

# A dead process that nobody has waited for still has an entry in /proc.
make_is_gone()
{
	local stat

	[ -n "$MAKE_PID" ] || return 1
	{ read -r stat <"/proc/$MAKE_PID/stat"; } 2>/dev/null || return 0
	[[ $stat == *') Z '* ]]
}

count()
{
	grep -cE "$1" "$OUT/result.log" 2>/dev/null || true
}

# Once a second: is make still there, and what is there to tell?
watch()
{
	local start=$SECONDS last=$SECONDS jobs text

	jobs=$(wc -l <"$OUT/jobs")
	while sleep 1 && [ -d "/proc/$$" ]; do
		if make_is_gone; then
			kill -TERM $$
			return
		fi
		[ "$LIVE" = 0 ] || continue
		text="boot $NAME: $(count '^(not )?ok ')/$jobs jobs, $(count '^ *(not )?ok ') results, $((SECONDS - start)) s"
		if [ -t 2 ]; then
			printf '\r%s \033[K' "$text" >&2
		elif [ $((SECONDS - last)) -ge 30 ]; then
			printf '%s\n' "$text" >&2
			last=$SECONDS
		fi
	done
}

# KTAP without its decoration is what the jobs said. The verdict of a demo is
# left out: it is not the last word.
live()
{
	tail -n +1 -f --pid="$1" "$OUT/result.log" 2>/dev/null |
		sed -u -n -e 's/^ *# \{0,1\}//p' |
		grep --line-buffered -vE '^(exit [0-9]+|exit status [0-9]+|took [0-9.]+ s|Subtest: .*|demo: (PASS|FAIL.*))$'
}

: >"$OUT/console.log"
: >"$OUT/result.log"
start=$SECONDS
setpriv --pdeathsig KILL timeout --foreground -k 5 "$TIMEOUT" "${QEMU[@]}" </dev/null >"$OUT/qemu.log" 2>&1 &
vm_pid=$!
watch &
helper_pids+=($!)
live_pid=
if [ "$LIVE" != 0 ]; then
	live "$vm_pid" &
	live_pid=$!
fi

status=0
wait "$vm_pid" || status=$?
vm_pid=
[ -z "$live_pid" ] || wait "$live_pid" || true
[ ! -t 2 ] || printf '\r\033[K' >&2

{
	echo "boot=$NAME"
	echo "seconds=$((SECONDS - start))"
	echo "timeout=$TIMEOUT"
	[ -z "$ASKED_FLAVOUR" ] || echo "flavour=$ASKED_FLAVOUR"
	echo "accel=$ACCEL"
} >"$OUT/meta"
echo "$status" >"$OUT/status"
if [ "$status" -ne 0 ] && [ "$status" -ne 124 ] && [ ! -s "$OUT/console.log" ]; then
	die "QEMU did not start: $(tail -n 1 "$OUT/qemu.log")"
fi
