/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages allocated and freed, bytes read and written, pauses, and the making of a model.
 */
#include "domain.h"

static uint64_t max_gfn(struct domain *d)
{
	struct vmt_info info = {0};

	vmt_model_info(d->model, &info);
	return info.max_gfn;
}

/* [pages]: a page populated above max_gpfn, and freed; max_gpfn does not fall */
static void a_page_comes_behind_the_largest_gfn_there_ever_was(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn first = VMT_GFN_ANY, second = VMT_GFN_ANY;
	uint8_t byte = 1;

	(void)state;
	assert_int_equal(max_gfn(d), 0x3ff);
	assert_int_equal(vmt_model_alloc_gfn(d->model, &first, &d->err), 0);
	assert_int_equal(first.n, 0x400);
	assert_int_equal(max_gfn(d), 0x400);
	vmt_model_read(d->model, first, 100, &byte, 1, &d->err);
	assert_int_equal(byte, 0);
	assert_int_equal(vmt_model_free_gfn(d->model, first, &d->err), 0);
	assert_int_equal(max_gfn(d), 0x400);
	assert_int_equal(vmt_model_alloc_gfn(d->model, &second, &d->err), 0);
	assert_int_equal(second.n, 0x401);
	domain_free(d);
}

static void a_page_can_be_put_where_none_is(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn at = vmt_gfn_from(0x500);
	vmt_gfn taken = vmt_gfn_from(5);

	(void)state;
	assert_int_equal(vmt_model_alloc_gfn(d->model, &at, &d->err), 0);
	assert_int_equal(at.n, 0x500);
	assert_int_equal(max_gfn(d), 0x500);
	said(d, vmt_model_alloc_gfn(d->model, &taken, &d->err), VMT_E_EXISTS, "gfn 0x5");
	said(d, vmt_model_alloc_gfn(d->model, &at, &d->err), VMT_E_EXISTS, "gfn 0x500");
	domain_free(d);
}

static void only_own_pages_are_freed_and_once(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn page = VMT_GFN_ANY;

	(void)state;
	vmt_model_alloc_gfn(d->model, &page, &d->err);
	said(d, vmt_model_free_gfn(d->model, vmt_gfn_from(5), &d->err), VMT_E_PERMISSION,
	     "the guest's own");
	assert_int_equal(vmt_model_free_gfn(d->model, page, &d->err), 0);
	said(d, vmt_model_free_gfn(d->model, page, &d->err), VMT_E_UNMAPPED, "gfn 0x400");
	domain_free(d);
}

static void pages_have_a_limit(void **state)
{
	const struct vmt_model_config config = {.vcpus = 1, .max_own_pages = 2};
	struct vmt_error err = {0};
	struct domain *d = domain_from(&config, &err);
	vmt_gfn page;

	(void)state;
	for (int i = 0; i < 2; i++) {
		page = VMT_GFN_ANY;
		assert_int_equal(vmt_model_alloc_gfn(d->model, &page, &d->err), 0);
	}
	page = VMT_GFN_ANY;
	said(d, vmt_model_alloc_gfn(d->model, &page, &d->err), VMT_E_NO_MEMORY, "2 pages");
	assert_true(vmt_gfn_is_any(page));
	vmt_model_free_gfn(d->model, vmt_gfn_from(0x400), &d->err);
	assert_int_equal(vmt_model_alloc_gfn(d->model, &page, &d->err), 0);
	domain_free(d);
}

