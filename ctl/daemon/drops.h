/* SPDX-License-Identifier: MIT */
/*
 * What was lost, by reason: for `wgx show` and whoever else asks. All in the control thread, which owns what
 * the counts come from; the sums of many counters of many threads, none of which stands still meanwhile.
 */
#ifndef WGX_DAEMON_DROPS_H
#define WGX_DAEMON_DROPS_H

#include <stdbool.h>
#include <stdint.h>
#include <wgx/drops.h>

struct wgx_bind;
struct wgx_daemon;
struct wgx_peer;
struct wgx_served;
struct wgx_xsk;

/** wgx_drops_of_interface() - packets lost of one interface, those of its peers included */
void wgx_drops_of_interface(struct wgx_served *s, uint64_t ret[WGX_DROP_COUNT]);
/** wgx_drops_of_peer() - packets lost of which the peer was known; under the model's lock */
void wgx_drops_of_peer(struct wgx_served *s, const struct wgx_peer *peer,
		       uint64_t ret[WGX_DROP_COUNT]);
/** wgx_drops_of_nobody() - packets lost before it was known of which interface they were */
void wgx_drops_of_nobody(struct wgx_daemon *d, uint64_t ret[WGX_DROP_COUNT]);
/** wgx_drops_of_sockets() - packets that they had no room for */
uint64_t wgx_drops_of_sockets(struct wgx_daemon *d, const struct wgx_bind *b);
/** wgx_drops_unresolved() - packets of theirs for which the kernel did not find the next hop's address */
uint64_t wgx_drops_unresolved(struct wgx_daemon *d, const struct wgx_bind *b);

/** wgx_drops_begin() - the interface counts from now on, also if its devices are older */
void wgx_drops_begin(struct wgx_served *s);
void wgx_drops_end(struct wgx_served *s);
/** wgx_drops_retire_ring() - what a detached device, or the collector, had lost, and what waits in its ring: no
 * worker serves it any more, and it is to be destroyed */
void wgx_drops_retire_ring(struct wgx_daemon *d, struct wgx_xsk *xsk, bool collector);

/** wgx_drop_label() - the name of a reason */
const char *wgx_drop_label(enum wgx_drop_reason reason);

#endif
