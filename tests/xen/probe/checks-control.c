/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Around events: options twice, wrong answers, pause, pages allocated and freed, two vCPUs. */
#include <errno.h>
#include <sys/mman.h>

#include "probe.h"

static void monitors_twice(struct probe *p)
{
	for (const struct monitor *m = monitors; m->name; m++) {
		int off, off_errno, on, again, again_errno;

		if (!probe_since(p, m->since))
			continue;
		off = m->set(p, false);
		off_errno = off ? errno : 0;
		on = m->set(p, true);
		again = m->set(p, true);
		again_errno = again ? errno : 0;
		m->set(p, false);
		errno = off_errno;
		observe(p, "%s %s", m->name, errno_of(off));
		errno = again_errno;
		observe(p, "%s", errno_of(again));
		expect(p, on == 0, "%s to be switched on", m->name);
	}
}

static void ring_twice(struct probe *p)
{
	uint32_t port;
	void *page = xc_monitor_enable(p->xch, p->domid, &port);

	observe(p, "a second xc_monitor_enable: %s", page ? "0" : errno_of(-1));
	expect(p, !page && errno == EBUSY, "EBUSY");
	guest_reset(p);
	probe_reopen(p);
}

static void wrong_version(struct probe *p)
{
	vm_event_response_t good;

	if (!guest_begin(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	monitor_cr3(p, false);
	good = p->answer;
	p->answer.version = VM_EVENT_INTERFACE_VERSION + 1;
	probe_put(p);
	guest_quiet(p);
	observe(p, "version %u: scene played %+ld", p->answer.version,
		(long)(p->guest->count[DEMO_CR3] - p->played[DEMO_CR3]));
	expect(p, p->guest->count[DEMO_CR3] == p->played[DEMO_CR3], "the vCPU to stay paused");
	p->answer = good;
	probe_put(p);
	guest_played(p, DEMO_CR3, 1);
}

/* The reason in the answer decides, not the request's. */
static void wrong_reason(struct probe *p)
{
	if (!guest_begin(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	monitor_cr3(p, false);
	p->answer.reason = VM_EVENT_REASON_UNKNOWN;
	probe_put(p);
	guest_played(p, DEMO_CR3, 1);
	observe(p, "reason 0 in the answer: the vCPU goes on");
}

static void not_unpaused(struct probe *p)
{
	if (!guest_begin(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	monitor_cr3(p, false);
	p->answer.flags = 0;
	probe_put(p);
	guest_quiet(p);
	observe(p, "without VCPU_PAUSED: scene played %+ld",
		(long)(p->guest->count[DEMO_CR3] - p->played[DEMO_CR3]));
	expect(p, p->guest->count[DEMO_CR3] == p->played[DEMO_CR3], "the vCPU to stay paused");
	probe_put_flags(p, VM_EVENT_FLAG_VCPU_PAUSED);
	guest_played(p, DEMO_CR3, 1);
}

static void answer_unasked(struct probe *p)
{
	uint64_t errors = p->guest->errors;

	guest_play(p, BIT(DEMO_CPUID));
	p->answer = (vm_event_response_t){
		.version = VM_EVENT_INTERFACE_VERSION,
		.flags = VM_EVENT_FLAG_VCPU_PAUSED | VM_EVENT_FLAG_SET_REGISTERS,
		.reason = VM_EVENT_REASON_CPUID,
	};
	probe_put(p);
	expect(p, guest_quiet(p), "no event");
	observe(p, "an answer without a request: failed self-checks %+ld",
		(long)(p->guest->errors - errors));
	expect(p, p->guest->errors == errors, "it to be ignored");
	guest_reset(p);
	probe_reopen(p);
}

static void pending(struct probe *p)
{
	expect(p, probe_pending(p) == 0, "none at first");
	expect(p, monitor_cr3(p, true) == 0, "the monitor");
	guest_play(p, BIT(DEMO_CR3));
	guest_wait(QUIET_MS);
	observe(p, "one vCPU waiting: %u pending", probe_pending(p));
	expect(p, probe_pending(p) == 1, "1");
	if (!guest_event(p, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	observe(p, "taken, not answered: %u", probe_pending(p));
	expect(p, probe_pending(p) == 0, "0");
	probe_put(p);
}

static void pause_counts(struct probe *p)
{
	xc_domaininfo_t info;
	uint64_t round;
	int rc;

	xc_domain_pause(p->xch, p->domid);
	xc_domain_pause(p->xch, p->domid);
	xc_domain_unpause(p->xch, p->domid);
	round = p->guest->round;
	guest_quiet(p);
	xc_domain_getinfolist(p->xch, p->domid, 1, &info);
	observe(p, "paused twice, unpaused once: rounds %+ld", (long)(p->guest->round - round));
	expect(p, p->guest->round == round && info.flags & XEN_DOMINF_paused, "still paused");
	rc = xc_domain_unpause(p->xch, p->domid);
	expect(p, rc == 0, "0");
	rc = xc_domain_unpause(p->xch, p->domid);
	observe(p, "unpaused once too often: %s", errno_of(rc));
	expect(p, rc < 0 && errno == EINVAL, "EINVAL");
	guest_quiet(p);
	expect(p, p->guest->round > round, "running");
}

static void pages(struct probe *p)
{
	xen_pfn_t gfn = 0, before = 0, after = 0;
	void *page;
	int rc;

	xc_domain_setmaxmem(p->xch, p->domid, UINT64_C(64) * 1024);
	xc_domain_maximum_gpfn(p->xch, p->domid, &before);
	gfn = before + 1;
	rc = xc_domain_populate_physmap_exact(p->xch, p->domid, 1, 0, 0, &gfn);
	xc_domain_maximum_gpfn(p->xch, p->domid, &after);
	observe(p, "max_gpfn %#lx; populate above it: %s, then %#lx", (long)before, errno_of(rc),
		(long)after);
	expect(p, rc == 0 && after == gfn, "the page to be the highest");
	page = probe_map(p, gfn);
	expect(p, page != NULL, "it to be mapped");
	if (page) {
		observe(p, "first word %#lx", *(uint64_t *)page);
		probe_unmap(p, page);
	}
	rc = xc_domain_populate_physmap_exact(p->xch, p->domid, 1, 0, 0, &gfn);
	observe(p, "populated twice: %s", errno_of(rc));
	rc = xc_domain_decrease_reservation_exact(p->xch, p->domid, 1, 0, &gfn);
	expect(p, rc == 0, "it to be freed");
	page = probe_map(p, gfn);
	observe(p, "mapped when freed: %s", page ? "0" : errno_of(-1));
	expect(p, !page, "no mapping");
	rc = xc_domain_decrease_reservation_exact(p->xch, p->domid, 1, 0, &gfn);
	observe(p, "freed twice: %s", errno_of(rc));
	xc_domain_maximum_gpfn(p->xch, p->domid, &after);
	observe(p, "max_gpfn afterwards %#lx", (long)after);
}

static void pages_limit(struct probe *p)
{
	xc_domaininfo_t info;
	xen_pfn_t gfn = 0;
	int rc;

	xc_domain_getinfolist(p->xch, p->domid, 1, &info);
	xc_domain_setmaxmem(p->xch, p->domid, info.tot_pages * 4);
	xc_domain_maximum_gpfn(p->xch, p->domid, &gfn);
	gfn++;
	rc = xc_domain_populate_physmap_exact(p->xch, p->domid, 1, 0, 0, &gfn);
	observe(p, "populate at the memory limit: %s", errno_of(rc));
	expect(p, rc < 0, "an error");
	xc_domain_setmaxmem(p->xch, p->domid, UINT64_C(64) * 1024);
}

static void write_memory(struct probe *p)
{
	uint64_t *page = probe_map(p, DEMO_GFN_DATA);

	expect(p, page != NULL, "the data page");
	if (!page)
		return;
	page[1] = 0x3131;
	guest_play(p, BIT(DEMO_READ));
	guest_quiet(p);
	observe(p, "written from dom0, the guest read %#lx", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] == 0x3131, "the word written");
	page[1] = DEMO_READ_VALUE;
	probe_unmap(p, page);
}

/* Rights of view 0 do not bind a foreign mapping. */
static void write_restricted(struct probe *p)
{
	uint64_t *page;

	rights_set(p, DEMO_GFN_DATA, XENMEM_access_n);
	page = probe_map(p, DEMO_GFN_DATA);
	observe(p, "mapping a page with rights n: %s", page ? "0" : errno_of(-1));
	expect(p, page != NULL, "0");
	if (page)
		probe_unmap(p, page);
}

static void two_vcpus(struct probe *p)
{
	unsigned count[DEMO_VCPUS] = {0, CHECK_PLAIN};
	int most = 0;

	guest_play(p, BIT(DEMO_SMP));
	for (int i = 0; i < 200 && p->status->vcpu[1].round < 3; i++)
		probe_take(p, 5);
	expect(p, p->status->vcpu[1].round >= 3, "the second vCPU to play");
	monitor_cr3(p, true);
	guest_play(p, BIT(DEMO_CR3));
	for (int i = 0; i < 100 && guest_event(p, VM_EVENT_REASON_WRITE_CTRLREG); i++) {
		count[p->event.vcpu_id]++;
		if ((int)probe_pending(p) + 1 > most)
			most = (int)probe_pending(p) + 1;
		probe_put(p);
	}
	observe(p, "events of vCPU 0: %u, of vCPU 1: %u, at most %d at once", count[0], count[1],
		most);
	expect(p, count[0] > 20 && count[1] > 20, "both");
}

/* While one vCPU waits in its event the other goes on; each has its own view. */
static void two_vcpus_views(struct probe *p)
{
	uint16_t view = 0, of[DEMO_VCPUS] = {0, CHECK_PLAIN};
	uint64_t round;
	unsigned first;

	xc_altp2m_set_domain_state(p->xch, p->domid, true);
	xc_altp2m_create_view(p->xch, p->domid, XENMEM_access_rwx, &view);
	if (!guest_begin(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	monitor_cr3(p, false);
	first = p->event.vcpu_id;
	round = p->status->vcpu[1 - first].round;
	p->answer.altp2m_idx = view;
	p->answer.flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
	guest_wait(QUIET_MS);
	probe_put(p);
	guest_quiet(p);
	for (uint32_t vcpu = 0; vcpu < DEMO_VCPUS; vcpu++)
		xc_altp2m_get_vcpu_p2m_idx(p->xch, p->domid, vcpu, &of[vcpu]);
	observe(p, "the answering vCPU is in view %u, the other in %u", of[first], of[1 - first]);
	expect(p, of[first] == view && of[1 - first] == 0, "a view of its own");
	expect(p, p->status->vcpu[1 - first].round > round, "the other to go on");
}

const struct check checks_control[] = {
	{"monitors-twice", "each option switched off when off, and on when on", monitors_twice,
	 CHECK_PLAIN},
	{"ring-twice", "a second ring is refused", ring_twice, CHECK_PLAIN},
	{"answer-version", "an answer of another version is dropped", wrong_version, CHECK_PLAIN},
	{"answer-reason", "an answer of another reason unpauses", wrong_reason, CHECK_PLAIN},
	{"answer-not-unpausing", "an answer without VCPU_PAUSED leaves the vCPU paused",
	 not_unpaused, CHECK_PLAIN},
	{"answer-unasked", "an answer for a vCPU that is not paused is ignored", answer_unasked,
	 CHECK_PLAIN},
	{"pending", "requests on the ring, before and after they are taken", pending, CHECK_PLAIN},
	{"pause", "pauses are counted", pause_counts, CHECK_PLAIN},
	{"pages", "a page populated above max_gpfn, and freed", pages, CHECK_PLAIN},
	{"pages-limit", "populating at the memory limit", pages_limit, CHECK_PLAIN},
	{"memory-written", "memory written from dom0 is what the guest reads", write_memory,
	 CHECK_PLAIN},
	{"memory-mapped", "access rights do not bind dom0's mappings", write_restricted,
	 CHECK_PLAIN},
	{"vcpus-events", "two vCPUs: events of both", two_vcpus, CHECK_TWO_VCPUS},
	{"vcpus-views", "two vCPUs: each in a view of its own", two_vcpus_views, CHECK_TWO_VCPUS},
	{0},
};
