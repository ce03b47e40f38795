/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Emulation on behalf of a monitor's answer: one instruction with the view's rights set aside.
 *
 * A repeated string instruction is emulated to its end at once, as Xen does it (without
 * emulate_each_rep).
 *
 * Sources: Xen xen/arch/x86/hvm/emulate.c (hvm_emulate_one_vm_event, hvmemul_rep_movs).
 */
#include "domain.h"

#define REPETITIONS_MAX 4096u

/* The guest gets it before its next instruction; an int3 so is not intercepted. */
static void inject(struct vmt_emulated_vcpu *v, const struct vmt_interrupt *interrupt)
{
	v->delivering = true;
	v->delivery = *interrupt;
}

static void take(struct vmt_emulated_vcpu *v, const struct vmt_emulation *emulation)
{
	struct vmt_emulated *e = v->domain;

	vmt_emulated_clear_rf(v, true);
	if (emulation->action != VMT_EMULATE_NOWRITE)
		vmt_emulator_commit(e->emulator, &v->cpu, &e->result);
	v->trap |= e->result.pending_debug;
}

/* What the outcome means, but for a repetition that goes on. */
static int finish(struct vmt_emulated_vcpu *v, int outcome, const struct vmt_emulation *emulation)
{
	struct vmt_emulated *e = v->domain;

	switch (outcome) {
	case VMT_STEP_DONE:
		take(v, emulation);
		return 0;
	case VMT_STEP_HALT:
		take(v, emulation);
		v->halted = true;
		return 0;
	case VMT_STEP_FAULT:
	case VMT_STEP_TRAP:
		inject(v, &e->result.interrupt);
		return 0;
	default: /* VMCALL, or what the emulator cannot do: neither can Xen's */
		return vmt_model_unemulated(e->model, v->number, &e->driver.err);
	}
}

int vmt_emulated_emulate(void *ctx, uint16_t vcpu, const struct vmt_emulation *emulation,
			 struct vmt_error *err)
{
	struct vmt_emulated *e = ctx;
	struct vmt_emulated_vcpu *v = &e->vcpus[vcpu];
	struct vmt_step how = {.flags = VMT_STEP_NO_RIGHTS, .intercepts = VMT_INTERCEPT_VMCALL};
	int r;

	if (emulation->action == VMT_EMULATE_READ) {
		how.read_data = emulation->data;
		how.read_len = emulation->data_len;
	} else if (emulation->action == VMT_EMULATE_INSN) {
		how.insn = emulation->data;
		how.insn_len = emulation->data_len;
	}
	v->cpu.tsc = e->now;
	vmt_emulated_changed(e); /* the answer may have changed rights and views */
	for (unsigned i = 0;; i++) {
		int outcome = vmt_emulator_step(e->emulator, &v->cpu, &how, &e->result);

		r = finish(v, outcome, emulation);
		if (r < 0 || outcome != VMT_STEP_DONE || !e->result.stepped || i == REPETITIONS_MAX)
			break;
	}
	if (r < 0 && err)
		*err = e->driver.err;
	return r < 0 ? r : 0;
}
