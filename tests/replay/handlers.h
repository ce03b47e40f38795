/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler for the replay tests: breakpoints and monitors, in variants that are set beforehand.
 */
#ifndef VMT_TESTS_REPLAY_HANDLERS_H
#define VMT_TESTS_REPLAY_HANDLERS_H

#include <vmitape/handler.h>

enum method {
	PATCH_AND_STEP, /**< a 0xCC in the guest's page; put back for one step */
	SHADOW,         /**< a 0xCC in a copy that view 1 shows; a fast step in view 0 */
};

/** How the handler behaves. All zero: one that watches CR3 only. */
struct variant {
	enum method method;
	uint64_t at[4];      /**< breakpoints, by physical address; 0: none */
	uint64_t data;       /**< eight bytes are read there at each breakpoint; 0: none */
	uint64_t also_read;  /**< eight bytes more, which are not emitted; 0: none */
	bool read_late;      /**< read @also_read first */
	bool twice;          /**< read @data twice, without a cache in between */
	bool no_cr3;         /**< do not watch CR3 */
	uint64_t watch_page; /**< a page whose writes are watched, by address; 0: none */
	uint64_t set_rax;    /**< the response to a breakpoint sets RAX; 0: it does not */
	uint64_t patch_data; /**< where eight bytes are written in create; 0: nowhere */
	uint64_t patch_value;
	bool alloc;            /**< allocate a page, write to it, read it back */
	uint64_t finish_after; /**< events; 0: never */
	uint64_t fail_at;      /**< the event, from 1, at which the handler fails; 0: none */
	bool wake;             /**< ask to be called every millisecond */
	bool other_emission;   /**< emit another value for the last field */
	void (*surprise)(uint64_t event); /**< called in each event */
};

extern struct variant variant;
extern const struct vmt_handler_ops test_handler;

#endif /* VMT_TESTS_REPLAY_HANDLERS_H */