static void a_page_that_the_source_cannot_give_is_not_noted(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn far = vmt_gfn_from(PAGES + 5);

	(void)state;
	said(d, vmt_model_alloc_gfn(d->model, &far, &d->err), VMT_E_NO_MEMORY, "no more pages");
	assert_int_equal(max_gfn(d), 0x3ff);
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

static void what_is_written_is_read(void **state)
{
	struct domain *d = domain_simple(17);
	uint8_t buf[4] = {0};

	(void)state;
	assert_int_equal(vmt_model_write(d->model, vmt_gfn_from(5), 4092, "abcd", 4, &d->err), 0);
	assert_int_equal(vmt_model_read(d->model, vmt_gfn_from(5), 4092, buf, 4, &d->err), 0);
	assert_memory_equal(buf, "abcd", 4);
	assert_memory_equal(d->pages[5] + 4092, "abcd", 4);
	said(d, vmt_model_read(d->model, vmt_gfn_from(5), 4093, buf, 4, &d->err), VMT_E_INVALID,
	     "leave the page");
	said(d, vmt_model_write(d->model, vmt_gfn_from(5), 4097, buf, 0, &d->err), VMT_E_INVALID,
	     "leave the page");
	said(d, vmt_model_read(d->model, vmt_gfn_from(0x700), 0, buf, 4, &d->err), VMT_E_UNMAPPED,
	     "gfn 0x700");
	said(d, vmt_model_write(d->model, vmt_gfn_from(0x700), 0, buf, 4, &d->err), VMT_E_UNMAPPED,
	     "gfn 0x700");
	domain_free(d);
}

/* [memory-mapped]: access rights do not bind the monitor; nor do views */
static void the_monitor_sees_view_0_whatever_its_rights(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);
	uint8_t byte = 0;

	(void)state;
	set_rights(d, 0, 5, 0);
	remap(d, view, 5, 9);
	switch_view(d, view);
	assert_int_equal(vmt_model_read(d->model, vmt_gfn_from(5), 0, &byte, 1, &d->err), 0);
	assert_int_equal(byte, 5);
	domain_free(d);
}

/* [pause] */
static void pauses_nest(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	said(d, vmt_model_resume(d->model, &d->err), VMT_E_WRONG_PLACE, "not paused");
	assert_int_equal(vmt_model_pause(d->model, &d->err), 0);
	assert_int_equal(vmt_model_pause(d->model, &d->err), 0);
	stands(d, 0);
	assert_int_equal(vmt_model_resume(d->model, &d->err), 0);
	stands(d, 0);
	assert_int_equal(vmt_model_resume(d->model, &d->err), 0);
	enter(d, 0);
	said(d, vmt_model_resume(d->model, &d->err), VMT_E_WRONG_PLACE, "not paused");
	domain_free(d);
}

static void a_pause_and_an_event_both_hold(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, 0);
	touch(d, 5, VMT_R, NULL);
	vmt_model_pause(d->model, &d->err);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	stands(d, 0);
	vmt_model_resume(d->model, &d->err);
	enter(d, 0);
	domain_free(d);
}

static void a_model_needs_a_page_source_and_a_vcpu(void **state)
{
	const struct vmt_guest_ops empty = {0};
	struct vmt_model_config config = {.vcpus = 1, .guest = &empty};
	struct vmt_model *model = NULL;
	struct vmt_error err = {0};

	(void)state;
	assert_int_equal(vmt_model_create(&config, &model, &err), -VMT_E_INVALID);
	assert_non_null(strstr(err.text, "page source"));
	config.vcpus = 0;
	assert_null(domain_from(&config, &err));
	assert_non_null(strstr(err.text, "1 vCPU"));
	config.vcpus = 1;
	config.vendor = 7;
	assert_null(domain_from(&config, &err));
	assert_non_null(strstr(err.text, "vendor 7"));
	assert_null(model);
	vmt_model_destroy(NULL);
}

static void info_tells_what_is_there(void **state)
{
	struct domain *d = domain_new(20, VMT_CPU_VMX, 3, VMT_MODEL_PAGING_WRITE);
	struct vmt_info info = {.now = 5, .backend = "scripted"};

	(void)state;
	assert_int_equal(vmt_model_info(d->model, &info), 0);
	assert_int_equal(info.arch, VMT_ARCH_X86_64);
	assert_int_equal(info.vcpus, 3);
	assert_int_equal(info.views, 10);
	assert_int_equal(info.xen_major, 4);
	assert_int_equal(info.xen_minor, 20);
	assert_true(info.capabilities & VMT_CAP_IGNORE_WALKS);
	assert_int_equal(info.now, 5);
	assert_string_equal(info.backend, "scripted");
	assert_null(vmt_model_regs(d->model, 3));
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_comes_behind_the_largest_gfn_there_ever_was),
		cmocka_unit_test(a_page_can_be_put_where_none_is),
		cmocka_unit_test(only_own_pages_are_freed_and_once),
		cmocka_unit_test(pages_have_a_limit),
		cmocka_unit_test(a_page_that_the_source_cannot_give_is_not_noted),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_monitor_sees_view_0_whatever_its_rights),
		cmocka_unit_test(pauses_nest),
		cmocka_unit_test(a_pause_and_an_event_both_hold),
		cmocka_unit_test(a_model_needs_a_page_source_and_a_vcpu),
		cmocka_unit_test(info_tells_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
