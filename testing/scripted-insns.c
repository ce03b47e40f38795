/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The instructions of scripts: for each kind a row with its usual bytes and what it does. The model
 * decides what the monitor sees of it; the effects that Xen leaves to the guest are here.
 */
#include <string.h>

#include "scripted.h"

/* -------------------------------------------------------------------------------------------- */
/* Bytes                                                                                        */
/* -------------------------------------------------------------------------------------------- */

#define BYTES(...)                                           \
	do {                                                 \
		static const uint8_t code[] = {__VA_ARGS__}; \
		memcpy(bytes, code, sizeof(code));           \
		return (unsigned)sizeof(code);               \
	} while (0)

static unsigned encode_nop(const struct vmt_step *step, uint8_t *bytes)
{
	(void)step;
	BYTES(0x90);
}

/* MOV between RAX and memory where its size is one of an operand, else REP MOVSB. */
static unsigned encode_move(uint32_t len, uint8_t opcode, uint8_t operands, uint8_t *bytes)
{
	unsigned n = 0;

	if (len != 1 && len != 2 && len != 4 && len != 8)
		BYTES(0xf3, 0xa4);
	if (len == 2)
		bytes[n++] = 0x66;
	if (len == 8)
		bytes[n++] = 0x48;
	bytes[n++] = len == 1 ? opcode : (uint8_t)(opcode + 1);
	bytes[n++] = operands;
	return n;
}

static unsigned encode_read(const struct vmt_step *step, uint8_t *bytes)
{
	return encode_move(step->len, 0x8a, 0x06, bytes); /* from [rsi] */
}

static unsigned encode_write(const struct vmt_step *step, uint8_t *bytes)
{
	return encode_move(step->len, 0x88, 0x07, bytes); /* to [rdi] */
}

static unsigned encode_cr(const struct vmt_step *step, uint8_t *bytes)
{
	switch (step->what) {
	case VMT_CR0:
		BYTES(0x0f, 0x22, 0xc0);
	case VMT_CR3:
		BYTES(0x0f, 0x22, 0xd8);
	case VMT_CR4:
		BYTES(0x0f, 0x22, 0xe0);
	default:
		BYTES(0x0f, 0x01, 0xd1); /* XSETBV */
	}
}

static unsigned encode_msr(const struct vmt_step *step, uint8_t *bytes)
{
	(void)step;
	BYTES(0x0f, 0x30);
}

static unsigned encode_int3(const struct vmt_step *step, uint8_t *bytes)
{
	(void)step;
	BYTES(0xcc);
}

static unsigned encode_cpuid(const struct vmt_step *step, uint8_t *bytes)
{
	(void)step;
	BYTES(0x0f, 0xa2);
}

/* With the port in DX. */
static unsigned encode_io(uint32_t len, uint8_t opcode, uint8_t *bytes)
{
	unsigned n = 0;

	if (len == 2)
		bytes[n++] = 0x66;
	bytes[n++] = len == 1 ? opcode : (uint8_t)(opcode + 1);
	return n;
}

static unsigned encode_in(const struct vmt_step *step, uint8_t *bytes)
{
	return encode_io(step->len, 0xec, bytes);
}

static unsigned encode_out(const struct vmt_step *step, uint8_t *bytes)
{
	return encode_io(step->len, 0xee, bytes);
}

static unsigned encode_vmcall(const struct vmt_step *step, uint8_t *bytes)
{
	(void)step;
	BYTES(0x0f, 0x01, 0xc1);
}

/* With [rax], or AX, as operand. */
static unsigned encode_descriptor(const struct vmt_step *step, uint8_t *bytes)
{
	static const uint8_t code[][2][2] = {
		[VMT_DESC_IDTR] = {{0x01, 0x08}, {0x01, 0x18}},
		[VMT_DESC_GDTR] = {{0x01, 0x00}, {0x01, 0x10}},
		[VMT_DESC_LDTR] = {{0x00, 0xc0}, {0x00, 0xd0}},
		[VMT_DESC_TR] = {{0x00, 0xc8}, {0x00, 0xd8}},
	};

	bytes[0] = 0x0f;
	memcpy(bytes + 1, code[step->what][step->value != 0], 2);
	return 3;
}

static unsigned encode_debug(const struct vmt_step *step, uint8_t *bytes)
{
	if (step->what != VMT_INT_PRIV_SW_EXCEPTION)
		BYTES(0x90);
	BYTES(0xf1);
}

