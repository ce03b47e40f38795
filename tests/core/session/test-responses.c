/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses: each action, and what may go with it, as the guest notices it. Stepping and deny have
 * files of their own.
 */
#include "world.h"

#define CODE VMT_SCRIPTED_RIP

static void must(int r)
{
	assert_true(r >= 0);
}

static const uint8_t written[] = {0xaa, 0xbb, 0xcc, 0xdd};
static const uint8_t guests[] = {0x11, 0x22, 0x33, 0x44};

static int restrict_page_8(struct vmt_session *s)
{
	return vmt_set_access(s, 0, vmt_gfn_from(8), vmt_access_from(0));
}

static struct vmt_response the_response;

static struct vmt_response answer(struct vmt_ctx *ctx)
{
	(void)ctx;
	return the_response;
}

/* One access of page 8, which holds "guests", answered with @rsp; RBX is then RAX after it. */
static void run_access(struct world *w, const struct vmt_step *step, struct vmt_response rsp)
{
	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(0x8000), guests, sizeof(guests)));
	world_play(w, step, 1);
	probe.create = restrict_page_8;
	probe.event = answer;
	the_response = rsp;
	if (world_run(w) != 0)
		fail_msg("%s: %s", w->outcome.error.place, w->outcome.error.text);
	assert_int_equal(probe.events, 1); /* no second one: the instruction is done */
	vmt_assert_clean(w->driver);
}

static const struct vmt_step a_write = VMT_INSN_WRITE(0, 0, 0x8000, written, 4);
static const struct vmt_step a_read = VMT_INSN_READ(0, 0, 0x8000, 4);

static void emulate_does_the_instruction_rights_set_aside(void **state)
{
	struct world *w = *state;

	run_access(w, &a_write, vmt_respond(VMT_EMULATE));
	vmt_assert_memory(w->driver, vmt_gpa_from(0x8000), 0xaa, 0xbb, 0xcc, 0xdd);
	assert_true(world_gprs(w, 0).rip > CODE);
}

static void emulate_nowrite_leaves_memory_alone(void **state)
{
	struct world *w = *state;

	run_access(w, &a_write, vmt_respond(VMT_EMULATE_NOWRITE));
	vmt_assert_memory(w->driver, vmt_gpa_from(0x8000), 0x11, 0x22, 0x33, 0x44);
	assert_true(world_gprs(w, 0).rip > CODE);
}

static void emulate_reads_what_is_there(void **state)
{
	struct world *w = *state;

	run_access(w, &a_read, vmt_respond(VMT_EMULATE));
	assert_int_equal(world_gprs(w, 0).rax, 0x44332211);
}

static void emulate_read_gives_the_responses_data(void **state)
{
	static const uint8_t data[] = {0x01, 0x02, 0x03, 0x04};
	struct world *w = *state;

	run_access(w, &a_read, vmt_with_data(vmt_respond(VMT_EMULATE_READ), data, sizeof(data)));
	assert_int_equal(world_gprs(w, 0).rax, 0x04030201);
	vmt_assert_memory(w->driver, vmt_gpa_from(0x8000), 0x11, 0x22, 0x33, 0x44);
}

static int plant_a_breakpoint(struct vmt_session *s)
{
	must(vmt_monitor(s, VMT_MONITOR_BREAKPOINT));
	return vmt_write_u8(s, VMT_PHYS, CODE, 0xcc);
}

/* Step over a breakpoint without taking it away. */
static void emulate_insn_does_the_instruction_given(void **state)
{
	static const uint8_t nop[] = {0x90};
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0));
	probe.create = plant_a_breakpoint;
	probe.event = answer;
	the_response = vmt_with_data(vmt_respond(VMT_EMULATE_INSN), nop, sizeof(nop));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 1);
	assert_int_equal(world_gprs(w, 0).rip, CODE + 2);
	vmt_assert_delivered(w->driver, -1, 0);
	vmt_assert_clean(w->driver);
}

static int watch_int3(struct vmt_session *s)
{
	return vmt_monitor(s, VMT_MONITOR_BREAKPOINT);
}

static void reinject_gives_the_exception_to_the_guest(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_INT3(0, 0), VMT_INSN_NOP(0, 0));
	probe.create = watch_int3;
	probe.event = answer;
	the_response = vmt_respond(VMT_REINJECT);
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 1);
	vmt_assert_delivered(w->driver, 3, 1);
	assert_int_equal(vmt_scripted_delivered(w->domain, 0)->rip, CODE + 1);
}

static struct vmt_response lift_the_right(struct vmt_ctx *ctx)
{
	must(vmt_set_access(vmt_session_of(ctx), 0, vmt_gfn_from(8), vmt_access_from(VMT_RWX)));
	return vmt_respond(VMT_CONTINUE);
}

