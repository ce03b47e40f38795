/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Integer and bitwise vector operations on 16 bytes (Intel SDM volume 2), for SSE2 to SSE4.1 and, a
 * lane at a time, for AVX and AVX2.
 */
#include <stddef.h>
#include <string.h>

#include "emulation/lanes.h"

typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef int8_t s8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef int16_t s16x8 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef int32_t s32x4 __attribute__((vector_size(16)));
typedef uint64_t u64x2 __attribute__((vector_size(16)));
typedef int64_t s64x2 __attribute__((vector_size(16)));

#define LANE(name, type, expression)                                            \
	static void name(void *d, const void *pa, const void *pb, unsigned imm) \
	{                                                                       \
		type a, b, r;                                                   \
		(void)imm;                                                      \
		memcpy(&a, pa, sizeof(a));                                      \
		memcpy(&b, pb, sizeof(b));                                      \
		r = (type)(expression);                                         \
		memcpy(d, &r, sizeof(r));                                       \
	}

/* For each element by itself. */
#define EACH(name, type, n, expression)                                         \
	static void name(void *d, const void *pa, const void *pb, unsigned imm) \
	{                                                                       \
		type a[n], b[n], r[n];                                          \
		(void)imm;                                                      \
		memcpy(a, pa, sizeof(a));                                       \
		memcpy(b, pb, sizeof(b));                                       \
		for (unsigned i = 0; i < (n); i++)                              \
			r[i] = (type)(expression);                              \
		memcpy(d, r, sizeof(r));                                        \
	}

LANE(op_and, u64x2, a &b)
LANE(op_andn, u64x2, ~a &b)
LANE(op_or, u64x2, a | b)
LANE(op_xor, u64x2, a ^ b)
LANE(add8, u8x16, a + b)
LANE(add16, u16x8, a + b)
LANE(add32, u32x4, a + b)
LANE(add64, u64x2, a + b)
LANE(sub8, u8x16, a - b)
LANE(sub16, u16x8, a - b)
LANE(sub32, u32x4, a - b)
LANE(sub64, u64x2, a - b)
LANE(eq8, u8x16, a == b)
LANE(eq16, u16x8, a == b)
LANE(eq32, u32x4, a == b)
LANE(eq64, u64x2, a == b)
LANE(gt8, s8x16, a > b)
LANE(gt16, s16x8, a > b)
LANE(gt32, s32x4, a > b)
LANE(gt64, s64x2, a > b)
LANE(mullo16, u16x8, a *b)
LANE(mullo32, u32x4, a *b)

EACH(minu8, uint8_t, 16, a[i] < b[i] ? a[i] : b[i])
EACH(maxu8, uint8_t, 16, a[i] > b[i] ? a[i] : b[i])
EACH(mins8, int8_t, 16, a[i] < b[i] ? a[i] : b[i])
EACH(maxs8, int8_t, 16, a[i] > b[i] ? a[i] : b[i])
EACH(minu16, uint16_t, 8, a[i] < b[i] ? a[i] : b[i])
EACH(maxu16, uint16_t, 8, a[i] > b[i] ? a[i] : b[i])
EACH(mins16, int16_t, 8, a[i] < b[i] ? a[i] : b[i])
EACH(maxs16, int16_t, 8, a[i] > b[i] ? a[i] : b[i])
EACH(minu32, uint32_t, 4, a[i] < b[i] ? a[i] : b[i])
EACH(maxu32, uint32_t, 4, a[i] > b[i] ? a[i] : b[i])
EACH(mins32, int32_t, 4, a[i] < b[i] ? a[i] : b[i])
EACH(maxs32, int32_t, 4, a[i] > b[i] ? a[i] : b[i])
EACH(subsu8, uint8_t, 16, a[i] > b[i] ? a[i] - b[i] : 0)
EACH(subsu16, uint16_t, 8, a[i] > b[i] ? a[i] - b[i] : 0)
EACH(addsu8, uint8_t, 16, a[i] + b[i] > 0xff ? 0xff : a[i] + b[i])
EACH(addsu16, uint16_t, 8, a[i] + b[i] > 0xffff ? 0xffff : a[i] + b[i])
EACH(avg8, uint8_t, 16, (a[i] + b[i] + 1) >> 1)
EACH(avg16, uint16_t, 8, (a[i] + b[i] + 1) >> 1)
EACH(mulhu16, uint16_t, 8, (uint32_t)a[i] * b[i] >> 16)
EACH(mulhs16, int16_t, 8, (int32_t)a[i] * b[i] >> 16)
EACH(mulu32, uint64_t, 2, (a[i] & UINT32_MAX) * (b[i] & UINT32_MAX))
EACH(shuffle8, uint8_t, 16, b[i] & 0x80 ? 0 : a[b[i] & 15])
EACH(shuffle32, uint32_t, 4, ((void)a, b[imm >> (2 * i) & 3]))
EACH(shuffle_high, uint16_t, 8, ((void)a, i < 4 ? b[i] : b[4 + (imm >> (2 * (i - 4)) & 3)]))
EACH(shuffle_low, uint16_t, 8, ((void)a, i < 4 ? b[imm >> (2 * i) & 3] : b[i]))
EACH(shufps, uint32_t, 4, (i < 2 ? a : b)[imm >> (2 * i) & 3])
/* Of the upper 16 bytes the caller has shifted @imm. */
EACH(shufpd, uint64_t, 2, (i < 1 ? a : b)[imm >> i & 1])
EACH(abs8, uint8_t, 16, ((void)a, b[i] & 0x80 ? -b[i] : b[i]))
EACH(abs16, uint16_t, 8, ((void)a, b[i] & 0x8000 ? -b[i] : b[i]))
EACH(abs32, uint32_t, 4, ((void)a, b[i] >> 31 ? 0 - b[i] : b[i]))

