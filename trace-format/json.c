/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record as one line of JSON: a rendering of what the visitor is shown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fields.h"

struct writer {
	struct vmt_trace_visitor visitor;
	vmt_trace_put *put;
	void *context;
	bool first; /**< nothing stands in this object or list yet */
	int result;
};

static void put(struct writer *w, const char *text, size_t len)
{
	if (w->result >= 0)
		w->result = w->put(w->context, text, len);
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void put_name(struct writer *w, const char *name)
{
	if (!w->first)
		put_text(w, ",");
	w->first = false;
	if (name == NULL)
		return;
	put_text(w, "\"");
	put_text(w, name);
	put_text(w, "\":");
}

static void show_uint(struct vmt_trace_visitor *v, const char *name, uint64_t value, bool hex)
{
	struct writer *w = (struct writer *)v;
	char text[24];

	put_name(w, name);
	if (hex)
		snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", value);
	else
		snprintf(text, sizeof(text), "%" PRIu64, value);
	put_text(w, text);
}

static void show_sint(struct vmt_trace_visitor *v, const char *name, int64_t value)
{
	struct writer *w = (struct writer *)v;
	char text[24];

	put_name(w, name);
	snprintf(text, sizeof(text), "%" PRId64, value);
	put_text(w, text);
}

static void show_boolean(struct vmt_trace_visitor *v, const char *name, bool value)
{
	struct writer *w = (struct writer *)v;

	put_name(w, name);
	put_text(w, value ? "true" : "false");
}

/** The length of the UTF-8 sequence at @p, or 0: there is none (overlong, surrogate, cut). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if ((p[0] & 0xe0) == 0xc0)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if ((p[0] & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	if (left < n)
		return 0;
	code = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return n;
}

static bool is_utf8(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len;) {
		const size_t n = utf8_length(p + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static void put_hex(struct writer *w, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[128];

	put_text(w, "\"");
	while (len > 0) {
		const size_t n = len < sizeof(text) / 2 ? len : sizeof(text) / 2;

		for (size_t i = 0; i < n; i++) {
			text[2 * i] = digits[p[i] >> 4];
			text[2 * i + 1] = digits[p[i] & 15];
		}
		put(w, text, 2 * n);
		p += n;
		len -= n;
	}
	put_text(w, "\"");
}

static void put_string(struct writer *w, const uint8_t *p, size_t len)
{
	size_t plain = 0;

	put_text(w, "\"");
	for (size_t i = 0; i < len; i++) {
		char escape[8];

		if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
			continue;
		put(w, (const char *)p + plain, i - plain);
		if (p[i] < 0x20)
			snprintf(escape, sizeof(escape), "\\u%04x", p[i]);
		else
			snprintf(escape, sizeof(escape), "\\%c", p[i]);
		put_text(w, escape);
		plain = i + 1;
	}
	put(w, (const char *)p + plain, len - plain);
	put_text(w, "\"");
}

static void show_bytes(struct vmt_trace_visitor *v, const char *name, const void *p, size_t len,
		       bool text)
{
	struct writer *w = (struct writer *)v;

	put_name(w, name);
	if (!text) {
		put_hex(w, p, len);
	} else if (len == 0 || is_utf8(p, len)) {
		put_string(w, len > 0 ? p : (const void *)"", len);
	} else {
		put_text(w, "{\"bytes\":");
		put_hex(w, p, len);
		put_text(w, "}");
	}
}

static void show_none(struct vmt_trace_visitor *v, const char *name)
{
	struct writer *w = (struct writer *)v;

	put_name(w, name);
	put_text(w, "null");
}

static void show_open(struct vmt_trace_visitor *v, const char *name, bool list)
{
	struct writer *w = (struct writer *)v;

	put_name(w, name);
	put_text(w, list ? "[" : "{");
	w->first = true;
}

static void show_close(struct vmt_trace_visitor *v, bool list)
{
	struct writer *w = (struct writer *)v;

	put_text(w, list ? "]" : "}");
	w->first = false;
}

int vmt_trace_record_json(const struct vmt_trace_record *record, vmt_trace_put *put_function,
			  void *context)
{
	static const struct vmt_trace_visitor_ops ops = {
		show_uint, show_sint, show_boolean, show_bytes, show_none, show_open, show_close,
	};
	struct writer w = {{&ops}, put_function, context, true, 0};
	const char *phase = vmt_trace_phase_name(record->phase);
	const char *kind = vmt_trace_kind_name(record->kind);
	int r;

	put_text(&w, "{");
	show_uint(&w.visitor, "position", record->position, false);
	show_uint(&w.visitor, "callback", record->callback, false);
	show_bytes(&w.visitor, "phase", phase, strlen(phase), true);
	show_bytes(&w.visitor, "kind", kind, strlen(kind), true);
	r = vmt_trace_record_visit(record, &w.visitor);
	put_text(&w, "}");
	return r < 0 ? r : w.result;
}
