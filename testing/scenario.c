/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scenarios: a scripted domain written as a text file, for tools and examples.
 *
 * A line is a list of words; `#` begins a comment. The grammar stands in docs/scenario.md. Each word
 * that has arguments is a row of a table.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmitape/test.h>

#define WORDS_MAX    12u
#define LINE_MAX     1024u
#define SCENARIO_MAX (1u << 20)
#define STEPS_MAX    (1u << 20)

struct scenario {
	const char *name;
	unsigned line;
	struct vmt_error *err;

	struct vmt_scripted_config config;
	struct vmt_driver *driver; /**< made by the first line that needs it */

	struct vmt_step *steps;
	size_t nsteps, cap;
	void **blocks; /**< bytes that steps point to */
	size_t nblocks;

	uint64_t
		repeat; /**< how often the steps since @repeat_from are played; 0: not in a repeat */
	size_t repeat_from;
};

struct words {
	char *word[WORDS_MAX];
	unsigned n;
};

static int complain(struct scenario *s, const char *what, const char *word)
{
	char place[VMT_ERROR_PLACE];
	size_t len = strlen(s->name);
	const char *tail = len > 40 ? s->name + len - 40 : s->name;

	(void)snprintf(place, sizeof(place), "%s:%u", tail, s->line);
	return vmt_error_set(s->err, VMT_E_INVALID, place, "%s%s%s%s", what, word ? ": '" : "",
			     word ? word : "", word ? "'" : "");
}

/* -------------------------------------------------------------------------------------------- */
/* Values                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int number(struct scenario *s, const char *word, uint64_t max, uint64_t *value)
{
	char *end = NULL;

	errno = 0;
	*value = word && word[0] >= '0' && word[0] <= '9' ? strtoull(word, &end, 0) : 0;
	if (!end || *end || errno || *value > max)
		return complain(s, "a number is due here, within its range", word ? word : "");
	return 0;
}

/** "5", "5us", "5ms", "5s": nanoseconds. */
static int duration(struct scenario *s, const char *word, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	const size_t digits = word ? strspn(word, "0123456789") : 0;
	char text[24];

	if (digits == 0 || digits >= sizeof(text))
		return complain(s, "a time such as 5ms is due here", word ? word : "");
	memcpy(text, word, digits);
	text[digits] = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(word + digits, units[i].unit) == 0) {
			if (number(s, text, UINT64_MAX / units[i].ns, ns) < 0)
				return -VMT_E_INVALID;
			*ns *= units[i].ns;
			return 0;
		}
	}
	return complain(s, "the unit of a time is ns, us, ms or s", word);
}

