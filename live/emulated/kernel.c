/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a kernel.
 *
 * Sources: the ELF-64 object file format; Xen xen/include/public/elfnote.h, xen/common/libelf.
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "kernel.h"

#define HEADERS_MAX   128u
#define PHYS32_ENTRY  18u
#define NOTE_ALIGN(n) (((uint64_t)(n) + 3) & ~UINT64_C(3))

struct file {
	const uint8_t *bytes;
	size_t len;
	struct vmt_error *err;
};

static int wrong(const struct file *f, const char *what)
{
	return vmt_error_set(f->err, VMT_E_DAMAGED, "kernel", "%s", what);
}

static int check_header(const struct file *f, const Elf64_Ehdr *head)
{
	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
		return wrong(f, "it is no ELF file");
	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_machine != EM_X86_64)
		return wrong(f, "it is an ELF file, but not one of 64 bits for x86-64");
	if (head->e_type != ET_EXEC && head->e_type != ET_DYN)
		return wrong(f, "it is an ELF file, but not an executable");
	if (head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phnum == 0)
		return wrong(f, "it has no program headers, so nothing of it can be loaded");
	if (head->e_phnum > HEADERS_MAX)
		return vmt_error_set(f->err, VMT_E_DAMAGED, "kernel",
				     "it has %u program headers; %u are the most", head->e_phnum,
				     HEADERS_MAX);
	if (head->e_phoff > f->len ||
	    f->len - head->e_phoff < (uint64_t)head->e_phnum * sizeof(Elf64_Phdr))
		return wrong(f, "its program headers lie behind the file's end");
	return 0;
}

static Elf64_Phdr header_at(const struct file *f, const Elf64_Ehdr *head, unsigned i)
{
	Elf64_Phdr ph;

	memcpy(&ph, f->bytes + head->e_phoff + (size_t)i * sizeof(ph), sizeof(ph));
	return ph;
}

static int check_segment(const struct file *f, const Elf64_Phdr *ph, unsigned i)
{
	if (ph->p_offset <= f->len && ph->p_filesz <= f->len - ph->p_offset)
		return 0;
	return vmt_error_set(f->err, VMT_E_DAMAGED, "kernel",
			     "segment %u reaches behind the file's end: it was cut", i);
}

static int load_segment(const struct file *f, const Elf64_Phdr *ph, unsigned i, uint8_t *ram,
			uint64_t size, struct vmt_kernel_image *image)
{
	int r = check_segment(f, ph, i);

	if (r < 0)
		return r;
	if (ph->p_filesz > ph->p_memsz)
		return vmt_error_set(f->err, VMT_E_DAMAGED, "kernel",
				     "segment %u has more bytes in the file than in memory", i);
	if (ph->p_paddr > size || ph->p_memsz > size - ph->p_paddr)
		return vmt_error_set(f->err, VMT_E_DAMAGED, "kernel",
				     "segment %u is for addresses from 0x%" PRIx64
				     " on, and the guest has memory up to 0x%" PRIx64
				     ": give it more memory",
				     i, ph->p_paddr, size);
	memcpy(ram + ph->p_paddr, f->bytes + ph->p_offset, ph->p_filesz);
	if (ph->p_paddr + ph->p_memsz > image->end)
		image->end = ph->p_paddr + ph->p_memsz;
	return 0;
}

/* Look for the entry among the notes in @len bytes at @at. 1: found; 0: not. */
static int find_note(const uint8_t *at, uint64_t len, uint32_t *entry)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		uint64_t name, desc;
		Elf64_Nhdr note;

		memcpy(&note, at, sizeof(note));
		at += sizeof(note);
		len -= sizeof(note);
		name = NOTE_ALIGN(note.n_namesz);
		desc = NOTE_ALIGN(note.n_descsz);
		if (name > len || note.n_descsz > len - name)
			return 0;
		if (note.n_type == PHYS32_ENTRY && note.n_namesz == 4 &&
		    memcmp(at, "Xen", 4) == 0 && (note.n_descsz == 4 || note.n_descsz == 8)) {
			memcpy(entry, at + name, sizeof(*entry));
			return 1;
		}
		if (desc > len - name)
			return 0;
		at += name + desc;
		len -= name + desc;
	}
	return 0;
}

static int read_segments(const struct file *f, const Elf64_Ehdr *head, uint8_t *ram, uint64_t size,
			 struct vmt_kernel_image *image)
{
	int found = 0;

	for (unsigned i = 0; i < head->e_phnum; i++) {
		const Elf64_Phdr ph = header_at(f, head, i);
		int r = 0;

		if (ph.p_type == PT_LOAD)
			r = load_segment(f, &ph, i, ram, size, image);
		else if (ph.p_type == PT_NOTE)
			r = check_segment(f, &ph, i);
		if (r < 0)
			return r;
		if (ph.p_type == PT_NOTE && !found)
			found = find_note(f->bytes + ph.p_offset, ph.p_filesz, &image->entry);
	}
	return found;
}

int vmt_kernel_load(const uint8_t *file, size_t len, uint8_t *ram, uint64_t size,
		    struct vmt_kernel_image *image, struct vmt_error *err)
{
	const struct file f = {file, len, err};
	Elf64_Ehdr head;
	int r;

	memset(image, 0, sizeof(*image));
	if (len < sizeof(head))
		return wrong(&f, "it is too short for an ELF file");
	memcpy(&head, file, sizeof(head));
	r = check_header(&f, &head);
	if (r == 0)
		r = read_segments(&f, &head, ram, size, image);
	if (r < 0)
		return r;
	if (r == 0)
		return wrong(
			&f,
			"it has no PVH entry: the note XEN_ELFNOTE_PHYS32_ENTRY is missing. "
			"A Linux kernel needs CONFIG_PVH, and the file is vmlinux, not bzImage");
	if (image->entry >= image->end)
		return wrong(&f, "its PVH entry lies outside of what it loads");
	return 0;
}
