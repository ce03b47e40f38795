/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls in any order: nothing breaks, the footprint stays in order, and a teardown leaves the domain
 * as it was found.
 */
#include "domain.h"

#define VCPUS 3u
#define SEEDS 150u
#define CALLS 400u

struct chance {
	uint64_t seed;
};

static uint32_t below(struct chance *c, uint32_t n)
{
	c->seed = c->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(c->seed >> 33) % n;
}

static vmt_gfn some_gfn(struct chance *c)
{
	return vmt_gfn_from(below(c, 8) == 0 ? 0x3fe + below(c, 8) : below(c, 12));
}

static vmt_view some_view(struct chance *c)
{
	return (vmt_view)below(c, 5);
}

static struct vmt_access some_access(struct chance *c)
{
	struct vmt_access access = vmt_access_from(below(c, 8));

	if (below(c, 10) == 0)
		access.options = VMT_ACCESS_IGNORE_WALKS;
	return access;
}

/* -------------------------------------------------------------------------------------------- */
/* The monitor's calls; refusals are part of the game                                           */
/* -------------------------------------------------------------------------------------------- */

static void some_monitor_call(struct domain *d, struct chance *c)
{
	const struct vmt_monitor monitor = {
		.kind = below(c, VMT_MONITOR_KIND_COUNT + 1),
		.what = below(c, 5),
		.flags = below(c, 3) ? 0 : below(c, 8),
	};
	const struct vmt_interrupt interrupt = {
		.vector = (uint8_t)below(c, 34),
		.type = (uint8_t)below(c, 8),
		.insn_length = (uint8_t)below(c, 3),
		.error_code = below(c, 2) ? VMT_NO_ERROR_CODE : 0,
	};
	vmt_gfn gfn = some_gfn(c);
	vmt_gfn to = below(c, 4) ? some_gfn(c) : VMT_GFN_ANY;
	uint8_t bytes[5] = {0xcc, (uint8_t)below(c, 256), 0, 0, 0};
	uint64_t done;
	vmt_view view;

	switch (below(c, 12)) {
	case 0:
		(void)vmt_model_set_access(d->model, some_view(c), gfn, 1 + below(c, 3),
					   some_access(c), &done, &d->err);
		break;
	case 1:
		(void)vmt_model_create_view(d->model, some_access(c), &view, &d->err);
		break;
	case 2:
		(void)vmt_model_destroy_view(d->model, some_view(c), &d->err);
		break;
	case 3:
		(void)vmt_model_switch_view(d->model, some_view(c), &d->err);
		break;
	case 4:
		(void)vmt_model_remap_gfn(d->model, some_view(c), gfn, to, &d->err);
		break;
	case 5:
	case 6:
		(void)vmt_model_monitor(d->model, &monitor, below(c, 3) != 0, &d->err);
		break;
	case 7:
		(void)vmt_model_write(d->model, gfn, below(c, 4094), bytes, below(c, 6), &d->err);
		break;
	case 8:
		(void)vmt_model_alloc_gfn(d->model, &to, &d->err);
		break;
	case 9:
		(void)vmt_model_free_gfn(d->model, gfn, &d->err);
		break;
	case 10:
		(void)vmt_model_inject(d->model, (uint16_t)below(c, VCPUS), &interrupt, &d->err);
		break;
	default:
		if (below(c, 3) == 0)
			(void)vmt_model_pause(d->model, &d->err);
		else
			(void)vmt_model_resume(d->model, &d->err);
		break;
	}
}

static void some_answer(struct domain *d, struct chance *c)
{
	static const uint8_t data[VMT_EMUL_INSN_MAX] = {0x90};
	struct vmt_response rsp = {.action = (uint16_t)below(c, VMT_ACTION_COUNT),
				   .flags = (uint16_t)below(c, 8),
				   .view = some_view(c)};
	struct vmt_event ev;

	if (vmt_model_next(d->model, &ev, &d->err) != 1)
		return;
	rsp.regs = &ev.regs.gprs;
	if (rsp.action == VMT_EMULATE_READ || rsp.action == VMT_EMULATE_INSN)
		rsp = vmt_with_data(rsp, data, 1 + below(c, VMT_EMUL_INSN_MAX));
	if (vmt_model_answer(d->model, &ev, &rsp, &d->err) < 0) {
		assert_true(d->err.text[0] != '\0');
		answer(d, &ev, vmt_respond(VMT_CONTINUE));
	}
	if (below(c, 2))
		commit(d);
}

/* -------------------------------------------------------------------------------------------- */
/* The guest's doings                                                                           */
/* -------------------------------------------------------------------------------------------- */

