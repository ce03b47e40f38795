/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decoder: prefixes, opcode, ModRM, SIB, displacement and immediates (Intel SDM volume 2,
 * chapter 2). It finds the length of each instruction that has a row, and reads no byte behind it.
 */
#include <string.h>

#include "emulation/insn.h"

/* The bytes of an instruction. A read past the end gives 0 and is noted. */
struct reader {
	const uint8_t *bytes;
	unsigned avail, at;
	bool past;
};

static uint8_t next(struct reader *r)
{
	if (r->at >= r->avail) {
		r->past = true;
		r->at++;
		return 0;
	}
	return r->bytes[r->at++];
}

static uint64_t next_le(struct reader *r, unsigned n)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < n; i++)
		value |= (uint64_t)next(r) << (8 * i);
	return value;
}

static int64_t next_signed(struct reader *r, unsigned n)
{
	unsigned shift = 64 - 8 * n;

	return (int64_t)(next_le(r, n) << shift) >> shift;
}

/* Legacy prefixes and REX. Returns the first byte that is neither. */
static uint8_t read_prefixes(struct reader *r, struct vmt_insn *i, bool long64)
{
	for (;;) {
		uint8_t b = next(r);

		switch (b) {
		case 0x66:
			i->p66 = true;
			break;
		case 0x67:
			i->address_size = long64 ? 4 : 2;
			break;
		case 0xf0:
			i->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			i->rep = b;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			if (!long64)
				i->segment = (b >> 3) & 3;
			break;
		case 0x64:
			i->segment = VMT_FS;
			break;
		case 0x65:
			i->segment = VMT_GS;
			break;
		default:
			if (!long64 || (b & 0xf0) != 0x40)
				return b;
			i->rex = b; /* counts only right before the opcode */
			if (r->past)
				return 0;
			continue;
		}
		i->rex = 0;
		if (r->past || r->at > VMT_INSN_MAX)
			return 0;
	}
}

/* VEX, of 2 or 3 bytes: C5 RvvvvLpp, C4 RXBmmmmm WvvvvLpp. */
static int read_vex(struct reader *r, struct vmt_insn *i, uint8_t first)
{
	uint8_t b = next(r), last = b, rex = 0x40;

	if (i->p66 || i->rep || i->lock || i->rex)
		return VMT_DECODE_INVALID;
	i->encoding = VMT_VEX;
	i->map = VMT_MAP_0F;
	if (!(b & 0x80))
		rex |= 4;
	if (first == 0xc4) {
		if (!(b & 0x40))
			rex |= 2;
		if (!(b & 0x20))
			rex |= 1;
		i->map = b & 0x1f;
		last = next(r);
		if (last & 0x80)
			rex |= 8;
		if (i->map < 1 || i->map > 3)
			return r->past ? VMT_DECODE_SHORT : VMT_DECODE_INVALID;
	}
	i->rex = rex;
	i->vex_v = (last >> 3 & 15) ^ 15;
	i->vex_l = last >> 2 & 1;
	i->p66 = (last & 3) == 1;
	i->rep = (last & 3) == 2 ? 0xf3 : (last & 3) == 3 ? 0xf2 : 0;
	i->opcode = next(r);
	return VMT_DECODE_OK;
}

static int read_opcode(struct reader *r, struct vmt_insn *i, uint8_t b, bool long64)
{
	/* In 32-bit code C4, C5 and 62 with a memory operand are LES, LDS and BOUND. */
	bool prefix = long64 || (r->at < r->avail && r->bytes[r->at] >= 0xc0);

	if ((b == 0xc4 || b == 0xc5) && prefix)
		return read_vex(r, i, b);
	if (b == 0x62 && prefix)
		return VMT_DECODE_REFUSED;
	if (b == 0x8f && r->at < r->avail && (r->bytes[r->at] & 0x1f) >= 8 && long64)
		return VMT_DECODE_REFUSED; /* XOP */
	i->map = VMT_MAP_1;
	if (b == 0x0f) {
		b = next(r);
		i->map = VMT_MAP_0F;
		if (b == 0x38 || b == 0x3a) {
			i->map = b == 0x38 ? VMT_MAP_0F38 : VMT_MAP_0F3A;
			b = next(r);
		}
	}
	i->opcode = b;
	return VMT_DECODE_OK;
}

