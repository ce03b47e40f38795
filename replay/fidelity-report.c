/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counts, kept cases and the text of a fidelity measurement; opcodes, as far as that needs them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fidelity-private.h"

#define CASES_KEPT 16u

const char *vmt_fidelity_class_name(unsigned class_)
{
	static const char *const names[VMT_FIDELITY_CLASSES] = {"exact", "refused", "asynchronous",
								"wrong", "incomplete"};

	return class_ < VMT_FIDELITY_CLASSES ? names[class_] : "unknown";
}

void vmt_fidelity_init(struct vmt_fidelity *f)
{
	memset(f, 0, sizeof(*f));
}

void vmt_fidelity_finish(struct vmt_fidelity *f)
{
	free(f->opcodes);
	free(f->cases);
}

/* -------------------------------------------------------------------------------------------- */
/* Opcodes                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool is_prefix(uint8_t b)
{
	static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
					   0x66, 0x67, 0xf0, 0xf2, 0xf3};

	return (b & 0xf0) == 0x40 || memchr(prefixes, b, sizeof(prefixes)) != NULL;
}

/** Does ModRM's reg choose the instruction? Intel SDM volume 2, table A-6. */
static bool is_group(const struct vmt_fidelity_opcode *o)
{
	static const uint8_t one[] = {0x80, 0x81, 0x83, 0x8f, 0xc0, 0xc1, 0xc6, 0xc7,
				      0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff,
				      0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf};
	static const uint8_t two[] = {0x00, 0x01, 0x18, 0x71, 0x72, 0x73, 0xae, 0xba, 0xc7};

	if (o->map == 1)
		return memchr(one, o->opcode, sizeof(one)) != NULL;
	return o->map == 0x0f && memchr(two, o->opcode, sizeof(two)) != NULL;
}

void vmt_opcode_of(const uint8_t *insn, uint8_t len, struct vmt_fidelity_opcode *opcode)
{
	static const uint8_t vex_maps[4] = {0, 0x0f, 0x38, 0x3a};
	uint8_t padded[20] = {0};
	const uint8_t *p = padded;
	const uint8_t *end;

	memcpy(padded, insn, len < 16 ? len : 16);
	end = padded + (len < 16 ? len : 16);
	while (p < end && is_prefix(*p))
		p++;
	memset(opcode, 0, sizeof(*opcode));
	opcode->map = 1;
	if (p[0] == 0xc5 || p[0] == 0xc4) {
		opcode->vex = true;
		opcode->map = p[0] == 0xc5 ? 0x0f : vex_maps[p[1] & 3];
		p += p[0] == 0xc5 ? 2 : 3;
	} else if (p[0] == 0x0f) {
		opcode->map = p[1] == 0x38 || p[1] == 0x3a ? p[1] : 0x0f;
		p += opcode->map == 0x0f ? 1 : 2;
	}
	opcode->opcode = p[0];
	if (is_group(opcode))
		opcode->reg = (p[1] >> 3) & 7;
}

#define CF UINT64_C(0x001)
#define PF UINT64_C(0x004)
#define AF UINT64_C(0x010)
#define ZF UINT64_C(0x040)
#define SF UINT64_C(0x080)
#define OF UINT64_C(0x800)

