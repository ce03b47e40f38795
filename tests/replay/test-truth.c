/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No byte that a replayed handler is served differs from the truth.
 *
 * The truth is the same handler, run on an equal domain. It reads at random: physical and virtual
 * addresses, over the ends of pages, where there is no page, its own bytes, at each callback. What
 * it was served in the replay of another handler's recording must be what it was served there,
 * unless the trace does not have it, or it came as stale or future bytes, which were asked for.
 */
#include <vmitape/step-over.h>

#include "../utils/narrow.h"
#include "support.h"

#define BREAK   0x1010 /* where breakpoints stand */
#define DATA    0x8000 /* a page that is watched and written to */
#define OTHER   0x9000 /* a page that is written to and not watched */
#define SCRATCH 0xa000 /* the handler's own bytes go here */
#define PAGES   0x40u  /* of RAM */
#define READS   12u    /* at each callback */

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

enum method {
	PATCH,       /* a 0xCC in the guest's page, put back for one step */
	SHADOW,      /* a 0xCC in a copy, a fast step in view 0 */
	OVER,        /* a page that cannot be written to, a fast step over the write */
	OVER_SLOWLY, /* the same with a single step */
	OVER_NARROW, /* vmt_step_over() where there are no fast steps */
	EMULATE,     /* the write is emulated */
	METHODS
};

static const char *const names[] = {"patch",       "shadow",      "step over",
				    "step slowly", "step narrow", "emulate"};

static struct plan {
	enum method method;
	uint32_t reads; /* at each callback */
	uint64_t seed;  /* of where */
	bool writes;    /* to SCRATCH */
} plan;

/** What one read gave. */
struct served {
	uint64_t place; /* which callback: the same in each run of the handler */
	uint64_t rip;
	uint32_t number; /* of the read in it */
	int result;
	uint64_t at, len;
	uint8_t *bytes; /* of a read that went well */
	unsigned from;  /* enum vmt_provenance, the weakest */
	bool virtual;
};

struct served_list {
	struct served *v;
	size_t n, cap;
};

static struct served_list *served; /* where the reads go; NULL: nowhere */
static struct vmt_driver *replayed_by;
static struct vmt_step_over *over;
static uint8_t before;
static vmt_view view;
static uint64_t seen[64][4]; /* how often each place was come to: by rip and vCPU */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void count_reads(uint64_t reads[VMT_PROVENANCE_COUNT])
{
	struct vmt_replay_report report = {0};

	if (replayed_by)
		vmt_replay_report(replayed_by, &report);
	memcpy(reads, report.reads, sizeof(report.reads));
}

/** The weakest provenance that was served since @old. */
static unsigned weakest_since(const uint64_t old[VMT_PROVENANCE_COUNT])
{
	uint64_t now[VMT_PROVENANCE_COUNT];
	unsigned n = VMT_PROVENANCE_COUNT - 1;

	count_reads(now);
	while (n > 0 && now[n] == old[n])
		n--;
	return n;
}

static void keep(const struct served *one)
{
	if (!served)
		return;
	if (served->n == served->cap) {
		served->cap = served->cap ? served->cap * 2 : 1024;
		served->v = realloc(served->v, served->cap * sizeof(*one));
		assert_non_null(served->v);
	}
	served->v[served->n++] = *one;
}

static uint8_t *copy(const uint8_t *bytes_, size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	memcpy(p, bytes_, len);
	return p;
}

static void forget(struct served_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].bytes);
	free(list->v);
}

