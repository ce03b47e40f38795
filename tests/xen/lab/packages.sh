# SPDX-License-Identifier: LGPL-2.1-or-later
# Fetches the Debian packages of hypervisor, dom0 and firmware and unpacks them into ./root,
# installing nothing. ./manifest says which versions came.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/apt.sh"
. "$LAB_DIR/debs.sh"

mkdir debs root
# shellcheck disable=SC2086 # lists of words
{
	apt_open "$PWD/apt" $XEN_SUITES
	(cd debs && apt-get "${APT[@]}" download $XEN_PACKAGES)
	apt_open "$PWD/apt-kernel" $KERNEL_SUITES
}
kernel=$(apt_depends "$KERNEL_META")
# shellcheck disable=SC2086
(cd debs && apt-get "${APT[@]}" download $FIRMWARE_PACKAGES "$kernel")
apt_unpack debs root >manifest
cat manifest
rm -rf apt apt-kernel debs
