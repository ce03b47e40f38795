/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: what a session has changed of a domain and not undone, in memory that outlives it.
 *
 * Each effect is noted before it is done, so whoever reads the journal of a dead session knows at least
 * what was done. Only pauses and bytes are exact; other notes may stay when an effect is gone, for
 * undoing those twice does no harm.
 *
 * With a keeper it is a file in /run/vmitape, locked by the session and its keeper while they live; a
 * file that nobody has locked was left by both. Without a keeper it is memory without a name.
 *
 * The layout is of this build and machine alone: VMT_XEN_JOURNAL_LAYOUT tells another one.
 */
#ifndef VMITAPE_LIVE_XEN_JOURNAL_H
#define VMITAPE_LIVE_XEN_JOURNAL_H

#include <sys/types.h>

#include <vmitape/types.h>

#include "headers.h"

struct vmt_xen;

#define VMT_XEN_SLOTS         8u /* of the ring: (4096 - 64) / 400, rounded down to a power of 2 */
#define VMT_XEN_JOURNAL_OWN   16384u /* pages added to the domain */
#define VMT_XEN_JOURNAL_BYTES 16384u /* pages with own bytes */
#define VMT_XEN_MSR_RANGE     0x2000u
#define VMT_XEN_MSR_RANGES    3u

enum vmt_xen_pause_note {
	VMT_XEN_RUNNING,
	VMT_XEN_PAUSING, /* perhaps paused */
	VMT_XEN_PAUSED,
	VMT_XEN_RESUMING, /* perhaps paused */
};

enum vmt_xen_ring_note {
	VMT_XEN_RING_NONE,
	VMT_XEN_RING_TRYING, /* perhaps enabled */
	VMT_XEN_RING_ON,
};

enum vmt_xen_held_state {
	VMT_XEN_HELD_FREE,
	VMT_XEN_HELD,    /* taken from the ring, its response is not there */
	VMT_XEN_WRITTEN, /* its response stands in the ring whole, perhaps not pushed */
};

/* A request that was taken: its slot in the ring may be written over by a response to another. */
struct vmt_xen_held {
	uint32_t state;
	uint32_t index; /* of the request in the ring */
	vm_event_request_t request;
};

/* A process, told from a later one of the same number. */
struct vmt_xen_process {
	uint64_t pid, start; /* start: field 22 of /proc/PID/stat */
};

/*
 * Own bytes of one page. Byte i stands as now[i] where own[i], else as before[i]; and as next[i] when
 * a write to it is pending and was done.
 */
struct vmt_xen_own_bytes {
	uint8_t before[VMT_PAGE_SIZE], now[VMT_PAGE_SIZE], next[VMT_PAGE_SIZE];
	bool own[VMT_PAGE_SIZE];
};

struct vmt_xen_journal {
	uint64_t layout;
	char boot[40]; /* the host's boot id */
	struct vmt_xen_process session, keeper;

	/* the domain */
	uint32_t domid;
	uint8_t handle[16]; /* its UUID: a domain of the same number is another one */
	char name[64];
	uint64_t max_gfn, max_memkb;
	uint32_t found_paused; /* by somebody else */

	uint32_t clean; /* all is undone */

	/* what was changed */
	uint32_t pause; /* enum vmt_xen_pause_note */
	uint32_t ring;  /* enum vmt_xen_ring_note */
	uint64_t ring_gfn;
	uint32_t req_cons;
	uint32_t altp2m, walks_hidden, maxmem_raised;
	uint32_t kinds; /* 1 << enum vmt_monitor_kind */
	uint32_t crs;   /* 1 << enum vmt_cr */
	struct vmt_xen_held held[VMT_XEN_SLOTS];
	uint8_t msrs[VMT_XEN_MSR_RANGES][VMT_XEN_MSR_RANGE / 8];

	/* the write to own bytes that is going on */
	uint32_t pending, pending_page, pending_offset, pending_len;
	uint32_t nbytes;                           /* pages with own bytes */
	uint64_t bytes_gfn[VMT_XEN_JOURNAL_BYTES]; /* their gfns */
	uint64_t own_pages[VMT_XEN_JOURNAL_OWN];   /* gfn + 1; 0: none */
};

/* Behind struct vmt_xen_journal, on page boundaries: the pages' bytes, then a bit per gfn whose rights
 * were set in view 0. The file has holes where nothing was noted. */
struct vmt_xen_journal_map {
	int fd; /* -1: not open */
	size_t size;
	struct vmt_xen_journal *j; /* NULL: not open */
	struct vmt_xen_own_bytes *bytes;
	uint8_t *restricted;
	uint64_t ngfns; /* bits in restricted */
	char *path;     /* NULL: it has no name */
	bool *backed;   /* by page of @restricted: memory is there */
};

/* What was noted stands there before what follows is done. */
static inline void vmt_xen_journal_order(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/**
 * Begin the journal of x's domain: x->domid, x->name and x->max_memkb are known. @kept: in a file. A
 * file that a dead session and keeper have left for this very domain is -VMT_E_BUSY.
 */
int vmt_xen_journal_begin(struct vmt_xen *x, const xc_domaininfo_t *info, bool kept);

/** All is undone: the file goes. */
void vmt_xen_journal_end(struct vmt_xen_journal_map *map);
/** Unmap and close; the file stays. */
void vmt_xen_journal_close(struct vmt_xen_journal_map *map);

/**
 * Map the journal behind @fd, which is taken over. -VMT_E_NOT_FOUND: nothing is noted there;
 * -VMT_E_ABI: another version of vmitape wrote it.
 */
int vmt_xen_journal_attach(struct vmt_xen_journal_map *map, int fd, struct vmt_error *err);

/** Where the journal of @domid is. */
void vmt_xen_journal_path(uint32_t domid, char *path, size_t cap);

/** Is its domain still there? */
bool vmt_xen_journal_is_of(const struct vmt_xen_journal *j, const xc_domaininfo_t *info);
struct vmt_xen_process vmt_xen_this_process(void);
bool vmt_xen_process_lives(const struct vmt_xen_process *p);

/* Notes. They are made before the effect. */
int vmt_xen_note_restricted(struct vmt_xen *x, uint64_t gfn, bool on);
int vmt_xen_note_own_page(struct vmt_xen *x, uint64_t gfn);
void vmt_xen_forget_own_page(struct vmt_xen *x, uint64_t gfn);
void vmt_xen_note_msr(struct vmt_xen *x, uint32_t msr);

#endif /* VMITAPE_LIVE_XEN_JOURNAL_H */
