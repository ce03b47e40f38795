/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small types that every other header uses: page frame numbers, addresses, views, result
 * codes and the error value.
 *
 * A guest has three kinds of address, and mixing them up is the classic mistake of this field, so
 * each is a type of its own:
 *
 *   vmt_gva  a guest-virtual (linear) address, meaningful with a page-table root only;
 *   vmt_gpa  a guest-physical address;
 *   vmt_gfn  a guest page frame number, that is a guest-physical address >> 12.
 *
 * Where an address is either virtual or physical depending on a `struct vmt_space` (memory.h), it
 * is a plain uint64_t.
 */
#ifndef VMITAPE_TYPES_H
#define VMITAPE_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what libvmitape.so exports; everything else is hidden. */
#define VMT_API __attribute__((visibility("default")))

/** printf-like: argument @fmt is the format, the values start at @first (0 for a va_list). */
#define VMT_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* -------------------------------------------------------------------------------------------- */
/* Addresses                                                                                    */
/* -------------------------------------------------------------------------------------------- */

#define VMT_PAGE_SHIFT 12u
#define VMT_PAGE_SIZE  4096u
#define VMT_PAGE_MASK  4095u

typedef struct {
	uint64_t n;
} vmt_gfn; /**< a guest page frame number, in pages of 4096 bytes */

typedef struct {
	uint64_t a;
} vmt_gpa; /**< a guest-physical address, in bytes */

typedef struct {
	uint64_t a;
} vmt_gva; /**< a guest-virtual address, in bytes */

/** The number of a view (Xen: an altp2m index). View 0 is the host p2m and always exists. */
typedef uint16_t vmt_view;

static inline vmt_gfn vmt_gfn_from(uint64_t n)
{
	vmt_gfn gfn;

	gfn.n = n;
	return gfn;
}

static inline vmt_gpa vmt_gpa_from(uint64_t a)
{
	vmt_gpa gpa;

	gpa.a = a;
	return gpa;
}

static inline vmt_gva vmt_gva_from(uint64_t a)
{
	vmt_gva gva;

	gva.a = a;
	return gva;
}

/** The page that holds @gpa. */
static inline vmt_gfn vmt_gfn_of(vmt_gpa gpa)
{
	return vmt_gfn_from(gpa.a >> VMT_PAGE_SHIFT);
}

/** The first byte of page @gfn. */
static inline vmt_gpa vmt_gpa_of(vmt_gfn gfn)
{
	return vmt_gpa_from(gfn.n << VMT_PAGE_SHIFT);
}

/** "No particular page": where to allocate is left to the hypervisor; a remapping is undone. */
#define VMT_GFN_ANY vmt_gfn_from(UINT64_MAX)

static inline bool vmt_gfn_is_any(vmt_gfn gfn)
{
	return gfn.n == UINT64_MAX;
}

/* -------------------------------------------------------------------------------------------- */
/* Results                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/**
 * Why a call failed. Functions return 0 (or a count) on success and the negative of one of these
 * on failure: `return -VMT_E_INVALID`. The numbers are part of the ABI and of the trace format:
 * they never change.
 */
enum vmt_status {
	VMT_OK = 0,
	VMT_E_INVALID = 1, /**< an argument is outside of what the call takes */
	VMT_E_NOT_SUPPORTED =
		2, /**< this backend or hypervisor cannot do it; the text says who can */
	VMT_E_NOT_RECORDED = 3,  /**< replay: the trace does not hold the answer */
	VMT_E_FAULT = 4,         /**< a translation failed; vmt_error.fault has address and level */
	VMT_E_UNMAPPED = 5,      /**< no memory stands behind that guest page */
	VMT_E_TRUNCATED = 6,     /**< the value is longer than the limit given */
	VMT_E_BUSY = 7,          /**< in use: a view with a vCPU in it, an injection pending */
	VMT_E_EXISTS = 8,        /**< is so already: a monitor switched on twice */
	VMT_E_NOT_FOUND = 9,     /**< no such view, option, file, vCPU */
	VMT_E_NO_MEMORY = 10,    /**< the host or the domain has no memory left */
	VMT_E_LIMIT = 11,        /**< a limit is reached: views, a size cap */
	VMT_E_PERMISSION = 12,   /**< the hypervisor or the system forbids it */
	VMT_E_WRONG_PLACE = 13,  /**< not allowed here: the callback, the phase or the thread */
	VMT_E_GONE = 14,         /**< the domain was destroyed, crashed or shut down */
	VMT_E_HYPERVISOR = 15,   /**< the hypervisor refused; sys_errno has its number */
	VMT_E_IO = 16,           /**< a file, pipe or device failed; sys_errno has its number */
	VMT_E_HANDLER = 17,      /**< the handler reported a failure */
	VMT_E_ABI = 18,          /**< built against another version of an interface */
	VMT_E_DAMAGED = 19,      /**< stored data fail their checks */
	VMT_E_END_OF_TRACE = 20, /**< replay: the recording ends here */
	VMT_STATUS_COUNT
};

