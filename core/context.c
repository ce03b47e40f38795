/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The context of one event: what handle_event gets.
 */
#include <vmitape/handler.h>

#include "session-private.h"

/** No paging mode: memory calls refuse it. */
#define SPACE_UNKNOWN UINT8_MAX

void vmt_ctx_init(struct vmt_ctx *ctx, struct vmt_session *s, const struct vmt_event *ev)
{
	ctx->session = s;
	ctx->event = ev;
	ctx->gprs = ev->regs.gprs;
	if (vmt_space_from_regs(&ev->regs, &ctx->space, NULL) < 0)
		ctx->space = (struct vmt_space){.paging = SPACE_UNKNOWN};
}

struct vmt_session *vmt_session_of(struct vmt_ctx *ctx)
{
	return ctx->session;
}

const struct vmt_event *vmt_event_of(const struct vmt_ctx *ctx)
{
	return ctx->event;
}

struct vmt_gprs *vmt_gprs_of(struct vmt_ctx *ctx)
{
	return &ctx->gprs;
}

struct vmt_space vmt_space_of(const struct vmt_ctx *ctx)
{
	return ctx->space;
}

enum vmt_phase vmt_phase_of(const struct vmt_ctx *ctx)
{
	return ctx->session->phase;
}

struct vmt_response vmt_fail(struct vmt_ctx *ctx, const char *fmt, ...)
{
	char place[VMT_ERROR_PLACE + 64];
	va_list ap;

	vmt_event_format(ctx->event, place, sizeof(place));
	va_start(ap, fmt);
	vmt_error_vset(&ctx->session->err, VMT_E_HANDLER, place, fmt, ap);
	va_end(ap);
	return vmt_respond(VMT_FAIL);
}
