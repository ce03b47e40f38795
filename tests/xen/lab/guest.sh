# SPDX-License-Identifier: LGPL-2.1-or-later
# Puts a guest into a job: `demo` is the project's demo kernel, `linux` Debian's with the project's
# userspace, a path is any other PVH kernel. To be sourced.
# shellcheck shell=bash

# built_guest NAME: a file below fixtures/guests, from $LAB_BUILD or else from the build of this tree
# that made it last.
built_guest() {
	local found
	if [[ -n ${LAB_BUILD:-} ]]; then
		echo "$LAB_BUILD/fixtures/guests/$1"
		return
	fi
	found=$(find "$LAB_ROOT"/build*/fixtures/guests -path "*/$1" -type f -printf '%T@ %p\n' \
		2>/dev/null | sort -rn | awk 'NR == 1 {print $2}')
	[[ -n $found ]] || die "no build of this tree has fixtures/guests/$1: run ninja, or set LAB_BUILD"
	echo "$found"
}

demo_kernel() {
	if [[ -n ${LAB_DEMO:-} ]]; then
		echo "$LAB_DEMO"
	else
		built_guest demo/demo.elf
	fi
}

# What Linux is told besides the words of the caller: no random addresses, nothing that takes long.
LINUX_CMDLINE="console=hvc0 loglevel=1 nokaslr norandmaps mitigations=off tsc=reliable lpj=40000
	random.trust_cpu=on rdinit=/init cryptomgr.notests audit=0 apparmor=0 selinux=0"

# guest_config JOBDIR GUEST VCPUS CMDLINE: writes the xl configuration and brings the kernel.
guest_config() {
	local job=$1 kernel=$2 cmdline=$4 memory=32 extra=
	case $kernel in
		demo) kernel=$(demo_kernel) || exit 125 ;;
		linux)
			kernel=$LINUX/vmlinux
			cp "$RAMDISK/ramdisk" "$job/.lab/ramdisk"
			extra='ramdisk = "/job/.lab/ramdisk"'
			cmdline="${LINUX_CMDLINE//[$'\n\t']/ } $cmdline"
			memory=128
			;;
	esac
	[[ -f $kernel ]] || die "the guest's kernel $kernel is not there"
	cp "$kernel" "$job/.lab/guest.elf"
	cat >"$job/.lab/guest.cfg" <<-END
		name = "guest"
		type = "pvh"
		kernel = "/job/.lab/guest.elf"
		$extra
		cmdline = "$cmdline"
		memory = $memory
		maxmem = $memory
		vcpus = $3
		altp2m = "external"
		shadow_memory = 16
		on_crash = "preserve"
		on_reboot = "preserve"
		on_poweroff = "preserve"
	END
}
