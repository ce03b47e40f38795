/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler `events`: each kind of event is told with its fields, and the guest goes on.
 */
#include "seen.h"

#define AT(n) (VMT_SCRIPTED_RIP + UINT64_C(0x10) * (n))

/** Run to the end of the script, with @monitors, on a Xen that has all of them. */
static void run(struct stage *st, const char *monitors)
{
	RUN(st, "events", {"monitors", monitors});
	vmt_assert_ended(&st->outcome, VMT_END_GONE);
	assert_true(vmt_scripted_done(st->scripted));
}

static const struct vmt_scripted_config newest = {.xen_major = 4, .xen_minor = 21};

/* -------------------------------------------------------------------------------------------- */
/* Kinds                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void every_record_says_where_it_comes_from(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 2, .paging = VMT_PAGING_4};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	PLAY(&st, VMT_INSN_CPUID(1, AT(4), 0, 0));
	run(&st, "cpuid");
	seen_is(&st, "cpuid", 0, "vcpu", 1);
	seen_is(&st, "cpuid", 0, "view", 0);
	seen_is(&st, "cpuid", 0, "sync", 1);
	seen_is(&st, "cpuid", 0, "nested", 0);
	seen_is(&st, "cpuid", 0, "rip", AT(4));
	seen_is(&st, "cpuid", 0, "cr3", vmt_scripted_space(st.scripted).root);
	seen_is(&st, "cpuid", 0, "cpl", 0);
	stage_finish(&st);
}

static void writes_of_control_registers(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_CR(0, 0, VMT_CR3, 0x6000),
	     VMT_INSN_NOP(0, 0));
	run(&st, "cr3");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, "write-cr", 1, "cr", VMT_CR3);
	seen_is(&st, "write-cr", 1, "new", 0x6000);
	seen_is(&st, "write-cr", 1, "old", 0x5000);
	stage_finish(&st);
}

static void writes_of_msrs(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0xffffffff81000000),
	     VMT_INSN_MSR(0, 0, VMT_MSR_STAR, 1), VMT_INSN_MSR(0, 0, 0x1234, 7));
	run(&st, "msr:0xc0000082,msr:0x1234");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, "write-msr", 0, "msr", VMT_MSR_LSTAR);
	seen_is(&st, "write-msr", 0, "new", 0xffffffff81000000);
	seen_is(&st, "write-msr", 0, "old", 0);
	seen_is(&st, "write-msr", 1, "msr", 0x1234);
	stage_finish(&st);
}

static void an_int3_is_told_and_reaches_the_guest(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_INT3(0, AT(0)), VMT_INSN_NOP(0, AT(0) + 1));
	run(&st, "breakpoint");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	seen_is(&st, "interrupt", 0, "gfn", AT(0) >> 12);
	seen_is(&st, "interrupt", 0, "vector", 3);
	seen_is(&st, "interrupt", 0, "type", VMT_INT_SW_EXCEPTION);
	seen_is(&st, "interrupt", 0, "insn_length", 1);
	vmt_assert_delivered(st.scripted, 3, 1);
	stage_finish(&st);
}

static void a_debug_exception_is_told_and_reaches_the_guest(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_DEBUG(0, AT(0), VMT_INT_HW_EXCEPTION, 1), VMT_INSN_NOP(0, 0));
	run(&st, "debug");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	seen_is(&st, "interrupt", 0, "vector", 1);
	seen_is(&st, "interrupt", 0, "type", VMT_INT_HW_EXCEPTION);
	seen_is(&st, "interrupt", 0, "extra", 1);
	vmt_assert_delivered(st.scripted, 1, 1);
	stage_finish(&st);
}

static void a_hypercall_is_told_and_completes(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_VMCALL(0, AT(0)), VMT_INSN_NOP(0, 0));
	run(&st, "hypercall");
	seen_is(&st, "hypercall", 0, "insn_length", 3);
	stage_finish(&st);
}

static void a_cpuid_is_told_and_passed(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CPUID(0, AT(0), 7, 2), VMT_INSN_NOP(0, 0));
	run(&st, "cpuid");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	seen_is(&st, "cpuid", 0, "leaf", 7);
	seen_is(&st, "cpuid", 0, "subleaf", 2);
	seen_is(&st, "cpuid", 0, "insn_length", 2);
	stage_finish(&st);
}

static void port_accesses_are_told_and_left_out(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, &newest);
	PLAY(&st, VMT_INSN_IN(0, AT(0), 0x60, 1, 0x1c), VMT_INSN_OUT(0, AT(1), 0x3f8, 1, 0x41),
	     VMT_INSN_NOP(0, AT(2)));
	run(&st, "io");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, "io", 0, "port", 0x60);
	seen_is(&st, "io", 0, "in", 1);
	seen_is(&st, "io", 1, "port", 0x3f8);
	seen_is(&st, "io", 1, "bytes", 1);
	seen_is(&st, "io", 1, "in", 0);
	seen_is(&st, "io", 1, "string", 0);
	stage_finish(&st);
}

static void a_descriptor_access_is_told_and_done(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_DESCRIPTOR(0, AT(0), VMT_DESC_GDTR, 1), VMT_INSN_NOP(0, 0));
	run(&st, "descriptor");
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	seen_is(&st, "descriptor", 0, "descriptor", VMT_DESC_GDTR);
	seen_is(&st, "descriptor", 0, "write", 1);
	stage_finish(&st);
}

static void vm_exits_are_told(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_VMEXIT(0, AT(0), 12, 0x99), VMT_INSN_NOP(0, 0));
	run(&st, "vmexit");
	seen_is(&st, "vmexit", 0, "exit_reason", 12);
	seen_is(&st, "vmexit", 0, "qualification", 0x99);
	seen_is(&st, "vmexit", 0, "sync", 0);
	stage_finish(&st);
}

static void events_that_nobody_knows_are_told_with_their_bytes(void **state)
{
	static const uint8_t raw[] = {1, 2, 3};
	const struct vmt_event unknown = {.reason = VMT_EVENT_UNKNOWN,
					  .flags = VMT_EVENT_SYNC,
					  .raw = raw,
					  .raw_len = 3,
					  .raw_kind = 1};
	struct vmt_event later = unknown;
	struct stage st;

	(void)state;
	later.reason = VMT_REASON_COUNT + 1;
	stage_init(&st, NULL);
	PLAY(&st, VMT_WORLD_EVENT(&unknown), VMT_WORLD_EVENT(&later));
	run(&st, "none");
	assert_int_equal(vmt_collector_nemissions(st.seen, "unknown"), 2);
	seen_is(&st, "unknown", 0, "raw_kind", 1);
	assert_int_equal(seen_value(&st, "unknown", 1, "raw")->len, 3);
	assert_memory_equal(seen_value(&st, "unknown", 1, "raw")->v.p, raw, 3);
	stage_finish(&st);
}

static void other_events_are_told(void **state)
{
	static const uint8_t raw[] = {9};
	const struct vmt_event next = {.reason = VMT_EVENT_NEXT_INTERRUPT,
				       .flags = VMT_EVENT_SYNC,
				       .u.next_interrupt = {.vector = 14,
							    .type = VMT_INT_HW_EXCEPTION,
							    .error_code = 6,
							    .extra = 0x1234}};
	const struct vmt_event unimplemented = {.reason = VMT_EVENT_EMUL_UNIMPLEMENTED,
						.flags = VMT_EVENT_SYNC,
						.raw = raw,
						.raw_len = 1,
						.raw_kind = 1};
	const struct vmt_event step = {
		.reason = VMT_EVENT_SINGLESTEP, .flags = VMT_EVENT_SYNC, .u.step.gfn = {0x77}};
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_WORLD_EVENT(&next), VMT_WORLD_EVENT(&unimplemented), VMT_WORLD_EVENT(&step));
	run(&st, "none");
	seen_is(&st, "next-interrupt", 0, "vector", 14);
	seen_is(&st, "next-interrupt", 0, "error_code", 6);
	seen_is(&st, "next-interrupt", 0, "extra", 0x1234);
	seen_is(&st, "emul-unimplemented", 0, "raw_kind", 1);
	seen_is(&st, "singlestep", 0, "gfn", 0x77);
	stage_finish(&st);
}

/* -------------------------------------------------------------------------------------------- */
/* Watched pages                                                                                */
/* -------------------------------------------------------------------------------------------- */

