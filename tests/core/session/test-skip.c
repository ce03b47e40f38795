/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmt_skip: RIP past what stopped the vCPU, by the length that the event tells or that the bytes at
 * RIP have; else a failure that says why.
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

static uint32_t monitored;

static int watch(struct vmt_session *s)
{
	return vmt_monitor(s, (enum vmt_monitor_kind)monitored);
}

/* On the newest Xen, which has events of I/O. */
static const struct vmt_scripted_config newest = {.xen_major = 4, .xen_minor = 20};
static const struct vmt_scripted_config newest_in_64_bits = {
	.xen_major = 4, .xen_minor = 20, .paging = VMT_PAGING_4};

/* Run one instruction, skipped, and a NOP behind it; vCPU 0 ends up behind that. */
static void run_skipping(struct world *w, const struct vmt_scripted_config *config,
			 const struct vmt_step *step, enum vmt_monitor_kind monitor,
			 uint32_t length)
{
	world_open(w, config);
	world_play(w, step, 1);
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0));
	monitored = monitor;
	probe.create = watch;
	probe.event = skip_it;
	if (world_run(w) != 0)
		fail_msg("%s: %s", w->outcome.error.place, w->outcome.error.text);
	assert_int_equal(probe.events, 1);
	vmt_assert_response(world_answer(w, 0), VMT_CONTINUE, {"flags", VMT_RSP_REGS},
			    {"rip", CODE + length});
	assert_int_equal(world_gprs(w, 0).rip, CODE + length + 1);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* Each kind, on a guest                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void int3_is_skipped(void **state)
{
	struct world *w = *state;
	const struct vmt_step step = VMT_INSN_INT3(0, 0);

	run_skipping(w, NULL, &step, VMT_MONITOR_BREAKPOINT, 1);
	vmt_assert_delivered(w->driver, -1, 0);
}

static void icebp_is_skipped(void **state)
{
	struct world *w = *state;
	const struct vmt_step step = VMT_INSN_DEBUG(0, 0, VMT_INT_PRIV_SW_EXCEPTION, 0);

	run_skipping(w, NULL, &step, VMT_MONITOR_DEBUG, 1);
	vmt_assert_delivered(w->driver, -1, 0);
}

static void cpuid_is_skipped_with_its_result(void **state)
{
	struct world *w = *state;
	const struct vmt_step step = VMT_INSN_CPUID(0, 0, 0, 0);
	const struct vmt_event *ev;

	run_skipping(w, NULL, &step, VMT_MONITOR_CPUID, 2);
	ev = vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, 0)->callback.event;
	assert_int_equal(world_gprs(w, 0).rbx, ev->regs.gprs.rbx);
}

/* The call is done when its event comes: skipping leaves its result, 0, where it is. */
static void vmcall_is_skipped_with_its_result(void **state)
{
	const struct vmt_regs number = {.known = VMT_KNOWN(VMT_REG_RAX), .gprs.rax = 0x22};
	struct world *w = *state;
	const struct vmt_event *ev;

	world_open(w, NULL);
	must(vmt_scripted_set_regs(w->domain, 0, &number));
	WORLD_PLAY(w, VMT_INSN_VMCALL(0, 0), VMT_INSN_NOP(0, 0));
	monitored = VMT_MONITOR_HYPERCALL;
	probe.create = watch;
	probe.event = skip_it;
	assert_int_equal(world_run(w), 0);
	ev = vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, 0)->callback.event;
	assert_int_equal(ev->regs.gprs.rax, 0x22);
	assert_int_equal(world_gprs(w, 0).rax, 0);
	assert_int_equal(world_gprs(w, 0).rip, CODE + 3 + 1);
}

static void an_io_instruction_is_skipped(void **state)
{
	static const struct {
		struct vmt_step step;
		uint32_t length;
	} cases[] = {
		{VMT_INSN_IN(0, 0, 0x60, 1, 0x77), 0},
		{VMT_INSN_IN(0, 0, 0x3f8, 2, 0x77), 0},
		{VMT_INSN_OUT(0, 0, 0xcf8, 4, 0x77), 0},
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vmt_leftovers left;
		uint64_t length;

		world_renew(w);
		world_open(w, &newest);
		world_play(w, &cases[i].step, 1);
		WORLD_PLAY(w, VMT_INSN_NOP(0, 0));
		monitored = VMT_MONITOR_IO;
		probe.create = watch;
		probe.event = skip_it;
		assert_int_equal(world_run(w), 0);
		assert_int_equal(probe.events, 1);
		length = world_answer(w, 0)->regs->rip - CODE;
		/* The guest went on at the NOP right behind it: else the script had complained. */
		assert_in_range(length, 1, 3);
		assert_int_equal(world_gprs(w, 0).rip, CODE + length + 1);
		assert_int_not_equal(world_gprs(w, 0).rax & 0xff, 0x77);
		left = world_leftovers(w);
		assert_int_equal(left.monitors, 0);
	}
}

