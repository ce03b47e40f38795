/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One callback, recorded and replayed: emissions, the response's effect, and what was done between.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/record-compare.h"
#include "replay-private.h"

/* -------------------------------------------------------------------------------------------- */
/* Emissions and output                                                                         */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_schema *schema_of(const struct vmt_replay *r, uint32_t number)
{
	const struct vmt_trace_meta *meta = r->facts.meta;

	return number < meta->nschemas ? &meta->schemas[number] : NULL;
}

static struct vmt_said recorded_said(const struct vmt_replay *r, const struct vmt_trace_emission *e)
{
	return (struct vmt_said){schema_of(r, e->schema), e->values, e->nvalues};
}

static struct vmt_said replayed_said(const struct vmt_kept_emission *e)
{
	return (struct vmt_said){e->schema, e->values, e->n};
}

static void emissions_differ(struct vmt_replay *r, size_t number, const char *field,
			     const struct vmt_said *recorded, const struct vmt_said *replayed)
{
	const struct vmt_said *named = recorded ? recorded : replayed;
	char what[sizeof(((struct vmt_divergence *)0)->what)];
	char a[sizeof(((struct vmt_divergence *)0)->recorded)] = "nothing";
	char b[sizeof(((struct vmt_divergence *)0)->replayed)] = "nothing";

	snprintf(what, sizeof(what), "emission %zu (%s)%s%s", number,
		 named->schema ? named->schema->name : "?", *field ? ": " : "", field);
	if (recorded)
		vmt_said_format(recorded, a, sizeof(a));
	if (replayed)
		vmt_said_format(replayed, b, sizeof(b));
	vmt_differs(r, VMT_DIFFERS_EMISSION, what, a, b);
}

/** The next emission among the recorded callback's records, from *@n on. */
static bool next_emission(struct vmt_replay *r, size_t *n, struct vmt_said *said)
{
	for (; *n < r->cur.nrecords; ++*n) {
		const struct vmt_trace_record *record = vmt_window_at(&r->window, *n);

		if (record->kind != VMT_TRACE_EMISSION)
			continue;
		*said = recorded_said(r, record->body);
		++*n;
		return true;
	}
	return false;
}

#define UNORDERED_MAX 64u

/** The same emissions in another order: each recorded one has a replayed one of its own. */
static bool same_unordered(struct vmt_replay *r)
{
	bool taken[UNORDERED_MAX] = {false};
	struct vmt_said a;
	size_t found = 0;
	size_t n = 1;

	if (r->cur.nemissions > UNORDERED_MAX)
		return false;
	while (next_emission(r, &n, &a)) {
		size_t i = 0;

		for (; i < r->cur.nemissions; i++) {
			struct vmt_said b = replayed_said(&r->cur.emissions[i]);
			const char *field;

			if (!taken[i] && !vmt_said_differ(&a, &b, &field))
				break;
		}
		if (i == r->cur.nemissions)
			return false;
		taken[i] = true;
		found++;
	}
	return found == r->cur.nemissions;
}

static void compare_emissions(struct vmt_replay *r)
{
	struct vmt_said a;
	struct vmt_said b;
	const char *field = "";
	size_t n = 1;
	size_t i = 0;

	for (;; i++) {
		bool more = next_emission(r, &n, &a);

		if (!more && i == r->cur.nemissions)
			return;
		if (more && i < r->cur.nemissions)
			b = replayed_said(&r->cur.emissions[i]);
		if (!more || i >= r->cur.nemissions || vmt_said_differ(&a, &b, &field)) {
			if (r->config.match == VMT_REPLAY_MODEL && same_unordered(r))
				return;
			if (!more)
				b = replayed_said(&r->cur.emissions[i]);
			emissions_differ(r, i, field, more ? &a : NULL,
					 i < r->cur.nemissions ? &b : NULL);
			return;
		}
	}
}

void vmt_compare_lost(struct vmt_replay *r, const struct vmt_trace_record *record)
{
	struct vmt_said a = recorded_said(r, record->body);
	uint64_t recorded = r->cur.recorded;

	r->cur.recorded = record->callback;
	emissions_differ(r, 0, "", &a, NULL);
	r->cur.recorded = recorded;
}

