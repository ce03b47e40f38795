# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Installs the Debian packages of a list, quietly, when some are missing. Sourced by ./dev.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmitape

# packages_missing LIST: those of LIST that are not installed.
packages_missing() {
	local name
	sed 's/#.*//' "$1" | tr -s '[:space:]' '\n' | while read -r name; do
		[ -n "$name" ] || continue
		[[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null) == ?i* ]] || echo "$name"
	done
}

# as_root COMMAND...: runs it as root, without asking for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

# packages_install LIST: leaves a stamp named after the list's hash, so that the next run does not look again.
packages_install() {
	local list=$1 stamp log missing
	stamp=$cache/packages-$(sha256sum <"$list" | cut -c1-16)
	if [ -n "${VMITAPE_NO_INSTALL:-}" ] || { [ -e "$stamp" ] && [ "$stamp" -nt /var/lib/dpkg/status ]; }; then
		return 0
	fi
	mkdir -p "$cache"
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		echo "dev: this is not Debian; install what ${list##*/} names by hand, then set VMITAPE_NO_INSTALL=1" >&2
		return 1
	fi
	missing=$(packages_missing "$list" | tr '\n' ' ')
	if [ -n "$missing" ]; then
		if ! as_root true 2>/dev/null; then
			echo "dev: missing packages, and neither root nor sudo without a password to install them; as root, run:" >&2
			echo "  apt-get install --no-install-recommends $missing" >&2
			return 1
		fi
		echo "dev: installing $missing" >&2
		log=$cache/apt.log
		# shellcheck disable=SC2086 # one word a package
		if ! {
			as_root apt-get update -q &&
				as_root env DEBIAN_FRONTEND=noninteractive \
					apt-get install -q -y --no-install-recommends $missing
		} >"$log" 2>&1 </dev/null; then
			tail -n 20 "$log" >&2
			echo "dev: apt-get failed (all of its output: $log)" >&2
			return 1
		fi
	fi
	touch "$stamp"
}
