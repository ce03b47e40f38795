/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measuring some times over, and printing the least, the median and the most.
 */
#ifndef VMT_BENCH_MEASURE_H
#define VMT_BENCH_MEASURE_H

#include <stdint.h>

#define MEASURES 5u

struct measure {
	double v[MEASURES];
	unsigned n;
};

/** Seconds of CLOCK_MONOTONIC. */
double measure_now(void);

/**
 * Seconds of a processor that this process has used, in all its threads and for it in the kernel:
 * what else the machine does counts little.
 */
double measure_cpu(void);

void measure_add(struct measure *m, double v);

/** "name   min   median   max   note" */
void measure_head(const char *title);
void measure_print(const char *name, struct measure *m, const char *note);

/** @a by @b, run by run. */
struct measure measure_ratio(const struct measure *a, const struct measure *b);

/** The most memory that this process has used, MiB. */
double measure_peak_mib(void);

#endif /* VMT_BENCH_MEASURE_H */
