/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest memory for handlers: address spaces, page walks, reads and writes, strings.
 *
 * Everything copies; no pointer into guest memory ever exists. A read or write is all or nothing:
 * either the whole range was done, or nothing was (a write that fails half-way is undone) and the
 * result is negative, with the reason in vmt_error_of(session):
 *
 *   -VMT_E_FAULT         the page walk ended; vmt_error.fault tells address, level and entry
 *   -VMT_E_NOT_RECORDED  replay: the trace does not hold these bytes, or a page table on the way.
 *                        A missing page table is never "not present".
 *   -VMT_E_UNMAPPED      no memory behind that guest-physical page (ballooned, a device)
 *   -VMT_E_GONE          the domain is gone
 *
 * Addresses are what the space says: guest-virtual in a paging space, guest-physical in VMT_PHYS.
 * Ranges may cross pages; they may not wrap around the end of the address space
 * (-VMT_E_INVALID).
 *
 * Translations are cached within one callback. The cache is emptied when a callback starts and by
 * each call that could change a translation (writes, remapping, view switches, page allocation). A
 * handler that polls memory for a change while the guest runs calls vmt_flush() before each look.
 */
#ifndef VMITAPE_MEMORY_H
#define VMITAPE_MEMORY_H

#include <vmitape/event.h>
#include <vmitape/registers.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_session;

/* -------------------------------------------------------------------------------------------- */
/* Spaces                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** How linear addresses become physical ones (Intel SDM volume 3, chapter 4). */
enum vmt_paging {
	VMT_PAGING_NONE = 0, /**< addresses are guest-physical */
	VMT_PAGING_32 = 1,   /**< 2 levels, 4-byte entries; 4 MiB pages with VMT_SPACE_PSE */
	VMT_PAGING_PAE = 2,  /**< 3 levels, 8-byte entries, 32-bit addresses */
	VMT_PAGING_4 = 3,    /**< 4 levels, 48-bit addresses */
	VMT_PAGING_5 = 4,    /**< 5 levels, 57-bit addresses */
};

enum vmt_space_flag {
	VMT_SPACE_PSE = 1, /**< CR4.PSE: honour the PS bit in 32-bit paging */
	VMT_SPACE_NXE = 2, /**< EFER.NXE: bit 63 is execute-disable, else reserved */
};

/** An address space: a paging mode and its root. A value; it holds for as long as its tables do. */
struct vmt_space {
	uint64_t root; /**< CR3 as the register has it: PCID and flag bits are masked by the walk */
	uint8_t paging; /**< enum vmt_paging */
	uint8_t flags;  /**< enum vmt_space_flag */
};

/** The space of guest-physical addresses. */
static inline struct vmt_space vmt_space_physical(void)
{
	struct vmt_space s = {0, VMT_PAGING_NONE, 0};

	return s;
}
#define VMT_PHYS vmt_space_physical()

/** The same paging mode with another root, for another process. */
static inline struct vmt_space vmt_space_with_root(struct vmt_space s, uint64_t root)
{
	s.root = root;
	return s;
}

/**
 * The space in which a vCPU with these registers works: from CR0.PG, CR4.PAE, CR4.LA57, CR4.PSE,
 * EFER.LMA, EFER.NXE and CR3. -VMT_E_INVALID when one of CR0, CR3, CR4, EFER is not known.
 */
VMT_API int vmt_space_from_regs(const struct vmt_regs *regs, struct vmt_space *space,
				struct vmt_error *err);

/** Bytes of a pointer in that space: 8 for 4 and 5 levels, 4 for PAE and 32-bit, 0 for VMT_PHYS. */
VMT_API unsigned vmt_space_pointer_size(struct vmt_space space);

/* -------------------------------------------------------------------------------------------- */
/* Page walks                                                                                   */
/* -------------------------------------------------------------------------------------------- */

#define VMT_WALK_MAX 5u

struct vmt_walk_entry {
	uint32_t level; /**< 5 = PML5 ... 1 = page table */
	vmt_gpa where;  /**< of the entry */
	uint64_t entry; /**< its value; 4-byte entries are widened */
};

/** One page walk, as far as it came. */
struct vmt_walk {
	vmt_gpa gpa;        /**< of the address itself, when the walk ended well */
	uint64_t page_size; /**< bytes: 4 KiB, 2 MiB, 4 MiB, 1 GiB */
	/** The rights of all levels together; CR0.WP, SMEP and SMAP are not applied. */
	bool writable, user, executable;
	uint32_t nentries;
	struct vmt_walk_entry entries[VMT_WALK_MAX]; /**< from the root down */
};

