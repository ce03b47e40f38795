/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of registers, and what walks it: finding, reading, setting and comparing fields.
 */
#include <string.h>

#include <vmitape/registers.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names of members. */
#define FIELD(name, member, width, bit)                             \
	{                                                           \
		name, offsetof(struct vmt_regs, member), width, bit \
	}
#define SEGMENT(name, bit)                                                                  \
	FIELD(#name ".base", name.base, 8, bit), FIELD(#name ".limit", name.limit, 4, bit), \
		FIELD(#name ".selector", name.selector, 2, bit),                            \
		FIELD(#name ".access", name.access, 2, bit)
#define TABLE(name, bit) \
	FIELD(#name ".base", name.base, 8, bit), FIELD(#name ".limit", name.limit, 4, bit)
/* NOLINTEND(bugprone-macro-parentheses) */

const struct vmt_reg_field vmt_reg_fields[] = {
	FIELD("rax", gprs.rax, 8, VMT_REG_RAX),
	FIELD("rcx", gprs.rcx, 8, VMT_REG_RCX),
	FIELD("rdx", gprs.rdx, 8, VMT_REG_RDX),
	FIELD("rbx", gprs.rbx, 8, VMT_REG_RBX),
	FIELD("rsp", gprs.rsp, 8, VMT_REG_RSP),
	FIELD("rbp", gprs.rbp, 8, VMT_REG_RBP),
	FIELD("rsi", gprs.rsi, 8, VMT_REG_RSI),
	FIELD("rdi", gprs.rdi, 8, VMT_REG_RDI),
	FIELD("r8", gprs.r8, 8, VMT_REG_R8),
	FIELD("r9", gprs.r9, 8, VMT_REG_R9),
	FIELD("r10", gprs.r10, 8, VMT_REG_R10),
	FIELD("r11", gprs.r11, 8, VMT_REG_R11),
	FIELD("r12", gprs.r12, 8, VMT_REG_R12),
	FIELD("r13", gprs.r13, 8, VMT_REG_R13),
	FIELD("r14", gprs.r14, 8, VMT_REG_R14),
	FIELD("r15", gprs.r15, 8, VMT_REG_R15),
	FIELD("rip", gprs.rip, 8, VMT_REG_RIP),
	FIELD("rflags", gprs.rflags, 8, VMT_REG_RFLAGS),
	FIELD("cr0", cr0, 8, VMT_REG_CR0),
	FIELD("cr2", cr2, 8, VMT_REG_CR2),
	FIELD("cr3", cr3, 8, VMT_REG_CR3),
	FIELD("cr4", cr4, 8, VMT_REG_CR4),
	FIELD("xcr0", xcr0, 8, VMT_REG_XCR0),
	FIELD("dr0", dr0, 8, VMT_REG_DR0),
	FIELD("dr1", dr1, 8, VMT_REG_DR1),
	FIELD("dr2", dr2, 8, VMT_REG_DR2),
	FIELD("dr3", dr3, 8, VMT_REG_DR3),
	FIELD("dr6", dr6, 8, VMT_REG_DR6),
	FIELD("dr7", dr7, 8, VMT_REG_DR7),
	SEGMENT(cs, VMT_REG_CS),
	SEGMENT(ds, VMT_REG_DS),
	SEGMENT(es, VMT_REG_ES),
	SEGMENT(fs, VMT_REG_FS),
	SEGMENT(gs, VMT_REG_GS),
	SEGMENT(ss, VMT_REG_SS),
	SEGMENT(tr, VMT_REG_TR),
	SEGMENT(ldtr, VMT_REG_LDTR),
	TABLE(gdtr, VMT_REG_GDTR),
	TABLE(idtr, VMT_REG_IDTR),
	FIELD("sysenter_cs", sysenter_cs, 8, VMT_REG_SYSENTER_CS),
	FIELD("sysenter_esp", sysenter_esp, 8, VMT_REG_SYSENTER_ESP),
	FIELD("sysenter_eip", sysenter_eip, 8, VMT_REG_SYSENTER_EIP),
	FIELD("shadow_gs", shadow_gs, 8, VMT_REG_SHADOW_GS),
	FIELD("efer", efer, 8, VMT_REG_EFER),
	FIELD("star", star, 8, VMT_REG_STAR),
	FIELD("lstar", lstar, 8, VMT_REG_LSTAR),
	FIELD("cstar", cstar, 8, VMT_REG_CSTAR),
	FIELD("sfmask", sfmask, 8, VMT_REG_SFMASK),
	FIELD("tsc_aux", tsc_aux, 8, VMT_REG_TSC_AUX),
};

const size_t vmt_reg_nfields = sizeof(vmt_reg_fields) / sizeof(vmt_reg_fields[0]);

const struct vmt_reg_field *vmt_reg_field_find(const char *name)
{
	for (size_t i = 0; i < vmt_reg_nfields; i++)
		if (strcmp(vmt_reg_fields[i].name, name) == 0)
			return &vmt_reg_fields[i];
	return NULL;
}

uint64_t vmt_reg_get(const struct vmt_regs *regs, const struct vmt_reg_field *field)
{
	const unsigned char *at = (const unsigned char *)regs + field->offset;
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	uint16_t u16 = 0;

	switch (field->width) {
	case sizeof(u64):
		memcpy(&u64, at, sizeof(u64));
		return u64;
	case sizeof(u32):
		memcpy(&u32, at, sizeof(u32));
		return u32;
	default:
		memcpy(&u16, at, sizeof(u16));
		return u16;
	}
}

void vmt_reg_set(struct vmt_regs *regs, const struct vmt_reg_field *field, uint64_t value)
{
	unsigned char *at = (unsigned char *)regs + field->offset;
	uint32_t u32 = (uint32_t)value;
	uint16_t u16 = (uint16_t)value;

	switch (field->width) {
	case sizeof(value):
		memcpy(at, &value, sizeof(value));
		break;
	case sizeof(u32):
		memcpy(at, &u32, sizeof(u32));
		break;
	default:
		memcpy(at, &u16, sizeof(u16));
		break;
	}
	regs->known |= VMT_KNOWN(field->bit);
}

const struct vmt_reg_field *vmt_regs_differ(const struct vmt_regs *a, const struct vmt_regs *b,
					    uint64_t mask)
{
	mask &= a->known & b->known;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];

		if ((mask & VMT_KNOWN(field->bit)) &&
		    vmt_reg_get(a, field) != vmt_reg_get(b, field))
			return field;
	}
	return NULL;
}

void vmt_regs_merge(struct vmt_regs *regs, const struct vmt_regs *more)
{
	const uint64_t take = more->known & ~regs->known;

	for (size_t i = 0; take != 0 && i < vmt_reg_nfields; i++)
		if (take & VMT_KNOWN(vmt_reg_fields[i].bit))
			vmt_reg_set(regs, &vmt_reg_fields[i],
				    vmt_reg_get(more, &vmt_reg_fields[i]));
}
