/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel files: any bytes are loaded within the guest's memory, or refused with a reason.
 */
#include <stdio.h>

#include "live/emulated/kernel.h"

#include "../fuzz/fuzz.h"
#include "kernel-file.h"

#define RAM_SIZE 0x8000u

/* A good file for 32 KiB of memory, changed as the input says: pairs of a place and a byte. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmt_error err = {0};
	struct vmt_kernel_image image;
	struct kernel_file file;
	uint8_t *bytes, *ram;
	size_t len = sizeof(file);
	int r;

	kernel_file_init(&file);
	file.load.p_paddr = 0x1000;
	file.note_desc = 0x1000;
	for (size_t i = 0; i + 1 < size && i < 32; i += 2)
		((uint8_t *)&file)[data[i] % sizeof(file)] = data[i + 1];
	if (size > 0 && data[0] % 4 == 0)
		len = data[size - 1] % (sizeof(file) + 1);
	bytes = malloc(len ? len : 1);
	ram = calloc(1, RAM_SIZE);
	FUZZ_REQUIRE(bytes && ram);
	memcpy(bytes, &file, len);
	r = vmt_kernel_load(bytes, len, ram, RAM_SIZE, &image, &err);
	FUZZ_REQUIRE(r == 0 || (r == -VMT_E_DAMAGED && err.text[0] != '\0'));
	FUZZ_REQUIRE(r != 0 || (image.entry < image.end && image.end <= RAM_SIZE));
	free(bytes);
	free(ram);
	return 0;
}
