# SPDX-License-Identifier: LGPL-2.1-or-later
# The Linux guest: Debian 12's cloud kernel, made a small ELF file, for Xen starts no bzImage as a PVH
# guest, and busybox. ./manifest says which versions came.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/apt.sh"
. "$LAB_DIR/debs.sh"

apt_open "$PWD/apt" bookworm bookworm-updates bookworm-security
mkdir debs root
kernel=$(apt_depends linux-image-cloud-amd64)
(cd debs && apt-get "${APT[@]}" download "$kernel" busybox-static)
apt_unpack debs root >manifest
python3 "$LAB_DIR/vmlinux.py" root/boot/vmlinuz-* vmlinux
cp root/bin/busybox .
rm -rf apt debs root
