/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error value: result codes by name, filling, extending and formatting a struct vmt_error.
 *
 * Each sentence is put together beside the error and then copied, for the arguments may well point
 * into the error that is filled.
 */
#include <stdio.h>
#include <string.h>

#include <vmitape/types.h>

#include "line.h"

const char *vmt_status_name(int status)
{
	static const char *const names[VMT_STATUS_COUNT] = {
		[VMT_OK] = "ok",
		[VMT_E_INVALID] = "invalid",
		[VMT_E_NOT_SUPPORTED] = "not supported",
		[VMT_E_NOT_RECORDED] = "not recorded",
		[VMT_E_FAULT] = "fault",
		[VMT_E_UNMAPPED] = "unmapped",
		[VMT_E_TRUNCATED] = "truncated",
		[VMT_E_BUSY] = "busy",
		[VMT_E_EXISTS] = "exists",
		[VMT_E_NOT_FOUND] = "not found",
		[VMT_E_NO_MEMORY] = "no memory",
		[VMT_E_LIMIT] = "limit",
		[VMT_E_PERMISSION] = "permission",
		[VMT_E_WRONG_PLACE] = "wrong place",
		[VMT_E_GONE] = "gone",
		[VMT_E_HYPERVISOR] = "hypervisor",
		[VMT_E_IO] = "io",
		[VMT_E_HANDLER] = "handler",
		[VMT_E_ABI] = "abi",
		[VMT_E_DAMAGED] = "damaged",
		[VMT_E_END_OF_TRACE] = "end of trace",
	};
	/* As an unsigned number, for INT_MIN has no positive one. */
	unsigned code = status < 0 ? 0u - (unsigned)status : (unsigned)status;

	return code < VMT_STATUS_COUNT ? names[code] : "unknown";
}

/* Store what is ready. @place and @text do not point into @err. */
static int store(struct vmt_error *err, enum vmt_status status, int sys_errno, const char *place,
		 const char *text)
{
	struct vmt_line line;

	memset(err, 0, sizeof(*err));
	err->status = (int32_t)status;
	err->sys_errno = sys_errno;
	vmt_line_init(&line, err->place, sizeof(err->place));
	vmt_line_add(&line, "%s", place);
	vmt_line_init(&line, err->text, sizeof(err->text));
	vmt_line_add(&line, "%s", text);
	return -(int)status;
}

int vmt_error_vset(struct vmt_error *err, enum vmt_status status, const char *place,
		   const char *fmt, va_list ap)
{
	char where[VMT_ERROR_PLACE], text[VMT_ERROR_TEXT];

	if (!err)
		return -(int)status;
	snprintf(where, sizeof(where), "%s", place ? place : "");
	vsnprintf(text, sizeof(text), fmt, ap);
	return store(err, status, 0, where, text);
}

int vmt_error_set(struct vmt_error *err, enum vmt_status status, const char *place, const char *fmt,
		  ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vmt_error_vset(err, status, place, fmt, ap);
	va_end(ap);
	return r;
}

int vmt_error_set_errno(struct vmt_error *err, enum vmt_status status, int sys_errno,
			const char *place, const char *fmt, ...)
{
	char reason[128];
	struct vmt_line line;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vmt_error_vset(err, status, place, fmt, ap);
	va_end(ap);
	if (!err)
		return r;
	err->sys_errno = sys_errno;
	line.buf = err->text;
	line.cap = sizeof(err->text);
	line.len = strlen(err->text);
	vmt_line_add(&line, "%s%s", line.len > 0 ? ": " : "",
		     strerror_r(sys_errno, reason, sizeof(reason)));
	return r;
}

int vmt_error_prefix(struct vmt_error *err, const char *fmt, ...)
{
	char text[VMT_ERROR_TEXT];
	struct vmt_line line;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line.buf = text;
	line.cap = sizeof(text);
	line.len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	vmt_line_add(&line, "%s", err->text);
	memcpy(err->text, text, line.len + 1);
	return -err->status;
}

const char *vmt_error_format(const struct vmt_error *err, char *buf, size_t cap)
{
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	if (err->status == VMT_OK) {
		vmt_line_add(&line, "no error");
		return buf;
	}
	if (err->place[0] != '\0')
		vmt_line_add(&line, "%s: ", err->place);
	vmt_line_add(&line, "%s", err->text[0] != '\0' ? err->text : vmt_status_name(err->status));
	return buf;
}
