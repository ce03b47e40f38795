/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes traces for the comparison of two readers, and shows how this one reads:
 *
 *   make-trace example FILE                        the example of FORMAT.md
 *   make-trace random FILE SEED ROUNDS CHUNK EPOCH LEVEL
 *   make-trace dump FILE                           a line of JSON for each record, then the digests
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../trace-format/sample.h"

/** The record that is made next: its number in the session, for messages. */
static int append(struct vmt_trace_writer *w, unsigned kind, unsigned phase, uint64_t callback,
		  const void *body, const void *page)
{
	const struct vmt_trace_record record = {.kind = (uint16_t)kind,
						.phase = (uint8_t)phase,
						.callback = callback,
						.body = body,
						.page = page};
	struct vmt_error err = {0};

	if (vmt_trace_writer_append(w, &record, &err) == 0)
		return 0;
	fprintf(stderr, "make-trace: %s: %s\n", err.place, err.text);
	return 1;
}

/** What comes before the first event. */
static int example_start(struct vmt_trace_writer *w)
{
	static const struct vmt_field fields[] = {{"name", VMT_TEXT, VMT_KEY}, {"at", VMT_ADDR, 0}};
	static const struct vmt_option option = {"limit", "3"};
	const struct vmt_schema schema = VMT_SCHEMA("seen", fields);
	const struct vmt_trace_meta meta = {
		.tool = "example",
		.info = {.arch = VMT_ARCH_X86_64,
			 .vcpus = 1,
			 .views = 10,
			 .max_gfn = 0xfff,
			 .backend = "scripted",
			 .domain = "d1"},
		.handler = "h",
		.handler_version = "1",
		.handler_abi = 1,
		.policy = VMT_TRACE_POLICY_PAGES,
		.timeout_ms = 5000,
		.settle_ms = 1000,
		.drain_max = 65536,
		.options = &option,
		.noptions = 1,
		.schemas = &schema,
		.nschemas = 1,
	};
	const struct vmt_trace_callback create = {.kind = VMT_CALLBACK_CREATE, .now = 1000};
	const struct vmt_trace_callback_end end = {.kind = VMT_CALLBACK_CREATE};

	return append(w, VMT_TRACE_META, 0, 0, &meta, NULL) ||
	       append(w, VMT_TRACE_BEGIN, 1, 0, NULL, NULL) ||
	       append(w, VMT_TRACE_CALLBACK, 1, 0, &create, NULL) ||
	       append(w, VMT_TRACE_CALLBACK_END, 1, 0, &end, NULL);
}

/** One event: what the handler reads, writes, says and answers. */
static int example_event(struct vmt_trace_writer *w)
{
	static const uint8_t int3 = 0xcc;
	static const uint8_t before = 0x55;
	const struct vmt_value values[] = {vmt_text("\xc3\xa9"), vmt_addr(0x1f2000)};
	const struct vmt_trace_event event = {
		.event = {
			.ticket = 7,
			.reason = VMT_EVENT_WRITE_CR,
			.flags = VMT_EVENT_SYNC,
			.regs = {.known = VMT_KNOWN(VMT_REG_RIP) | VMT_KNOWN(VMT_REG_SS),
				 .gprs = {.rip = 0xffffffff81000000},
				 .ss = {.limit = 0xffffffff, .access = 0xc93}},
			.u.cr = {VMT_CR3, 0x2000, 0x1000},
		}};
	const struct vmt_trace_callback callback = {VMT_CALLBACK_EVENT, 2000, 7};
	struct vmt_trace_call read = {.call = {.u.read = {.gfn = {0x1f2}, .offset = 8, .len = 8}}};
	const struct vmt_trace_call write = {
		.call = {.u.write = {.gfn = {0x1f2}, .offset = 16, .len = 1, .buf = &int3}},
		.before_known = true,
		.before = &before,
		.before_len = 1};
	struct vmt_trace_call fault = {.call = {.result = -VMT_E_UNMAPPED, .u.read = {.len = 8}}};
	const struct vmt_trace_emission emission = {0, values, 2};
	const struct vmt_response step = vmt_respond(VMT_SINGLESTEP);
	const struct vmt_trace_callback_end end = {VMT_CALLBACK_EVENT, 0, &step};
	const unsigned kind_read = VMT_TRACE_CALL + VMT_CALL_READ;
	uint8_t page[VMT_PAGE_SIZE] = {0};
	int r;

	vmt_error_set(&fault.error, VMT_E_UNMAPPED, "read", "no memory");
	r = append(w, VMT_TRACE_EVENT, 2, 0, &event, NULL) ||
	    append(w, VMT_TRACE_CALLBACK, 2, 1, &callback, NULL) ||
	    append(w, kind_read, 2, 1, &read, page);
	page[16] = 0xcc;
	page[4095] = 1;
	return r || append(w, VMT_TRACE_CALL + VMT_CALL_WRITE, 2, 1, &write, NULL) ||
	       append(w, kind_read, 2, 1, &read, page) ||
	       append(w, kind_read, 2, 1, &fault, NULL) ||
	       append(w, VMT_TRACE_EMISSION, 2, 1, &emission, NULL) ||
	       append(w, VMT_TRACE_CALLBACK_END, 2, 1, &end, NULL);
}

