/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one event costs: the handler tiny on the scripted domain, whose vCPU writes CR3.
 *
 *   domain   the domain alone: its events are taken and answered without a session
 *   session  the session loop with tiny, on the same events
 *
 * The script is the same for each count; only how many of its events are asked for differs. So what
 * is made before the first event and after the last falls out of the difference that
 * instructions.py takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

#define EVENTS_MAX 20000u
#define BLOCK      100u

static int fail(const struct vmt_error *err)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	fprintf(stderr, "loop: %s\n", vmt_error_format(err, text, sizeof(text)));
	return 1;
}

/** A domain whose vCPU writes CR3 EVENTS_MAX times, each time another value than before. */
static int make_domain(struct vmt_driver **d, struct vmt_error *err)
{
	struct vmt_step block[BLOCK];
	int r = vmt_scripted_create(NULL, d, err);

	for (unsigned i = 0; i < BLOCK; i++)
		block[i] = (struct vmt_step)VMT_INSN_CR(0, VMT_SCRIPTED_RIP + UINT64_C(3) * i,
							VMT_CR3, i % 2 ? 0x5000 : 0x6000);
	for (unsigned i = 0; i < EVENTS_MAX / BLOCK && r >= 0; i++)
		r = vmt_scripted_play(*d, block, BLOCK, err);
	return r;
}

/** Take and answer @n events. */
static int take(struct vmt_driver *d, uint64_t n)
{
	const struct vmt_monitor cr3 = {
		.kind = VMT_MONITOR_CR, .what = VMT_CR3, .flags = VMT_MONITOR_ON_CHANGE};
	const struct vmt_response go_on = vmt_respond(VMT_CONTINUE);
	struct vmt_event ev;
	struct vmt_wait wait;
	int r = vmt_driver_monitor(d, &cr3, true);

	while (n > 0 && r >= 0) {
		r = vmt_driver_wait(d, -1, &wait);
		while (n > 0 && r >= 0 && (r = vmt_driver_next(d, &ev)) == 1) {
			r = vmt_driver_answer(d, &ev, &go_on);
			n--;
		}
		if (r >= 0)
			r = vmt_driver_commit(d);
	}
	return r < 0 ? fail(&d->err) : 0;
}

/** Run tiny until it has seen @n events. */
static int run_tiny(struct vmt_driver *d, const char *n)
{
	const struct vmt_option options[] = {{"count", n}};
	struct vmt_session_config config = {.driver = d, .options = options, .noptions = 1};
	struct vmt_loaded_handler handler;
	struct vmt_outcome outcome;
	struct vmt_session *s;
	struct vmt_error err;

	if (vmt_handler_load("tiny", &handler, &err) < 0)
		return fail(&err);
	config.handler = handler.ops;
	if (vmt_session_create(&config, &s, &err) < 0)
		return fail(&err);
	vmt_session_run(s, &outcome);
	vmt_session_destroy(s);
	if (outcome.end != VMT_END_FINISHED || outcome.emissions != strtoull(n, NULL, 10))
		return fail(&outcome.error);
	return 0;
}

int main(int argc, char **argv)
{
	struct vmt_driver *d = NULL;
	struct vmt_error err;
	int status;

	if (argc == 1) {
		puts("domain\nsession");
		return 0;
	}
	if (argc != 3 || strtoull(argv[2], NULL, 10) > EVENTS_MAX) {
		fprintf(stderr, "usage: loop [domain|session COUNT], at most %u\n", EVENTS_MAX);
		return 2;
	}
	if (make_domain(&d, &err) < 0)
		status = fail(&err);
	else if (strcmp(argv[1], "session") == 0)
		status = run_tiny(d, argv[2]);
	else
		status = take(d, strtoull(argv[2], NULL, 10));
	vmt_driver_close(d);
	return status;
}
