/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler's options: declared with type and default, given as text, checked once when the session
 * is made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>

#include "session-private.h"

#define OPTIONS_MAX 256u

static bool parse_u64(const char *text, uint64_t *number)
{
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;

	/* strtoull would take blanks, signs, octal numbers and a second 0x. */
	if (digits[0] == '\0' ||
	    digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")] != '\0')
		return false;
	errno = 0;
	*number = strtoull(digits, NULL, hex ? 16 : 10);
	return errno == 0;
}

static bool parse_bool(const char *text, uint64_t *number)
{
	static const char *const words[] = {"no", "yes", "false", "true", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*number = i & 1;
			return true;
		}
	}
	return false;
}

static bool parse_text(const char *text, uint64_t *number)
{
	(void)text;
	*number = 0;
	return true;
}

static const struct option_type {
	bool (*parse)(const char *text, uint64_t *number);
	const char *takes;
} option_types[] = {
	[VMT_OPTION_TEXT] = {parse_text, "text"},
	[VMT_OPTION_U64] = {parse_u64, "a number, decimal or hexadecimal with 0x"},
	[VMT_OPTION_BOOL] = {parse_bool, "yes, no, true, false, 1 or 0"},
};

static int set_value(struct vmt_session_option *o, const char *value, struct vmt_error *err)
{
	const struct option_type *type = &option_types[o->decl->type];

	if (!type->parse(value, &o->number))
		return vmt_error_set(err, VMT_E_INVALID, "handler options", "%s=%s: it takes %s",
				     o->decl->name, value, type->takes);
	o->value = value;
	return 0;
}

int vmt_option_decls_check(const struct vmt_option_decl *decls, struct vmt_error *err)
{
	struct vmt_session_option option;
	size_t n = 0;

	for (const struct vmt_option_decl *d = decls; d && d->name; d++, n++) {
		if (n == OPTIONS_MAX)
			return vmt_error_set(err, VMT_E_LIMIT, "handler options",
					     "more than %u options are declared; does the list end "
					     "with a NULL name?",
					     OPTIONS_MAX);
		if (d->name[0] == '\0' || strchr(d->name, '='))
			return vmt_error_set(
				err, VMT_E_INVALID, "handler options",
				"option number %zu is called '%s'; a name has at least "
				"one character and no '='",
				n, d->name);
		if (d->type >= sizeof(option_types) / sizeof(option_types[0]))
			return vmt_error_set(err, VMT_E_INVALID, "handler options",
					     "option '%s' is declared with the unknown type %u",
					     d->name, d->type);
		for (const struct vmt_option_decl *e = decls; e < d; e++)
			if (strcmp(e->name, d->name) == 0)
				return vmt_error_set(err, VMT_E_INVALID, "handler options",
						     "option '%s' is declared twice", d->name);
		option = (struct vmt_session_option){.decl = d};
		if (d->default_value && set_value(&option, d->default_value, err) < 0)
			return vmt_error_prefix(err, "the default: ");
	}
	return 0;
}

static struct vmt_session_option *find(const struct vmt_session *s, const char *name)
{
	for (size_t i = 0; i < s->noptions; i++)
		if (strcmp(s->options[i].decl->name, name) == 0)
			return &s->options[i];
	return NULL;
}

static int unknown_option(const struct vmt_session *s, const char *name, struct vmt_error *err)
{
	char known[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < s->noptions; i++) {
		const char *option = s->options[i].decl->name;

		if (len + strlen(option) + 3 > sizeof(known))
			break;
		if (len) {
			memcpy(known + len, ", ", 3);
			len += 2;
		}
		memcpy(known + len, option, strlen(option) + 1);
		len += strlen(option);
	}
	return vmt_error_set(err, VMT_E_INVALID, "handler options",
			     "handler '%s' has no option '%s'; it takes: %s", s->handler->name,
			     name, len ? known : "none");
}

static int take_given(struct vmt_session *s, struct vmt_error *err)
{
	const struct vmt_option *given = s->config.options;

	for (size_t i = 0; i < s->config.noptions; i++) {
		struct vmt_session_option *o;

		if (!given[i].name || !given[i].value)
			return vmt_error_set(err, VMT_E_INVALID, "handler options",
					     "option number %zu lacks a name or a value", i);
		o = find(s, given[i].name);
		if (!o)
			return unknown_option(s, given[i].name, err);
		if (o->value)
			return vmt_error_set(err, VMT_E_INVALID, "handler options",
					     "option '%s' is given twice", given[i].name);
		if (set_value(o, given[i].value, err) < 0)
			return -VMT_E_INVALID;
	}
	return 0;
}

static int take_defaults(struct vmt_session *s, struct vmt_error *err)
{
	for (size_t i = 0; i < s->noptions; i++) {
		struct vmt_session_option *o = &s->options[i];

		if (!o->value && o->decl->default_value &&
		    set_value(o, o->decl->default_value, err) < 0)
			return -VMT_E_INVALID;
		if (!o->value && o->decl->required)
			return vmt_error_set(err, VMT_E_INVALID, "handler options",
					     "handler '%s' needs the option '%s': %s",
					     s->handler->name, o->decl->name,
					     o->decl->help ? o->decl->help : "it has no default");
		if (o->value) {
			struct vmt_option *in_force = &s->options_in_force[s->noptions_in_force++];

			in_force->name = o->decl->name;
			in_force->value = o->value;
		}
	}
	return 0;
}

int vmt_session_options_init(struct vmt_session *s, struct vmt_error *err)
{
	const struct vmt_option_decl *decls = s->handler->options;
	size_t n = 0;
	int r;

	while (decls && decls[n].name)
		n++;
	s->options = calloc(n + 1, sizeof(*s->options));
	s->options_in_force = calloc(n + 1, sizeof(*s->options_in_force));
	if (!s->options || !s->options_in_force)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "handler options",
				     "no memory for %zu options", n);
	for (s->noptions = 0; s->noptions < n; s->noptions++)
		s->options[s->noptions].decl = &decls[s->noptions];
	r = take_given(s, err);
	return r < 0 ? r : take_defaults(s, err);
}

void vmt_session_options_finish(struct vmt_session *s)
{
	free(s->options);
	free(s->options_in_force);
}

const struct vmt_option *vmt_session_options(const struct vmt_session *s, size_t *n)
{
	*n = s->noptions_in_force;
	return s->options_in_force;
}

const char *vmt_option(const struct vmt_session *s, const char *name)
{
	const struct vmt_session_option *o = find(s, name);

	return o ? o->value : NULL;
}

uint64_t vmt_option_u64(const struct vmt_session *s, const char *name)
{
	const struct vmt_session_option *o = find(s, name);

	return o && o->value ? o->number : 0;
}

bool vmt_option_bool(const struct vmt_session *s, const char *name)
{
	return vmt_option_u64(s, name) != 0;
}
