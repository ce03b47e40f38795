/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmt_skip: go on behind the instruction that stopped the vCPU.
 */
#include <vmitape/handler.h>

#include "session-private.h"
#include "skip-length.h"

#define CS_ACCESS_L  (1u << 9)
#define CS_ACCESS_DB (1u << 10)

/** From the event's RIP: skipping twice is skipping once. */
static struct vmt_response skip(struct vmt_ctx *ctx, unsigned length)
{
	ctx->gprs.rip = ctx->event->regs.gprs.rip + length;
	return vmt_with_regs(vmt_respond(VMT_CONTINUE), &ctx->gprs);
}

/** The length came with the event. */
static struct vmt_response skip_known(struct vmt_ctx *ctx, unsigned length)
{
	if (length == 0)
		return vmt_fail(ctx, "there is no instruction to skip: the exception was not "
				     "raised by one (a hardware exception)");
	return skip(ctx, length);
}

/**
 * Xen has carried the call out, but the event's registers do not show it: RAX has its result, 0, as
 * it has without a response's registers. (Observed: tests/xen/probe/FACTS.md.)
 */
static struct vmt_response skip_hypercall(struct vmt_ctx *ctx)
{
	if (ctx->gprs.rax == ctx->event->regs.gprs.rax)
		ctx->gprs.rax = 0;
	return skip_known(ctx, ctx->event->u.hypercall.insn_length);
}

/**
 * Read up to VMT_INSN_MAX bytes at RIP; fewer when the next page cannot be read, for the
 * instruction may end before it.
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

/** That a replay lacks the bytes is no failure of the handler's: it keeps its status. */
static struct vmt_response unreadable(struct vmt_ctx *ctx)
{
	const bool lacking = ctx->session->err.status == VMT_E_NOT_RECORDED;
	char why[VMT_ERROR_PLACE + VMT_ERROR_TEXT];
	struct vmt_response rsp;

	vmt_error_format(&ctx->session->err, why, sizeof(why));
	rsp = vmt_fail(ctx,
		       "the instruction at %#llx cannot be skipped, for its bytes cannot be "
		       "read: %s",
		       (unsigned long long)ctx->event->regs.gprs.rip, why);
	if (lacking)
		ctx->session->err.status = VMT_E_NOT_RECORDED;
	return rsp;
}

static struct vmt_response skip_decoded(struct vmt_ctx *ctx)
{
	const struct vmt_regs *regs = &ctx->event->regs;
	const unsigned long long rip = regs->gprs.rip;
	const bool long_mode = regs->efer & VMT_EFER_LMA;
	const bool code64 = long_mode && (regs->cs.access & CS_ACCESS_L);
	const bool code16 = !code64 && !(regs->cs.access & CS_ACCESS_DB);
	struct vmt_error *err = &ctx->session->err;
	const struct vmt_error before = *err;
	uint8_t code[VMT_INSN_MAX];
	unsigned length;
	size_t n;

	if (!(regs->known & VMT_KNOWN(VMT_REG_CS)))
		return vmt_fail(ctx,
				"the instruction at %#llx cannot be decoded: the event does "
				"not tell CS",
				rip);
	n = read_code(ctx, (code64 ? 0 : regs->cs.base) + rip, code);
	length = vmt_skip_length(code, n, code16, code64);
	if (length > 0) {
		*err = before; /* the page behind the instruction may be missing: no matter */
		return skip(ctx, length);
	}
	if (n < VMT_INSN_MAX)
		return unreadable(ctx);
	return vmt_fail(ctx, "the bytes at %#llx are not an instruction that gives a %s event", rip,
			vmt_reason_name(ctx->event->reason));
}

struct vmt_response vmt_skip(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = ctx->event;

	if ((ev->regs.known & VMT_KNOWN_GPRS) != VMT_KNOWN_GPRS)
		return vmt_fail(ctx, "the event does not tell RIP and all other general registers, "
				     "which a skip would set");
	switch (ev->reason) {
	case VMT_EVENT_INTERRUPT:
		return skip_known(ctx, ev->u.interrupt.interrupt.insn_length);
	case VMT_EVENT_CPUID:
		return skip_known(ctx, ev->u.cpuid.insn_length);
	case VMT_EVENT_HYPERCALL:
		return skip_hypercall(ctx);
	case VMT_EVENT_IO:
	case VMT_EVENT_DESCRIPTOR:
		return skip_decoded(ctx);
	default:
		return vmt_fail(ctx,
				"a %s event cannot be skipped: its instruction is not one that "
				"stops before it is executed",
				vmt_reason_name(ev->reason));
	}
}
