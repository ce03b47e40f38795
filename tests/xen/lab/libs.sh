# SPDX-License-Identifier: LGPL-2.1-or-later
# Finds the shared libraries that ELF files need, either inside an unpacked root or on this host.
# To be sourced.
# shellcheck shell=bash

is_elf() { [[ -f $1 && $(head -c4 "$1" | tr -d '\0') == $'\x7fELF' ]]; }

needed_of() {
	readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# libs_in_root ROOT FILE...: prints the path of every library that the files need, transitively.
libs_in_root() {
	local root=$1 file name path
	local -A seen=()
	local -a todo
	shift
	todo=("$@")
	while ((${#todo[@]})); do
		file=${todo[0]}
		todo=("${todo[@]:1}")
		while read -r name; do
			[[ -n $name && -z ${seen[$name]:-} ]] || continue
			seen[$name]=1
			path=$(find "$root/lib" "$root/usr/lib" -name "$name" -print -quit 2>/dev/null)
			[[ -n $path ]] || die "no package of dom0 has $name, which $file needs"
			echo "$path"
			todo+=("$path")
		done < <(needed_of "$file")
	done
}

# libs_on_host HAVE FILE...: prints the path of every library that the host's loader finds for the
# files, but for those whose names the file HAVE lists.
libs_on_host() {
	local have=$1 file missing
	shift
	for file; do
		is_elf "$file" || continue
		missing=$(ldd "$file" 2>/dev/null | awk '/not found/ {print $1}' | grep -vxFf "$have")
		[[ -z $missing ]] || die "$file needs ${missing//$'\n'/ }, which this host has not"
		ldd "$file" 2>/dev/null | awk '$2 == "=>" && $3 ~ "/" {print $3}'
	done | sort -u | while read -r file; do
		grep -qxF "${file##*/}" "$have" || echo "$file"
	done
}
