/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fidelity figure of traces, as text or JSON.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/fidelity.h>

#include "common/status.h"
#include "vmireplay-fidelity.h"

static json_t *counts_json(const struct vmt_fidelity_counts *counts)
{
	json_t *j = json_object();

	for (unsigned c = 0; c < VMT_FIDELITY_CLASSES; c++)
		json_object_set_new(j, vmt_fidelity_class_name(c),
				    json_integer((json_int_t)counts->n[c]));
	return j;
}

static json_t *opcodes_json(const struct vmt_fidelity *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->nopcodes; i++) {
		const struct vmt_fidelity_opcode *o = &f->opcodes[i];

		json_array_append_new(list, json_pack("{si si si sb so}", "map", o->map, "opcode",
						      o->opcode, "reg", o->reg, "vex", (int)o->vex,
						      "counts", counts_json(&o->counts)));
	}
	return list;
}

static json_t *cases_json(const struct vmt_fidelity *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->ncases; i++) {
		const struct vmt_fidelity_case *c = &f->cases[i];
		char rip[24];
		char bytes[2 * sizeof(c->insn) + 1] = "";

		(void)snprintf(rip, sizeof(rip), "0x%" PRIx64, c->rip);
		for (size_t n = 0; n < c->insn_len && n < sizeof(c->insn); n++)
			(void)snprintf(bytes + 2 * n, 3, "%02x", c->insn[n]);
		json_array_append_new(list, json_pack("{ss sI si ss ss ss ss}", "class",
						      vmt_fidelity_class_name(c->fidelity), "event",
						      (json_int_t)c->event, "vcpu", (int)c->vcpu,
						      "action", vmt_action_name(c->action), "rip",
						      rip, "bytes", bytes, "text", c->text));
	}
	return list;
}

static void print_json(const struct vmt_fidelity *f)
{
	json_t *actions = json_object();
	json_t *j;

	for (unsigned action = 0; action < VMT_ACTION_COUNT; action++)
		json_object_set_new(actions, vmt_action_name(action),
				    counts_json(&f->actions[action]));
	j = json_pack("{so sI so so sI sI so so}", "fidelity", counts_json(&f->total), "responses",
		      (json_int_t)f->responses, "kernel", counts_json(&f->kernel), "actions",
		      actions, "stores", (json_int_t)f->stores, "stores_checked",
		      (json_int_t)f->stores_checked, "opcodes", opcodes_json(f), "cases",
		      cases_json(f));
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

static int print_text(const struct vmt_fidelity *f, bool quiet, struct vmt_error *err)
{
	char *text = vmt_fidelity_text(f);
	const char *from = text;
	const char *p;

	if (!text)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "vmireplay", "no memory for the report");
	/* The last line is the summary. */
	for (p = text; quiet && *p; p++)
		if (p[0] == '\n' && p[1] != '\0')
			from = p + 1;
	printf("%s", from);
	free(text);
	return 0;
}

int vmt_vmireplay_fidelity(char **traces, int ntraces, bool json, bool quiet, struct vmt_error *err)
{
	struct vmt_fidelity f;
	int status = VMT_EXIT_SAME;
	int r = 0;

	vmt_fidelity_init(&f);
	for (int i = 0; i < ntraces && r >= 0; i++)
		r = vmt_fidelity_measure(traces[i], NULL, &f, err);
	if (r >= 0 && json)
		print_json(&f);
	else if (r >= 0)
		r = print_text(&f, quiet, err);
	if (r < 0)
		status = vmt_exit_of_error(err);
	else if (f.total.n[VMT_FIDELITY_WRONG] > 0)
		status = VMT_EXIT_DIFFERENT;
	else if (f.total.n[VMT_FIDELITY_EXACT] == 0)
		status = VMT_EXIT_NOT_JUDGED;
	vmt_fidelity_finish(&f);
	return status;
}
