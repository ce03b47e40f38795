/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An emulated domain in a test.
 */
#include "guest.h"

const char *demo_elf, *trial_elf;

static void on_console(void *arg, const char *text, size_t len)
{
	struct guest *g = arg;

	for (size_t i = 0; i < len && g->console_len + 1 < sizeof(g->console); i++)
		g->console[g->console_len++] = text[i];
}

void guest_init_with(struct guest *g, const char *kernel, const char *command_line,
		     struct vmt_emulated_config config)
{
	struct vmt_error err = {0};

	memset(g, 0, sizeof(*g));
	config.guest = kernel;
	config.command_line = command_line;
	config.console = on_console;
	config.console_arg = g;
	if (vmt_emulated_open(&config, &g->d, &err) < 0)
		fail_msg("%s: %s", err.place, err.text);
}

void guest_finish(struct guest *g)
{
	vmt_driver_close(g->d);
}

void guest_ok(const struct guest *g, int r)
{
	if (r < 0)
		fail_msg("%s: %s", g->d->err.place, g->d->err.text);
}

unsigned guest_wait(struct guest *g, int timeout_ms)
{
	struct vmt_wait wait;

	guest_ok(g, vmt_driver_wait(g->d, timeout_ms, &wait));
	return wait.outcome;
}

struct vmt_event guest_event(struct guest *g, unsigned reason)
{
	struct vmt_event ev;

	assert_int_equal(guest_wait(g, 1000), VMT_WAIT_EVENTS);
	assert_int_equal(vmt_driver_next(g->d, &ev), 1);
	if (ev.reason != reason) {
		char text[256];

		fail_msg("%s was due, not: %s", vmt_reason_name(reason),
			 vmt_event_format(&ev, text, sizeof(text)));
	}
	return ev;
}

void guest_answer(struct guest *g, const struct vmt_event *ev, struct vmt_response rsp)
{
	guest_ok(g, vmt_driver_answer(g->d, ev, &rsp));
	guest_ok(g, vmt_driver_commit(g->d));
}

void guest_run_out(struct guest *g, struct vmt_response rsp)
{
	struct vmt_event ev;

	while (guest_wait(g, 5000) == VMT_WAIT_EVENTS)
		while (vmt_driver_next(g->d, &ev) == 1)
			guest_answer(g, &ev, rsp);
	assert_int_equal(guest_wait(g, 0), VMT_WAIT_GONE);
}

void guest_monitor(struct guest *g, uint32_t kind, uint32_t what, bool on)
{
	const struct vmt_monitor monitor = {.kind = kind, .what = what};

	guest_ok(g, vmt_driver_monitor(g->d, &monitor, on));
}

uint64_t guest_word(struct guest *g, uint64_t gpa)
{
	uint64_t word;

	guest_ok(g, vmt_driver_read(g->d, vmt_gfn_of(vmt_gpa_from(gpa)),
				    (uint32_t)(gpa & VMT_PAGE_MASK), &word, sizeof(word)));
	return word;
}

void guest_write(struct guest *g, uint64_t gpa, const void *bytes, uint32_t len)
{
	guest_ok(g, vmt_driver_write(g->d, vmt_gfn_of(vmt_gpa_from(gpa)),
				     (uint32_t)(gpa & VMT_PAGE_MASK), bytes, len));
}

void guest_rights(struct guest *g, vmt_view view, uint64_t gpa, unsigned rights)
{
	guest_ok(g, vmt_driver_set_access(g->d, view, GFN(gpa), 1, vmt_access_from(rights), NULL));
}

vmt_view guest_view(struct guest *g)
{
	vmt_view view;

	guest_ok(g, vmt_driver_create_view(g->d, vmt_access_from(VMT_RWX), &view));
	return view;
}

vmt_gfn guest_copy_page(struct guest *g, uint64_t gpa)
{
	uint8_t page[VMT_PAGE_SIZE];
	vmt_gfn gfn = VMT_GFN_ANY;

	guest_ok(g, vmt_driver_alloc_gfn(g->d, &gfn));
	guest_ok(g, vmt_driver_read(g->d, GFN(gpa), 0, page, sizeof(page)));
	guest_ok(g, vmt_driver_write(g->d, gfn, 0, page, sizeof(page)));
	return gfn;
}

void guest_go_on(struct guest *g)
{
	uint64_t rounds = guest_word(g, TRIAL_ROUNDS);

	assert_int_equal(guest_wait(g, 1), VMT_WAIT_TIMEOUT);
	assert_true(guest_word(g, TRIAL_ROUNDS) > rounds + 10);
}

void guest_start_trial(struct guest *g)
{
	guest_init(g, trial_elf, "p");
	guest_go_on(g);
	assert_int_equal(guest_word(g, TRIAL_SEEN), TRIAL_FIXED_VALUE);
	assert_int_equal(guest_word(g, TRIAL_SEEN + 8), TRIAL_ACROSS_VALUE);
	assert_int_equal(guest_word(g, TRIAL_SEEN + 16), TRIAL_DATA_VALUE);
}

struct demo_status guest_status(struct guest *g)
{
	struct demo_status status;

	guest_ok(g,
		 vmt_driver_read(g->d, vmt_gfn_from(DEMO_GFN_STATUS), 0, &status, sizeof(status)));
	return status;
}

void guest_passed(struct guest *g)
{
	const struct demo_status status = guest_status(g);

	assert_int_equal(status.magic, DEMO_MAGIC);
	for (unsigned i = 0; i < DEMO_VCPUS; i++)
		if (status.vcpu[i].errors)
			fail_msg("vCPU %u: %llu failed checks, the first in scene %llu: saw %#llx, "
				 "wanted %#llx",
				 i, (unsigned long long)status.vcpu[i].errors,
				 (unsigned long long)status.vcpu[i].first_error_scene - 1,
				 (unsigned long long)status.vcpu[i].first_error_seen,
				 (unsigned long long)status.vcpu[i].first_error_wanted);
}
