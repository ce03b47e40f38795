# SPDX-License-Identifier: LGPL-2.1-or-later
# The emulated machine: its description for Bochs, its disk, and how it comes back from a snapshot.
# To be sourced. Needs $PACKAGES, $BOCHS, $ISO.
# shellcheck shell=bash disable=SC2153

DISK_SIZE=128M
DISK_BLOCK=4096
RESULT_BLOCK=16384 # the second half of the disk carries what the job gives back

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
}

# machine_clone SNAPSHOT DIR [TTY]: a copy of the saved machine in DIR, sharing its memory file,
# with an empty disk at DIR/snap/hard_drive.0.drive0.image. With TTY its console is that terminal.
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
	truncate -s "$DISK_SIZE" "$dir/snap/hard_drive.0.drive0.image" "$dir/disk.img"
}

# machine_save DIR CONSOLE LIMIT ARG...: runs Bochs with the arguments until dom0 says that it waits
# for a job, which takes LIMIT seconds at most, and saves the machine into DIR.
machine_save() {
	local dir=$1 console=$2 limit=$3 pid start=$SECONDS
	shift 3
	BOCHS_SAVE_DIR=$dir "$BOCHS/bochs" -q "$@" &
	pid=$!
	# shellcheck disable=SC2064 # the process is known now
	trap "kill -9 $pid 2>/dev/null || true" EXIT
	until grep -aq '@@ ready' "$console" 2>/dev/null; do
		kill -0 $pid 2>/dev/null || die "Bochs ended before dom0 was ready: $(tail -n 20 "$console")"
		((SECONDS - start < limit)) || die "dom0 not ready after $limit s: $(tail -n 20 "$console")"
		sleep 0.2
	done
	! grep -a '@@ failed' "$console" || die "dom0 is there, but not whole"
	kill -USR1 $pid
	wait $pid || die "Bochs could not save the machine"
	trap - EXIT
	cat "$console"
	rm -f "$dir/hard_drive.0.drive0.image"
}
