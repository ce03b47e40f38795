# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the boot medium: GRUB, Xen, dom0's kernel and initrd from $PACKAGES and $INITRD.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
root=$PACKAGES/root

# apicv: Bochs wants the posted-interrupt descriptor aligned to a page, Xen aligns it to 64 bytes.
xen="com1=115200,8n1 console=com1 dom0_mem=448M,max:448M dom0_max_vcpus=1 altp2m=1 hap=1 apicv=0
	spec-ctrl=no xpti=0 watchdog=0 bootscrub=0 cpufreq=none mce=off loglvl=warning
	guest_loglvl=all"
dom0="console=hvc0 quiet rdinit=/init nokaslr mitigations=off tsc=reliable random.trust_cpu=on
	cryptomgr.notests apparmor=0 selinux=0 audit=0 nomodeset"

mkdir -p tree/boot/grub
gzip -dc "$root/$XEN_IMAGE" >tree/boot/xen
cp "$INITRD/vmlinux" "$INITRD/initrd" tree/boot/
cat >tree/boot/grub/grub.cfg <<END
set timeout=0
set gfxpayload=text
insmod multiboot2
multiboot2 /boot/xen ${xen//[$'\n\t']/ }
module2 /boot/vmlinux ${dom0//[$'\n\t']/ }
module2 /boot/initrd
boot
END
grub-mkrescue --directory "$root/usr/lib/grub/i386-pc" --output xen.iso tree \
	--install-modules="multiboot2 iso9660 normal biosdisk part_msdos configfile boot" \
	--locales= --fonts= --themes=
rm -rf tree
