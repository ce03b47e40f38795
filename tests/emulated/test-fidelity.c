/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fidelity measurement, on a recording of the demo kernel that is stepped: what the emulation
 * did is found exact, and each forged register, event, store and interrupt frame is found wrong or
 * what it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmitape/dry-run.h>
#include <vmitape/emulated.h>
#include <vmitape/fidelity.h>
#include <vmitape/handler.h>
#include <vmitape/record.h>
#include <vmitape/run.h>

#include "replay/fidelity-private.h"
#include "trace-format/record.h"

#define STEPS 400u

static const char *demo;

struct world {
	char folder[64], trace[96], forged[96];
	struct vmt_fidelity f;
};

/* -------------------------------------------------------------------------------------------- */
/* A recording                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static unsigned steps;

static int create(struct vmt_session *s, void **self)
{
	*self = NULL;
	steps = 0;
	if (vmt_monitor(s, VMT_MONITOR_SINGLESTEP) < 0)
		return vmt_session_fail(s, "no steps");
	return vmt_monitor_cr(s, VMT_CR3);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_respond(VMT_CONTINUE);
	steps++;
	return vmt_respond(VMT_SINGLESTEP);
}

static int is_done(const void *self, struct vmt_record *out)
{
	(void)self;
	(void)out;
	return steps >= STEPS;
}

static const struct vmt_handler_ops handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(handler),
	.name = "stepping",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
	.poll = is_done,
};

static void record(struct world *w, unsigned capture)
{
	const struct vmt_emulated_config guest = {.guest = demo};
	struct vmt_recorder_config config = {.capture = (uint8_t)capture,
					     .context = vmt_dry_run_pages};
	struct vmt_session_config session = {.handler = &handler, .nobservers = 1};
	struct vmt_observer *observers[1];
	struct vmt_trace_writer *writer;
	struct vmt_driver *domain, *d;
	struct vmt_dry_run *dry;
	struct vmt_session *s;

	assert_int_equal(vmt_trace_writer_open(w->trace, NULL, &writer, NULL), 0);
	assert_int_equal(vmt_emulated_open(&guest, &domain, NULL), 0);
	assert_int_equal(vmt_dry_run_create(&dry, NULL), 0);
	config.writer = writer;
	config.context_arg = dry;
	assert_int_equal(vmt_recorder_create(domain, &config, &d, NULL), 0);
	observers[0] = vmt_recorder_observer(d);
	session.driver = d;
	session.observers = observers;
	assert_int_equal(vmt_session_create(&session, &s, NULL), 0);
	assert_int_equal(vmt_session_run(s, NULL), 0);
	vmt_session_destroy(s);
	vmt_driver_close(d);
	vmt_dry_run_destroy(dry);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL), 0);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->folder, "/tmp/vmitape-fidelity-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void)snprintf(w->trace, sizeof(w->trace), "%s/x.vmt", w->folder);
	(void)snprintf(w->forged, sizeof(w->forged), "%s/forged.vmt", w->folder);
	vmt_fidelity_init(&w->f);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	vmt_fidelity_finish(&w->f);
	(void)unlink(w->trace);
	(void)unlink(w->forged);
	(void)rmdir(w->folder);
	free(w);
	return 0;
}

static void measure(struct world *w, const char *trace)
{
	struct vmt_error err = {0};

	vmt_fidelity_finish(&w->f);
	vmt_fidelity_init(&w->f);
	if (vmt_fidelity_measure(trace, NULL, &w->f, &err) < 0)
		fail_msg("%s: %s", err.place, err.text);
}

/* -------------------------------------------------------------------------------------------- */
/* Forging                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Changes a record on its way into the forged trace. @event: how many events came before it. */
typedef void forger(struct vmt_trace_record *record, void *page);

static uint64_t page_of(const struct vmt_trace_record *record)
{
	if (record->kind == VMT_TRACE_CAPTURE)
		return ((const struct vmt_trace_capture *)record->body)->page;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		return ((const struct vmt_trace_call *)record->body)->page;
	return 0;
}

static void forge(struct world *w, forger *change)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_writer *writer;
	struct vmt_trace_record r;
	uint8_t page[VMT_PAGE_SIZE];

	assert_int_equal(vmt_trace_reader_open(w->trace, NULL, &reader, NULL), 0);
	assert_int_equal(vmt_trace_writer_open(w->forged, NULL, &writer, NULL), 0);
	while (vmt_trace_reader_next(reader, &r, NULL) == 1) {
		const uint64_t id = page_of(&r);

		if (r.kind == VMT_TRACE_END)
			continue;
		if (id && vmt_trace_reader_page(reader, id, page, NULL) == 0)
			r.page = page;
		change(&r, page);
		assert_int_equal(vmt_trace_writer_append(writer, &r, NULL), 0);
	}
	vmt_trace_reader_close(reader);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL), 0);
	measure(w, w->forged);
}

