/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory between who appends and who writes the trace.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"

#define MAGIC        UINT64_C(0x474e495254564d56) /* "VMVTRING" */
#define RING_DEFAULT (16u << 20)
#define RING_LEAST   (64u << 10)
#define RING_MOST    (1u << 30)
#define LOOK_MS      100
#define DATA_OFFSET  ((sizeof(struct vmt_channel_shared) + 4095) & ~(size_t)4095)

static uint32_t ring_size(uint32_t bytes)
{
	uint32_t size = RING_LEAST;

	if (bytes == 0)
		bytes = RING_DEFAULT;
	while (size < RING_MOST && size < bytes)
		size *= 2;
	return size;
}

static void use(struct vmt_channel *c, void *memory, size_t len)
{
	c->shared = memory;
	c->len = len;
	vmt_trace_ring_init(&c->ring, &c->shared->ring, (uint8_t *)memory + DATA_OFFSET,
			    len - DATA_OFFSET);
}

int vmt_channel_create(struct vmt_channel *c, uint32_t bytes, struct vmt_error *err)
{
	const size_t len = DATA_OFFSET + ring_size(bytes);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return vmt_error_set_errno(err, VMT_E_NO_MEMORY, errno, "trace",
					   "no memory for the ring");
	use(c, p, len);
	return 0;
}

void vmt_channel_other_side(struct vmt_channel *c, const struct vmt_channel *of)
{
	use(c, of->shared, of->len);
	c->borrowed = true;
}

int vmt_channel_memory(uint32_t bytes, struct vmt_error *err)
{
	const uint32_t size = ring_size(bytes);
	const struct vmt_channel_shared shared = {
		.magic = MAGIC, .layout = sizeof(shared), .minor = VMT_TRACE_MINOR, .size = size};
	const int fd = memfd_create("vmitape-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Sealed: no side can take the memory from under the other. */
	if (fd < 0 || ftruncate(fd, (off_t)(DATA_OFFSET + size)) < 0 ||
	    pwrite(fd, &shared, sizeof(shared), 0) != (ssize_t)sizeof(shared) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		vmt_error_set_errno(err, VMT_E_NO_MEMORY, errno, "trace", "no memory for the ring");
		if (fd >= 0)
			close(fd);
		return -VMT_E_NO_MEMORY;
	}
	return fd;
}

static int check(const struct vmt_channel_shared *shared, size_t len, struct vmt_error *err)
{
	if (shared->magic != MAGIC)
		return vmt_error_set(err, VMT_E_INVALID, "trace",
				     "the descriptor is not that of a trace's ring");
	if (shared->layout != sizeof(*shared) || shared->minor != VMT_TRACE_MINOR)
		return vmt_error_set(err, VMT_E_ABI, "trace",
				     "the ring was made by another version of vmitape; let both "
				     "programs be of one installation");
	if (shared->size < RING_LEAST || shared->size > RING_MOST ||
	    (shared->size & (shared->size - 1)) != 0 || len != DATA_OFFSET + shared->size)
		return vmt_error_set(err, VMT_E_INVALID, "trace",
				     "the ring has another size than it says");
	return 0;
}

int vmt_channel_attach(struct vmt_channel *c, int fd, struct vmt_error *err)
{
	struct stat st;
	void *p;
	int r;

	*c = (struct vmt_channel){0};
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)(DATA_OFFSET + RING_LEAST) ||
	    st.st_size > (off_t)(DATA_OFFSET + RING_MOST))
		return vmt_error_set(err, VMT_E_INVALID, "trace",
				     "the descriptor is not that of a trace's ring");
	/* Populated: the first round through the ring is not slower than the others. */
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		 0);
	if (p == MAP_FAILED)
		return vmt_error_set_errno(err, VMT_E_NO_MEMORY, errno, "trace",
					   "cannot map the ring");
	r = check(p, (size_t)st.st_size, err);
	if (r < 0) {
		munmap(p, (size_t)st.st_size);
		return r;
	}
	use(c, p, (size_t)st.st_size);
	return 0;
}

void vmt_channel_detach(struct vmt_channel *c)
{
	if (c->shared != NULL && !c->borrowed)
		munmap(c->shared, c->len);
	c->shared = NULL;
}

void vmt_channel_answer_flush(struct vmt_channel *c)
{
	atomic_fetch_add(&c->shared->flushes, 1);
	vmt_trace_ring_wake(&c->shared->answers);
}

void vmt_channel_answer_done(struct vmt_channel *c, const struct vmt_trace_summary *summary)
{
	c->shared->summary = *summary;
	atomic_store(&c->shared->state, VMT_CHANNEL_DONE);
	vmt_trace_ring_wake(&c->shared->answers);
}

void vmt_channel_answer_failed(struct vmt_channel *c, const struct vmt_error *err)
{
	c->shared->error = *err;
	atomic_store(&c->shared->state, VMT_CHANNEL_FAILED);
	vmt_trace_ring_break(&c->ring);
	vmt_trace_ring_wake(&c->shared->answers);
}

int vmt_channel_failure(const struct vmt_channel *c, struct vmt_error *err)
{
	if (atomic_load(&c->shared->state) == VMT_CHANNEL_FAILED) {
		if (err != NULL)
			*err = c->shared->error;
		return -c->shared->error.status;
	}
	return vmt_error_set(err, VMT_E_IO, "trace",
			     "the process that writes the trace is gone; what it had written is "
			     "readable");
}

int vmt_channel_await(struct vmt_channel *c, uint64_t flushes, struct vmt_error *err)
{
	struct vmt_channel_shared *s = c->shared;

	vmt_trace_ring_kick(&c->ring);
	for (;;) {
		const uint32_t seen = atomic_load(&s->answers);
		/* Asked first: what it did before it went away counts. */
		const bool gone = vmt_trace_ring_gone(c->ring.peer);

		if (atomic_load(&s->state) == VMT_CHANNEL_DONE ||
		    atomic_load(&s->flushes) >= flushes)
			return 0;
		if (gone || atomic_load(&s->state) == VMT_CHANNEL_FAILED)
			return vmt_channel_failure(c, err);
		vmt_trace_ring_sleep(&s->answers, seen, LOOK_MS);
	}
}
