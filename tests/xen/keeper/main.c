/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * killer DOMID WHO ROUNDS SEED: kills vmirec (WHO: session, keeper or both) at random moments while its
 * handler, shaker, has breakpoints, views, rights and steps in the demo guest, and looks afterwards
 * whether the guest is as it was. Prints TAP. To be run where vmirec, vmitrace and shaker.so are.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <xenctrl.h>
#include <xenforeignmemory.h>
#pragma GCC diagnostic pop

#include "fixtures/guests/demo/status.h"

#define BIT(n)     (UINT64_C(1) << (n))
#define PAGE       4096u
#define FIRST_TEXT UINT64_C(0x100)
#define NTEXT      8u
#define WAIT_MS    20000

static xc_interface *xch;
static xenforeignmemory_handle *memory;
static uint32_t domid;
static unsigned vcpus;
static volatile struct demo_status *status;
static uint8_t text[NTEXT + 2][PAGE]; /* the kernel's, scene exec's and scene user's */
static char why[512];

static void nap(int ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *format, ...)
{
	size_t used = strlen(why);
	va_list ap;

	if (used + 3 > sizeof(why))
		return;
	if (used > 0)
		used += (size_t)snprintf(why + used, sizeof(why) - used, "; ");
	va_start(ap, format);
	(void)vsnprintf(why + used, sizeof(why) - used, format, ap);
	va_end(ap);
}

/* -------------------------------------------------------------------------------------------- */
/* The guest                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void *map(uint64_t gfn, int protection)
{
	xen_pfn_t frame = gfn;
	int error = 0;
	void *page = xenforeignmemory_map(memory, domid, protection, 1, &frame, &error);

	return error ? NULL : page;
}

static uint64_t gfn_of(unsigned n)
{
	return n < NTEXT ? FIRST_TEXT + n : n == NTEXT ? DEMO_GFN_EXEC : DEMO_GFN_USER;
}

/* Compares with the first time; remembers at the first. */
static void look_at_text(bool first)
{
	for (unsigned n = 0; n < NTEXT + 2; n++) {
		void *page = map(gfn_of(n), PROT_READ);

		if (!page) {
			wrong("gfn %#lx cannot be mapped", (unsigned long)gfn_of(n));
			continue;
		}
		if (first)
			memcpy(text[n], page, PAGE);
		else if (memcmp(text[n], page, PAGE) != 0)
			wrong("bytes of gfn %#lx are not the guest's own",
			      (unsigned long)gfn_of(n));
		xenforeignmemory_unmap(memory, page, 1);
	}
}

static bool goes_on(void)
{
	uint64_t before[DEMO_VCPUS];

	for (unsigned i = 0; i < vcpus; i++)
		before[i] = status->vcpu[i].round;
	for (int turn = 0; turn < 400; turn++) {
		bool all = true;

		nap(5);
		for (unsigned i = 0; i < vcpus; i++)
			all = all && status->vcpu[i].round > before[i] + 2;
		if (all)
			return true;
	}
	return false;
}

static uint64_t errors(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < vcpus; i++)
		n += status->vcpu[i].errors;
	return n;
}

static void check_guest(uint64_t errors_before)
{
	xc_domaininfo_t info;
	bool altp2m = true;

	if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 || info.domain != domid)
		wrong("the domain is no more");
	else if (info.flags & (XEN_DOMINF_paused | XEN_DOMINF_shutdown | XEN_DOMINF_dying))
		wrong("the domain is paused or dead: flags %#x", info.flags);
	if (!goes_on())
		wrong("the guest does not go on");
	if (errors() != errors_before)
		wrong("%lu self-checks of the guest failed, in scene %lu: %#lx, not %#lx",
		      (unsigned long)(errors() - errors_before),
		      (unsigned long)status->vcpu[0].first_error_scene - 1,
		      (unsigned long)status->vcpu[0].first_error_seen,
		      (unsigned long)status->vcpu[0].first_error_wanted);
	if (xc_altp2m_get_domain_state(xch, domid, &altp2m) < 0 || altp2m)
		wrong("altp2m is on");
	look_at_text(false);
}

