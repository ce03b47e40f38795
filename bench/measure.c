/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measuring some times over, and printing the least, the median and the most.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "measure.h"

double measure_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double measure_cpu(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void measure_add(struct measure *m, double v)
{
	if (m->n < MEASURES)
		m->v[m->n++] = v;
}

void measure_head(const char *title)
{
	printf("%-44s %10s %10s %10s\n", title, "min", "median", "max");
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

void measure_print(const char *name, struct measure *m, const char *note)
{
	struct measure sorted = *m;

	if (sorted.n == 0)
		return;
	qsort(sorted.v, sorted.n, sizeof(sorted.v[0]), compare);
	printf("%-44s %10.3f %10.3f %10.3f  %s\n", name, sorted.v[0], sorted.v[sorted.n / 2],
	       sorted.v[sorted.n - 1], note);
	(void)fflush(stdout);
}

struct measure measure_ratio(const struct measure *a, const struct measure *b)
{
	struct measure m = {.n = a->n < b->n ? a->n : b->n};

	for (unsigned i = 0; i < m.n; i++)
		m.v[i] = a->v[i] / b->v[i];
	return m;
}

double measure_peak_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_maxrss / 1024;
}