static void a_descriptor_instruction_is_skipped(void **state)
{
	static const uint32_t registers[] = {VMT_DESC_IDTR, VMT_DESC_GDTR, VMT_DESC_LDTR,
					     VMT_DESC_TR};
	struct world *w = *state;

	for (size_t i = 0; i < 2 * COUNT(registers); i++) {
		const struct vmt_step step = VMT_INSN_DESCRIPTOR(0, 0, registers[i / 2], i % 2);
		uint64_t rip;

		world_renew(w);
		world_open(w, NULL);
		world_play(w, &step, 1);
		WORLD_PLAY(w, VMT_INSN_NOP(0, 0));
		monitored = VMT_MONITOR_DESCRIPTOR;
		probe.create = watch;
		probe.event = skip_it;
		assert_int_equal(world_run(w), 0);
		assert_int_equal(probe.events, 1);
		rip = world_answer(w, 0)->regs->rip;
		assert_in_range(rip, CODE + 3, CODE + 8);
		assert_int_equal(world_gprs(w, 0).rip, rip + 1);
	}
}

/* IN from DX with prefixes: the bytes are the guest's, and the script knows how many they are. */
static void prefixes_are_skipped_too(void **state)
{
	static const uint8_t code[] = {0x2e, 0x66, 0x66, 0xed};
	struct vmt_step step = VMT_INSN_IN(0, CODE, 0x60, 2, 0);
	struct vmt_scripted_config config = newest;
	struct world *w = *state;

	step.length = sizeof(code);
	config.keep_code = true;
	world_open(w, &config);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(CODE), code, sizeof(code)));
	world_play(w, &step, 1);
	WORLD_PLAY(w, VMT_INSN_NOP(0, CODE + sizeof(code)));
	monitored = VMT_MONITOR_IO;
	probe.create = watch;
	probe.event = skip_it;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 1);
	assert_int_equal(world_gprs(w, 0).rip, CODE + sizeof(code) + 1);
}

static void an_io_instruction_is_skipped_in_64_bit_code(void **state)
{
	struct world *w = *state;
	const struct vmt_step step = VMT_INSN_IN(0, 0, 0x3f8, 1, 0);

	world_open(w, &newest_in_64_bits);
	world_play(w, &step, 1);
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0));
	monitored = VMT_MONITOR_IO;
	probe.create = watch;
	probe.event = skip_it;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 1);
	assert_int_equal(world_gprs(w, 0).rip, world_answer(w, 0)->regs->rip + 1);
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
	assert_not_skipped(w, "cannot be read: ");
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
		/* The default answer goes past the CPUID. */
		run_event_then(w, &ev, CODE + 2);
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

/* -------------------------------------------------------------------------------------------- */
/* Together with the handler's own edits                                                        */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response edit_and_skip(struct vmt_ctx *ctx)
{
	vmt_gprs_of(ctx)->rax = 0x1111;
	vmt_gprs_of(ctx)->r15 = 0x2222;
	return vmt_skip(ctx);
}

static void edits_of_registers_are_kept(void **state)
{
	static const struct {
		struct vmt_step step;
		enum vmt_monitor_kind monitor;
		uint64_t length;
	} cases[] = {
		{VMT_INSN_CPUID(0, 0, 0, 0), VMT_MONITOR_CPUID, 2},
		{VMT_INSN_VMCALL(0, 0), VMT_MONITOR_HYPERCALL, 3},
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		world_renew(w);
		world_open(w, NULL);
		world_play(w, &cases[i].step, 1);
		monitored = cases[i].monitor;
		probe.create = watch;
		probe.event = edit_and_skip;
		assert_int_equal(world_run(w), 0);
		assert_int_equal(world_gprs(w, 0).rax, 0x1111);
		assert_int_equal(world_gprs(w, 0).r15, 0x2222);
		assert_int_equal(world_gprs(w, 0).rip, CODE + cases[i].length);
	}
}

static struct vmt_response skip_twice(struct vmt_ctx *ctx)
{
	vmt_skip(ctx);
	return vmt_skip(ctx);
}

static void skipping_twice_is_skipping_once(void **state)
{
	struct world *w = *state;

	probe.event = skip_twice;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(world_gprs(w, 0).rip, CODE + 2);
}

static vmt_view a_view;

static int watch_cpuid_with_a_view(struct vmt_session *s)
{
	must(watch_cpuid(s));
	return vmt_view_create(s, vmt_access_from(VMT_RWX), &a_view);
}

static struct vmt_response skip_into_the_view(struct vmt_ctx *ctx)
{
	return vmt_with_view(vmt_skip(ctx), a_view);
}

static int note_the_view(struct vmt_driver *d, void *arg)
{
	vmt_view view;

	(void)arg;
	must(vmt_scripted_vcpu_view(d, 0, &view));
	note(view);
	return 0;
}

static void a_skip_can_go_with_a_view(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0),
		   VMT_WORLD_CALL(note_the_view, w));
	probe.create = watch_cpuid_with_a_view;
	probe.event = skip_into_the_view;
	assert_int_equal(world_run(w), 0);
	assert_int_not_equal(a_view, 0);
	assert_int_equal(probe.noted[0], a_view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(int3_is_skipped),
		WORLD_TEST(icebp_is_skipped),
		WORLD_TEST(cpuid_is_skipped_with_its_result),
		WORLD_TEST(vmcall_is_skipped_with_its_result),
		WORLD_TEST(an_io_instruction_is_skipped),
		WORLD_TEST(a_descriptor_instruction_is_skipped),
		WORLD_TEST(prefixes_are_skipped_too),
		WORLD_TEST(an_io_instruction_is_skipped_in_64_bit_code),
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
		WORLD_TEST(edits_of_registers_are_kept),
		WORLD_TEST(skipping_twice_is_skipping_once),
		WORLD_TEST(a_skip_can_go_with_a_view),
	};

	return cmocka_run_group_tests_name("skip", tests, NULL, NULL);
}
