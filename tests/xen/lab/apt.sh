# SPDX-License-Identifier: LGPL-2.1-or-later
# A private view of Debian's package lists: which suites exist on this machine's mirror is asked
# without touching the machine's own apt state. To be sourced.
# shellcheck shell=bash

# First mirror of the main archive that the machine's own configuration names.
apt_mirror() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 2>/dev/null |
		grep -E '/debian/?$' | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}'
}

# apt_open DIR SUITE...: makes DIR a private apt state that knows the suites (binary and source).
apt_open() {
	local dir=$1 mirror suite
	shift
	mirror=$(apt_mirror)
	[[ -n $mirror ]] || mirror=http://deb.debian.org/debian
	mkdir -p "$dir"/lists/partial "$dir"/cache/archives/partial
	: >"$dir"/sources.list
	for suite; do
		case $suite in
			*-security) echo "deb ${mirror%/}-security $suite main" ;;
			*/source) echo "deb-src $mirror ${suite%/source} main" ;;
			*) echo "deb $mirror $suite main" ;;
		esac >>"$dir"/sources.list
	done
	APT=(-q -o Dir::Etc::sourcelist="$dir"/sources.list -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::lists="$dir"/lists -o Dir::Cache="$dir"/cache
		-o APT::Sandbox::User=root)
	apt-get "${APT[@]}" update
}
