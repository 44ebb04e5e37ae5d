/* SPDX-License-Identifier: MIT */
#include "proto/cookie.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include "proto/crypto.h"
#include "proto/session.h"

#define LABEL_LEN 8

static void label_key(uint8_t key[WGX_KEY_LEN], const char *label,
		      const uint8_t public_key[WGX_KEY_LEN])
{
	wgx_hash(key, label, LABEL_LEN, public_key, WGX_KEY_LEN);
}

static const struct wgx_macs *macs_of(const void *msg, size_t len)
{
	return (const void *)((const uint8_t *)msg + len - sizeof(struct wgx_macs));
}

/* mac1 covers all that stands before the macs, mac2 mac1 as well */
static void compute_mac1(uint8_t mac[WGX_COOKIE_LEN], const void *msg, size_t len,
			 const uint8_t key[WGX_KEY_LEN])
{
	wgx_mac(mac, key, WGX_KEY_LEN, msg, len - sizeof(struct wgx_macs));
}

static void compute_mac2(uint8_t mac[WGX_COOKIE_LEN], const void *msg, size_t len,
			 const uint8_t cookie[WGX_COOKIE_LEN])
{
	wgx_mac(mac, cookie, WGX_COOKIE_LEN, msg, len - WGX_COOKIE_LEN);
}

/* ---- checker ---- */

void wgx_cookie_checker_init(struct wgx_cookie_checker *c, const uint8_t secret[WGX_SECRET_LEN],
			     const uint8_t limit_key[WGX_LIMIT_KEY_LEN], uint64_t boot)
{
	memset(c, 0, sizeof(*c));
	wgx_ratelimit_init(&c->limit, limit_key);
	wgx_cookie_checker_rotate(c, secret, boot);
}

void wgx_cookie_checker_set_key(struct wgx_cookie_checker *c, const uint8_t *public_key)
{
	if (!public_key) {
		memset(c->mac1_key, 0, sizeof(c->mac1_key));
		memset(c->cookie_key, 0, sizeof(c->cookie_key));
		return;
	}
	label_key(c->mac1_key, "mac1----", public_key);
	label_key(c->cookie_key, "cookie--", public_key);
}

bool wgx_cookie_checker_stale(const struct wgx_cookie_checker *c, uint64_t boot)
{
	return wgx_expired(c->secret_birth, WGX_COOKIE_LIFE, boot);
}

void wgx_cookie_checker_rotate(struct wgx_cookie_checker *c, const uint8_t secret[WGX_SECRET_LEN],
			       uint64_t boot)
{
	memcpy(c->secret, secret, sizeof(c->secret));
	c->secret_birth = boot;
}

/* P-DOS-3 */
static void make_cookie(const struct wgx_cookie_checker *c, const struct wgx_from *from,
			uint8_t cookie[WGX_COOKIE_LEN])
{
	wgx_mac(cookie, c->secret, sizeof(c->secret), from->cookie_id, from->cookie_id_len);
}

enum wgx_mac_state wgx_cookie_check(const struct wgx_cookie_checker *c, const void *msg, size_t len,
				    const struct wgx_from *from, bool check_mac2)
{
	const struct wgx_macs *macs = macs_of(msg, len);
	uint8_t mac[WGX_COOKIE_LEN], cookie[WGX_COOKIE_LEN];
	enum wgx_mac_state state = WGX_MAC_VALID;

	compute_mac1(mac, msg, len, c->mac1_key);
	if (!wgx_equal(mac, macs->mac1, sizeof(mac)))
		return WGX_MAC_INVALID;
	/* zero is what who has no cookie sends: not worth two hashes under load */
	if (!check_mac2 || wgx_is_zero(macs->mac2, sizeof(macs->mac2)))
		return state;
	make_cookie(c, from, cookie);
	compute_mac2(mac, msg, len, cookie);
	if (wgx_equal(mac, macs->mac2, sizeof(mac)))
		state = WGX_MAC_COOKIE;
	wgx_wipe(cookie, sizeof(cookie));
	return state;
}

void wgx_cookie_reply(const struct wgx_cookie_checker *c, const void *msg, size_t len,
		      const struct wgx_from *from, const uint8_t nonce[WGX_COOKIE_NONCE_LEN],
		      struct wgx_msg_cookie *reply)
{
	uint8_t cookie[WGX_COOKIE_LEN];

	memset(reply, 0, sizeof(*reply));
	reply->type = htole32(WGX_MSG_COOKIE);
	/* an initiation and a response both have their sender's index after the type */
	memcpy(&reply->receiver, (const uint8_t *)msg + sizeof(reply->type),
	       sizeof(reply->receiver));
	memcpy(reply->nonce, nonce, sizeof(reply->nonce));
	make_cookie(c, from, cookie);
	wgx_xseal(reply->encrypted_cookie, cookie, sizeof(cookie), macs_of(msg, len)->mac1,
		  WGX_COOKIE_LEN, nonce, c->cookie_key);
	wgx_wipe(cookie, sizeof(cookie));
}

void wgx_cookie_mac1_state(uint32_t state[WGX_BLAKE2S_WORDS], const uint8_t public_key[WGX_KEY_LEN])
{
	uint32_t block[WGX_BLAKE2S_BLOCK] = {0};
	uint8_t key[WGX_KEY_LEN];

	label_key(key, "mac1----", public_key);
	memcpy(block, key, sizeof(key));
	for (size_t i = 0; i < WGX_KEY_LEN / sizeof(*block); i++)
		block[i] = le32toh(block[i]);
	wgx_blake2s_begin(state, WGX_KEY_LEN, WGX_COOKIE_LEN);
	wgx_blake2s_compress(state, block, WGX_BLAKE2S_BLOCK_LEN, false);
}

/* ---- maker ---- */

void wgx_cookie_maker_init(struct wgx_cookie_maker *m, const uint8_t public_key[WGX_KEY_LEN])
{
	memset(m, 0, sizeof(*m));
	m->public_key = public_key;
}

void wgx_cookie_add_macs(struct wgx_cookie_maker *m, void *msg, size_t len, uint64_t boot)
{
	struct wgx_macs *macs = (void *)((uint8_t *)msg + len - sizeof(*macs));
	uint8_t key[WGX_KEY_LEN];

	label_key(key, "mac1----", m->public_key);
	compute_mac1(macs->mac1, msg, len, key);
	memcpy(m->last_mac1, macs->mac1, sizeof(m->last_mac1));
	m->sent_mac1 = true;
	if (m->has_cookie &&
	    !wgx_expired(m->cookie_birth, WGX_COOKIE_LIFE - WGX_COOKIE_LATENCY, boot))
		compute_mac2(macs->mac2, msg, len, m->cookie);
	else
		memset(macs->mac2, 0, sizeof(macs->mac2));
}

int wgx_cookie_consume(struct wgx_cookie_maker *m, const struct wgx_msg_cookie *reply,
		       uint64_t boot)
{
	uint8_t cookie[WGX_COOKIE_LEN], key[WGX_KEY_LEN];
	int err;

	if (!m->sent_mac1)
		return -EINVAL;
	label_key(key, "cookie--", m->public_key);
	err = wgx_xopen(cookie, reply->encrypted_cookie, sizeof(reply->encrypted_cookie),
			m->last_mac1, sizeof(m->last_mac1), reply->nonce, key);
	if (err)
		return err;
	memcpy(m->cookie, cookie, sizeof(m->cookie));
	m->cookie_birth = boot;
	m->has_cookie = true;
	m->sent_mac1 = false;
	wgx_wipe(cookie, sizeof(cookie));
	return 0;
}