static void *keep(struct scenario *s, size_t len)
{
	void **more = realloc(s->blocks, (s->nblocks + 1) * sizeof(*more));
	void *block = more ? malloc(len ? len : 1) : NULL;

	if (more)
		s->blocks = more;
	if (!block) {
		vmt_error_set(s->err, VMT_E_NO_MEMORY, s->name, "no memory");
		return NULL;
	}
	s->blocks[s->nblocks++] = block;
	return block;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** Bytes as pairs of hexadecimal digits. */
static int bytes(struct scenario *s, const char *word, const void **p, uint32_t *len)
{
	const size_t digits = word ? strlen(word) : 0;
	uint8_t *block;

	if (digits == 0 || digits % 2)
		return complain(s, "bytes such as 90cc are due here", word ? word : "");
	block = keep(s, digits / 2);
	if (!block)
		return -VMT_E_NO_MEMORY;
	for (size_t i = 0; i < digits; i += 2) {
		int high = hex_digit(word[i]);
		int low = hex_digit(word[i + 1]);

		if (high < 0 || low < 0)
			return complain(s, "bytes are pairs of digits 0-9 and a-f", word);
		block[i / 2] = (uint8_t)(high << 4 | low);
	}
	*p = block;
	*len = (uint32_t)(digits / 2);
	return 0;
}

/** The index of @word among @names, which end with NULL. */
static int choice(struct scenario *s, const char *word, const char *const *names, uint32_t *index)
{
	for (*index = 0; word && names[*index]; (*index)++)
		if (strcmp(names[*index], word) == 0)
			return 0;
	return complain(s, "this word is not known here", word ? word : "");
}

/* -------------------------------------------------------------------------------------------- */
/* The domain                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static int xen_version(struct scenario *s, const char *word)
{
	char *end;
	unsigned long major = strtoul(word, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, &end, 10) : 0;

	if (*end || major > 99 || minor > 99)
		return complain(s, "a version such as 4.17 is due here", word);
	s->config.xen_major = (uint16_t)major;
	s->config.xen_minor = (uint16_t)minor;
	return 0;
}

static int domain_word(struct scenario *s, char *word)
{
	static const char *const pagings[] = {"none", "32", "pae", "4", "5", NULL};
	char *value = strchr(word, '=');
	uint64_t n = 0;
	uint32_t index = 0;
	int r = 0;

	if (value)
		*value++ = '\0';
	if (strcmp(word, "svm") == 0 && !value) {
		s->config.svm = true;
	} else if (strcmp(word, "idle") == 0 && !value) {
		s->config.at_end = VMT_SCRIPTED_IDLE;
	} else if (!value) {
		r = complain(s, "the domain has no such word", word);
	} else if (strcmp(word, "xen") == 0) {
		r = xen_version(s, value);
	} else if (strcmp(word, "paging") == 0) {
		r = choice(s, value, pagings, &index);
		s->config.paging = (uint8_t)index;
	} else if (strcmp(word, "vcpus") == 0) {
		r = number(s, value, 64, &n);
		s->config.vcpus = (uint16_t)n;
	} else if (strcmp(word, "pages") == 0) {
		r = number(s, value, 1u << 20, &n);
		s->config.pages = (uint32_t)n;
	} else if (strcmp(word, "seed") == 0) {
		r = number(s, value, UINT64_MAX, &s->config.seed);
	} else if (strcmp(word, "start") == 0) {
		r = duration(s, value, &s->config.start_ns);
	} else {
		r = complain(s, "the domain has no such word", word);
	}
	return r;
}

static int domain_line(struct scenario *s, struct words *w)
{
	if (s->driver || s->nsteps)
		return complain(s, "the domain line comes before all others", NULL);
	for (unsigned i = 1; i < w->n; i++)
		if (domain_word(s, w->word[i]) < 0)
			return -VMT_E_INVALID;
	return 0;
}

static int need_driver(struct scenario *s)
{
	return s->driver ? 0 : vmt_scripted_create(&s->config, &s->driver, s->err);
}

static int memory_line(struct scenario *s, struct words *w)
{
	const void *p;
	uint64_t at;
	uint32_t len;
	int r = need_driver(s);

	if (r >= 0)
		r = number(s, w->word[1], UINT64_MAX, &at);
	if (r >= 0)
		r = bytes(s, w->word[2], &p, &len);
	if (r >= 0 && vmt_scripted_write(s->driver, vmt_gpa_from(at), p, len) < 0)
		r = complain(s, "there is no memory at", w->word[1]);
	return r;
}

static int reg_line(struct scenario *s, struct words *w)
{
	const struct vmt_reg_field *field;
	struct vmt_regs regs = {0};
	uint64_t vcpu, value;
	int r = need_driver(s);

	if (r >= 0)
		r = number(s, w->word[1], UINT16_MAX, &vcpu);
	field = w->word[2] ? vmt_reg_field_find(w->word[2]) : NULL;
	if (r >= 0 && !field)
		r = complain(s, "there is no such register", w->word[2] ? w->word[2] : "");
	if (r >= 0)
		r = number(s, w->word[3], UINT64_MAX, &value);
	if (r < 0)
		return r;
	r = vmt_driver_get_regs(s->driver, (uint16_t)vcpu, &regs);
	if (r < 0)
		return complain(s, "there is no such vCPU", w->word[1]);
	regs.known = 0;
	vmt_reg_set(&regs, field, value);
	/* A segment's four fields share a bit: the others keep what was read. */
	return vmt_scripted_set_regs(s->driver, (uint16_t)vcpu, &regs) < 0
		       ? complain(s, "this register cannot be set", w->word[2])
		       : 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Steps                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** The arguments of a step, in their order. */
enum argument {
	ARG_END = 0,
	ARG_ADDR,
	ARG_BYTES,
	ARG_LEN,
	ARG_WHAT,
	ARG_VALUE,
	ARG_VALUE_OR_0,
	ARG_CR,
	ARG_DESCRIPTOR,
	ARG_READ_WRITE,
	ARG_TIME,
};

static const struct step_word {
	const char *name;
	uint16_t kind; /**< enum vmt_step_kind */
	uint8_t arguments[4];
} step_words[] = {
	{"nop", VMT_STEP_NOP, {0}},
	{"read", VMT_STEP_READ, {ARG_ADDR, ARG_LEN}},
	{"write", VMT_STEP_WRITE, {ARG_ADDR, ARG_BYTES}},
	{"cr", VMT_STEP_CR, {ARG_CR, ARG_VALUE}},
	{"msr", VMT_STEP_MSR, {ARG_WHAT, ARG_VALUE}},
	{"int3", VMT_STEP_INT3, {0}},
	{"cpuid", VMT_STEP_CPUID, {ARG_WHAT, ARG_VALUE_OR_0}},
	{"in", VMT_STEP_IN, {ARG_WHAT, ARG_LEN, ARG_VALUE}},
	{"out", VMT_STEP_OUT, {ARG_WHAT, ARG_LEN, ARG_VALUE}},
	{"vmcall", VMT_STEP_VMCALL, {0}},
	{"descriptor", VMT_STEP_DESCRIPTOR, {ARG_DESCRIPTOR, ARG_READ_WRITE}},
	{"debug", VMT_STEP_DEBUG, {ARG_VALUE_OR_0}},
	{"vmexit", VMT_STEP_VMEXIT, {ARG_WHAT, ARG_VALUE_OR_0}},
	{"jump", VMT_STEP_JUMP, {ARG_ADDR}},
	{"poke", VMT_STEP_POKE, {ARG_ADDR, ARG_BYTES}},
	{"idle", VMT_STEP_IDLE, {ARG_TIME}},
	{"stop", VMT_STEP_STOP, {0}},
	{"gone", VMT_STEP_GONE, {0}},
	{"destroyed", VMT_STEP_DESTROYED, {0}},
	{"spurious", VMT_STEP_SPURIOUS, {0}},
	{"wait-fail", VMT_STEP_WAIT_FAIL, {ARG_WHAT}},
	{"sync", VMT_STEP_SYNC, {0}},
};

static int step_argument(struct scenario *s, struct vmt_step *step, unsigned argument,
			 const char *word)
{
	static const char *const crs[] = {"cr0", "cr3", "cr4", "xcr0", NULL};
	static const char *const descriptors[] = {"", "idtr", "gdtr", "ldtr", "tr", NULL};
	static const char *const directions[] = {"read", "write", NULL};
	uint64_t n = 0;
	uint32_t index = 0;
	int r = 0;

	switch (argument) {
	case ARG_ADDR:
		return number(s, word, UINT64_MAX, &step->addr);
	case ARG_BYTES:
		return bytes(s, word, &step->bytes, &step->len);
	case ARG_LEN:
		r = number(s, word, VMT_PAGE_SIZE, &n);
		step->len = (uint32_t)n;
		return r;
	case ARG_WHAT:
		r = number(s, word, UINT32_MAX, &n);
		step->what = (uint32_t)n;
		return r;
	case ARG_VALUE_OR_0:
		return word ? number(s, word, UINT64_MAX, &step->value) : 0;
	case ARG_CR:
		return choice(s, word, crs, &step->what);
	case ARG_DESCRIPTOR:
		return choice(s, word, descriptors, &step->what);
	case ARG_READ_WRITE:
		r = choice(s, word, directions, &index);
		step->value = index;
		return r;
	case ARG_TIME:
		return duration(s, word, &step->value);
	default:
		return number(s, word, UINT64_MAX, &step->value);
	}
}

static int add_step(struct scenario *s, const struct vmt_step *step)
{
	if (s->nsteps == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct vmt_step *more = NULL;

		if (cap <= STEPS_MAX)
			more = realloc(s->steps, cap * sizeof(*more));
		if (!more)
			return vmt_error_set(s->err, VMT_E_LIMIT, s->name,
					     "it has more steps than there is room for (%u)",
					     STEPS_MAX);
		s->steps = more;
		s->cap = cap;
	}
	s->steps[s->nsteps++] = *step;
	return 0;
}

/** "0 [at=RIP] WORD ARGUMENT..." of vCPU 0, or "world WORD ARGUMENT...". */
static int step_line(struct scenario *s, struct words *w)
{
	const bool world = strcmp(w->word[0], "world") == 0;
	struct vmt_step step = {0};
	unsigned at = 1;
	uint64_t vcpu = 0;

	if (!world && number(s, w->word[0], UINT16_MAX, &vcpu) < 0)
		return complain(s,
				"a line begins with domain, memory, reg, repeat, end, world or a "
				"vCPU's number",
				w->word[0]);
	step.vcpu = (uint16_t)vcpu;
	if (!world && w->n > 1 && strncmp(w->word[1], "at=", 3) == 0 &&
	    number(s, w->word[at++] + 3, UINT64_MAX, &step.rip) < 0)
		return -VMT_E_INVALID;
	for (size_t i = 0; at < w->n && i < sizeof(step_words) / sizeof(step_words[0]); i++) {
		const struct step_word *word = &step_words[i];

		if (strcmp(word->name, w->word[at]) != 0)
			continue;
		if (world != (word->kind >= VMT_STEP_POKE))
			return complain(
				s, world ? "this is done by a vCPU" : "this is done by the world",
				word->name);
		step.kind = word->kind;
		at++;
		for (unsigned a = 0; a < 4 && word->arguments[a]; a++, at++)
			if (step_argument(s, &step, word->arguments[a],
					  at < w->n ? w->word[at] : NULL) < 0)
				return -s->err->status;
		return at < w->n ? complain(s, "there are too many words", w->word[at])
				 : add_step(s, &step);
	}
	return complain(s, "there is no such step", at < w->n ? w->word[at] : "");
}

static int repeat_line(struct scenario *s, struct words *w)
{
	if (s->repeat)
		return complain(s, "a repeat inside of a repeat is not possible", NULL);
	s->repeat_from = s->nsteps;
	if (number(s, w->word[1], STEPS_MAX, &s->repeat) < 0)
		return -VMT_E_INVALID;
	return s->repeat ? 0 : complain(s, "repeat takes a number from 1 on", w->word[1]);
}

static int end_line(struct scenario *s, struct words *w)
{
	const size_t n = s->nsteps - s->repeat_from;

	(void)w;
	if (!s->repeat)
		return complain(s, "there is no repeat that could end here", NULL);
	while (--s->repeat)
		for (size_t i = 0; i < n; i++) {
			const struct vmt_step step = s->steps[s->repeat_from + i];

			if (add_step(s, &step) < 0)
				return -VMT_E_LIMIT;
		}
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Lines                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	unsigned words; /**< exactly so many, the first included; 0: any number */
	int (*take)(struct scenario *s, struct words *w);
} lines[] = {
	{"domain", 0, domain_line}, {"memory", 3, memory_line}, {"reg", 4, reg_line},
	{"repeat", 2, repeat_line}, {"end", 1, end_line},
};

static int take_line(struct scenario *s, char *line)
{
	struct words w = {0};
	char *save = NULL;

	line[strcspn(line, "#")] = '\0';
	for (char *word = strtok_r(line, " \t\r", &save); word;
	     word = strtok_r(NULL, " \t\r", &save)) {
		if (w.n == WORDS_MAX)
			return complain(s, "there are too many words", word);
		w.word[w.n++] = word;
	}
	if (w.n == 0)
		return 0;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (strcmp(lines[i].word, w.word[0]) != 0)
			continue;
		if (lines[i].words && lines[i].words != w.n)
			return complain(s, "this line has too many or too few words", w.word[0]);
		return lines[i].take(s, &w);
	}
	return step_line(s, &w);
}

