/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leading the demo guest: which scenes it plays, waiting for what comes of them, putting all back. */
#include <string.h>
#include <time.h>

#include "probe.h"

#define RESET_TURNS 400

void guest_play(struct probe *p, uint64_t scenes)
{
	p->status->scenes = scenes;
}

bool guest_event(struct probe *p, uint32_t reason)
{
	while (probe_take(p, WAIT_MS)) {
		if (p->event.reason == reason)
			return true;
		probe_put_default(p);
	}
	return expect(p, false, "an event of reason %u", reason);
}

bool guest_begin(struct probe *p, int (*set)(struct probe *p, bool on), enum demo_scene scene,
		 uint32_t reason)
{
	int rc = set(p, true);

	if (!expect(p, rc == 0, "the monitor to be switched on, not %s", errno_of(rc)))
		return false;
	guest_play(p, BIT(scene));
	return guest_event(p, reason);
}

bool guest_repeats(struct probe *p)
{
	uint32_t reason = p->event.reason;
	uint64_t rip = p->event.data.regs.x86.rip;

	return probe_take(p, QUIET_MS) && p->event.reason == reason &&
	       p->event.data.regs.x86.rip == rip;
}

void guest_wait(int ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

bool guest_quiet(struct probe *p)
{
	return !probe_take(p, QUIET_MS);
}

bool guest_played(struct probe *p, enum demo_scene scene, uint64_t times)
{
	uint64_t goal = p->played[scene] + times;

	for (int turn = 0; turn < RESET_TURNS && p->guest->count[scene] < goal; turn++)
		if (probe_take(p, 5))
			probe_put_default(p);
	return expect(p, p->guest->count[scene] >= goal, "the scene to go on");
}

struct hvm_hw_cpu guest_registers(struct probe *p, uint32_t vcpu)
{
	struct hvm_hw_cpu cpu;

	memset(&cpu, 0, sizeof(cpu));
	expect(p,
	       xc_domain_hvm_getcontext_partial(p->xch, p->domid, HVM_SAVE_CODE(CPU),
						(uint16_t)vcpu, &cpu, sizeof(cpu)) == 0,
	       "the vCPU's context");
	return cpu;
}

static void all_off(struct probe *p)
{
	bool altp2m = false;

	for (const struct monitor *m = monitors; m->name; m++)
		m->set(p, false);
	for (uint32_t vcpu = 0; vcpu < p->vcpus; vcpu++)
		xc_domain_debug_control(p->xch, p->domid, XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF,
					vcpu);
	for (uint64_t gfn = DEMO_GFN_DATA; gfn <= DEMO_GFN_TABLE; gfn++)
		rights_set(p, gfn, XENMEM_access_rwx);
	xc_altp2m_get_domain_state(p->xch, p->domid, &altp2m);
	if (altp2m)
		xc_altp2m_switch_to_view(p->xch, p->domid, 0);
}

/* An event that was on its way is answered without stepping, in view 0. */
static void answer_leftover(struct probe *p)
{
	if (p->event.flags & VM_EVENT_FLAG_ALTERNATE_P2M) {
		p->answer.flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
		p->answer.altp2m_idx = 0;
	}
	if (p->event.reason == VM_EVENT_REASON_SINGLESTEP)
		probe_put(p);
	else
		probe_put_default(p);
}

bool guest_reset(struct probe *p)
{
	uint64_t round;

	guest_play(p, 0);
	all_off(p);
	round = p->guest->round;
	for (int turn = 0; turn < RESET_TURNS; turn++) {
		if (probe_take(p, 5)) {
			answer_leftover(p);
			round = p->guest->round;
			all_off(p);
		} else if (p->guest->round > round + 2) {
			xc_altp2m_set_domain_state(p->xch, p->domid, false);
			return true;
		}
	}
	return false;
}
