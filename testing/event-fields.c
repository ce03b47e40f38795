/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of events and responses by name: a table row for each.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "event-fields.h"

struct field {
	const char *name;
	uint16_t reason; /* enum vmt_reason; ANY: of all events */
	uint16_t at;
	uint16_t size; /* bytes: 1, 2, 4 or 8 */
};

#define ANY UINT16_MAX
#define ROW(name, reason, type, member)                                           \
	{                                                                         \
		name, reason, offsetof(type, member), sizeof(((type *)0)->member) \
	}
#define COMMON(name, member)        ROW(name, ANY, struct vmt_event, member)
#define FIELD(reason, name, member) ROW(name, VMT_EVENT_##reason, struct vmt_event, u.member)
#define RESPONSE(name, member)      ROW(name, ANY, struct vmt_response, member)

static const struct field event_fields[] = {
	COMMON("reason", reason),
	COMMON("vcpu", vcpu),
	COMMON("view", view),
	COMMON("flags", flags),
	COMMON("ticket", ticket),
	FIELD(MEMORY_ACCESS, "gpa", memory.gpa.a),
	FIELD(MEMORY_ACCESS, "gva", memory.gva.a),
	FIELD(MEMORY_ACCESS, "access", memory.access),
	FIELD(MEMORY_ACCESS, "flags_memory", memory.flags),
	FIELD(WRITE_CR, "cr", cr.cr),
	FIELD(WRITE_CR, "new", cr.new_value),
	FIELD(WRITE_CR, "old", cr.old_value),
	FIELD(WRITE_MSR, "msr", msr.msr),
	FIELD(WRITE_MSR, "new", msr.new_value),
	FIELD(WRITE_MSR, "old", msr.old_value),
	FIELD(INTERRUPT, "gfn", interrupt.gfn.n),
	FIELD(INTERRUPT, "vector", interrupt.interrupt.vector),
	FIELD(INTERRUPT, "type", interrupt.interrupt.type),
	FIELD(INTERRUPT, "length", interrupt.interrupt.insn_length),
	FIELD(INTERRUPT, "error_code", interrupt.interrupt.error_code),
	FIELD(INTERRUPT, "extra", interrupt.interrupt.extra),
	FIELD(NEXT_INTERRUPT, "vector", next_interrupt.vector),
	FIELD(NEXT_INTERRUPT, "type", next_interrupt.type),
	FIELD(NEXT_INTERRUPT, "length", next_interrupt.insn_length),
	FIELD(NEXT_INTERRUPT, "error_code", next_interrupt.error_code),
	FIELD(NEXT_INTERRUPT, "extra", next_interrupt.extra),
	FIELD(SINGLESTEP, "gfn", step.gfn.n),
	FIELD(HYPERCALL, "length", hypercall.insn_length),
	FIELD(CPUID, "leaf", cpuid.leaf),
	FIELD(CPUID, "subleaf", cpuid.subleaf),
	FIELD(CPUID, "length", cpuid.insn_length),
	FIELD(IO, "port", io.port),
	FIELD(IO, "bytes", io.bytes),
	FIELD(IO, "in", io.in),
	FIELD(IO, "string", io.string),
	FIELD(DESCRIPTOR, "descriptor", descriptor.descriptor),
	FIELD(DESCRIPTOR, "write", descriptor.write),
	FIELD(DESCRIPTOR, "info", descriptor.info),
	FIELD(DESCRIPTOR, "qualification", descriptor.qualification),
	FIELD(VMEXIT, "exit_reason", vmexit.reason),
	FIELD(VMEXIT, "qualification", vmexit.qualification),
};

static const struct field response_fields[] = {
	RESPONSE("action", action),
	RESPONSE("flags", flags),
	RESPONSE("view", view),
	RESPONSE("data_len", data_len),
};

static uint64_t load(const void *base, const struct field *field)
{
	const unsigned char *p = (const unsigned char *)base + field->at;
	uint64_t value = 0;

	/* x86-64, as all that this library is about, is little-endian; so are the hosts. */
	memcpy(&value, p, field->size);
	return value;
}

/* -------------------------------------------------------------------------------------------- */
/* Events                                                                                       */
/* -------------------------------------------------------------------------------------------- */

const char *vmt_event_field_get(const struct vmt_event *ev, const char *name, uint64_t *value)
{
	const struct vmt_reg_field *reg = vmt_reg_field_find(name);
	bool known = false;

	if (reg && !(ev->regs.known & VMT_KNOWN(reg->bit)))
		return "the event does not know that register";
	if (reg) {
		*value = vmt_reg_get(&ev->regs, reg);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(event_fields) / sizeof(event_fields[0]); i++) {
		const struct field *field = &event_fields[i];

		if (strcmp(field->name, name) != 0)
			continue;
		known = true;
		if (field->reason != ANY && field->reason != ev->reason)
			continue;
		if (strcmp(name, "view") == 0 && !(ev->flags & VMT_EVENT_HAS_VIEW))
			return "the event has no view";
		*value = load(ev, field);
		return NULL;
	}
	return known ? "events of this reason have no such field"
		     : "no event has a field of that name: see struct vmt_expect in test.h";
}

void vmt_event_field_print(FILE *f, const char *name, uint64_t value)
{
	if (strcmp(name, "reason") == 0)
		fputs(vmt_reason_name((unsigned)value), f);
	else
		fprintf(f, "0x%" PRIx64, value);
}

/* -------------------------------------------------------------------------------------------- */
/* Responses                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static const char *get_register(const struct vmt_response *rsp, const struct vmt_reg_field *reg,
				uint64_t *value)
{
	struct vmt_regs regs = {.known = VMT_KNOWN_GPRS};

	if (!(VMT_KNOWN_GPRS & VMT_KNOWN(reg->bit)))
		return "a response cannot set that register";
	if (!(rsp->flags & VMT_RSP_REGS) || !rsp->regs)
		return "the response sets no registers";
	regs.gprs = *rsp->regs;
	*value = vmt_reg_get(&regs, reg);
	return NULL;
}

const char *vmt_response_field_get(const struct vmt_response *rsp, const char *name,
				   uint64_t *value)
{
	const struct vmt_reg_field *reg = vmt_reg_field_find(name);

	if (reg)
		return get_register(rsp, reg, value);
	for (size_t i = 0; i < sizeof(response_fields) / sizeof(response_fields[0]); i++) {
		const struct field *field = &response_fields[i];

		if (strcmp(field->name, name) != 0)
			continue;
		if (strcmp(name, "view") == 0 && !(rsp->flags & VMT_RSP_VIEW))
			return "the response sets no view";
		*value = load(rsp, field);
		return NULL;
	}
	return "no response has a field of that name: see struct vmt_expect in test.h";
}

void vmt_response_field_print(FILE *f, const char *name, uint64_t value)
{
	if (strcmp(name, "action") == 0)
		fputs(vmt_action_name((unsigned)value), f);
	else
		fprintf(f, "0x%" PRIx64, value);
}
