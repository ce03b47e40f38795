/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a kernel: what is taken, and what is refused with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "live/emulated/kernel.h"

#include "kernel-file.h"

#define RAM_SIZE UINT64_C(0x200000)

static uint8_t *ram;

static int set_up(void **state)
{
	(void)state;
	ram = calloc(1, RAM_SIZE);
	return ram ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(ram);
	return 0;
}

static int load(const struct kernel_file *f, size_t len, struct vmt_kernel_image *image,
		struct vmt_error *err)
{
	/* A block of its own size, so that a sanitizer sees each byte past it. */
	uint8_t *file = malloc(len ? len : 1);
	int r;

	assert_non_null(file);
	memcpy(file, f, len);
	r = vmt_kernel_load(file, len, ram, RAM_SIZE, image, err);
	free(file);
	return r;
}

static void refused(const struct kernel_file *f, size_t len, const char *word)
{
	struct vmt_kernel_image image;
	struct vmt_error err = {0};

	assert_int_equal(load(f, len, &image, &err), -VMT_E_DAMAGED);
	if (!strstr(err.text, word))
		fail_msg("'%s' is not in: %s", word, err.text);
}

static void a_kernel_is_loaded_where_it_says(void **state)
{
	struct vmt_kernel_image image;
	struct vmt_error err = {0};
	struct kernel_file f;

	(void)state;
	kernel_file_init(&f);
	assert_int_equal(load(&f, sizeof(f), &image, &err), 0);
	assert_int_equal(image.entry, KERNEL_AT);
	assert_int_equal(image.end, KERNEL_AT + 0x2000);
	assert_int_equal(ram[KERNEL_AT], KERNEL_BYTE);
	assert_int_equal(ram[KERNEL_AT + 15], KERNEL_BYTE);
	assert_int_equal(ram[KERNEL_AT + 16], 0);
	assert_int_equal(ram[KERNEL_AT - 1], 0);
}

static void other_notes_are_passed_over(void **state)
{
	struct vmt_kernel_image image;
	struct vmt_error err = {0};
	struct kernel_file f;

	(void)state;
	kernel_file_init(&f);
	f.note_head.n_type = 6;
	refused(&f, sizeof(f), "PVH");
	kernel_file_init(&f);
	memcpy(f.note_name, "GNU", 4);
	refused(&f, sizeof(f), "PVH");
	kernel_file_init(&f);
	f.note_head.n_descsz = 5;
	refused(&f, sizeof(f), "PVH");
	kernel_file_init(&f);
	f.note_head.n_namesz = UINT32_MAX;
	refused(&f, sizeof(f), "PVH");
	kernel_file_init(&f);
	f.note_head.n_descsz = UINT32_MAX;
	refused(&f, sizeof(f), "PVH");
	kernel_file_init(&f);
	f.note_desc = (uint32_t)KERNEL_AT + 0x1fff;
	assert_int_equal(load(&f, sizeof(f), &image, &err), 0);
	f.note_desc++;
	refused(&f, sizeof(f), "outside");
}

static void what_is_no_kernel_is_refused(void **state)
{
	struct kernel_file f;

	(void)state;
	kernel_file_init(&f);
	refused(&f, 0, "too short");
	refused(&f, sizeof(Elf64_Ehdr) - 1, "too short");
	f.head.e_ident[0] = 'x';
	refused(&f, sizeof(f), "no ELF");
	kernel_file_init(&f);
	f.head.e_ident[EI_CLASS] = ELFCLASS32;
	refused(&f, sizeof(f), "64 bits");
	kernel_file_init(&f);
	f.head.e_machine = EM_AARCH64;
	refused(&f, sizeof(f), "x86-64");
	kernel_file_init(&f);
	f.head.e_type = ET_REL;
	refused(&f, sizeof(f), "executable");
	kernel_file_init(&f);
	f.head.e_phnum = 0;
	refused(&f, sizeof(f), "no program headers");
	kernel_file_init(&f);
	f.head.e_phnum = 129;
	refused(&f, sizeof(f), "129");
	kernel_file_init(&f);
	f.head.e_phoff = UINT64_MAX - 8;
	refused(&f, sizeof(f), "behind the file's end");
	kernel_file_init(&f);
	f.head.e_phoff = sizeof(f) - 8;
	refused(&f, sizeof(f), "behind the file's end");
}

static void segments_stay_in_the_file_and_in_memory(void **state)
{
	struct kernel_file f;

	(void)state;
	kernel_file_init(&f);
	refused(&f, offsetof(struct kernel_file, code) + sizeof(f.code) - 1, "cut");
	f.load.p_offset = UINT64_MAX;
	refused(&f, sizeof(f), "cut");
	kernel_file_init(&f);
	f.load.p_filesz = UINT64_MAX;
	refused(&f, sizeof(f), "cut");
	kernel_file_init(&f);
	f.note.p_filesz = UINT64_MAX;
	refused(&f, sizeof(f), "cut");
	kernel_file_init(&f);
	f.load.p_memsz = 8;
	refused(&f, sizeof(f), "more bytes");
	kernel_file_init(&f);
	f.load.p_memsz = RAM_SIZE;
	refused(&f, sizeof(f), "more memory");
	kernel_file_init(&f);
	f.load.p_paddr = UINT64_MAX - 4;
	refused(&f, sizeof(f), "more memory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_is_loaded_where_it_says),
		TEST(other_notes_are_passed_over),
		TEST(what_is_no_kernel_is_refused),
		TEST(segments_stay_in_the_file_and_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
