/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as a handler gets them: every reason with all its fields, and what their monitors can be
 * told.
 */
#include "world.h"

#define CODE VMT_SCRIPTED_RIP

static void must(int r)
{
	assert_true(r >= 0);
}

static const struct vmt_monitor *monitors;
static size_t nmonitors;

static int watch_them(struct vmt_session *s)
{
	for (size_t i = 0; i < nmonitors; i++)
		vmt_assert_ok(vmt_monitor_enable(s, &monitors[i]), vmt_error_of(s));
	return 0;
}

/* An answer with which the guest goes on, whatever the event. */
static struct vmt_response go_on(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	const struct vmt_event *ev = vmt_event_of(ctx);

	switch (ev->reason) {
	case VMT_EVENT_CPUID:
	case VMT_EVENT_IO:
	case VMT_EVENT_DESCRIPTOR:
		return vmt_skip(ctx);
	case VMT_EVENT_INTERRUPT:
		return vmt_respond(VMT_REINJECT);
	case VMT_EVENT_MEMORY_ACCESS:
		must(vmt_set_access(s, ev->view, vmt_gfn_of(ev->u.memory.gpa),
				    vmt_access_from(VMT_RWX)));
		break;
	case VMT_EVENT_VMEXIT:
		must(vmt_monitor_disable(s, &(struct vmt_monitor){.kind = VMT_MONITOR_VMEXIT}));
		break;
	default:
		break;
	}
	return vmt_respond(VMT_CONTINUE);
}

static void run_watching(struct world *w, const struct vmt_monitor *list, size_t n)
{
	monitors = list;
	nmonitors = n;
	if (!probe.create)
		probe.create = watch_them;
	if (!probe.event)
		probe.event = go_on;
	if (world_run(w) != 0)
		fail_msg("%s: %s", w->outcome.error.place, w->outcome.error.text);
	vmt_assert_clean(w->driver);
}

#define RUN_WATCHING(w, ...)                                         \
	run_watching((w), (const struct vmt_monitor[]){__VA_ARGS__}, \
		     COUNT(((const struct vmt_monitor[]){__VA_ARGS__})))

static const struct vmt_event *event(struct world *w, size_t n)
{
	const struct vmt_collected_callback *c =
		vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, n);

	assert_non_null(c);
	return c->callback.event;
}

static const struct vmt_scripted_config in_64_bits = {
	.xen_major = 4, .xen_minor = 20, .paging = VMT_PAGING_4, .vcpus = 2};

/* -------------------------------------------------------------------------------------------- */
/* The eight reasons of vmi-rs                                                                  */
/* -------------------------------------------------------------------------------------------- */

static int restrict_pages(struct vmt_session *s)
{
	must(vmt_set_access(s, 0, vmt_gfn_from(8), vmt_access_from(0)));
	must(vmt_set_access(s, 0, vmt_gfn_from(9), vmt_access_from(VMT_R)));
	return vmt_set_access(s, 0, vmt_gfn_from(10), vmt_access_from(VMT_RW));
}

static void a_memory_access_tells_addresses_access_and_flags(void **state)
{
	static const uint8_t data[4] = {1, 2, 3, 4};
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_READ(0, 0, 0x8010, 4), VMT_WORLD_SYNC(),
		   VMT_INSN_WRITE(1, 0x2000, 0x9020, data, 4), VMT_INSN_JUMP(1, 0, 0xa030),
		   VMT_INSN_NOP(1, 0xa030));
	probe.create = restrict_pages;
	run_watching(w, NULL, 0);
	assert_int_equal(probe.events, 3);
	vmt_assert_event(event(w, 0), VMT_EVENT_MEMORY_ACCESS, {"gpa", 0x8010}, {"gva", 0x8010},
			 {"access", VMT_R}, {"flags_memory", VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA},
			 {"rip", CODE});
	vmt_assert_event(event(w, 1), VMT_EVENT_MEMORY_ACCESS, {"gpa", 0x9020}, {"gva", 0x9020},
			 {"access", VMT_RW}, {"vcpu", 1}, {"rip", 0x2000});
	vmt_assert_event(event(w, 2), VMT_EVENT_MEMORY_ACCESS, {"gpa", 0xa030}, {"access", VMT_X},
			 {"rip", 0xa030});
}

