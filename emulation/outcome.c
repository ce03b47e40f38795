/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a step ends: exceptions, what is missing, what is refused; and outcomes as text.
 */
#include <inttypes.h>
#include <stdio.h>

#include "emulation/exec.h"

static int end(struct vmt_exec *x, enum vmt_step_outcome outcome)
{
	x->r->outcome = outcome;
	return (int)outcome;
}

int vmt_exec_raise_code(struct vmt_exec *x, uint8_t vector, uint32_t code)
{
	x->r->interrupt = (struct vmt_interrupt){
		.vector = vector,
		.type = VMT_INT_HW_EXCEPTION,
		.error_code = code,
	};
	return end(x, VMT_STEP_FAULT);
}

int vmt_exec_raise(struct vmt_exec *x, uint8_t vector)
{
	return vmt_exec_raise_code(x, vector, VMT_NO_ERROR_CODE);
}

int vmt_exec_raise_page_fault(struct vmt_exec *x, uint64_t gva, uint32_t code)
{
	vmt_exec_raise_code(x, VMT_EXC_PF, code);
	x->r->interrupt.extra = gva;
	return VMT_STEP_FAULT;
}

int vmt_exec_unsupported(struct vmt_exec *x, const char *why)
{
	x->r->why = why;
	return end(x, VMT_STEP_UNSUPPORTED);
}

int vmt_missing_register(struct vmt_exec *x, int number)
{
	x->r->missing_register = number;
	return end(x, VMT_STEP_MISSING);
}

int vmt_exec_need(struct vmt_exec *x, unsigned bit)
{
	return x->regs->known & VMT_KNOWN(bit) ? 0 : vmt_missing_register(x, (int)bit);
}

int vmt_need_cpl0(struct vmt_exec *x)
{
	return x->cpl == 0 ? 0 : vmt_exec_raise_code(x, VMT_EXC_GP, 0);
}

int vmt_exec_intercept(struct vmt_exec *x, uint64_t intercept)
{
	if (!(x->how->intercepts & intercept))
		return 0;
	x->r->event.intercept = intercept;
	return end(x, VMT_STEP_EVENT);
}

const char *vmt_step_outcome_name(unsigned outcome)
{
	static const char *const names[VMT_STEP_OUTCOME_COUNT] = {
		"done", "fault",    "trap",    "violation",   "event",
		"halt", "shutdown", "missing", "unsupported",
	};

	return outcome < VMT_STEP_OUTCOME_COUNT ? names[outcome] : "unknown";
}

static const char *register_name(int number)
{
	switch (number) {
	case VMT_MISSING_FPU:
		return "x87 and SSE state";
	case VMT_MISSING_AVX:
		return "AVX state";
	case VMT_MISSING_TSC:
		return "TSC";
	case VMT_MISSING_FP_FLAGS:
		return "floating-point exception flags";
	default:
		break;
	}
	for (size_t i = 0; i < vmt_reg_nfields; i++)
		if (vmt_reg_fields[i].bit == number)
			return vmt_reg_fields[i].name;
	return "?";
}

static void format_bytes(const struct vmt_step_result *r, char *buf, size_t cap)
{
	unsigned n = r->insn_length ? r->insn_length : r->insn_fetched;
	size_t at = 0;

	for (unsigned i = 0; i < n && i < sizeof(r->insn) && at + 4 < cap; i++)
		at += (size_t)snprintf(buf + at, cap - at, " %02x", r->insn[i]);
	buf[at] = 0;
}

const char *vmt_step_format(const struct vmt_step_result *r, char *buf, size_t cap)
{
	const char *name = vmt_step_outcome_name(r->outcome);
	char bytes[64];

	format_bytes(r, bytes, sizeof(bytes));
	switch (r->outcome) {
	case VMT_STEP_FAULT:
	case VMT_STEP_TRAP:
		if (r->interrupt.error_code == VMT_NO_ERROR_CODE)
			snprintf(buf, cap, "%s: vector %u", name, r->interrupt.vector);
		else
			snprintf(buf, cap, "%s: vector %u error 0x%x address 0x%" PRIx64, name,
				 r->interrupt.vector, r->interrupt.error_code, r->interrupt.extra);
		break;
	case VMT_STEP_MISSING:
		if (r->missing_register >= 0) {
			snprintf(buf, cap, "%s: register %s", name,
				 register_name(r->missing_register));
			break;
		} /* fall through */
	case VMT_STEP_VIOLATION:
		snprintf(buf, cap, "%s: page 0x%" PRIx64 " at 0x%" PRIx64 " %c%c%c%s", name,
			 r->at.gpa.a >> VMT_PAGE_SHIFT, r->at.gva.a,
			 r->at.access & VMT_R ? 'r' : '-', r->at.access & VMT_W ? 'w' : '-',
			 r->at.access & VMT_X ? 'x' : '-',
			 r->at.flags & VMT_MEM_IN_WALK ? " in a page walk" : "");
		break;
	case VMT_STEP_UNSUPPORTED:
		snprintf(buf, cap, "%s: %s:%s", name, r->why ? r->why : "?", bytes);
		break;
	default:
		snprintf(buf, cap, "%s", name);
	}
	return buf;
}
