/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper: a process beside the one that runs the session. It owns the trace's file, so that a
 * session that is killed or crashes loses no record and compression is not on its way; and it puts the
 * domain right when the session cannot.
 *
 * It is this program, executed anew: a fork could not use what the session has mapped. It is in
 * a session (setsid) of its own, so that what kills the one by its terminal or group spares the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmitape/xen.h>

#include "vmirec.h"

extern char **environ;

/* The keeper's descriptors. */
enum { KEEPER_SOCKET = 3, KEEPER_RING, KEEPER_SESSION, KEEPER_CRASH, KEEPER_FDS };

#define STEP_MS     20
#define FINISH_MS   10000
#define EMPTY_TRACE 64 /* bytes: no record is in it */

/* -------------------------------------------------------------------------------------------- */
/* Fatal signals                                                                                */
/* -------------------------------------------------------------------------------------------- */

static int crash_fd = -1, crash_peer = -1;

/*
 * The session does not run on. The keeper is told why, does what it does for a killed session, and ends;
 * so does this process, with the status of a failed handler. Only calls that a signal handler may make.
 */
static void on_crash(int number)
{
	static const char text[] = VMIREC ": the handler crashed; the domain is put right\n";
	uint64_t told = (uint64_t)number;
	struct pollfd peer = {.fd = crash_peer, .events = POLLIN};

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	if (write(crash_fd, &told, sizeof(told)) == sizeof(told))
		poll(&peer, 1, FINISH_MS);
	_exit(VMT_EXIT_HANDLER);
}

static void catch_crashes(const struct vmirec_keeper *k)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	static _Alignas(16) char stack[65536];
	const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = on_crash,
				   .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};

	crash_fd = k->crash;
	crash_peer = k->peer;
	sigemptyset(&action.sa_mask);
	sigaltstack(&other, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* Starting                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static int no_keeper(struct vmt_error *err, const char *what)
{
	return vmt_error_set_errno(err, VMT_E_IO, errno, "keeper",
				   "the process that writes the trace cannot be started: %s", what);
}

/* Above those that the keeper gets, so that moving one does not overwrite another. */
static int move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, KEEPER_FDS);

	if (up < 0)
		return -1;
	close(*fd);
	*fd = up;
	return 0;
}

static int spawn(int fds[KEEPER_FDS], const struct vmirec_values *v, pid_t *pid)
{
	char *const argv[] = {
		(char *)VMIREC,
		(char *)VMIREC_KEEPER_WORD,
		(char *)(v->backend == VMIREC_XEN ? "xen" : "none"),
		(char *)(v->replace ? "replace" : "new"),
		(char *)v->output,
		NULL,
	};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	for (int i = KEEPER_SOCKET; i < KEEPER_FDS; i++)
		posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	r = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = r;
	return r == 0 ? 0 : -1;
}

static int start(struct vmirec_keeper *k, const struct vmirec_values *v, int theirs[KEEPER_FDS],
		 struct vmt_error *err)
{
	int pair[2];
	pid_t pid;
	int r = vmt_trace_ring_create(0, &k->ring, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return no_keeper(err, "no socket");
	k->socket = pair[0];
	theirs[KEEPER_SOCKET] = pair[1];
	theirs[KEEPER_RING] = fcntl(k->ring, F_DUPFD_CLOEXEC, 0);
	theirs[KEEPER_SESSION] = pidfd_open(getpid(), 0);
	k->crash = eventfd(0, EFD_CLOEXEC);
	theirs[KEEPER_CRASH] = fcntl(k->crash, F_DUPFD_CLOEXEC, 0);
	for (int i = KEEPER_SOCKET; i < KEEPER_FDS; i++) {
		if (theirs[i] < 0 || move_up(&theirs[i]) < 0)
			return no_keeper(err, "no descriptor");
	}
	if (spawn(theirs, v, &pid) < 0)
		return no_keeper(err, "/proc/self/exe");
	k->peer = pidfd_open(pid, 0);
	return k->peer < 0 ? no_keeper(err, "no pidfd") : 0;
}

int vmirec_keeper_start(struct vmirec_keeper *k, const struct vmirec_values *v,
			struct vmt_trace_writer **writer, struct vmt_error *err)
{
	int theirs[KEEPER_FDS];
	int r;