/** The event to be changed, in the middle of plain steps. */
#define FORGED 50u

static struct vmt_event *event_of(struct vmt_trace_record *record)
{
	if (record->kind != VMT_TRACE_EVENT || record->event != FORGED)
		return NULL;
	return &((struct vmt_trace_event *)record->body)->event;
}

static void other_rbx(struct vmt_trace_record *record, void *page)
{
	struct vmt_event *ev = event_of(record);

	(void)page;
	if (ev)
		ev->regs.gprs.rbx ^= 0x10;
}

static void other_rip(struct vmt_trace_record *record, void *page)
{
	struct vmt_event *ev = event_of(record);

	(void)page;
	if (ev)
		ev->regs.gprs.rip += 1;
}

static void other_reason(struct vmt_trace_record *record, void *page)
{
	struct vmt_event *ev = event_of(record);

	(void)page;
	if (ev)
		ev->reason = VMT_EVENT_DESCRIPTOR;
}

static void no_page(struct vmt_trace_record *record, void *page)
{
	struct vmt_trace_capture *capture = (struct vmt_trace_capture *)record->body;

	(void)page;
	if (record->kind != VMT_TRACE_CAPTURE)
		return;
	capture->result = -VMT_E_PERMISSION;
	capture->error = (struct vmt_error){.status = VMT_E_PERMISSION, .text = "forged"};
	record->page = NULL;
}

/** At the stack pointer stands another byte than was pushed. The stack is mapped one to one. */
static void other_bytes(struct vmt_trace_record *record, void *page)
{
	static uint64_t rsp;

	if (record->kind == VMT_TRACE_EVENT)
		rsp = ((const struct vmt_trace_event *)record->body)->event.regs.gprs.rsp;
	else if (record->kind == VMT_TRACE_CAPTURE && record->page &&
		 ((const struct vmt_trace_capture *)record->body)->gfn.n == rsp >> VMT_PAGE_SHIFT)
		((uint8_t *)page)[rsp & (VMT_PAGE_SIZE - 1)] ^= 0x40;
}

/* -------------------------------------------------------------------------------------------- */
/* Tests                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void steps_of_the_same_cpu_are_exact(void **state)
{
	struct world *w = *state;
	uint64_t sum = 0;

	record(w, VMT_CAPTURE_CONTEXT);
	measure(w, w->trace);
	for (unsigned c = 0; c < VMT_FIDELITY_CLASSES; c++)
		sum += w->f.total.n[c];
	assert_in_range(w->f.responses, STEPS, STEPS + 8);
	assert_in_range(sum, STEPS - 8, STEPS);
	assert_in_range(w->f.total.n[VMT_FIDELITY_EXACT], sum * 95 / 100, sum);
	assert_int_equal(w->f.total.n[VMT_FIDELITY_WRONG], 0);
	assert_int_equal(w->f.total.n[VMT_FIDELITY_ASYNCHRONOUS], 0);
	assert_in_range(w->f.nopcodes, 20, 1000);
	assert_in_range(w->f.stores_checked, 1, w->f.stores);
	assert_int_equal(w->f.kernel.n[VMT_FIDELITY_EXACT], w->f.total.n[VMT_FIDELITY_EXACT]);
}

static void assert_one_wrong(struct world *w, const char *text)
{
	/* The forged event ends one step wrongly; the next one begins in a state that never was. */
	assert_in_range(w->f.total.n[VMT_FIDELITY_WRONG], 1, 2);
	for (size_t i = 0; i < w->f.ncases; i++) {
		const struct vmt_fidelity_case *c = &w->f.cases[i];

		if (c->fidelity != VMT_FIDELITY_WRONG)
			continue;
		assert_int_equal(c->event, FORGED - 1);
		if (!strstr(c->text, text))
			fail_msg("'%s' does not hold '%s'", c->text, text);
		return;
	}
	fail_msg("no wrong case was kept");
}

static void a_register_that_differs_is_wrong(void **state)
{
	struct world *w = *state;

	record(w, VMT_CAPTURE_CONTEXT);
	forge(w, other_rbx);
	assert_one_wrong(w, "rbx");
}

static void another_next_instruction_is_wrong(void **state)
{
	struct world *w = *state;

	record(w, VMT_CAPTURE_CONTEXT);
	forge(w, other_rip);
	assert_one_wrong(w, "rip");
}

static void another_kind_of_event_is_wrong(void **state)
{
	struct world *w = *state;

	record(w, VMT_CAPTURE_CONTEXT);
	forge(w, other_reason);
	assert_one_wrong(w, "the next event: singlestep is descriptor");
}

static void stored_bytes_that_differ_are_wrong(void **state)
{
	struct world *w = *state;
	unsigned found = 0;

	record(w, VMT_CAPTURE_CONTEXT);
	forge(w, other_bytes);
	for (size_t i = 0; i < w->f.ncases; i++)
		found += strstr(w->f.cases[i].text, "memory at gpa 0x") != NULL;
	assert_in_range(found, 1, w->f.total.n[VMT_FIDELITY_WRONG]);
}

