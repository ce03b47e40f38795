/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of own bytes: whenever a session dies, also in the middle of a write, what is noted is
 * enough to give the guest its bytes back. No hypervisor: a page of this process stands for the guest's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "live/xen/driver.h"

#define ROUNDS 20000
#define PAGES  2u

struct fixture {
	struct vmt_xen x;
	uint8_t page[PAGES][VMT_PAGE_SIZE];
	uint8_t guest[PAGES][VMT_PAGE_SIZE]; /* as if nobody had written there */
};

static struct fixture *current;

/* ---- what own-bytes.c asks ---- */

int vmt_xen_map(struct vmt_xen *x, uint64_t gfn, void **page)
{
	(void)x;
	*page = current->page[gfn];
	return 0;
}

int vmt_xen_refuse(struct vmt_xen *x, enum vmt_status status, const char *fmt, ...)
{
	(void)x;
	fail_msg("%s", fmt);
	return -(int)status;
}

void vmt_xen_keep(struct vmt_xen *x, struct vmt_xen_first *first, int r)
{
	(void)x;
	first->status = r;
}

int vmt_xen_kept(struct vmt_xen *x, const struct vmt_xen_first *first)
{
	(void)x;
	return first->status;
}

/* ---- */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct vmt_xen_journal_map *map;

	if (!f)
		return -1;
	*state = current = f;
	map = &f->x.journal;
	map->fd = memfd_create("journal", MFD_CLOEXEC);
	map->size = sizeof(struct vmt_xen_journal) + PAGES * sizeof(struct vmt_xen_own_bytes);
	if (map->fd < 0 || ftruncate(map->fd, (off_t)map->size) < 0)
		return -1;
	map->j = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (map->j == MAP_FAILED)
		return -1;
	map->bytes = (struct vmt_xen_own_bytes *)(void *)(map->j + 1);
	vmt_gfn_map_init(&f->x.bytes, sizeof(uint32_t));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->x.journal.j, f->x.journal.size);
	close(f->x.journal.fd);
	vmt_gfn_map_finish(&f->x.bytes);
	free(f);
	return 0;
}

/* Undo by what is noted now, as a keeper would, and go on as if nothing had been undone. */
static void check_undo(struct fixture *f)
{
	static uint8_t pages[PAGES][VMT_PAGE_SIZE];
	static uint8_t
		journal[sizeof(struct vmt_xen_journal) + PAGES * sizeof(struct vmt_xen_own_bytes)];
	uint32_t count = 0;

	memcpy(pages, f->page, sizeof(pages));
	memcpy(journal, f->x.journal.j, sizeof(journal));
	assert_int_equal(vmt_xen_bytes_undo(&f->x, &count), 0);
	assert_memory_equal(f->page, f->guest, sizeof(pages));
	memcpy(f->page, pages, sizeof(pages));
	memcpy(f->x.journal.j, journal, sizeof(journal));
}

/* The handler writes; it may die after each byte. */
static void own_write(struct fixture *f, uint64_t gfn, uint32_t offset, uint32_t len)
{
	uint8_t bytes[16];
	uint32_t dies = (uint32_t)rand() % (len + 1);

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = rand() % 4 ? 0xcc : f->guest[gfn][offset + i];
	assert_int_equal(vmt_xen_write_begin(&f->x, gfn, offset, f->page[gfn], bytes, len), 0);
	for (uint32_t i = 0; i < len; i++) {
		if (i == dies)
			check_undo(f);
		f->page[gfn][offset + i] = bytes[i];
	}
	if (dies == len)
		check_undo(f);
	vmt_xen_write_end(&f->x);
}

static void whenever_it_dies_the_guest_gets_its_bytes_back(void **state)
{
	struct fixture *f = *state;

	srand(1);
	for (uint32_t i = 0; i < VMT_PAGE_SIZE; i++)
		f->page[0][i] = f->page[1][i] = f->guest[0][i] = f->guest[1][i] = (uint8_t)(i % 7);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t gfn = (uint64_t)rand() % PAGES;
		uint32_t offset = (uint32_t)rand() % 64; /* so that writes meet each other */

		if (rand() % 4)
			own_write(f, gfn, offset, 1 + (uint32_t)rand() % 16);
		else /* the guest writes there, a value that is never the handler's */
			f->page[gfn][offset] = f->guest[gfn][offset] = (uint8_t)(rand() % 128);
		if (round % 16 == 0)
			check_undo(f);
	}
}

static void undoing_counts_what_it_puts_back_and_forgets_it(void **state)
{
	struct fixture *f = *state;
	uint32_t count = 0;

	memset(f->page, 0x90, sizeof(f->page));
	assert_int_equal(vmt_xen_write_begin(&f->x, 1, 8, f->page[1],
					     (const uint8_t *)"\xcc\x90\xcc", 3),
			 0);
	memcpy(&f->page[1][8], "\xcc\x90\xcc", 3);
	vmt_xen_write_end(&f->x);
	assert_int_equal(vmt_xen_bytes_undo(&f->x, &count), 0);
	assert_int_equal(count, 2); /* the one in the middle was the guest's own value */
	assert_int_equal(f->page[1][8], 0x90);
	f->page[1][8] = 0xcc; /* the guest's own from now on */
	assert_int_equal(vmt_xen_bytes_undo(&f->x, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(f->page[1][8], 0xcc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whenever_it_dies_the_guest_gets_its_bytes_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(undoing_counts_what_it_puts_back_and_forgets_it,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("xen own bytes", tests, NULL, NULL);
}