/** The name of @status without prefix, in lower case with blanks ("not supported"). Never NULL. */
VMT_API const char *vmt_status_name(int status);

/** What stopped a page walk. See enum vmt_fault_kind for the meaning of the other members. */
struct vmt_fault {
	uint32_t kind;  /**< enum vmt_fault_kind */
	uint32_t level; /**< 1 = page table ... 4 = PML4, 5 = PML5; 0 = before the walk */
	vmt_gva address;
	uint64_t root;  /**< the page-table root as given (CR3, with its low bits) */
	vmt_gpa where;  /**< where the entry stands, for the kinds that read one */
	uint64_t entry; /**< the entry itself */
};

enum vmt_fault_kind {
	VMT_FAULT_NONE = 0,
	VMT_FAULT_NOT_PRESENT = 1,   /**< the present bit of the entry is clear */
	VMT_FAULT_RESERVED = 2,      /**< the entry has a reserved bit set; a CPU raises #PF too */
	VMT_FAULT_NON_CANONICAL = 3, /**< the address is not canonical; no entry was read */
	VMT_FAULT_TOO_WIDE = 4, /**< the address does not fit 32 bits, and the mode needs that */
};

#define VMT_ERROR_PLACE 64u
#define VMT_ERROR_TEXT  384u

/**
 * One failure: a code, where it happened, and a sentence that a person can act on. All zero is "no
 * error". It owns nothing and can be copied.
 */
struct vmt_error {
	int32_t status;              /**< an enum vmt_status, positive; 0: no error */
	int32_t sys_errno;           /**< the errno of the hypervisor or the system, or 0 */
	struct vmt_fault fault;      /**< with VMT_E_FAULT */
	char place[VMT_ERROR_PLACE]; /**< the call or file and position: "read(gfn 0x1f2)" */
	char text[VMT_ERROR_TEXT];   /**< the sentence */
};

/**
 * Fill @err (NULL is allowed) and return -@status, so that a check is one line:
 *
 *     if (len == 0)
 *             return vmt_error_set(err, VMT_E_INVALID, "read",
 *                                  "the length is 0; ask for at least one byte");
 *
 * Too long a text is cut. The fault and errno members become 0; set them afterwards.
 */
VMT_API int vmt_error_set(struct vmt_error *err, enum vmt_status status, const char *place,
			  const char *fmt, ...) VMT_PRINTF(4, 5);
VMT_API int vmt_error_vset(struct vmt_error *err, enum vmt_status status, const char *place,
			   const char *fmt, va_list ap) VMT_PRINTF(4, 0);

/**
 * As vmt_error_set, with the system's errno in @sys_errno and its text appended to the sentence.
 */
VMT_API int vmt_error_set_errno(struct vmt_error *err, enum vmt_status status, int sys_errno,
				const char *place, const char *fmt, ...) VMT_PRINTF(5, 6);

/**
 * Put words in front of @err's sentence ("cannot place the breakpoint: ..."), keeping code, place
 * and fault. Returns -@err->status.
 */
VMT_API int vmt_error_prefix(struct vmt_error *err, const char *fmt, ...) VMT_PRINTF(2, 3);

/** Write "place: sentence" to @buf (at most @cap bytes with the final NUL). Returns @buf. */
VMT_API const char *vmt_error_format(const struct vmt_error *err, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_TYPES_H */
