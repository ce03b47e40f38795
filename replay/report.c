/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verdict, and the report as text.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay-private.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const provenance_names[VMT_PROVENANCE_COUNT] = {
	[VMT_FROM_NOWHERE] = "none",       [VMT_FROM_OWN] = "own",
	[VMT_FROM_EMULATION] = "emulated", [VMT_FROM_EXACT] = "exact",
	[VMT_FROM_FROZEN] = "frozen",      [VMT_FROM_BRACKETED] = "bracketed",
	[VMT_FROM_STALE] = "stale",        [VMT_FROM_FUTURE] = "future",
	[VMT_FROM_REDACTED] = "redacted",  [VMT_FROM_MISSING] = "missing",
};

const char *vmt_provenance_name(unsigned provenance)
{
	return provenance < COUNT(provenance_names) ? provenance_names[provenance] : "unknown";
}

static const char *const difference_names[VMT_DIFFERENCE_COUNT] = {
	[VMT_DIFFERS_NOTHING] = "nothing",
	[VMT_DIFFERS_EMISSION] = "emission",
	[VMT_DIFFERS_OUTPUT] = "output",
	[VMT_DIFFERS_RESPONSE] = "response",
	[VMT_DIFFERS_FOOTPRINT] = "footprint",
	[VMT_DIFFERS_EFFECT] = "effect",
	[VMT_DIFFERS_END] = "end",
	[VMT_DIFFERS_FUTURE] = "future",
};

const char *vmt_difference_name(unsigned difference)
{
	return difference < COUNT(difference_names) ? difference_names[difference] : "unknown";
}

static const char *const stop_names[VMT_REPLAY_STOP_COUNT] = {
	[VMT_STOPPED_AT_END] = "at the end",     [VMT_STOPPED_BY_CHANGE] = "at the difference",
	[VMT_STOPPED_BY_MISS] = "at a miss",     [VMT_STOPPED_BY_CUT] = "where the trace is cut",
	[VMT_STOPPED_CRASHED] = "crashed",       [VMT_STOPPED_HUNG] = "hung",
	[VMT_STOPPED_LEFT] = "left its process", [VMT_STOPPED_MEMORY] = "used too much memory",
	[VMT_STOPPED_FAILED] = "could not run",
};

const char *vmt_replay_stop_name(unsigned stop)
{
	return stop < COUNT(stop_names) ? stop_names[stop] : "unknown";
}

/** The verdicts, from the one that counts most. */
static const struct {
	unsigned verdict;
	const char *name;
} verdicts[] = {
	{VMT_VERDICT_ENVIRONMENT, "could not run"}, {VMT_VERDICT_CUT, "trace cut or damaged"},
	{VMT_VERDICT_FAILED, "handler failed"},     {VMT_VERDICT_UNKNOWN, "could not judge"},
	{VMT_VERDICT_DIFFERENT, "different"},       {VMT_VERDICT_SAME, "same"},
};

const char *vmt_verdict_name(unsigned verdict)
{
	for (size_t i = 0; i < COUNT(verdicts); i++)
		if (verdicts[i].verdict == verdict)
			return verdicts[i].name;
	return "unknown";
}

unsigned vmt_verdict_worse(unsigned a, unsigned b)
{
	for (size_t i = 0; i < COUNT(verdicts); i++)
		if (verdicts[i].verdict == a || verdicts[i].verdict == b)
			return verdicts[i].verdict;
	return a;
}

/* -------------------------------------------------------------------------------------------- */
/* The verdict                                                                                  */
/* -------------------------------------------------------------------------------------------- */

/** The handler's process came to its end before the session did. */
static bool was_ended(const struct vmt_replay_report *report)
{
	return report->stop >= VMT_STOPPED_CRASHED && report->stop <= VMT_STOPPED_MEMORY;
}

static bool handler_failed(const struct vmt_replay_report *report)
{
	if (was_ended(report))
		return true;
	/* In a callback that the cut goes through it may have failed for want of what is behind. */
	if (report->stop == VMT_STOPPED_BY_CUT && report->differences_by[VMT_DIFFERS_END] == 0)
		return false;
	/* To fail as the recorded handler did is what was expected. */
	return (report->end == VMT_END_HANDLER_FAILED || report->end == VMT_END_CREATE_FAILED) &&
	       !(report->same_end && report->first.difference == VMT_DIFFERS_NOTHING);
}

