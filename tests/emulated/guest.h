/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An emulated domain in a test, driven call by call.
 */
#ifndef VMT_TESTS_EMULATED_GUEST_H
#define VMT_TESTS_EMULATED_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/emulated.h>

#include "../../fixtures/guests/demo/status.h"
#include "guests/trial.h"

/** Paths of the kernels, from the command line. */
extern const char *demo_elf, *trial_elf;

struct guest {
	struct vmt_driver *d;
	char console[64]; /**< the first bytes that the guest wrote */
	size_t console_len;
};

/** A domain from @config, whose guest and console are filled in here. Skips where none can be. */
void guest_init_with(struct guest *g, const char *kernel, const char *command_line,
		     struct vmt_emulated_config config);
void guest_finish(struct guest *g);

static inline void guest_init(struct guest *g, const char *kernel, const char *command_line)
{
	guest_init_with(g, kernel, command_line, (struct vmt_emulated_config){0});
}

/** The call went well. */
void guest_ok(const struct guest *g, int r);

/** Wait at most @timeout_ms of virtual time; the outcome. */
unsigned guest_wait(struct guest *g, int timeout_ms);
/** The next event, which is of @reason. */
struct vmt_event guest_event(struct guest *g, unsigned reason);
void guest_answer(struct guest *g, const struct vmt_event *ev, struct vmt_response rsp);
/** Run until the guest is gone, answering each event with @rsp. */
void guest_run_out(struct guest *g, struct vmt_response rsp);
void guest_monitor(struct guest *g, uint32_t kind, uint32_t what, bool on);

/** A word of view 0's memory. */
uint64_t guest_word(struct guest *g, uint64_t gpa);
void guest_write(struct guest *g, uint64_t gpa, const void *bytes, uint32_t len);

#define GFN(gpa) vmt_gfn_of(vmt_gpa_from(gpa))

/** Set the rights of the page at @gpa. */
void guest_rights(struct guest *g, vmt_view view, uint64_t gpa, unsigned rights);
vmt_view guest_view(struct guest *g);
/** A page of our own with the bytes of the one at @gpa. */
vmt_gfn guest_copy_page(struct guest *g, uint64_t gpa);

/** The trial guest's endless loop, which has come some rounds far. */
void guest_start_trial(struct guest *g);
/** It gets some rounds further. */
void guest_go_on(struct guest *g);

/** What the demo kernel shows. */
struct demo_status guest_status(struct guest *g);
/** Its self-checks all passed. */
void guest_passed(struct guest *g);

#endif /* VMT_TESTS_EMULATED_GUEST_H */
