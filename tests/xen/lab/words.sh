# SPDX-License-Identifier: LGPL-2.1-or-later
# The command lines of Xen and dom0. To be sourced.
# shellcheck shell=bash

# one_line TEXT
one_line() { echo "${1//[$'\n\t']/ }"; }

# apicv: Bochs wants the posted-interrupt descriptor aligned to a page, Xen aligns it to 64 bytes.
XEN_WORDS=$(one_line "com1=115200,8n1 console=com1 dom0_mem=448M,max:448M dom0_max_vcpus=1 altp2m=1
	hap=1 apicv=0 spec-ctrl=no xpti=0 watchdog=0 bootscrub=0 cpufreq=none mce=off
	loglvl=warning guest_loglvl=all")
DOM0_WORDS=$(one_line "console=hvc0 quiet rdinit=/init nokaslr mitigations=off tsc=reliable
	random.trust_cpu=on cryptomgr.notests apparmor=0 selinux=0 audit=0 nomodeset")
