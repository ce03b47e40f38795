/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An emulated guest whose code, page tables, views and registers are changed at random while it runs,
 * by a monitor that answers at random: nothing crashes, each wait ends, and the teardown is clean.
 *
 * The kernel is the trial guest, whose path stands in the environment as VMITAPE_TRIAL.
 */
#include <stdio.h>
#include <string.h>

#include <vmitape/emulated.h>

#include "../fuzz/fuzz.h"
#include "guests/trial.h"

#define TABLES_GFN  0x206u /* PML4, PDPT, PD */
#define ACTIONS_MAX 64u

struct input {
	const uint8_t *data;
	size_t len;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0 && in->len > 0) {
		value = value << 8 | *in->data++;
		in->len--;
	}
	return value;
}

struct trial {
	struct vmt_driver *d;
	struct input in;
	bool over;
};

/** A page that the guest uses. */
static vmt_gfn some_page(struct trial *t)
{
	static const uint16_t pages[] = {0x100, 0x200, 0x201, 0x202, 0x203, 0x204,  0x205,
					 0x206, 0x207, 0x208, 0x209, 0x20b, 0x3fff, 0x4000};

	return vmt_gfn_from(pages[take(&t->in, 1) % (sizeof(pages) / sizeof(pages[0]))]);
}

static void change_code(struct trial *t)
{
	uint8_t bytes[15];
	struct vmt_regs regs;
	unsigned len = (unsigned)take(&t->in, 1) % sizeof(bytes) + 1;

	for (unsigned i = 0; i < len; i++)
		bytes[i] = (uint8_t)take(&t->in, 1);
	if (vmt_driver_get_regs(t->d, 0, &regs) == 0) {
		uint32_t offset = (uint32_t)(regs.gprs.rip & VMT_PAGE_MASK);

		if (offset + len <= VMT_PAGE_SIZE)
			vmt_driver_write(t->d, vmt_gfn_of(vmt_gpa_from(regs.gprs.rip)), offset,
					 bytes, len);
	}
}

static void change_tables(struct trial *t)
{
	uint64_t entry = take(&t->in, 8);
	uint64_t where = take(&t->in, 1);

	vmt_driver_write(t->d, vmt_gfn_from(TABLES_GFN + where % 3), (uint32_t)(where / 3 % 4) * 8,
			 &entry, sizeof(entry));
}

static void change_view(struct trial *t)
{
	const struct vmt_access access = vmt_access_from((unsigned)take(&t->in, 1) % 8);
	vmt_view view = (vmt_view)(take(&t->in, 1) % 4);
	vmt_gfn from = some_page(t), to = some_page(t);

	vmt_driver_create_view(t->d, vmt_access_from(VMT_RWX), &view);
	vmt_driver_set_access(t->d, view, from, 1, access, NULL);
	if (take(&t->in, 1) & 1)
		vmt_driver_remap_gfn(t->d, view, from, to);
	vmt_driver_switch_view(t->d, view);
}

static void change_registers(struct trial *t)
{
	const size_t field = take(&t->in, 1) % (VMT_REG_XCR0);
	struct vmt_regs regs = {0};

	vmt_reg_set(&regs, &vmt_reg_fields[field], take(&t->in, 8));
	vmt_driver_set_regs(t->d, 0, &regs);
}

static void change_monitor(struct trial *t)
{
	const struct vmt_monitor monitor = {
		.kind = (uint32_t)(take(&t->in, 1) % VMT_MONITOR_KIND_COUNT),
		.what = (uint32_t)(take(&t->in, 1) % VMT_CR_COUNT),
	};

	if (monitor.kind != 0 && monitor.kind != VMT_MONITOR_VMEXIT)
		vmt_driver_monitor(t->d, &monitor, take(&t->in, 1) & 1);
}

static void inject(struct trial *t)
{
	const struct vmt_interrupt what = {
		.vector = (uint8_t)take(&t->in, 1),
		.type = (uint8_t)(take(&t->in, 1) % 7),
		.insn_length = (uint8_t)(take(&t->in, 1) % 16),
		.error_code = (take(&t->in, 1) & 1) ? VMT_NO_ERROR_CODE : 0,
		.extra = take(&t->in, 8),
	};

	vmt_driver_inject(t->d, 0, &what);
}

static void answer(struct trial *t, const struct vmt_event *ev)
{
	const struct vmt_response go_on = vmt_respond(VMT_CONTINUE);
	struct vmt_response rsp = go_on;
	struct vmt_gprs gprs = ev->regs.gprs;

	rsp.action = (uint16_t)(take(&t->in, 1) % VMT_FAIL);
	if (rsp.action == VMT_EMULATE_READ || rsp.action == VMT_EMULATE_INSN)
		rsp = vmt_with_data(rsp, &gprs, 8);
	if (take(&t->in, 1) & 1)
		rsp = vmt_with_view(rsp, (vmt_view)(take(&t->in, 1) % 3));
	if (take(&t->in, 1) % 4 == 0) {
		gprs.rip += take(&t->in, 1) % 16;
		gprs.rsp ^= take(&t->in, 2);
		rsp = vmt_with_regs(rsp, &gprs);
	}
	if (vmt_driver_answer(t->d, ev, &rsp) < 0)
		FUZZ_REQUIRE(vmt_driver_answer(t->d, ev, &go_on) == 0);
}

static void run(struct trial *t)
{
	struct vmt_event ev;
	struct vmt_info before, after;
	struct vmt_wait wait = {0};
	int r;

	FUZZ_REQUIRE(vmt_driver_info(t->d, &before) == 0);
	r = vmt_driver_wait(t->d, 1, &wait);
	FUZZ_REQUIRE(vmt_driver_info(t->d, &after) == 0);
	FUZZ_REQUIRE(after.now - before.now <= 1100000);
	FUZZ_REQUIRE(r == 0 || r == -VMT_E_NOT_SUPPORTED);
	t->over |= r < 0 || wait.outcome == VMT_WAIT_GONE;
	while (vmt_driver_next(t->d, &ev) == 1)
		answer(t, &ev);
	vmt_driver_commit(t->d);
}

static void tear_down(struct trial *t)
{
	const struct vmt_response go_on = vmt_respond(VMT_CONTINUE);
	struct vmt_event ev;

	FUZZ_REQUIRE(vmt_driver_pause(t->d) == 0);
	vmt_driver_reset(t->d);
	while (vmt_driver_next(t->d, &ev) == 1)
		FUZZ_REQUIRE(vmt_driver_answer(t->d, &ev, &go_on) == 0);
	vmt_driver_commit(t->d);
	FUZZ_REQUIRE(vmt_driver_resume(t->d) == 0);
	vmt_driver_settle(t->d, 1);
	vmt_driver_detach(t->d);
	vmt_driver_close(t->d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const actions[])(struct trial * t) = {
		run,           run,         run,    change_code,      change_code,
		change_tables, change_view, inject, change_registers, change_monitor,
	};
	const struct vmt_emulated_config config = {
		.guest = getenv("VMITAPE_TRIAL"),
		.command_line = "p",
		.memory = 0x4000000,
		.timer_ns = size % 2 ? 100000 : 0,
	};
	struct trial t = {.in = {data, size}};
	struct vmt_error err = {0};

	if (vmt_emulated_open(&config, &t.d, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.place, err.text);
		abort();
	}
	run(&t);
	for (unsigned i = 0; i < ACTIONS_MAX && t.in.len > 0 && !t.over; i++)
		actions[take(&t.in, 1) % (sizeof(actions) / sizeof(actions[0]))](&t);
	tear_down(&t);
	return 0;
}