static void read_sib(struct reader *r, struct vmt_insn *i)
{
	uint8_t sib = next(r);
	uint8_t index = (uint8_t)((sib >> 3 & 7) | (i->rex & 2) << 2);

	i->scale = sib >> 6;
	i->index = index == 4 ? 0xff : index;
	i->base = (uint8_t)((sib & 7) | (i->rex & 1) << 3);
	if ((sib & 7) == 5 && i->mod == 0) {
		i->base = 0xff;
		i->disp = (int32_t)next_le(r, 4);
	}
}

static void read_modrm(struct reader *r, struct vmt_insn *i, bool long64)
{
	uint8_t low;

	i->modrm_at = (uint8_t)r->at;
	i->modrm = next(r);
	low = i->modrm & 7;
	i->mod = i->modrm >> 6;
	if (i->map == VMT_MAP_0F && (i->opcode & 0xfc) == 0x20)
		i->mod = 3; /* MOV CR and MOV DR take registers whatever it says */
	i->reg = (uint8_t)((i->modrm >> 3 & 7) | (i->rex & 4) << 1);
	i->rm = (uint8_t)(low | (i->rex & 1) << 3);
	if (i->mod == 3)
		return;
	if (low == 4) {
		read_sib(r, i);
	} else if (low == 5 && i->mod == 0) {
		i->rip_relative = long64;
		i->disp = (int32_t)next_le(r, 4);
	} else {
		i->base = i->rm;
	}
	if (i->mod == 1)
		i->disp = (int32_t)next_signed(r, 1);
	else if (i->mod == 2)
		i->disp = (int32_t)next_le(r, 4);
}

static void read_immediate(struct reader *r, struct vmt_insn *i)
{
	uint32_t f = i->op->flags;
	unsigned z = i->operand_size == 2 ? 2 : 4;

	i->imm_at = (uint8_t)r->at;
	if (f & OP_GROUP3) {
		if ((i->modrm >> 3 & 7) > 1)
			return;
		i->imm = next_signed(r, f & OP_BYTE ? 1 : z);
	} else if (f & OP_MOFFS) {
		i->imm = (int64_t)next_le(r, i->address_size);
	} else if (f & OP_FAR) {
		i->imm = (int64_t)next_le(r, z);
		i->selector = (uint16_t)next_le(r, 2);
	} else if (f & OP_IMMV) {
		i->imm = next_signed(r, i->operand_size);
	} else if (f & OP_IMMZ) {
		i->imm = next_signed(r, z);
	} else if (f & OP_IMM16) {
		i->imm = (int64_t)next_le(r, 2);
	}
	if (f & OP_IMM8) { /* ENTER has both */
		if (f & OP_IMM16)
			i->selector = next(r);
		else
			i->imm = next_signed(r, 1);
	}
}

static void set_operand_size(struct vmt_insn *i, bool long64)
{
	uint32_t f = i->op->flags;

	i->w = (i->rex & 8) != 0;
	if (f & OP_BYTE)
		i->operand_size = 1;
	else if (long64 && (i->w || (f & OP_F64)))
		i->operand_size = 8;
	else if (i->p66 && !(f & OP_NO66))
		i->operand_size = 2;
	else
		i->operand_size = long64 && (f & OP_D64) ? 8 : 4;
}

int vmt_decode(struct vmt_insn *insn, const uint8_t *bytes, unsigned avail, bool long64)
{
	struct reader r = {.bytes = bytes, .avail = avail < VMT_INSN_MAX ? avail : VMT_INSN_MAX};
	uint8_t b;
	int o;

	memset(insn, 0, sizeof(*insn));
	insn->segment = VMT_SEG_NONE;
	insn->base = insn->index = 0xff;
	insn->address_size = long64 ? 8 : 4;
	b = read_prefixes(&r, insn, long64);
	if (!r.past) {
		o = read_opcode(&r, insn, b, long64);
		if (o && !r.past)
			return o;
	}
	if (!r.past) {
		insn->op = vmt_opcode_find(insn->map, insn->opcode, insn->encoding == VMT_VEX);
		set_operand_size(insn, long64);
		if (insn->address_size == 2)
			return VMT_DECODE_REFUSED;
		if (insn->op->flags & OP_MODRM)
			read_modrm(&r, insn, long64);
		read_immediate(&r, insn);
	}
	if (r.past)
		return avail >= VMT_INSN_MAX ? VMT_DECODE_LONG : VMT_DECODE_SHORT;
	insn->len = (uint8_t)r.at;
	return VMT_DECODE_OK;
}
