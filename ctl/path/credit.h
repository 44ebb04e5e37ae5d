/* SPDX-License-Identifier: MIT */
/*
 * The consumers' half of the flow control that bpf/credit.h produces: see struct wgx_credit.
 *
 * Where there is one queue, one thread calls the functions here. Where there are more, each queue has a thread of its
 * own; a bucket's frames come by its queue, but for those that somebody has sent to another: a socket keeps its queue for
 * a while when its hash changes, and who administers the host may choose queues (XPS). They count all the same.
 *
 * Frames may be lost between egress and ring, and take their credit along. Each stamp carries its
 * bucket's produced count, so the next frame of the bucket makes up for the lost ones before it; what no
 * frame follows is healed by time: a bucket that has waited for HEAL_NS without any new frame is empty.
 */
#ifndef WGX_PATH_CREDIT_H
#define WGX_PATH_CREDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <wgx/bpf_abi.h>

#define WGX_CREDIT_HEAL_NS 20000000ull

struct wgx_credit_view {
	struct wgx_credit *map; /* WGX_CREDIT_ENTRIES, shared with BPF */
	unsigned int queues; /* 0 counts as 1 */
	uint64_t healed_at[WGX_QUEUES_MAX];
	uint64_t seen[WGX_CREDIT_BUCKETS]; /* produced, at the last healing */
};

/** wgx_credit_open() - map the credit map @fd, of a far end with @queues, 1 to WGX_QUEUES_MAX; 0 or a negative errno */
int wgx_credit_open(struct wgx_credit_view *v, int fd, unsigned int queues);
void wgx_credit_close(struct wgx_credit_view *v);

/** wgx_credit_consume() - the frame with this stamp came out of a ring; untrusted values are harmless; any thread */
void wgx_credit_consume(struct wgx_credit_view *v, uint16_t bucket, uint16_t seq);
/** wgx_credit_outstanding() - descriptors of @queue on their way, or lost */
bool wgx_credit_outstanding(const struct wgx_credit_view *v, unsigned int queue);
/** wgx_credit_heal() - by the thread of @queue, to be called often, when its ring is empty; acts once in HEAL_NS. Return: descriptors given back. */
uint64_t wgx_credit_heal(struct wgx_credit_view *v, unsigned int queue, uint64_t boot);

#endif
