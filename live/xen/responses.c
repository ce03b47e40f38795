/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a response to Xen's form of it. What Xen would not do rightly was refused before: that is
 * model/refusals.c.
 *
 * Sources: xen/common/vm_event.c (vm_event_resume), public/vm_event.h (regs and emul are one union).
 */
#include <string.h>

#include "responses.h"

#define NOP 0x90

void vmt_xen_answer_store(struct vmt_xen_answer *answer, const struct vmt_response *rsp)
{
	memset(answer, 0, sizeof(*answer));
	answer->action = rsp->action;
	answer->flags = rsp->flags;
	answer->view = rsp->view;
	answer->data_len = rsp->data_len;
	if (rsp->flags & VMT_RSP_REGS)
		answer->regs = *rsp->regs;
	if (rsp->data_len > 0)
		memcpy(answer->data, rsp->data, rsp->data_len);
}

/* -------------------------------------------------------------------------------------------- */
/* What is sent                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static const uint32_t action_flags[VMT_ACTION_COUNT] = {
	[VMT_DENY] = VM_EVENT_FLAG_DENY,
	[VMT_FAST_SINGLESTEP] = VM_EVENT_FLAG_FAST_SINGLESTEP,
	[VMT_EMULATE] = VM_EVENT_FLAG_EMULATE,
	[VMT_EMULATE_NOWRITE] = VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_EMULATE_NOWRITE,
	[VMT_EMULATE_READ] = VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_READ_DATA,
	[VMT_EMULATE_INSN] = VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_INSN_DATA,
};

/* Xen sets these 18 and no others (vm_event_set_registers). */
static void encode_regs(const struct vmt_gprs *g, struct vm_event_regs_x86 *x)
{
	x->rax = g->rax;
	x->rcx = g->rcx;
	x->rdx = g->rdx;
	x->rbx = g->rbx;
	x->rsp = g->rsp;
	x->rbp = g->rbp;
	x->rsi = g->rsi;
	x->rdi = g->rdi;
	x->r8 = g->r8;
	x->r9 = g->r9;
	x->r10 = g->r10;
	x->r11 = g->r11;
	x->r12 = g->r12;
	x->r13 = g->r13;
	x->r14 = g->r14;
	x->r15 = g->r15;
	x->rip = g->rip;
	x->rflags = g->rflags;
}

static void encode_data(const struct vmt_xen_answer *answer, vm_event_response_t *out)
{
	if (answer->action == VMT_EMULATE_READ) {
		out->data.emul.read.size = answer->data_len;
		memcpy(out->data.emul.read.data, answer->data, answer->data_len);
	} else {
		/* the field is wanted full; what stands behind the instruction is not executed */
		memset(out->data.emul.insn.data, NOP, sizeof(out->data.emul.insn.data));
		memcpy(out->data.emul.insn.data, answer->data, answer->data_len);
	}
}

void vmt_xen_response_encode(const vm_event_request_t *request, const struct vmt_xen_answer *answer,
			     uint32_t step_flag, vm_event_response_t *out)
{
	memset(out, 0, sizeof(*out));
	out->version = request->version;
	out->flags = (request->flags & VM_EVENT_FLAG_VCPU_PAUSED) | step_flag |
		     action_flags[answer->action];
	out->reason = request->reason;
	out->vcpu_id = request->vcpu_id;
	out->altp2m_idx = request->altp2m_idx;
	out->u = request->u; /* deny looks there for the register */
	if (answer->action == VMT_FAST_SINGLESTEP)
		out->u.fast_singlestep.p2midx = request->altp2m_idx;
	if (answer->flags & VMT_RSP_VIEW) {
		out->flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
		out->altp2m_idx = answer->view;
	}
	if (answer->flags & VMT_RSP_NEXT_INTERRUPT)
		out->flags |= VM_EVENT_FLAG_GET_NEXT_INTERRUPT;
	if (answer->data_len > 0)
		encode_data(answer, out);
	if (answer->flags & VMT_RSP_REGS) {
		out->flags |= VM_EVENT_FLAG_SET_REGISTERS;
		out->data.regs.x86 = request->data.regs.x86;
		encode_regs(&answer->regs, &out->data.regs.x86);
	}
}
