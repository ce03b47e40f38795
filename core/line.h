/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One line of text, put together piece by piece in a buffer of the caller's. What does not fit is
 * cut; the buffer always ends with a NUL.
 */
#ifndef VMT_CORE_LINE_H
#define VMT_CORE_LINE_H

#include <vmitape/event.h>

struct vmt_line {
	char *buf;
	size_t cap;
	size_t len; /**< without the NUL; always below @cap, unless that is 0 */
};

void vmt_line_init(struct vmt_line *line, char *buf, size_t cap);
void vmt_line_add(struct vmt_line *line, const char *fmt, ...) VMT_PRINTF(2, 3);

/** "r-x", and " ignore-walks" where that is set. */
void vmt_line_add_access(struct vmt_line *line, struct vmt_access access);

/** "vector 14 hw-exception error 0x2 extra 0x7000". */
void vmt_line_add_interrupt(struct vmt_line *line, const struct vmt_interrupt *interrupt);

#endif /* VMT_CORE_LINE_H */
