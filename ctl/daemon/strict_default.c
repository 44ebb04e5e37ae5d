/* SPDX-License-Identifier: MIT */
/*
 * Default routes in allowed IPs, in one piece or two: with one, strict mode drops all plaintext but what is exempt, and
 * where nothing is said of that, the log tells.
 */
#include "daemon/log.h"
#include "daemon/strict.h"

/* The bit of 0.0.0.0/0, 0.0.0.0/1, 128.0.0.0/1, ::/0, ::/1 or 8000::/1; 0: another prefix */
static uint8_t default_bit(const struct wgx_prefix *p)
{
	if (p->cidr > 1)
		return 0;
	return (uint8_t)(1U << ((p->family == AF_INET6 ? 3 : 0) + p->cidr +
				(p->cidr ? p->addr[0] >> 7 : 0)));
}

bool wgx_strict_default_route(struct wgx_daemon *d)
{
	struct wgx_served *s;
	uint8_t bits = 0;

	cds_list_for_each_entry(s, &d->ifaces, all)
		bits |= s->default_routes;
	return bits & 011 || (bits & 06) == 06 || (bits & 060) == 060;
}

bool wgx_strict_shuts(struct wgx_daemon *d, const struct wgx_guard *g)
{
	return d->strict.all || (!g->n_exempt && !g->no_exemptions && wgx_strict_default_route(d));
}

static void warn_of_default_route(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->guard.on && wgx_strict_shuts(d, &a->guard))
			wgx_log(WGX_LOG_WARN,
				"%s: strict: allowed IPs have a default route, and nothing is "
				"exempt: "
				"all plaintext is dropped",
				a->name);
}

static void note_default(struct wgx_served *s, uint8_t bit, bool there)
{
	bool before = wgx_strict_default_route(s->daemon);

	if (there)
		s->default_routes |= bit;
	else
		s->default_routes &= (uint8_t)~bit;
	if (!before && wgx_strict_default_route(s->daemon))
		warn_of_default_route(s->daemon);
}

void wgx_strict_prefix(struct wgx_served *s, const struct wgx_prefix *prefix, bool there)
{
	uint8_t bit = default_bit(prefix);

	if (bit)
		note_default(s, bit, there);
}
