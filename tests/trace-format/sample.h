/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records made at random along the field tables, and traces of them.
 */
#ifndef VMT_TESTS_TRACE_FORMAT_SAMPLE_H
#define VMT_TESTS_TRACE_FORMAT_SAMPLE_H

#include "trace-format/fields.h"
#include "trace-format/record.h"

/** A generator of numbers: the same seed gives the same numbers. */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t limit); /**< 0 .. limit - 1 */

/** Random bytes from the arena. */
uint8_t *rng_bytes(struct rng *rng, struct vmt_trace_arena *arena, size_t len);

/** A random body of @kind, in the arena. @most: of a text's, a list's or other data's length. */
void *sample_body(unsigned kind, struct rng *rng, struct vmt_trace_arena *arena, size_t most);

/** A sequence of records, for writing and for comparing with what was read. */
struct sample {
	struct vmt_trace_arena arena;
	struct vmt_trace_record *records;
	size_t n;
};

/**
 * META, then each kind of the events stream (but END) @rounds times, in random order, with pages
 * where they can be. Texts and data are at most @most long.
 */
void sample_init(struct sample *sample, uint64_t seed, size_t rounds, size_t most);
void sample_finish(struct sample *sample);

/** Append all of @sample. Fails the test when that fails. */
void sample_write(const struct sample *sample, struct vmt_trace_writer *writer);

/** Write @sample to memory; returns the trace, to be freed. */
uint8_t *sample_trace(const struct sample *sample, const struct vmt_trace_writer_options *options,
		      size_t *len);

/**
 * Is @record the one of @sample at its position, its page too? Returns NULL or where they differ.
 */
const char *sample_compare(const struct sample *sample, struct vmt_trace_reader *reader,
			   const struct vmt_trace_record *record);

/** A file in memory with these bytes; its descriptor. */
int memory_file(const void *p, size_t len);

#endif /* VMT_TESTS_TRACE_FORMAT_SAMPLE_H */
