/* SPDX-License-Identifier: MIT */
/*
 * The consumer's half of the flow control that bpf/credit.h produces: see struct wgx_credit.
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
	struct wgx_credit *map; /* WGX_CREDIT_BUCKETS + 1, shared with BPF */
	uint64_t healed_at;
	uint64_t seen[WGX_CREDIT_BUCKETS]; /* produced, at the last healing */
};

/** wgx_credit_open() - map the credit map @fd; 0 or a negative errno */
int wgx_credit_open(struct wgx_credit_view *v, int fd);
void wgx_credit_close(struct wgx_credit_view *v);

/** wgx_credit_consume() - the frame with this stamp came out of the ring; untrusted values are harmless */
void wgx_credit_consume(struct wgx_credit_view *v, uint16_t bucket, uint16_t seq);
/** wgx_credit_outstanding() - descriptors on their way, or lost */
bool wgx_credit_outstanding(const struct wgx_credit_view *v);
/** wgx_credit_heal() - to be called often; acts once in HEAL_NS. Return: descriptors given back. */
uint64_t wgx_credit_heal(struct wgx_credit_view *v, uint64_t boot);

#endif
