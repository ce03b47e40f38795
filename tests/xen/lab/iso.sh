# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the boot medium: GRUB, Xen, dom0's kernel and initrd from $PACKAGES and $INITRD.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/words.sh"
root=$PACKAGES/root

mkdir -p tree/boot/grub
gzip -dc "$root/$XEN_IMAGE" >tree/boot/xen
cp "$INITRD/vmlinux" "$INITRD/initrd" tree/boot/
cat >tree/boot/grub/grub.cfg <<END
set timeout=0
set gfxpayload=text
insmod multiboot2
multiboot2 /boot/xen $XEN_WORDS
module2 /boot/vmlinux $DOM0_WORDS
module2 /boot/initrd
boot
END
grub-mkrescue --directory "$root/usr/lib/grub/i386-pc" --output xen.iso tree \
	--install-modules="multiboot2 iso9660 normal biosdisk part_msdos configfile boot" \
	--locales= --fonts= --themes=
rm -rf tree
