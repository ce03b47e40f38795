/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses: one table row for each action, with its name and what it needs; the check of form and
 * the text.
 */
#include <inttypes.h>

#include <vmitape/event.h>

#include "line.h"

static const struct action {
	const char *name;
	uint32_t data_max; /* bytes of data it takes, at least one of them; 0: none */
	bool needs_view;
} actions[VMT_ACTION_COUNT] = {
	[VMT_CONTINUE] = {"continue", 0, false},
	[VMT_DENY] = {"deny", 0, false},
	[VMT_REINJECT] = {"reinject", 0, false},
	[VMT_SINGLESTEP] = {"singlestep", 0, false},
	[VMT_FAST_SINGLESTEP] = {"fast-singlestep", 0, true},
	[VMT_EMULATE] = {"emulate", 0, false},
	[VMT_EMULATE_NOWRITE] = {"emulate-nowrite", 0, false},
	[VMT_EMULATE_READ] = {"emulate-read", VMT_EMUL_READ_MAX, false},
	[VMT_EMULATE_INSN] = {"emulate-insn", VMT_EMUL_INSN_MAX, false},
	[VMT_FAIL] = {"fail", 0, false},
};

#define KNOWN_FLAGS (VMT_RSP_VIEW | VMT_RSP_REGS | VMT_RSP_NEXT_INTERRUPT)

const char *vmt_action_name(unsigned action)
{
	return action < VMT_ACTION_COUNT ? actions[action].name : "invalid";
}

/* The place is only put together for a refusal: each answer of a session passes the check. */
static int VMT_PRINTF(3, 4)
	refuse(struct vmt_error *err, const struct vmt_event *ev, const char *fmt, ...)
{
	char place[VMT_ERROR_PLACE];
	struct vmt_line line;
	va_list ap;
	int r;

	vmt_line_init(&line, place, sizeof(place));
	vmt_line_add(&line, "response to vcpu %u %s", ev->vcpu, vmt_reason_name(ev->reason));
	va_start(ap, fmt);
	r = vmt_error_vset(err, VMT_E_INVALID, place, fmt, ap);
	va_end(ap);
	return r;
}

static int check_data(const struct vmt_event *ev, const struct vmt_response *rsp,
		      const struct action *action, struct vmt_error *err)
{
	if (action->data_max == 0) {
		if (rsp->data_len != 0 || rsp->data)
			return refuse(err, ev, "the action %s takes no data; leave data out",
				      action->name);
		return 0;
	}
	if (rsp->data_len == 0 || !rsp->data)
		return refuse(err, ev,
			      "the action %s needs data; give 1 to %" PRIu32
			      " bytes with vmt_with_data()",
			      action->name, action->data_max);
	if (rsp->data_len > action->data_max)
		return refuse(err, ev,
			      "%" PRIu32 " bytes of data are too many for the action %s, "
			      "which takes at most %" PRIu32,
			      rsp->data_len, action->name, action->data_max);
	return 0;
}

int vmt_response_check(const struct vmt_event *ev, const struct vmt_response *rsp,
		       struct vmt_error *err)
{
	const struct action *action;

	if (rsp->action >= VMT_ACTION_COUNT)
		return refuse(err, ev, "there is no action %u; use one of enum vmt_action",
			      rsp->action);
	action = &actions[rsp->action];
	if (rsp->flags & ~(unsigned)KNOWN_FLAGS)
		return refuse(err, ev,
			      "the flags %#x hold unknown bits; use enum vmt_response_flag",
			      rsp->flags);
	if ((rsp->flags & VMT_RSP_REGS) && !rsp->regs)
		return refuse(err, ev, "VMT_RSP_REGS is set but regs is NULL; use vmt_with_regs()");
	if (action->needs_view && !(rsp->flags & VMT_RSP_VIEW))
		return refuse(err, ev,
			      "the action %s needs the view to step in; use vmt_with_view()",
			      action->name);
	return check_data(ev, rsp, action, err);
}

const char *vmt_response_format(const struct vmt_response *rsp, char *buf, size_t cap)
{
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	vmt_line_add(&line, "%s", vmt_action_name(rsp->action));
	if (rsp->flags & VMT_RSP_VIEW)
		vmt_line_add(&line, " view %u", rsp->view);
	if (rsp->flags & VMT_RSP_REGS)
		vmt_line_add(&line, " regs");
	if (rsp->flags & VMT_RSP_NEXT_INTERRUPT)
		vmt_line_add(&line, " next-interrupt");
	if (rsp->data_len > 0)
		vmt_line_add(&line, " data %" PRIu32 " bytes", rsp->data_len);
	return buf;
}
