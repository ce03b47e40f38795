# SPDX-License-Identifier: LGPL-2.1-or-later
# Puts a guest into a job: `demo` is the project's demo kernel, a path is any other PVH kernel.
# To be sourced.
# shellcheck shell=bash

# demo_kernel: the newest demo.elf that a build of this tree made, or $LAB_DEMO.
demo_kernel() {
	local found
	if [[ -n ${LAB_DEMO:-} ]]; then
		echo "$LAB_DEMO"
		return
	fi
	found=$(find "$LAB_ROOT"/build*/fixtures/guests/demo -name demo.elf -printf '%T@ %p\n' \
		2>/dev/null | sort -rn | awk 'NR == 1 {print $2}')
	[[ -n $found ]] || die "no build of this tree has fixtures/guests/demo/demo.elf: run ninja, or set LAB_DEMO"
	echo "$found"
}

# guest_config JOBDIR GUEST VCPUS CMDLINE: writes the xl configuration and brings the kernel.
guest_config() {
	local job=$1 kernel=$2
	[[ $kernel != demo ]] || kernel=$(demo_kernel) || exit 125
	[[ -f $kernel ]] || die "the guest's kernel $kernel is not there"
	cp "$kernel" "$job/.lab/guest.elf"
	cat >"$job/.lab/guest.cfg" <<-END
		name = "guest"
		type = "pvh"
		kernel = "/job/.lab/guest.elf"
		cmdline = "$4"
		memory = 32
		maxmem = 32
		vcpus = $3
		altp2m = "external"
		shadow_memory = 16
		on_crash = "preserve"
		on_reboot = "preserve"
		on_poweroff = "preserve"
	END
}
