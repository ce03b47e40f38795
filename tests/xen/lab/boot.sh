# SPDX-License-Identifier: LGPL-2.1-or-later
# What the AMD machine starts from: Xen as a multiboot kernel, and the words for Xen and dom0.
# shellcheck shell=bash
. "$LAB_DIR/common.sh"
. "$LAB_DIR/words.sh"

gzip -dc "$PACKAGES/root/$XEN_IMAGE" >xen
echo "$XEN_WORDS" >xen-words
echo "$DOM0_WORDS" >dom0-words
