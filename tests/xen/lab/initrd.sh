# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes dom0's kernel and its root (an uncompressed cpio) from $PACKAGES: busybox, the Xen tools and
# daemons, their libraries, the few modules needed. ./libs lists the libraries that dom0 has.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/libs.sh"
root=$PACKAGES/root

# in_root PATH: where a package has it, of before or after the merge of / and /usr.
in_root() {
	if [[ -e $root/$1 ]]; then
		echo "$root/$1"
	else
		echo "$root/usr/$1"
	fi
}

mkdir -p fs/{bin,dev,etc/xen,lib/x86_64-linux-gnu,lib64,modules,proc,run,sys,tmp,usr/bin,usr/sbin,var,xen}
ln -s /run fs/var/run
ln -s /run/lock fs/var/lock
cp "$(in_root bin/busybox)" fs/bin/
cp "$LAB_DIR/init" fs/init
: >fs/etc/xen/xl.conf

tools=()
for name in xl xenstored xenconsoled xen-init-dom0 xen-access xenctx xen-hvmctx xen-cpuid; do
	tools+=("$root/$XEN_LIBEXEC/$name")
done
tools+=("$root"/usr/bin/xenstore*)
for tool in "${tools[@]}"; do
	is_elf "$tool" && cp "$tool" fs/xen/
done
# xenconsoled and xenstored are looked for under their packaged path by xl.
mkdir -p "fs/${XEN_LIBEXEC%/*}"
ln -s /xen "fs/$XEN_LIBEXEC"

# The loader opens libgcc_s by name when a thread is cancelled.
{
	libs_in_root "$root" "${tools[@]}"
	find "$root/lib" "$root/usr/lib" -name libgcc_s.so.1
} | sort -u >needed
while read -r lib; do
	cp -L "$lib" fs/lib/x86_64-linux-gnu/
done <needed
cp -L "$(in_root lib64/ld-linux-x86-64.so.2)" fs/lib64/
ls fs/lib/x86_64-linux-gnu >libs

modules="xen-evtchn xen-privcmd xen-gntdev xen-gntalloc xenfs scsi_common scsi_mod crct10dif_common
	crc-t10dif crc64 crc64-rocksoft t10-pi libata ata_piix sd_mod"
for name in $modules; do
	module=$(find "$root"/lib/modules -name "$name.ko" -print -quit)
	[[ -n $module ]] || die "the kernel package has no module $name"
	strip --strip-debug -o "fs/modules/$name.ko" "$module"
	echo "$name" >>fs/modules/order
done

(cd fs && find . | cpio --quiet --create --format newc --owner 0:0) >initrd
python3 "$LAB_DIR/vmlinux.py" "$root"/boot/vmlinuz-* vmlinux
rm -rf fs needed
