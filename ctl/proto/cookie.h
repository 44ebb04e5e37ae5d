/* SPDX-License-Identifier: MIT */
/* mac1, mac2 and cookie replies ([W] 5.3, 5.4.4, 5.4.7). The checker is ours, a maker is each peer's. */
#ifndef WGX_PROTO_COOKIE_H
#define WGX_PROTO_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/blake2s.h>
#include <wgx/wire.h>
#include "proto/ratelimit.h"

struct wgx_from;

#define WGX_SECRET_LEN 32

/** struct wgx_cookie_checker - judges the macs of what comes in */
struct wgx_cookie_checker {
	uint8_t mac1_key[WGX_KEY_LEN]; /* HASH("mac1----" || our public key) */
	uint8_t cookie_key[WGX_KEY_LEN]; /* HASH("cookie--" || our public key) */
	uint8_t secret[WGX_SECRET_LEN]; /* changes every 120 s */
	uint64_t secret_birth; /* boot ns */
	struct wgx_ratelimit limit;
};

/** struct wgx_cookie_maker - puts macs on what goes out to one peer */
struct wgx_cookie_maker {
	const uint8_t *public_key; /* the peer's; keys are made from it when they are needed */
	uint8_t cookie[WGX_COOKIE_LEN];
	uint64_t cookie_birth; /* boot ns */
	bool has_cookie;
	uint8_t last_mac1[WGX_COOKIE_LEN];
	bool sent_mac1; /* a cookie reply may come for it: one only */
};

enum wgx_mac_state {
	WGX_MAC_INVALID,
	WGX_MAC_VALID, /* mac1 is right, mac2 was not looked at or is wrong */
	WGX_MAC_COOKIE, /* mac2 is right as well */
};

/** wgx_cookie_checker_init() - @secret and @limit_key are random */
void wgx_cookie_checker_init(struct wgx_cookie_checker *c, const uint8_t secret[WGX_SECRET_LEN],
			     const uint8_t limit_key[WGX_LIMIT_KEY_LEN], uint64_t boot);
/** wgx_cookie_checker_set_key() - our public key; NULL: we have none */
void wgx_cookie_checker_set_key(struct wgx_cookie_checker *c, const uint8_t *public_key);
/** wgx_cookie_checker_stale() - the secret is 120 s old: wgx_cookie_checker_rotate() with new random bytes */
bool wgx_cookie_checker_stale(const struct wgx_cookie_checker *c, uint64_t boot);
void wgx_cookie_checker_rotate(struct wgx_cookie_checker *c, const uint8_t secret[WGX_SECRET_LEN],
			       uint64_t boot);
/** wgx_cookie_check() - the macs at the end of @msg, an initiation or response; @check_mac2: under load */
enum wgx_mac_state wgx_cookie_check(const struct wgx_cookie_checker *c, const void *msg, size_t len,
				    const struct wgx_from *from, bool check_mac2);
/** wgx_cookie_reply() - answer @msg of @len bytes, which came @from there; @nonce is random */
void wgx_cookie_reply(const struct wgx_cookie_checker *c, const void *msg, size_t len,
		      const struct wgx_from *from, const uint8_t nonce[WGX_COOKIE_NONCE_LEN],
		      struct wgx_msg_cookie *reply);

/**
 * wgx_cookie_mac1_state() - BLAKE2s after the block of the key of the mac1 for @public_key's owner
 * BPF checks mac1 from there on, with a compression less for each message. No secret.
 */
void wgx_cookie_mac1_state(uint32_t state[WGX_BLAKE2S_WORDS],
			   const uint8_t public_key[WGX_KEY_LEN]);

/** wgx_cookie_maker_init() - @public_key stays where it is as long as @m is used */
void wgx_cookie_maker_init(struct wgx_cookie_maker *m, const uint8_t public_key[WGX_KEY_LEN]);
/** wgx_cookie_add_macs() - write both macs of @msg; mac2 is zero without a cookie younger than 115 s */
void wgx_cookie_add_macs(struct wgx_cookie_maker *m, void *msg, size_t len, uint64_t boot);
/** wgx_cookie_consume() - Return: 0; -EINVAL: no mac1 sent that it could answer; -EBADMSG */
int wgx_cookie_consume(struct wgx_cookie_maker *m, const struct wgx_msg_cookie *reply,
		       uint64_t boot);

#endif