/* -------------------------------------------------------------------------------------------- */
/* Programs                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static pid_t start(const char *const *words)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stdout);
		execvp(words[0], (char *const *)words);
		_exit(127);
	}
	return pid;
}

/* The status, or -1: killed; -2: it does not end. */
static int await(pid_t pid)
{
	int st = 0;

	for (int ms = 0; ms < WAIT_MS; ms += 5) {
		if (waitpid(pid, &st, WNOHANG) == pid)
			return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
		nap(5);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	return -2;
}

static pid_t keeper_pid(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		char path[300], name[32] = "";
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && strcmp(name, "vmirec-keeper\n") == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		(void)fclose(f);
	}
	if (proc)
		closedir(proc);
	return found;
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void await_keeper(void)
{
	for (int ms = 0; ms < WAIT_MS; ms += 5) {
		reap();
		if (!keeper_pid())
			return;
		nap(5);
	}
	wrong("the keeper does not end");
}

static void run(const char *const *words, int wanted)
{
	int got = await(start(words));

	if (got != wanted)
		wrong("%s %s: status %d", words[0], words[1], got);
}

/* 0: it is whole; 3: it ended before its end, which is all that may be wrong. */
static void check_trace(const char *name)
{
	char partial[64];
	const char *words[] = {"vmitrace", "check", name, NULL};
	int got;

	(void)snprintf(partial, sizeof(partial), "%s.partial", name);
	if (access(name, F_OK) < 0)
		words[2] = partial;
	if (access(words[2], F_OK) < 0)
		return; /* it was killed before it had a file */
	got = await(start(words));
	if (got != 0 && got != 3)
		wrong("vmitrace check %s: status %d", words[2], got);
	unlink(words[2]);
}

/* -------------------------------------------------------------------------------------------- */
/* One kill                                                                                     */
/* -------------------------------------------------------------------------------------------- */

struct trial {
	const char *who; /* "session", "keeper", "both" */
	const char *domain;
	unsigned seed;
};

/* Half of them while it attaches, which takes about so long on an emulated machine. */
static int moment(struct trial *t)
{
	return (int)((unsigned)rand_r(&t->seed) % (rand_r(&t->seed) % 2 ? 150 : 1000));
}

/* A keeper to be killed must be there. */
static void await_start(const struct trial *t)
{
	for (int ms = 0; ms < WAIT_MS && strcmp(t->who, "session") != 0; ms += 2) {
		if (keeper_pid())
			return;
		nap(2);
	}
}

static void kill_them(struct trial *t, pid_t session)
{
	pid_t keeper = strcmp(t->who, "session") != 0 ? keeper_pid() : 0;
	bool keeper_first = rand_r(&t->seed) % 2;

	if (keeper > 0 && keeper_first)
		kill(keeper, SIGKILL);
	if (strcmp(t->who, "keeper") != 0)
		kill(session, SIGKILL);
	if (keeper > 0 && !keeper_first)
		kill(keeper, SIGKILL);
}

static int round_of(struct trial *t)
{
	const char *both = strcmp(t->who, "both") == 0 ? "gentle=yes" : "gentle=no";
	const char *record[] = {"vmirec",      "-q", "-b", "xen", "-d",       t->domain, "-H",
				"./shaker.so", "-O", both, "-o",  "kill.vmt", "-f",      NULL};
	const char *again[] = {"vmirec", "-q",   "-b", "xen",       "-d", t->domain,
			       "-H",     "tiny", "-o", "again.vmt", "-f", NULL};
	const char *rescue[] = {"vmirec", "rescue", "-q", t->domain, NULL};
	uint64_t errors_before = errors();
	int ms = moment(t);
	pid_t session = start(record);
	int got;

	await_start(t);
	nap(ms);
	kill_them(t, session);
	got = await(session);
	/* a session without its keeper ends by itself, with a sentence; or it had not begun */
	if (strcmp(t->who, "keeper") == 0 ? got < 0 || got == 5 : got != -1)
		wrong("vmirec: status %d", got);
	await_keeper();
	if (strcmp(t->who, "both") == 0)
		run(rescue, 0);
	check_guest(errors_before);
	check_trace("kill.vmt");
	run(again, 0);
	check_guest(errors_before);
	return ms;
}

/* -------------------------------------------------------------------------------------------- */
/* All                                                                                          */
/* -------------------------------------------------------------------------------------------- */

static bool open_domain(const char *id)
{
	xc_domaininfo_t info;

	domid = (uint32_t)strtoul(id, NULL, 10);
	xch = xc_interface_open(NULL, NULL, 0);
	memory = xenforeignmemory_open(NULL, 0);
	if (!xch || !memory || xc_domain_getinfolist(xch, domid, 1, &info) != 1)
		return false;
	vcpus = info.max_vcpu_id + 1 > DEMO_VCPUS ? DEMO_VCPUS : info.max_vcpu_id + 1;
	status = map(DEMO_GFN_STATUS, PROT_READ | PROT_WRITE);
	for (int turn = 0; status && turn < 400; turn++) {
		if (status->magic == DEMO_MAGIC && status->vcpu[0].round > 3) {
			if (vcpus > 1)
				status->scenes |= BIT(DEMO_SMP); /* starts the second one */
			return goes_on();
		}
		nap(10);
	}
	return false;
}

int main(int argc, char **argv)
{
	struct trial t;
	int failures = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: killer DOMID session|keeper|both ROUNDS SEED\n");
		return 2;
	}
	t.domain = argv[1];
	t.who = argv[2];
	t.seed = (unsigned)strtoul(argv[4], NULL, 10);
	if (!open_domain(argv[1])) {
		printf("Bail out! the domain does not run the demo guest\n");
		return 1;
	}
	if (strcmp(t.who, "both") == 0)
		status->scenes &= ~BIT(DEMO_INT3); /* see README.md */
	goes_on();
	look_at_text(true);
	for (long n = 1; n <= strtol(argv[3], NULL, 10); n++) {
		unsigned seed = t.seed;
		int ms;

		why[0] = 0;
		ms = round_of(&t);
		printf("%sok %ld - %s killed after %d ms (seed %u, %u vCPUs)\n",
		       why[0] ? "not " : "", n, t.who, ms, seed, vcpus);
		if (why[0])
			printf("# %s\n", why);
		(void)fflush(stdout);
		failures += why[0] != 0;
	}
	return failures != 0;
}
