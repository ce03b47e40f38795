/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmt_skip on events of the test's own, whose registers say how and where the bytes at RIP are
 * executed: code of any width, anywhere; and where it refuses.
 */
#include "world.h"

#define CODE VMT_SCRIPTED_RIP

static void must(int r)
{
	assert_true(r >= 0);
}

static struct vmt_response skip_it(struct vmt_ctx *ctx)
{
	return vmt_skip(ctx);
}

/* -------------------------------------------------------------------------------------------- */
/* Any code, anywhere                                                                           */
/* -------------------------------------------------------------------------------------------- */

/* An event of the test's own, whose registers say how and where the bytes at RIP are executed. */
static struct vmt_event event_at(struct world *w, uint16_t reason, uint64_t rip)
{
	struct vmt_event ev = {.reason = reason, .flags = VMT_EVENT_SYNC};

	must(vmt_driver_get_regs(w->domain, 0, &ev.regs));
	ev.regs.gprs.rip = rip;
	return ev;
}

static int no_monitors(struct vmt_session *s)
{
	(void)s;
	return 0;
}

/* With a NOP at `next` (0: none), where the vCPU goes on. */
static void run_event_then(struct world *w, const struct vmt_event *ev, uint64_t next)
{
	WORLD_PLAY(w, VMT_WORLD_EVENT(ev));
	if (next != 0)
		WORLD_PLAY(w, VMT_INSN_NOP(0, next));
	probe.create = no_monitors;
	probe.event = skip_it;
	probe.finish_after = 1;
	world_run(w);
	assert_int_equal(probe.events, 1);
}

static void run_event(struct world *w, const struct vmt_event *ev)
{
	run_event_then(w, ev, 0);
}

static void assert_skipped_to(struct world *w, uint64_t rip)
{
	if (w->outcome.end != VMT_END_FINISHED)
		fail_msg("%s: %s", w->outcome.error.place, w->outcome.error.text);
	assert_int_equal(world_answer(w, 0)->regs->rip, rip);
	assert_int_equal(world_answer(w, 0)->flags, VMT_RSP_REGS);
}

static void assert_not_skipped(struct world *w, const char *why)
{
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(w->outcome.error.status, VMT_E_HANDLER);
	assert_holds(w->outcome.error.text, why);
	assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
}

#define CS_16 0x0009b /* present code segment; 16-bit addresses */
#define CS_32 0x0049b /* D */
#define CS_64 0x0029b /* L */

/* The same bytes are six bytes of one instruction in 16-bit code and seven in 32-bit code. */
static const uint8_t lgdt[] = {0x67, 0x0f, 0x01, 0x15, 0x90, 0x90, 0x90, 0x90};

static void the_code_segment_tells_16_from_32_bits(void **state)
{
	static const struct {
		uint16_t cs_access;
		uint64_t length;
	} modes[] = {{CS_16, 8}, {CS_32, 4}};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(modes); i++) {
		struct vmt_event ev;

		world_renew(w);
		world_open(w, NULL);
		must(vmt_scripted_write(w->domain, vmt_gpa_from(0x2000), lgdt, sizeof(lgdt)));
		ev = event_at(w, VMT_EVENT_DESCRIPTOR, 0x2000);
		ev.regs.cs.access = modes[i].cs_access;
		run_event(w, &ev);
		assert_skipped_to(w, 0x2000 + modes[i].length);
	}
}

/* In 64-bit code 48 is a prefix; in compatibility mode, an instruction. */
static void long_mode_has_64_bit_and_compatibility_code(void **state)
{
	static const uint8_t in_with_rex[] = {0x48, 0xed};
	struct vmt_scripted_config config = {.paging = VMT_PAGING_4};
	struct world *w = *state;

	for (unsigned compatible = 0; compatible < 2; compatible++) {
		struct vmt_event ev;

		world_renew(w);
		world_open(w, &config);
		must(vmt_scripted_write(w->domain, vmt_gpa_from(0x2000), in_with_rex, 2));
		ev = event_at(w, VMT_EVENT_IO, 0x2000);
		assert_true(ev.regs.efer & VMT_EFER_LMA);
		ev.regs.cs.access = compatible ? CS_32 : CS_64;
		run_event(w, &ev);
		if (compatible)
			assert_not_skipped(w, "not an instruction that gives a io event");
		else
			assert_skipped_to(w, 0x2002);
	}
}

/* The base of CS counts, but in 64-bit code. */
static void the_base_of_the_code_segment_counts(void **state)
{
	static const uint8_t in_al[] = {0xe4, 0x60};
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x3020), in_al, 2));
	ev = event_at(w, VMT_EVENT_IO, 0x20);
	ev.regs.cs.base = 0x3000;
	ev.regs.cs.access = CS_16;
	run_event(w, &ev);
	assert_skipped_to(w, 0x22);
}

