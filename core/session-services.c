/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a handler takes from its session rather than from the system, so that a replay gives it the
 * same: time, randomness, logs; and emissions.
 */
#include <stdio.h>

#include <vmitape/session.h>

#include "session-private.h"

uint64_t vmt_now(const struct vmt_session *s)
{
	return s->now;
}

uint64_t vmt_callback_number(const struct vmt_session *s)
{
	return s->callback.number;
}

void vmt_wake_at(struct vmt_session *s, uint64_t ns)
{
	if (vmt_session_enter(s, "vmt_wake_at") >= 0)
		s->wake_at = ns;
}

/** The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom generators). */
static uint64_t mix(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t vmt_random(struct vmt_session *s)
{
	if (vmt_session_enter(s, "vmt_random") < 0)
		return 0;
	return mix(mix(mix(s->info.seed) ^ s->callback.number) ^ s->draws++);
}

void vmt_log(struct vmt_session *s, enum vmt_log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (vmt_session_enter(s, "vmt_log") < 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	VMT_OBSERVE(s, log, level, text);
}

int vmt_emit(struct vmt_session *s, const struct vmt_schema *schema, const struct vmt_value *values,
	     size_t n)
{
	int r = vmt_session_enter(s, "vmt_emit");

	if (r < 0)
		return r;
	if (!schema || !vmt_session_declares(s, schema))
		return vmt_error_set(
			&s->err, VMT_E_INVALID, "vmt_emit",
			"the schema '%s' is not among those that handler '%s' declared",
			schema ? schema->name : "(null)", s->handler->name);
	r = vmt_values_check(schema, values, n, &s->err);
	if (r < 0)
		return r;
	s->outcome.emissions++;
	VMT_OBSERVE(s, emission, schema, values, n);
	return 0;
}
