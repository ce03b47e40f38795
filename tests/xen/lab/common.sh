# SPDX-License-Identifier: LGPL-2.1-or-later
# What every part of the lab shares: where its cache is, how it speaks, and how a cached step is
# built once and found again by the hash of what made it. To be sourced.
# shellcheck shell=bash

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_ROOT=$(cd "$LAB_DIR/../../.." && pwd)
LAB_CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmitape/xen-lab}
LAB_XEN=${LAB_XEN:-4.17}
LAB_CPU=${LAB_CPU:-intel}
export LAB_DIR LAB_ROOT LAB_CACHE LAB_XEN LAB_CPU

say() { printf 'lab: %s\n' "$*" >&2; }

# Exit status 125 means that the lab itself failed, not the command that ran in it.
die() {
	say "$*"
	exit 125
}

# lab_xen VERSION: chooses the Xen that the lab runs.
lab_xen() {
	LAB_XEN=$1
	[[ -e $LAB_DIR/xen-$1.conf ]] || die "no Xen $1 here, only: $(cd "$LAB_DIR" && echo xen-*.conf)"
	# shellcheck source=xen-4.17.conf
	. "$LAB_DIR/xen-$1.conf"
}
lab_xen "$LAB_XEN"

# lab_cpu KIND: chooses the machine.
lab_cpu() {
	LAB_CPU=$1
	[[ -e $LAB_DIR/machine-$1.sh ]] || die "no machine with a CPU of kind $1, only intel and amd"
	. "$LAB_DIR/machine.sh"
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.1f", b - a}'; }

# hash_of FILE|WORD...: one hash over the contents of the files and the words themselves.
hash_of() {
	local item
	for item; do
		if [[ -f $item ]]; then
			sha256sum <"$item"
		else
			printf '%s\n' "$item"
		fi
	done | sha256sum | cut -c1-12
}

# step NAME INPUT...: runs NAME.sh in an empty folder unless a folder made from the same script and
# inputs is there. Sets STEP to that folder. The script must fill its working folder.
step() {
	local name=$1 key tmp log start
	shift
	key=$(hash_of "$LAB_DIR/$name.sh" "$@")
	STEP=$LAB_CACHE/$name-$key
	if [[ -d $STEP ]]; then
		touch "$STEP/.used"
		[[ -n ${LAB_QUIET:-} ]] || say "$name: cached"
		return
	fi
	mkdir -p "$LAB_CACHE/log"
	log=$LAB_CACHE/log/$name-$key.log
	tmp=$STEP.new
	rm -rf "$tmp"
	mkdir "$tmp"
	start=$(now)
	say "$name: working (log: $log)"
	if ! (cd "$tmp" && STEP_FOLDER=$STEP nice -n 10 bash -eu -o pipefail "$LAB_DIR/$name.sh") >"$log" 2>&1 </dev/null; then
		tail -n 12 "$log" >&2
		die "$name failed after $(since "$start") s; its whole output is in $log"
	fi
	touch "$tmp/.used"
	mv "$tmp" "$STEP"
	say "$name: done in $(since "$start") s"
}
