/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small kernel file, made in memory: an ELF header, one segment, one note.
 */
#ifndef VMT_TESTS_EMULATED_KERNEL_FILE_H
#define VMT_TESTS_EMULATED_KERNEL_FILE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define KERNEL_AT   UINT64_C(0x100000)
#define KERNEL_BYTE 0xf4 /* hlt */

struct kernel_file {
	Elf64_Ehdr head;
	Elf64_Phdr load, note;
	Elf64_Nhdr note_head;
	char note_name[4];
	uint32_t note_desc;
	uint8_t code[16];
};

static inline void kernel_file_init(struct kernel_file *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->head.e_ident, ELFMAG, SELFMAG);
	f->head.e_ident[EI_CLASS] = ELFCLASS64;
	f->head.e_ident[EI_DATA] = ELFDATA2LSB;
	f->head.e_type = ET_EXEC;
	f->head.e_machine = EM_X86_64;
	f->head.e_phoff = offsetof(struct kernel_file, load);
	f->head.e_phentsize = sizeof(Elf64_Phdr);
	f->head.e_phnum = 2;
	f->load.p_type = PT_LOAD;
	f->load.p_offset = offsetof(struct kernel_file, code);
	f->load.p_paddr = KERNEL_AT;
	f->load.p_filesz = sizeof(f->code);
	f->load.p_memsz = 0x2000;
	f->note.p_type = PT_NOTE;
	f->note.p_offset = offsetof(struct kernel_file, note_head);
	f->note.p_filesz = sizeof(f->note_head) + sizeof(f->note_name) + sizeof(f->note_desc);
	f->note_head.n_namesz = 4;
	f->note_head.n_descsz = 4;
	f->note_head.n_type = 18; /* XEN_ELFNOTE_PHYS32_ENTRY */
	memcpy(f->note_name, "Xen", 4);
	f->note_desc = (uint32_t)KERNEL_AT;
	memset(f->code, KERNEL_BYTE, sizeof(f->code));
}

#endif /* VMT_TESTS_EMULATED_KERNEL_FILE_H */
