# SPDX-License-Identifier: LGPL-2.1-or-later
# A job: what is brought to dom0, what runs there, what comes back. To be sourced.
# shellcheck shell=bash
. "$LAB_DIR/libs.sh"
. "$LAB_DIR/machine.sh"
. "$LAB_DIR/guest.sh"

job_reset() {
	JOB_FILES=()
	JOB_DIRS=()
	JOB_GET=()
	JOB_GUEST=none
	JOB_PAUSED=
	JOB_VCPUS=1
	JOB_CMDLINE=
	JOB_TIMEOUT=300
	JOB_OUT=.
	JOB_KEEP=
	JOB_SHELL=
	JOB_PREPARE=
}

# job_options ARG...: takes the options; sets JOB_REST to what follows them.
job_options() {
	while (($#)); do
		case $1 in
			--xen) lab_xen "${2:?}" ;;
			--cpu) lab_cpu "${2:?}" ;;
			--file) JOB_FILES+=("${2:?}") ;;
			--dir) JOB_DIRS+=("${2:?}") ;;
			--get) JOB_GET+=("${2:?}") ;;
			--out) JOB_OUT=${2:?} ;;
			--guest) JOB_GUEST=${2:?} ;;
			--vcpus) JOB_VCPUS=${2:?} ;;
			--cmdline) JOB_CMDLINE=${2?} ;;
			--timeout) JOB_TIMEOUT=${2:?} ;;
			--paused | --keep)
				[[ $1 == --paused ]] && JOB_PAUSED=1 || JOB_KEEP=1
				shift
				continue
				;;
			--)
				shift
				break
				;;
			-*) die "unknown option $1; see: lab help" ;;
			*) break ;;
		esac
		shift 2 || die "$1 wants a value"
	done
	JOB_REST=("$@")
}

