/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run in a child process: a crash, a hang, an exit() or too much memory ends the child alone.
 *
 * The child reports through shared memory. When it is done it says so and waits to be killed: it
 * never leaves by itself, so a child that leaves is a handler that called exit(), and nothing that
 * this process had prepared for its own end runs twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "replay-private.h"
#include "run.h"

#define TICK_MS 20
#define MIB     (UINT64_C(1) << 20)

struct child {
	const struct vmt_replay_run *run;
	struct vmt_replay_progress *shared;
	pid_t pid;
	int pipe[2];
	uint64_t hang_ns, memory;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* -------------------------------------------------------------------------------------------- */
/* In the child                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/** The kernel refuses memory beyond the limit. Sanitizers need more for themselves: not with them. */
static void limit_memory(uint64_t bytes)
{
#if !defined(__SANITIZE_ADDRESS__)
	struct rlimit limit = {bytes, bytes};

	setrlimit(RLIMIT_DATA, &limit);
#else
	(void)bytes;
#endif
}

static void be_child(struct child *c)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close(c->pipe[0]);
	limit_memory(c->memory);
	c->shared->result = vmt_replay_run_here(c->run, c->shared);
	atomic_store(&c->shared->done, true);
	if (write(c->pipe[1], "", 1) < 0)
		close(c->pipe[1]); /* the parent sees that, too */
	for (;;)
		pause();
}

/* -------------------------------------------------------------------------------------------- */
/* In the parent                                                                                */
/* -------------------------------------------------------------------------------------------- */

/** Memory in use by the child, bytes; 0: not known. */
static uint64_t memory_of(pid_t pid)
{
	unsigned long long pages = 0;
	char path[64];
	char buf[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	/* the second number: resident pages */
	pages = strtoull(buf + strcspn(buf, " "), NULL, 10);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/** Watch the child until it is done, gone or over a limit. Returns enum vmt_replay_stop. */
static enum vmt_replay_stop watch(struct child *c)
{
	struct pollfd fd = {.fd = c->pipe[0], .events = POLLIN};
	uint64_t beats = 0;
	uint64_t since = now_ns();

	for (;;) {
		int r = poll(&fd, 1, TICK_MS);
		uint64_t beat = atomic_load(&c->shared->beats);

		if (r > 0 || (r < 0 && errno != EINTR))
			return VMT_STOPPED_AT_END;
		if (beat != beats || !atomic_load(&c->shared->in_callback)) {
			beats = beat;
			since = now_ns();
		}
		if (now_ns() - since > c->hang_ns)
			return VMT_STOPPED_HUNG;
		if (memory_of(c->pid) > c->memory)
			return VMT_STOPPED_MEMORY;
	}
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/** How a child that did not say that it is done has ended. */
static void how_it_ended(struct vmt_replay_report *report, int status)
{
	if (status >= 0 && WIFEXITED(status)) {
		report->stop = VMT_STOPPED_LEFT;
		report->exited = WEXITSTATUS(status);
	} else {
		report->stop = VMT_STOPPED_CRASHED;
		report->signal = status >= 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	}
}

static int finish(struct child *c, enum vmt_replay_stop stop, struct vmt_replay_report *report,
		  struct vmt_error *err)
{
	bool done = atomic_load(&c->shared->done);
	int status;

	/* Killed while it waits, or for what it did; the group is what the handler has started. */
	if (done || stop != VMT_STOPPED_AT_END)
		kill(c->pid, SIGKILL);
	status = wait_for(c->pid);
	kill(-c->pid, SIGKILL);
	*report = c->shared->report;
	if (done) {
		if (c->shared->result < 0 && err)
			*err = c->shared->err;
		return c->shared->result;
	}
	report->stop = (uint32_t)stop;
	if (stop == VMT_STOPPED_AT_END)
		how_it_ended(report, status);
	snprintf(report->trace, sizeof(report->trace), "%s", c->run->trace);
	vmt_report_judge(report, true);
	return 0;
}

static int fail(struct child *c, struct vmt_error *err, const char *what)
{
	int number = errno;

	munmap(c->shared, sizeof(*c->shared));
	if (c->pipe[0] >= 0) {
		close(c->pipe[0]);
		close(c->pipe[1]);
	}
	return vmt_error_set_errno(err, VMT_E_IO, number, "replay", "%s", what);
}

int vmt_replay_run_isolated(const struct vmt_replay_run *run, struct vmt_replay_report *report,
			    struct vmt_error *err)
{
	struct child c = {.run = run, .pipe = {-1, -1}};
	enum vmt_replay_stop stop;
	int r;

	c.hang_ns = (uint64_t)(run->hang_ms ? run->hang_ms : VMT_REPLAY_HANG_MS) * 1000000;
	c.memory = (uint64_t)(run->memory_mb ? run->memory_mb : VMT_REPLAY_MEMORY_MB) * MIB;
	c.shared = mmap(NULL, sizeof(*c.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (c.shared == MAP_FAILED)
		return vmt_error_set_errno(err, VMT_E_NO_MEMORY, errno, "replay",
					   "no memory to share with the handler's process");
	c.shared->report.last_callback = VMT_REPLAY_NONE;
	c.shared->report.last_event = VMT_REPLAY_NONE;
	c.shared->report.first.callback = VMT_REPLAY_NONE;
	if (pipe2(c.pipe, O_CLOEXEC) < 0)
		return fail(&c, err, "no pipe to the handler's process");
	c.pid = fork();
	if (c.pid < 0)
		return fail(&c, err, "no process for the handler");
	if (c.pid == 0)
		be_child(&c);
	setpgid(c.pid, c.pid);
	close(c.pipe[1]);
	stop = watch(&c);
	r = finish(&c, stop, report, err);
	close(c.pipe[0]);
	munmap(c.shared, sizeof(*c.shared));
	return r;
}