static unsigned encode_jump(const struct vmt_step *step, uint8_t *bytes)
{
	(void)step;
	BYTES(0xff, 0xe0); /* to RAX */
}

/* -------------------------------------------------------------------------------------------- */
/* Effects                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_gprs *gprs(struct vmt_scripted *s, uint16_t vcpu)
{
	return &vmt_model_regs(s->model, vcpu)->gprs;
}

/* RIP behind the instruction. */
static int behind(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		  enum vmt_attempt how)
{
	gprs(s, vcpu)->rip = step->rip + step->length;
	return (int)how;
}

/*
 * How an instruction that the model carried out has ended: it moved RIP itself. @exits: it left the
 * guest, so that no step follows.
 */
static int by_model(struct vmt_scripted *s, uint16_t vcpu, int guest, bool exits, const char *what)
{
	if (guest < 0)
		return guest;
	if (guest == VMT_GUEST_STOPPED)
		return VMT_ATTEMPT_STOPPED;
	if (guest == VMT_GUEST_FAULT)
		return vmt_scripted_raise(s, vcpu, 13, 0, gprs(s, vcpu)->rip, what);
	return exits ? VMT_ATTEMPT_DONE : VMT_ATTEMPT_RETIRED;
}

static int execute_nop(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		       const struct vmt_scripted_emulation *emulation)
{
	(void)emulation;
	return behind(s, vcpu, step, VMT_ATTEMPT_RETIRED);
}

/* The low @len bytes of RAX; 4 of them clear the upper half. */
static void set_rax(struct vmt_gprs *g, uint64_t value, uint32_t len)
{
	uint64_t mask = len >= 8 ? UINT64_MAX : (UINT64_C(1) << (len * 8)) - 1;

	g->rax = (value & mask) | (len >= 4 ? 0 : g->rax & ~mask);
}

static int execute_read(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			const struct vmt_scripted_emulation *emulation)
{
	uint8_t bytes[VMT_PAGE_SIZE] = {0};
	struct vmt_scripted_range range;
	uint64_t value = 0;
	int r = vmt_scripted_reach(s, vcpu, step->addr, step->len, VMT_R, emulation, &range);

	if (r != VMT_ATTEMPT_DONE)
		return r;
	r = vmt_scripted_range_read(s, &range, bytes);
	if (r < 0)
		return r;
	if (emulation->read_data) { /* what is short is 0 (hvmemul_read, set_context_data) */
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, emulation->read_data,
		       emulation->read_len < step->len ? emulation->read_len : step->len);
	}
	memcpy(&value, bytes, step->len < 8 ? step->len : 8);
	set_rax(gprs(s, vcpu), value, step->len < 8 ? step->len : 8);
	return behind(s, vcpu, step, VMT_ATTEMPT_RETIRED);
}

static int execute_write(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			 const struct vmt_scripted_emulation *emulation)
{
	struct vmt_scripted_range range;
	int r = vmt_scripted_reach(s, vcpu, step->addr, step->len, VMT_W, emulation, &range);

	if (r != VMT_ATTEMPT_DONE)
		return r;
	if (!emulation->no_write)
		r = vmt_scripted_range_write(s, &range, step->bytes);
	return r < 0 ? r : behind(s, vcpu, step, VMT_ATTEMPT_RETIRED);
}

/* MOV to CR3 leaves the guest only when it is watched; the others nearly always do. */
static int execute_cr(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		      const struct vmt_scripted_emulation *emulation)
{
	bool exits =
		step->what != VMT_CR3 || vmt_model_monitored(s->model, VMT_MONITOR_CR, VMT_CR3);
	int guest = vmt_model_write_cr(s->model, vcpu, step->what, step->value,
				       (uint8_t)step->length, &s->driver.err);

	(void)emulation;
	return by_model(s, vcpu, guest, exits, "the CPU takes no such value of a CR");
}

/* The MSRs that Xen lets a guest write by itself (vmx_create_vmcs). */
static bool is_passed_through(uint32_t msr)
{
	static const uint32_t passed[] = {VMT_MSR_FS_BASE,        VMT_MSR_GS_BASE,
					  VMT_MSR_KERNEL_GS_BASE, VMT_MSR_SYSENTER_CS,
					  VMT_MSR_SYSENTER_ESP,   VMT_MSR_SYSENTER_EIP};

	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (passed[i] == msr)
			return true;
	return false;
}

