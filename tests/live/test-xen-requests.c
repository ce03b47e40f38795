/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's requests, decoded. The fields are those that real Xen 4.17 was seen to send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "live/xen/requests.h"

static vm_event_request_t request(uint32_t reason)
{
	vm_event_request_t q;

	memset(&q, 0, sizeof(q));
	q.version = VM_EVENT_INTERFACE_VERSION;
	q.flags = VM_EVENT_FLAG_VCPU_PAUSED;
	q.reason = reason;
	return q;
}

static void flags_vcpu_and_view_are_told(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_SINGLESTEP);
	struct vmt_event ev;

	(void)state;
	q.vcpu_id = 3;
	q.altp2m_idx = 7;
	q.u.singlestep.gfn = 0x100;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_SINGLESTEP);
	assert_int_equal(ev.vcpu, 3);
	assert_int_equal(ev.flags, VMT_EVENT_SYNC);
	assert_int_equal(ev.view, 0);
	assert_int_equal(ev.u.step.gfn.n, 0x100);

	q.flags = VM_EVENT_FLAG_ALTERNATE_P2M | VM_EVENT_FLAG_NESTED_P2M;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.flags, VMT_EVENT_HAS_VIEW | VMT_EVENT_NESTED);
	assert_int_equal(ev.view, 7);
}

static void an_unknown_reason_keeps_its_raw_bytes(void **state)
{
	vm_event_request_t q = request(4711);
	struct vmt_event ev;

	(void)state;
	memset(&q.u, 0x5a, sizeof(q.u));
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_UNKNOWN);
	assert_int_equal(ev.flags, VMT_EVENT_SYNC);
	assert_ptr_equal(ev.raw, &q);
	assert_int_equal(ev.raw_len, sizeof(q));
	assert_int_equal(ev.raw_kind, 1);
}

static void registers_have_what_xen_sends_and_no_more(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_CPUID);
	struct vm_event_regs_x86 *x = &q.data.regs.x86;
	struct vmt_event ev;

	(void)state;
	memset(x, 0xff, sizeof(*x));
	x->rax = 1;
	x->r15 = 2;
	x->rip = 0x100309;
	x->cr3 = 0x18a000;
	x->gs_base = 0xffff800000000000;
	x->cs_sel = 8;
	x->cs.limit = 0xfffff;
	x->cs.ar = 0xa9b; /* G, L, P, code */
	x->ss.limit = 0x1234;
	x->ss.ar = 0x093; /* bytes */
	x->gdtr_limit = 0x7f;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.regs.known, VMT_KNOWN_XEN_EVENT);
	assert_int_equal(ev.regs.gprs.rax, 1);
	assert_int_equal(ev.regs.gprs.r15, 2);
	assert_int_equal(ev.regs.gprs.rip, 0x100309);
	assert_int_equal(ev.regs.cr3, 0x18a000);
	assert_int_equal(ev.regs.gs.base, 0xffff800000000000);
	assert_int_equal(ev.regs.cs.selector, 8);
	assert_int_equal(ev.regs.cs.limit, 0xffffffff);
	assert_int_equal(ev.regs.cs.access, 0xa9b);
	assert_int_equal(ev.regs.ss.limit, 0x1234);
	assert_int_equal(ev.regs.gdtr.limit, 0x7f);
	assert_int_equal(ev.regs.dr6, 0);
	assert_int_equal(ev.regs.xcr0, 0);
}

static void a_memory_access_has_its_address_and_kind(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_MEM_ACCESS);
	struct vmt_event ev;

	(void)state;
	q.u.mem_access.gfn = 0x181;
	q.u.mem_access.offset = 8;
	q.u.mem_access.gla = 0xffff800000181008;
	q.u.mem_access.flags = 0x1b;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_MEMORY_ACCESS);
	assert_int_equal(ev.u.memory.gpa.a, 0x181008);
	assert_int_equal(ev.u.memory.gva.a, 0xffff800000181008);
	assert_int_equal(ev.u.memory.access, VMT_RW);
	assert_int_equal(ev.u.memory.flags, VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA);

	q.u.mem_access.flags = MEM_ACCESS_R; /* no linear address: that field holds anything */
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.u.memory.gva.a, 0);
	assert_int_equal(ev.u.memory.flags, 0);

	q.u.mem_access.flags = MEM_ACCESS_W | MEM_ACCESS_GLA_VALID | MEM_ACCESS_FAULT_IN_GPT;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.u.memory.flags, VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK);
}

static void register_writes_have_both_values(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_WRITE_CTRLREG);
	struct vmt_event ev;

	(void)state;
	q.u.write_ctrlreg.index = VM_EVENT_X86_XCR0;
	q.u.write_ctrlreg.old_value = 3;
	q.u.write_ctrlreg.new_value = 7;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_WRITE_CR);
	assert_int_equal(ev.u.cr.cr, VMT_XCR0);
	assert_int_equal(ev.u.cr.old_value, 3);
	assert_int_equal(ev.u.cr.new_value, 7);

	q = request(VM_EVENT_REASON_MOV_TO_MSR);
	q.u.mov_to_msr.msr = 0xc0000082;
	q.u.mov_to_msr.old_value = 1;
	q.u.mov_to_msr.new_value = 0xffff800000000000;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_WRITE_MSR);
	assert_int_equal(ev.u.msr.msr, 0xc0000082);
	assert_int_equal(ev.u.msr.old_value, 1);
	assert_int_equal(ev.u.msr.new_value, 0xffff800000000000);
}