#define PAGE UINT64_C(0x20000) /* gfn 0x20 */

static void run_watching(struct stage *st)
{
	PLAY(st, VMT_INSN_WRITE(0, AT(0), PAGE + 8, "\x11\x22", 2),
	     VMT_INSN_READ(0, AT(1), PAGE + 8, 2),
	     VMT_INSN_WRITE(0, AT(2), PAGE + 0x2000, "\x33", 1), VMT_INSN_CPUID(0, AT(3), 0, 0),
	     VMT_INSN_NOP(0, AT(4)));
	RUN(st, "events", {"monitors", "cpuid"}, {"watch", "0x20-0x21:rw"});
	vmt_assert_ended(&st->outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st->seen, "memory-access"), 2);
	assert_int_equal(vmt_collector_nemissions(st->seen, "singlestep"), 0);
	assert_int_equal(vmt_collector_nemissions(st->seen, "cpuid"), 1);
	seen_is(st, "memory-access", 0, "gpa", PAGE + 8);
	seen_is(st, "memory-access", 0, "write", 1);
	seen_is(st, "memory-access", 0, "execute", 0);
	seen_is(st, "memory-access", 1, "read", 1);
	seen_is(st, "memory-access", 1, "write", 0);
	vmt_assert_memory(st->scripted, vmt_gpa_from(PAGE + 8), 0x11, 0x22);
}

