/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace recover: write what is whole of a damaged or unfinished trace to a new one.
 */
#include <inttypes.h>
#include <stdio.h>

#include "vmitrace.h"

struct recover_values {
	bool replace;
};

static const struct vmt_tool_option recover_options[] = {
	{"replace", 'f', VMT_TOOL_FLAG, false, NULL, "replace an existing trace",
	 offsetof(struct recover_values, replace), NULL},
	{0},
};

struct recovery {
	struct vmt_trace_reader *r;
	struct vmt_trace_writer *w;
	uint32_t damages; /**< seen so far */
	uint64_t records, pages_lost;
};

/** A record that stands for what was lost between the last record and this one. */
static int append_gaps(struct recovery *c, const struct vmt_trace_record *before,
		       struct vmt_error *err)
{
	struct vmt_trace_damage damage;
	int n = 0;

	for (; n >= 0 && vmt_trace_reader_damage(c->r, c->damages, &damage) >= 0; c->damages++) {
		const bool known = damage.stream == 0 && damage.last >= damage.first;
		const struct vmt_trace_gap gap = {
			.first_position = known ? damage.first : before->position,
			.records = known ? damage.last - damage.first + 1 : 0,
			.first_callback = damage.first_callback,
			.last_callback = damage.last_callback,
			.text = damage.text,
		};
		const struct vmt_trace_record record = {
			.kind = VMT_TRACE_GAP,
			.phase = before->phase,
			.callback = before->callback,
			.body = &gap,
		};

		n = vmt_trace_writer_append(c->w, &record, err);
	}
	return n;
}

static int copy_record(struct recovery *c, struct vmt_trace_record *record, struct vmt_error *err)
{
	const int n = vmitrace_copy(c->r, c->w, record, err);

	c->records += n > 0;
	c->pages_lost += n == 0;
	return n;
}

static int copy_all(struct recovery *c, struct vmt_error *err)
{
	struct vmt_trace_record record;
	int n;

	while ((n = vmt_trace_reader_next(c->r, &record, err)) == 1) {
		n = append_gaps(c, &record, err);
		if (n >= 0 && record.kind != VMT_TRACE_END)
			n = copy_record(c, &record, err);
		if (n < 0)
			return n;
	}
	return n;
}

static int run_recover(const void *values, int argc, char **argv)
{
	const struct recover_values *v = values;
	const struct vmt_trace_writer_options options = {.replace = v->replace};
	struct recovery c = {0};
	struct vmt_error err = {0};
	int n;

	(void)argc;
	n = vmitrace_open(argv[0], false, &c.r, &err);
	if (n >= 0)
		n = vmt_trace_writer_open(argv[1], &options, &c.w, &err);
	if (n >= 0)
		n = copy_all(&c, &err);
	if (n >= 0)
		vmitrace_judge(argv[0], c.r);
	vmt_trace_reader_close(c.r);
	if (n < 0)
		vmt_trace_writer_abandon(c.w);
	else
		n = vmt_trace_writer_close(c.w, VMT_TRACE_END_CUT, "recovered", NULL, &err);
	if (n < 0)
		return vmitrace_complain(&err);
	printf("%s: %" PRIu64 " records, %" PRIu64 " left out for their page is lost\n", argv[1],
	       c.records, c.pages_lost);
	return VMT_EXIT_SAME;
}

const struct vmt_tool_verb vmitrace_recover = {
	.name = "recover",
	.arguments = "TRACE NEW",
	.summary = "Write what is whole of a damaged or unfinished trace to a new one.",
	.options = recover_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_recover,
	.values_size = sizeof(struct recover_values),
};