/**
 * Walk the page tables for @gva. On -VMT_E_FAULT, @walk holds the entries that were read, the bad
 * one last. Walks never use the cache, so that a handler that watches page tables sees them as they
 * are. In VMT_PHYS the result is @gva itself with no entry.
 */
VMT_API int vmt_walk(struct vmt_session *s, struct vmt_space space, vmt_gva gva,
		     struct vmt_walk *walk);

/** The guest-physical address of @gva, through the cache. */
VMT_API int vmt_translate(struct vmt_session *s, struct vmt_space space, vmt_gva gva, vmt_gpa *gpa);

/** Forget all cached translations. */
VMT_API void vmt_flush(struct vmt_session *s);

/* -------------------------------------------------------------------------------------------- */
/* Reads and writes                                                                             */
/* -------------------------------------------------------------------------------------------- */

/** Read @len bytes at @addr. A length of 0 is 0 at once. On failure @buf is zeroed. */
VMT_API int vmt_read(struct vmt_session *s, struct vmt_space space, uint64_t addr, void *buf,
		     size_t len);

/**
 * Write @len bytes at @addr. The write goes to view 0's memory and past the page tables' rights.
 * What a handler writes belongs to its footprint: at the end of the session each byte that still
 * holds what the handler wrote is put back.
 */
VMT_API int vmt_write(struct vmt_session *s, struct vmt_space space, uint64_t addr, const void *buf,
		      size_t len);

/** Little-endian integers. */
VMT_API int vmt_read_u8(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			uint8_t *value);
VMT_API int vmt_read_u16(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			 uint16_t *value);
VMT_API int vmt_read_u32(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			 uint32_t *value);
VMT_API int vmt_read_u64(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			 uint64_t *value);
VMT_API int vmt_write_u8(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			 uint8_t value);
VMT_API int vmt_write_u16(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			  uint16_t value);
VMT_API int vmt_write_u32(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			  uint32_t value);
VMT_API int vmt_write_u64(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			  uint64_t value);

/** An unsigned integer of @size 1, 2, 4 or 8 bytes (else -VMT_E_INVALID), widened. */
VMT_API int vmt_read_uint(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			  unsigned size, uint64_t *value);

/** A pointer of the space's width (in VMT_PHYS: 8 bytes), widened. */
VMT_API int vmt_read_pointer(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			     uint64_t *value);

/* -------------------------------------------------------------------------------------------- */
/* Structs                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** A scalar field of a guest structure. */
struct vmt_struct_field {
	uint32_t offset; /**< bytes from the start of the structure */
	uint32_t size;   /**< 1, 2, 4 or 8 */
};

/** A copy of a guest structure, taken with one read. Fields are then taken from the copy. */
struct vmt_struct {
	uint64_t addr;
	uint32_t len;
	uint8_t *bytes; /**< the caller's buffer */
};

/** Read @len bytes at @addr into the caller's @buf and describe them in @st. */
VMT_API int vmt_struct_read(struct vmt_session *s, struct vmt_space space, uint64_t addr, void *buf,
			    uint32_t len, struct vmt_struct *st);

/**
 * The value of @field in the copy. -VMT_E_INVALID when it does not lie inside or its size is odd.
 */
VMT_API int vmt_struct_get(struct vmt_session *s, const struct vmt_struct *st,
			   struct vmt_struct_field field, uint64_t *value);

/* -------------------------------------------------------------------------------------------- */
/* Strings                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/**
 * Read a C string of bytes into @buf, which is always ended with a NUL (@cap >= 1). Reads no page
 * past the one that holds the terminator. Returns the length without NUL. When the string is longer
 * than @cap - 1 bytes, @buf holds its first ones and the result is -VMT_E_TRUNCATED. When a page
 * fails after some bytes came, the result is that failure and @buf holds what came before it.
 */
VMT_API int vmt_read_str(struct vmt_session *s, struct vmt_space space, uint64_t addr, char *buf,
			 size_t cap);

/**
 * Read a NUL-terminated UTF-16LE string and store it as UTF-8. Unpaired surrogates become U+FFFD.
 * @max_units bounds the code units read from the guest, @cap the bytes stored with the NUL; a
 * character is never cut in half. Returns the length in bytes; -VMT_E_TRUNCATED as in vmt_read_str.
 */
VMT_API int vmt_read_utf16(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			   size_t max_units, char *buf, size_t cap);

/**
 * Convert @nbytes of UTF-16LE (an odd last byte is ignored) to UTF-8 in @buf. A NUL among them is
 * converted like any other character: the length was given. Results as vmt_read_utf16.
 */
VMT_API int vmt_utf16_to_utf8(const void *units, size_t nbytes, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_MEMORY_H */
