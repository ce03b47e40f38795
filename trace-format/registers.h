/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Register sets on disk: a mask and each known register, in the order of vmt_reg_fields.
 */
#ifndef VMT_TRACE_FORMAT_REGISTERS_H
#define VMT_TRACE_FORMAT_REGISTERS_H

#include <vmitape/registers.h>

#define VMT_TRACE_REGS_MAX (8u + sizeof(struct vmt_regs)) /**< bytes of a set at most */
#define VMT_TRACE_GPRS     144u                           /**< bytes of the 18 general ones */

/** Write @regs to @p (VMT_TRACE_REGS_MAX bytes). Returns the length, 0: the mask is not valid. */
size_t vmt_trace_regs_put(uint8_t *p, const struct vmt_regs *regs);

/** Read a set. Returns its length, or 0: cut, or a register that is not known. */
size_t vmt_trace_regs_get(const uint8_t *p, const uint8_t *end, struct vmt_regs *regs);

void vmt_trace_gprs_put(uint8_t *p, const struct vmt_gprs *gprs);
void vmt_trace_gprs_get(const uint8_t *p, struct vmt_gprs *gprs);

#endif /* VMT_TRACE_FORMAT_REGISTERS_H */
