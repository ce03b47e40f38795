/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Xen backend: a driver for a domain of the Xen that this host runs.
 *
 * It is a module, loaded when it is asked for: libvmitape itself needs nothing of Xen. The module is
 * vmitape-xen.so in the folder vmitape/ beside libvmitape.so, in live/xen/ beside it (as in
 * a build folder), or in the folder that the environment variable VMITAPE_MODULE_DIR names.
 */
#ifndef VMITAPE_XEN_H
#define VMITAPE_XEN_H

#include <vmitape/driver.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All zero but @domain is the default. */
struct vmt_xen_config {
	const char *domain; /**< its name or its number, as `xl list` shows them; required */
	uint64_t seed;      /**< vmt_info.seed; 0: drawn from the system */
	/**
	 * A socket (SOCK_SEQPACKET) whose other end a keeper serves; 0: none. When this process
	 * dies, the keeper puts the domain right; when the keeper dies, wait() fails with -VMT_E_IO,
	 * so that the session ends. Not closed.
	 */
	int keeper;
};

/**
 * Attach to a running or paused domain: take its monitor ring and, where the domain has it, switch
 * altp2m on. Returns 0 and *@driver, to be closed with vmt_driver_close(), or a negative status with
 * @err (may be NULL) filled; then nothing is left changed:
 *
 *   -VMT_E_NOT_SUPPORTED  the module is not installed; the domain is PV, or has no hardware paging
 *   -VMT_E_PERMISSION     not in the control domain, or not as root
 *   -VMT_E_NOT_FOUND      no such domain
 *   -VMT_E_BUSY           another monitor is attached
 *   -VMT_E_ABI            the module was built for another version of Xen
 *   -VMT_E_GONE           the domain has crashed or shut down
 *
 * A domain without altp2m can be watched all the same: vmt_info.capabilities then lacks VMT_CAP_VIEWS
 * and VMT_CAP_FAST_SINGLESTEP.
 */
VMT_API int vmt_xen_open(const struct vmt_xen_config *config, struct vmt_driver **driver,
			 struct vmt_error *err);

/* -------------------------------------------------------------------------------------------- */
/* When a session dies                                                                          */
/* -------------------------------------------------------------------------------------------- */

/*
 * A monitor that is killed leaves its vCPUs waiting for answers for ever, its breakpoints in the
 * guest's memory, and the ring taken. A keeper is a process beside the session's, started before it
 * attaches (by exec: a fork cannot use what the other has mapped). The session notes each change in a
 * journal before it makes it; the keeper has the journal and the ring, and undoes what it finds.
 */

/** What was found and done. */
struct vmt_xen_repair_report {
	bool attached; /**< the session had attached; else there was nothing to do */
	bool forged;   /**< nobody had the ring any more: answers were made up for each vCPU */
	uint32_t unanswered; /**< events that waited for an answer */
	uint32_t half;       /**< answers that were written and not sent; they were sent */
	uint32_t bytes;      /**< bytes of the guest's memory that were put back */
	uint32_t reserved;
};

struct vmt_xen_keeper;

/** The keeper's side of @socket, which is not closed. It loads the Xen module now, when it can. */
VMT_API int vmt_xen_keeper_create(int socket, struct vmt_xen_keeper **keeper,
				  struct vmt_error *err);

/**
 * Do what the session asks for, when it asks something: to be called when the socket is readable.
 * 1: go on; 0: the session has closed its end. What fails is told to the session.
 */
VMT_API int vmt_xen_keeper_serve(struct vmt_xen_keeper *keeper);

/**
 * The session's process is dead: put the domain right. Everything that can be done is done; the first
 * failure is returned, with @err filled.
 */
VMT_API int vmt_xen_keeper_repair(struct vmt_xen_keeper *keeper,
				  struct vmt_xen_repair_report *report, struct vmt_error *err);

/** NULL is allowed. */
VMT_API void vmt_xen_keeper_destroy(struct vmt_xen_keeper *keeper);

/**
 * Session and keeper are both dead: put @domain (a name or number) right by the journal that they left.
 * 0 without @report->attached: they left nothing to do. -VMT_E_BUSY: one of them lives. The ring is lost then, so vCPUs
 * that stand are let go by made-up answers. A write to a control register or MSR that waited for its
 * answer is lost, and a CPUID whose event nobody had taken is executed twice.
 */
VMT_API int vmt_xen_rescue(const char *domain, struct vmt_xen_repair_report *report,
			   struct vmt_error *err);

/* -------------------------------------------------------------------------------------------- */
/* What works here                                                                              */
/* -------------------------------------------------------------------------------------------- */

enum vmt_xen_verdict {
	VMT_XEN_WORKS = 0,
	VMT_XEN_LIMITED = 1, /**< a session can be, without something */
	VMT_XEN_FAILS = 2,   /**< no session can be */
};

/** "ok", "limited", "no". Never NULL. */
VMT_API const char *vmt_xen_verdict_name(unsigned verdict);

/** One thing that was looked at. */
struct vmt_xen_check {
	char name[24];    /**< "altp2m" */
	uint32_t verdict; /**< enum vmt_xen_verdict */
	char found[384];  /**< a sentence: what there is, and what follows */
	char remedy[256]; /**< what to do; "": nothing */
};

#define VMT_XEN_CHECKS_MAX 24u

struct vmt_xen_diagnosis {
	uint32_t nchecks;
	uint32_t verdict;      /**< the worst */
	uint32_t capabilities; /**< enum vmt_capability bits of a session; 0 when none can be */
	uint32_t views;        /**< how many, view 0 included */
	struct vmt_xen_check checks[VMT_XEN_CHECKS_MAX];
};

/**
 * Look at this host and, when @domain is not NULL, at that domain: what works, what does not and why.
 * Nothing is changed. 0 however bad it stands; negative only when there is nothing to look with
 * (-VMT_E_NOT_SUPPORTED: the Xen module is not installed).
 */
VMT_API int vmt_xen_diagnose(const char *domain, struct vmt_xen_diagnosis *diagnosis,
			     struct vmt_error *err);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_XEN_H */
