/* SPDX-License-Identifier: MIT */
/* How strict mode is wanted on one device. */
#ifndef WGX_DAEMON_GUARD_H
#define WGX_DAEMON_GUARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "proto/prefix.h"

/** struct wgx_guard - all zero: off */
struct wgx_guard {
	bool on;
	bool report;
	bool no_exemptions; /* that is what was asked for */
	bool inherited; /* a dead daemon's: nobody has asked this one for it */
	bool keep; /* stays when the daemon ends: networks are protected */
	uint32_t key; /* ifindex under which the maps know it; 0: they do not */
	unsigned int n_exempt;
	struct wgx_prefix *exempt;
	unsigned int
		n_protect; /* networks that belong into a tunnel, whether a peer has them or not */
	struct wgx_prefix *protect;
};

/**
 * wgx_guard_parse() - from the members strict, report, exempt and protect of a request
 * @ret: all zero where it fails
 * @error: for the user, of @size bytes, on failure
 *
 * exempt and protect are arrays of networks; an empty exempt says that there are to be none. Return: 0, -EINVAL, -ENOMEM.
 */
int wgx_guard_parse(const json_t *request, struct wgx_guard *ret, char *error, size_t size);
/** wgx_guard_copy() - all but the key; 0 or -ENOMEM */
int wgx_guard_copy(struct wgx_guard *ret, const struct wgx_guard *g);
/** wgx_guard_add() - one more exemption; 0 or -ENOMEM */
int wgx_guard_add(struct wgx_guard *g, const struct wgx_prefix *p);
bool wgx_guard_exempts(const struct wgx_guard *g, const struct wgx_prefix *p);
/** wgx_guard_free() - what it holds; all zero then */
void wgx_guard_free(struct wgx_guard *g);

#endif
