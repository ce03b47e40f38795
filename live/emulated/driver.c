/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated domain as a driver: each op goes to the model, which is the hypervisor here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "domain.h"

/** What an answered event counts for vmt_overhead, ns: real time would differ each time. */
#define OVERHEAD_NS    1000u

#define MEMORY_DEFAULT (UINT64_C(64) << 20)
#define INSN_NS        1000u
#define TIMER_VECTOR   0x20u

static struct vmt_emulated *of(struct vmt_driver *d)
{
	return (struct vmt_emulated *)d;
}

/* -------------------------------------------------------------------------------------------- */
/* Ops                                                                                          */
/* -------------------------------------------------------------------------------------------- */

static int op_info(struct vmt_driver *d, struct vmt_info *info)
{
	const struct vmt_emulated *e = of(d);

	memset(info, 0, sizeof(*info));
	info->now = e->now;
	info->seed = e->config.seed;
	snprintf(info->backend, sizeof(info->backend), "emulated");
	snprintf(info->domain, sizeof(info->domain), "%s", e->name);
	vmt_model_info(e->model, info);
	info->capabilities &= ~(uint32_t)VMT_CAP_MONITOR_VMEXIT;
	return 0;
}

static int op_next(struct vmt_driver *d, struct vmt_event *ev)
{
	return vmt_model_next(of(d)->model, ev, &d->err);
}

static int op_answer(struct vmt_driver *d, const struct vmt_event *ev,
		     const struct vmt_response *rsp)
{
	int r = vmt_model_answer(of(d)->model, ev, rsp, &d->err);

	if (r == 0)
		of(d)->overhead += OVERHEAD_NS;
	return r;
}

static int op_commit(struct vmt_driver *d)
{
	return vmt_model_commit(of(d)->model, &d->err);
}

static int op_pending(struct vmt_driver *d, uint32_t *n)
{
	return vmt_model_pending(of(d)->model, n);
}

static int op_overhead(struct vmt_driver *d, uint64_t *ns)
{
	*ns = of(d)->overhead;
	return 0;
}

static int op_monitor(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on)
{
	if (monitor->kind == VMT_MONITOR_VMEXIT)
		return vmt_error_set(&d->err, VMT_E_NOT_SUPPORTED, NULL,
				     "the emulated domain has no VM exits to tell of; Xen has");
	return vmt_model_monitor(of(d)->model, monitor, on, &d->err);
}

static int op_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len)
{
	return vmt_model_read(of(d)->model, gfn, offset, buf, len, &d->err);
}

static int op_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		    uint32_t len)
{
	return vmt_model_write(of(d)->model, gfn, offset, buf, len, &d->err);
}

static int op_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn)
{
	return vmt_model_alloc_gfn(of(d)->model, gfn, &d->err);
}

static int op_free_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	return vmt_model_free_gfn(of(d)->model, gfn, &d->err);
}

static int op_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
			 struct vmt_access *access)
{
	return vmt_model_get_access(of(d)->model, view, gfn, access, &d->err);
}

static int op_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
			 struct vmt_access access, uint64_t *done)
{
	return vmt_model_set_access(of(d)->model, view, gfn, count, access, done, &d->err);
}

static int op_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view)
{
	return vmt_model_create_view(of(d)->model, access, view, &d->err);
}

static int op_destroy_view(struct vmt_driver *d, vmt_view view)
{
	return vmt_model_destroy_view(of(d)->model, view, &d->err);
}

static int op_switch_view(struct vmt_driver *d, vmt_view view)
{
	return vmt_model_switch_view(of(d)->model, view, &d->err);
}

static int op_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	return vmt_model_remap_gfn(of(d)->model, view, from, to, &d->err);
}

static int op_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs)
{
	return vmt_model_get_regs(of(d)->model, vcpu, regs, &d->err);
}

static int op_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	return vmt_model_set_regs(of(d)->model, vcpu, regs, &d->err);
}

static int op_get_context(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context)
{
	struct vmt_emulated *e = of(d);
	int r;

	memset(context, 0, sizeof(*context));
	r = vmt_model_get_regs(e->model, vcpu, &context->regs, &d->err);
	if (r < 0)
		return r;
	context->tsc = e->now;
	context->fxsave_known = 1;
	vmt_cpu_get_fxsave(&e->vcpus[vcpu].cpu, context->fxsave);
	return 0;
}

static int op_inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt)
{
	return vmt_model_inject(of(d)->model, vcpu, interrupt, &d->err);
}

static int op_pause(struct vmt_driver *d)
{
	return vmt_model_pause(of(d)->model, &d->err);
}

static int op_resume(struct vmt_driver *d)
{
	return vmt_model_resume(of(d)->model, &d->err);
}

static int op_reset(struct vmt_driver *d)
{
	return vmt_model_reset(of(d)->model, &d->err);
}

static int op_detach(struct vmt_driver *d)
{
	return vmt_model_detach(of(d)->model, &d->err);
}

static int op_stop_fd(struct vmt_driver *d)
{
	return of(d)->stop_fd;
}