static void in_64_bit_code_the_base_does_not_count(void **state)
{
	static const uint8_t in_al[] = {0xe4, 0x60};
	struct vmt_scripted_config config = {.paging = VMT_PAGING_4};
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, &config);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x3020), in_al, 2));
	ev = event_at(w, VMT_EVENT_IO, 0x3020);
	ev.regs.cs.base = 0x5000;
	ev.regs.cs.access = CS_64;
	run_event(w, &ev);
	assert_skipped_to(w, 0x3022);
}

static struct vmt_driver *page_comes_later;

/* The page that the guest goes on in comes once the skip is done. */
static struct vmt_response skip_and_look(struct vmt_ctx *ctx)
{
	struct vmt_response rsp = vmt_skip(ctx);

	note((uint64_t)vmt_error_of(vmt_session_of(ctx))->status);
	must(vmt_scripted_add_gfn(page_comes_later, vmt_gfn_from(3)));
	return rsp;
}

/* The instruction ends with its page, and the next page is not there. */
static void an_instruction_at_the_end_of_a_page_needs_no_other(void **state)
{
	static const uint8_t sgdt[] = {0x0f, 0x01, 0x00};
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x3000 - sizeof(sgdt)), sgdt,
				sizeof(sgdt)));
	must(vmt_scripted_remove_gfn(w->domain, vmt_gfn_from(3)));
	page_comes_later = w->domain;
	ev = event_at(w, VMT_EVENT_DESCRIPTOR, 0x3000 - sizeof(sgdt));
	WORLD_PLAY(w, VMT_WORLD_EVENT(&ev), VMT_INSN_NOP(0, 0x3000));
	probe.create = no_monitors;
	probe.event = skip_and_look;
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_skipped_to(w, 0x3000);
	assert_int_equal(probe.noted[0],
			 0); /* nor is the read that failed left behind as an error */
}

static void an_instruction_may_cross_a_page(void **state)
{
	struct world *w = *state;
	struct vmt_event ev;

	for (uint64_t before = 1; before < sizeof(lgdt); before++) {
		world_renew(w);
		world_open(w, NULL);
		must(vmt_scripted_write(w->domain, vmt_gpa_from(0x3000 - before), lgdt,
					sizeof(lgdt)));
		ev = event_at(w, VMT_EVENT_DESCRIPTOR, 0x3000 - before);
		ev.regs.cs.access = CS_16;
		run_event(w, &ev);
		assert_skipped_to(w, 0x3000 - before + 8);
	}
}

/* The two pages need not lie side by side in physical memory. */
static void an_instruction_may_cross_to_a_page_mapped_elsewhere(void **state)
{
	struct vmt_scripted_config config = {.paging = VMT_PAGING_4};
	const uint64_t virtual = UINT64_C(0x7f0000000000);
	struct world *w = *state;
	struct vmt_space space;
	struct vmt_event ev;

	world_open(w, &config);
	space = vmt_scripted_space(w->domain);
	must(vmt_scripted_map(w->domain, space, vmt_gva_from(virtual), vmt_gpa_from(0x9000), 4096,
			      0));
	must(vmt_scripted_map(w->domain, space, vmt_gva_from(virtual + 4096), vmt_gpa_from(0x5000),
			      4096, 0));
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x9ffe), "\x0f\x01", 2));
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x5000), "\x50\x08", 2));
	ev = event_at(w, VMT_EVENT_DESCRIPTOR, virtual + 4094);
	run_event(w, &ev);
	assert_skipped_to(w, virtual + 4098);
}

