/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal's memory and file, and the notes in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

#define FOLDER    "/run/vmitape"
#define BITS      (UINT64_C(8) * VMT_PAGE_SIZE) /* in a page of the bitmap */
#define MORE_GFNS UINT64_C(0x100000)            /* that may be added to the domain's memory map */
#define WAIT_MS   10000                         /* for the keeper of a dead session */
#define LAYOUT                                                                  \
	(UINT64_C(0x01746d7600000000) ^ (sizeof(struct vmt_xen_journal) << 8) ^ \
	 sizeof(struct vmt_xen_own_bytes))

/* -------------------------------------------------------------------------------------------- */
/* Processes                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static uint64_t start_of(uint64_t pid)
{
	char path[48], line[1024];
	const char *p;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = 0;
	p = strrchr(line, ')'); /* the second field may hold anything */
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
		/* a zombie is dead */
		if (p && field == 2 && (p[1] == 'Z' || p[1] == 'X'))
			return 0;
	}
	return p ? strtoull(p, NULL, 10) : 0;
}

struct vmt_xen_process vmt_xen_this_process(void)
{
	struct vmt_xen_process p = {.pid = (uint64_t)getpid()};

	p.start = start_of(p.pid);
	return p;
}

bool vmt_xen_process_lives(const struct vmt_xen_process *p)
{
	return p->pid != 0 && p->start != 0 && start_of(p->pid) == p->start;
}