# job_pack DIR [CMD ARG...]: lays the job out in DIR/job.
job_pack() {
	local dir=$1 job=$1/job spec name
	shift
	mkdir -p "$job/.lab/lib"
	for spec in "${JOB_DIRS[@]}"; do
		cp -rL "$spec"/. "$job"/ || die "cannot bring the folder $spec"
	done
	for spec in "${JOB_FILES[@]}"; do
		name=${spec#*:}
		[[ $spec == *:* ]] || name=${spec##*/}
		mkdir -p "$(dirname "$job/$name")"
		cp -L "${spec%%:*}" "$job/$name" || die "cannot bring the file ${spec%%:*}"
	done
	job_bring_libs "$job"
	[[ $JOB_GUEST == none || $JOB_GUEST == linux-ready ]] ||
		guest_config "$job" "$JOB_GUEST" "$JOB_VCPUS" "$JOB_CMDLINE"
	cp "$LAB_DIR/dom0-job" "$job/.lab/run"
	(($# == 0)) || printf '%q ' exec "$@" >"$job/.lab/command"
	cat >"$job/.lab/settings" <<-END
		GUEST_CONFIG=$([[ ! -e $job/.lab/guest.cfg ]] || echo /job/.lab/guest.cfg)
		GUEST_THERE=$([[ $JOB_GUEST != linux-ready ]] || echo 1)
		GUEST_PAUSED=$JOB_PAUSED
		INTERACTIVE=$JOB_SHELL
		PREPARE=$JOB_PREPARE
		TIMEOUT=$JOB_TIMEOUT
		GET="${JOB_GET[*]}"
		DISK_BLOCK=$DISK_BLOCK
		RESULT_BLOCK=$RESULT_BLOCK
	END
}

# Brings the host's libraries for every ELF file of the job, except those that dom0 has itself.
# A library may also lie in the job's own folder.
job_bring_libs() {
	local lib files=()
	while IFS= read -r -d '' file; do
		files+=("$file")
	done < <(find "$1" -type f -print0)
	((${#files[@]})) || return 0
	while read -r lib; do
		cp -L "$lib" "$1/.lab/lib/"
	done < <(LD_LIBRARY_PATH=$1 libs_on_host "$INITRD/libs" "${files[@]}")
}

# job_write_disk DIR: the job as the disk's first half.
job_write_disk() {
	local tar=$1/job.tar disk=$MACHINE_DISK blocks
	tar -C "$1/job" --owner=0 --group=0 -cf "$tar" .
	blocks=$((($(stat -c %s "$tar") + DISK_BLOCK - 1) / DISK_BLOCK))
	((blocks < RESULT_BLOCK)) || die "the job is too large: $blocks blocks of $RESULT_BLOCK"
	printf 'JOB %d %s\n' "$blocks" "${JOB_PREPARE:-run}" | dd of="$disk" conv=notrunc status=none
	dd if="$tar" of="$disk" bs=$DISK_BLOCK seek=1 conv=notrunc status=none
	rm -rf "$tar" "$1/job"
}

# job_read_result DIR: takes the outputs from the disk into DIR/out; sets JOB_STATUS.
job_read_result() {
	local magic
	read -r magic JOB_STATUS < <(dd if="$1/disk.img" bs=$DISK_BLOCK skip=$RESULT_BLOCK count=1 \
		status=none | tr -d '\0')
	[[ $magic == RESULT ]] || return 1
	mkdir "$1/out"
	tar -x -C "$1/out" --no-same-owner --warning=no-timestamp -f \
		<(dd if="$1/disk.img" bs=$DISK_BLOCK skip=$((RESULT_BLOCK + 1)) status=none 2>/dev/null)
}

job_deliver() {
	local name
	cat "$1/out/stdout" 2>/dev/null
	cat "$1/out/stderr" >&2
	for name in "${JOB_GET[@]}"; do
		if [[ -e $1/out/files/${name##*/} ]]; then
			mkdir -p "$JOB_OUT"
			cp -r "$1/out/files/${name##*/}" "$JOB_OUT"/
		else
			say "the job left no $name"
			((JOB_STATUS != 0)) || JOB_STATUS=125
		fi
	done
}

# job_run CMD ARG...: restores the snapshot, runs the command, returns its exit status.
# 124: it did not end within the time; 125: the lab failed.
job_run() {
	local dir status=0 start limit pid
	start=$(now)
	# dom0 ends the command itself, by its own clock; this is for a machine that hangs.
	limit=$((2 * JOB_TIMEOUT + 30))
	mkdir -p "$LAB_CACHE/runs"
	dir=$(mktemp -d "$LAB_CACHE/runs/XXXXXX")
	if [[ -n $JOB_KEEP ]]; then
		say "kept: $dir"
	else
		# shellcheck disable=SC2064 # the folder's name is known now
		trap "rm -rf '$dir'" EXIT
	fi
	job_pack "$dir" "$@"
	machine_clone "$SNAPSHOT/saved" "$dir" "${JOB_SHELL:+$(tty)}"
	job_write_disk "$dir"
	# In the background, so that a signal to this shell ends the machine too.
	timeout --foreground -k 2 "$limit" nice -n 10 \
		"${MACHINE[@]}" >"$dir/machine.out" 2>&1 </dev/null &
	pid=$!
	trap 'kill "$pid" 2>/dev/null; exit 143' TERM INT HUP
	wait "$pid" || status=$?
	trap - TERM INT HUP
	if [[ -n $JOB_SHELL ]]; then
		return 0
	fi
	if job_read_result "$dir"; then
		job_deliver "$dir"
		[[ -z $JOB_KEEP ]] || say "status $JOB_STATUS after $(since "$start") s"
		return "$JOB_STATUS"
	fi
	tail -n 40 "$dir/console" | tr -d '\0' >&2
	if ((status == 124 || status == 137)); then
		say "the machine hung for $limit s; above is the console's end"
		return 124
	fi
	tail -n 5 "$dir/machine.out" >&2
	say "the machine stopped without a result (status $status); above is the console's end"
	return 125
}
