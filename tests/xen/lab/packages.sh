# SPDX-License-Identifier: LGPL-2.1-or-later
# Fetches the Debian packages of hypervisor, dom0 and firmware and unpacks them into ./root,
# installing nothing. ./manifest says which versions came.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/apt.sh"

# shellcheck disable=SC2086 # lists of words
apt_open "$PWD/apt" $XEN_SUITES
kernel=$(apt-cache "${APT[@]}" depends "$XEN_KERNEL_META" |
	awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ {print $2; exit}')
[[ -n $kernel ]] || die "the mirror has no package that $XEN_KERNEL_META depends on"

mkdir debs root
# shellcheck disable=SC2086
(cd debs && apt-get "${APT[@]}" download $XEN_PACKAGES $XEN_FIRMWARE "$kernel")
for deb in debs/*.deb; do
	# shellcheck disable=SC2016 # dpkg-deb expands it
	dpkg-deb --show --showformat '${Package} ${Version}\n' "$deb" >>manifest
	dpkg-deb --extract "$deb" root
done
cat manifest
rm -rf apt debs
