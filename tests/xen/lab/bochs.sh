# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds Bochs 3.0 from the source package of Debian 13 with the patches beside this file.
# Older Bochs has no monitor trap flag, Debian's own binary no way to save without its debugger.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/apt.sh"

apt_open "$PWD/apt" trixie/source
uris=$(apt-get "${APT[@]}" --print-uris --only-source source bochs)
read -r tarball hash < <(awk '$2 ~ /orig\.tar/ {sub(/^SHA256:/, "", $4); print $2, $4}' <<<"$uris")
[[ $tarball == bochs_3.0+* ]] || die "expected the source of Bochs 3.0, the mirror has ${tarball:-none}"
# A mirror that lost the .dsc still has the tarball; the hash is from the signed index.
apt-get "${APT[@]}" --only-source --download-only source bochs || true
echo "$hash  $tarball" | sha256sum --check || die "$tarball did not come whole"

mkdir src
tar -xf "$tarball" -C src --strip-components=1
for patch in "$LAB_DIR"/patches/*.patch; do
	patch -d src -p1 <"$patch"
done

# show-ips is off because its signal handler can deadlock on the log's lock.
(
	cd src || exit
	CFLAGS=-O2 CXXFLAGS="-O2 -fomit-frame-pointer" ./configure --enable-cpu-level=6 --enable-x86-64 \
		--enable-vmx=2 --enable-svm --enable-avx --enable-evex --enable-pci \
		--enable-long-phy-address --enable-all-optimizations --enable-handlers-chaining \
		--enable-trace-linking --enable-repeat-speedups --enable-fast-function-calls \
		--enable-logging --with-nogui --disable-plugins --disable-debugger --disable-show-ips \
		--disable-docbook
	make -j"$(nproc)"
	strip -o ../bochs bochs
)
rm -rf src apt ./*.tar.xz
