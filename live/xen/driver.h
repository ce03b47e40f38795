/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Xen driver's own state, and what its files offer each other. A file per subject:
 *
 *   open.c       finding the domain, the checks, attaching      requests.c   request -> event
 *   ring.c       the monitor ring: enable, take, answer         responses.c  response -> Xen's form
 *   wait.c       blocking until something happens               stepping.c   single and fast steps
 *   monitors.c   which events are on                            views.c      altp2m and rights
 *   memory.c     guest memory, cached mappings                  own-bytes.c  own bytes and their undo
 *   pages.c      pages added to the domain                      registers.c  vCPU contexts
 *   pause.c      nested pauses                                  versions.c   Xen versions
 *   teardown.c   reset, settle, detach, close                   failure.c    errno -> error
 *   journal.c    what was changed, where it outlives the session
 *   link.c       the session's side of the keeper               keeper.c     the keeper
 *   repair.c     undoing what a dead session has left           rescue.c     the same without a keeper
 *   doctor.c     what works on this host and domain             module.c     all that the module offers
 *
 * Functions return 0 (or what they say) or a negative status with base.err filled.
 */
#ifndef VMITAPE_LIVE_XEN_DRIVER_H
#define VMITAPE_LIVE_XEN_DRIVER_H

#include <vmitape/driver.h>
#include <vmitape/xen.h>

#include "model/gfn-map.h"
#include "model/refusals.h"
#include "model/xen-versions.h"

#include "headers.h"
#include "journal.h"
#include "responses.h"

#define VMT_XEN_MAPPINGS 64u /* guest pages kept mapped */

/* -------------------------------------------------------------------------------------------- */
/* State                                                                                        */
/* -------------------------------------------------------------------------------------------- */

enum vmt_xen_slot_state {
	VMT_XEN_FREE,
	VMT_XEN_TAKEN,    /* the event was given out */
	VMT_XEN_ANSWERED, /* its response waits for commit */
};

/** A request between the ring's two ends. */
struct vmt_xen_slot {
	enum vmt_xen_slot_state state;
	uint64_t ticket;
	uint64_t order; /* of the answers, for commit */
	bool deferred;  /* Xen waits with the write for the answer */
	vm_event_request_t request;
	struct vmt_xen_answer answer;
};

struct vmt_xen_vcpu {
	vmt_view view;  /* as last seen or set */
	bool unsettled; /* answered, and not known to have run since */
	bool stepping;  /* Xen's single_step */
	bool wanted;    /* the handler's wish */
	bool fast;      /* a fast step was sent; whether it has ended is not known */
	bool injecting; /* an injection was sent and no event has come since */
};

struct vmt_xen_mapping {
	void *page; /* NULL: unused */
	uint64_t gfn;
	uint64_t used; /* larger: later */
};

struct vmt_xen {
	struct vmt_driver base;

	/* the host */
	xentoollog_logger logger;
	xc_interface *xch;
	xenevtchn_handle *evtchn;
	xenforeignmemory_handle *memory;
	xendevicemodel_handle *model;
	xencall_handle *call;
	struct vmt_xen_version xen;
	uint32_t vendor; /* enum vmt_cpu_vendor */

	/* the domain */
	uint32_t domid;
	char name[64];
	uint32_t capabilities;
	uint16_t nvcpus, nviews;
	uint64_t max_memkb; /* as found */
	uint64_t seed;
	struct vmt_xen_vcpu *vcpus;

	/* the ring */
	void *page; /* NULL: not mapped */
	vm_event_back_ring_t ring;
	bool ring_on; /* Xen knows of it */
	int port;     /* local; -1: not bound */
	struct vmt_xen_slot slots[VMT_XEN_SLOTS];
	uint64_t ticket, order;
	uint64_t busy_since, busy_ns; /* since the first event of a batch was taken; 0: none */
	int stop_fd;

	/* what was changed */
	uint32_t pauses; /* nested; the hypervisor counts one for all of them */
	bool altp2m;     /* switched on here */
	bool walks_hidden;
	bool *views;                   /* [nviews]: it exists */
	xenmem_access_t *initial;      /* [nviews]: a view's default rights */
	struct vmt_gfn_map restricted; /* gfns whose rights were set in view 0 */
	struct vmt_gfn_map bytes;      /* uint32_t: the number of its record in the journal */
	struct vmt_gfn_map own_pages;
	bool maxmem_raised;
	uint32_t crs, crs_async; /* 1 << enum vmt_cr */
	struct vmt_gfn_map msrs; /* by number */
	bool on[VMT_MONITOR_KIND_COUNT];
	bool internal_step; /* the single-step monitor, on for fast steps only */

	struct vmt_xen_journal_map journal;
	int keeper; /* a socket; -1: none */

