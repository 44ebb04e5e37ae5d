/* SPDX-License-Identifier: MIT */
/* Endpoints that are host names: where they lead, and which of these to try next. */
#ifndef WGX_QUICK_RESOLVE_H
#define WGX_QUICK_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "device/endpoint.h"

#define WGX_RESOLVED_MAX 16

/** struct wgx_resolved - the addresses of a name with a port, IPv6 and IPv4 by turns, the preferred first */
struct wgx_resolved {
	struct wgx_endpoint items[WGX_RESOLVED_MAX];
	size_t n;
};

/**
 * wgx_resolve() - ask the system; this may take it half a minute
 * Return: 0, or what gai_strerror() takes, with *@ret as it was.
 */
int wgx_resolve(const char *host, uint16_t port, struct wgx_resolved *ret);

/** wgx_resolve_is_temporary() - may wgx_resolve() do better later? @err: its return */
bool wgx_resolve_is_temporary(int err);

/* A session is used for two minutes before the next handshake, which takes a moment ([W] 6.1). */
#define WGX_STALE_S 135
/* How long an address is tried: two initiations at least ([W] 6.1, REKEY_TIMEOUT) */
#define WGX_TRY_S 10
/* Nothing was sent for so long: nobody tries any more. */
#define WGX_QUIET_S 30

/**
 * struct wgx_trial - the search for a peer that does not answer; all zero begins it
 * @list: what the name led to when it was resolved last
 * @next: which of it is next to be tried
 * @since: when the trial of the present address began; @sent: when something was sent last. In seconds, as
 *	wgx_look.now; valid while @trying.
 */
struct wgx_trial {
	struct wgx_resolved list;
	size_t next;
	uint64_t tx, since, sent, resolved;
	bool looked, trying;
};

/**
 * struct wgx_look - what is seen of a peer
 * @now: of a clock that is never set, in seconds
 * @handshake_age: in seconds; negative: there was none
 * @tx: bytes sent to it so far, handshakes included
 * @endpoint: sa_family AF_UNSPEC: none
 */
struct wgx_look {
	uint64_t now;
	int64_t handshake_age;
	uint64_t tx;
	struct wgx_endpoint endpoint;
};

enum wgx_trial_action {
	WGX_TRIAL_WAIT,
	WGX_TRIAL_RESOLVE, /* then wgx_trial_resolved() */
	WGX_TRIAL_SET, /* *ret is the endpoint to try */
};

/**
 * wgx_trial_look() - what to do now
 *
 * A peer whose handshake is not stale is left alone, wherever it roams; so is one to which nothing is sent.
 */
enum wgx_trial_action wgx_trial_look(struct wgx_trial *t, const struct wgx_look *look,
				     struct wgx_endpoint *ret);

/** wgx_trial_resolved() - go on with @list; NULL: the name could not be resolved, so with the list of before */
enum wgx_trial_action wgx_trial_resolved(struct wgx_trial *t, const struct wgx_look *look,
					 const struct wgx_resolved *list, struct wgx_endpoint *ret);

#endif