/** A row: opcodes @first to @last of @map; @reg -1: any. */
static const struct undefined {
	uint8_t map, first, last;
	int reg;
	uint64_t flags;
} undefined[] = {
	{1, 0x08, 0x0d, -1, AF}, /* or */
	{1, 0x20, 0x25, -1, AF}, /* and */
	{1, 0x30, 0x35, -1, AF}, /* xor */
	{1, 0x84, 0x85, -1, AF}, /* test */
	{1, 0xa8, 0xa9, -1, AF},
	{1, 0x80, 0x83, 1, AF},
	{1, 0x80, 0x83, 4, AF},
	{1, 0x80, 0x83, 6, AF},
	{1, 0xf6, 0xf7, 0, AF},
	{1, 0xf6, 0xf7, 1, AF},
	{1, 0x69, 0x6b, -1, SF | ZF | AF | PF}, /* imul */
	{1, 0xf6, 0xf7, 4, SF | ZF | AF | PF},
	{1, 0xf6, 0xf7, 5, SF | ZF | AF | PF},
	{1, 0xf6, 0xf7, 6, CF | OF | SF | ZF | AF | PF}, /* div */
	{1, 0xf6, 0xf7, 7, CF | OF | SF | ZF | AF | PF},
	{1, 0xc0, 0xc1, -1, OF | AF}, /* shifts and rotations by more than 1 */
	{1, 0xd2, 0xd3, -1, OF | AF},
	{1, 0xd0, 0xd1, 4, AF},
	{1, 0xd0, 0xd1, 5, AF},
	{1, 0xd0, 0xd1, 6, AF},
	{1, 0xd0, 0xd1, 7, AF},
	{0x0f, 0xa4, 0xa5, -1, OF | AF}, /* shld, shrd */
	{0x0f, 0xac, 0xad, -1, OF | AF},
	{0x0f, 0xaf, 0xaf, -1, SF | ZF | AF | PF},
	{0x0f, 0xa3, 0xa3, -1, OF | SF | AF | PF}, /* bt and its kin */
	{0x0f, 0xab, 0xab, -1, OF | SF | AF | PF},
	{0x0f, 0xb3, 0xb3, -1, OF | SF | AF | PF},
	{0x0f, 0xba, 0xbb, -1, OF | SF | AF | PF},
	{0x0f, 0xbc, 0xbd, -1, CF | OF | SF | AF | PF}, /* bsf, bsr, tzcnt, lzcnt */
	{0x38, 0xf2, 0xf3, -1, AF | PF},                /* andn, blsr and its kin */
	{0x38, 0xf5, 0xf5, -1, AF | PF},                /* bzhi */
	{0x38, 0xf7, 0xf7, -1, AF | PF | SF},           /* bextr */
};

uint64_t vmt_undefined_flags(const uint8_t *insn, uint8_t len)
{
	struct vmt_fidelity_opcode o;
	uint64_t flags = 0;

	vmt_opcode_of(insn, len, &o);
	for (size_t i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
		const struct undefined *u = &undefined[i];

		if (o.map == u->map && o.opcode >= u->first && o.opcode <= u->last &&
		    (u->reg < 0 || u->reg == (int)o.reg))
			flags |= u->flags;
	}
	return flags;
}

