/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The demo kernel on the emulated domain: events and instructions per second, memory per domain.
 *
 *     bench-emulated DEMO.ELF
 *
 * The kernel runs unwatched, under monitors of all kinds, and with its pages watched too, stepped over
 * in a second view. Best of 5, for time is noisy.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmitape/emulated.h>

#define TRIES   5u
#define DOMAINS 16u

enum watching { NOTHING, MONITORS, PAGES };

struct figures {
	double seconds;
	uint64_t events, instructions;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/** The second number of /proc/self/statm is in pages. */
static long resident_kib(void)
{
	char text[128] = "";
	FILE *f = fopen("/proc/self/statm", "r");
	char *second;

	if (!f)
		return 0;
	second = fgets(text, sizeof(text), f) ? strchr(text, ' ') : NULL;
	(void)fclose(f);
	return second ? strtol(second, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024) : 0;
}

static int fail(const struct vmt_error *err)
{
	fprintf(stderr, "emulated: %s: %s\n", err->place, err->text);
	return -1;
}

static int open_demo(const char *kernel, const char *command_line, struct vmt_driver **d)
{
	const struct vmt_emulated_config config = {.guest = kernel, .command_line = command_line};
	struct vmt_error err = {0};

	return vmt_emulated_open(&config, d, &err) < 0 ? fail(&err) : 0;
}

/** Watch all that the scenes do; with @pages, the pages that they do it on. */
static int watch(struct vmt_driver *d, bool pages)
{
	static const struct vmt_monitor monitors[] = {
		{.kind = VMT_MONITOR_CR, .what = VMT_CR0},
		{.kind = VMT_MONITOR_CR, .what = VMT_CR3},
		{.kind = VMT_MONITOR_CR, .what = VMT_CR4},
		{.kind = VMT_MONITOR_MSR, .what = VMT_MSR_LSTAR},
		{.kind = VMT_MONITOR_MSR, .what = VMT_MSR_SYSENTER_EIP},
		{.kind = VMT_MONITOR_BREAKPOINT},
		{.kind = VMT_MONITOR_HYPERCALL},
		{.kind = VMT_MONITOR_CPUID},
		{.kind = VMT_MONITOR_DESCRIPTOR},
		{.kind = VMT_MONITOR_SINGLESTEP},
	};
	const struct vmt_access none = vmt_access_from(0);
	vmt_view view;

	for (size_t i = 0; i < sizeof(monitors) / sizeof(monitors[0]); i++)
		if (vmt_driver_monitor(d, &monitors[i], true) < 0)
			return fail(&d->err);
	if (!pages)
		return 0;
	if (vmt_driver_create_view(d, vmt_access_from(VMT_RWX), &view) < 0 ||
	    vmt_driver_set_access(d, view, vmt_gfn_from(0x181), 7, none, NULL) < 0 ||
	    vmt_driver_switch_view(d, view) < 0)
		return fail(&d->err);
	return 0;
}

/** As a handler that only lets the guest go on. */
static int answer(struct vmt_driver *d, struct vmt_event *ev)
{
	struct vmt_response rsp = vmt_respond(VMT_CONTINUE);

	if (ev->reason == VMT_EVENT_INTERRUPT)
		rsp = vmt_respond(VMT_REINJECT);
	if (ev->reason == VMT_EVENT_DESCRIPTOR)
		rsp = vmt_respond(VMT_EMULATE);
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS)
		rsp = vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	if (ev->reason == VMT_EVENT_CPUID) {
		ev->regs.gprs.rip += ev->u.cpuid.insn_length;
		rsp = vmt_with_regs(rsp, &ev->regs.gprs);
	}
	return vmt_driver_answer(d, ev, &rsp);
}

static int run_out(struct vmt_driver *d, struct figures *f)
{
	struct vmt_event ev;
	struct vmt_wait wait;
	double start = seconds();

	do {
		if (vmt_driver_wait(d, 100000, &wait) < 0)
			return fail(&d->err);
		while (vmt_driver_next(d, &ev) == 1) {
			f->events++;
			if (answer(d, &ev) < 0)
				return fail(&d->err);
		}
		if (vmt_driver_commit(d) < 0)
			return fail(&d->err);
	} while (wait.outcome == VMT_WAIT_EVENTS);
	f->seconds = seconds() - start;
	f->instructions = wait.now / 1000;
	return 0;
}

static int measure(const char *kernel, const char *command_line, enum watching watching,
		   struct figures *best)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct figures f = {0};
		struct vmt_driver *d;
		int r = open_demo(kernel, command_line, &d);

		if (r == 0 && watching != NOTHING)
			r = watch(d, watching == PAGES);
		if (r == 0)
			r = run_out(d, &f);
		if (r < 0)
			return r;
		vmt_driver_close(d);
		if (i == 0 || f.seconds < best->seconds)
			*best = f;
	}
	return 0;
}

static int print_speed(const char *name, const char *kernel, const char *command_line,
		       enum watching watching)
{
	struct figures f;

	if (measure(kernel, command_line, watching, &f) < 0)
		return -1;
	printf("%-34s %9.0f %12.0f %8.1f\n", name, (double)f.events / f.seconds,
	       (double)f.instructions / f.seconds,
	       f.events ? (double)f.instructions / (double)f.events : 0.0);
	return 0;
}

static int print_memory(const char *kernel)
{
	struct vmt_driver *domains[DOMAINS];
	long before = resident_kib();

	for (unsigned i = 0; i < DOMAINS; i++) {
		struct figures f = {0};

		if (open_demo(kernel, "rounds=20 pace=0", &domains[i]) < 0 ||
		    run_out(domains[i], &f) < 0)
			return -1;
	}
	printf("resident memory per domain: %ld KiB\n", (resident_kib() - before) / (long)DOMAINS);
	for (unsigned i = 0; i < DOMAINS; i++)
		vmt_driver_close(domains[i]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	printf("%-34s %9s %12s %8s\n", "demo kernel, emulated", "events/s", "insns/s", "insns/ev");
	if (print_speed("not watched", argv[1], "rounds=2000 pace=0", NOTHING) < 0 ||
	    print_speed("all scenes, monitors", argv[1], "rounds=2000 pace=0", MONITORS) < 0 ||
	    print_speed("all scenes, monitors and pages", argv[1], "rounds=1000 pace=0", PAGES) <
		    0 ||
	    print_speed("scenes cr3, cpuid", argv[1], "scenes=cr3,cpuid rounds=10000 pace=0",
			MONITORS) < 0 ||
	    print_memory(argv[1]) < 0)
		return 1;
	return 0;
}