static void without_pages_all_is_incomplete(void **state)
{
	struct world *w = *state;

	record(w, VMT_CAPTURE_CONTEXT);
	forge(w, no_page);
	assert_int_equal(w->f.total.n[VMT_FIDELITY_EXACT], 0);
	assert_int_equal(w->f.total.n[VMT_FIDELITY_WRONG], 0);
	assert_in_range(w->f.total.n[VMT_FIDELITY_INCOMPLETE], STEPS - 8, STEPS);
}

/** The policy `pages` keeps nothing of what a handler does not read: nothing is claimed. */
static void a_trace_without_context_is_incomplete(void **state)
{
	struct world *w = *state;

	record(w, VMT_CAPTURE_PAGES);
	measure(w, w->trace);
	assert_int_equal(w->f.total.n[VMT_FIDELITY_EXACT], 0);
	assert_int_equal(w->f.total.n[VMT_FIDELITY_WRONG], 0);
	assert_in_range(w->f.total.n[VMT_FIDELITY_INCOMPLETE], STEPS - 8, STEPS);
}

static void the_text_ends_with_the_summary(void **state)
{
	struct world *w = *state;
	char *text;

	record(w, VMT_CAPTURE_CONTEXT);
	forge(w, other_rbx);
	text = vmt_fidelity_text(&w->f);
	assert_non_null(strstr(text, "  wrong: event 49 vcpu 0 singlestep rip 0x"));
	assert_non_null(strstr(text, "\nfidelity: "));
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
}

static void a_file_that_is_no_trace_is_refused(void **state)
{
	struct world *w = *state;
	struct vmt_error err = {0};

	assert_int_equal(vmt_fidelity_measure(demo, NULL, &w->f, &err), -VMT_E_DAMAGED);
	assert_true(err.text[0]);
}

static void opcodes_are_told_apart(void **state)
{
	static const struct {
		uint8_t insn[8], len, map, opcode, reg;
		bool vex;
	} cases[] = {
		{{0x48, 0x89, 0xe5}, 3, 1, 0x89, 0, false},
		{{0xf3, 0x48, 0xab}, 3, 1, 0xab, 0, false},
		{{0x83, 0xe8, 0x01}, 3, 1, 0x83, 5, false},
		{{0x0f, 0xa2}, 2, 0x0f, 0xa2, 0, false},
		{{0x66, 0x0f, 0x38, 0x00, 0xc1}, 5, 0x38, 0x00, 0, false},
		{{0xc5, 0xf9, 0x6f, 0x07}, 4, 0x0f, 0x6f, 0, true},
		{{0xc4, 0xe2, 0x78, 0xf5, 0xc0}, 5, 0x38, 0xf5, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmt_fidelity_opcode o;

		vmt_opcode_of(cases[i].insn, cases[i].len, &o);
		assert_int_equal(o.map, cases[i].map);
		assert_int_equal(o.opcode, cases[i].opcode);
		assert_int_equal(o.reg, cases[i].reg);
		assert_int_equal(o.vex, cases[i].vex);
	}
}

static void flags_that_are_undefined_are_known(void **state)
{
	static const uint8_t and_[] = {0x48, 0x21, 0xd8};
	static const uint8_t add[] = {0x48, 0x01, 0xd8};
	static const uint8_t mul[] = {0x48, 0xf7, 0xe3};
	static const uint8_t div_[] = {0x48, 0xf7, 0xf3};
	static const uint8_t neg[] = {0x48, 0xf7, 0xdb};

	(void)state;
	assert_int_equal(vmt_undefined_flags(and_, 3), 0x10);
	assert_int_equal(vmt_undefined_flags(add, 3), 0);
	assert_int_equal(vmt_undefined_flags(mul, 3), 0xd4);
	assert_int_equal(vmt_undefined_flags(div_, 3), 0x8d5);
	assert_int_equal(vmt_undefined_flags(neg, 3), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(steps_of_the_same_cpu_are_exact),
		TEST(a_register_that_differs_is_wrong),
		TEST(another_next_instruction_is_wrong),
		TEST(another_kind_of_event_is_wrong),
		TEST(stored_bytes_that_differ_are_wrong),
		TEST(without_pages_all_is_incomplete),
		TEST(a_trace_without_context_is_incomplete),
		TEST(the_text_ends_with_the_summary),
		TEST(a_file_that_is_no_trace_is_refused),
		cmocka_unit_test(opcodes_are_told_apart),
		cmocka_unit_test(flags_that_are_undefined_are_known),
	};

	if (argc < 2)
		return 2;
	demo = argv[1];
	return cmocka_run_group_tests_name("fidelity", tests, NULL, NULL);
}