static void continue_does_the_instruction_again(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	world_play(w, &a_write, 1);
	probe.create = restrict_page_8;
	probe.event = lift_the_right;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 1);
	vmt_assert_memory(w->driver, vmt_gpa_from(0x8000), 0xaa, 0xbb, 0xcc, 0xdd);
}

/* What is still there stops it again. */
static struct vmt_response lift_at_the_third(struct vmt_ctx *ctx)
{
	return probe.events < 3 ? vmt_respond(VMT_CONTINUE) : lift_the_right(ctx);
}

static void what_is_still_there_stops_the_vcpu_again(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	world_play(w, &a_write, 1);
	probe.create = restrict_page_8;
	probe.event = lift_at_the_third;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 3);
}

/* -------------------------------------------------------------------------------------------- */
/* Registers and views                                                                          */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response set_all_registers(struct vmt_ctx *ctx)
{
	uint64_t *reg = (uint64_t *)vmt_gprs_of(ctx);

	for (uint64_t i = 0; i < 16; i++)
		reg[i] = 0x1000 + i;
	vmt_gprs_of(ctx)->rip += 2;
	vmt_gprs_of(ctx)->rflags |= 0x41; /* ZF and CF */
	return vmt_with_regs(vmt_respond(VMT_CONTINUE), vmt_gprs_of(ctx));
}

static void a_response_sets_the_18_general_registers(void **state)
{
	struct world *w = *state;
	struct vmt_gprs now;

	probe.event = set_all_registers;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	now = world_gprs(w, 0);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(((const uint64_t *)&now)[i], 0x1000 + i);
	assert_int_equal(now.rip, CODE + 2);
	assert_int_equal(now.rflags & 0x41, 0x41);
}

static struct vmt_response edit_without_setting(struct vmt_ctx *ctx)
{
	struct vmt_response rsp = vmt_skip(ctx);

	if (probe.events > 1)
		return rsp;
	vmt_gprs_of(ctx)->rbx = 0x5eed;
	rsp.flags = 0; /* without VMT_RSP_REGS nothing is set, and CPUID comes again */
	return rsp;
}

static void edits_of_registers_need_the_flag(void **state)
{
	struct world *w = *state;

	probe.event = edit_without_setting;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(probe.events, 2);
	assert_int_not_equal(world_gprs(w, 0).rbx, 0x5eed);
}

static struct vmt_response look_at_the_scratch_copy(struct vmt_ctx *ctx)
{
	assert_memory_equal(vmt_gprs_of(ctx), &vmt_event_of(ctx)->regs.gprs,
			    sizeof(struct vmt_gprs));
	vmt_gprs_of(ctx)->rbx++;
	assert_int_not_equal(vmt_gprs_of(ctx)->rbx, vmt_event_of(ctx)->regs.gprs.rbx);
	return vmt_skip(ctx);
}

static void the_scratch_registers_are_a_copy_of_the_events(void **state)
{
	struct world *w = *state;

	probe.event = look_at_the_scratch_copy;
	assert_int_equal(world_run_cpuids(w, 3), 0);
	assert_int_equal(probe.events, 3);
}

static vmt_view a_view;

static int make_a_view(struct vmt_session *s)
{
	must(watch_cpuid(s));
	return vmt_view_create(s, vmt_access_from(VMT_RWX), &a_view);
}

static struct vmt_response toggle_the_view(struct vmt_ctx *ctx)
{
	note(vmt_event_of(ctx)->view);
	return vmt_with_view(vmt_skip(ctx), vmt_event_of(ctx)->view == 0 ? a_view : 0);
}

static void a_response_chooses_the_view(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.vcpus = 2};

	world_open(w, &config);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_SYNC(),
		   VMT_INSN_CPUID(1, 0x2000, 0, 0));
	probe.create = make_a_view;
	probe.event = toggle_the_view;
	assert_int_equal(world_run(w), 0);
	assert_int_not_equal(a_view, 0);
	assert_int_equal(probe.noted[0], 0);
	assert_int_equal(probe.noted[1], a_view);
	assert_int_equal(probe.noted[2], 0); /* the other vCPU's own view */
	vmt_assert_clean(w->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(emulate_does_the_instruction_rights_set_aside),
		WORLD_TEST(emulate_nowrite_leaves_memory_alone),
		WORLD_TEST(emulate_reads_what_is_there),
		WORLD_TEST(emulate_read_gives_the_responses_data),
		WORLD_TEST(emulate_insn_does_the_instruction_given),
		WORLD_TEST(reinject_gives_the_exception_to_the_guest),
		WORLD_TEST(continue_does_the_instruction_again),
		WORLD_TEST(what_is_still_there_stops_the_vcpu_again),
		WORLD_TEST(a_response_sets_the_18_general_registers),
		WORLD_TEST(edits_of_registers_need_the_flag),
		WORLD_TEST(the_scratch_registers_are_a_copy_of_the_events),
		WORLD_TEST(a_response_chooses_the_view),
	};

	return cmocka_run_group_tests_name("responses", tests, NULL, NULL);
}
