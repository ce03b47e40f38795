/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay: expectation files, beside the traces.
 *
 * What the handler says is noted in its own process, to a file in memory that has the form of an
 * expectation. Afterwards it is read as if it were one, and compared with the one that was accepted.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmitape/compare.h>
#include <vmitape/event.h>
#include <vmitape/handler.h>
#include <vmitape/run.h>
#include <vmitape/trace.h>

#include "vmireplay.h"

#define TEXT_MAX ((size_t)1 << 30)

/* -------------------------------------------------------------------------------------------- */
/* Noting, in the handler's process                                                             */
/* -------------------------------------------------------------------------------------------- */

struct noting {
	struct vmt_observer observer;
	int fd;
	struct vmt_compare_place place; /**< of the callback that is open */
	char buf[1 << 16];
	size_t len;
	bool failed;
};

static void flush(struct noting *n)
{
	size_t done = 0;

	while (done < n->len && !n->failed) {
		const ssize_t r = write(n->fd, n->buf + done, n->len - done);

		if (r >= 0)
			done += (size_t)r;
		else if (errno != EINTR)
			n->failed = true;
	}
	n->len = 0;
}

static int note(void *context, const char *text, size_t len)
{
	struct noting *n = context;

	while (len > 0) {
		const size_t room = sizeof(n->buf) - n->len;
		const size_t part = len < room ? len : room;

		memcpy(n->buf + n->len, text, part);
		n->len += part;
		text += part;
		len -= part;
		if (n->len == sizeof(n->buf))
			flush(n);
	}
	return 0;
}

static struct noting *of(struct vmt_observer *o)
{
	return (struct noting *)o;
}

static void on_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	struct vmt_compare_place *place = &of(o)->place;

	memset(place, 0, sizeof(*place));
	place->callback = cb->number;
	place->event = VMT_COMPARE_NONE;
	place->kind = cb->kind;
	place->now = cb->now;
	if (!cb->event)
		return;
	place->event = 0; /* there is one; its number is not noted */
	place->reason = cb->event->reason;
	place->vcpu = cb->event->vcpu;
	place->rip_known = (cb->event->regs.known & VMT_KNOWN(VMT_REG_RIP)) != 0;
	place->rip = cb->event->regs.gprs.rip;
}

static void on_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			    const struct vmt_callback_result *result)
{
	const struct vmt_value *values;
	struct noting *n = of(o);
	size_t nvalues = 0;

	if (result->output) {
		values = vmt_record_values(result->output, &nvalues);
		vmt_expectation_put_record(&n->place, VMT_COMPARE_OUTPUT,
					   vmt_record_schema(result->output), values, nvalues, note,
					   n);
	}
	if (result->result < 0)
		vmt_expectation_put_record(&n->place, VMT_COMPARE_FAILURE, NULL, NULL, 0, note, n);
	(void)cb;
	flush(n);
}

static void on_emission(struct vmt_observer *o, const struct vmt_schema *schema,
			const struct vmt_value *values, size_t nvalues)
{
	struct noting *n = of(o);

	vmt_expectation_put_record(&n->place, VMT_COMPARE_EMISSION, schema, values, nvalues, note,
				   n);
}

static void on_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	struct noting *n = of(o);

	vmt_expectation_put_end(vmt_end_name(outcome->end), note, n);
	flush(n);
}

static const struct vmt_observer_ops ops = {
	.size = sizeof(ops),
	.callback = on_callback,
	.callback_end = on_callback_end,
	.emission = on_emission,
	.end = on_end,
};

/* -------------------------------------------------------------------------------------------- */
/* Files                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** "x.expect.jsonl" for "x.vmt". */
static int name_file(struct vmireplay_expect *e, struct vmt_error *err)
{
	size_t len = strlen(e->trace);

	if (len > 4 && strcmp(e->trace + len - 4, ".vmt") == 0)
		len -= 4;
	if (len + sizeof(".expect.jsonl") > sizeof(e->path))
		return vmt_error_set(err, VMT_E_LIMIT, "expectation",
				     "the trace's name is too long");
	snprintf(e->path, sizeof(e->path), "%.*s.expect.jsonl", (int)len, e->trace);
	return 0;
}

