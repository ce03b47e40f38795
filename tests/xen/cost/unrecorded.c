/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unrecorded DOMAIN: the session that vmirec would record, without a recorder. */
#include <stdio.h>

#include <vmitape/run.h>
#include <vmitape/xen.h>

#include "cost.h"

int main(int argc, char **argv)
{
	struct vmt_xen_config xen = {.domain = argc > 1 ? argv[1] : ""};
	struct vmt_session_config config = {.handler = &vmt_handler, .timeout_ms = 5000};
	struct vmt_outcome outcome = {0};
	struct vmt_error err = {0};
	struct vmt_session *s;

	if (vmt_xen_open(&xen, &config.driver, &err) < 0 ||
	    vmt_session_create(&config, &s, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	vmt_session_run(s, &outcome);
	if (outcome.end != VMT_END_FINISHED)
		fprintf(stderr, "%s: %s\n", vmt_end_name(outcome.end), outcome.error.text);
	vmt_session_destroy(s);
	vmt_driver_close(config.driver);
	return outcome.end != VMT_END_FINISHED;
}
