/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exceptions and interrupts through the guest's IDT in long mode: gate, stack, frame, and what
 * becomes of a fault on the way (Intel SDM volume 3, chapter 6).
 */
#include "emulation/exec.h"

struct gate {
	uint64_t offset;
	uint16_t selector;
	uint8_t type, dpl, ist;
	bool present;
};

static bool is_software(const struct vmt_interrupt *i)
{
	return i->type == VMT_INT_SW_INTERRUPT || i->type == VMT_INT_SW_EXCEPTION;
}

static bool has_length(const struct vmt_interrupt *i)
{
	return is_software(i) || i->type == VMT_INT_PRIV_SW_EXCEPTION;
}

/* The EXT bit of error codes: set unless a program asked for the interrupt. */
static uint32_t ext(const struct vmt_interrupt *i)
{
	return is_software(i) ? 0 : 1;
}

static int read_gate(struct vmt_exec *x, const struct vmt_interrupt *i, struct gate *g)
{
	uint32_t code = (uint32_t)i->vector * 8 + 2 + ext(i);
	uint64_t raw[2] = {0, 0};

	VMT_TRY(vmt_exec_need(x, VMT_REG_IDTR));
	if (i->vector * 16u + 15 > x->regs->idtr.limit)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	VMT_TRY(vmt_exec_read(x, x->regs->idtr.base + i->vector * UINT64_C(16), raw, sizeof(raw),
			      VMT_R | VMT_KIND_SYSTEM));
	g->offset = (raw[0] & 0xffff) | (raw[0] >> 48) << 16 | raw[1] << 32;
	g->selector = (uint16_t)(raw[0] >> 16);
	g->ist = raw[0] >> 32 & 7;
	g->type = raw[0] >> 40 & 31;
	g->dpl = raw[0] >> 45 & 3;
	g->present = raw[0] >> 47 & 1;
	if (g->type != 14 && g->type != 15)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (is_software(i) && g->dpl < x->cpl)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	return g->present ? 0 : vmt_exec_raise_code(x, VMT_EXC_NP, code);
}

/* CS of the handler, and the level that it runs at. */
static int read_code(struct vmt_exec *x, const struct vmt_interrupt *i, const struct gate *g,
		     struct vmt_segment *cs, unsigned *cpl)
{
	uint32_t code = (g->selector & 0xfffcu) + ext(i);
	struct vmt_descriptor_bytes d = {0, 0};
	unsigned dpl;
	int o;

	if (!(g->selector & 0xfffc))
		return vmt_exec_raise_code(x, VMT_EXC_GP, ext(i));
	o = vmt_descriptor_read(x, g->selector, VMT_EXC_GP, 8, &d);
	if (o == VMT_STEP_FAULT && x->r->interrupt.vector == VMT_EXC_GP)
		x->r->interrupt.error_code = code;
	VMT_TRY(o);
	*cs = vmt_descriptor_segment(d, g->selector);
	dpl = cs->access >> 5 & 3u;
	if ((cs->access & 0x18) != 0x18 || dpl > x->cpl || (cs->access & 0x600) != 0x200)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (!(cs->access & 0x80))
		return vmt_exec_raise_code(x, VMT_EXC_NP, code);
	VMT_TRY(vmt_descriptor_mark(x, g->selector, UINT64_C(1) << 40, d.low));
	*cpl = cs->access & 4 ? x->cpl : dpl;
	cs->access |= 1;
	cs->selector = (uint16_t)((g->selector & ~3u) | *cpl);
	return 0;
}

/* RSP of the handler: of the IST, of the TSS for a more privileged level, or as it is. */
static int choose_stack(struct vmt_exec *x, const struct vmt_interrupt *i, const struct gate *g,
			unsigned cpl, uint64_t *rsp)
{
	uint32_t offset = g->ist ? 0x24u + 8u * (g->ist - 1u) : 4u + 8u * cpl;

	*rsp = x->g[VMT_RSP];
	if (g->ist || cpl < x->cpl) {
		VMT_TRY(vmt_exec_need(x, VMT_REG_TR));
		if (offset + 7 > x->regs->tr.limit)
			return vmt_exec_raise_code(x, VMT_EXC_TS,
						   (x->regs->tr.selector & 0xfffcu) + ext(i));
		VMT_TRY(vmt_exec_read(x, x->regs->tr.base + offset, rsp, 8,
				      VMT_R | VMT_KIND_SYSTEM));
	}
	if (!vmt_canonical(x, *rsp))
		return vmt_exec_raise_code(x, VMT_EXC_SS, ext(i));
	*rsp &= ~UINT64_C(15);
	return 0;
}

/* RFLAGS as they are saved: a fault saves RF set, so that a breakpoint there is passed over. */
static uint64_t saved_flags(const struct vmt_exec *x, const struct vmt_interrupt *i)
{
	uint64_t flags = x->regs->gprs.rflags | 2;

	if (i->type == VMT_INT_HW_EXCEPTION && i->vector != VMT_EXC_DB && i->vector != VMT_EXC_BP &&
	    i->vector != VMT_EXC_OF)
		flags |= VMT_FLAG_RF;
	return flags;
}

static int push_frame(struct vmt_exec *x, const struct vmt_interrupt *i, unsigned cpl, uint64_t rsp)
{
	const struct vmt_regs *r = x->regs;
	uint64_t frame[6] = {
		r->ss.selector,
		x->g[VMT_RSP],
		saved_flags(x, i),
		r->cs.selector,
		r->gprs.rip + (has_length(i) ? i->insn_length : 0),
		i->error_code,
	};
	unsigned n = i->error_code == VMT_NO_ERROR_CODE ? 5 : 6;

	x->cpl = (uint8_t)cpl;
	for (unsigned k = 0; k < n; k++) {
		uint64_t at = rsp - UINT64_C(8) * (k + 1);

		if (!vmt_canonical(x, at))
			return vmt_exec_raise_code(x, VMT_EXC_SS, ext(i));
		VMT_TRY(vmt_exec_write(x, at, &frame[k], 8, 0));
	}
	x->g[VMT_RSP] = rsp - UINT64_C(8) * n;
	return 0;
}

