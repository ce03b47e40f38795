/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmt_skip: go on behind the instruction that stopped the vCPU.
 */
#include <vmitape/handler.h>

#include "session-private.h"
#include "skip-length.h"

#define CS_ACCESS_L  (1u << 9)
#define CS_ACCESS_DB (1u << 10)

/**
 * Read up to VMT_INSN_MAX bytes at RIP; fewer when the next page cannot be read, for the
 * instruction may end before it. 0: none could be read, the reason is the session's error.
 */
static size_t read_code(struct vmt_ctx *ctx, uint64_t at, uint8_t *code)
{
	const size_t in_page = VMT_PAGE_SIZE - (at & VMT_PAGE_MASK);
	size_t n = in_page < VMT_INSN_MAX ? in_page : VMT_INSN_MAX;

	if (vmt_read(ctx->session, ctx->space, at, code, n) < 0)
		return 0;
	if (n < VMT_INSN_MAX &&
	    vmt_read(ctx->session, ctx->space, at + n, code + n, VMT_INSN_MAX - n) == 0)
		n = VMT_INSN_MAX;
	return n;
}

/** The length in bytes; 0: not an instruction that can be skipped; negative: it cannot be read. */
static int decoded_length(struct vmt_ctx *ctx)
{
	const struct vmt_regs *regs = &ctx->event->regs;
	const bool long_mode = regs->efer & VMT_EFER_LMA;
	const bool code64 = long_mode && (regs->cs.access & CS_ACCESS_L);
	const bool code16 = !code64 && !(regs->cs.access & CS_ACCESS_DB);
	const uint64_t base = code64 ? 0 : regs->cs.base;
	uint8_t code[VMT_INSN_MAX];
	size_t n = read_code(ctx, base + regs->gprs.rip, code);

	return n > 0 ? (int)vmt_skip_length(code, n, code16, code64) : -1;
}

static struct vmt_response unreadable(struct vmt_ctx *ctx)
{
	char why[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	vmt_error_format(&ctx->session->err, why, sizeof(why));
	return vmt_fail(ctx,
			"the instruction at %#llx cannot be skipped, for its bytes cannot be "
			"read: %s",
			(unsigned long long)ctx->event->regs.gprs.rip, why);
}

struct vmt_response vmt_skip(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = ctx->event;
	int length;

	switch (ev->reason) {
	case VMT_EVENT_INTERRUPT:
		length = ev->u.interrupt.interrupt.insn_length;
		break;
	case VMT_EVENT_CPUID:
		length = ev->u.cpuid.insn_length;
		break;
	case VMT_EVENT_HYPERCALL:
		length = ev->u.hypercall.insn_length;
		break;
	case VMT_EVENT_IO:
	case VMT_EVENT_DESCRIPTOR:
		length = decoded_length(ctx);
		break;
	default:
		return vmt_fail(ctx,
				"a %s event cannot be skipped: its instruction is not one that "
				"stops before it is executed",
				vmt_reason_name(ev->reason));
	}
	if (length < 0)
		return unreadable(ctx);
	if (length == 0)
		return vmt_fail(ctx,
				"the length of the instruction at %#llx is not known: it is not of "
				"this event's kind, or the event has none (a hardware exception)",
				(unsigned long long)ev->regs.gprs.rip);
	/* From the event's RIP: skipping twice is skipping once. */
	ctx->gprs.rip = ev->regs.gprs.rip + (unsigned)length;
	return vmt_with_regs(vmt_respond(VMT_CONTINUE), &ctx->gprs);
}
