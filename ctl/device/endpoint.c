/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "device/endpoint.h"
#include "proto/session.h"

#define WORDS (sizeof(struct wgx_endpoint) / sizeof(uint64_t))
#define SPINS 64 /* before the processor goes to a writer that was preempted */

static void relax(unsigned int *spins)
{
	if (++*spins % SPINS == 0)
		sched_yield();
}

/*
 * The sequence lock. Words are read with acquire and written with release order, which stands for the
 * fences of the usual form: a reader that sees any word of a write also sees, in its second look at @seq,
 * that this write had begun. (ThreadSanitizer knows no fences; on x86 both cost nothing.)
 */
void wgx_endpoint_read(const struct wgx_endpoint_cell *c, struct wgx_endpoint *ret)
{
	uint64_t words[WORDS];
	unsigned int spins = 0;
	uint32_t seq;

	for (;;) {
		seq = atomic_load_explicit(&c->seq, memory_order_acquire);
		for (size_t i = 0; i < WORDS; i++)
			words[i] = atomic_load_explicit(&c->words[i], memory_order_acquire);
		if (!(seq & 1) && atomic_load_explicit(&c->seq, memory_order_relaxed) == seq)
			break;
		relax(&spins);
	}
	memcpy(ret, words, sizeof(*ret));
}

static void begin_write(struct wgx_endpoint_cell *c)
{
	unsigned int spins = 0;

	while (atomic_exchange_explicit(&c->writing, true, memory_order_acquire))
		relax(&spins);
}

static void end_write(struct wgx_endpoint_cell *c)
{
	atomic_store_explicit(&c->writing, false, memory_order_release);
}

static void store(struct wgx_endpoint_cell *c, const struct wgx_endpoint *e)
{
	uint32_t seq = atomic_load_explicit(&c->seq, memory_order_relaxed);
	uint64_t words[WORDS];

	memcpy(words, e, sizeof(words));
	atomic_store_explicit(&c->seq, seq + 1, memory_order_relaxed);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&c->words[i], words[i], memory_order_release);
	atomic_store_explicit(&c->seq, seq + 2, memory_order_release);
}

void wgx_endpoint_write(struct wgx_endpoint_cell *c, const struct wgx_endpoint *e)
{
	begin_write(c);
	store(c, e);
	end_write(c);
}

void wgx_endpoint_clear_source(struct wgx_endpoint_cell *c)
{
	struct wgx_endpoint e;

	begin_write(c);
	wgx_endpoint_read(c, &e);
	memset(&e.src6, 0, sizeof(e.src6));
	e.src_if = 0;
	store(c, &e);
	end_write(c);
}

void wgx_endpoint_refuse_source(struct wgx_endpoint_cell *c)
{
	struct wgx_endpoint e;

	begin_write(c);
	wgx_endpoint_read(c, &e);
	if (e.addr.sa.sa_family == AF_INET)
		e.src4.s_addr = 0;
	store(c, &e);
	end_write(c);
}

bool wgx_endpoint_same_destination(const struct wgx_endpoint *a, const struct wgx_endpoint *b)
{
	if (a->addr.sa.sa_family != b->addr.sa.sa_family)
		return false;
	switch (a->addr.sa.sa_family) {
	case AF_INET:
		return a->addr.v4.sin_port == b->addr.v4.sin_port &&
		       a->addr.v4.sin_addr.s_addr == b->addr.v4.sin_addr.s_addr;
	case AF_INET6:
		return a->addr.v6.sin6_port == b->addr.v6.sin6_port &&
		       a->addr.v6.sin6_scope_id == b->addr.v6.sin6_scope_id &&
		       !memcmp(&a->addr.v6.sin6_addr, &b->addr.v6.sin6_addr, 16);
	default:
		return true;
	}
}

bool wgx_endpoint_equal(const struct wgx_endpoint *a, const struct wgx_endpoint *b)
{
	if (!wgx_endpoint_same_destination(a, b))
		return false;
	switch (a->addr.sa.sa_family) {
	case AF_INET:
		return a->src4.s_addr == b->src4.s_addr && a->src_if == b->src_if;
	case AF_INET6:
		return !memcmp(&a->src6, &b->src6, 16);
	default:
		return true;
	}
}