static void accesses_to_watched_pages_are_told_and_done(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	run_watching(&st);
	assert_int_equal(st.outcome.events, 3);
	stage_finish(&st);
}

static void steps_over_watched_pages_are_not_told(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	stage_hide(&st, VMT_CAP_FAST_SINGLESTEP);
	run_watching(&st);
	assert_int_equal(st.outcome.events, 5);
	stage_finish(&st);
}

/* View 0's rights, and the hypervisor does what they forbid. */
static void without_views_accesses_are_emulated(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	stage_hide(&st, VMT_CAP_VIEWS);
	run_watching(&st);
	assert_int_equal(st.outcome.events, 3);
	seen_is(&st, "memory-access", 0, "view", 0);
	stage_finish(&st);
}

static void without_views_and_emulation_nothing_can_be_watched(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	stage_hide(&st, VMT_CAP_VIEWS | VMT_CAP_EMULATE);
	RUN(&st, "events", {"monitors", "none"}, {"watch", "0x20:w"});
	stage_failed(&st, VMT_END_CREATE_FAILED, "neither views nor emulation");
	stage_finish(&st);
}

/* No page can be written and not read. */
static void who_watches_reads_watches_writes(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_WRITE(0, AT(0), PAGE, "\x11", 1), VMT_INSN_READ(0, AT(1), PAGE, 1));
	RUN(&st, "events", {"monitors", "none"}, {"watch", "0x20:r"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, NULL, 0, "write", 1);
	seen_is(&st, NULL, 1, "write", 0);
	stage_finish(&st);
}

static void a_page_that_is_not_to_be_executed(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_JUMP(0, AT(0), PAGE), VMT_INSN_NOP(0, PAGE), VMT_INSN_NOP(0, PAGE + 1),
	     VMT_INSN_JUMP(0, PAGE + 2, AT(1)), VMT_INSN_NOP(0, AT(1)));
	RUN(&st, "events", {"monitors", "none"}, {"watch", "0x20:x"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 3);
	seen_is(&st, NULL, 0, "execute", 1);
	seen_is(&st, NULL, 0, "gva", PAGE);
	stage_finish(&st);
}