static void a_write_of_a_control_register_tells_which_and_both_values(void **state)
{
	struct world *w = *state;
	struct vmt_regs regs;

	world_open(w, &in_64_bits);
	must(vmt_driver_get_regs(w->domain, 0, &regs));
	WORLD_PLAY(w, VMT_INSN_CR(0, 0, VMT_CR0, regs.cr0 ^ VMT_CR0_WP),
		   VMT_INSN_CR(0, 0, VMT_CR4, regs.cr4 ^ VMT_CR4_SMEP),
		   VMT_INSN_CR(0, 0, VMT_CR3, regs.cr3 | 0x18), VMT_INSN_CR(0, 0, VMT_XCR0, 7));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_CR, .what = VMT_CR0},
		     {.kind = VMT_MONITOR_CR, .what = VMT_CR3},
		     {.kind = VMT_MONITOR_CR, .what = VMT_CR4},
		     {.kind = VMT_MONITOR_CR, .what = VMT_XCR0});
	assert_int_equal(probe.events, 4);
	vmt_assert_event(event(w, 0), VMT_EVENT_WRITE_CR, {"cr", VMT_CR0}, {"old", regs.cr0},
			 {"new", regs.cr0 ^ VMT_CR0_WP}, {"cr0", regs.cr0});
	vmt_assert_event(event(w, 1), VMT_EVENT_WRITE_CR, {"cr", VMT_CR4}, {"old", regs.cr4},
			 {"new", regs.cr4 ^ VMT_CR4_SMEP});
	vmt_assert_event(event(w, 2), VMT_EVENT_WRITE_CR, {"cr", VMT_CR3}, {"old", regs.cr3},
			 {"new", regs.cr3 | 0x18});
	vmt_assert_event(event(w, 3), VMT_EVENT_WRITE_CR, {"cr", VMT_XCR0}, {"new", 7});
}

static void a_write_of_an_msr_tells_which_and_both_values(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x1000),
		   VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x2000),
		   VMT_INSN_MSR(0, 0, VMT_MSR_STAR, 0x3000) /* not watched */);
	RUN_WATCHING(w, {.kind = VMT_MONITOR_MSR, .what = VMT_MSR_LSTAR});
	assert_int_equal(probe.events, 2);
	vmt_assert_event(event(w, 0), VMT_EVENT_WRITE_MSR, {"msr", VMT_MSR_LSTAR}, {"old", 0},
			 {"new", 0x1000});
	vmt_assert_event(event(w, 1), VMT_EVENT_WRITE_MSR, {"old", 0x1000}, {"new", 0x2000});
}

static void an_int3_tells_page_and_exception(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_INT3(0, 0x7100));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_BREAKPOINT});
	assert_int_equal(probe.events, 1);
	vmt_assert_event(event(w, 0), VMT_EVENT_INTERRUPT, {"gfn", 7}, {"vector", 3},
			 {"type", VMT_INT_SW_EXCEPTION}, {"length", 1},
			 {"error_code", VMT_NO_ERROR_CODE}, {"rip", 0x7100});
	assert_true(vmt_event_is_breakpoint(event(w, 0)));
}

static void a_debug_exception_tells_type_and_pending_conditions(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_DEBUG(0, 0, VMT_INT_HW_EXCEPTION, 0x2),
		   VMT_INSN_DEBUG(0, 0, VMT_INT_PRIV_SW_EXCEPTION, 0));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_DEBUG});
	assert_true(probe.events >= 2);
	vmt_assert_event(event(w, 0), VMT_EVENT_INTERRUPT, {"vector", 1},
			 {"type", VMT_INT_HW_EXCEPTION}, {"extra", 0x2}, {"length", 0});
	vmt_assert_event(event(w, 1), VMT_EVENT_INTERRUPT, {"vector", 1},
			 {"type", VMT_INT_PRIV_SW_EXCEPTION}, {"length", 1});
	assert_false(vmt_event_is_breakpoint(event(w, 0)));
}

static int watch_cpuid_and_steps(struct vmt_session *s)
{
	must(watch_cpuid(s));
	return vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
}

static struct vmt_response step_once(struct vmt_ctx *ctx)
{
	struct vmt_response rsp = answer_plainly(ctx);

