/* SPDX-License-Identifier: MIT */
/* When to tell of lost packets: at once where it begins, and then not more often than people can read. */
#ifndef WGX_DAEMON_BURST_H
#define WGX_DAEMON_BURST_H

#include <stdbool.h>
#include <stdint.h>

#define WGX_BURST_INTERVAL UINT64_C(10) /* seconds between two messages on the same reason */

/** struct wgx_burst - one reason, of one interface; all zero to begin with, or as wgx_burst_begin() */
struct wgx_burst {
	uint64_t told; /* the count, when it was told last */
	uint64_t at; /* and when that was, s; 0: never */
};

/** wgx_burst_begin() - from here on @count is known */
static inline void wgx_burst_begin(struct wgx_burst *b, uint64_t count)
{
	*b = (struct wgx_burst){.told = count};
}

/**
 * wgx_burst_due() - asked every second or so, with what the counter says and the time in seconds, which is not 0
 * @ret_packets: lost since the last message, @ret_seconds: as long ago as that is, WGX_BURST_INTERVAL at most;
 *	1 where the burst is new
 *
 * Return: it is time to tell; then that counts as done.
 */
static inline bool wgx_burst_due(struct wgx_burst *b, uint64_t count, uint64_t now,
				 uint64_t *ret_packets, uint64_t *ret_seconds)
{
	if (count < b->told) /* what was counted has begun anew */
		b->told = count;
	if (count == b->told || (b->at && now < b->at + WGX_BURST_INTERVAL))
		return false;
	*ret_packets = count - b->told;
	*ret_seconds = b->at && now < b->at + 2 * WGX_BURST_INTERVAL ? WGX_BURST_INTERVAL : 1;
	b->told = count;
	b->at = now;
	return true;
}

#endif