static int execute_msr(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		       const struct vmt_scripted_emulation *emulation)
{
	bool exits = !is_passed_through(step->what) ||
		     vmt_model_monitored(s->model, VMT_MONITOR_MSR, step->what);
	int guest = vmt_model_write_msr(s->model, vcpu, step->what, step->value,
					(uint8_t)step->length, &s->driver.err);

	(void)emulation;
	return by_model(s, vcpu, guest, exits, "the CPU takes no such value of that MSR");
}

static int execute_int3(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			const struct vmt_scripted_emulation *emulation)
{
	const struct vmt_interrupt breakpoint = {
		.vector = 3,
		.type = VMT_INT_SW_EXCEPTION,
		.insn_length = (uint8_t)step->length,
		.error_code = VMT_NO_ERROR_CODE,
	};
	int r = VMT_GUEST_GOES_ON;

	/* An emulated INT3 is injected, and injected exceptions are not intercepted. */
	if (!emulation->active)
		r = vmt_model_int3(s->model, vcpu, vmt_scripted_gfn_of_rip(s, vcpu),
				   breakpoint.insn_length, &s->driver.err);
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : VMT_ATTEMPT_STOPPED;
	r = vmt_scripted_deliver(s, vcpu, &breakpoint);
	return r < 0 ? r : VMT_ATTEMPT_AGAIN;
}

static int execute_cpuid(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			 const struct vmt_scripted_emulation *emulation)
{
	/* "GenuineIntel" and "AuthenticAMD" in EBX, EDX, ECX; other leaves tell what was asked. */
	static const uint32_t intel[4] = {0x0d, 0x756e6547, 0x6c65746e, 0x49656e69};
	static const uint32_t amd[4] = {0x0d, 0x68747541, 0x444d4163, 0x69746e65};
	const uint32_t echo[4] = {step->what, (uint32_t)step->value, 0, 0};
	const uint32_t *result = step->what != 0 ? echo : s->config.svm ? amd : intel;

	gprs(s, vcpu)->rax = step->what;
	gprs(s, vcpu)->rcx = (uint32_t)step->value;
	if (emulation->active) {
		gprs(s, vcpu)->rax = result[0];
		gprs(s, vcpu)->rbx = result[1];
		gprs(s, vcpu)->rcx = result[2];
		gprs(s, vcpu)->rdx = result[3];
		return behind(s, vcpu, step, VMT_ATTEMPT_DONE);
	}
	return by_model(s, vcpu,
			vmt_model_cpuid(s->model, vcpu, result, (uint8_t)step->length,
					&s->driver.err),
			true, "CPUID");
}

static int execute_io(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		      const struct vmt_scripted_emulation *emulation)
{
	const struct vmt_io io = {
		.port = (uint16_t)step->what,
		.bytes = (uint8_t)step->len,
		.in = step->kind == VMT_STEP_IN,
	};
	int r = VMT_GUEST_GOES_ON;

	if (!emulation->active)
		r = vmt_model_io(s->model, vcpu, &io, &s->driver.err);
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : VMT_ATTEMPT_STOPPED;
	if (io.in)
		set_rax(gprs(s, vcpu), step->value, step->len);
	return behind(s, vcpu, step, VMT_ATTEMPT_DONE);
}

static int execute_vmcall(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			  const struct vmt_scripted_emulation *emulation)
{
	(void)emulation;
	return by_model(s, vcpu,
			vmt_model_hypercall(s->model, vcpu, (uint8_t)step->length, &s->driver.err),
			true, "VMCALL");
}

static int execute_descriptor(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			      const struct vmt_scripted_emulation *emulation)
{
	const struct vmt_descriptor_access access = {
		.descriptor = (uint8_t)step->what,
		.write = step->value != 0,
	};
	int r = VMT_GUEST_GOES_ON;

	if (!emulation->active)
		r = vmt_model_descriptor(s->model, vcpu, &access, &s->driver.err);
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : VMT_ATTEMPT_STOPPED;
	return behind(s, vcpu, step, VMT_ATTEMPT_RETIRED);
}