	if (vmt_event_of(ctx)->reason == VMT_EVENT_CPUID)
		rsp.action = VMT_SINGLESTEP;
	return rsp;
}

static void a_step_tells_the_page_of_the_next_instruction(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0x7000, 0, 0), VMT_INSN_JUMP(0, 0, 0x9000),
		   VMT_INSN_NOP(0, 0x9000));
	probe.create = watch_cpuid_and_steps;
	probe.event = step_once;
	run_watching(w, NULL, 0);
	assert_int_equal(probe.events, 2);
	vmt_assert_event(event(w, 1), VMT_EVENT_SINGLESTEP, {"gfn", 9}, {"rip", 0x9000});
}

static void a_hypercall_tells_its_length(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_VMCALL(0, 0));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_HYPERCALL});
	vmt_assert_event(event(w, 0), VMT_EVENT_HYPERCALL, {"length", 3}, {"rip", CODE});
	assert_int_equal(world_gprs(w, 0).rip, CODE + 3);
}

static void cpuid_tells_leaf_subleaf_and_length(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0xd, 1));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_CPUID});
	vmt_assert_event(event(w, 0), VMT_EVENT_CPUID, {"leaf", 0xd}, {"subleaf", 1}, {"length", 2},
			 {"rip", CODE});
}

static void io_tells_port_size_and_direction(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_IN(0, 0, 0x3f8, 1, 0), VMT_INSN_OUT(0, 0, 0xcf8, 4, 0));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_IO});
	assert_int_equal(probe.events, 2);
	vmt_assert_event(event(w, 0), VMT_EVENT_IO, {"port", 0x3f8}, {"bytes", 1}, {"in", 1},
			 {"string", 0});
	vmt_assert_event(event(w, 1), VMT_EVENT_IO, {"port", 0xcf8}, {"bytes", 4}, {"in", 0});
}

/* -------------------------------------------------------------------------------------------- */
/* And those above them                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void a_descriptor_access_tells_which_and_whether_it_writes(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_IDTR, 1),
		   VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_TR, 0));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_DESCRIPTOR});
	assert_int_equal(probe.events, 2);
	vmt_assert_event(event(w, 0), VMT_EVENT_DESCRIPTOR, {"descriptor", VMT_DESC_IDTR},
			 {"write", 1});
	vmt_assert_event(event(w, 1), VMT_EVENT_DESCRIPTOR, {"descriptor", VMT_DESC_TR},
			 {"write", 0});
}

static const struct vmt_interrupt page_fault = {
	.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 4, .extra = 0x1234};

static struct vmt_response ask_for_the_next_interrupt(struct vmt_ctx *ctx)
{
	struct vmt_response rsp;

	if (vmt_event_of(ctx)->reason != VMT_EVENT_CPUID)
		return vmt_respond(VMT_CONTINUE);
	must(vmt_inject(vmt_session_of(ctx), 0, &page_fault));
	rsp = vmt_skip(ctx);
	rsp.flags |= VMT_RSP_NEXT_INTERRUPT;
	return rsp;
}

static int take_the_fault(struct vmt_driver *d, const struct vmt_delivered *what, void *arg)
{
	(void)d;
	(void)what;
	(void)arg;
	return 0;
}

static void the_next_interrupt_is_told_when_asked_for(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	must(vmt_scripted_on_delivery(w->domain, take_the_fault, NULL));
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0));
	probe.event = ask_for_the_next_interrupt;
	RUN_WATCHING(w, {.kind = VMT_MONITOR_CPUID});
	assert_int_equal(probe.events, 2);
	vmt_assert_event(event(w, 1), VMT_EVENT_NEXT_INTERRUPT, {"vector", 14},
			 {"type", VMT_INT_HW_EXCEPTION}, {"error_code", 4}, {"extra", 0x1234});
	vmt_assert_delivered(w->driver, 14, 1);
}

static void a_vmexit_tells_reason_and_qualification(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_VMEXIT(0, 0, 55, 0x99));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_VMEXIT});
	vmt_assert_event(event(w, 0), VMT_EVENT_VMEXIT, {"exit_reason", 55},
			 {"qualification", 0x99});
}

static struct vmt_response emulate_at_first(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (ev->reason == VMT_EVENT_MEMORY_ACCESS)
		return vmt_respond(VMT_EMULATE);
	if (ev->reason == VMT_EVENT_EMUL_UNIMPLEMENTED)
		must(vmt_set_access(vmt_session_of(ctx), 0, vmt_gfn_from(1),
				    vmt_access_from(VMT_RWX)));
	return go_on(ctx);
}

static int no_execution_of_page_1(struct vmt_session *s)
{
	const struct vmt_monitor unimplemented = {.kind = VMT_MONITOR_EMUL_UNIMPLEMENTED};

	must(vmt_monitor_enable(s, &unimplemented));
	return vmt_set_access(s, 0, vmt_gfn_from(1), vmt_access_from(VMT_RW));
}

/* VMCALL is one that Xen's emulator cannot do. */
static void an_instruction_that_cannot_be_emulated_is_told(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_VMCALL(0, 0));
	probe.create = no_execution_of_page_1;
	probe.event = emulate_at_first;
	run_watching(w, NULL, 0);
	assert_true(probe.events >= 2);
	vmt_assert_event(event(w, 0), VMT_EVENT_MEMORY_ACCESS, {"access", VMT_X});
	vmt_assert_event(event(w, 1), VMT_EVENT_EMUL_UNIMPLEMENTED, {"rip", CODE});
}

