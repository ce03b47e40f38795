# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts the Linux guest in a restored machine, waits until its userspace is up, pauses it and saves
# the machine anew into ./saved. Needs $SNAPSHOT, $LINUX_VCPUS and what a Linux guest needs.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/job.sh"

job_reset
JOB_GUEST=linux
JOB_VCPUS=$LINUX_VCPUS
JOB_CMDLINE="wait=2 rounds=0 symbols=begin_new_exec,do_exit,do_sys_openat2"
JOB_PREPARE=1
mkdir machine
job_pack "$PWD/machine"
machine_clone "$SNAPSHOT/saved" "$PWD/machine"
job_write_disk "$PWD/machine"
machine_save "$PWD/saved" "$PWD/machine" 600
rm -rf machine