bool wgx_endpoint_is_news(const struct wgx_endpoint *known, const struct wgx_endpoint *from)
{
	bool refused = known->addr.sa.sa_family == AF_INET && !known->src4.s_addr && known->src_if;

	if (refused && wgx_endpoint_same_destination(known, from) && known->src_if == from->src_if)
		return false;
	return !wgx_endpoint_equal(known, from);
}

int wgx_parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned int)(text[i] - '0');

		if (digit > 9 || n > (max - digit) / 10)
			return -EINVAL;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

static int parse_scope(const char *scope, uint32_t *ret)
{
	uint64_t n;

	*ret = if_nametoindex(scope);
	if (*ret)
		return 0;
	if (wgx_parse_number(scope, strlen(scope), UINT32_MAX, &n) < 0 || !n)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

static int parse_v6(char *host, struct sockaddr_in6 *sin6)
{
	char *scope = strchr(host, '%');

	if (scope) {
		*scope++ = 0;
		if (parse_scope(scope, &sin6->sin6_scope_id) < 0)
			return -EINVAL;
	}
	sin6->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, host, &sin6->sin6_addr) == 1 ? 0 : -EINVAL;
}

int wgx_endpoint_parse(const char *text, struct wgx_endpoint *ret)
{
	size_t len = strlen(text);
	const char *colon = strrchr(text, ':');
	struct wgx_endpoint e = {0};
	char host[WGX_ENDPOINT_TEXT];
	uint64_t port;
	int err;

	if (!colon || len >= sizeof(host) ||
	    wgx_parse_number(colon + 1, strlen(colon + 1), UINT16_MAX, &port) < 0)
		return -EINVAL;
	memcpy(host, text, len + 1);
	len = (size_t)(colon - text);
	host[len] = 0;
	if (host[0] == '[') {
		if (len < 2 || host[len - 1] != ']')
			return -EINVAL;
		host[len - 1] = 0;
		err = parse_v6(host + 1, &e.addr.v6);
		e.addr.v6.sin6_port = htons((uint16_t)port);
	} else {
		e.addr.v4.sin_family = AF_INET;
		e.addr.v4.sin_port = htons((uint16_t)port);
		err = inet_pton(AF_INET, host, &e.addr.v4.sin_addr) == 1 ? 0 : -EINVAL;
	}
	if (!err)
		*ret = e;
	return err;
}

const char *wgx_endpoint_format(const struct wgx_endpoint *e, char buf[WGX_ENDPOINT_TEXT])
{
	char host[INET6_ADDRSTRLEN], scope[IFNAMSIZ + 1] = "";
	uint32_t id;

	switch (e->addr.sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &e->addr.v4.sin_addr, host, sizeof(host));
		snprintf(buf, WGX_ENDPOINT_TEXT, "%s:%u", host, ntohs(e->addr.v4.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &e->addr.v6.sin6_addr, host, sizeof(host));
		id = e->addr.v6.sin6_scope_id;
		if (id) {
			scope[0] = '%';
			if (!if_indextoname(id, scope + 1))
				snprintf(scope, sizeof(scope), "%%%u", id);
		}
		snprintf(buf, WGX_ENDPOINT_TEXT, "[%s%s]:%u", host, scope,
			 ntohs(e->addr.v6.sin6_port));
		break;
	default:
		snprintf(buf, WGX_ENDPOINT_TEXT, "(none)");
	}
	return buf;
}

void wgx_endpoint_from(const struct wgx_endpoint *e, struct wgx_from *ret)
{
	*ret = (struct wgx_from){.endpoint = e};
	switch (e->addr.sa.sa_family) {
	case AF_INET:
		memcpy(ret->cookie_id, &e->addr.v4.sin_addr, 4);
		memcpy(ret->cookie_id + 4, &e->addr.v4.sin_port, 2);
		ret->cookie_id_len = 6;
		ret->limit_id = e->addr.v4.sin_addr.s_addr;
		break;
	case AF_INET6:
		memcpy(ret->cookie_id, &e->addr.v6.sin6_addr, 16);
		memcpy(ret->cookie_id + 16, &e->addr.v6.sin6_port, 2);
		ret->cookie_id_len = 18;
		memcpy(&ret->limit_id, &e->addr.v6.sin6_addr, 8);
		ret->v6 = true;
		break;
	}
}

bool wgx_endpoint_unscoped(const struct wgx_endpoint *e)
{
	return e->addr.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&e->addr.v6.sin6_addr) &&
	       !e->addr.v6.sin6_scope_id;
}
