/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmirec doctor: what works on this host and domain, what does not, why, and what to do.
 */
#include <jansson.h>
#include <stdio.h>

#include <vmitape/xen.h>

#include "vmirec.h"

#define ALL_BITS 32u

struct values {
	const char *domain;
	bool json;
};

static const struct vmt_tool_option options[] = {
	{"domain", 'd', VMT_TOOL_TEXT, false, "DOMAIN", "look at this domain, too",
	 offsetof(struct values, domain), NULL},
	{"json", 0, VMT_TOOL_FLAG, false, NULL, "print JSON", offsetof(struct values, json), NULL},
	{0},
};

static void print_text(const struct vmt_xen_diagnosis *d)
{
	for (uint32_t i = 0; i < d->nchecks; i++) {
		const struct vmt_xen_check *c = &d->checks[i];

		printf("%-8s %-13s %s\n", vmt_xen_verdict_name(c->verdict), c->name, c->found);
		if (c->remedy[0])
			printf("%-8s %-13s -> %s\n", "", "", c->remedy);
	}
}

static void print_json(const struct vmt_xen_diagnosis *d)
{
	json_t *root = json_object();
	json_t *checks = json_array();
	json_t *capabilities = json_array();

	for (uint32_t i = 0; i < d->nchecks; i++) {
		const struct vmt_xen_check *c = &d->checks[i];

		json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s}", "name", c->name,
							"verdict", vmt_xen_verdict_name(c->verdict),
							"found", c->found, "remedy", c->remedy));
	}
	for (unsigned i = 0; i < ALL_BITS; i++) {
		if (d->capabilities & (UINT32_C(1) << i))
			json_array_append_new(capabilities,
					      json_string(vmt_capability_name(UINT32_C(1) << i)));
	}
	json_object_set_new(root, "verdict", json_string(vmt_xen_verdict_name(d->verdict)));
	json_object_set_new(root, "views", json_integer(d->views));
	json_object_set_new(root, "capabilities", capabilities);
	json_object_set_new(root, "checks", checks);
	if (json_dumpf(root, stdout, JSON_INDENT(2)) == 0)
		printf("\n");
	json_decref(root);
}

static int run(const void *values, int argc, char **argv)
{
	const struct values *v = values;
	static struct vmt_xen_diagnosis d;
	struct vmt_error err = {0};

	(void)argc;
	(void)argv;
	if (vmt_xen_diagnose(v->domain, &d, &err) < 0) {
		/* nothing to look with: that is what it has to say */
		d.nchecks = 1;
		d.verdict = d.checks[0].verdict = VMT_XEN_FAILS;
		(void)snprintf(d.checks[0].name, sizeof(d.checks[0].name), "module");
		(void)snprintf(d.checks[0].found, sizeof(d.checks[0].found), "%s", err.text);
	}
	if (v->json)
		print_json(&d);
	else
		print_text(&d);
	return d.verdict == VMT_XEN_FAILS ? VMT_EXIT_HYPERVISOR : VMT_EXIT_SAME;
}

const struct vmt_tool_verb vmirec_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "Tell what works on this Xen host and domain, what does not, and what to do.",
	.options = options,
	.run = run,
	.values_size = sizeof(struct values),
};
