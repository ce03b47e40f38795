/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scripted domain as a driver: each op goes to the model, which is the hypervisor here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "chain.h"
#include "scripted.h"

/** What an answered event counts for vmt_overhead, ns. */
#define OVERHEAD_NS  1000u

#define STOP_WAIT_MS 10000

static struct vmt_scripted *of(struct vmt_driver *d)
{
	return (struct vmt_scripted *)d;
}

/* -------------------------------------------------------------------------------------------- */
/* Ops                                                                                          */
/* -------------------------------------------------------------------------------------------- */

/* A destroyed domain answers no hypercall. */
#define NEED_DOMAIN(d)                                                                        \
	do {                                                                                  \
		if (of(d)->destroyed)                                                         \
			return vmt_error_set(&(d)->err, VMT_E_GONE, NULL,                     \
					     "the domain was destroyed, as the script says"); \
	} while (0)

static int op_info(struct vmt_driver *d, struct vmt_info *info)
{
	const struct vmt_scripted *s = of(d);

	NEED_DOMAIN(d);
	memset(info, 0, sizeof(*info));
	info->now = s->now;
	info->seed = s->config.seed;
	snprintf(info->backend, sizeof(info->backend), "scripted");
	snprintf(info->domain, sizeof(info->domain), "scripted");
	return vmt_model_info(s->model, info);
}

static int op_next(struct vmt_driver *d, struct vmt_event *ev)
{
	struct vmt_scripted *s = of(d);
	int r;

	if (s->destroyed)
		return 0;
	r = vmt_model_next(s->model, ev, &d->err);
	if (r == 1) {
		s->out++;
		if (ev->vcpu < s->config.vcpus)
			s->vcpus[ev->vcpu].last_reason = ev->reason;
	}
	return r;
}

static int op_answer(struct vmt_driver *d, const struct vmt_event *ev,
		     const struct vmt_response *rsp)
{
	struct vmt_scripted *s = of(d);
	int r;

	NEED_DOMAIN(d);
	r = vmt_model_answer(s->model, ev, rsp, &d->err);
	if (r == 0) {
		s->out--;
		s->overhead += OVERHEAD_NS;
	}
	return r;
}

static int op_commit(struct vmt_driver *d)
{
	NEED_DOMAIN(d);
	return vmt_model_commit(of(d)->model, &d->err);
}

static int op_pending(struct vmt_driver *d, uint32_t *n)
{
	*n = 0;
	return of(d)->destroyed ? 0 : vmt_model_pending(of(d)->model, n);
}

static int op_overhead(struct vmt_driver *d, uint64_t *ns)
{
	*ns = of(d)->overhead;
	return 0;
}

static int op_monitor(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on)
{
	NEED_DOMAIN(d);
	return vmt_model_monitor(of(d)->model, monitor, on, &d->err);
}

static int op_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len)
{
	NEED_DOMAIN(d);
	return vmt_model_read(of(d)->model, gfn, offset, buf, len, &d->err);
}

static int op_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		    uint32_t len)
{
	NEED_DOMAIN(d);
	return vmt_model_write(of(d)->model, gfn, offset, buf, len, &d->err);
}

static int op_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn)
{
	NEED_DOMAIN(d);
	return vmt_model_alloc_gfn(of(d)->model, gfn, &d->err);
}

static int op_free_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	NEED_DOMAIN(d);
	return vmt_model_free_gfn(of(d)->model, gfn, &d->err);
}

static int op_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
			 struct vmt_access *access)
{
	NEED_DOMAIN(d);
	return vmt_model_get_access(of(d)->model, view, gfn, access, &d->err);
}

static int op_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
			 struct vmt_access access, uint64_t *done)
{
	NEED_DOMAIN(d);
	return vmt_model_set_access(of(d)->model, view, gfn, count, access, done, &d->err);
}

static int op_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view)
{
	NEED_DOMAIN(d);
	return vmt_model_create_view(of(d)->model, access, view, &d->err);
}

static int op_destroy_view(struct vmt_driver *d, vmt_view view)
{
	NEED_DOMAIN(d);
	return vmt_model_destroy_view(of(d)->model, view, &d->err);
}

static int op_switch_view(struct vmt_driver *d, vmt_view view)
{
	NEED_DOMAIN(d);
	return vmt_model_switch_view(of(d)->model, view, &d->err);
}

static int op_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	NEED_DOMAIN(d);
	return vmt_model_remap_gfn(of(d)->model, view, from, to, &d->err);
}

static int op_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs)
{
	NEED_DOMAIN(d);
	return vmt_model_get_regs(of(d)->model, vcpu, regs, &d->err);
}

static int op_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	NEED_DOMAIN(d);
	return vmt_model_set_regs(of(d)->model, vcpu, regs, &d->err);
}

/* Scripted vCPUs have no FPU: its part is not known. */
static int op_get_context(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context)
{
	NEED_DOMAIN(d);
	memset(context, 0, sizeof(*context));
	context->tsc = of(d)->now;
	return vmt_model_get_regs(of(d)->model, vcpu, &context->regs, &d->err);
}

static int op_inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt)
{
	NEED_DOMAIN(d);
	return vmt_model_inject(of(d)->model, vcpu, interrupt, &d->err);
}

static int op_pause(struct vmt_driver *d)
{
	NEED_DOMAIN(d);
	return vmt_model_pause(of(d)->model, &d->err);
}

static int op_resume(struct vmt_driver *d)
{
	NEED_DOMAIN(d);
	return vmt_model_resume(of(d)->model, &d->err);
}

static int op_reset(struct vmt_driver *d)
{
	NEED_DOMAIN(d);
	return vmt_model_reset(of(d)->model, &d->err);
}

