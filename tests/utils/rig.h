/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A place to test what handlers use: a function that runs inside a handler's create, on a scripted
 * domain behind a call log and a fault injector.
 */
#ifndef VMT_TESTS_UTILS_RIG_H
#define VMT_TESTS_UTILS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

/* Two pages of code, filled with 0xab and 0xcd, and where breakpoints stand in them. */
#define CODE_GFN  vmt_gfn_from(0x10)
#define OTHER_GFN vmt_gfn_from(0x11)
#define OFFSET    0x100u
#define OFFSET2   0x200u

struct rig;
typedef void rig_body(struct rig *rig);
typedef void rig_before_call(struct rig *rig, const struct vmt_call *call);

struct rig {
	struct vmt_driver *driver;   /**< fault injector, call log, before_call, scripted domain */
	struct vmt_driver *scripted; /**< the last of them */
	struct vmt_session *session;
	vmt_view view, view2;
	rig_before_call *before_call; /**< called before each call reaches the domain; or NULL */
};

/**
 * Run @body in create, with two views made and both logs empty. Then the session must finish, and
 * leave nothing behind.
 */
void rig_run(rig_body *body);
/** The same on a domain of the test's making. */
void rig_run_on(const struct vmt_scripted_config *config, rig_body *body);

/* A list of bodies, F(name) ..., becomes a test program. */
#define RIG_TEST(name)                        \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		rig_run(name);                \
	}
#define RIG_ROW(name) {#name, test_##name, NULL, NULL, NULL},
#define RIG_MAIN(BODIES)                                             \
	BODIES(RIG_TEST)                                             \
	int main(void)                                               \
	{                                                            \
		const struct CMUnitTest tests[] = {BODIES(RIG_ROW)}; \
                                                                     \
		return cmocka_run_group_tests(tests, NULL, NULL);    \
	}

/** Let the @nth call of @op from here on fail with @status (0: VMT_E_HYPERVISOR). */
void rig_fail(struct rig *rig, unsigned op, uint64_t nth, enum vmt_status status);

/** The byte at an address, as it is. */
uint8_t rig_byte(struct rig *rig, vmt_gfn gfn, uint64_t offset);

/** What @view shows at @gfn. */
vmt_gfn rig_target(struct rig *rig, vmt_view view, vmt_gfn gfn);

/** The rights of @gfn in @view. */
unsigned rig_rights(struct rig *rig, vmt_view view, vmt_gfn gfn);

/** The ops of the calls that were logged since the last look, as names: "alloc_gfn read write". */
const char *rig_calls(struct rig *rig);

static inline vmt_gpa rig_gpa(vmt_gfn gfn, uint64_t offset)
{
	return vmt_gpa_from(vmt_gpa_of(gfn).a + offset);
}

/** An int3 at @rip, whose page is @gfn, in @view (-1: none), under @root. */
struct vmt_event rig_int3(int view, vmt_gfn gfn, uint64_t rip, uint64_t root);

/** A single step, which is no int3. */
struct vmt_event rig_step(int view, vmt_gfn gfn, uint64_t rip);

/** A memory access to @gfn at the offset of @rip. */
struct vmt_event rig_access(int view, vmt_gfn gfn, uint64_t rip, unsigned access);

#endif /* VMT_TESTS_UTILS_RIG_H */