static void several_ranges_can_be_watched(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_WRITE(0, AT(0), PAGE, "\x11", 1),
	     VMT_INSN_WRITE(0, AT(1), PAGE + 0x1000, "\x11", 1),
	     VMT_INSN_WRITE(0, AT(2), PAGE + 0x2000, "\x11", 1));
	RUN(&st, "events", {"monitors", "none"}, {"watch", "0x20:w,34:w"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, NULL, 1, "gpa", PAGE + 0x2000);
	stage_finish(&st);
}

/* -------------------------------------------------------------------------------------------- */
/* Defaults and options                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void by_default_all_is_watched_but_what_disturbs(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, &newest);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 1),
	     VMT_INSN_INT3(0, 0), VMT_INSN_CPUID(0, 0, 1, 0), VMT_INSN_VMCALL(0, 0),
	     VMT_INSN_DEBUG(0, 0, VMT_INT_HW_EXCEPTION, 1),
	     VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_IDTR, 0), VMT_INSN_OUT(0, 0, 0x3f8, 1, 1),
	     VMT_INSN_VMEXIT(0, 0, 12, 0), VMT_INSN_NOP(0, 0));
	stage_run(&st, "events", (const struct vmt_option[]){{NULL, NULL}});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 7);
	assert_int_equal(vmt_collector_nemissions(st.seen, "io"), 0);
	assert_int_equal(vmt_collector_nemissions(st.seen, "vmexit"), 0);
	stage_finish(&st);
}

static void what_the_domain_lacks_is_left_out_by_default(void **state)
{
	const struct vmt_scripted_config svm = {.svm = true};
	struct stage st;

	(void)state;
	stage_init(&st, &svm);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	stage_run(&st, "events", (const struct vmt_option[]){{NULL, NULL}});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, "write-cr"), 1);
	seen_is(&st, "write-cr", 0, "view", (uint64_t)-1);
	stage_finish(&st);
}

static void a_monitor_of_a_group_may_be_missing(void **state)
{
	const struct vmt_fault_rule missing = {
		.op = VMT_CALL_MONITOR, .nth = 4, .status = VMT_E_NOT_SUPPORTED};
	struct vmt_error err;
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	vmt_assert_ok(vmt_fault_injector_create(st.driver, 0, &st.driver, &err), &err);
	assert_int_equal(vmt_fault_injector_add(st.driver, &missing), 0);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	stage_run(&st, "events", (const struct vmt_option[]){{NULL, NULL}});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, "write-cr"), 1);
	assert_int_equal(vmt_collector_nlogs(st.seen), 1);
	assert_int_equal(vmt_collector_log(st.seen, 0)->level, VMT_LOG_WARNING);
	stage_finish(&st);
}

static void what_the_domain_lacks_cannot_be_named(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	RUN(&st, "events", {"monitors", "io"}); /* Xen 4.17 has none */
	vmt_assert_ended(&st.outcome, VMT_END_CREATE_FAILED);
	assert_int_equal(st.outcome.error.status, VMT_E_NOT_SUPPORTED);
	stage_finish(&st);
}

static void it_finishes_after_so_many(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (uint64_t i = 1; i <= 4; i++)
		PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, i << 12));
	RUN(&st, "events", {"monitors", "cr3"}, {"limit", "2"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(2));
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	stage_finish(&st);
}

static void a_stop_ends_it_with_its_result(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_WORLD_STOP());
	RUN(&st, "events", {"monitors", "cr3"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(1));
	stage_finish(&st);
}