static struct vmt_response look_at_raw_bytes(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	note(ev->raw_len);
	note(ev->raw_kind);
	assert_memory_equal(ev->raw, "raw bytes", 9);
	return vmt_respond(VMT_CONTINUE);
}

static void an_unknown_event_comes_with_its_raw_bytes(void **state)
{
	static const struct vmt_event unknown = {.reason = VMT_EVENT_UNKNOWN,
						 .flags = VMT_EVENT_SYNC,
						 .raw = "raw bytes",
						 .raw_len = 9,
						 .raw_kind = 1};
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_EVENT(&unknown));
	probe.event = look_at_raw_bytes;
	run_watching(w, NULL, 0);
	assert_int_equal(probe.events, 1);
	assert_int_equal(probe.noted[0], 9);
	assert_int_equal(probe.noted[1], 1);
}

/* -------------------------------------------------------------------------------------------- */
/* What each event has                                                                          */
/* -------------------------------------------------------------------------------------------- */

static void each_event_has_vcpu_view_and_ticket(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 3);
	assert_int_equal(world_run(w), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(event(w, i)->vcpu, i);
		assert_int_equal(event(w, i)->flags, VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW);
		assert_int_equal(event(w, i)->view, 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(event(w, i)->ticket, event(w, j)->ticket);
	}
}

static struct vmt_response read_all_registers(struct vmt_ctx *ctx)
{
	struct vmt_regs regs;

	must(vmt_get_regs(vmt_session_of(ctx), 0, &regs));
	note(vmt_event_of(ctx)->regs.known);
	note(regs.known);
	return vmt_skip(ctx);
}

static void an_event_knows_fewer_registers_than_a_vcpu(void **state)
{
	struct world *w = *state;

	probe.event = read_all_registers;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(probe.noted[0], VMT_KNOWN_XEN_EVENT);
	assert_int_equal(probe.noted[1], VMT_KNOWN_ALL & ~VMT_KNOWN(VMT_REG_XCR0));
}

static struct vmt_response read_through_the_space(struct vmt_ctx *ctx)
{
	const struct vmt_space space = vmt_space_of(ctx);
	uint16_t code = 0;

	must(vmt_read_u16(vmt_session_of(ctx), space, vmt_event_of(ctx)->regs.gprs.rip, &code));
	note(code);
	note(space.paging);
	note(space.root);
	return vmt_skip(ctx);
}

static void an_event_has_the_address_space_of_its_vcpu(void **state)
{
	struct world *w = *state;

	world_open(w, &in_64_bits);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = read_through_the_space;
	RUN_WATCHING(w, {.kind = VMT_MONITOR_CPUID});
	assert_int_equal(probe.noted[0], 0xa20f);
	assert_int_equal(probe.noted[1], VMT_PAGING_4);
	assert_int_equal(probe.noted[2], vmt_scripted_space(w->domain).root);
}

