# SPDX-License-Identifier: LGPL-2.1-or-later
# The emulated machine: what is common to both kinds, which machine-intel.sh and machine-amd.sh
# describe, start, restore and save. To be sourced.
# shellcheck shell=bash

DISK_SIZE=128M
DISK_BLOCK=4096
RESULT_BLOCK=16384 # the second half of the disk carries what the job gives back

# Each kind has:
#   machine_describe DIR              a new machine in DIR, its console written to DIR/console
#   machine_clone SAVED DIR [TTY]     the saved machine in DIR, with an empty disk at $MACHINE_DISK;
#                                     with TTY its console is that terminal
#   machine_save_now SAVED PID DIR    saves the running one, and ends it
# The first two set MACHINE, the command that runs it.
# shellcheck source=machine-intel.sh
. "$LAB_DIR/machine-$LAB_CPU.sh"

# machine_save SAVED DIR LIMIT: runs the machine of DIR until dom0 says that it waits for a job, which
# takes LIMIT seconds at most, and saves it into SAVED.
machine_save() {
	local saved=$1 dir=$2 limit=$3 pid start=$SECONDS
	BOCHS_SAVE_DIR=$saved "${MACHINE[@]}" &
	pid=$!
	# shellcheck disable=SC2064 # the process is known now
	trap "kill -9 $pid 2>/dev/null || true" EXIT
	until grep -aq '@@ ready' "$dir/console" 2>/dev/null; do
		kill -0 $pid 2>/dev/null || die "the machine ended before dom0 was ready: $(tail -n 20 "$dir/console")"
		((SECONDS - start < limit)) || die "dom0 not ready after $limit s: $(tail -n 20 "$dir/console")"
		sleep 0.2
	done
	! grep -a '@@ failed' "$dir/console" || die "dom0 is there, but not whole"
	machine_save_now "$saved" $pid "$dir"
	trap - EXIT
	cat "$dir/console"
}
