# SPDX-License-Identifier: LGPL-2.1-or-later
# What programs for a Xen other than this host's are compiled against: its headers, its libraries and
# pkg-config files that name them, in ./pkgconfig. The rest of such a program is this host's.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/apt.sh"
. "$LAB_DIR/debs.sh"

mkdir debs root pkgconfig
# shellcheck disable=SC2086 # lists of words
{
	apt_open "$PWD/apt" $XEN_SUITES
	(cd debs && apt-get "${APT[@]}" download $SDK_PACKAGES)
}
apt_unpack debs root >manifest
# The development package's links lead to the libraries of the other packages.
for link in root/usr/lib/x86_64-linux-gnu/libxen*.so; do
	name=$(basename "$(readlink "$link")")
	library=$(find "$PACKAGES/root" -name "$name" -print -quit)
	[[ -n $library ]] || continue
	ln -sf "$library" "$link"
done
for file in root/usr/lib/x86_64-linux-gnu/pkgconfig/xen*.pc; do
	sed "s#^prefix=.*#prefix=$STEP_FOLDER/root/usr#; s#=/usr/#=$STEP_FOLDER/root/usr/#" \
		"$file" >"pkgconfig/${file##*/}"
done
rm -rf apt debs