void vmt_report_judge(struct vmt_replay_report *report, bool allow_cut)
{
	unsigned verdict = VMT_VERDICT_SAME;

	if (report->differences > 0)
		verdict = vmt_verdict_worse(verdict, VMT_VERDICT_DIFFERENT);
	if (report->misses > 0 || report->blind > 0 || report->stop == VMT_STOPPED_BY_MISS ||
	    report->first.difference == VMT_DIFFERS_FUTURE)
		verdict = vmt_verdict_worse(verdict, VMT_VERDICT_UNKNOWN);
	if (report->end == VMT_END_NONE && report->stop == VMT_STOPPED_AT_END)
		verdict = vmt_verdict_worse(verdict, VMT_VERDICT_UNKNOWN);
	if (handler_failed(report))
		verdict = vmt_verdict_worse(verdict, VMT_VERDICT_FAILED);
	if (!report->complete && !allow_cut)
		verdict = vmt_verdict_worse(verdict, VMT_VERDICT_CUT);
	if (report->stop == VMT_STOPPED_FAILED)
		verdict = vmt_verdict_worse(verdict, report->error.status == VMT_E_DAMAGED
							     ? VMT_VERDICT_CUT
							     : VMT_VERDICT_ENVIRONMENT);
	report->verdict = verdict;
}

/* -------------------------------------------------------------------------------------------- */
/* Text                                                                                         */
/* -------------------------------------------------------------------------------------------- */

struct text {
	char *p;
	size_t len, cap;
	bool failed;
};

static void VMT_PRINTF(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->failed)
		return;
	for (;;) {
		va_start(ap, fmt);
		n = vsnprintf(t->p + t->len, t->cap - t->len, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < t->cap - t->len) {
			t->len += (size_t)n;
			return;
		}
		t->p = n < 0 ? NULL : realloc(t->p, t->cap * 2 + (size_t)n);
		t->cap = t->cap * 2 + (size_t)n;
		if (!t->p) {
			t->failed = true;
			return;
		}
	}
}

static void add_number(struct text *t, const char *name, uint64_t number)
{
	if (number == VMT_REPLAY_NONE)
		add(t, "no %s", name);
	else
		add(t, "%s %" PRIu64, name, number);
}

