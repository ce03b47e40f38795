/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay: cases as JSON, and what is printed of them for people and for CI systems.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmireplay.h"

/* -------------------------------------------------------------------------------------------- */
/* Making cases                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/** Text may come out of a hostile guest: what is not UTF-8 becomes null. */
static json_t *text_or_null(const char *text)
{
	json_t *j = text && text[0] ? json_string(text) : NULL;

	return j ? j : json_null();
}

static json_t *number_or_null(uint64_t n)
{
	return n == VMT_REPLAY_NONE ? json_null() : json_integer((json_int_t)n);
}

static json_t *divergence_json(const struct vmt_divergence *d)
{
	if (d->difference == VMT_DIFFERS_NOTHING)
		return json_null();
	return json_pack("{ss so so so ss so so so so so so so}", "difference",
			 vmt_difference_name(d->difference), "callback",
			 number_or_null(d->callback), "replayed_callback",
			 number_or_null(d->replayed_callback), "event", number_or_null(d->event),
			 "provenance", vmt_provenance_name(d->provenance), "event_text",
			 text_or_null(d->event_text), "what", text_or_null(d->what), "recorded",
			 text_or_null(d->recorded), "replayed", text_or_null(d->replayed), "calls",
			 text_or_null(d->calls), "prevent", text_or_null(d->prevent), "look",
			 text_or_null(d->look));
}

json_t *vmireplay_case(const struct vmt_replay_report *r, int status)
{
	json_t *reads = json_object();
	char summary[768];
	char *text = vmt_replay_report_text(r);
	json_t *c;

	for (unsigned i = 1; i < VMT_PROVENANCE_COUNT; i++)
		if (r->reads[i])
			json_object_set_new(reads, vmt_provenance_name(i),
					    json_integer((json_int_t)r->reads[i]));
	c = json_pack("{so so ss si ss sb sI sI sI sI sI sI sI so sI so so so so}", "trace",
		      text_or_null(r->trace), "handler", text_or_null(r->handler), "verdict",
		      vmt_verdict_name((unsigned)status), "status", status, "stop",
		      vmt_replay_stop_name(r->stop), "complete", (int)r->complete,
		      "recorded_events", (json_int_t)r->recorded_events, "delivered",
		      (json_int_t)r->delivered, "suppressed", (json_int_t)r->suppressed, "blind",
		      (json_int_t)r->blind, "misses", (json_int_t)r->misses, "emissions",
		      (json_int_t)r->emissions, "differences", (json_int_t)r->differences,
		      "last_event", number_or_null(r->last_event), "callbacks",
		      (json_int_t)r->callbacks, "reads", reads, "first", divergence_json(&r->first),
		      "blind_text", text_or_null(r->blind_text), "miss_text",
		      text_or_null(r->miss_text));
	json_object_set_new(c, "summary",
			    text_or_null(vmt_replay_summary(r, summary, sizeof(summary))));
	json_object_set_new(c, "report", text_or_null(text));
	free(text);
	return c;
}

json_t *vmireplay_case_failed(const char *trace, const struct vmt_error *err, int status)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT + 4];
	char summary[sizeof(text) + 4096];
	json_t *c;

	vmt_error_format(err, text, sizeof(text));
	snprintf(summary, sizeof(summary), "%.4000s: %s", trace, text);
	c = json_pack("{so ss si}", "trace", text_or_null(trace), "verdict", "could not run",
		      "status", status);
	json_object_set_new(c, "error", text_or_null(text));
	json_object_set_new(c, "summary", text_or_null(summary));
	return c;
}

int vmireplay_case_status(const json_t *c)
{
	const json_t *status = json_object_get(c, "status");

	return json_is_integer(status) && json_integer_value(status) >= 0 &&
			       json_integer_value(status) <= VMT_EXIT_ENVIRONMENT
		       ? (int)json_integer_value(status)
		       : VMT_EXIT_ENVIRONMENT;
}

/* -------------------------------------------------------------------------------------------- */
/* One at a time                                                                                */
/* -------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *c, const char *name)
{
	const char *text = json_string_value(json_object_get(c, name));

	return text ? text : "";
}

void vmireplay_print_case(const json_t *c, enum vmireplay_format format, FILE *out)
{
	if (format == VMIREPLAY_JSON) {
		json_dumpf(c, out, JSON_COMPACT);
		fputc('\n', out);
		return;
	}
	if (*text_of(c, "error"))
		return; /* it was complained about */
	if (format == VMIREPLAY_TEXT)
		fprintf(out, "%s%s", text_of(c, "expectation"), text_of(c, "report"));
	else if (format == VMIREPLAY_QUIET)
		fprintf(out, "%s\n", text_of(c, "summary"));
}

/* -------------------------------------------------------------------------------------------- */
/* TAP                                                                                          */
/* -------------------------------------------------------------------------------------------- */

/** Each line of @text behind @prefix. */
static void print_lines(const char *text, const char *prefix, FILE *out)
{
	while (*text) {
		const size_t n = strcspn(text, "\n");

		fprintf(out, "%s%.*s\n", prefix, (int)n, text);
		text += n + (text[n] == '\n');
	}
}

