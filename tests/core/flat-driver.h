/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain of 64 pages of plain memory, with pages that fail on demand, and 4-level page tables
 * that are made with one call; and a session in whose create a test runs.
 */
#ifndef VMT_TESTS_CORE_FLAT_DRIVER_H
#define VMT_TESTS_CORE_FLAT_DRIVER_H

#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>

#define FLAT_PAGES         64u
#define FLAT_ROOT          1u  /* the page of the top table */
#define FLAT_FIRST_DATA    32u /* tables stand below, data from here on */

#define FLAT_ADDRESS(page) ((uint64_t)(page) << VMT_PAGE_SHIFT)

struct flat_driver {
	struct vmt_driver base;
	uint8_t memory[FLAT_PAGES][VMT_PAGE_SIZE];
	/* enum vmt_status with which reads and writes of a page fail; 0: they do not. */
	uint8_t read_fails[FLAT_PAGES], write_fails[FLAT_PAGES];
	/* From which write on all fail with -VMT_E_HYPERVISOR; 0: none does. */
	unsigned writes_fail_from;
	unsigned reads, writes; /* calls so far */
	uint64_t read_pages;    /* a bit for each page that was read */
	unsigned next_table;
};

static inline struct flat_driver *flat_of(struct vmt_driver *d)
{
	return (struct flat_driver *)d;
}

static inline int flat_fail(struct vmt_driver *d, unsigned status, const char *what)
{
	return vmt_error_set(&d->err, (enum vmt_status)status, "flat", "the flat %s fails", what);
}

static inline int flat_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf,
			    uint32_t len)
{
	struct flat_driver *f = flat_of(d);

	f->reads++;
	if (gfn.n >= FLAT_PAGES)
		return flat_fail(d, VMT_E_UNMAPPED, "read");
	f->read_pages |= UINT64_C(1) << gfn.n;
	if (f->read_fails[gfn.n])
		return flat_fail(d, f->read_fails[gfn.n], "read");
	memcpy(buf, f->memory[gfn.n] + offset, len);
	return 0;
}

static inline int flat_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
			     uint32_t len)
{
	struct flat_driver *f = flat_of(d);

	f->writes++;
	if (gfn.n >= FLAT_PAGES)
		return flat_fail(d, VMT_E_UNMAPPED, "write");
	if (f->write_fails[gfn.n])
		return flat_fail(d, f->write_fails[gfn.n], "write");
	if (f->writes_fail_from && f->writes >= f->writes_fail_from)
		return flat_fail(d, VMT_E_HYPERVISOR, "write");
	memcpy(f->memory[gfn.n] + offset, buf, len);
	return 0;
}

static inline int flat_info(struct vmt_driver *d, struct vmt_info *info)
{
	(void)d;
	*info = (struct vmt_info){
		.arch = VMT_ARCH_X86_64,
		.vcpus = 1,
		.views = 1,
		.max_gfn = FLAT_PAGES - 1,
		.backend = "flat",
	};
	return 0;
}

static inline int flat_next(struct vmt_driver *d, struct vmt_event *ev)
{
	(void)d;
	(void)ev;
	return 0;
}

static inline int flat_ok(struct vmt_driver *d)
{
	(void)d;
	return 0;
}

static inline int flat_pending(struct vmt_driver *d, uint32_t *n)
{
	(void)d;
	*n = 0;
	return 0;
}

static inline int flat_settle(struct vmt_driver *d, int timeout_ms)
{
	(void)d;
	(void)timeout_ms;
	return 0;
}

static inline int flat_switch_view(struct vmt_driver *d, vmt_view view)
{
	(void)d;
	(void)view;
	return 0;
}

static inline struct flat_driver *flat_driver_create(void)
{
	static const struct vmt_driver_ops ops = {
		.size = sizeof(ops),
		.name = "flat",
		.info = flat_info,
		.next = flat_next,
		.commit = flat_ok,
		.pending = flat_pending,
		.read = flat_read,
		.write = flat_write,
		.switch_view = flat_switch_view,
		.pause = flat_ok,
		.resume = flat_ok,
		.reset = flat_ok,
		.settle = flat_settle,
		.detach = flat_ok,
	};
	struct flat_driver *f = calloc(1, sizeof(*f));

	if (f) {
		f->base.ops = &ops;
		f->next_table = FLAT_ROOT + 1;
	}
	return f;
}

/* -------------------------------------------------------------------------------------------- */
/* Page tables                                                                                  */
/* -------------------------------------------------------------------------------------------- */

#define FLAT_PRESENT 0x7u /* present, writable, user */

static inline struct vmt_space flat_space(void)
{
	return (struct vmt_space){FLAT_ROOT << VMT_PAGE_SHIFT, VMT_PAGING_4, VMT_SPACE_NXE};
}

/** The entry of @level for @gva, in tables that are made on the way. */
static inline uint64_t *flat_entry(struct flat_driver *f, uint64_t gva, unsigned level)
{
	uint64_t table = FLAT_ROOT;

	for (unsigned l = 4;; l--) {
		uint64_t *entries = (uint64_t *)(void *)f->memory[table];
		uint64_t *e = &entries[(gva >> (3 + 9 * l)) & 511];

		if (l == level)
			return e;
		if (!(*e & 1))
			*e = (uint64_t)f->next_table++ << VMT_PAGE_SHIFT | FLAT_PRESENT;
		table = *e >> VMT_PAGE_SHIFT;
	}
}

/** Let the page of @gva be @gfn. */
static inline void flat_map(struct flat_driver *f, uint64_t gva, uint64_t gfn)
{
	*flat_entry(f, gva, 1) = gfn << VMT_PAGE_SHIFT | FLAT_PRESENT;
}

/* -------------------------------------------------------------------------------------------- */
/* A session                                                                                    */
/* -------------------------------------------------------------------------------------------- */

typedef void (*flat_body)(struct vmt_session *s, struct flat_driver *f);

struct flat_session {
	struct flat_driver *driver;
	flat_body body;
};

/* create has no argument for a test: one runs at a time. */
static struct flat_session flat_session;

static inline int flat_create(struct vmt_session *s, void **self)
{
	(void)self;
	flat_session.body(s, flat_session.driver);
	return 0;
}

static inline struct vmt_response flat_handle_event(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static const struct vmt_handler_ops flat_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "flat",
	.version = "1",
	.create = flat_create,
	.handle_event = flat_handle_event,
};

/** Run @body where a handler may use its session, on a domain whose memory is all zero. */
static inline void flat_run(flat_body body)
{
	struct flat_driver *f = flat_driver_create();
	struct vmt_session_config config = {.driver = &f->base, .handler = &flat_handler};
	struct vmt_session *s;

	flat_session = (struct flat_session){f, body};
	assert_non_null(f);
	assert_int_equal(vmt_session_create(&config, &s, NULL), 0);
	assert_int_equal(vmt_session_begin(s), 1);
	vmt_session_destroy(s);
	free(f);
}

#endif /* VMT_TESTS_CORE_FLAT_DRIVER_H */
