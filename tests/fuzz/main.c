/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feeds a fuzz target without libFuzzer, so that any compiler and CI will do:
 *
 *     fuzz-NAME [-n RUNS] [-s SEED] [-m MAX-BYTES] [FILE|FOLDER...]
 *
 * First each FILE, and each file of a FOLDER, as it is, then RUNS inputs made from the seed: random bytes, or with files given
 * changed copies of them. The same arguments give the same inputs. An input that ends the program
 * is shown in hexadecimal; as a file, and with -n 0, it is tried alone.
 *
 * With libFuzzer, which searches by coverage: ./dev campaign fuzz.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

/* Of the sanitizers, where they are linked. NOLINTNEXTLINE(bugprone-reserved-identifier) */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

struct input {
	uint8_t *bytes;
	size_t len;
};

/* What is being tried, for the report when it ends the program. */
static struct input current;

/* From signal handlers: nothing but write(). */
static void show(const char *text, size_t len)
{
	if (write(STDERR_FILENO, text, len) < 0)
		return;
}

static void show_current(void)
{
	static const char digits[] = "0123456789abcdef", head[] = "# the input that did it:\n# ";

	show(head, sizeof(head) - 1);
	for (size_t i = 0; i < current.len; i++) {
		char hex[2];

		hex[0] = digits[current.bytes[i] >> 4];
		hex[1] = digits[current.bytes[i] & 15];
		show(hex, sizeof(hex));
	}
	show("\n", 1);
}

static void on_abort(int sig)
{
	show_current();
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t n)
{
	return n ? (size_t)(random_u64(state) % n) : 0;
}

/* Inputs are given in a block of their own size, so that a sanitizer sees each byte past it. */
static void try_input(const uint8_t *bytes, size_t len)
{
	current.bytes = malloc(len ? len : 1);
	if (!current.bytes)
		abort();
	memcpy(current.bytes, bytes, len);
	current.len = len;
	(void)LLVMFuzzerTestOneInput(current.bytes, len);
	free(current.bytes);
	current.bytes = NULL;
	current.len = 0;
}

/* Values at which code tends to turn. */
static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xd8, 0xdb, 0xdc, 0xdf, 0xfe, 0xff};

static void change(uint64_t *state, uint8_t *bytes, size_t *len, size_t max)
{
	size_t at = random_below(state, *len);

	switch (random_below(state, 5)) {
	case 0:
		if (*len > 0)
			bytes[at] ^= (uint8_t)(1u << random_below(state, 8));
		break;
	case 1:
		if (*len > 0)
			bytes[at] = edges[random_below(state, sizeof(edges))];
		break;
	case 2:
		*len = at; /* cut */
		break;
	case 3:
		if (*len < max) { /* insert */
			memmove(bytes + at + 1, bytes + at, *len - at);
			bytes[at] = (uint8_t)random_u64(state);
			++*len;
		}
		break;
	default: /* repeat a part elsewhere */
		if (*len > 0) {
			size_t to = random_below(state, *len), n = *len - (at > to ? at : to);

			memmove(bytes + to, bytes + at, random_below(state, n + 1));
		}
		break;
	}
}

static void make_input(uint64_t *state, const struct input *files, size_t nfiles, uint8_t *bytes,
		       size_t *len, size_t max)
{
	size_t changes = random_below(state, 6);

	if (nfiles > 0) {
		const struct input *file = &files[random_below(state, nfiles)];

		*len = file->len < max ? file->len : max;
		memcpy(bytes, file->bytes, *len);
		changes++;
	} else {
		*len = random_below(state, max + 1);
		for (size_t i = 0; i < *len; i++)
			bytes[i] = (uint8_t)random_u64(state);
	}
	while (changes-- > 0)
		change(state, bytes, len, max);
}

static bool read_file(const char *path, struct input *input)
{
	FILE *f = fopen(path, "rb");
	size_t cap = 0, n;

	*input = (struct input){0};
	if (!f)
		return false;
	do {
		uint8_t *grown = realloc(input->bytes, cap += 65536);

		if (!grown) {
			(void)fclose(f);
			return false;
		}
		input->bytes = grown;
		n = fread(input->bytes + input->len, 1, cap - input->len, f);
		input->len += n;
	} while (n > 0);
	(void)fclose(f);
	return true;
}

struct options {
	unsigned long runs, seed, max;
	struct input *files;
	size_t nfiles;
};

static bool add_file(struct options *o, const char *path)
{
	struct input *grown = realloc(o->files, (o->nfiles + 1) * sizeof(*grown));

	if (!grown)
		return false;
	o->files = grown;
	if (!read_file(path, &o->files[o->nfiles]))
		return false;
	if (o->files[o->nfiles].len > o->max)
		o->max = o->files[o->nfiles].len;
	o->nfiles++;
	return true;
}

/** The files of a folder in the order of their names: the same inputs on each machine. */
static bool add_folder(struct options *o, const char *path)
{
	struct dirent **entries;
	const int n = scandir(path, &entries, NULL, alphasort);
	bool good = n >= 0;

	for (int i = 0; i < n; i++) {
		char file[4096];

		(void)snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			good = good && add_file(o, file);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return good;
}

static bool add_path(struct options *o, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return add_folder(o, path);
	return add_file(o, path);
}

static bool parse_number(const char *text, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 0);
	return errno == 0 && end != text && *end == '\0';
}

static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "n:s:m:")) != -1) {
		unsigned long *value = c == 'n'   ? &o->runs
				       : c == 's' ? &o->seed
				       : c == 'm' ? &o->max
						  : NULL;

		if (!value || !parse_number(optarg, value))
			return false;
	}
	for (int i = optind; i < argc; i++)
		if (!add_path(o, argv[i])) {
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return false;
		}
	return true;
}

static void finish(struct options *o)
{
	for (size_t i = 0; i < o->nfiles; i++)
		free(o->files[i].bytes);
	free(o->files);
}

static bool run(const struct options *o)
{
	uint8_t *bytes = malloc(o->max + 1);
	uint64_t state = o->seed;
	size_t len = 0;

	if (!bytes)
		return false;
	for (size_t i = 0; i < o->nfiles; i++)
		try_input(o->files[i].bytes, o->files[i].len);
	for (unsigned long i = 0; i < o->runs; i++) {
		make_input(&state, o->files, o->nfiles, bytes, &len, o->max);
		try_input(bytes, len);
	}
	free(bytes);
	return true;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	struct options o = {.runs = 10000, .seed = 1, .max = 512};
	bool good = parse(argc, argv, &o);

	(void)signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(show_current);
	printf("1..1\n");
	(void)fflush(stdout);
	good = good && run(&o);
	printf("%s 1 - %s: %zu files, %lu inputs from seed %lu\n", good ? "ok" : "not ok",
	       slash ? slash + 1 : argv[0], o.nfiles, o.runs, o.seed);
	finish(&o);
	return good ? 0 : 2;
}
