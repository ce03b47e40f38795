/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which domains the Xen driver watches, and what it says of the others: some of them cannot be made on
 * every Xen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "live/xen/driver.h"

#define FIT (XEN_DOMINF_hvm_guest | XEN_DOMINF_hap)

/* What is said of a domain with @flags: the sentence must name it and hold @words. */
static void says(uint32_t flags, int status, const char *words)
{
	struct vmt_xen x = {.name = "victim"};
	const xc_domaininfo_t info = {.domain = 7, .flags = flags};

	assert_int_equal(vmt_xen_check_domain(&x, &info), -status);
	assert_non_null(strstr(x.base.err.text, "victim"));
	if (!strstr(x.base.err.text, words))
		fail_msg("no '%s' in: %s", words, x.base.err.text);
}

static void a_domain_with_hardware_paging_is_watched(void **state)
{
	struct vmt_xen x = {.name = "victim"};
	const xc_domaininfo_t info = {.domain = 7, .flags = FIT};

	(void)state;
	assert_int_equal(vmt_xen_check_domain(&x, &info), 0);
}

static void a_domain_without_hardware_paging_is_told_to_take_it(void **state)
{
	(void)state;
	says(XEN_DOMINF_hvm_guest, VMT_E_NOT_SUPPORTED, "hap=1");
}

static void a_pv_guest_is_told_what_to_be(void **state)
{
	(void)state;
	says(0, VMT_E_NOT_SUPPORTED, "type=\"pvh\"");
}

static void a_domain_that_is_going_is_gone(void **state)
{
	(void)state;
	says(FIT | XEN_DOMINF_dying, VMT_E_GONE, "is being destroyed");
}

static void a_domain_that_shut_down_says_how(void **state)
{
	const uint32_t down = FIT | XEN_DOMINF_shutdown;

	(void)state;
	says(down | (SHUTDOWN_poweroff << XEN_DOMINF_shutdownshift), VMT_E_GONE, "shut down");
	says(down | (SHUTDOWN_crash << XEN_DOMINF_shutdownshift), VMT_E_GONE, "crashed");
}

static void the_own_domain_is_refused(void **state)
{
	struct vmt_xen x = {.name = "Domain-0"};
	const xc_domaininfo_t info = {.domain = 0, .flags = 0};

	(void)state;
	assert_int_equal(vmt_xen_check_domain(&x, &info), -VMT_E_INVALID);
	assert_non_null(strstr(x.base.err.text, "name a guest"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_with_hardware_paging_is_watched),
		cmocka_unit_test(a_domain_without_hardware_paging_is_told_to_take_it),
		cmocka_unit_test(a_pv_guest_is_told_what_to_be),
		cmocka_unit_test(a_domain_that_is_going_is_gone),
		cmocka_unit_test(a_domain_that_shut_down_says_how),
		cmocka_unit_test(the_own_domain_is_refused),
	};

	return cmocka_run_group_tests_name("xen domain", tests, NULL, NULL);
}