static void registers_come_behind_each_event_when_asked_for(void **state)
{
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RBX) | VMT_KNOWN(VMT_REG_LSTAR)};
	struct stage st;

	(void)state;
	regs.gprs.rbx = 0xb0b;
	regs.lstar = 0x15;
	stage_init(&st, NULL);
	assert_int_equal(vmt_scripted_set_regs(st.scripted, 0, &regs), 0);
	PLAY(&st, VMT_INSN_CR(0, AT(3), VMT_CR3, 0x5000));
	RUN(&st, "events", {"monitors", "cr3"}, {"registers", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, NULL, 1, "rip", AT(3));
	seen_is(&st, "registers", 0, "rbx", 0xb0b);
	seen_is(&st, "registers", 0, "lstar", 0x15);
	seen_is(&st, "registers", 0, "known", VMT_KNOWN_XEN_EVENT);
	stage_finish(&st);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		struct vmt_option option;
		const char *word;
	} bad[] = {
		{{"monitors", "cr5"}, "there is no 'cr5'"},
		{{"monitors", "cr3,,cr4"}, "there is no ''"},
		{{"monitors", "cr3:1"}, "'cr3:1' is not msr:NUMBER"},
		{{"monitors", "msr:"}, "'msr:' is not msr:NUMBER"},
		{{"monitors", "msr:0x1ffffffff"}, "is not msr:NUMBER"},
		{{"monitors", "msr:5x"}, "is not msr:NUMBER"},
		{{"watch", "0x20"}, "is not GFN"},
		{{"watch", "0x20:"}, "is not GFN"},
		{{"watch", "0x20:q"}, "is not GFN"},
		{{"watch", "0x21-0x20:w"}, "is not GFN"},
		{{"watch", "-1:w"}, "is not GFN"},
		{{"watch", "0x20-:w"}, "is not GFN"},
		{{"watch", "0x20-0xffffffffff:w"}, "leaves the guest's memory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stage st;

		stage_init(&st, NULL);
		stage_run(&st, "events", (const struct vmt_option[]){bad[i].option, {NULL, NULL}});
		stage_failed(&st, VMT_END_CREATE_FAILED, bad[i].word);
		stage_finish(&st);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_says_where_it_comes_from),
		cmocka_unit_test(writes_of_control_registers),
		cmocka_unit_test(writes_of_msrs),
		cmocka_unit_test(an_int3_is_told_and_reaches_the_guest),
		cmocka_unit_test(a_debug_exception_is_told_and_reaches_the_guest),
		cmocka_unit_test(a_hypercall_is_told_and_completes),
		cmocka_unit_test(a_cpuid_is_told_and_passed),
		cmocka_unit_test(port_accesses_are_told_and_left_out),
		cmocka_unit_test(a_descriptor_access_is_told_and_done),
		cmocka_unit_test(vm_exits_are_told),
		cmocka_unit_test(events_that_nobody_knows_are_told_with_their_bytes),
		cmocka_unit_test(other_events_are_told),
		cmocka_unit_test(accesses_to_watched_pages_are_told_and_done),
		cmocka_unit_test(steps_over_watched_pages_are_not_told),
		cmocka_unit_test(without_views_accesses_are_emulated),
		cmocka_unit_test(without_views_and_emulation_nothing_can_be_watched),
		cmocka_unit_test(who_watches_reads_watches_writes),
		cmocka_unit_test(a_page_that_is_not_to_be_executed),
		cmocka_unit_test(several_ranges_can_be_watched),
		cmocka_unit_test(by_default_all_is_watched_but_what_disturbs),
		cmocka_unit_test(what_the_domain_lacks_is_left_out_by_default),
		cmocka_unit_test(a_monitor_of_a_group_may_be_missing),
		cmocka_unit_test(what_the_domain_lacks_cannot_be_named),
		cmocka_unit_test(it_finishes_after_so_many),
		cmocka_unit_test(a_stop_ends_it_with_its_result),
		cmocka_unit_test(registers_come_behind_each_event_when_asked_for),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
