/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Register sets on disk: a mask and each known register, in the order of vmt_reg_fields.
 */
#include <stddef.h>
#include <string.h>

#include "registers.h"
#include "varint.h"

/*
 * On a little-endian machine the bytes of neighbouring registers stand in memory as they do on disk,
 * but for the padding behind the two tables. So a run of known registers is one copy.
 */
#define LAYOUT_IS_THAT_OF_DISK (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

/* Where the first scalar of each register stands, by enum vmt_reg_bit, and the end of the last. */
#define AT(m) offsetof(struct vmt_regs, m)
static const uint16_t offsets[VMT_REG_COUNT + 1] = {
	AT(gprs.rax),     AT(gprs.rcx),     AT(gprs.rdx),    AT(gprs.rbx), AT(gprs.rsp),
	AT(gprs.rbp),     AT(gprs.rsi),     AT(gprs.rdi),    AT(gprs.r8),  AT(gprs.r9),
	AT(gprs.r10),     AT(gprs.r11),     AT(gprs.r12),    AT(gprs.r13), AT(gprs.r14),
	AT(gprs.r15),     AT(gprs.rip),     AT(gprs.rflags), AT(cr0),      AT(cr2),
	AT(cr3),          AT(cr4),          AT(xcr0),        AT(dr0),      AT(dr1),
	AT(dr2),          AT(dr3),          AT(dr6),         AT(dr7),      AT(cs),
	AT(ds),           AT(es),           AT(fs),          AT(gs),       AT(ss),
	AT(tr),           AT(ldtr),         AT(gdtr),        AT(idtr),     AT(sysenter_cs),
	AT(sysenter_esp), AT(sysenter_eip), AT(shadow_gs),   AT(efer),     AT(star),
	AT(lstar),        AT(cstar),        AT(sfmask),      AT(tsc_aux),  sizeof(struct vmt_regs),
};
#undef AT

#define TABLE_BYTES 12u /**< of a table on disk: base and limit */
_Static_assert(sizeof(struct vmt_segment) == 16, "a segment has no padding");

/** A run of known registers: bits [first, end). */
struct run {
	unsigned first, end;
};

/** The next run of @mask, which must not be 0; a table is a run by itself. Takes it out. */
static struct run next_run(uint64_t *mask)
{
	const uint64_t tables = VMT_KNOWN(VMT_REG_GDTR) | VMT_KNOWN(VMT_REG_IDTR);
	struct run run = {.first = (unsigned)__builtin_ctzll(*mask)};
	const uint64_t above = ~(*mask >> run.first) | (tables >> run.first);

	run.end = run.first + 1;
	if ((VMT_KNOWN(run.first) & tables) == 0)
		run.end = run.first + (unsigned)__builtin_ctzll(above);
	*mask &= ~(VMT_KNOWN(run.end) - 1);
	return run;
}

static size_t run_bytes(struct run run)
{
	if (run.first == VMT_REG_GDTR || run.first == VMT_REG_IDTR)
		return TABLE_BYTES;
	return (size_t)(offsets[run.end] - offsets[run.first]);
}

/** Change the byte order of a run where that of the machine is another. */
static void swap_run(struct run run, uint8_t *p)
{
	if (LAYOUT_IS_THAT_OF_DISK)
		return;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];

		if (field->bit < run.first || field->bit >= run.end)
			continue;
		for (unsigned low = 0; low < field->width / 2u; low++) {
			const uint8_t byte = p[low];

			p[low] = p[field->width - 1u - low];
			p[field->width - 1u - low] = byte;
		}
		p += field->width;
	}
}

size_t vmt_trace_regs_put(uint8_t *p, const struct vmt_regs *regs)
{
	uint8_t *const start = p;
	uint64_t mask = regs->known;

	if ((mask & ~VMT_KNOWN_ALL) != 0)
		return 0;
	vmt_le64_put(p, mask);
	p += 8;
	while (mask != 0) {
		const struct run run = next_run(&mask);
		const size_t len = run_bytes(run);

		memcpy(p, (const uint8_t *)regs + offsets[run.first], len);
		swap_run(run, p);
		p += len;
	}
	return (size_t)(p - start);
}

size_t vmt_trace_regs_get(const uint8_t *p, const uint8_t *end, struct vmt_regs *regs)
{
	const uint8_t *const start = p;
	uint64_t mask;

	if (end - p < 8)
		return 0;
	mask = vmt_le64_get(p);
	p += 8;
	if ((mask & ~VMT_KNOWN_ALL) != 0)
		return 0;
	memset(regs, 0, sizeof(*regs));
	regs->known = mask;
	while (mask != 0) {
		const struct run run = next_run(&mask);
		const size_t len = run_bytes(run);

		if ((size_t)(end - p) < len)
			return 0;
		memcpy((uint8_t *)regs + offsets[run.first], p, len);
		swap_run(run, (uint8_t *)regs + offsets[run.first]);
		p += len;
	}
	return (size_t)(p - start);
}

void vmt_trace_gprs_put(uint8_t *p, const struct vmt_gprs *gprs)
{
	memcpy(p, gprs, VMT_TRACE_GPRS);
	swap_run((struct run){VMT_REG_RAX, VMT_REG_RFLAGS + 1}, p);
}

void vmt_trace_gprs_get(const uint8_t *p, struct vmt_gprs *gprs)
{
	memcpy(gprs, p, VMT_TRACE_GPRS);
	swap_run((struct run){VMT_REG_RAX, VMT_REG_RFLAGS + 1}, (uint8_t *)gprs);
}
