/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler `pagewatch`.
 */
#include "seen.h"

#define AT(n) (VMT_SCRIPTED_RIP + UINT64_C(0x10) * (n))
#define DATA  UINT64_C(0x20000)
#define OTHER UINT64_C(0x21000)

static void put(struct stage *st, uint64_t gpa, const char *bytes)
{
	assert_int_equal(vmt_scripted_write(st->scripted, vmt_gpa_from(gpa), bytes, strlen(bytes)),
			 0);
}

static void bytes_are(const struct stage *st, const char *schema, size_t n, const char *field,
		      const char *expected)
{
	const struct vmt_value *v = seen_value(st, schema, n, field);

	assert_int_equal(v->len, strlen(expected));
	assert_memory_equal(v->v.p, expected, v->len);
}

static void each_access_is_told_with_what_was_there(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	put(&st, DATA + 8, "guestpage");
	PLAY(&st, VMT_INSN_READ(0, AT(0), DATA + 8, 4),
	     VMT_INSN_WRITE(0, AT(1), DATA + 8, "GUEST", 5), VMT_INSN_READ(0, AT(2), OTHER, 4),
	     VMT_INSN_READ(0, AT(3), DATA + 8, 4));
	RUN(&st, "pagewatch", {"pages", "0x20:rw"}, {"bytes", "5"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 3);
	seen_is(&st, "access", 0, "gpa", DATA + 8);
	seen_is(&st, "access", 0, "gva", DATA + 8);
	seen_is(&st, "access", 0, "rip", AT(0));
	seen_is(&st, "access", 0, "read", 1);
	seen_is(&st, "access", 0, "write", 0);
	bytes_are(&st, "access", 0, "before", "guest");
	seen_is(&st, "access", 1, "write", 1);
	seen_is(&st, "access", 1, "execute", 0);
	bytes_are(&st, "access", 1, "before", "guest");
	bytes_are(&st, "access", 2, "before", "GUEST");
	vmt_assert_memory(st.scripted, vmt_gpa_from(DATA + 8), 'G', 'U', 'E', 'S', 'T', 'p');
	stage_finish(&st);
}

static void only_the_rights_taken_away_are_watched(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_READ(0, AT(0), DATA, 4), VMT_INSN_WRITE(0, AT(1), DATA, "x", 1),
	     VMT_INSN_NOP(0, OTHER), VMT_INSN_READ(0, AT(2), OTHER, 4));
	RUN(&st, "pagewatch", {"pages", "0x20:w,0x21-0x22:x"});
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	seen_is(&st, "access", 0, "write", 1);
	seen_is(&st, "access", 1, "execute", 1);
	seen_is(&st, "access", 1, "rip", OTHER);
	stage_finish(&st);
}

static void what_a_write_has_left_is_told_when_asked_for(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 2};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	put(&st, DATA, "old!old!");
	PLAY(&st, VMT_INSN_WRITE(0, AT(0), DATA, "new", 3), VMT_INSN_READ(0, AT(1), DATA, 4),
	     VMT_INSN_NOP(0, AT(2)), VMT_WORLD_SYNC(),
	     VMT_INSN_WRITE(1, 0x2000, DATA + 4, "NEW", 3), VMT_INSN_NOP(1, 0x2010));
	RUN(&st, "pagewatch", {"pages", "0x20:rw"}, {"bytes", "4"}, {"after", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, "access"), 3);
	assert_int_equal(vmt_collector_nemissions(st.seen, "written"), 2);
	bytes_are(&st, "access", 0, "before", "old!");
	bytes_are(&st, "written", 0, "after", "new!");
	seen_is(&st, "written", 0, "gpa", DATA);
	bytes_are(&st, "written", 1, "after", "NEW!");
	seen_is(&st, "written", 1, "vcpu", 1);
	stage_finish(&st);
}

static void bytes_end_with_the_page(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	put(&st, DATA + 4092, "tail");
	PLAY(&st, VMT_INSN_READ(0, AT(0), DATA + 4092, 4));
	RUN(&st, "pagewatch", {"pages", "0x20:r"}, {"bytes", "64"});
	bytes_are(&st, "access", 0, "before", "tail");
	stage_finish(&st);
}

