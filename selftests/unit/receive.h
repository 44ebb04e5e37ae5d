/* SPDX-License-Identifier: MIT */
#ifndef UNIT_RECEIVE_H
#define UNIT_RECEIVE_H

#include "proto/session.h"

/* A handshake message as the daemon takes it, but for the queue between its two looks. */
static inline enum wgx_handshake_result receive_handshake(struct wgx_local *l, const void *msg,
							  size_t len, const struct wgx_from *from,
							  bool under_load,
							  const struct wgx_now *now,
							  struct wgx_session **ret_session)
{
	enum wgx_handshake_result r = wgx_handshake_admit(l, msg, len, from, under_load, now->boot);

	if (r == WGX_HS_NO_COOKIE)
		wgx_handshake_refuse(l, msg, len, from);
	return r == WGX_HS_OK ? wgx_handshake_consume(l, msg, len, from, now, ret_session) : r;
}

#endif