/* -------------------------------------------------------------------------------------------- */
/* Counting                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_fidelity_opcode *opcode_row(struct vmt_fidelity *f,
					      const struct vmt_fidelity_opcode *o)
{
	struct vmt_fidelity_opcode *v;

	for (size_t i = 0; i < f->nopcodes; i++) {
		v = &f->opcodes[i];
		if (v->map == o->map && v->opcode == o->opcode && v->reg == o->reg &&
		    v->vex == o->vex)
			return v;
	}
	v = realloc(f->opcodes, (f->nopcodes + 1) * sizeof(*v));
	if (!v)
		return NULL;
	f->opcodes = v;
	v[f->nopcodes] = *o;
	return &v[f->nopcodes++];
}

static int keep_case(struct vmt_fidelity *f, const struct vmt_fidelity_case *c, uint32_t keep)
{
	struct vmt_fidelity_case *v;
	uint32_t have = 0;

	for (size_t i = 0; i < f->ncases; i++)
		have += f->cases[i].fidelity == c->fidelity;
	if (have >= (keep ? keep : CASES_KEPT))
		return 0;
	v = realloc(f->cases, (f->ncases + 1) * sizeof(*v));
	if (!v)
		return -VMT_E_NO_MEMORY;
	f->cases = v;
	v[f->ncases++] = *c;
	return 0;
}

int vmt_fidelity_count(struct vmt_fidelity *f, const struct vmt_fidelity_options *options,
		       const struct vmt_answered *a, const struct vmt_predicted *p,
		       enum vmt_fidelity_class fidelity, const char *text)
{
	struct vmt_fidelity_opcode opcode;
	struct vmt_fidelity_opcode *row;
	struct vmt_fidelity_case c = {
		.fidelity = fidelity,
		.action = a->action,
		.vcpu = a->ev.vcpu,
		.event = a->number,
		.rip = p->rip,
		.insn_len = p->insn_len,
	};

	f->total.n[fidelity]++;
	f->actions[a->action].n[fidelity]++;
	if (vmt_cpl(&a->ev.regs) == 0)
		f->kernel.n[fidelity]++;
	if (p->insn_len > 0) {
		vmt_opcode_of(p->insn, p->insn_len, &opcode);
		row = opcode_row(f, &opcode);
		if (!row)
			return -VMT_E_NO_MEMORY;
		row->counts.n[fidelity]++;
	}
	if (fidelity == VMT_FIDELITY_EXACT)
		return 0;
	memcpy(c.insn, p->insn, sizeof(c.insn));
	(void)snprintf(c.text, sizeof(c.text), "%s", text);
	return keep_case(f, &c, options ? options->keep : 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Text                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void print_counts(FILE *out, const struct vmt_fidelity_counts *counts)
{
	const char *comma = "";

	for (unsigned c = 0; c < VMT_FIDELITY_CLASSES; c++) {
		if (counts->n[c] == 0)
			continue;
		(void)fprintf(out, "%s%" PRIu64 " %s", comma, counts->n[c],
			      vmt_fidelity_class_name(c));
		comma = ", ";
	}
	(void)fprintf(out, "%s\n", *comma ? "" : "none");
}

static void print_opcode(FILE *out, const struct vmt_fidelity_opcode *o)
{
	static const struct {
		uint8_t map;
		const char *name;
	} maps[] = {{1, ""}, {0x0f, "0f "}, {0x38, "0f 38 "}, {0x3a, "0f 3a "}};

	(void)fprintf(out, "  opcode %s", o->vex ? "vex " : "");
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (maps[i].map == o->map)
			(void)fputs(maps[i].name, out);
	(void)fprintf(out, "%02x", o->opcode);
	if (is_group(o))
		(void)fprintf(out, " /%u", o->reg);
	(void)fputs(": ", out);
	print_counts(out, &o->counts);
}

static void print_case(FILE *out, const struct vmt_fidelity_case *c)
{
	(void)fprintf(out, "  %s: event %" PRIu64 " vcpu %u %s rip 0x%" PRIx64 " bytes",
		      vmt_fidelity_class_name(c->fidelity), c->event, c->vcpu,
		      vmt_action_name(c->action), c->rip);
	for (unsigned i = 0; i < c->insn_len; i++)
		(void)fprintf(out, " %02x", c->insn[i]);
	(void)fprintf(out, "%s: %s\n", c->insn_len ? "" : " not known", c->text);
}

static bool all_exact(const struct vmt_fidelity_counts *counts)
{
	for (unsigned c = VMT_FIDELITY_EXACT + 1; c < VMT_FIDELITY_CLASSES; c++)
		if (counts->n[c] > 0)
			return false;
	return true;
}

static uint64_t sum(const struct vmt_fidelity_counts *counts)
{
	uint64_t n = 0;

	for (unsigned c = 0; c < VMT_FIDELITY_CLASSES; c++)
		n += counts->n[c];
	return n;
}

char *vmt_fidelity_text(const struct vmt_fidelity *f)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (unsigned action = 0; action < VMT_ACTION_COUNT; action++) {
		if (sum(&f->actions[action]) == 0)
			continue;
		(void)fprintf(out, "  %s: ", vmt_action_name(action));
		print_counts(out, &f->actions[action]);
	}
	for (size_t i = 0; i < f->nopcodes; i++)
		if (!all_exact(&f->opcodes[i].counts))
			print_opcode(out, &f->opcodes[i]);
	for (size_t i = 0; i < f->ncases; i++)
		print_case(out, &f->cases[i]);
	(void)fprintf(out,
		      "fidelity: %" PRIu64 " of %" PRIu64 " responses judged, %zu opcodes, %" PRIu64
		      " at CPL 0, %" PRIu64 " of %" PRIu64 " stored bytes checked: ",
		      sum(&f->total), f->responses, f->nopcodes, sum(&f->kernel), f->stores_checked,
		      f->stores);
	print_counts(out, &f->total);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
