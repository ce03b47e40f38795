/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trials of the Xen driver: each drives vmitape's session with a small handler on a real domain that
 * runs the demo guest, and looks at the guest's status page for what came of it.
 *
 * The status page is read and the domain's state asked for without the driver, by the trial itself.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <vmitape/handler.h>
#include <vmitape/record.h>
#include <vmitape/run.h>
#include <vmitape/xen.h>

#include "fixtures/guests/demo/status.h"

#define BIT(n)    (UINT64_C(1) << (n))
#define QUIET_MS  100  /* long enough for hundreds of rounds of the guest */
#define EVENT_MS  3000 /* far above what any event takes */
#define MSR_LSTAR UINT32_C(0xc0000082)

struct trial;

/** One named trial. */
struct script {
	const char *name;
	enum demo_scene scene; /* what the guest plays meanwhile */

	/** In create: monitors, views. Negative: the session fails, and so does the trial. */
	int (*begin)(struct trial *t, struct vmt_session *s);
	/** For each event, until trial_done(). In the drain events are just let pass. */
	struct vmt_response (*event)(struct trial *t, struct vmt_ctx *ctx);
	/** After the session, the domain running unwatched; or without a session, instead of it. */
	void (*after)(struct trial *t);

	uint32_t with[2];    /* for functions that serve several scripts */
	unsigned vcpus;      /* 0: 1 or more; 2: passed over with one */
	bool checks_fail;    /* the guest's self-checks are meant to notice what was done */
	bool without_events; /* begin does it all; the session ends at the first poll */
	bool no_session;     /* @after is the trial, with the driver open and no session */
	bool alone;          /* @after is the trial, without driver and session */
	bool special;        /* only when it is named: it needs a guest of its own */
	bool goes;           /* the domain does not live on */
};

struct trial {
	const struct script *script;
	const char *domain;
	struct vmt_driver *driver;
	volatile struct demo_status *status;
	volatile struct demo_vcpu *guest; /* the first vCPU's part of it */
	struct demo_vcpu before;          /* it, at the first event (errors: when it all began) */
	unsigned vcpus;

	unsigned events; /* seen so far */
	uint64_t note[8];
	vmt_view view;
	vmt_gfn gfn;
	bool done;
	bool failed;
	char text[1024];
};

extern const struct script scripts_events[], scripts_answers[], scripts_async[], scripts_views[],
	scripts_control[], scripts_errors[];

/** Fails the trial unless @holds; the text tells what was wanted. Returns @holds. */
bool expect(struct trial *t, bool holds, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** As expect(), for calls of vmitape: @r must be 0 or more; else the reason @err is shown. */
bool succeeded(struct trial *t, int r, const struct vmt_error *err, const char *what);
/** @r must be -@status, and @err have a sentence. */
bool refused(struct trial *t, int r, enum vmt_status status, const struct vmt_error *err,
	     const char *what);

/** The handler has seen enough. */
void trial_done(struct trial *t);
/** Ends the trial as failed, with what was wanted. */
struct vmt_response trial_failed(struct trial *t, struct vmt_ctx *ctx, const char *wanted);

/** The domain's state, asked of Xen without the driver. */
bool domain_is_paused(const struct trial *t);
/** How often the scene has been played since the first event. */
uint64_t played(const struct trial *t);
/** Does the guest begin more rounds within QUIET_MS? */
bool guest_goes_on(const struct trial *t);
void trial_sleep(int ms);

#endif
