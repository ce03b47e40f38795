# SPDX-License-Identifier: LGPL-2.1-or-later
# What is done with Debian packages once apt.sh has opened a view of the lists. To be sourced.
# shellcheck shell=bash

# apt_depends META: the kernel package that a meta package stands for.
apt_depends() {
	local kernel
	kernel=$(apt-cache "${APT[@]}" depends "$1" |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ {print $2; exit}')
	[[ -n $kernel ]] || die "the mirror has no package that $1 depends on"
	echo "$kernel"
}

# apt_unpack DEBS ROOT: unpacks the packages in the folder DEBS; prints their names and versions.
apt_unpack() {
	local deb
	for deb in "$1"/*.deb; do
		# shellcheck disable=SC2016 # dpkg-deb expands it
		dpkg-deb --show --showformat '${Package} ${Version}\n' "$deb"
		dpkg-deb --extract "$deb" "$2"
	done
}
