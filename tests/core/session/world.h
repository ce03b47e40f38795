/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of a session stand on: a scripted domain with a fault injector and a call log
 * around it, a handler whose callbacks are the test's, a collector, and a story of who did what in
 * which order.
 *
 *     session -> call log -> fault injector -> scripted domain
 */
#ifndef VMT_TESTS_SESSION_WORLD_H
#define VMT_TESTS_SESSION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS           UINT64_C(1000000)
#define SECOND       UINT64_C(1000000000)

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

/**
 * What the handler of a test does, and what it saw. A callback that is NULL does what its comment
 * says. There is one at a time, for a handler's create gets nothing from the test but its session.
 */
struct probe {
	int (*create)(struct vmt_session *s);              /**< NULL: CPUID is monitored */
	struct vmt_response (*event)(struct vmt_ctx *ctx); /**< NULL: answer_plainly() */
	int (*timeout)(struct vmt_session *s);             /**< NULL: 0 */
	void (*interrupted)(struct vmt_session *s);        /**< NULL: nothing */
	void (*cleanup)(struct vmt_session *s);            /**< NULL: nothing */
	int (*poll)(struct vmt_record *out);               /**< NULL: as @finish_after says */
	void (*destroy)(void);                             /**< NULL: nothing */
	unsigned
		finish_after; /**< poll says 1 after so many events outside of the drain; 0: never */

	unsigned creates, events, drained, timeouts, interrupts, cleanups, polls, destroys;
	struct vmt_session *session; /**< that create was given */
	struct world *world;
	uint64_t noted[64]; /**< for the test: numbers in the order noted */
	size_t nnoted;
};

extern struct probe probe;

/** A handler that does what the probe says; it has all callbacks. */
extern const struct vmt_handler_ops probe_handler;

/** The schemas that it declares. */
extern const struct vmt_schema seen_schema;   /**< "seen": number u64 */
extern const struct vmt_schema result_schema; /**< "result": events u64, text text */

/** vmt_skip() for CPUID, else continue. */
struct vmt_response answer_plainly(struct vmt_ctx *ctx);

/** Monitor CPUID. */
int watch_cpuid(struct vmt_session *s);

/** Keep @number in probe.noted. */
void note(uint64_t number);

/* -------------------------------------------------------------------------------------------- */
/* The world                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** What a story tells of. */
enum story {
	STORY_CALLS = 1,    /**< driver calls, failed ones with a '!' behind */
	STORY_HANDLER = 2,  /**< the handler's functions */
	STORY_STEPS = 4,    /**< the teardown's steps, as "[reset]" */
	STORY_OBSERVED = 8, /**< callbacks as observers see them: "<event" and "event>" */
};

struct story_line;

struct world {
	struct vmt_driver *domain; /**< the scripted driver itself */
	struct vmt_driver *faults; /**< the injector around it */
	struct vmt_driver *driver; /**< the log around that: what the session is given */
	struct vmt_collector *seen;
	struct vmt_session_config config;
	struct vmt_observer *observers[VMT_OBSERVERS_MAX];
	struct vmt_session *session;
	struct vmt_outcome outcome;
	struct vmt_error err;
	int result; /**< of run, or of create when that failed */

	struct vmt_observer observer; /**< the story's */
	struct story_line *lines;
	size_t nlines, room;
	size_t calls_told; /**< calls of the log that are in the story */
	char *text;
};

/** cmocka's setup and teardown of each test; *state is the world. */
int world_setup(void **state);
int world_finish(void **state);

/** As a new one: for tests with several sessions, one after the other. */
void world_renew(struct world *w);

/** Make the domain. @config may be NULL: one vCPU that is gone at the script's end. */
void world_open(struct world *w, const struct vmt_scripted_config *config);

void world_play(struct world *w, const struct vmt_step *steps, size_t n);

/** WORLD_PLAY(w, VMT_INSN_NOP(0, 0), VMT_WORLD_STOP()); */
#define WORLD_PLAY(w, ...)                                      \
	world_play((w), (const struct vmt_step[]){__VA_ARGS__}, \
		   COUNT(((const struct vmt_step[]){__VA_ARGS__})))

/** A fault of the injector's. */
void world_fault(struct world *w, const struct vmt_fault_rule *rule);

/** One more observer, behind those of the world. */
void world_observe(struct world *w, struct vmt_observer *observer);

/** Make the session; it must succeed. */
void world_create(struct world *w);

/** Run it (made first if there is none) to its end: w->outcome, w->result. Returns the result. */
int world_run(struct world *w);

/** world_open with defaults, @n times CPUID on vCPU 0 with the leafs from 0 on, then run. */
int world_run_cpuids(struct world *w, unsigned n);

/** One CPUID on each of @vcpus vCPUs, whose leaf is the vCPU: a batch, as long as it fits the ring. */
void world_open_batch(struct world *w, uint16_t vcpus);

/** What happened so far, words with blanks between, of the kinds in @what. Valid until the next. */
const char *world_story(struct world *w, unsigned what);

/** The same from the teardown's first step on. */
const char *world_teardown_story(struct world *w, unsigned what);

/** A word of the test's own, as the handler's are. */
void world_tell(struct world *w, const char *word);

/** What is left behind in the domain now. */
struct vmt_leftovers world_leftovers(struct world *w);

/** The response of the n-th answer that the driver took. */
const struct vmt_response *world_answer(struct world *w, size_t n);

/** The general registers of a vCPU, from the domain itself. */
struct vmt_gprs world_gprs(struct world *w, uint16_t vcpu);

/** Fail the test unless @text holds @part. */
void assert_holds(const char *text, const char *part);

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_finish)

#endif /* VMT_TESTS_SESSION_WORLD_H */