static void some_guest_call(struct domain *d, struct chance *c)
{
	const struct vmt_descriptor_access sgdt = {.descriptor = VMT_DESC_GDTR};
	const struct vmt_io out = {.port = 0x3f8, .bytes = 1};
	uint16_t vcpu = (uint16_t)below(c, VCPUS);
	struct vmt_entry entry;

	if (vmt_model_enter(d->model, vcpu, &entry, &d->err) != 1)
		return;
	switch (below(c, 11)) {
	case 0:
		(void)vmt_model_write_cr(d->model, vcpu, below(c, VMT_CR_COUNT), below(c, 4), 3,
					 &d->err);
		break;
	case 1:
		(void)vmt_model_write_msr(d->model, vcpu, below(c, 5), below(c, 4), 2, &d->err);
		break;
	case 2:
		(void)vmt_model_int3(d->model, vcpu, vmt_gfn_from(1), 1, &d->err);
		break;
	case 3:
		(void)vmt_model_debug(d->model, vcpu, vmt_gfn_from(1), VMT_INT_HW_EXCEPTION, 0, 0,
				      &d->err);
		break;
	case 4:
		(void)vmt_model_cpuid(d->model, vcpu, (const uint32_t[4]){1, 2, 3, 4}, 2, &d->err);
		break;
	case 5:
		(void)vmt_model_io(d->model, vcpu, &out, &d->err);
		break;
	case 6:
		(void)vmt_model_hypercall(d->model, vcpu, 3, &d->err);
		break;
	case 7:
		(void)vmt_model_descriptor(d->model, vcpu, &sgdt, &d->err);
		break;
	case 8:
		(void)vmt_model_retired(d->model, vcpu, vmt_gfn_from(1), &d->err);
		break;
	case 9:
		(void)vmt_model_vmexit(d->model, vcpu, 10, 0, &d->err);
		break;
	default:
		(void)touch_by(d, vcpu, some_gfn(c).n, 1 + below(c, 7), below(c, 8), NULL);
		break;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* What must hold                                                                               */
/* -------------------------------------------------------------------------------------------- */

static void check_order(struct domain *d)
{
	struct vmt_footprint_cursor cursor = {0};
	struct vmt_footprint last, item;

	if (!vmt_footprint_next(d->model, &cursor, &last))
		return;
	while (vmt_footprint_next(d->model, &cursor, &item)) {
		assert_true(vmt_footprint_compare(&last, &item) < 0);
		last = item;
	}
}

static void run_all(struct domain *d)
{
	struct vmt_entry entry;

	for (uint16_t i = 0; i < VCPUS; i++)
		assert_true(vmt_model_enter(d->model, i, &entry, &d->err) >= 0);
}

/* As a session's teardown does: reset, drain, release pauses, settle, detach. */
static void tear_down(struct domain *d)
{
	struct vmt_event ev;

	for (int i = 0; i < 8; i++) /* events in hand, which nobody answered */
		run_all(d);
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	while (vmt_model_resume(d->model, &d->err) == 0)
		;
	for (int i = 0; i < 30; i++) {
		while (vmt_model_next(d->model, &ev, &d->err) == 1)
			answer(d, &ev, vmt_respond(VMT_CONTINUE));
		commit(d);
		run_all(d);
	}
	assert_int_equal(vmt_model_settle(d->model, NULL, NULL, &d->err), 0);
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
}

static void check_untouched(struct domain *d)
{
	uint8_t page[VMT_PAGE_SIZE];

	assert_string_equal(footprint(d, 0), "");
	assert_int_equal(vmt_model_lost(d->model), 0);
	for (uint16_t i = 0; i < VCPUS; i++) {
		enter(d, i);
		assert_false(vmt_model_stepping(d->model, i));
		assert_int_equal(vmt_model_view_of(d->model, i), 0);
	}
	for (uint64_t gfn = 0; gfn < PAGES; gfn++) {
		assert_int_equal(d->there[gfn], gfn <= 0x3ff);
		memset(page, (int)(gfn & 0xff), sizeof(page));
		if (d->there[gfn])
			assert_memory_equal(d->pages[gfn], page, sizeof(page));
		if (d->there[gfn])
			assert_int_equal(touch(d, gfn, VMT_RWX, NULL), VMT_GUEST_GOES_ON);
	}
}

static void any_calls_and_a_teardown_leave_the_domain_as_it_was(void **state)
{
	static const unsigned minors[] = {17, 18, 19, 20, 21, 22};

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct chance c = {seed};
		struct domain *d =
			domain_new(minors[seed % 6], seed % 7 ? VMT_CPU_VMX : VMT_CPU_SVM, VCPUS,
				   below(&c, 16));

		for (unsigned i = 0; i < CALLS; i++) {
			uint32_t which = below(&c, 10);

			if (which < 4)
				some_monitor_call(d, &c);
			else if (which < 6)
				some_answer(d, &c);
			else
				some_guest_call(d, &c);
			if (i % 20 == 0)
				check_order(d);
		}
		tear_down(d);
		check_untouched(d);
		domain_free(d);
	}
}

/* Equal calls give equal answers. */
static void the_same_calls_give_the_same_events(void **state)
{
	struct domain *d[2];
	uint64_t tickets[2] = {0};

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct chance c = {77};

		d[k] = domain_new(20, VMT_CPU_VMX, VCPUS, 0);
		for (unsigned i = 0; i < CALLS; i++) {
			some_monitor_call(d[k], &c);
			some_guest_call(d[k], &c);
			some_answer(d[k], &c);
		}
		tickets[k] = vmt_model_generation(d[k]->model);
	}
	assert_int_equal(tickets[0], tickets[1]);
	assert_int_equal(vmt_footprint_count(d[0]->model), vmt_footprint_count(d[1]->model));
	for (uint16_t i = 0; i < VCPUS; i++)
		assert_memory_equal(regs_of(d[0], i), regs_of(d[1], i), sizeof(struct vmt_regs));
	domain_free(d[0]);
	domain_free(d[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_calls_and_a_teardown_leave_the_domain_as_it_was),
		cmocka_unit_test(the_same_calls_give_the_same_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