/** Read at random. @place tells this callback from all others, whatever the run. */
static void read_around(struct vmt_session *s, struct vmt_space space, uint64_t place, uint64_t rip)
{
	static uint8_t buf[2 * VMT_PAGE_SIZE];

	for (uint32_t i = 0; i < plan.reads; i++) {
		uint64_t x = mix(plan.seed ^ mix(place * 64 + i));
		struct served one = {.place = place, .rip = rip, .number = i};
		uint64_t old[VMT_PROVENANCE_COUNT];

		/* Most of them where something happens; some beyond the end of RAM. */
		one.at = x % 4 ? DATA - 0x800 + (x >> 8) % 0x3800 : (x >> 8) % (PAGES << 12);
		if (x % 64 == 1)
			one.at = (PAGES << 12) - 8 + (x >> 8) % 16;
		one.len = x % 8 == 3 ? 1 + (x >> 40) % sizeof(buf) : 1 + (x >> 40) % 64;
		one.virtual = (x >> 7) % 4 == 0;
		count_reads(old);
		vmt_flush(s);
		one.result = vmt_read(s, one.virtual ? space : VMT_PHYS, one.at, buf, one.len);
		one.from = weakest_since(old);
		if (served && one.result >= 0)
			one.bytes = copy(buf, one.len);
		keep(&one);
	}
}

static int place_breakpoint(struct vmt_session *s)
{
	uint8_t page[VMT_PAGE_SIZE];
	vmt_gfn to = VMT_GFN_ANY;

	if (vmt_monitor(s, VMT_MONITOR_BREAKPOINT) < 0 ||
	    vmt_monitor(s, VMT_MONITOR_SINGLESTEP) < 0)
		return -1;
	if (plan.method == PATCH)
		return vmt_read_u8(s, VMT_PHYS, BREAK, &before) < 0 ||
				       vmt_write_u8(s, VMT_PHYS, BREAK, 0xcc) < 0
			       ? -1
			       : 0;
	if (vmt_view_create(s, vmt_access_from(VMT_RWX), &view) < 0 || vmt_alloc_gfn(s, &to) < 0 ||
	    vmt_read(s, VMT_PHYS, BREAK & ~UINT64_C(0xfff), page, sizeof(page)) < 0)
		return -1;
	page[BREAK & VMT_PAGE_MASK] = 0xcc;
	if (vmt_write(s, VMT_PHYS, vmt_gpa_of(to).a, page, sizeof(page)) < 0 ||
	    vmt_view_remap(s, view, vmt_gfn_from(BREAK >> 12), to) < 0)
		return -1;
	return vmt_view_switch(s, view);
}

static int protect_page(struct vmt_session *s)
{
	const vmt_gfn gfn = vmt_gfn_from(DATA >> 12);

	view = 0;
	if (plan.method == EMULATE)
		return vmt_set_access(s, 0, gfn, vmt_access_from(VMT_RX));
	if (vmt_view_create(s, vmt_access_from(VMT_RWX), &view) < 0 ||
	    vmt_step_over_create(s, 0, &over) < 0 ||
	    vmt_set_access(s, view, gfn, vmt_access_from(VMT_RX)) < 0)
		return -1;
	return vmt_view_switch(s, view);
}

static int create(struct vmt_session *s, void **self)
{
	*self = NULL;
	over = NULL;
	memset(seen, 0, sizeof(seen));
	if (vmt_monitor(s, VMT_MONITOR_CPUID) < 0 ||
	    (plan.method <= SHADOW ? place_breakpoint(s) : protect_page(s)) < 0)
		return -VMT_E_HANDLER;
	read_around(s, VMT_PHYS, 0, 0);
	return 0;
}

static struct vmt_response at_breakpoint(struct vmt_session *s)
{
	if (plan.method == SHADOW)
		return vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	(void)vmt_write_u8(s, VMT_PHYS, BREAK, before);
	return vmt_respond(VMT_SINGLESTEP);
}

