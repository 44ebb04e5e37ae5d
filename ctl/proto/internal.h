/* SPDX-License-Identifier: MIT */
/* What keypair.c, timers.c and session.c have of each other; all of it under the lock. */
#ifndef WGX_PROTO_INTERNAL_H
#define WGX_PROTO_INTERNAL_H

#include "proto/session.h"

/** wgx_keypairs_add() - a new keypair into its slot: current where we initiated, else next (P-HS-7) */
void wgx_keypairs_add(struct wgx_session *s, struct wgx_keypair *kp);
/** wgx_keypairs_promote() - next becomes current, current previous. Return: false: not confirmed, or none */
bool wgx_keypairs_promote(struct wgx_session *s);
void wgx_keypairs_clear(struct wgx_session *s);

/** wgx_session_attempt() - begin a handshake, its attempts counted from zero; at once, or when P-TM-1 lets */
void wgx_session_attempt(struct wgx_session *s, const struct wgx_now *now);
/** wgx_session_initiate() - send one initiation now and arm its retransmission */
void wgx_session_initiate(struct wgx_session *s, const struct wgx_now *now);
/** wgx_session_keepalive() - send an empty packet, after a handshake where there is no key for it */
void wgx_session_keepalive(struct wgx_session *s, const struct wgx_now *now);

/** wgx_session_tell_expired() - once after each handshake */
void wgx_session_tell_expired(struct wgx_session *s);

/** wgx_timers_next() - the earliest deadline */
uint64_t wgx_timers_next(struct wgx_session *s);
/** wgx_timers_arm() - any thread: wake, if @deadline lies before the one that is armed */
void wgx_timers_arm(struct wgx_session *s, uint64_t deadline);

#endif
