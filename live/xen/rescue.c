/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rescue: putting a domain right when its session and the keeper are both dead.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "driver.h"
#include "keeper.h"

static int open_left(struct vmt_xen *x, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return vmt_error_set_errno(&x->base.err,
					   errno == ENOENT ? VMT_E_NOT_FOUND : VMT_E_IO, errno,
					   path, "the journal cannot be opened");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return vmt_xen_refuse(x, VMT_E_BUSY,
				      "the session of domain %s, or its keeper, is alive and sees "
				      "to it",
				      x->name);
	}
	return vmt_xen_journal_attach(&x->journal, fd, &x->base.err);
}

static int rescue(struct vmt_xen *x, const char *domain, struct vmt_xen_repair_report *report)
{
	xc_domaininfo_t info;
	char path[64];
	int r = vmt_xen_open_host(x);

	if (r == 0)
		r = vmt_xen_find_domain(x, domain, &info);
	if (r < 0)
		return r;
	vmt_xen_journal_path(x->domid, path, sizeof(path));
	r = open_left(x, path);
	if (r == -VMT_E_NOT_FOUND) { /* none, or its session had changed nothing yet */
		memset(&x->base.err, 0, sizeof(x->base.err));
		unlink(path);
		return 0;
	}
	if (r < 0)
		return r;
	if (!vmt_xen_journal_is_of(x->journal.j, &info)) {
		unlink(path); /* of a domain that had this number before */
		return 0;
	}
	r = vmt_xen_take_journal_domain(x);
	if (r == 0)
		r = vmt_xen_repair(x, report);
	if (r == 0)
		unlink(path);
	return r;
}

int vmt_xen_rescue_domain(const char *domain, struct vmt_xen_repair_report *report,
			  struct vmt_error *err)
{
	struct vmt_xen *x = vmt_xen_create();
	int r;

	memset(report, 0, sizeof(*report));
	if (!x)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "xen", "no memory for a rescue");
	r = rescue(x, domain, report);
	*err = x->base.err;
	if (r < 0 && !*err->place)
		memcpy(err->place, "xen", sizeof("xen"));
	vmt_xen_release(x);
	return r;
}