static void op_close(struct vmt_driver *d)
{
	struct vmt_emulated *e = of(d);

	vmt_emulator_destroy(e->emulator);
	vmt_model_destroy(e->model);
	vmt_emulated_ram_finish(e);
	if (e->stop_fd >= 0)
		close(e->stop_fd);
	free(e->vcpus);
	free(e);
}

static const struct vmt_driver_ops ops = {
	.size = sizeof(struct vmt_driver_ops),
	.name = "emulated",
	.close = op_close,
	.info = op_info,
	.wait = vmt_emulated_wait,
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
	.settle = vmt_emulated_settle,
	.detach = op_detach,
	.stop_fd = op_stop_fd,
};

/* -------------------------------------------------------------------------------------------- */
/* Life                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static int check_config(const struct vmt_emulated_config *config, struct vmt_error *err)
{
	if (!config->guest || !*config->guest)
		return vmt_error_set(err, VMT_E_INVALID, "emulated domain",
				     "which kernel? Give the path of an ELF file with a PVH note");
	if (config->vcpus > VMT_EMULATED_VCPUS_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, "emulated domain",
				     "%u vCPUs are too many; %u are the most", config->vcpus,
				     VMT_EMULATED_VCPUS_MAX);
	if (config->memory > VMT_EMULATED_MEMORY_MAX || config->memory % VMT_PAGE_SIZE)
		return vmt_error_set(err, VMT_E_LIMIT, "emulated domain",
				     "%" PRIu64
				     " bytes of memory: whole pages of 4096 bytes, and at "
				     "most %" PRIu64 " bytes",
				     config->memory, VMT_EMULATED_MEMORY_MAX);
	return 0;
}

static void fill_config(struct vmt_emulated_config *config)
{
	if (config->vcpus == 0)
		config->vcpus = 1;
	if (config->xen_major == 0 && config->xen_minor == 0) {
		config->xen_major = 4;
		config->xen_minor = 17;
	}
	if (config->memory == 0)
		config->memory = MEMORY_DEFAULT;
	if (config->insn_ns == 0)
		config->insn_ns = INSN_NS;
	if (config->timer_vector == 0)
		config->timer_vector = TIMER_VECTOR;
}

static int make_model(struct vmt_emulated *e, struct vmt_error *err)
{
	const struct vmt_xen_version *xen =
		vmt_xen_version_find(e->config.xen_major, e->config.xen_minor);
	const struct vmt_model_config config = {
		.xen = xen,
		.vendor = VMT_CPU_VMX,
		.flags = VMT_MODEL_PAGING_WRITE,
		.vcpus = e->config.vcpus,
		.max_gfn = e->ram_gfns - 1,
		.guest = &vmt_emulated_guest_ops,
		.guest_ctx = e,
	};

	if (!xen)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "emulated domain",
				     "there is no table row for Xen %u.%u; known are 4.17 and its "
				     "successors",
				     e->config.xen_major, e->config.xen_minor);
	return vmt_model_create(&config, &e->model, err);
}

static void make_vcpus(struct vmt_emulated *e)
{
	for (uint16_t i = 0; i < e->config.vcpus; i++) {
		struct vmt_emulated_vcpu *v = &e->vcpus[i];

		v->domain = e;
		v->number = i;
		v->cpu.regs = vmt_model_regs(e->model, i);
		v->next_timer = e->config.timer_ns;
	}
}

static int init(struct vmt_emulated *e, struct vmt_error *err)
{
	struct vmt_emulator_config config = {
		.ops = &vmt_emulated_cpu_ops,
		.generation = &e->generation,
		.physical_bits = 40,
	};
	int r;

	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop_fd < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, "emulated domain",
					   "cannot make an eventfd");
	e->vcpus = calloc(e->config.vcpus, sizeof(*e->vcpus));
	if (!e->vcpus)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "emulated domain",
				     "no memory for the vCPUs");
	r = vmt_emulator_create(&config, &e->emulator, err);
	if (r == 0)
		r = vmt_emulated_ram_init(e, err);
	if (r == 0)
		r = make_model(e, err);
	if (r < 0)
		return r;
	make_vcpus(e);
	r = vmt_emulated_boot(e, err);
	/* These are the caller's, and may go. */
	e->config.guest = NULL;
	e->config.command_line = NULL;
	e->intercepts = vmt_emulated_intercepts(e);
	return r;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int vmt_emulated_open(const struct vmt_emulated_config *config, struct vmt_driver **driver,
		      struct vmt_error *err)
{
	struct vmt_emulated *e;
	int r = check_config(config, err);

	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "emulated domain",
				     "no memory for a domain");
	e->driver.ops = &ops;
	e->stop_fd = -1;
	e->config = *config;
	e->random = config->seed;
	snprintf(e->name, sizeof(e->name), "%s", name_of(config->guest));
	fill_config(&e->config);
	r = init(e, err);
	if (r < 0) {
		op_close(&e->driver);
		return r;
	}
	*driver = &e->driver;
	return 0;
}