static void int3_and_debug_are_interrupts(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_SOFTWARE_BREAKPOINT);
	struct vmt_event ev;

	(void)state;
	q.u.software_breakpoint.gfn = 0x100;
	q.u.software_breakpoint.insn_length = 1;
	q.u.software_breakpoint.type = 6;
	q.u.software_breakpoint.pending_dbg = 99;
	vmt_xen_request_decode(&q, &ev);
	assert_true(vmt_event_is_breakpoint(&ev));
	assert_int_equal(ev.u.interrupt.gfn.n, 0x100);
	assert_int_equal(ev.u.interrupt.interrupt.insn_length, 1);
	assert_int_equal(ev.u.interrupt.interrupt.error_code, VMT_NO_ERROR_CODE);
	assert_int_equal(ev.u.interrupt.interrupt.extra, 0);

	q.reason = VM_EVENT_REASON_DEBUG_EXCEPTION;
	q.u.debug_exception.type = 3;
	vmt_xen_request_decode(&q, &ev);
	assert_false(vmt_event_is_breakpoint(&ev));
	assert_int_equal(ev.reason, VMT_EVENT_INTERRUPT);
	assert_int_equal(ev.u.interrupt.interrupt.vector, 1);
	assert_int_equal(ev.u.interrupt.interrupt.extra, 99);
}

/* Xen fills code and CR2 in for every interrupt: seen for a #BP, code 0 and an old CR2. */
static void a_next_interrupt_has_a_code_only_where_the_cpu_pushes_one(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_INTERRUPT);
	struct vmt_event ev;

	(void)state;
	q.u.interrupt.x86.vector = 3;
	q.u.interrupt.x86.type = 6;
	q.u.interrupt.x86.cr2 = 0x187008;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_NEXT_INTERRUPT);
	assert_int_equal(ev.u.next_interrupt.vector, 3);
	assert_int_equal(ev.u.next_interrupt.error_code, VMT_NO_ERROR_CODE);
	assert_int_equal(ev.u.next_interrupt.extra, 0);

	q.u.interrupt.x86.vector = 14;
	q.u.interrupt.x86.type = 3;
	q.u.interrupt.x86.error_code = 6;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.u.next_interrupt.error_code, 6);
	assert_int_equal(ev.u.next_interrupt.extra, 0x187008);
}

static void the_other_reasons_have_their_fields(void **state)
{
	vm_event_request_t q = request(VM_EVENT_REASON_CPUID);
	struct vmt_event ev;

	(void)state;
	q.u.cpuid.insn_length = 2;
	q.u.cpuid.leaf = 13;
	q.u.cpuid.subleaf = 1;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_CPUID);
	assert_int_equal(ev.u.cpuid.leaf, 13);
	assert_int_equal(ev.u.cpuid.subleaf, 1);
	assert_int_equal(ev.u.cpuid.insn_length, 2);

	q = request(VM_EVENT_REASON_DESCRIPTOR_ACCESS);
	q.u.desc_access.descriptor = VM_EVENT_DESC_TR;
	q.u.desc_access.is_write = 1;
	q.u.desc_access.arch.vmx.instr_info = 5;
	q.u.desc_access.arch.vmx.exit_qualification = 6;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_DESCRIPTOR);
	assert_int_equal(ev.u.descriptor.descriptor, VMT_DESC_TR);
	assert_true(ev.u.descriptor.write);
	assert_int_equal(ev.u.descriptor.info, 5);
	assert_int_equal(ev.u.descriptor.qualification, 6);

	q = request(VM_EVENT_REASON_VMEXIT);
	q.u.vmexit.arch.vmx.reason = 10;
	q.u.vmexit.arch.vmx.qualification = 4;
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_VMEXIT);
	assert_int_equal(ev.u.vmexit.reason, 10);
	assert_int_equal(ev.u.vmexit.qualification, 4);

	q = request(VM_EVENT_REASON_GUEST_REQUEST);
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_HYPERCALL);
	assert_int_equal(ev.u.hypercall.insn_length, 3);

	q = request(VM_EVENT_REASON_EMUL_UNIMPLEMENTED);
	vmt_xen_request_decode(&q, &ev);
	assert_int_equal(ev.reason, VMT_EVENT_EMUL_UNIMPLEMENTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_vcpu_and_view_are_told),
		cmocka_unit_test(an_unknown_reason_keeps_its_raw_bytes),
		cmocka_unit_test(registers_have_what_xen_sends_and_no_more),
		cmocka_unit_test(a_memory_access_has_its_address_and_kind),
		cmocka_unit_test(register_writes_have_both_values),
		cmocka_unit_test(int3_and_debug_are_interrupts),
		cmocka_unit_test(a_next_interrupt_has_a_code_only_where_the_cpu_pushes_one),
		cmocka_unit_test(the_other_reasons_have_their_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