static void no_bytes_may_be_wanted(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_READ(0, AT(0), DATA, 4));
	RUN(&st, "pagewatch", {"pages", "0x20:r"}, {"bytes", "0"});
	assert_int_equal(seen_value(&st, "access", 0, "before")->len, 0);
	stage_finish(&st);
}

/** Without fast steps, too. */
static void accesses_are_stepped_over_where_fast_steps_lack(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	stage_hide(&st, VMT_CAP_FAST_SINGLESTEP);
	PLAY(&st, VMT_INSN_READ(0, AT(0), DATA, 4), VMT_INSN_READ(0, AT(1), DATA, 4));
	RUN(&st, "pagewatch", {"pages", "0x20:r"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	stage_finish(&st);
}

static void it_finishes_after_so_many(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (uint64_t i = 0; i < 4; i++)
		PLAY(&st, VMT_INSN_WRITE(0, AT(i), DATA, "x", 1));
	RUN(&st, "pagewatch", {"pages", "0x20:w"}, {"count", "3"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(3), vmt_u64(3), vmt_u64(0));
	stage_finish(&st);
}

static void accesses_after_the_end_go_on_and_are_not_told(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 4};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	for (uint16_t i = 0; i < 4; i++)
		PLAY(&st, VMT_INSN_WRITE(i, 0, DATA + i, "x", 1));
	RUN(&st, "pagewatch", {"pages", "0x20:w"}, {"count", "1"}, {"after", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	stage_finish(&st);
}

static void a_stop_ends_it_with_its_result(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_READ(0, AT(0), DATA, 1), VMT_WORLD_STOP(), VMT_INSN_NOP(0, AT(1)));
	RUN(&st, "pagewatch", {"pages", "0x20:r"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(1), vmt_u64(0), vmt_u64(0));
	stage_finish(&st);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = {"",        "x",    "0x20",        "0x20:",    "0x20:q",
					  "0x20:r,", "-1:r", "0x21-0x20:r", "0x20:r;x", "0x20-:r"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stage st;

		stage_init(&st, NULL);
		RUN(&st, "pagewatch", {"pages", bad[i]});
		stage_failed(&st, VMT_END_CREATE_FAILED, "does not begin with");
		stage_finish(&st);
	}
}

static void pages_behind_the_guests_memory_are_refused(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	RUN(&st, "pagewatch", {"pages", "0x20-0x100:r"});
	stage_failed(&st, VMT_END_CREATE_FAILED, "last page is 0xff");
	stage_finish(&st);
}

static void too_many_bytes_are_refused(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	RUN(&st, "pagewatch", {"pages", "0x20:r"}, {"bytes", "65"});
	stage_failed(&st, VMT_END_CREATE_FAILED, "at most 64");
	stage_finish(&st);
}

static void a_domain_without_views_is_refused(void **state)
{
	const struct vmt_scripted_config svm = {.svm = true};
	struct stage st;

	(void)state;
	stage_init(&st, &svm);
	RUN(&st, "pagewatch", {"pages", "0x20:r"});
	vmt_assert_ended(&st.outcome, VMT_END_CREATE_FAILED);
	assert_int_equal(st.outcome.error.status, VMT_E_NOT_SUPPORTED);
	stage_finish(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_access_is_told_with_what_was_there),
		cmocka_unit_test(only_the_rights_taken_away_are_watched),
		cmocka_unit_test(what_a_write_has_left_is_told_when_asked_for),
		cmocka_unit_test(bytes_end_with_the_page),
		cmocka_unit_test(no_bytes_may_be_wanted),
		cmocka_unit_test(accesses_are_stepped_over_where_fast_steps_lack),
		cmocka_unit_test(it_finishes_after_so_many),
		cmocka_unit_test(accesses_after_the_end_go_on_and_are_not_told),
		cmocka_unit_test(a_stop_ends_it_with_its_result),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
		cmocka_unit_test(pages_behind_the_guests_memory_are_refused),
		cmocka_unit_test(too_many_bytes_are_refused),
		cmocka_unit_test(a_domain_without_views_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
