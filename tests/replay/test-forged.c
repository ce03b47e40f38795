/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traces that are well formed and hostile: what a record says is forged, and written again with right
 * checksums. Replay ends, soon and in little memory, and never by a crash or with the verdict that a
 * whole trace would have had to earn.
 */
#include <time.h>

#include <vmitape/call.h>

#include "handlers.h"
#include "replay/records.h"
#include "support.h"

#define DATA 0x8008

static const struct vmt_step loop[] = {
	VMT_INSN_NOP(0, 0x1000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
	VMT_INSN_WRITE(0, 0x1030, DATA, "abcdefgh", 8),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_WRITE(0, 0x1040, DATA, "ABCDEFGH", 8),
};

static const struct world world = {.steps = loop, .nsteps = sizeof(loop) / sizeof(loop[0])};
static const struct variant shadow = {
	.method = SHADOW, .at = {0x1010}, .data = DATA, .watch_page = DATA, .alloc = true};
static const struct variant patch = {.at = {0x1010}, .data = DATA, .watch_page = DATA};

/* -------------------------------------------------------------------------------------------- */
/* Forging                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Change the record; its body is a copy. */
typedef void forgery(struct vmt_trace_record *record, void *body);

static uint64_t page_of(const struct vmt_trace_record *record)
{
	if (record->kind == VMT_TRACE_CAPTURE)
		return ((const struct vmt_trace_capture *)record->body)->page;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		return ((const struct vmt_trace_call *)record->body)->page;
	return 0;
}

/** p->again is p->trace, forged. */
static void forge(struct place *p, forgery *change)
{
	const struct vmt_trace_writer_options options = {
		.replace = true, .level = -1, .same_thread = true};
	struct vmt_trace_writer *writer;
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];

	vmt_assert_ok(vmt_trace_reader_open(p->trace, NULL, &reader, &err), &err);
	vmt_assert_ok(vmt_trace_writer_open(p->again, &options, &writer, &err), &err);
	while (vmt_trace_reader_next(reader, &record, &err) == 1) {
		struct vmt_copies copies = {0};
		void *body;

		if (record.kind == VMT_TRACE_END)
			continue;
		body = (void *)vmt_body_copy(record.kind, record.body, &copies);
		assert_non_null(body);
		if (page_of(&record)) {
			vmt_assert_ok(vmt_trace_reader_page(reader, page_of(&record), page, &err),
				      &err);
			record.page = page;
		}
		record.body = body;
		change(&record, body);
		if (record.kind != VMT_TRACE_GAP)
			vmt_assert_ok(vmt_trace_writer_append(writer, &record, &err), &err);
		vmt_copies_finish(&copies);
	}
	vmt_trace_reader_close(reader);
	vmt_assert_ok(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), &err);
}

/** Replay the forged trace in a process; it must end by itself. Returns the verdict. */
static unsigned run_forged(struct place *p, const struct variant *now, const char *what)
{
	struct vmt_replay_run run = {.trace = p->again, .handler = &test_handler, .hang_ms = 20000};
	struct vmt_replay_report report;
	struct vmt_error err = {0};
	char line[512];
	time_t start = time(NULL);
	int r;

	variant = *now;
	r = vmt_replay_run(&run, &report, &err);
	if (time(NULL) - start > 15)
		fail_msg("%s: it took %ld s", what, (long)(time(NULL) - start));
	if (r < 0) {
		assert_true(err.text[0] != '\0');
		return report.verdict;
	}
	if (report.stop >= VMT_STOPPED_CRASHED && report.stop <= VMT_STOPPED_MEMORY)
		fail_msg("%s: %s", what, vmt_replay_summary(&report, line, sizeof(line)));
	return report.verdict;
}