	struct vmt_xen_mapping mappings[VMT_XEN_MAPPINGS];
	uint64_t mapping_uses;
	uint64_t mappings_since; /* when they were last dropped, ns */
};

static inline struct vmt_xen *vmt_xen_of(struct vmt_driver *d)
{
	return (struct vmt_xen *)(void *)d; /* base is the first member */
}

/* -------------------------------------------------------------------------------------------- */
/* open.c                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** A driver with nothing open, or NULL. vmt_xen_close() frees it at each stage. */
struct vmt_xen *vmt_xen_create(void);
int vmt_xen_open_driver(const struct vmt_xen_config *config, struct vmt_driver **driver,
			struct vmt_error *err);
/** The handles and the version of Xen. */
int vmt_xen_open_host(struct vmt_xen *x);
/** By name or number: fills domid and name. */
int vmt_xen_find_domain(struct vmt_xen *x, const char *wanted, xc_domaininfo_t *info);
/** Can events be had of it? 0, or why not. Asks nothing of Xen. */
int vmt_xen_check_domain(struct vmt_xen *x, const xc_domaininfo_t *info);
/** Does Xen speak of events as this module does? */
int vmt_xen_check_events(struct vmt_xen *x);

/* -------------------------------------------------------------------------------------------- */
/* failure.c                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/**
 * A call to Xen failed with errno: fill base.err with the sentence and errno's meaning. A domain that
 * is no more makes it -VMT_E_GONE.
 */
int vmt_xen_failed(struct vmt_xen *x, const char *fmt, ...) VMT_PRINTF(2, 3);
/** A refusal that is not Xen's. */
int vmt_xen_refuse(struct vmt_xen *x, enum vmt_status status, const char *fmt, ...)
	VMT_PRINTF(3, 4);
/** -VMT_E_WRONG_PLACE after detach. */
int vmt_xen_need_ring(struct vmt_xen *x);
int vmt_xen_need_vcpu(struct vmt_xen *x, uint16_t vcpu);
/** -VMT_E_NOT_SUPPORTED with who has it. @capability: one bit. */
int vmt_xen_need(struct vmt_xen *x, uint32_t capability);

/** The first failure of several steps that are all done. */
struct vmt_xen_first {
	int status;
	struct vmt_error err;
};
/** Note what a step returned. */
void vmt_xen_keep(struct vmt_xen *x, struct vmt_xen_first *first, int r);
/** The result: base.err becomes that of the first failure. */
int vmt_xen_kept(struct vmt_xen *x, const struct vmt_xen_first *first);

/** Is the domain destroyed, dying, crashed or shut down? */
bool vmt_xen_gone(struct vmt_xen *x);
/** CLOCK_MONOTONIC, ns. */
uint64_t vmt_xen_now(void);

/* -------------------------------------------------------------------------------------------- */
/* versions.c                                                                                   */
/* -------------------------------------------------------------------------------------------- */

/** Find out which Xen runs and whether this module was built for it: fills xen and vendor. */
int vmt_xen_find_version(struct vmt_xen *x);
/** What this Xen can do with this domain; @altp2m: the domain has it. Fills capabilities, nviews. */
int vmt_xen_find_capabilities(struct vmt_xen *x, bool altp2m);
/** Xen's number for rights; false: this Xen has none. */
bool vmt_xen_access_encode(struct vmt_access access, xenmem_access_t *out);
struct vmt_access vmt_xen_access_decode(xenmem_access_t access);
/** xc_monitor_io(), where libxenctrl has it; else -1 with ENOSYS. */
int vmt_xen_monitor_io(struct vmt_xen *x, bool on);

/* -------------------------------------------------------------------------------------------- */
/* ring.c, wait.c                                                                               */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_ring_enable(struct vmt_xen *x);
/** Only this: events on the ring lose their answers. EBUSY while vCPUs wait for room: -VMT_E_BUSY. */
int vmt_xen_ring_disable(struct vmt_xen *x);
/** What does not need Xen's consent: unmap, unbind. */
void vmt_xen_ring_release(struct vmt_xen *x);

int vmt_xen_next(struct vmt_driver *d, struct vmt_event *ev);
int vmt_xen_answer(struct vmt_driver *d, const struct vmt_event *ev,
		   const struct vmt_response *rsp);
int vmt_xen_commit(struct vmt_driver *d);
int vmt_xen_pending(struct vmt_driver *d, uint32_t *n);
int vmt_xen_overhead(struct vmt_driver *d, uint64_t *ns);
int vmt_xen_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait);
int vmt_xen_stop_fd(struct vmt_driver *d);

/* -------------------------------------------------------------------------------------------- */
/* monitors.c, stepping.c                                                                       */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_monitor(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on);
/** All off, the internal ones too; deferred writes stay until the ring goes. */
int vmt_xen_monitors_reset(struct vmt_xen *x);
/** All off that the journal tells of. */
int vmt_xen_monitors_repair(struct vmt_xen *x);

