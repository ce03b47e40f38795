/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text and JSON, piece by piece.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmitape/run.h>

#include "put.h"

#define TEXT_SHOWN  256u
#define BYTES_SHOWN 32u

static void put(struct vmt_putter *p, const char *text, size_t len)
{
	if (p->result >= 0 && len > 0)
		p->result = p->put(p->context, text, len);
}

void vmt_put(struct vmt_putter *p, const char *text)
{
	put(p, text, strlen(text));
}

void vmt_putf(struct vmt_putter *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(p, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void vmt_put_colour(struct vmt_putter *p, const char *colour)
{
	if (p->colour)
		vmt_putf(p, "\033[%sm", *colour ? colour : "0");
}

static void put_escaped(struct vmt_putter *p, const unsigned char *text, size_t len, bool quoted)
{
	for (size_t i = 0; i < len; i++) {
		if (quoted && (text[i] == '"' || text[i] == '\\'))
			vmt_putf(p, "\\%c", text[i]);
		else if (text[i] >= 0x20 && text[i] < 0x7f)
			put(p, (const char *)&text[i], 1);
		else
			vmt_putf(p, "\\x%02x", text[i]);
	}
}

void vmt_put_plain(struct vmt_putter *p, const char *text)
{
	put_escaped(p, (const unsigned char *)text, strlen(text), false);
}

static void put_bytes(struct vmt_putter *p, const struct vmt_value *v)
{
	const unsigned char *bytes = v->v.p;

	if (v->len == 0)
		vmt_put(p, "-");
	for (uint32_t i = 0; i < v->len && i < BYTES_SHOWN; i++)
		vmt_putf(p, "%02x", bytes[i]);
	if (v->len > BYTES_SHOWN)
		vmt_putf(p, "...(%u bytes)", v->len);
}

void vmt_put_value(struct vmt_putter *p, const struct vmt_value *v)
{
	switch (v->type) {
	case VMT_BOOL:
		vmt_put(p, v->v.b ? "true" : "false");
		break;
	case VMT_I64:
		vmt_putf(p, "%" PRId64, v->v.i);
		break;
	case VMT_U64:
		vmt_putf(p, "%" PRIu64, v->v.u);
		break;
	case VMT_ADDR:
		vmt_putf(p, "0x%" PRIx64, v->v.u);
		break;
	case VMT_TEXT:
		vmt_put(p, "\"");
		put_escaped(p, v->v.p, v->len < TEXT_SHOWN ? v->len : TEXT_SHOWN, true);
		vmt_put(p, "\"");
		if (v->len > TEXT_SHOWN)
			vmt_putf(p, "...(%u bytes)", v->len);
		break;
	default:
		put_bytes(p, v);
	}
}

const char *vmt_compare_callback_name(unsigned kind)
{
	return kind == 0 ? "session end" : vmt_callback_name(kind);
}

/* -------------------------------------------------------------------------------------------- */
/* JSON                                                                                         */
/* -------------------------------------------------------------------------------------------- */

/** The length of the UTF-8 sequence at @p, or 0: there is none (overlong, surrogate, cut). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	n = (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (n == 0 || left < n)
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

static bool is_utf8(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len;) {
		const size_t n = utf8_length(p + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static void put_hex(struct vmt_putter *p, const unsigned char *bytes, size_t len)
{
	vmt_put(p, "\"");
	for (size_t i = 0; i < len; i++)
		vmt_putf(p, "%02x", bytes[i]);
	vmt_put(p, "\"");
}

/** A JSON string, or {"bytes": "..."} for what cannot be one. DEL and '<' are escaped too. */
static void put_string(struct vmt_putter *p, const unsigned char *text, size_t len)
{
	if (!is_utf8(text, len)) {
		vmt_put(p, "{\"bytes\":");
		put_hex(p, text, len);
		vmt_put(p, "}");
		return;
	}
	vmt_put(p, "\"");
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] == 0x7f || text[i] == '<')
			vmt_putf(p, "\\u%04x", text[i]);
		else if (text[i] == '"' || text[i] == '\\')
			vmt_putf(p, "\\%c", text[i]);
		else
			put(p, (const char *)&text[i], 1);
	}
	vmt_put(p, "\"");
}

static void put_name(struct vmt_putter *p, const char *name)
{
	if (!p->first)
		vmt_put(p, ",");
	p->first = false;
	if (!name)
		return;
	put_string(p, (const unsigned char *)name, strlen(name));
	vmt_put(p, ":");
}

void vmt_json_open(struct vmt_putter *p, const char *name, char bracket)
{
	put_name(p, name);
	put(p, &bracket, 1);
	p->first = true;
}

void vmt_json_close(struct vmt_putter *p, char bracket)
{
	put(p, &bracket, 1);
	p->first = false;
}

void vmt_json_text(struct vmt_putter *p, const char *name, const char *text)
{
	put_name(p, name);
	put_string(p, (const unsigned char *)text, strlen(text));
}

void vmt_json_u64(struct vmt_putter *p, const char *name, uint64_t n)
{
	put_name(p, name);
	vmt_putf(p, "%" PRIu64, n);
}

void vmt_json_hex(struct vmt_putter *p, const char *name, uint64_t n)
{
	put_name(p, name);
	vmt_putf(p, "\"0x%" PRIx64 "\"", n);
}

void vmt_json_null(struct vmt_putter *p, const char *name)
{
	put_name(p, name);
	vmt_put(p, "null");
}

void vmt_json_value(struct vmt_putter *p, const char *name, const struct vmt_value *v)
{
	put_name(p, name);
	switch (v->type) {
	case VMT_BOOL:
		vmt_put(p, v->v.b ? "true" : "false");
		break;
	case VMT_I64:
		vmt_putf(p, "%" PRId64, v->v.i);
		break;
	case VMT_U64:
		vmt_putf(p, v->v.u > INT64_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, v->v.u);
		break;
	case VMT_ADDR:
		vmt_putf(p, "\"0x%" PRIx64 "\"", v->v.u);
		break;
	case VMT_TEXT:
		put_string(p, v->v.p ? v->v.p : (const void *)"", v->len);
		break;
	default:
		put_hex(p, v->v.p, v->len);
	}
}

int vmt_compare_value_json(const struct vmt_value *value, vmt_compare_put *put_function,
			   void *context)
{
	struct vmt_putter p = {.put = put_function, .context = context, .first = true};

	vmt_json_value(&p, NULL, value);
	return p.result;
}