static struct vmt_response respond(struct vmt_session *s, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return ev->reason == VMT_EVENT_CPUID ? vmt_skip(ctx) : vmt_respond(VMT_CONTINUE);
	switch (ev->reason) {
	case VMT_EVENT_CPUID:
		return vmt_skip(ctx);
	case VMT_EVENT_INTERRUPT:
		return at_breakpoint(s);
	case VMT_EVENT_SINGLESTEP:
		(void)vmt_write_u8(s, VMT_PHYS, BREAK, 0xcc);
		return vmt_respond(VMT_CONTINUE);
	case VMT_EVENT_MEMORY_ACCESS:
		if (plan.method == EMULATE)
			return vmt_respond(VMT_EMULATE);
		return plan.method == OVER_SLOWLY ? vmt_step_over_slowly(over, ctx)
						  : vmt_step_over(over, ctx);
	default:
		return vmt_respond(VMT_CONTINUE);
	}
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	uint64_t rip = ev->regs.gprs.rip;
	uint64_t *times = &seen[(rip >> 4) % 64][ev->vcpu % 4];
	struct vmt_response rsp;

	(void)self;
	if (over && vmt_step_over_event(over, ctx, &rsp))
		return rsp;
	if (ev->reason != VMT_EVENT_SINGLESTEP) {
		uint64_t place = (((*times)++ * 4 + ev->vcpu) << 32) + rip;

		if (plan.writes && vmt_phase_of(ctx) == VMT_PHASE_LOOP)
			(void)vmt_write_u64(s, VMT_PHYS, SCRATCH + mix(place) % 4000, place);
		read_around(s, vmt_space_of(ctx), place, rip);
	}
	return respond(s, ctx);
}

static void destroy(void *self)
{
	(void)self;
	vmt_step_over_destroy(over);
	over = NULL;
}

static const struct vmt_handler_ops curious = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(curious),
	.name = "curious",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
	.destroy = destroy,
};

/* -------------------------------------------------------------------------------------------- */
/* The guest                                                                                    */
/* -------------------------------------------------------------------------------------------- */

#define STEPS 120u

static struct vmt_step steps[STEPS];
static uint8_t bytes[STEPS][8];

/** Each vCPU has code of its own; they write to the same pages. */
static void make_guest(uint64_t seed, uint16_t vcpus)
{
	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t x = mix(seed * 1000 + i);
		uint16_t v = (uint16_t)(i % vcpus);
		uint64_t at = 0x2000 + v * UINT64_C(0x1000);
		uint64_t to = (x & 16 ? DATA : OTHER) + (x >> 20) % 4088;

		memcpy(bytes[i], &x, 8);
		switch (x % 8) {
		case 0:
			steps[i] = (struct vmt_step)VMT_INSN_CPUID(v, at + 0x20, 1, 0);
			break;
		case 1:
		case 2:
			steps[i] = (struct vmt_step)VMT_INSN_NOP(v, BREAK);
			break;
		case 3:
			steps[i] = (struct vmt_step)VMT_WORLD_POKE(to, bytes[i], 8);
			break;
		default:
			steps[i] = (struct vmt_step)VMT_INSN_WRITE(v, at + 0x40 + (x % 4) * 16, to,
								   bytes[i], 8);
			break;
		}
	}
}

static void prepare(struct vmt_driver **d)
{
	uint64_t x = 1;

	for (uint64_t at = 0x6000; at < 0xc000; at += 8) {
		x = mix(x + at);
		vmt_assert_ok(vmt_scripted_write(*d, vmt_gpa_from(at), &x, 8), NULL);
	}
	if (plan.method == OVER_NARROW)
		*d = narrow(*d, VMT_CAP_FAST_SINGLESTEP);
}

static struct world world_of(uint16_t vcpus, uint8_t capture)
{
	return (struct world){
		.config = {.vcpus = vcpus, .paging = VMT_PAGING_4, .pages = PAGES},
		.steps = steps,
		.nsteps = STEPS,
		.prepare = prepare,
		.capture = capture,
	};
}