/** Get ready for a fast step: on Xen before 4.19 the single-step monitor must be on. */
int vmt_xen_step_prepare(struct vmt_xen *x);
/** What an answer means for stepping: the flag to send with it, or 0. Changes the vCPU's state. */
int vmt_xen_step_plan(struct vmt_xen *x, const struct vmt_xen_slot *slot, uint32_t *flag);
/** Stop every vCPU that is stepped; @fast_too: also where a fast step may not have ended. */
int vmt_xen_step_reset(struct vmt_xen *x, bool fast_too);

/* -------------------------------------------------------------------------------------------- */
/* views.c                                                                                      */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_altp2m_enable(struct vmt_xen *x);
int vmt_xen_altp2m_disable(struct vmt_xen *x);
int vmt_xen_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, struct vmt_access *access);
int vmt_xen_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
		       struct vmt_access access, uint64_t *done);
int vmt_xen_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view);
int vmt_xen_destroy_view(struct vmt_driver *d, vmt_view view);
int vmt_xen_switch_view(struct vmt_driver *d, vmt_view view);
int vmt_xen_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to);
bool vmt_xen_view_exists(const struct vmt_xen *x, vmt_view view);
/** Rights of view 0 back to rwx; all vCPUs to view 0. */
int vmt_xen_views_reset(struct vmt_xen *x);

/* -------------------------------------------------------------------------------------------- */
/* memory.c, own-bytes.c, pages.c                                                                */
/* -------------------------------------------------------------------------------------------- */

/** A guest page, mapped read-write; valid until the next call of this file. */
int vmt_xen_map(struct vmt_xen *x, uint64_t gfn, void **page);
/** Forget one page, or all: what stands behind a gfn has changed. */
void vmt_xen_unmap(struct vmt_xen *x, uint64_t gfn);
void vmt_xen_unmap_all(struct vmt_xen *x);
/** Drop mappings that are older than a second: the guest itself may have given pages back. */
void vmt_xen_unmap_old(struct vmt_xen *x, uint64_t now);
int vmt_xen_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len);
int vmt_xen_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		  uint32_t len);

/** Note that @len bytes from @offset on, which stand in @page now, are going to become @bytes. */
int vmt_xen_write_begin(struct vmt_xen *x, uint64_t gfn, uint32_t offset, const uint8_t *page,
			const uint8_t *bytes, uint32_t len);
/** They have. */
void vmt_xen_write_end(struct vmt_xen *x);
/** Put the guest's bytes back wherever own ones still stand; @count grows by how many. */
int vmt_xen_bytes_undo(struct vmt_xen *x, uint32_t *count);

int vmt_xen_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn);
int vmt_xen_free_gfn(struct vmt_driver *d, vmt_gfn gfn);
/** Take every own page away and put the memory limit back. */
int vmt_xen_pages_reset(struct vmt_xen *x);

/* -------------------------------------------------------------------------------------------- */
/* registers.c, pause.c, teardown.c                                                             */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs);
int vmt_xen_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs);
int vmt_xen_get_context(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context);
int vmt_xen_inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt);

int vmt_xen_pause(struct vmt_driver *d);
int vmt_xen_resume(struct vmt_driver *d);
/** All at once. */
int vmt_xen_resume_all(struct vmt_xen *x);

int vmt_xen_reset(struct vmt_driver *d);
int vmt_xen_settle(struct vmt_driver *d, int timeout_ms);
int vmt_xen_detach(struct vmt_driver *d);
void vmt_xen_close(struct vmt_driver *d);
/** Memory and handles only. */
void vmt_xen_release(struct vmt_xen *x);

/* -------------------------------------------------------------------------------------------- */
/* link.c, repair.c                                                                             */
/* -------------------------------------------------------------------------------------------- */

/** Hand the journal to the keeper, where there is one, and wait until it is ready. */
int vmt_xen_keeper_begin(struct vmt_xen *x);
/** Let it map the ring's page, before Xen's libraries take that out of the domain. */
int vmt_xen_keeper_map(struct vmt_xen *x, uint64_t gfn);
/** Let it give the page back. A keeper that is dead has done so. */
void vmt_xen_keeper_unmap(struct vmt_xen *x);
/** 0, or -VMT_E_IO: it has died. */
int vmt_xen_keeper_lives(struct vmt_xen *x);

/**
 * Undo all that the journal tells of, its session being dead. x has the host, the domain and the
 * journal open; x->page: the ring as it was left, or NULL when nobody has it mapped.
 */
int vmt_xen_repair(struct vmt_xen *x, struct vmt_xen_repair_report *report);

#endif /* VMITAPE_LIVE_XEN_DRIVER_H */