static void read_boot_id(char *boot, size_t cap)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, boot, cap - 1);

	boot[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

/* -------------------------------------------------------------------------------------------- */
/* Memory                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static size_t round_up(size_t n)
{
	return (n + VMT_PAGE_SIZE - 1) & ~(size_t)(VMT_PAGE_SIZE - 1);
}

static size_t bytes_at(void)
{
	return round_up(sizeof(struct vmt_xen_journal));
}

static size_t restricted_at(void)
{
	return bytes_at() + VMT_XEN_JOURNAL_BYTES * sizeof(struct vmt_xen_own_bytes);
}

static uint64_t gfns_of(uint64_t max_gfn)
{
	return round_up(max_gfn + 1 + MORE_GFNS);
}

static int map_all(struct vmt_xen_journal_map *map, struct vmt_error *err)
{
	uint8_t *p = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			  map->fd, 0);

	if (p == MAP_FAILED) {
		vmt_error_set_errno(err, VMT_E_NO_MEMORY, errno, "xen journal",
				    "it cannot be mapped");
		return -VMT_E_NO_MEMORY;
	}
	map->j = (struct vmt_xen_journal *)(void *)p;
	map->bytes = (struct vmt_xen_own_bytes *)(void *)(p + bytes_at());
	map->restricted = p + restricted_at();
	return 0;
}

/* Memory for a part of the file: a page that is not there when it is written to would be SIGBUS. */
static int back(const struct vmt_xen_journal_map *map, size_t at, size_t len)
{
	while (fallocate(map->fd, 0, (off_t)at, (off_t)len) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

static int no_room(struct vmt_xen *x)
{
	return vmt_error_set_errno(&x->base.err, VMT_E_NO_MEMORY, errno, "xen journal",
				   "there is no room for it in " FOLDER
				   "; what is done must be noted there before");
}

static int not_begun(struct vmt_error *err)
{
	vmt_error_set(err, VMT_E_NOT_FOUND, "xen journal",
		      "it is not whole: its session had changed nothing yet");
	return -VMT_E_NOT_FOUND;
}

int vmt_xen_journal_attach(struct vmt_xen_journal_map *map, int fd, struct vmt_error *err)
{
	struct stat st;
	int r;

	*map = (struct vmt_xen_journal_map){.fd = fd};
	if (fstat(fd, &st) < 0 || (size_t)st.st_size <= restricted_at()) {
		vmt_xen_journal_close(map);
		return not_begun(err);
	}
	map->size = (size_t)st.st_size;
	r = map_all(map, err);
	if (r == 0 && map->j->layout == 0)
		r = not_begun(err);
	if (r == 0 && map->j->layout != LAYOUT)
		r = vmt_error_set(err, VMT_E_ABI, "xen journal",
				  "it was written by another version of vmitape; take that one");
	if (r == 0)
		map->ngfns = gfns_of(map->j->max_gfn);
	if (r == 0 && restricted_at() + map->ngfns / 8 > map->size)
		r = vmt_error_set(err, VMT_E_DAMAGED, "xen journal", "its size is wrong");
	if (r < 0)
		vmt_xen_journal_close(map);
	return r;
}

void vmt_xen_journal_close(struct vmt_xen_journal_map *map)
{
	if (map->j)
		munmap(map->j, map->size);
	if (map->fd >= 0)
		close(map->fd);
	free(map->path);
	free(map->backed);
	*map = (struct vmt_xen_journal_map){.fd = -1};
}

void vmt_xen_journal_end(struct vmt_xen_journal_map *map)
{
	if (map->j)
		map->j->clean = 1;
	if (map->path)
		unlink(map->path);
	vmt_xen_journal_close(map);
}

/* -------------------------------------------------------------------------------------------- */
/* The file                                                                                     */
/* -------------------------------------------------------------------------------------------- */

void vmt_xen_journal_path(uint32_t domid, char *path, size_t cap)
{
	(void)snprintf(path, cap, FOLDER "/xen-%u.journal", domid);
}

bool vmt_xen_journal_is_of(const struct vmt_xen_journal *j, const xc_domaininfo_t *info)
{
	char boot[sizeof(j->boot)];

	read_boot_id(boot, sizeof(boot));
	return strncmp(j->boot, boot, sizeof(boot)) == 0 && j->domid == info->domain &&
	       memcmp(j->handle, info->handle, sizeof(j->handle)) == 0;
}

static int open_locked(const char *path, bool *locked)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	*locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
	return fd;
}

/* Is @fd still what @path names? Its last owner may have removed it. */
static bool is_named(int fd, const char *path)
{
	struct stat by_fd, by_path;

	return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 &&
	       by_fd.st_ino == by_path.st_ino && by_fd.st_dev == by_path.st_dev;
}

/* Somebody has the file. While a keeper puts the domain right, that is worth waiting for. */
static int wait_for_lock(struct vmt_xen *x, const char *path, int *fd)
{
	const struct timespec nap = {0, 10000000L};
	bool locked = false;

	for (int ms = 0; ms < WAIT_MS; ms += 10) {
		*fd = open_locked(path, &locked);
		if (*fd < 0)
			return vmt_error_set_errno(&x->base.err, VMT_E_IO, errno, path,
						   "the journal cannot be made; vmitape keeps it "
						   "in " FOLDER);
		if (locked && is_named(*fd, path))
			return 0;
		if (!locked) {
			struct vmt_xen_journal_map map;
			struct vmt_error ignored;
			bool lives = false;

			if (vmt_xen_journal_attach(&map, *fd, &ignored) == 0) {
				lives = vmt_xen_process_lives(&map.j->session);
				vmt_xen_journal_close(&map);
			}
			if (lives)
				break;
		} else {
			close(*fd);
		}
		nanosleep(&nap, NULL);
	}
	*fd = -1;
	return vmt_xen_refuse(x, VMT_E_BUSY,
			      "another session of vmitape is attached to domain %s; end it first",
			      x->name);
}

/* Did a dead session and its dead keeper leave this? */
static int check_left(struct vmt_xen *x, const xc_domaininfo_t *info, int fd)
{
	struct vmt_xen_journal_map map;
	int r = vmt_xen_journal_attach(&map, dup(fd), &x->base.err);

	if (r == -VMT_E_NOT_FOUND) { /* new */
		memset(&x->base.err, 0, sizeof(x->base.err));
		return 0;
	}
	if (r < 0)
		return r;
	if (vmt_xen_journal_is_of(map.j, info))
		r = vmt_xen_refuse(x, VMT_E_BUSY,
				   "session %llu of domain %s was killed, and so was its keeper: "
				   "the domain is not as it was; run `vmirec rescue %s`",
				   (unsigned long long)map.j->session.pid, x->name, x->name);
	vmt_xen_journal_close(&map);
	return r;
}

static int open_file(struct vmt_xen *x, const xc_domaininfo_t *info)
{
	char path[64];
	int r;

	vmt_xen_journal_path(x->domid, path, sizeof(path));
	if (mkdir(FOLDER, 0700) < 0 && errno != EEXIST)
		return vmt_error_set_errno(&x->base.err, VMT_E_IO, errno, FOLDER,
					   "the folder of the journals cannot be made");
	r = wait_for_lock(x, path, &x->journal.fd);
	if (r == 0)
		r = check_left(x, info, x->journal.fd);
	if (r < 0)
		return r;
	x->journal.path = strdup(path);
	if (!x->journal.path)
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for a name");
	if (ftruncate(x->journal.fd, 0) < 0 || fchmod(x->journal.fd, 0600) < 0)
		return no_room(x);
	return 0;
}

static void fill(struct vmt_xen *x, const xc_domaininfo_t *info, uint64_t max_gfn)
{
	struct vmt_xen_journal *j = x->journal.j;

	read_boot_id(j->boot, sizeof(j->boot));
	j->session = vmt_xen_this_process();
	j->domid = x->domid;
	memcpy(j->handle, info->handle, sizeof(j->handle));
	(void)snprintf(j->name, sizeof(j->name), "%s", x->name);
	j->max_gfn = max_gfn;
	j->max_memkb = x->max_memkb;
	j->found_paused = (info->flags & XEN_DOMINF_paused) != 0;
	vmt_xen_journal_order();
	j->layout = LAYOUT;
}

int vmt_xen_journal_begin(struct vmt_xen *x, const xc_domaininfo_t *info, bool kept)
{
	struct vmt_xen_journal_map *map = &x->journal;
	xen_pfn_t max = 0;
	int r = 0;

	if (xc_domain_maximum_gpfn(x->xch, x->domid, &max) < 0)
		return vmt_xen_failed(x, "Xen does not tell the domain's largest gfn");
	map->ngfns = gfns_of(max);
	map->size = restricted_at() + map->ngfns / 8;
	map->backed = calloc(map->ngfns / BITS + 1, sizeof(*map->backed));
	if (!map->backed)
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for the journal");
	if (kept)
		r = open_file(x, info);
	else
		map->fd = memfd_create("vmitape-journal", MFD_CLOEXEC);
	if (r < 0)
		return r;
	if (map->fd < 0 || ftruncate(map->fd, (off_t)map->size) < 0 || back(map, 0, bytes_at()) < 0)
		return no_room(x);
	r = map_all(map, &x->base.err);
	if (r == 0)
		fill(x, info, max);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Notes                                                                                        */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_note_restricted(struct vmt_xen *x, uint64_t gfn, bool on)
{
	struct vmt_xen_journal_map *map = &x->journal;
	uint64_t page = gfn / BITS;

	if (gfn >= map->ngfns)
		return on ? vmt_xen_refuse(x, VMT_E_LIMIT, "gfn %#llx is beyond what is noted",
					   (unsigned long long)gfn)
			  : 0;
	if (!map->backed[page]) {
		if (!on)
			return 0;
		if (back(map, restricted_at() + page * VMT_PAGE_SIZE, VMT_PAGE_SIZE) < 0)
			return no_room(x);
		map->backed[page] = true;
	}
	if (on)
		map->restricted[gfn / 8] |= (uint8_t)(1u << gfn % 8);
	else
		map->restricted[gfn / 8] &= (uint8_t) ~(1u << gfn % 8);
	vmt_xen_journal_order();
	return 0;
}

int vmt_xen_note_own_page(struct vmt_xen *x, uint64_t gfn)
{
	for (unsigned i = 0; i < VMT_XEN_JOURNAL_OWN; i++) {
		if (x->journal.j->own_pages[i] == 0) {
			x->journal.j->own_pages[i] = gfn + 1;
			vmt_xen_journal_order();
			return 0;
		}
	}
	return vmt_xen_refuse(x, VMT_E_LIMIT, "a session adds at most %u pages to a domain",
			      VMT_XEN_JOURNAL_OWN);
}

void vmt_xen_forget_own_page(struct vmt_xen *x, uint64_t gfn)
{
	for (unsigned i = 0; i < VMT_XEN_JOURNAL_OWN; i++) {
		if (x->journal.j->own_pages[i] == gfn + 1)
			x->journal.j->own_pages[i] = 0;
	}
}

void vmt_xen_note_msr(struct vmt_xen *x, uint32_t msr)
{
	static const uint32_t begins[VMT_XEN_MSR_RANGES] = {0, 0x40000000, 0xc0000000};

	for (unsigned i = 0; i < VMT_XEN_MSR_RANGES; i++) {
		uint32_t n = msr - begins[i];

		if (n < VMT_XEN_MSR_RANGE)
			x->journal.j->msrs[i][n / 8] |= (uint8_t)(1u << n % 8);
	}
	vmt_xen_journal_order();
}