/* -------------------------------------------------------------------------------------------- */
/* Refusals                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void other_events_are_not_skipped(void **state)
{
	static const uint16_t reasons[] = {
		VMT_EVENT_UNKNOWN,   VMT_EVENT_MEMORY_ACCESS,      VMT_EVENT_WRITE_CR,
		VMT_EVENT_WRITE_MSR, VMT_EVENT_SINGLESTEP,         VMT_EVENT_NEXT_INTERRUPT,
		VMT_EVENT_VMEXIT,    VMT_EVENT_EMUL_UNIMPLEMENTED,
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(reasons); i++) {
		struct vmt_event ev;

		world_renew(w);
		world_open(w, NULL);
		ev = event_at(w, reasons[i], CODE);
		run_event(w, &ev);
		assert_not_skipped(w, "cannot be skipped");
		assert_holds(w->outcome.error.text, vmt_reason_name(reasons[i]));
	}
}

static void a_hardware_exception_is_not_skipped(void **state)
{
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	ev = event_at(w, VMT_EVENT_INTERRUPT, CODE);
	ev.u.interrupt.interrupt.vector = 1;
	ev.u.interrupt.interrupt.type = VMT_INT_HW_EXCEPTION;
	ev.u.interrupt.interrupt.error_code = VMT_NO_ERROR_CODE;
	run_event(w, &ev);
	assert_not_skipped(w, "hardware exception");
}

static void bytes_that_cannot_be_read_are_not_skipped(void **state)
{
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	must(vmt_scripted_remove_gfn(w->domain, vmt_gfn_from(3)));
	ev = event_at(w, VMT_EVENT_IO, 0x3000);
	run_event(w, &ev);
	assert_not_skipped(w, "cannot be read: ");
	assert_holds(w->outcome.error.text, "0x3");
}

static void an_instruction_whose_end_cannot_be_read_is_not_skipped(void **state)
{
	static const uint8_t half[] = {0x0f, 0x01};
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x2ffe), half, sizeof(half)));
	must(vmt_scripted_remove_gfn(w->domain, vmt_gfn_from(3)));
	ev = event_at(w, VMT_EVENT_DESCRIPTOR, 0x2ffe);
	run_event(w, &ev);
	assert_not_skipped(w, "cannot be read: ");
}

/* The reason of the read is told: in a replay, that the trace does not hold the bytes. */
static void bytes_that_were_not_recorded_are_not_skipped(void **state)
{
	const struct vmt_fault_rule rule = {
		.op = VMT_CALL_READ, .status = VMT_E_NOT_RECORDED, .times = VMT_STRIKE_ALWAYS};
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	world_fault(w, &rule);
	ev = event_at(w, VMT_EVENT_IO, 0x3000);
	run_event(w, &ev);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(w->outcome.error.status, VMT_E_NOT_RECORDED);
	assert_holds(w->outcome.error.text, "cannot be read: ");
	assert_holds(w->outcome.error.text, "injected");
}

static void another_instruction_at_rip_is_not_skipped(void **state)
{
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	must(vmt_scripted_fill(w->domain, vmt_gpa_from(0x3000), 0x90, 32));
	ev = event_at(w, VMT_EVENT_IO, 0x3000);
	run_event(w, &ev);
	assert_not_skipped(w, "not an instruction that gives a io event");
}

/* A response sets all 18 registers: those that the event does not tell would become 0. */
static void an_event_that_does_not_tell_its_registers_is_not_skipped(void **state)
{
	static const uint64_t unknown[] = {UINT64_MAX, VMT_KNOWN(VMT_REG_RIP),
					   VMT_KNOWN(VMT_REG_R15)};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(unknown); i++) {
		struct vmt_event ev;

		world_renew(w);
		world_open(w, NULL);
		ev = event_at(w, VMT_EVENT_CPUID, CODE);
		ev.u.cpuid.insn_length = 2;
		ev.regs.known &= ~unknown[i];
		/* Nor does the default answer set them: the CPUID is executed again. */
		run_event_then(w, &ev, CODE);
		assert_not_skipped(w, "does not tell");
	}
}

static void code_whose_segment_is_not_known_is_not_decoded(void **state)
{
	struct world *w = *state;
	struct vmt_event ev;

	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x3000), "\xed", 1));
	ev = event_at(w, VMT_EVENT_IO, 0x3000);
	ev.regs.known &= ~VMT_KNOWN(VMT_REG_CS);
	run_event(w, &ev);
	assert_not_skipped(w, "CS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(the_code_segment_tells_16_from_32_bits),
		WORLD_TEST(long_mode_has_64_bit_and_compatibility_code),
		WORLD_TEST(the_base_of_the_code_segment_counts),
		WORLD_TEST(in_64_bit_code_the_base_does_not_count),
		WORLD_TEST(an_instruction_at_the_end_of_a_page_needs_no_other),
		WORLD_TEST(an_instruction_may_cross_a_page),
		WORLD_TEST(an_instruction_may_cross_to_a_page_mapped_elsewhere),
		WORLD_TEST(other_events_are_not_skipped),
		WORLD_TEST(a_hardware_exception_is_not_skipped),
		WORLD_TEST(bytes_that_cannot_be_read_are_not_skipped),
		WORLD_TEST(an_instruction_whose_end_cannot_be_read_is_not_skipped),
		WORLD_TEST(bytes_that_were_not_recorded_are_not_skipped),
		WORLD_TEST(another_instruction_at_rip_is_not_skipped),
		WORLD_TEST(an_event_that_does_not_tell_its_registers_is_not_skipped),
		WORLD_TEST(code_whose_segment_is_not_known_is_not_decoded),
	};

	return cmocka_run_group_tests_name("skip any code", tests, NULL, NULL);
}