/** A name of a test: TAP takes '#' for the begin of a directive. */
static void print_tap_name(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
}

static void print_tap(const json_t *cases, FILE *out)
{
	size_t i;
	json_t *c;

	fprintf(out, "TAP version 13\n1..%zu\n", json_array_size(cases));
	json_array_foreach(cases, i, c)
	{
		const int status = vmireplay_case_status(c);

		fprintf(out, "%s %zu - ", status == VMT_EXIT_SAME ? "ok" : "not ok", i + 1);
		print_tap_name(text_of(c, "trace"), out);
		fputc('\n', out);
		if (status == VMT_EXIT_SAME)
			continue;
		fprintf(out, "# status %d: %s\n", status, text_of(c, "verdict"));
		print_lines(text_of(c, "error"), "# ", out);
		print_lines(text_of(c, "expectation"), "# ", out);
		print_lines(text_of(c, "report"), "# ", out);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* JUnit                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** XML 1.0 has no way to write most control characters: they become '?'. */
static void print_xml(const char *text, FILE *out)
{
	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c < 0x20 && c != '\n' && c != '\t')
			fputc('?', out);
		else
			fputc(c, out);
	}
}

/** A failure is a handler that differs or fails; an error is what kept it from being judged. */
static bool is_failure(int status)
{
	return status == VMT_EXIT_DIFFERENT || status == VMT_EXIT_HANDLER;
}

static void print_junit_case(const json_t *c, FILE *out)
{
	const int status = vmireplay_case_status(c);
	const char *element = is_failure(status) ? "failure" : "error";

	fprintf(out, "  <testcase classname=\"vmireplay.");
	print_xml(text_of(c, "handler"), out);
	fprintf(out, "\" name=\"");
	print_xml(text_of(c, "trace"), out);
	if (status == VMT_EXIT_SAME) {
		fprintf(out, "\"/>\n");
		return;
	}
	fprintf(out, "\">\n    <%s type=\"", element);
	print_xml(text_of(c, "verdict"), out);
	fprintf(out, "\" message=\"");
	print_xml(text_of(c, "summary"), out);
	fprintf(out, "\">");
	print_xml(text_of(c, "error"), out);
	print_xml(text_of(c, "expectation"), out);
	print_xml(text_of(c, "report"), out);
	fprintf(out, "</%s>\n  </testcase>\n", element);
}

static void print_junit(const json_t *cases, FILE *out)
{
	size_t failures = 0;
	size_t errors = 0;
	size_t i;
	json_t *c;

	json_array_foreach(cases, i, c)
	{
		const int status = vmireplay_case_status(c);

		failures += is_failure(status);
		errors += status != VMT_EXIT_SAME && !is_failure(status);
	}
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"vmireplay\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n",
		json_array_size(cases), failures, errors);
	json_array_foreach(cases, i, c) print_junit_case(c, out);
	fprintf(out, "</testsuite>\n");
}

/* -------------------------------------------------------------------------------------------- */
/* GitHub                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Workflow commands end at a line end and take '%' for an escape; a property ends at ':' or ','. */
static void print_github_text(const char *text, bool property, FILE *out)
{
	for (; *text; text++) {
		if (*text == '%' || *text == '\r' || *text == '\n' ||
		    (property && (*text == ':' || *text == ',')))
			fprintf(out, "%%%02X", (unsigned char)*text);
		else
			fputc(*text, out);
	}
}

static void print_github(const json_t *cases, FILE *out)
{
	size_t i;
	json_t *c;

	json_array_foreach(cases, i, c)
	{
		const int status = vmireplay_case_status(c);

		if (status == VMT_EXIT_SAME)
			continue;
		fprintf(out, "::error file=");
		print_github_text(text_of(c, "trace"), true, out);
		fprintf(out, ",title=vmireplay%%3A ");
		print_github_text(text_of(c, "verdict"), true, out);
		fprintf(out, "::");
		print_github_text(text_of(c, "summary"), false, out);
		fprintf(out, "%%0A");
		print_github_text(text_of(c, "expectation"), false, out);
		print_github_text(text_of(c, "report"), false, out);
		fputc('\n', out);
	}
}

int vmireplay_cases_status(const json_t *cases)
{
	int worst = json_array_size(cases) > 0 ? VMT_EXIT_SAME : VMT_EXIT_NOT_JUDGED;
	size_t i;
	json_t *c;

	json_array_foreach(cases, i, c) worst = vmt_exit_worse(worst, vmireplay_case_status(c));
	return worst;
}

void vmireplay_print(const json_t *cases, enum vmireplay_format format, FILE *out)
{
	size_t i;
	json_t *c;

	if (format == VMIREPLAY_TAP)
		print_tap(cases, out);
	else if (format == VMIREPLAY_JUNIT)
		print_junit(cases, out);
	else if (format == VMIREPLAY_GITHUB)
		print_github(cases, out);
	else
		json_array_foreach(cases, i, c) vmireplay_print_case(c, format, out);
}
