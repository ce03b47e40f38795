/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler on a driver, from begin to end, in one call.
 */
#include <string.h>

#include <vmitape/test.h>

#include "chain.h"

/* The collector, and the fault injectors of the chain, as far as there is room. */
static size_t find_observers(struct vmt_driver *d, struct vmt_collector *collector,
			     struct vmt_observer **observers)
{
	size_t n = 0;

	if (collector)
		observers[n++] = vmt_collector_observer(collector);
	for (; d && n < VMT_OBSERVERS_MAX; d = vmt_chain_inner(d))
		if (vmt_fault_injector_inner(d))
			observers[n++] = vmt_fault_injector_observer(d);
	return n;
}

int vmt_scripted_run_handler(struct vmt_driver *d, const struct vmt_handler_ops *handler,
			     const struct vmt_option *options, size_t noptions,
			     struct vmt_collector *collector, struct vmt_outcome *outcome)
{
	struct vmt_observer *observers[VMT_OBSERVERS_MAX];
	struct vmt_session_config config = {
		.driver = d,
		.handler = handler,
		.options = options,
		.noptions = noptions,
		.observers = observers,
	};
	const struct vmt_outcome *kept;
	struct vmt_session *session;
	struct vmt_error err;
	int r;

	memset(outcome, 0, sizeof(*outcome));
	config.nobservers = find_observers(d, collector, observers);
	r = vmt_session_create(&config, &session, &err);
	if (r < 0) {
		outcome->error = err;
		return r;
	}
	r = vmt_session_run(session, outcome);
	vmt_session_destroy(session);
	/* The session's own record is gone with it. */
	kept = collector ? vmt_collector_outcome(collector) : NULL;
	outcome->output = kept ? kept->output : NULL;
	return r;
}