/** The unchanged handler, and changed ones, over a forged recording of each method. */
static void try_forgery(struct place *p, forgery *change, const char *what)
{
	static const struct variant *const variants[] = {&shadow, &patch};

	for (size_t old = 0; old < 2; old++) {
		variant = *variants[old];
		record(p, &world, &test_handler);
		forge(p, change);
		for (size_t now = 0; now < 2; now++)
			run_forged(p, variants[now], what);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Forgeries                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_call *call_of(struct vmt_trace_record *record, void *body, unsigned op)
{
	return record->kind == VMT_TRACE_CALL + op ? &((struct vmt_trace_call *)body)->call : NULL;
}

static void nothing(struct vmt_trace_record *record, void *body)
{
	(void)record;
	(void)body;
}

#define META(name, member, to)                                          \
	static void name(struct vmt_trace_record *record, void *body)   \
	{                                                               \
		if (record->kind == VMT_TRACE_META)                     \
			((struct vmt_trace_meta *)body)->member = (to); \
	}

META(many_vcpus, info.vcpus, UINT16_MAX)
META(many_views, info.views, UINT16_MAX)
META(no_views, info.views, 0)
META(memory_without_end, info.max_gfn, UINT64_MAX)
META(no_memory_at_all, info.max_gfn, 0)
META(an_endless_drain, drain_max, UINT32_MAX)
META(no_capabilities, info.capabilities, 0)
META(a_xen_of_the_future, info.xen_major, UINT16_MAX)

/* NOLINTBEGIN(bugprone-macro-parentheses): a statement */
#define CALL_FORGERY(name, OP, statement)                                  \
	static void name(struct vmt_trace_record *record, void *body)      \
	{                                                                  \
		struct vmt_call *c = call_of(record, body, VMT_CALL_##OP); \
		if (c)                                                     \
			statement;                                         \
	}

CALL_FORGERY(rights_of_all_pages, SET_ACCESS, c->u.set_access.count = UINT64_MAX)
CALL_FORGERY(rights_of_2_52_pages, SET_ACCESS, c->u.set_access.count = UINT64_C(1) << 52)
CALL_FORGERY(rights_at_the_end, SET_ACCESS, c->u.set_access.gfn.n = UINT64_MAX)
CALL_FORGERY(rights_in_no_view, SET_ACCESS, c->u.set_access.view = UINT16_MAX)
CALL_FORGERY(a_view_far_out, CREATE_VIEW, *c->u.create_view.view = UINT16_MAX)
CALL_FORGERY(a_switch_to_no_view, SWITCH_VIEW, c->u.view.view = UINT16_MAX)
CALL_FORGERY(a_page_far_out, ALLOC_GFN, c->u.alloc_gfn.gfn->n = (UINT64_C(1) << 52) - 1)
CALL_FORGERY(a_page_at_the_end, ALLOC_GFN, c->u.alloc_gfn.gfn->n = UINT64_MAX - 1)
CALL_FORGERY(a_remap_far_out, REMAP_GFN, c->u.remap_gfn.to.n = UINT64_MAX - 1)
CALL_FORGERY(a_remap_from_far_out, REMAP_GFN, c->u.remap_gfn.from.n = UINT64_MAX - 1)
CALL_FORGERY(a_write_far_out, WRITE, c->u.write.gfn.n = UINT64_MAX)
CALL_FORGERY(a_read_far_out, READ, c->u.read.gfn.n = UINT64_MAX)
CALL_FORGERY(a_read_beyond_its_page, READ, c->u.read.offset = 4095)
CALL_FORGERY(a_wait_without_events, WAIT, c->u.wait.wait->pending = UINT32_MAX)
CALL_FORGERY(time_at_its_end, WAIT, c->u.wait.wait->now = UINT64_MAX)
CALL_FORGERY(time_that_stands, WAIT, c->u.wait.wait->now = 0)

static void partly_done_without_end(struct vmt_trace_record *record, void *body)
{
	struct vmt_call *c = call_of(record, body, VMT_CALL_SET_ACCESS);

	if (!c)
		return;
	c->result = -VMT_E_HYPERVISOR;
	c->u.set_access.count = UINT64_MAX;
	if (c->u.set_access.done)
		*c->u.set_access.done = UINT64_MAX;
}

#define EVENT(name, statement)                                                            \
	static void name(struct vmt_trace_record *record, void *body)                     \
	{                                                                                 \
		struct vmt_event *ev = record->kind == VMT_TRACE_EVENT                    \
					       ? &((struct vmt_trace_event *)body)->event \
					       : NULL;                                    \
		if (ev)                                                                   \
			statement;                                                        \
	}

EVENT(events_of_no_vcpu, ev->vcpu = 999)
EVENT(events_of_one_ticket, ev->ticket = 7)
EVENT(events_in_no_view, ev->view = UINT16_MAX)
EVENT(events_of_no_reason, ev->reason = UINT16_MAX)
EVENT(events_at_once, ev->flags &= (uint16_t)~VMT_EVENT_SYNC)
/* NOLINTEND(bugprone-macro-parentheses) */

static void accesses_far_out(struct vmt_trace_record *record, void *body)
{
	struct vmt_event *ev = &((struct vmt_trace_event *)body)->event;

	if (record->kind == VMT_TRACE_EVENT && ev->reason == VMT_EVENT_MEMORY_ACCESS)
		ev->u.memory.gpa.a = UINT64_MAX;
}

static void answers_to_no_event(struct vmt_trace_record *record, void *body)
{
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_ANSWER)
		((struct vmt_event *)((struct vmt_trace_call *)body)->call.u.answer.event)->ticket =
			123456;
}

static void answers_in_no_view(struct vmt_trace_record *record, void *body)
{
	struct vmt_response *rsp;

	if (record->kind != VMT_TRACE_CALL + VMT_CALL_ANSWER)
		return;
	rsp = (struct vmt_response *)((struct vmt_trace_call *)body)->call.u.answer.response;
	rsp->flags |= VMT_RSP_VIEW;
	rsp->view = UINT16_MAX;
}

static void callbacks_of_no_event(struct vmt_trace_record *record, void *body)
{
	if (record->kind == VMT_TRACE_CALLBACK)
		((struct vmt_trace_callback *)body)->ticket = 99999;
}

static void emissions_of_no_schema(struct vmt_trace_record *record, void *body)
{
	if (record->kind == VMT_TRACE_EMISSION)
		((struct vmt_trace_emission *)body)->schema = UINT32_MAX;
}

/** All records of a kind are left out: a gap record is not written by forge(). */
#define WITHOUT(name, left_out)                                       \
	static void name(struct vmt_trace_record *record, void *body) \
	{                                                             \
		(void)body;                                           \
		if (record->kind == (left_out))                       \
			record->kind = VMT_TRACE_GAP;                 \
	}

WITHOUT(no_answers, VMT_TRACE_CALL + VMT_CALL_ANSWER)
WITHOUT(no_commits, VMT_TRACE_CALL + VMT_CALL_COMMIT)
WITHOUT(no_waits, VMT_TRACE_CALL + VMT_CALL_WAIT)
WITHOUT(no_events, VMT_TRACE_EVENT)
WITHOUT(no_callbacks, VMT_TRACE_CALLBACK)
WITHOUT(no_callback_ends, VMT_TRACE_CALLBACK_END)
WITHOUT(no_polls, VMT_TRACE_POLL)
WITHOUT(no_begin, VMT_TRACE_BEGIN)
WITHOUT(no_outcome, VMT_TRACE_OUTCOME)
WITHOUT(no_teardown, VMT_TRACE_TEARDOWN)
WITHOUT(no_views_made, VMT_TRACE_CALL + VMT_CALL_CREATE_VIEW)
WITHOUT(no_pages_allocated, VMT_TRACE_CALL + VMT_CALL_ALLOC_GFN)

static const struct {
	const char *name;
	forgery *change;
} forgeries[] = {
#define F(name)             \
	{                   \
#name, name \
	}
	F(many_vcpus),
	F(many_views),
	F(no_views),
	F(memory_without_end),
	F(no_memory_at_all),
	F(an_endless_drain),
	F(no_capabilities),
	F(a_xen_of_the_future),
	F(rights_of_all_pages),
	F(rights_of_2_52_pages),
	F(rights_at_the_end),
	F(rights_in_no_view),
	F(a_view_far_out),
	F(a_switch_to_no_view),
	F(a_page_far_out),
	F(a_page_at_the_end),
	F(a_remap_far_out),
	F(a_remap_from_far_out),
	F(a_write_far_out),
	F(a_read_far_out),
	F(a_read_beyond_its_page),
	F(a_wait_without_events),
	F(time_at_its_end),
	F(time_that_stands),
	F(partly_done_without_end),
	F(events_of_no_vcpu),
	F(events_of_one_ticket),
	F(events_in_no_view),
	F(events_of_no_reason),
	F(events_at_once),
	F(accesses_far_out),
	F(answers_to_no_event),
	F(answers_in_no_view),
	F(callbacks_of_no_event),
	F(emissions_of_no_schema),
	F(no_answers),
	F(no_commits),
	F(no_waits),
	F(no_events),
	F(no_callbacks),
	F(no_callback_ends),
	F(no_polls),
	F(no_begin),
	F(no_outcome),
	F(no_teardown),
	F(no_views_made),
	F(no_pages_allocated),
};

/* -------------------------------------------------------------------------------------------- */
/* Tests                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void a_trace_that_was_only_written_again_is_the_same(void **state)
{
	variant = shadow;
	record(*state, &world, &test_handler);
	forge(*state, nothing);
	assert_int_equal(run_forged(*state, &shadow, "nothing"), VMT_VERDICT_SAME);
}

static void no_forgery_crashes_hangs_or_exhausts(void **state)
{
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++)
		try_forgery(*state, forgeries[i].change, forgeries[i].name);
}

/** Where what happened to the guest was forged away, nobody is told that all is well. */
static void what_was_left_out_is_not_the_same(void **state)
{
	forgery *const missing[] = {no_events, no_waits, no_outcome, no_callbacks};

	variant = shadow;
	record(*state, &world, &test_handler);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		forge(*state, missing[i]);
		assert_int_not_equal(run_forged(*state, &shadow, "left out"), VMT_VERDICT_SAME);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_trace_that_was_only_written_again_is_the_same),
		TEST(no_forgery_crashes_hangs_or_exhausts),
		TEST(what_was_left_out_is_not_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