/** The whole of @fd. To be freed. */
static int read_file(int fd, const char *name, char **text, size_t *len, struct vmt_error *err)
{
	struct stat st;
	size_t done = 0;

	*text = NULL;
	if (fstat(fd, &st) < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, name, "it cannot be read");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > TEXT_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, name, "it is no file, or one above 1 GiB");
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return vmt_error_set(err, VMT_E_NO_MEMORY, name, "no memory");
	while (done < (size_t)st.st_size) {
		const ssize_t r = pread(fd, *text + done, (size_t)st.st_size - done, (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return vmt_error_set_errno(err, VMT_E_IO, errno, name, "it cannot be read");
		if (r == 0)
			break;
		done += (size_t)r;
	}
	*len = done;
	return 0;
}

/** The record digest of a trace, as digits; "" when it is not known. */
static int trace_digest(const char *path, char digits[33], struct vmt_error *err)
{
	const struct vmt_trace_reader_options options = {.digests = true};
	struct vmt_trace_reader *reader = NULL;
	struct vmt_trace_record record;
	struct vmt_trace_state state = {0};
	int n = vmt_trace_reader_open(path, &options, &reader, err);

	while (n >= 0 && (n = vmt_trace_reader_next(reader, &record, err)) == 1)
		;
	digits[0] = '\0';
	if (n >= 0)
		vmt_trace_reader_state(reader, &state);
	vmt_trace_reader_close(reader);
	for (unsigned i = 0; state.digests.known && i < 16; i++)
		snprintf(digits + 2 * (size_t)i, 3, "%02x", state.digests.record[i]);
	return n;
}

int vmireplay_expect_init(struct vmireplay_expect *e, const char *trace,
			  const struct vmt_handler_ops *handler, bool accept, struct vmt_error *err)
{
	struct vmt_expectation_head head = {0};
	struct noting *n;
	int r;

	memset(e, 0, sizeof(*e));
	e->trace = trace;
	e->fd = -1;
	r = name_file(e, err);
	if (r < 0)
		return r;
	e->exists = access(e->path, F_OK) == 0;
	if (!e->exists && !accept)
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "expectation", "no memory");
	e->observer = &n->observer;
	n->observer.ops = &ops;
	e->fd = memfd_create("expectation", MFD_CLOEXEC);
	if (e->fd < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, "expectation",
					   "no file in memory can be made");
	n->fd = e->fd;
	snprintf(head.handler, sizeof(head.handler), "%s", handler->name);
	snprintf(head.version, sizeof(head.version), "%s",
		 handler->version ? handler->version : "");
	r = trace_digest(trace, head.trace, err);
	if (r < 0)
		return r;
	vmt_expectation_put_head(&head, handler->schemas, note, n);
	flush(n);
	return n->failed ? vmt_error_set(err, VMT_E_IO, "expectation", "no memory for it") : 0;
}

void vmireplay_expect_finish(struct vmireplay_expect *e)
{
	if (e->fd >= 0)
		close(e->fd);
	free(e->observer);
	free(e->text);
	memset(e, 0, sizeof(*e));
	e->fd = -1;
}

/* -------------------------------------------------------------------------------------------- */
/* Judging                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Differences in what an expectation judges: what was said, and how the session ended. */
static uint64_t said_differences(const struct vmt_replay_report *report)
{
	return report->differences_by[VMT_DIFFERS_EMISSION] +
	       report->differences_by[VMT_DIFFERS_OUTPUT] + report->differences_by[VMT_DIFFERS_END];
}

/**
 * What is left of the verdict when what was said is judged by the expectation. What the handler does
 * to the guest is compared with the recording in any case; and where a run ended at a difference,
 * what it would have said after that is not known.
 */
static int status_without_said(const struct vmt_replay_report *report)
{
	/* Whatever is worse than a difference stands. */
	if (report->verdict != VMT_VERDICT_DIFFERENT)
		return (int)report->verdict;
	if (report->differences > said_differences(report))
		return VMT_EXIT_DIFFERENT;
	if (report->stop == VMT_STOPPED_BY_CHANGE && report->end != VMT_END_FINISHED)
		return VMT_EXIT_NOT_JUDGED;
	return VMT_EXIT_SAME;
}

struct text {
	char *p;
	size_t len;
};

static int put_text(void *context, const char *text, size_t len)
{
	struct text *t = context;
	char *p = realloc(t->p, t->len + len + 1);

	if (!p)
		return -VMT_E_NO_MEMORY;
	memcpy(p + t->len, text, len);
	t->p = p;
	t->len += len;
	p[t->len] = '\0';
	return 0;
}

/** Why the expectation @wanted says nothing of the run @said, or NULL. */
static const char *misfit(const struct vmt_expectation *wanted, const struct vmt_expectation *said)
{
	if (!wanted->ended)
		return "it is cut: its last line is missing";
	if (strcmp(wanted->head.handler, said->head.handler) != 0)
		return "it is the expectation of another handler";
	if (said->head.trace[0] == '\0' || strcmp(wanted->head.trace, said->head.trace) != 0)
		return "it is the expectation of another recording";
	if (!said->ended)
		return "the session did not come to its end";
	return NULL;
}