static int write_example(const char *path)
{
	const struct vmt_trace_writer_options options = {
		.tag = 0x12345678, .level = -1, .same_thread = true, .replace = true};
	struct vmt_trace_writer *w;

	if (vmt_trace_writer_open(path, &options, &w, NULL) < 0)
		return 1;
	if (example_start(w) != 0 || example_event(w) != 0) {
		vmt_trace_writer_abandon(w);
		return 1;
	}
	return vmt_trace_writer_close(w, VMT_TRACE_END_OVER, NULL, NULL, NULL) < 0;
}

static int write_random(char **arguments)
{
	const struct vmt_trace_writer_options options = {
		.same_thread = true,
		.replace = true,
		.chunk_bytes = (uint32_t)strtoul(arguments[3], NULL, 10),
		.epoch_bytes = strtoul(arguments[4], NULL, 10),
		.level = (int)strtol(arguments[5], NULL, 10),
	};
	struct vmt_trace_writer *w;
	struct sample sample;
	int r;

	sample_init(&sample, strtoul(arguments[1], NULL, 10), strtoul(arguments[2], NULL, 10), 60);
	if (vmt_trace_writer_open(arguments[0], &options, &w, NULL) < 0)
		return 1;
	sample_write(&sample, w);
	r = vmt_trace_writer_close(w, VMT_TRACE_END_OVER, "text", NULL, NULL);
	sample_finish(&sample);
	return r < 0;
}

static int print(void *context, const char *text, size_t len)
{
	(void)context;
	return fwrite(text, 1, len, stdout) == len ? 0 : -1;
}

static void print_digest(const char *name, const uint8_t *digest)
{
	printf("\"%s\":\"", name);
	for (size_t i = 0; i < 16; i++)
		printf("%02x", digest[i]);
	printf("\"");
}

static int dump(const char *path)
{
	const struct vmt_trace_reader_options options = {.digests = true};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_state st;
	struct vmt_error err = {0};
	int more;

	if (vmt_trace_reader_open(path, &options, &reader, &err) < 0) {
		fprintf(stderr, "make-trace: %s\n", err.text);
		return 1;
	}
	while ((more = vmt_trace_reader_next(reader, &record, &err)) == 1) {
		(void)vmt_trace_record_json(&record, print, NULL);
		printf("\n");
	}
	vmt_trace_reader_state(reader, &st);
	vmt_trace_reader_close(reader);
	printf("{\"complete\":%s,", st.ended && st.footer && !st.damaged ? "true" : "false");
	print_digest("behaviour", st.digests.behaviour);
	printf(",");
	print_digest("record", st.digests.record);
	printf("}\n");
	return more < 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "example") == 0)
		return write_example(argv[2]);
	if (argc == 8 && strcmp(argv[1], "random") == 0)
		return write_random(argv + 2);
	if (argc == 3 && strcmp(argv[1], "dump") == 0)
		return dump(argv[2]);
	fprintf(stderr, "usage: make-trace example|random|dump FILE...\n");
	return 2;
}