/* -------------------------------------------------------------------------------------------- */
/* Comparing                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void replay_curiously(struct place *p, const struct vmt_replay_config *config,
			     struct vmt_replay_report *report)
{
	struct vmt_session_config session;
	struct vmt_observer *observers[1];
	struct vmt_driver *d;
	struct vmt_session *s;
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_replay_create(p->trace, config, &d, &err), &err);
	vmt_assert_ok(vmt_replay_session_config(d, &curious, &session), &err);
	observers[0] = vmt_replay_observer(d);
	session.observers = observers;
	session.nobservers = 1;
	vmt_assert_ok(vmt_session_create(&session, &s, &err), &err);
	vmt_replay_set_session(d, s);
	replayed_by = d;
	vmt_session_run(s, NULL);
	replayed_by = NULL;
	vmt_session_destroy(s);
	vmt_replay_report(d, report);
	vmt_driver_close(d);
}

struct tally {
	size_t equal, missing, guessed; /* reads */
	size_t whole;                   /* runs that came to the end */
};

static uint64_t differs(const struct served *a, const struct served *b)
{
	uint64_t at = 0;

	while (at < a->len && a->bytes[at] == b->bytes[at])
		at++;
	return at;
}

static void fail_read(const char *what, const struct served *a, const struct served *b, uint64_t at)
{
	fail_msg("%s: at rip %#llx (place %#llx), read %u, %s %#llx, %llu bytes: %d, in truth %d; "
		 "at %#llx %02x, in truth %02x (%s)",
		 what, (unsigned long long)b->rip, (unsigned long long)b->place, b->number,
		 b->virtual ? "gva" : "gpa", (unsigned long long)b->at, (unsigned long long)b->len,
		 b->result, a->result, (unsigned long long)(b->at + at),
		 b->bytes ? b->bytes[at] : 0, a->bytes ? a->bytes[at] : 0,
		 vmt_provenance_name(b->from));
}

/** The handler comes to the same places in the same order, as far as the replay goes. */
static void compare(const struct served_list *truth, const struct served_list *replayed,
		    const char *what, struct tally *tally)
{
	for (size_t i = 0; i < replayed->n; i++) {
		const struct served *b = &replayed->v[i];
		const struct served *a = &truth->v[i];
		uint64_t at;

		if (i >= truth->n || a->place != b->place) {
			fail_msg("%s: it comes to place %#llx, in truth to %#llx", what,
				 (unsigned long long)b->place,
				 i < truth->n ? (unsigned long long)a->place : 0);
			return;
		}
		if (b->result == -VMT_E_NOT_RECORDED)
			tally->missing++;
		else if (b->from == VMT_FROM_STALE || b->from == VMT_FROM_FUTURE)
			tally->guessed++;
		else if (a->result != b->result)
			fail_read(what, a, b, 0);
		else if (a->bytes && (at = differs(a, b)) < a->len)
			fail_read(what, a, b, at);
		else
			tally->equal++;
	}
}

/** @now replayed over a recording of @old, held against @now on the domain. */
static void hold_against_truth(struct place *p, const struct plan *old, const struct plan *now,
			       const struct world *world, const struct vmt_replay_config *config,
			       struct tally *tally)
{
	struct served_list truth = {0};
	struct served_list replayed = {0};
	struct vmt_replay_report report;
	struct vmt_collector *collector;
	struct vmt_error err = {0};
	char what[256];

	(void)snprintf(what, sizeof(what),
		       "%s recorded, %s replayed; %u vCPUs, policy %u, match %u, missing %u",
		       names[old->method], names[now->method], world->config.vcpus, world->capture,
		       config->match, config->missing);
	plan = *old;
	served = NULL;
	record(p, world, &curious);
	plan = *now;
	served = &truth;
	vmt_assert_ok(vmt_collector_create(&collector, &err), &err);
	live(world, &curious, collector);
	vmt_collector_destroy(collector);
	served = &replayed;
	replay_curiously(p, config, &report);
	served = NULL;
	compare(&truth, &replayed, what, tally);
	if (report.stop == VMT_STOPPED_AT_END)
		assert_int_equal(replayed.n, truth.n);
	tally->whole += report.stop == VMT_STOPPED_AT_END;
	forget(&truth);
	forget(&replayed);
}