static int compare(struct vmireplay_expect *e, const struct vmt_expectation *wanted,
		   const struct vmt_expectation *said, struct vmt_error *err)
{
	const struct vmt_compare_report report = {
		.from = e->path, .to = e->trace, .max = 20, .provenance_name = vmt_provenance_name};
	struct vmt_comparison *c = NULL;
	struct text text = {0};
	int n;

	n = vmt_compare(wanted->run, said->run, VMT_COMPARE_SAID, &c, err);
	if (n >= 0)
		n = vmt_comparison_text(c, &report, put_text, &text);
	if (c)
		vmt_comparison_differences(c, &e->differences);
	e->records = wanted->records;
	e->judged = n >= 0;
	e->text = text.p;
	vmt_comparison_destroy(c);
	return n;
}

/** Open the accepted expectation and read it. */
static int read_expectation(const char *path, struct vmt_expectation *x, struct vmt_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	int n;

	if (fd < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, path, "it cannot be opened");
	n = read_file(fd, path, &text, &len, err);
	close(fd);
	if (n >= 0)
		n = vmt_expectation_init(x, text, len, err);
	if (n < 0)
		(void)vmt_error_prefix(err, "%s: ", path);
	free(text);
	return n;
}

/** Write what was said as the new expectation: a whole file takes the old one's place. */
static int accept_said(struct vmireplay_expect *e, const char *text, size_t len,
		       struct vmt_error *err)
{
	char partial[sizeof(e->path) + 16];
	FILE *f;
	bool ok;

	snprintf(partial, sizeof(partial), "%s.new", e->path);
	f = fopen(partial, "we");
	if (!f)
		return vmt_error_set_errno(err, VMT_E_IO, errno, partial, "it cannot be written");
	ok = fwrite(text, 1, len, f) == len;
	ok = fclose(f) == 0 && ok;
	if (!ok || rename(partial, e->path) < 0) {
		const int why = errno;

		(void)unlink(partial);
		return vmt_error_set_errno(err, VMT_E_IO, why, e->path, "it cannot be written");
	}
	e->accepted = true;
	return 0;
}

/** Compare, or accept, what stands in @text. */
static int judge_text(struct vmireplay_expect *e, const char *text, size_t len, int status,
		      bool accept, struct vmt_error *err)
{
	struct vmt_expectation wanted = {0};
	struct vmt_expectation said = {0};
	const char *why;
	int n = vmt_expectation_init(&said, text, len, err);

	if (n >= 0 && e->exists)
		n = read_expectation(e->path, &wanted, err);
	if (n < 0 && accept && wanted.run && err->status == VMT_E_DAMAGED)
		n = 0; /* what cannot be read is replaced */
	else if (n >= 0 && e->exists) {
		why = misfit(&wanted, &said);
		if (!why)
			n = compare(e, &wanted, &said, err);
		else if (!accept)
			n = vmt_error_set(err, VMT_E_NOT_RECORDED, e->path,
					  "%s; accept a new one with --accept", why);
	}
	if (n >= 0 && accept && status == VMT_EXIT_SAME && said.ended)
		n = accept_said(e, text, len, err);
	else if (n >= 0 && e->differences > 0)
		status = vmt_exit_worse(status, VMT_EXIT_DIFFERENT);
	vmt_expectation_finish(&wanted);
	vmt_expectation_finish(&said);
	return n < 0 ? n : status;
}

int vmireplay_expect_judge(struct vmireplay_expect *e, const struct vmt_replay_report *report,
			   bool accept, struct vmt_error *err)
{
	const int status = status_without_said(report);
	char *text = NULL;
	size_t len = 0;
	int n;

	if (!e->exists && !accept)
		return (int)report->verdict;
	/* A handler that crashed has no say, and a judgement that is worse than that stands. */
	if (status != VMT_EXIT_SAME && status != VMT_EXIT_DIFFERENT)
		return status;
	n = read_file(e->fd, "what the handler said", &text, &len, err);
	if (n >= 0)
		n = judge_text(e, text, len, status, accept, err);
	free(text);
	return n;
}

void vmireplay_expect_show(const struct vmireplay_expect *e, int status,
			   struct vmt_replay_report *report)
{
	const uint64_t others = report->differences - said_differences(report);

	if (!e->judged && !e->accepted)
		return;
	report->verdict = (uint32_t)status;
	report->differences = others + (e->accepted ? 0 : e->differences);
	if (others == 0)
		memset(&report->first, 0, sizeof(report->first));
}