void vmt_compare_poll(struct vmt_replay *r, const struct vmt_callback_result *result,
		      const struct vmt_trace_poll *recorded, const struct vmt_trace_output *output)
{
	struct vmt_said a = {0};
	struct vmt_said b = {0};
	char a_text[sizeof(((struct vmt_divergence *)0)->recorded)];
	char b_text[sizeof(((struct vmt_divergence *)0)->replayed)];
	char what[sizeof(((struct vmt_divergence *)0)->what)];
	const char *field;

	if (!recorded)
		return; /* the end of the session will show whether it matters */
	r->report->compared++;
	if ((recorded->result > 0) != (result->result > 0) ||
	    (recorded->result < 0) != (result->result < 0)) {
		static const char *const texts[] = {"failed", "not finished", "finished"};

		vmt_differs(r, VMT_DIFFERS_END, "the result of poll",
			    texts[(recorded->result > 0) - (recorded->result < 0) + 1],
			    texts[(result->result > 0) - (result->result < 0) + 1]);
		return;
	}
	if (output && output->has_schema)
		a = (struct vmt_said){schema_of(r, output->schema), output->values,
				      output->nvalues};
	if (result->output) {
		b.schema = vmt_record_schema(result->output);
		b.values = vmt_record_values(result->output, &b.n);
	}
	if (!vmt_said_differ(&a, &b, &field))
		return;
	snprintf(what, sizeof(what), "the output%s%s", *field ? ": " : "", field);
	vmt_differs(r, VMT_DIFFERS_OUTPUT, what, vmt_said_format(&a, a_text, sizeof(a_text)),
		    vmt_said_format(&b, b_text, sizeof(b_text)));
}

/* -------------------------------------------------------------------------------------------- */
/* Responses                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void response_text(const struct vmt_response *rsp, const char *effect, char *buf, size_t cap)
{
	char text[96];

	snprintf(buf, cap, "%s: %s", vmt_response_format(rsp, text, sizeof(text)), effect);
}

/**
 * In the drain the traps are gone, and a session honours less of a response: what it does not, is not
 * compared.
 */
static bool is_stuck_here(const struct vmt_replay *r)
{
	return r->cur.cb.phase != VMT_PHASE_DRAIN;
}

static void compare_response(struct vmt_replay *r, const struct vmt_response *recorded,
			     const struct vmt_response *replayed)
{
	struct vmt_meets meets_recorded = vmt_recorded_meets(r);
	struct vmt_meets meets_replayed = vmt_replayed_meets(r);
	char a_text[sizeof(((struct vmt_divergence *)0)->recorded)];
	char b_text[sizeof(((struct vmt_divergence *)0)->replayed)];
	char a_effect[512];
	char b_effect[512];
	struct vmt_effect a;
	struct vmt_effect b;
	bool strict = r->config.match == VMT_REPLAY_STRICT;

	if (vmt_response_same(recorded, replayed) && r->alike && r->cur.in_step)
		return;
	vmt_effect_of(&meets_recorded, &r->cur.ev, recorded, &a);
	vmt_effect_of(&meets_replayed, &r->cur.ev, replayed, &b);
	if (!is_stuck_here(r))
		a.stuck = b.stuck = false;
	if (vmt_effect_same(&a, &b) && (!strict || vmt_response_same(recorded, replayed)))
		return;
	response_text(recorded, vmt_effect_format(&a, &b, a_effect, sizeof(a_effect)), a_text,
		      sizeof(a_text));
	response_text(replayed, vmt_effect_format(&b, &a, b_effect, sizeof(b_effect)), b_text,
		      sizeof(b_text));
	vmt_differs(r, VMT_DIFFERS_RESPONSE, "the response", a_text, b_text);
	if (!vmt_effect_same(&a, &b))
		vmt_replay_end_here(r, VMT_STOPPED_BY_CHANGE);
}

/* -------------------------------------------------------------------------------------------- */
/* Effects                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_trace_call *effect_at(struct vmt_replay *r, size_t n)
{
	const struct vmt_trace_record *record = vmt_window_at(&r->window, n);
	const struct vmt_trace_call *tc;

	if (record->kind < VMT_TRACE_CALL)
		return NULL;
	tc = record->body;
	return vmt_call_is_effect(tc->call.op) ? tc : NULL;
}

/** The first recorded effect that was not made in its turn, or NULL. */
static const struct vmt_trace_call *left_out(struct vmt_replay *r)
{
	for (size_t n = r->cur.next_effect; n < r->cur.nrecords; n++)
		if (effect_at(r, n))
			return effect_at(r, n);
	return NULL;
}