static struct vmt_response read_without_a_space(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	uint8_t byte;

	note((uint64_t)-vmt_read_u8(s, vmt_space_of(ctx), 0, &byte));
	return vmt_respond(VMT_CONTINUE);
}

static void an_event_without_registers_has_no_space(void **state)
{
	static const struct vmt_event bare = {.reason = VMT_EVENT_HYPERCALL,
					      .flags = VMT_EVENT_SYNC};
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_EVENT(&bare));
	probe.event = read_without_a_space;
	run_watching(w, NULL, 0);
	assert_int_equal(probe.noted[0], VMT_E_INVALID);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_READ), 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Options of monitors                                                                          */
/* -------------------------------------------------------------------------------------------- */

static void an_asynchronous_event_stops_nobody(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_CR(0, 0, VMT_CR3, 0x6000),
		   VMT_INSN_VMCALL(0, 0));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_CR, .what = VMT_CR3, .flags = VMT_MONITOR_ASYNC},
		     {.kind = VMT_MONITOR_HYPERCALL, .flags = VMT_MONITOR_ASYNC});
	assert_int_equal(probe.events, 3);
	for (size_t i = 0; i < 3; i++)
		assert_false(event(w, i)->flags & VMT_EVENT_SYNC);
	/* All in one batch: the guest ran on. */
	vmt_assert_calls(w->driver, VMT_CALL_COMMIT, 1 + 2);
}

static void an_msr_can_be_watched_for_changes_only(void **state)
{
	struct world *w = *state;

	for (uint32_t on_change = 0; on_change < 2; on_change++) {
		world_renew(w);
		world_open(w, NULL);
		WORLD_PLAY(w, VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x1000),
			   VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x1000));
		RUN_WATCHING(w, {.kind = VMT_MONITOR_MSR,
				 .what = VMT_MSR_LSTAR,
				 .flags = on_change ? VMT_MONITOR_ON_CHANGE : 0});
		assert_int_equal(probe.events, on_change ? 1 : 2);
	}
}

static void bits_of_a_control_register_can_be_left_out(void **state)
{
	struct world *w = *state;
	struct vmt_regs regs;

	world_open(w, &in_64_bits);
	must(vmt_driver_get_regs(w->domain, 0, &regs));
	WORLD_PLAY(w, VMT_INSN_CR(0, 0, VMT_CR4, regs.cr4 ^ 0x80),
		   VMT_INSN_CR(0, 0, VMT_CR4, regs.cr4 ^ 0x80 ^ VMT_CR4_SMEP));
	RUN_WATCHING(w, {.kind = VMT_MONITOR_CR, .what = VMT_CR4, .ignore = 0x80});
	assert_int_equal(probe.events, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_memory_access_tells_addresses_access_and_flags),
		WORLD_TEST(a_write_of_a_control_register_tells_which_and_both_values),
		WORLD_TEST(a_write_of_an_msr_tells_which_and_both_values),
		WORLD_TEST(an_int3_tells_page_and_exception),
		WORLD_TEST(a_debug_exception_tells_type_and_pending_conditions),
		WORLD_TEST(a_step_tells_the_page_of_the_next_instruction),
		WORLD_TEST(a_hypercall_tells_its_length),
		WORLD_TEST(cpuid_tells_leaf_subleaf_and_length),
		WORLD_TEST(io_tells_port_size_and_direction),
		WORLD_TEST(a_descriptor_access_tells_which_and_whether_it_writes),
		WORLD_TEST(the_next_interrupt_is_told_when_asked_for),
		WORLD_TEST(a_vmexit_tells_reason_and_qualification),
		WORLD_TEST(an_instruction_that_cannot_be_emulated_is_told),
		WORLD_TEST(an_unknown_event_comes_with_its_raw_bytes),
		WORLD_TEST(each_event_has_vcpu_view_and_ticket),
		WORLD_TEST(an_event_knows_fewer_registers_than_a_vcpu),
		WORLD_TEST(an_event_has_the_address_space_of_its_vcpu),
		WORLD_TEST(an_event_without_registers_has_no_space),
		WORLD_TEST(an_asynchronous_event_stops_nobody),
		WORLD_TEST(an_msr_can_be_watched_for_changes_only),
		WORLD_TEST(bits_of_a_control_register_can_be_left_out),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
