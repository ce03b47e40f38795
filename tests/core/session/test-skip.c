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
		WORLD_TEST(edits_of_registers_are_kept),
		WORLD_TEST(skipping_twice_is_skipping_once),
		WORLD_TEST(a_skip_can_go_with_a_view),
	};

	return cmocka_run_group_tests_name("skip", tests, NULL, NULL);
}