/* #DB of @type. 1: it stopped the vCPU; 0: the guest got it. */
static int debug_exception(struct vmt_scripted *s, uint16_t vcpu, uint8_t type, uint8_t length,
			   uint64_t pending)
{
	const struct vmt_interrupt exception = {
		.vector = 1,
		.type = type,
		.insn_length = length,
		.error_code = VMT_NO_ERROR_CODE,
		.extra = pending,
	};
	int r = vmt_model_debug(s->model, vcpu, vmt_scripted_gfn_of_rip(s, vcpu), type, length,
				pending, &s->driver.err);

	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : 1;
	return vmt_scripted_deliver(s, vcpu, &exception);
}

static bool is_icebp(const struct vmt_step *step)
{
	return step->what == VMT_INT_PRIV_SW_EXCEPTION;
}

static int execute_debug(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			 const struct vmt_scripted_emulation *emulation)
{
	int r;

	(void)emulation;
	if (!is_icebp(step))
		return behind(s, vcpu, step, VMT_ATTEMPT_RETIRED);
	r = debug_exception(s, vcpu, VMT_INT_PRIV_SW_EXCEPTION, (uint8_t)step->length, step->value);
	if (r < 0)
		return r;
	return r == 1 ? VMT_ATTEMPT_STOPPED : VMT_ATTEMPT_AGAIN;
}

static int trap_debug(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step)
{
	return is_icebp(step) ? 0 : debug_exception(s, vcpu, VMT_INT_HW_EXCEPTION, 0, step->value);
}

static int execute_vmexit(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			  const struct vmt_scripted_emulation *emulation)
{
	int r = vmt_model_vmexit(s->model, vcpu, step->what, step->value, &s->driver.err);

	(void)emulation;
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : VMT_ATTEMPT_STOPPED;
	return behind(s, vcpu, step, VMT_ATTEMPT_DONE);
}

static int execute_jump(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
			const struct vmt_scripted_emulation *emulation)
{
	(void)emulation;
	gprs(s, vcpu)->rip = step->addr;
	return VMT_ATTEMPT_RETIRED;
}

/* -------------------------------------------------------------------------------------------- */
/* The table                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_insn_kind kinds[] = {
	[VMT_STEP_NOP] = {"nop", true, encode_nop, execute_nop, true, NULL},
	[VMT_STEP_READ] = {"read", true, encode_read, execute_read, true, NULL},
	[VMT_STEP_WRITE] = {"write", true, encode_write, execute_write, true, NULL},
	[VMT_STEP_CR] = {"cr", true, encode_cr, execute_cr, true, NULL},
	[VMT_STEP_MSR] = {"msr", true, encode_msr, execute_msr, true, NULL},
	[VMT_STEP_INT3] = {"int3", true, encode_int3, execute_int3, true, NULL},
	[VMT_STEP_CPUID] = {"cpuid", true, encode_cpuid, execute_cpuid, true, NULL},
	[VMT_STEP_IN] = {"in", true, encode_in, execute_io, true, NULL},
	[VMT_STEP_OUT] = {"out", true, encode_out, execute_io, true, NULL},
	[VMT_STEP_VMCALL] = {"vmcall", true, encode_vmcall, execute_vmcall, false, NULL},
	[VMT_STEP_DESCRIPTOR] = {"descriptor", true, encode_descriptor, execute_descriptor, true,
				 NULL},
	[VMT_STEP_DEBUG] = {"debug", true, encode_debug, execute_debug, false, trap_debug},
	[VMT_STEP_VMEXIT] = {"vmexit", true, encode_nop, execute_vmexit, false, NULL},
	[VMT_STEP_JUMP] = {"jump", true, encode_jump, execute_jump, true, NULL},
	[VMT_STEP_POKE] = {.name = "poke"},
	[VMT_STEP_IDLE] = {.name = "idle"},
	[VMT_STEP_STOP] = {.name = "stop"},
	[VMT_STEP_GONE] = {.name = "gone"},
	[VMT_STEP_DESTROYED] = {.name = "destroyed"},
	[VMT_STEP_SPURIOUS] = {.name = "spurious"},
	[VMT_STEP_WAIT_FAIL] = {.name = "wait-fail"},
	[VMT_STEP_EVENT] = {.name = "event"},
	[VMT_STEP_SYNC] = {.name = "sync"},
	[VMT_STEP_CALL] = {.name = "call"},
};

const struct vmt_insn_kind *vmt_insn_kind_find(unsigned kind)
{
	if (kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[kind].name)
		return NULL;
	return &kinds[kind];
}

const char *vmt_step_name(unsigned kind)
{
	const struct vmt_insn_kind *found = vmt_insn_kind_find(kind);

	return found ? found->name : "unknown";
}