static int op_settle(struct vmt_driver *d, int timeout_ms)
{
	NEED_DOMAIN(d);
	return vmt_scripted_settle(d, timeout_ms);
}

static int op_detach(struct vmt_driver *d)
{
	NEED_DOMAIN(d);
	return vmt_model_detach(of(d)->model, &d->err);
}

static int op_stop_fd(struct vmt_driver *d)
{
	return of(d)->stop_fd;
}

static void op_close(struct vmt_driver *d)
{
	struct vmt_scripted *s = of(d);

	vmt_model_destroy(s->model);
	vmt_scripted_pages_finish(s);
	vmt_arena_finish(&s->arena);
	for (uint16_t vcpu = 0; s->vcpus && vcpu < s->config.vcpus; vcpu++)
		free(s->vcpus[vcpu].program);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	free(s->vcpus);
	free(s->steps);
	free(s->delivered);
	free(s->msrs);
	free(s->rights);
	free(s);
}

static const struct vmt_driver_ops ops = {
	.size = sizeof(struct vmt_driver_ops),
	.name = "scripted",
	.close = op_close,
	.info = op_info,
	.wait = vmt_scripted_wait,
	.next = op_next,
	.answer = op_answer,
	.commit = op_commit,
	.pending = op_pending,
	.overhead = op_overhead,
	.monitor = op_monitor,
	.read = op_read,
	.write = op_write,
	.alloc_gfn = op_alloc_gfn,
	.free_gfn = op_free_gfn,
	.get_access = op_get_access,
	.set_access = op_set_access,
	.create_view = op_create_view,
	.destroy_view = op_destroy_view,
	.switch_view = op_switch_view,
	.remap_gfn = op_remap_gfn,
	.get_regs = op_get_regs,
	.set_regs = op_set_regs,
	.get_context = op_get_context,
	.inject = op_inject,
	.pause = op_pause,
	.resume = op_resume,
	.reset = op_reset,
	.settle = op_settle,
	.detach = op_detach,
	.stop_fd = op_stop_fd,
};

struct vmt_scripted *vmt_scripted_of(struct vmt_driver *d)
{
	struct vmt_driver *at = d;

	while (at && at->ops != &ops)
		at = vmt_chain_inner(at);
	if (!at)
		vmt_error_set(&d->err, VMT_E_INVALID, "scripted domain",
			      "this driver is not the scripted one, nor around it");
	return (struct vmt_scripted *)at;
}

/* -------------------------------------------------------------------------------------------- */
/* Life                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void fill_config(struct vmt_scripted_config *config)
{
	if (config->vcpus == 0)
		config->vcpus = 1;
	if (config->xen_major == 0 && config->xen_minor == 0) {
		config->xen_major = 4;
		config->xen_minor = 17;
	}
	if (config->pages == 0)
		config->pages = VMT_SCRIPTED_PAGES;
	if (config->livelock == 0)
		config->livelock = 64;
	if (config->insn_ns == 0)
		config->insn_ns = 1000;
}

static int make_model(struct vmt_scripted *s, struct vmt_error *err)
{
	const struct vmt_xen_version *xen =
		vmt_xen_version_find(s->config.xen_major, s->config.xen_minor);
	const struct vmt_model_config config = {
		.xen = xen,
		.vendor = s->config.svm ? VMT_CPU_SVM : VMT_CPU_VMX,
		.flags = VMT_MODEL_PAGING_WRITE,
		.vcpus = s->config.vcpus,
		.max_gfn = s->config.pages - 1,
		.guest = &vmt_scripted_guest_ops,
		.guest_ctx = s,
	};

	if (!xen)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "scripted domain",
				     "there is no table row for Xen %u.%u; known are 4.17 and its "
				     "successors",
				     s->config.xen_major, s->config.xen_minor);
	return vmt_model_create(&config, &s->model, err);
}

/* What a vCPU of a running kernel has; paging and segments come with the tables. */
static void init_vcpu(struct vmt_scripted *s, uint16_t vcpu)
{
	struct vmt_regs *regs = vmt_model_regs(s->model, vcpu);
	struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];

	regs->known = VMT_KNOWN_ALL;
	regs->gprs.rflags = 2;
	regs->gprs.rip = VMT_SCRIPTED_RIP_OF(vcpu);
	regs->xcr0 = 1;
	regs->dr6 = 0xffff0ff0;
	regs->dr7 = 0x400;
	v->rip = regs->gprs.rip;
}

static int init(struct vmt_scripted *s, struct vmt_error *err)
{
	int r;

	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->stop_fd < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, "scripted domain",
					   "cannot make an eventfd");
	s->vcpus = calloc(s->config.vcpus, sizeof(*s->vcpus));
	if (!s->vcpus)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "scripted domain",
				     "no memory for the vCPUs");
	r = vmt_scripted_pages_init(s, err);
	if (r == 0)
		r = make_model(s, err);
	if (r < 0)
		return r;
	for (uint16_t vcpu = 0; vcpu < s->config.vcpus; vcpu++)
		init_vcpu(s, vcpu);
	return vmt_scripted_tables_init(s, err);
}

int vmt_scripted_create(const struct vmt_scripted_config *config, struct vmt_driver **d,
			struct vmt_error *err)
{
	struct vmt_scripted *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "scripted domain",
				     "no memory for a domain");
	s->driver.ops = &ops;
	s->stop_fd = -1;
	s->stop_wait_ms = STOP_WAIT_MS;
	s->border = VMT_SCRIPT_END;
	if (config)
		s->config = *config;
	fill_config(&s->config);
	s->now = s->config.start_ns;
	r = init(s, err);
	if (r < 0) {
		op_close(&s->driver);
		return r;
	}
	*d = &s->driver;
	return 0;
}