	for (int i = 0; i < KEEPER_FDS; i++)
		theirs[i] = -1;
	r = start(k, v, theirs, err);
	for (int i = KEEPER_SOCKET; i < KEEPER_FDS; i++) {
		if (theirs[i] >= 0)
			close(theirs[i]);
	}
	if (r == 0)
		r = vmt_trace_writer_open_ring(k->ring, k->peer, writer, err);
	/* it answers once it has the trace's file */
	if (r == 0)
		r = vmt_trace_writer_flush(*writer, err);
	if (r == 0)
		catch_crashes(k);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vmirec_keeper_finish(struct vmirec_keeper *k)
{
	struct pollfd peer = {.fd = k->peer, .events = POLLIN};

	siginfo_t info;

	close_fd(&k->socket);
	if (k->peer >= 0 && poll(&peer, 1, FINISH_MS) > 0)
		waitid(P_PIDFD, (id_t)k->peer, &info, WEXITED);
	close_fd(&k->peer);
	close_fd(&k->ring);
}

/* -------------------------------------------------------------------------------------------- */
/* The keeper's own life                                                                        */
/* -------------------------------------------------------------------------------------------- */

struct keeper {
	const char *path;
	struct vmt_trace_sink *sink; /**< NULL: the trace is done, or failed */
	struct vmt_xen_keeper *xen;  /**< NULL: no domain to look after */
	bool talks;                  /**< the session has not closed its socket */
};

static void remove_empty(const struct keeper *k)
{
	char partial[4096];
	struct stat st;

	if (strcmp(k->path, "-") == 0 ||
	    snprintf(partial, sizeof(partial), "%s.partial", k->path) >= (int)sizeof(partial))
		return;
	if (stat(partial, &st) == 0 && st.st_size <= EMPTY_TRACE)
		unlink(partial);
}

static void drop_sink(struct keeper *k)
{
	vmt_trace_sink_destroy(k->sink);
	k->sink = NULL;
}

static int open_keeper(struct keeper *k, char **argv, struct vmt_error *err)
{
	const struct vmt_trace_writer_options o = {.replace = strcmp(argv[1], "replace") == 0};
	bool standard = strcmp(argv[2], "-") == 0;
	int r;

	k->path = argv[2];
	k->talks = true;
	r = vmt_trace_sink_attach(KEEPER_RING, standard ? NULL : k->path,
				  standard ? STDOUT_FILENO : -1, &o, &k->sink, err);
	if (r == 0 && strcmp(argv[0], "xen") == 0)
		(void)vmt_xen_keeper_create(KEEPER_SOCKET, &k->xen, err); /* attaching tells why */
	return r;
}

/** Write what came. The session is told of what fails. */
static void step(struct keeper *k)
{
	struct vmt_error ignored = {0};
	int r;

	if (!k->sink)
		return;
	r = vmt_trace_sink_step(k->sink, STEP_MS, &ignored);
	if (r > 0)
		return;
	drop_sink(k);
	if (r < 0)
		remove_empty(k);
}

static void serve(struct keeper *k, short revents)
{
	if (revents == 0)
		return;
	if (!k->xen || vmt_xen_keeper_serve(k->xen) == 0)
		k->talks = false;
}

/** 0: the session has let go in good order; else the signal that ended it. */
static int keep(struct keeper *k)
{
	uint64_t signal = 0;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = KEEPER_SESSION, .events = POLLIN},
			{.fd = KEEPER_CRASH, .events = POLLIN},
			{.fd = k->talks ? KEEPER_SOCKET : -1, .events = POLLIN},
		};

		step(k);
		if (poll(fds, 3, k->sink ? 0 : -1) < 0 && errno != EINTR)
			return SIGKILL;
		if (fds[1].revents & POLLIN)
			return read(KEEPER_CRASH, &signal, sizeof(signal)) == sizeof(signal)
				       ? (int)signal
				       : SIGKILL;
		if (fds[0].revents)
			return SIGKILL; /* all others are caught, or told */
		serve(k, fds[2].revents);
		if (!k->talks && !k->sink)
			return 0;
	}
}

static void tell(const struct vmt_xen_repair_report *r)
{
	if (r->attached)
		fprintf(stderr,
			VMIREC ": the session was killed; its domain was put right: %u events "
			       "answered, %u bytes put back\n",
			r->unanswered, r->bytes);
}

static int after_death(struct keeper *k, int signal)
{
	struct vmt_xen_repair_report report;
	struct vmt_error err = {0};
	int status = VMT_EXIT_SAME;

	if (k->xen && vmt_xen_keeper_repair(k->xen, &report, &err) < 0) {
		status = vmt_tool_complain(VMIREC ": keeper", &err);
		fprintf(stderr, VMIREC ": run `vmirec rescue` to try once more\n");
	} else if (k->xen) {
		tell(&report);
	}
	if (k->sink && vmt_trace_sink_died(k->sink, signal, 0, strsignal(signal), &err) < 0)
		status = vmt_exit_worse(status, vmt_tool_complain(VMIREC ": keeper", &err));
	return status;
}

int vmirec_keeper_main(int argc, char **argv)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	struct keeper k = {0};
	struct vmt_error err = {0};
	int status = VMT_EXIT_SAME;
	int signal;

	if (argc != 3)
		return VMT_EXIT_USAGE;
	prctl(PR_SET_NAME, VMIREC "-keeper");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	for (int i = KEEPER_SOCKET; i < KEEPER_FDS; i++)
		(void)fcntl(i, F_SETFD, FD_CLOEXEC);
	if (open_keeper(&k, argv, &err) < 0)
		return vmt_exit_of_error(&err); /* the session has been told */
	signal = keep(&k);
	if (signal != 0)
		status = after_death(&k, signal);
	vmt_xen_keeper_destroy(k.xen);
	drop_sink(&k);
	return status;
}
