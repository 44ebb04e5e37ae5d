/* SPDX-License-Identifier: MIT */
#include "quick/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* Of the list, the first from *@at on that is of @family, or of another one; NULL: none */
static const struct addrinfo *take(const struct addrinfo **at, int family, bool same)
{
	for (; *at; *at = (*at)->ai_next)
		if (((*at)->ai_family == family) == same) {
			const struct addrinfo *found = *at;

			*at = found->ai_next;
			return found;
		}
	return NULL;
}

static void add(struct wgx_resolved *r, const struct addrinfo *a)
{
	struct wgx_endpoint *e = &r->items[r->n];

	if (!a || r->n == WGX_RESOLVED_MAX || a->ai_addrlen > sizeof(e->addr) ||
	    (a->ai_family != AF_INET && a->ai_family != AF_INET6))
		return;
	memset(e, 0, sizeof(*e));
	memcpy(&e->addr, a->ai_addr, a->ai_addrlen);
	r->n++;
}

/* RFC 8305, 4: by turns, as the system sorted them (RFC 6724) */
static void interleave(const struct addrinfo *list, struct wgx_resolved *r)
{
	const struct addrinfo *first = list, *other = list;

	if (!list)
		return;
	while (first || other) {
		add(r, take(&first, list->ai_family, true));
		add(r, take(&other, list->ai_family, false));
	}
}

int wgx_resolve(const char *host, uint16_t port, struct wgx_resolved *ret)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_DGRAM,
		.ai_protocol = IPPROTO_UDP,
		.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG,
	};
	struct wgx_resolved r = {.n = 0};
	struct addrinfo *list = NULL;
	char service[8];
	int err;

	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(host, service, &hints, &list);
	if (err)
		return err;
	interleave(list, &r);
	freeaddrinfo(list);
	if (!r.n)
		return EAI_NONAME;
	*ret = r;
	return 0;
}

bool wgx_resolve_is_temporary(int err)
{
	return err == EAI_AGAIN || err == EAI_SYSTEM || err == EAI_MEMORY;
}

/* The next address that is not the one tried so far. */
static enum wgx_trial_action next(struct wgx_trial *t, const struct wgx_look *look,
				  struct wgx_endpoint *ret)
{
	t->since = look->now;
	while (t->next < t->list.n) {
		const struct wgx_endpoint *e = &t->list.items[t->next++];

		if (wgx_endpoint_same_destination(e, &look->endpoint))
			continue;
		*ret = *e;
		return WGX_TRIAL_SET;
	}
	return WGX_TRIAL_WAIT;
}

/* Is something sent to a peer that does not answer? */
static bool is_trying(struct wgx_trial *t, const struct wgx_look *look)
{
	bool sent = t->looked && look->tx > t->tx;

	t->looked = true;
	t->tx = look->tx;
	if (look->handshake_age >= 0 && look->handshake_age < WGX_STALE_S) {
		t->next = t->list.n; /* which will be old when it is asked for */
		return t->trying = false;
	}
	if (sent) {
		t->sent = look->now;
		if (!t->trying)
			t->since = look->now;
		t->trying = true;
	}
	if (t->trying && look->now - t->sent > WGX_QUIET_S)
		t->trying = false;
	return t->trying;
}

enum wgx_trial_action wgx_trial_look(struct wgx_trial *t, const struct wgx_look *look,
				     struct wgx_endpoint *ret)
{
	bool trying = is_trying(t, look);
	enum wgx_trial_action action;

	if (look->endpoint.addr.sa.sa_family == AF_UNSPEC)
		return !t->resolved || look->now - t->resolved >= WGX_TRY_S ? WGX_TRIAL_RESOLVE
									    : WGX_TRIAL_WAIT;
	if (!trying || look->now - t->since < WGX_TRY_S)
		return WGX_TRIAL_WAIT;
	action = next(t, look, ret);
	return action == WGX_TRIAL_SET ? action : WGX_TRIAL_RESOLVE;
}

enum wgx_trial_action wgx_trial_resolved(struct wgx_trial *t, const struct wgx_look *look,
					 const struct wgx_resolved *list, struct wgx_endpoint *ret)
{
	t->resolved = look->now;
	if (list)
		t->list = *list;
	t->next = 0;
	return next(t, look, ret);
}