/** All matches and answers to misses, with both policies. */
static void in_all_ways(struct place *p, const struct plan *old, const struct plan *now,
			uint16_t vcpus, struct tally *tally)
{
	for (unsigned i = 0; i < 8; i++) {
		struct world world = world_of(vcpus, i & 1 ? VMT_CAPTURE_PAGES : VMT_CAPTURE_READS);
		struct vmt_replay_config config = {
			.match = i & 2 ? VMT_REPLAY_STRICT : VMT_REPLAY_MODEL,
			.missing = i & 4 ? VMT_REPLAY_STALE : VMT_REPLAY_ERROR,
		};

		hold_against_truth(p, old, now, &world, &config, tally);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Tests                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void read_at_random(struct place *p, uint16_t vcpus)
{
	for (enum method m = 0; m < METHODS; m++) {
		struct plan old = {.method = m, .reads = 4, .seed = 7};
		struct plan now = {.method = m, .reads = READS, .seed = 8};
		struct tally tally = {0};

		make_guest(m + 1, vcpus);
		in_all_ways(p, &old, &now, vcpus, &tally);
		print_message("# %s, %u vCPUs: %zu equal, %zu missing, %zu guessed\n", names[m],
			      vcpus, tally.equal, tally.missing, tally.guessed);
		assert_int_equal(tally.whole, 8);
		assert_true(tally.equal > 1000);
		assert_true(tally.missing > 0);
		assert_true(tally.guessed > 0);
	}
}

static void reads_at_random_are_served_the_truth_with_one_vcpu(void **state)
{
	read_at_random(*state, 1);
}

static void reads_at_random_are_served_the_truth_with_four_vcpus(void **state)
{
	read_at_random(*state, 4);
}

/** Its own bytes stand where it wrote them, until the guest writes there. */
static void own_bytes_are_served_as_they_would_stand_there(void **state)
{
	for (enum method m = 0; m < METHODS; m++) {
		struct plan old = {.method = m, .reads = 4, .seed = 17};
		struct plan now = {.method = m, .reads = READS, .seed = 18, .writes = true};
		struct tally tally = {0};

		make_guest(m + 10, 1);
		in_all_ways(*state, &old, &now, 1, &tally);
		assert_int_equal(tally.whole, 8);
		assert_true(tally.equal > 1000);
	}
}

/** The recorded handler's own bytes do not show, wherever it wrote them. */
static void bytes_of_the_recorded_handler_do_not_show(void **state)
{
	for (enum method m = 0; m < METHODS; m++) {
		struct plan old = {.method = m, .reads = READS, .seed = 28, .writes = true};
		struct plan now = {.method = m, .reads = READS, .seed = 27};
		struct tally tally = {0};

		make_guest(m + 20, 1);
		in_all_ways(*state, &old, &now, 1, &tally);
		assert_int_equal(tally.whole, 8);
		assert_true(tally.equal > 1000);
	}
}

/** Another way to the same breakpoint: the bytes are the guest's, whatever was written for it. */
static void another_method_is_served_the_truth(void **state)
{
	/* From a method with more events of its own to one with fewer: the others are blind. */
	static const enum method pairs[][2] = {{PATCH, SHADOW},
					       {OVER_SLOWLY, OVER},
					       {OVER_SLOWLY, EMULATE},
					       {OVER, EMULATE},
					       {EMULATE, OVER}};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct plan old = {.method = pairs[i][0], .reads = 6, .seed = 37};
		struct plan now = {.method = pairs[i][1], .reads = READS, .seed = 38};
		struct tally tally = {0};

		make_guest(i + 30, 1);
		in_all_ways(*state, &old, &now, 1, &tally);
		/* With the policy `reads`, a page that it copies may not be there. */
		assert_true(tally.whole >= 4);
		assert_true(tally.equal > 1000);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_at_random_are_served_the_truth_with_one_vcpu),
		TEST(reads_at_random_are_served_the_truth_with_four_vcpus),
		TEST(own_bytes_are_served_as_they_would_stand_there),
		TEST(bytes_of_the_recorded_handler_do_not_show),
		TEST(another_method_is_served_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