static void side_effects(struct vmt_exec *x, const struct vmt_interrupt *i)
{
	struct vmt_regs *r = x->regs;

	x->cpu->shadow &= ~(uint32_t)(VMT_SHADOW_STI | VMT_SHADOW_MOV_SS);
	if (i->type == VMT_INT_NMI)
		x->cpu->shadow |= VMT_SHADOW_NMI;
	if (i->type == VMT_INT_HW_EXCEPTION && i->vector == VMT_EXC_PF)
		r->cr2 = i->extra;
	if (i->vector == VMT_EXC_DB && i->type != VMT_INT_SW_INTERRUPT) {
		r->dr6 = (r->dr6 & ~UINT64_C(0xf)) | UINT64_C(0xffff0ff0) | (i->extra & 0xe00f);
		r->dr7 &= ~UINT64_C(0x2000);
	}
}

static int deliver_once(struct vmt_exec *x, const struct vmt_interrupt *i)
{
	unsigned old = x->cpl, cpl = 0;
	struct vmt_regs *r = x->regs;
	struct vmt_segment cs = {0};
	uint64_t rsp = 0;
	struct gate g = {0};

	VMT_TRY(read_gate(x, i, &g));
	VMT_TRY(read_code(x, i, &g, &cs, &cpl));
	VMT_TRY(choose_stack(x, i, &g, cpl, &rsp));
	if (!vmt_canonical(x, g.offset))
		return vmt_exec_raise_code(x, VMT_EXC_GP, ext(i));
	VMT_TRY(push_frame(x, i, cpl, rsp));
	if (cpl < old)
		r->ss = (struct vmt_segment){.selector = (uint16_t)cpl};
	vmt_set_cpl(x, cpl);
	r->cs = cs;
	r->gprs.rip = g.offset;
	r->gprs.rflags &= ~(VMT_FLAG_TF | VMT_FLAG_NT | VMT_FLAG_RF | VMT_FLAG_VM);
	if (g.type == 14)
		r->gprs.rflags &= ~VMT_FLAG_IF;
	side_effects(x, i);
	return 0;
}

static bool is_contributory(const struct vmt_interrupt *i)
{
	return i->type == VMT_INT_HW_EXCEPTION &&
	       (i->vector == VMT_EXC_DE || (i->vector >= VMT_EXC_TS && i->vector <= VMT_EXC_GP));
}

static bool is_page_fault(const struct vmt_interrupt *i)
{
	return i->type == VMT_INT_HW_EXCEPTION && i->vector == VMT_EXC_PF;
}

/* What @first becomes when @second happens while it is delivered. false: shutdown. */
static bool escalate(const struct vmt_interrupt *first, struct vmt_interrupt *second)
{
	if (first->type == VMT_INT_HW_EXCEPTION && first->vector == VMT_EXC_DF)
		return false;
	if ((is_contributory(first) && is_contributory(second)) ||
	    (is_page_fault(first) && (is_contributory(second) || is_page_fault(second))))
		*second = (struct vmt_interrupt){
			.vector = VMT_EXC_DF,
			.type = VMT_INT_HW_EXCEPTION,
		};
	return true;
}

static int deliver(struct vmt_exec *x, struct vmt_interrupt now)
{
	struct vmt_regs saved = *x->regs;
	uint32_t shadow = x->cpu->shadow;
	uint64_t cr2 = saved.cr2;

	for (;;) {
		struct vmt_interrupt next;
		int o = deliver_once(x, &now);

		if (o != VMT_STEP_FAULT) {
			if (o == 0 && cr2 != saved.cr2)
				x->regs->cr2 = cr2;
			if (o != 0 || (x->how->flags & VMT_STEP_DRY)) {
				*x->regs = saved;
				x->cpu->shadow = shadow;
			}
			x->r->interrupt = now;
			return o;
		}
		*x->regs = saved;
		x->cpl = (uint8_t)vmt_cpl(&saved);
		next = x->r->interrupt;
		if (is_page_fault(&next))
			cr2 = next.extra;
		x->r->nwrites = 0;
		x->r->outcome = VMT_STEP_DONE;
		if (!escalate(&now, &next)) {
			x->r->outcome = VMT_STEP_SHUTDOWN;
			return VMT_STEP_SHUTDOWN;
		}
		now = next;
	}
}

int vmt_emulator_deliver(struct vmt_emulator *em, struct vmt_cpu *cpu, const struct vmt_step *how,
			 const struct vmt_interrupt *interrupt, struct vmt_step_result *result)
{
	static const unsigned needed[] = {VMT_REG_CR0,  VMT_REG_CR3, VMT_REG_CR4,
					  VMT_REG_EFER, VMT_REG_CS,  VMT_REG_SS};
	struct vmt_interrupt first = *interrupt; /* may be @result's own */
	struct vmt_step plain = {.flags = how ? how->flags : 0};
	struct vmt_exec x;

	vmt_exec_init(&x, em, cpu, &plain, result);
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		VMT_TRY(vmt_exec_need(&x, needed[i]));
	if (!x.long_mode)
		return vmt_exec_unsupported(&x, "exceptions outside of long mode");
	x.long64 = true;
	return deliver(&x, first);
}
