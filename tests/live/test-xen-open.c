/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking for the Xen backend where there is none: a sentence for each reason, and no crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmitape/xen.h>

static int try(const char *domain, struct vmt_error *err)
{
	const struct vmt_xen_config config = {.domain = domain};
	struct vmt_driver *d = NULL;
	int r = vmt_xen_open(&config, &d, err);

	assert_true(r < 0);
	assert_null(d);
	return r;
}

static void no_domain_named_is_invalid(void **state)
{
	struct vmt_error err = {0};

	(void)state;
	assert_int_equal(try(NULL, &err), -VMT_E_INVALID);
	assert_int_equal(try("", &err), -VMT_E_INVALID);
	assert_non_null(strstr(err.text, "which domain"));
	assert_int_equal(try("", NULL), -VMT_E_INVALID);
}

static void without_the_module_it_says_what_to_install(void **state)
{
	struct vmt_error err = {0};

	(void)state;
	assert_int_equal(setenv("VMITAPE_MODULE_DIR", "/nowhere", 1), 0);
	assert_int_equal(try("guest", &err), -VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(err.text, "libxen-dev"));
	assert_int_equal(unsetenv("VMITAPE_MODULE_DIR"), 0);
}

/* With the module (a build with Xen's libraries) or without it: this is no Xen host. */
static void where_no_xen_runs_it_is_refused(void **state)
{
	struct vmt_error err = {0};

	(void)state;
	if (access("/dev/xen/privcmd", F_OK) == 0)
		skip();
	assert_int_equal(try("guest", &err), -VMT_E_NOT_SUPPORTED);
	assert_true(strstr(err.text, "dom0") || strstr(err.text, "libxen-dev"));
	assert_string_equal(err.place, "xen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_domain_named_is_invalid),
		cmocka_unit_test(without_the_module_it_says_what_to_install),
		cmocka_unit_test(where_no_xen_runs_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
