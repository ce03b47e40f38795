# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots the machine from $ISO until dom0 waits for a job, and saves it into ./snap.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/machine.sh"
boot_limit=300 # seconds; it takes about 20

machine_describe "$PWD"
BOCHS_SAVE_DIR=$PWD/snap "$BOCHS/bochs" -q -f bochsrc &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true' EXIT

start=$SECONDS
until grep -aq '@@ ready' console 2>/dev/null; do
	kill -0 $pid 2>/dev/null || die "Bochs ended before dom0 was ready: $(tail -n 20 console)"
	((SECONDS - start < boot_limit)) || die "no dom0 after $boot_limit s: $(tail -n 20 console)"
	sleep 0.2
done
! grep -a '@@ failed' console || die "dom0 came up, but not whole"
kill -USR1 $pid
wait $pid || die "Bochs could not save the machine"
trap - EXIT
cat console
rm -f disk.img snap/hard_drive.0.drive0.image