/** Each line of @text, indented. */
static void add_indented(struct text *t, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		add(t, "      %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void add_divergence(struct text *t, const struct vmt_divergence *d)
{
	add(t, "first difference: %s\n  at        ", d->what);
	add_number(t, "recorded callback", d->callback);
	add(t, " (%s), ", vmt_callback_name(d->callback_kind));
	add_number(t, "event", d->event);
	add(t, ", %" PRIu64 " ns\n", d->now);
	if (d->event_text[0])
		add(t, "  event     %s\n", d->event_text);
	add(t, "  recorded  %s\n  replayed  %s\n", d->recorded, d->replayed);
	if (d->calls[0]) {
		add(t, "  calls of this callback (- only recorded, + only replayed)\n");
		add_indented(t, d->calls);
	}
	add(t, "  weakest bytes served to this callback: %s\n", vmt_provenance_name(d->provenance));
	if (d->ends)
		add(t, "  the run ended here: the recorded future is not this handler's\n");
	if (d->prevent[0])
		add(t, "  to prevent it: %s\n", d->prevent);
	if (d->look[0])
		add(t, "  to see more:   %s\n", d->look);
}

/** Where the handler's process came to its end, and how. */
static void add_ended(struct text *t, const struct vmt_replay_report *report)
{
	if (!was_ended(report))
		return;
	if (report->stop == VMT_STOPPED_CRASHED)
		add(t, "the handler crashed: signal %d (%s)\n", report->signal,
		    strsignal(report->signal));
	else if (report->stop == VMT_STOPPED_LEFT)
		add(t, "the handler left its process with status %d\n", report->exited);
	else
		add(t, "the handler %s, and was killed\n", vmt_replay_stop_name(report->stop));
	if (report->last_callback == VMT_REPLAY_NONE)
		return;
	add(t, "  in or after callback %" PRIu64 " (%s)", report->last_callback,
	    vmt_callback_name(report->last_kind));
	if (report->last_event != VMT_REPLAY_NONE) {
		add(t, ", event %" PRIu64 ": %s, vCPU %u", report->last_event,
		    vmt_reason_name(report->last_reason), report->last_vcpu);
		if (report->last_rip_known)
			add(t, ", rip %#" PRIx64, report->last_rip);
	}
	add(t, "\n");
}

static void add_reads(struct text *t, const struct vmt_replay_report *report)
{
	const char *comma = "";

	add(t, "reads: ");
	for (unsigned i = VMT_FROM_OWN; i < VMT_PROVENANCE_COUNT; i++) {
		if (report->reads[i] == 0)
			continue;
		add(t, "%s%" PRIu64 " %s", comma, report->reads[i], vmt_provenance_name(i));
		comma = ", ";
	}
	add(t, "%s\n", *comma ? "" : "none");
	if (report->oldest > 0)
		add(t, "the oldest stale bytes were %" PRIu64 " records old\n", report->oldest);
}

static void add_unknown(struct text *t, const struct vmt_replay_report *report)
{
	if (report->blind > 0) {
		add(t, "blind: %s; %" PRIu64 " at most at once", report->blind_text, report->blind);
		add(t, "\n  what the guest did there is not in the trace: record again with this "
		       "handler\n");
	}
	if (report->blind_seen > 0)
		add(t, "  the guest came by such a trap at least %" PRIu64 " times\n",
		    report->blind_seen);
	if (report->misses > 0)
		add(t, "not recorded: %" PRIu64 " times; first: %s\n", report->misses,
		    report->miss_text);
	if (report->misses_pages > 0)
		add(t, "  with `--capture pages` the trace would hold %" PRIu64 " of them\n",
		    report->misses_pages);
	if (!report->complete)
		add(t, "the trace is not complete: it was replayed as far as it goes\n");
	if (report->error.status != VMT_OK)
		add(t, "error: %s: %s\n", report->error.place, report->error.text);
}

const char *vmt_replay_summary(const struct vmt_replay_report *report, char *buf, size_t cap)
{
	char where[96] = "";
	char stopped[96] = "";

	if (report->first.difference != VMT_DIFFERS_NOTHING &&
	    report->first.callback != VMT_REPLAY_NONE)
		snprintf(where, sizeof(where), " (%s at callback %" PRIu64 ")",
			 vmt_difference_name(report->first.difference), report->first.callback);
	if (report->stop != VMT_STOPPED_AT_END) {
		int n = snprintf(stopped, sizeof(stopped), ", stopped: %s",
				 vmt_replay_stop_name(report->stop));

		if (was_ended(report) && report->last_event != VMT_REPLAY_NONE && n > 0)
			snprintf(stopped + n, sizeof(stopped) - (size_t)n, " at event %" PRIu64,
				 report->last_event);
	}
	snprintf(buf, cap,
		 "%s: %s%s%s; %" PRIu64 " of %" PRIu64 " events delivered, %" PRIu64
		 " suppressed, %" PRIu64 " blind, %" PRIu64 " misses, %" PRIu64 " differences",
		 report->trace, vmt_verdict_name(report->verdict), where, stopped,
		 report->delivered, report->recorded_events, report->suppressed, report->blind,
		 report->misses, report->differences);
	return buf;
}

char *vmt_replay_report_text(const struct vmt_replay_report *report)
{
	struct text t = {.p = malloc(1024), .cap = 1024};
	char summary[768];

	if (!t.p)
		return NULL;
	if (report->first.difference != VMT_DIFFERS_NOTHING)
		add_divergence(&t, &report->first);
	add_ended(&t, report);
	add_unknown(&t, report);
	add_reads(&t, report);
	add(&t, "%s\n", vmt_replay_summary(report, summary, sizeof(summary)));
	if (t.failed) {
		free(t.p);
		return NULL;
	}
	return t.p;
}
