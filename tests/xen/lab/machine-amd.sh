# SPDX-License-Identifier: LGPL-2.1-or-later
# The machine with an AMD CPU, emulated by QEMU without KVM: SVM and nested paging. To be sourced by
# machine.sh. Needs $BOOT and $INITRD.
#
# The CPU is QEMU's largest without what Xen or dom0 would stumble over: a PV dom0 crashes with SMAP
# and SMEP, and QEMU 7.2 takes RDTSCP for RDTSC when it leaves a guest.
# shellcheck shell=bash

# qemu DIR CONSOLE [ARG...]: sets MACHINE.
qemu() {
	local dir=$1 console=$2
	shift 2
	# shellcheck disable=SC2054 # commas of QEMU
	MACHINE=(qemu-system-x86_64 -nodefaults -no-reboot -display none -machine pc,usb=off
		-accel tcg -cpu "max,-smap,-smep,-rdtscp" -m 768M -kernel "$BOOT/xen"
		-append "$(cat "$BOOT/xen-words")"
		-initrd "$INITRD/vmlinux $(cat "$BOOT/dom0-words"),$INITRD/initrd"
		-drive "file=$dir/disk.img,format=raw,if=ide,index=0" -serial "$console"
		-monitor "unix:$dir/monitor,server=on,wait=off" "$@")
}

machine_describe() {
	truncate -s "$DISK_SIZE" "$1/disk.img"
	qemu "$1" "file:$1/console"
}

machine_clone() {
	local console=file:$2/console
	[[ -z ${3:-} ]] || console=$3
	MACHINE_DISK=$2/disk.img
	truncate -s "$DISK_SIZE" "$MACHINE_DISK"
	qemu "$2" "$console" -incoming "exec:cat $1/state"
}

# A migration into a file. The monitor's socket lies in the folder in which the machine runs.
machine_save_now() {
	mkdir -p "$1"
	python3 "$LAB_DIR/qemu-monitor.py" "$3/monitor" "migrate exec:cat>$1/state" quit
	wait "$2" || die "QEMU could not save the machine"
	[[ -s $1/state ]] || die "QEMU saved nothing"
}