static int take_text(struct scenario *s, const char *text, size_t len)
{
	char line[LINE_MAX];
	size_t at = 0;
	int r = 0;

	if (len > SCENARIO_MAX)
		return vmt_error_set(s->err, VMT_E_LIMIT, s->name, "it has more than %u bytes",
				     SCENARIO_MAX);
	while (at < len && r >= 0) {
		const char *end = memchr(text + at, '\n', len - at);
		const size_t n = end ? (size_t)(end - text) - at : len - at;

		s->line++;
		if (n >= sizeof(line) || memchr(text + at, '\0', n))
			return complain(s, "this line is too long, or no text", NULL);
		memcpy(line, text + at, n);
		line[n] = '\0';
		r = take_line(s, line);
		at += n + 1;
	}
	if (r >= 0 && s->repeat)
		r = complain(s, "a repeat is not ended", NULL);
	return r;
}

static void scenario_finish(struct scenario *s)
{
	for (size_t i = 0; i < s->nblocks; i++)
		free(s->blocks[i]);
	free(s->blocks);
	free(s->steps);
}

int vmt_scenario_parse(const char *name, const char *text, size_t len, struct vmt_driver **d,
		       struct vmt_error *err)
{
	struct vmt_error own = {0};
	struct scenario s = {.name = name, .err = err ? err : &own};
	int r = take_text(&s, text, len);

	if (r >= 0)
		r = need_driver(&s);
	if (r >= 0)
		r = vmt_scripted_play(s.driver, s.steps, s.nsteps, s.err);
	scenario_finish(&s);
	if (r < 0) {
		vmt_driver_close(s.driver);
		s.driver = NULL;
	}
	*d = s.driver;
	return r;
}

int vmt_scenario_open(const char *path, struct vmt_driver **d, struct vmt_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;
	int r;

	*d = NULL;
	if (fd < 0)
		return vmt_error_set_errno(err, errno == ENOENT ? VMT_E_NOT_FOUND : VMT_E_IO, errno,
					   path, "the scenario cannot be opened");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SCENARIO_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text)
		n = read(fd, text, (size_t)st.st_size);
	r = n < 0 ? vmt_error_set(err, VMT_E_IO, path,
				  "it cannot be read as a scenario: a file of at most %u bytes is "
				  "expected",
				  SCENARIO_MAX)
		  : vmt_scenario_parse(path, text, (size_t)n, d, err);
	free(text);
	close(fd);
	return r;
}