#define UNPACK_LOW(name, type, n)  EACH(name, type, n, (i & 1 ? b : a)[i / 2])
#define UNPACK_HIGH(name, type, n) EACH(name, type, n, (i & 1 ? b : a)[(n) / 2 + i / 2])

UNPACK_LOW(unpack_low8, uint8_t, 16)
UNPACK_LOW(unpack_low16, uint16_t, 8)
UNPACK_LOW(unpack_low32, uint32_t, 4)
UNPACK_LOW(unpack_low64, uint64_t, 2)
UNPACK_HIGH(unpack_high8, uint8_t, 16)
UNPACK_HIGH(unpack_high16, uint16_t, 8)
UNPACK_HIGH(unpack_high32, uint32_t, 4)
UNPACK_HIGH(unpack_high64, uint64_t, 2)

/* Of neighbours: those of @a give the lower half, those of @b the upper. */
#define PAIRS(name, type, n, expression)                                        \
	static void name(void *d, const void *pa, const void *pb, unsigned imm) \
	{                                                                       \
		type v[2 * (n)], r[n];                                          \
		(void)imm;                                                      \
		memcpy(v, pa, 16);                                              \
		memcpy(v + (n), pb, 16);                                        \
		for (size_t i = 0; i < (n); i++)                                \
			r[i] = (type)(expression);                              \
		memcpy(d, r, sizeof(r));                                        \
	}

static int32_t saturate16(int32_t v)
{
	return v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v;
}

PAIRS(hadd16, uint16_t, 8, v[2 * i] + v[2 * i + 1])
PAIRS(hadd32, uint32_t, 4, v[2 * i] + v[2 * i + 1])
PAIRS(hadds16, int16_t, 8, saturate16(v[2 * i] + v[2 * i + 1]))
PAIRS(hsub16, uint16_t, 8, v[2 * i] - v[2 * i + 1])
PAIRS(hsub32, uint32_t, 4, v[2 * i] - v[2 * i + 1])
PAIRS(hsubs16, int16_t, 8, saturate16(v[2 * i] - v[2 * i + 1]))

/* The count is 8 bits and may be anything: all ones are shifted out by more than there are. */
EACH(shl16, uint16_t, 8, ((void)a, imm < 16 ? b[i] << imm : 0))
EACH(shr16, uint16_t, 8, ((void)a, imm < 16 ? b[i] >> imm : 0))
EACH(sar16, int16_t, 8, ((void)a, b[i] >> (imm < 16 ? imm : 15)))
EACH(shl32, uint32_t, 4, ((void)a, imm < 32 ? b[i] << imm : 0))
EACH(shr32, uint32_t, 4, ((void)a, imm < 32 ? b[i] >> imm : 0))
EACH(sar32, int32_t, 4, ((void)a, b[i] >> (imm < 32 ? imm : 31)))
EACH(shl64, uint64_t, 2, ((void)a, imm < 64 ? b[i] << imm : 0))
EACH(shr64, uint64_t, 2, ((void)a, imm < 64 ? b[i] >> imm : 0))
EACH(shl_bytes, uint8_t, 16, ((void)a, i >= imm ? b[i - imm] : 0))
EACH(shr_bytes, uint8_t, 16, ((void)a, imm < 16 && i + imm < 16 ? b[i + imm] : 0))

static void align_right(void *d, const void *pa, const void *pb, unsigned imm)
{
	uint8_t both[48] = {0};

	memcpy(both, pb, 16);
	memcpy(both + 16, pa, 16);
	memcpy(d, both + (imm < 32 ? imm : 32), 16);
}

static void sad(void *d, const void *pa, const void *pb, unsigned imm)
{
	const uint8_t *a = pa, *b = pb;
	uint64_t sum[2] = {0, 0};

	(void)imm;
	for (unsigned i = 0; i < 16; i++)
		sum[i / 8] += (uint64_t)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
	memcpy(d, sum, 16);
}

static void madd16(void *d, const void *pa, const void *pb, unsigned imm)
{
	int16_t a[8], b[8];
	uint32_t r[4];

	(void)imm;
	memcpy(a, pa, 16);
	memcpy(b, pb, 16);
	for (size_t i = 0; i < 4; i++)
		r[i] = (uint32_t)(a[2 * i] * b[2 * i]) + (uint32_t)(a[2 * i + 1] * b[2 * i + 1]);
	memcpy(d, r, 16);
}

