# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots the machine until dom0 waits for a job, and saves it into ./saved.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/machine.sh"

machine_describe "$PWD"
machine_save "$PWD/saved" "$PWD" 300 # it takes about 20 s
rm -f disk.img
