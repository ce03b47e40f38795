# SPDX-License-Identifier: LGPL-2.1-or-later
# The machine with an Intel CPU, emulated by Bochs: VMX, EPT, altp2m. To be sourced by machine.sh.
# Needs $PACKAGES, $BOCHS, $ISO.
# shellcheck shell=bash disable=SC2153

# machine_describe DIR: a new machine in DIR with an empty disk, its console written to a file.
machine_describe() {
	truncate -s "$DISK_SIZE" "$1/disk.img"
	cat >"$1/bochsrc" <<-END
		display_library: nogui
		cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
		memory: guest=768, host=768
		romimage: file=$PACKAGES/root/usr/share/bochs/BIOS-bochs-latest
		vgaromimage: file=$PACKAGES/root/usr/share/vgabios/vgabios.bin
		vga: extension=none, update_freq=1
		ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
		ata0-master: type=disk, path=$1/disk.img, mode=flat, cylinders=0
		ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
		ata1-master: type=cdrom, path=$ISO/xen.iso, status=inserted
		boot: cdrom
		clock: sync=none, time0=1700000000
		com1: enabled=1, mode=file, dev=$1/console
		log: $1/bochs.log
		panic: action=fatal
		error: action=ignore
		info: action=ignore
		debug: action=ignore
		speaker: enabled=0
	END
	MACHINE=("$BOCHS/bochs" -q -f "$1/bochsrc")
}

machine_clone() {
	local saved=$1 dir=$2 com1="mode=file, dev=$2/console" file
	[[ -z ${3:-} ]] || com1="mode=term, dev=$3"
	mkdir "$dir/snap"
	for file in "$saved"/*; do
		case $file in
			*/memory.ram) ln -s "$file" "$dir/snap/" ;;
			*) cp "$file" "$dir/snap/" ;;
		esac
	done
	# Bochs 3.0 writes a panic line that it cannot read back, hence the actions anew.
	sed -E -i -e "s#path=\"?[^,\"]*disk\.img\"?#path=$dir/disk.img#" \
		-e "s#^log: .*#log: $dir/bochs.log#" -e "s#^com1: .*#com1: enabled=1, $com1#" \
		-e '/^(panic|error|info|debug): /d' "$dir/snap/config"
	printf '%s\n' 'panic: action=fatal' 'error: action=ignore' 'info: action=ignore' \
		'debug: action=ignore' >>"$dir/snap/config"
	# The restored machine takes its disk from the snapshot.
	MACHINE_DISK=$dir/snap/hard_drive.0.drive0.image
	truncate -s "$DISK_SIZE" "$MACHINE_DISK" "$dir/disk.img"
	MACHINE=("$BOCHS/bochs" -q -r "$dir/snap")
}

# Bochs saves itself into $BOCHS_SAVE_DIR when it gets the signal, and ends.
machine_save_now() {
	kill -USR1 "$2"
	wait "$2" || die "Bochs could not save the machine"
	rm -f "$1/hard_drive.0.drive0.image"
}
