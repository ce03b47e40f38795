/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay: several cases at a time, each in a process of its own, which sends its case back as a
 * line of JSON. One that dies is a case too.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmireplay.h"

#define JOBS_MAX 256u

struct job {
	pid_t pid; /**< 0: none */
	int fd;
	size_t number;
	char *text;
	size_t len;
};

struct jobs {
	struct job v[JOBS_MAX];
	unsigned max, running;
	json_t *(*run)(void *arg, size_t i);
	void *arg;
	json_t *cases;
	struct vmt_error *err;
};

static int send_all(const char *text, int fd)
{
	size_t left = strlen(text);

	while (left > 0) {
		const ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

/** In the new process. */
static void work(struct jobs *jobs, size_t number, int fd)
{
	json_t *c = jobs->run(jobs->arg, number);
	char *text = c ? json_dumps(c, JSON_COMPACT) : NULL;
	const int failed = text ? send_all(text, fd) : -1;

	free(text);
	json_decref(c);
	_exit(failed ? VMT_EXIT_ENVIRONMENT : 0);
}

static int start(struct jobs *jobs, size_t number)
{
	struct job *job = jobs->v;
	int fds[2];

	while (job->pid)
		job++;
	if (pipe(fds) < 0)
		return vmt_error_set_errno(jobs->err, VMT_E_IO, errno, "--jobs", "no pipe");
	(void)fflush(stdout);
	job->pid = fork();
	if (job->pid < 0) {
		job->pid = 0;
		close(fds[0]);
		close(fds[1]);
		return vmt_error_set_errno(jobs->err, VMT_E_IO, errno, "--jobs", "no process");
	}
	if (job->pid == 0) {
		close(fds[0]);
		work(jobs, number, fds[1]);
	}
	close(fds[1]);
	job->fd = fds[0];
	job->number = number;
	job->text = NULL;
	job->len = 0;
	jobs->running++;
	return 0;
}

/** The job's process is over: its case takes its place. */
static void finish(struct jobs *jobs, struct job *job)
{
	struct vmt_error err = {0};
	json_error_t why;
	json_t *c = job->text ? json_loadb(job->text, job->len, 0, &why) : NULL;
	int status = 0;

	close(job->fd);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!c) {
		(void)vmt_error_set(&err, VMT_E_IO, "--jobs",
				    "the process of this case died (wait status %d)", status);
		c = vmireplay_case_failed("?", &err, VMT_EXIT_ENVIRONMENT);
	}
	json_array_set_new(jobs->cases, job->number, c);
	free(job->text);
	job->pid = 0;
	jobs->running--;
}

/** Take what @job sends. */
static void receive(struct jobs *jobs, struct job *job)
{
	char buf[16384];
	const ssize_t n = read(job->fd, buf, sizeof(buf));
	char *text;

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		finish(jobs, job);
		return;
	}
	text = realloc(job->text, job->len + (size_t)n);
	if (!text) {
		finish(jobs, job);
		return;
	}
	memcpy(text + job->len, buf, (size_t)n);
	job->text = text;
	job->len += (size_t)n;
}

static void wait_some(struct jobs *jobs)
{
	struct pollfd fds[JOBS_MAX];
	struct job *of[JOBS_MAX];
	nfds_t n = 0;

	for (unsigned i = 0; i < jobs->max; i++) {
		if (!jobs->v[i].pid)
			continue;
		of[n] = &jobs->v[i];
		fds[n++] = (struct pollfd){.fd = jobs->v[i].fd, .events = POLLIN};
	}
	if (poll(fds, n, -1) < 0)
		return;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents)
			receive(jobs, of[i]);
}

int vmireplay_jobs(unsigned max, size_t n, json_t *(*run)(void *arg, size_t i), void *arg,
		   json_t *cases, struct vmt_error *err)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	size_t next = 0;
	int r = 0;

	if (!jobs)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "--jobs", "no memory");
	jobs->max = max < JOBS_MAX ? max : JOBS_MAX;
	jobs->run = run;
	jobs->arg = arg;
	jobs->cases = cases;
	jobs->err = err;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(cases, json_null());
	while ((next < n && r >= 0) || jobs->running > 0) {
		while (r >= 0 && next < n && jobs->running < jobs->max)
			r = start(jobs, next++);
		if (jobs->running > 0)
			wait_some(jobs);
	}
	free(jobs);
	return r;
}
