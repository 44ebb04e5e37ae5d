/* SPDX-License-Identifier: MIT */
#include "proto/ratelimit.h"

#include <sodium.h>
#include <string.h>
#include "proto/timers.h"

#define COST (WGX_SECOND / WGX_LIMIT_PER_SECOND)
#define TOKENS_MAX (COST * WGX_LIMIT_BURST)

_Static_assert(WGX_LIMIT_KEY_LEN == crypto_shorthash_KEYBYTES, "SipHash-2-4");
_Static_assert(WGX_LIMIT_ROWS == 256, "a row is named by one byte of the hash");

void wgx_ratelimit_init(struct wgx_ratelimit *r, const uint8_t key[WGX_LIMIT_KEY_LEN])
{
	memset(r, 0, sizeof(*r));
	memcpy(r->key, key, sizeof(r->key));
}

static struct wgx_limit_entry *row_of(struct wgx_ratelimit *r, uint64_t id, bool v6)
{
	uint8_t in[sizeof(id) + 1], out[crypto_shorthash_BYTES];

	memcpy(in, &id, sizeof(id));
	in[sizeof(id)] = v6;
	crypto_shorthash(out, in, sizeof(in), r->key);
	return r->entries[out[0]];
}

static bool is_free(const struct wgx_limit_entry *e, uint64_t boot)
{
	return !e->last || wgx_expired(e->last, WGX_SECOND, boot);
}

/* The source's entry; else a free one for it; else NULL. */
static struct wgx_limit_entry *find(struct wgx_ratelimit *r, uint64_t id, bool v6, uint64_t boot)
{
	struct wgx_limit_entry *row = row_of(r, id, v6), *unused = NULL;

	for (unsigned int i = 0; i < WGX_LIMIT_WAYS; i++) {
		if (is_free(&row[i], boot))
			unused = unused ? unused : &row[i];
		else if (row[i].id == id && row[i].v6 == v6)
			return &row[i];
	}
	if (unused)
		*unused = (struct wgx_limit_entry){
			.id = id, .v6 = v6, .last = boot, .tokens = TOKENS_MAX};
	return unused;
}

bool wgx_ratelimit_allow(struct wgx_ratelimit *r, uint64_t id, bool v6, uint64_t boot)
{
	struct wgx_limit_entry *e = find(r, id, v6, boot);
	uint64_t tokens;

	if (!e)
		return false;
	tokens = e->tokens + (boot > e->last ? boot - e->last : 0);
	if (tokens > TOKENS_MAX)
		tokens = TOKENS_MAX;
	if (boot > e->last)
		e->last = boot;
	e->tokens = tokens < COST ? tokens : tokens - COST;
	return tokens >= COST;
}