#define PACK(name, from, to, n, low, high)                                                 \
	static void name(void *d, const void *pa, const void *pb, unsigned imm)            \
	{                                                                                  \
		from v[2 * (n)];                                                           \
		to r[2 * (n)];                                                             \
		(void)imm;                                                                 \
		memcpy(v, pa, 16);                                                         \
		memcpy(v + (n), pb, 16);                                                   \
		for (unsigned i = 0; i < 2 * (n); i++)                                     \
			r[i] = (to)(v[i] < (low) ? (low) : v[i] > (high) ? (high) : v[i]); \
		memcpy(d, r, 16);                                                          \
	}

PACK(pack_s16, int16_t, int8_t, 8, INT8_MIN, INT8_MAX)
PACK(pack_s16u, int16_t, uint8_t, 8, 0, UINT8_MAX)
PACK(pack_s32, int32_t, int16_t, 4, INT16_MIN, INT16_MAX)
PACK(pack_s32u, int32_t, uint16_t, 4, 0, UINT16_MAX)

/* clang-format off */
static vmt_lane_fn *const lanes_0f_66[256] = {
	[0x14] = unpack_low64, [0x15] = unpack_high64,
	[0x54] = op_and, [0x55] = op_andn, [0x56] = op_or, [0x57] = op_xor,
	[0x60] = unpack_low8, [0x61] = unpack_low16, [0x62] = unpack_low32, [0x63] = pack_s16,
	[0x64] = gt8, [0x65] = gt16, [0x66] = gt32, [0x67] = pack_s16u,
	[0x68] = unpack_high8, [0x69] = unpack_high16, [0x6a] = unpack_high32, [0x6b] = pack_s32,
	[0x6c] = unpack_low64, [0x6d] = unpack_high64, [0x70] = shuffle32,
	[0x74] = eq8, [0x75] = eq16, [0x76] = eq32, [0xc6] = shufpd,
	[0xd4] = add64, [0xd5] = mullo16, [0xd8] = subsu8, [0xd9] = subsu16,
	[0xda] = minu8, [0xdb] = op_and, [0xdc] = addsu8, [0xdd] = addsu16,
	[0xde] = maxu8, [0xdf] = op_andn, [0xe0] = avg8, [0xe3] = avg16,
	[0xe4] = mulhu16, [0xe5] = mulhs16, [0xea] = mins16, [0xeb] = op_or,
	[0xee] = maxs16, [0xef] = op_xor, [0xf4] = mulu32, [0xf5] = madd16, [0xf6] = sad,
	[0xf8] = sub8, [0xf9] = sub16, [0xfa] = sub32, [0xfb] = sub64,
	[0xfc] = add8, [0xfd] = add16, [0xfe] = add32,
};

static vmt_lane_fn *const lanes_0f_none[256] = {
	[0x14] = unpack_low32, [0x15] = unpack_high32,
	[0x54] = op_and, [0x55] = op_andn, [0x56] = op_or, [0x57] = op_xor, [0xc6] = shufps,
};

static vmt_lane_fn *const lanes_38_66[256] = {
	[0x00] = shuffle8, [0x01] = hadd16, [0x02] = hadd32, [0x03] = hadds16,
	[0x05] = hsub16, [0x06] = hsub32, [0x07] = hsubs16, [0x1c] = abs8, [0x1d] = abs16, [0x1e] = abs32,
	[0x29] = eq64, [0x2b] = pack_s32u, [0x37] = gt64,
	[0x38] = mins8, [0x39] = mins32, [0x3a] = minu16, [0x3b] = minu32,
	[0x3c] = maxs8, [0x3d] = maxs32, [0x3e] = maxu16, [0x3f] = maxu32, [0x40] = mullo32,
};
/* clang-format on */

vmt_lane_fn *vmt_lane_find(const struct vmt_insn *i)
{
	if (i->map == VMT_MAP_0F && i->opcode == 0x70 && i->rep)
		return i->rep == 0xf3 ? shuffle_high : shuffle_low;
	if (i->rep)
		return NULL;
	if (i->map == VMT_MAP_0F)
		return i->p66 ? lanes_0f_66[i->opcode] : lanes_0f_none[i->opcode];
	if (!i->p66)
		return NULL;
	if (i->map == VMT_MAP_0F38)
		return lanes_38_66[i->opcode];
	return i->opcode == 0x0f ? align_right : NULL;
}

vmt_lane_fn *vmt_lane_shift(const struct vmt_insn *i)
{
	static vmt_lane_fn *const shifts[3][8] = {
		{[2] = shr16, [4] = sar16, [6] = shl16},
		{[2] = shr32, [4] = sar32, [6] = shl32},
		{[2] = shr64, [3] = shr_bytes, [6] = shl64, [7] = shl_bytes},
	};

	if (!i->p66 || i->rep || i->mod != 3)
		return NULL;
	return shifts[i->opcode - 0x71][i->modrm >> 3 & 7];
}
