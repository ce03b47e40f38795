# SPDX-License-Identifier: LGPL-2.1-or-later
# The Linux guest's root: busybox, its init, and the program that does the work.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"

mkdir -p fs/bin
cp "$LINUX/busybox" fs/bin/
cp "$LINUX_ACTIONS" fs/bin/actions
cp "$LAB_ROOT/fixtures/guests/linux/init" fs/init
chmod +x fs/init fs/bin/*
find fs -exec touch -h -d @0 {} +
(cd fs && find . | LC_ALL=C sort |
	cpio --quiet --create --format newc --owner 0:0 --reproducible) >ramdisk
rm -rf fs
