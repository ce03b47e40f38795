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

/**
 * The kernel refuses memory well beyond the limit, for a handler that is faster than whoever watches
 * it. Sanitizers need more for themselves: not with them.
 */
static void limit_memory(uint64_t bytes)
{
#if !defined(__SANITIZE_ADDRESS__)
	struct rlimit limit = {bytes + bytes / 4, bytes + bytes / 4};

	setrlimit(RLIMIT_DATA, &limit);
#else
	(void)bytes;
#endif
}

/** What a signal does is not what this process had made of it: a crash is to be one. */
static void plain_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void be_child(struct child *c)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	plain_signals();
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

/** It has ended. Its pipe may still be open, in processes that the handler has started. */
static bool is_gone(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
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

		if (r > 0 || (r < 0 && errno != EINTR) || is_gone(c->pid))
			return VMT_STOPPED_AT_END;
		if (beat != beats || !atomic_load(&c->shared->in_handler)) {
			beats = beat;
			since = now_ns();
		}
		if (now_ns() - since > c->hang_ns)
			return VMT_STOPPED_HUNG;
		if (memory_of(c->pid) > c->memory)
			return VMT_STOPPED_MEMORY;
	}
}

/** @peak: the most memory that it had, bytes. */
static int wait_for(pid_t pid, uint64_t *peak)
{
	struct rusage usage = {0};
	int status = 0;

	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -1;
	*peak = (uint64_t)usage.ru_maxrss * 1024;
	return status;
}

/** How a child that did not say that it is done has ended. */
static void how_it_ended(const struct child *c, struct vmt_replay_report *report, int status,
			 uint64_t peak)
{
	if (peak > c->memory) {
		report->stop = VMT_STOPPED_MEMORY; /* it was faster than whoever watches */
	} else if (status >= 0 && WIFEXITED(status)) {
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
	uint64_t peak = 0;
	int status;

	/* Killed while it waits, or for what it did; the group is what the handler has started. */
	if (done || stop != VMT_STOPPED_AT_END)
		kill(c->pid, SIGKILL);
	status = wait_for(c->pid, &peak);
	kill(-c->pid, SIGKILL);
	*report = c->shared->report;
	if (done) {
		if (c->shared->result < 0 && err)
			*err = c->shared->err;
		return c->shared->result;
	}
	report->stop = (uint32_t)stop;
	if (stop == VMT_STOPPED_AT_END)
		how_it_ended(c, report, status, peak);
	snprintf(report->trace, sizeof(report->trace), "%s", c->run->trace);
	/* Before the trace was open nothing is known of it; that it is whole cannot be missed. */
	vmt_report_judge(report, c->run->replay.allow_cut || !atomic_load(&c->shared->begun));
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