/** The first replayed effect that is not the recorded one in its place, as text. */
static const char *first_other(struct vmt_replay *r, char *buf, size_t cap)
{
	size_t n = 1;

	for (uint64_t i = 0; i < r->cur.ncalls && i < VMT_CALLS_KEPT; i++) {
		struct vmt_call call = r->cur.calls[i].call;
		const struct vmt_trace_call *tc = NULL;

		if (!vmt_call_is_effect(call.op))
			continue;
		if (call.op == VMT_CALL_MONITOR)
			call.u.monitor.monitor = &r->cur.calls[i].monitor;
		if (call.op == VMT_CALL_INJECT)
			call.u.inject.interrupt = &r->cur.calls[i].interrupt;
		if (call.op == VMT_CALL_ALLOC_GFN)
			call.u.alloc_gfn.gfn = &r->cur.calls[i].gfn;
		while (n < r->cur.nrecords && !tc)
			tc = effect_at(r, n++);
		/* What a write or a register set pointed to is gone: used says whether it was it. */
		if (tc && tc->call.op == call.op && r->cur.records[n - 1].used)
			continue;
		return vmt_call_format(&call, buf, cap);
	}
	return "no effect here";
}

static void compare_effects_strictly(struct vmt_replay *r)
{
	const struct vmt_trace_call *tc = left_out(r);
	char a_text[160] = "no effect here";
	char b_text[160];

	if (r->cur.in_step && !tc)
		return;
	if (tc)
		vmt_call_format(&tc->call, a_text, sizeof(a_text));
	vmt_differs(r, VMT_DIFFERS_EFFECT, "the calls that change the domain", a_text,
		    first_other(r, b_text, sizeof(b_text)));
}

/** Registers that were set for good: they leave no footprint, so they are compared by themselves. */
static void compare_set_regs(struct vmt_replay *r)
{
	char text[160];

	for (size_t n = 1; n < r->cur.nrecords; n++) {
		const struct vmt_trace_call *tc = effect_at(r, n);

		if (tc && tc->call.op == VMT_CALL_SET_REGS && tc->call.result >= 0 &&
		    !r->cur.records[n].used) {
			vmt_differs(r, VMT_DIFFERS_FOOTPRINT, "registers that are set",
				    vmt_call_format(&tc->call, text, sizeof(text)),
				    "other registers, or none");
			return;
		}
	}
	if (r->cur.other_regs)
		vmt_differs(r, VMT_DIFFERS_FOOTPRINT, "registers that are set",
			    "other registers, or none", "registers of a vCPU are set");
}

/* -------------------------------------------------------------------------------------------- */
/* The whole callback                                                                           */
/* -------------------------------------------------------------------------------------------- */

static bool compare_results(struct vmt_replay *r, const struct vmt_trace_callback_end *end,
			    const struct vmt_callback_result *result)
{
	if ((end->result < 0) == (result->result < 0))
		return true;
	vmt_differs(r, VMT_DIFFERS_END, "the callback's result",
		    end->result < 0 ? "the handler failed" : "it went well",
		    result->result < 0 ? "the handler failed" : "it went well");
	return false;
}

/** Remember the last place where the handlers did not do the same: footprints are judged later. */
static void suspect(struct vmt_replay *r, bool same)
{
	if (same)
		return;
	r->suspected = true;
	r->suspect_callback = r->cur.cb.number;
	if (r->report->first.difference == VMT_DIFFERS_NOTHING)
		vmt_describe_place(r, &r->suspect);
}

static void unaligned(struct vmt_replay *r)
{
	struct vmt_said b;

	if (r->cur.nemissions > 0) {
		b = replayed_said(&r->cur.emissions[0]);
		emissions_differ(r, 0, "", NULL, &b);
	}
	suspect(r, !r->cur.any_effect);
	if (r->cur.any_effect)
		r->alike = false;
}

void vmt_compare_callback(struct vmt_replay *r, const struct vmt_callback_result *result)
{
	struct vmt_callback_now *cur = &r->cur;
	const struct vmt_trace_callback_end *end = NULL;
	bool same;

	if (r->past)
		return;
	if (!cur->aligned) {
		unaligned(r);
		return;
	}
	r->report->compared++;
	if (cur->has_end)
		end = vmt_window_at(&r->window, cur->nrecords - 1)->body;
	compare_emissions(r);
	compare_set_regs(r);
	if (r->config.match == VMT_REPLAY_STRICT)
		compare_effects_strictly(r);
	same = cur->in_step && !left_out(r);
	vmt_align_follow(r, 0, cur->nrecords);
	/* What a failed handler answered was not carried out. */
	if (end && compare_results(r, end, result) && result->result >= 0 && end->response &&
	    result->response && cur->cb.kind == VMT_CALLBACK_EVENT) {
		same = same && vmt_response_same(end->response, result->response);
		compare_response(r, end->response, result->response);
	}
	suspect(r, same);
	r->alike = r->alike && same;
}
