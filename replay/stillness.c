/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest stands still: told from the records alone, and never when in doubt.
 *
 * A call that failed may have been carried out all the same. So a pause counts only when it
 * succeeded, while a resume, an answer and a commit count in any case.
 */
#include <string.h>

#include "stillness.h"

void vmt_still_init(struct vmt_still *still, uint32_t vcpus)
{
	memset(still, 0, sizeof(*still));
	still->vcpus = vcpus;
}

static bool is_held(const struct vmt_still *still, uint32_t vcpu)
{
	for (uint32_t i = 0; i < still->nheld; i++)
		if (still->held[i].vcpu == vcpu)
			return true;
	return false;
}

static bool stands(const struct vmt_still *still)
{
	if (still->pauses > 0)
		return true;
	if (still->vcpus == 0 || still->vcpus > still->nheld)
		return false;
	for (uint32_t v = 0; v < still->vcpus; v++)
		if (!is_held(still, v))
			return false;
	return true;
}

static void take_event(struct vmt_still *still, const struct vmt_event *ev)
{
	/* One event too many is no hold: in doubt the guest runs. */
	if (!(ev->flags & VMT_EVENT_SYNC) || still->nheld == VMT_HELD_MAX)
		return;
	still->held[still->nheld++] = (struct vmt_held_event){ev->ticket, ev->vcpu, false};
}

static void answer(struct vmt_still *still, const struct vmt_event *ev)
{
	for (uint32_t i = 0; ev && i < still->nheld; i++)
		if (still->held[i].ticket == ev->ticket)
			still->held[i].answered = true;
}

static void commit(struct vmt_still *still)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < still->nheld; i++)
		if (!still->held[i].answered)
			still->held[left++] = still->held[i];
	still->nheld = left;
	still->may_run = true;
}

static void apply_call(struct vmt_still *still, const struct vmt_trace_call *tc, unsigned op)
{
	switch (op) {
	case VMT_CALL_PAUSE:
		if (tc->call.result >= 0 && still->pauses < UINT32_MAX)
			still->pauses++;
		break;
	case VMT_CALL_RESUME:
		if (still->pauses > 0)
			still->pauses--;
		still->may_run = true;
		break;
	case VMT_CALL_ANSWER:
		answer(still, tc->call.u.answer.event);
		break;
	case VMT_CALL_COMMIT:
		commit(still);
		break;
	case VMT_CALL_DETACH:
		still->nheld = 0;
		still->pauses = 0;
		still->may_run = true;
		break;
	case VMT_CALL_WAIT:
	case VMT_CALL_SETTLE:
		still->may_run = true;
		break;
	default:
		break;
	}
}

uint64_t vmt_still_feed(struct vmt_still *still, const struct vmt_trace_record *record)
{
	unsigned kind = record->kind;

	if (still->may_run || !stands(still) || kind == VMT_TRACE_CALL + VMT_CALL_WAIT ||
	    kind == VMT_TRACE_CALL + VMT_CALL_SETTLE || kind == VMT_TRACE_GAP)
		still->moment++;
	still->may_run = false;
	if (kind == VMT_TRACE_EVENT)
		take_event(still, &((const struct vmt_trace_event *)record->body)->event);
	else if (kind >= VMT_TRACE_CALL && kind < VMT_TRACE_KIND_COUNT)
		apply_call(still, record->body, kind - VMT_TRACE_CALL);
	return still->moment;
}

uint64_t vmt_still_now(const struct vmt_still *still)
{
	return !still->may_run && stands(still) ? still->moment : VMT_NO_MOMENT;
}
