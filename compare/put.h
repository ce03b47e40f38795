/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a report piece by piece: text, escaped text, JSON. The first failure is kept, and what
 * comes after it is left out.
 */
#ifndef VMT_COMPARE_PUT_H
#define VMT_COMPARE_PUT_H

#include <vmitape/compare.h>

struct vmt_putter {
	vmt_compare_put *put;
	void *context;
	int result;
	bool colour;
	bool first; /**< JSON: nothing stands in this object or list yet */
};

void vmt_put(struct vmt_putter *p, const char *text);
void vmt_putf(struct vmt_putter *p, const char *fmt, ...) VMT_PRINTF(2, 3);

/** A colour of the terminal ("31"), or "" for none again. Nothing without @p->colour. */
void vmt_put_colour(struct vmt_putter *p, const char *colour);

/** @text with what is no printable ASCII as \xNN, for names that came out of a file. */
void vmt_put_plain(struct vmt_putter *p, const char *text);

/** A value for people: long ones are cut and say so. */
void vmt_put_value(struct vmt_putter *p, const struct vmt_value *v);

/* JSON. @name is NULL in a list and for the outermost object. */
void vmt_json_open(struct vmt_putter *p, const char *name, char bracket);
void vmt_json_close(struct vmt_putter *p, char bracket);
void vmt_json_text(struct vmt_putter *p, const char *name, const char *text);
void vmt_json_u64(struct vmt_putter *p, const char *name, uint64_t n);
void vmt_json_hex(struct vmt_putter *p, const char *name, uint64_t n);
void vmt_json_null(struct vmt_putter *p, const char *name);
void vmt_json_value(struct vmt_putter *p, const char *name, const struct vmt_value *v);

/** The name of a callback's kind; the end of the session is one too. */
const char *vmt_compare_callback_name(unsigned kind);

#endif /* VMT_COMPARE_PUT_H */
