/* SPDX-License-Identifier: MIT */
#include "proto/noise.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include "proto/keypair.h"
#include "proto/timers.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

#define TAI64_BASE UINT64_C(0x400000000000000a)
#define STAMP_STEP (UINT32_C(1) << 24) /* ns */
#define ENCRYPTED_STATIC_LEN (WGX_KEY_LEN + WGX_TAG_LEN)
#define ENCRYPTED_STAMP_LEN (WGX_TIMESTAMP_LEN + WGX_TAG_LEN)

/* ---- Noise's symmetric state ---- */

static void mix_hash(struct wgx_noise_state *n, const void *data, size_t len)
{
	wgx_hash(n->hash, n->hash, sizeof(n->hash), data, len);
}

/* @key NULL: the chaining key only */
static void mix_key(struct wgx_noise_state *n, uint8_t *key, const uint8_t input[WGX_KEY_LEN])
{
	wgx_kdf(n->chaining_key, key, NULL, n->chaining_key, input, WGX_KEY_LEN);
}

static int mix_dh(struct wgx_noise_state *n, uint8_t *key, const uint8_t private_key[WGX_KEY_LEN],
		  const uint8_t public_key[WGX_KEY_LEN])
{
	uint8_t shared[WGX_KEY_LEN];
	int err = wgx_dh(shared, private_key, public_key);

	if (!err)
		mix_key(n, key, shared);
	wgx_wipe(shared, sizeof(shared));
	return err;
}

static int mix_static_static(struct wgx_noise_state *n, uint8_t *key,
			     const struct wgx_handshake *hs)
{
	if (wgx_is_zero(hs->static_static, sizeof(hs->static_static)))
		return -EKEYREJECTED;
	mix_key(n, key, hs->static_static);
	return 0;
}

static void mix_ephemeral(struct wgx_noise_state *n, const uint8_t ephemeral[WGX_KEY_LEN])
{
	mix_hash(n, ephemeral, WGX_KEY_LEN);
	mix_key(n, NULL, ephemeral);
}

static void mix_psk(struct wgx_noise_state *n, uint8_t *key, const uint8_t psk[WGX_KEY_LEN])
{
	uint8_t temp[WGX_HASH_LEN];

	wgx_kdf(n->chaining_key, temp, key, n->chaining_key, psk, WGX_KEY_LEN);
	mix_hash(n, temp, sizeof(temp));
	wgx_wipe(temp, sizeof(temp));
}

static void encrypt_and_hash(struct wgx_noise_state *n, uint8_t *dst, const void *src, size_t len,
			     const uint8_t key[WGX_KEY_LEN])
{
	wgx_seal(dst, src, len, n->hash, sizeof(n->hash), 0, key);
	mix_hash(n, dst, len + WGX_TAG_LEN);
}

static int decrypt_and_hash(struct wgx_noise_state *n, uint8_t *dst, const uint8_t *src, size_t len,
			    const uint8_t key[WGX_KEY_LEN])
{
	int err = wgx_open(dst, src, len, n->hash, sizeof(n->hash), 0, key);

	if (!err)
		mix_hash(n, src, len);
	return err;
}

/* the name, the prologue and the responder's static key: <- s */
static void noise_init(struct wgx_noise_state *n, const uint8_t responder[WGX_KEY_LEN])
{
	wgx_hash(n->chaining_key, construction, sizeof(construction) - 1, NULL, 0);
	wgx_hash(n->hash, n->chaining_key, sizeof(n->chaining_key), identifier,
		 sizeof(identifier) - 1);
	mix_hash(n, responder, WGX_KEY_LEN);
}

/* A clamped private key and its public key, from 32 random bytes. */
static void ephemeral_keys(uint8_t private_key[WGX_KEY_LEN], uint8_t public_key[WGX_KEY_LEN],
			   const uint8_t random[WGX_KEY_LEN])
{
	memcpy(private_key, random, WGX_KEY_LEN);
	wgx_clamp(private_key);
	wgx_public_key(public_key, private_key);
}

/* ---- the handshake's state ---- */

void wgx_handshake_init(struct wgx_handshake *hs, const uint8_t remote_static[WGX_KEY_LEN])
{
	memset(hs, 0, sizeof(*hs));
	memcpy(hs->remote_static, remote_static, WGX_KEY_LEN);
}

int wgx_handshake_prepare(struct wgx_handshake *hs, const uint8_t private_key[WGX_KEY_LEN])
{
	if (!wgx_is_zero(hs->static_static, sizeof(hs->static_static)))
		return 0;
	return wgx_dh(hs->static_static, private_key, hs->remote_static);
}

void wgx_handshake_forget_private(struct wgx_handshake *hs)
{
	wgx_wipe(hs->static_static, sizeof(hs->static_static));
}

void wgx_handshake_zero(struct wgx_handshake *hs)
{
	wgx_wipe(&hs->noise, sizeof(hs->noise));
	wgx_wipe(hs->ephemeral_private, sizeof(hs->ephemeral_private));
	wgx_wipe(hs->remote_ephemeral, sizeof(hs->remote_ephemeral));
	hs->local_index = 0;
	hs->remote_index = 0;
	hs->has_index = false;
	hs->state = WGX_HS_ZEROED;
}

static void stamp_write(uint8_t stamp[WGX_TIMESTAMP_LEN], uint64_t seconds, uint32_t ns)
{
	const __be64 s = htobe64(seconds);
	const __be32 n = htobe32(ns);

	memcpy(stamp, &s, sizeof(s));
	memcpy(stamp + sizeof(s), &n, sizeof(n));
}

static void stamp_advance(uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	__be64 s;
	__be32 n;
	uint64_t seconds;
	uint32_t ns;

	memcpy(&s, stamp, sizeof(s));
	memcpy(&n, stamp + sizeof(s), sizeof(n));
	seconds = be64toh(s);
	ns = (be32toh(n) & ~(STAMP_STEP - 1)) + STAMP_STEP;
	if (ns >= WGX_SECOND) {
		ns = 0;
		seconds++;
	}
	stamp_write(stamp, seconds, ns);
}

void wgx_noise_stamp(struct wgx_handshake *hs, uint64_t real, uint8_t last[WGX_TIMESTAMP_LEN],
		     uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	uint8_t t[WGX_TIMESTAMP_LEN];

	stamp_write(t, TAI64_BASE + real / WGX_SECOND, (real % WGX_SECOND) & ~(STAMP_STEP - 1));
	/*
	 * Where the clock went back, all peers share @last and each goes on from its own: adding to
	 * the shared one each time would run ahead of time with many peers.
	 */
	wgx_stamp_raise(t, last);
	if (memcmp(t, hs->last_stamp_sent, sizeof(t)) <= 0) {
		memcpy(t, hs->last_stamp_sent, sizeof(t));
		stamp_advance(t);
	}
	wgx_stamp_raise(last, t);
	memcpy(hs->last_stamp_sent, t, sizeof(t));
	memcpy(stamp, t, sizeof(t));
}

/* ---- initiation ---- */

int wgx_noise_create_initiation(struct wgx_handshake *hs, const uint8_t public_key[WGX_KEY_LEN],
				const uint8_t ephemeral[WGX_KEY_LEN],
				const uint8_t stamp[WGX_TIMESTAMP_LEN], uint32_t index,
				struct wgx_msg_initiation *msg)
{
	struct wgx_noise_state n;
	uint8_t key[WGX_KEY_LEN], ephemeral_private[WGX_KEY_LEN];
	int err;

	memset(msg, 0, sizeof(*msg));
	msg->type = htole32(WGX_MSG_INITIATION);
	msg->sender = htole32(index);
	noise_init(&n, hs->remote_static);

	/* e */
	ephemeral_keys(ephemeral_private, msg->ephemeral, ephemeral);
	mix_ephemeral(&n, msg->ephemeral);

	/* es */
	err = mix_dh(&n, key, ephemeral_private, hs->remote_static);
	if (err)
		goto out;

	/* s */
	encrypt_and_hash(&n, msg->encrypted_static, public_key, WGX_KEY_LEN, key);

	/* ss */
	err = mix_static_static(&n, key, hs);
	if (err)
		goto out;

	/* {timestamp} */
	encrypt_and_hash(&n, msg->encrypted_timestamp, stamp, WGX_TIMESTAMP_LEN, key);

	hs->noise = n;
	memcpy(hs->ephemeral_private, ephemeral_private, WGX_KEY_LEN);
	hs->local_index = index;
	hs->has_index = true;
	hs->state = WGX_HS_CREATED_INITIATION;
out:
	wgx_wipe(&n, sizeof(n));
	wgx_wipe(key, sizeof(key));
	wgx_wipe(ephemeral_private, sizeof(ephemeral_private));
	return err;
}

int wgx_noise_read_initiation(struct wgx_initiation *in, const uint8_t private_key[WGX_KEY_LEN],
			      const uint8_t public_key[WGX_KEY_LEN],
			      const struct wgx_msg_initiation *msg)
{
	uint8_t key[WGX_KEY_LEN];
	int err;

	in->msg = msg;
	noise_init(&in->noise, public_key);

	/* e */
	mix_ephemeral(&in->noise, msg->ephemeral);

	/* es */
	err = mix_dh(&in->noise, key, private_key, msg->ephemeral);
	if (err)
		goto out;

	/* s */
	err = decrypt_and_hash(&in->noise, in->remote_static, msg->encrypted_static,
			       ENCRYPTED_STATIC_LEN, key);
out:
	wgx_wipe(key, sizeof(key));
	return err;
}

/* P-HS-3, P-HS-4 */
static int check_stamp(const struct wgx_handshake *hs, const uint8_t stamp[WGX_TIMESTAMP_LEN],
		       uint64_t boot)
{
	if (memcmp(stamp, hs->latest_stamp, WGX_TIMESTAMP_LEN) <= 0)
		return -EALREADY;
	if (hs->last_initiation && !wgx_expired(hs->last_initiation, WGX_INITIATION_INTERVAL, boot))
		return -EBUSY;
	return 0;
}

int wgx_noise_consume_initiation(struct wgx_handshake *hs, const struct wgx_initiation *in,
				 uint64_t boot)
{
	struct wgx_noise_state n = in->noise;
	uint8_t key[WGX_KEY_LEN], stamp[WGX_TIMESTAMP_LEN];
	int err;

	/* ss */
	err = mix_static_static(&n, key, hs);
	if (err)
		goto out;

	/* {timestamp} */
	err = decrypt_and_hash(&n, stamp, in->msg->encrypted_timestamp, ENCRYPTED_STAMP_LEN, key);
	if (err)
		goto out;
	err = check_stamp(hs, stamp, boot);
	if (err)
		goto out;

	hs->noise = n;
	memcpy(hs->remote_ephemeral, in->msg->ephemeral, WGX_KEY_LEN);
	memcpy(hs->latest_stamp, stamp, sizeof(stamp));
	hs->last_initiation = boot;
	hs->remote_index = le32toh(in->msg->sender);
	wgx_wipe(hs->ephemeral_private, sizeof(hs->ephemeral_private)); /* of our own initiation */
	hs->state = WGX_HS_CONSUMED_INITIATION;
out:
	wgx_wipe(&n, sizeof(n));
	wgx_wipe(key, sizeof(key));
	return err;
}

/* ---- response ---- */

int wgx_noise_create_response(struct wgx_handshake *hs, const uint8_t ephemeral[WGX_KEY_LEN],
			      uint32_t index, struct wgx_msg_response *msg)
{
	struct wgx_noise_state n = hs->noise;
	uint8_t key[WGX_KEY_LEN], ephemeral_private[WGX_KEY_LEN];
	int err = -EINVAL;

	if (hs->state != WGX_HS_CONSUMED_INITIATION)
		goto out;
	memset(msg, 0, sizeof(*msg));
	msg->type = htole32(WGX_MSG_RESPONSE);
	msg->sender = htole32(index);
	msg->receiver = htole32(hs->remote_index);

	/* e */
	ephemeral_keys(ephemeral_private, msg->ephemeral, ephemeral);
	mix_ephemeral(&n, msg->ephemeral);

	/* ee */
	err = mix_dh(&n, NULL, ephemeral_private, hs->remote_ephemeral);
	if (err)
		goto out;

	/* se */
	err = mix_dh(&n, NULL, ephemeral_private, hs->remote_static);
	if (err)
		goto out;

	/* psk */
	mix_psk(&n, key, hs->psk);

	/* {} */
	encrypt_and_hash(&n, msg->encrypted_nothing, NULL, 0, key);

	hs->noise = n;
	hs->local_index = index;
	hs->has_index = true;
	hs->state = WGX_HS_CREATED_RESPONSE;
out:
	wgx_wipe(&n, sizeof(n));
	wgx_wipe(key, sizeof(key));
	wgx_wipe(ephemeral_private, sizeof(ephemeral_private));
	return err;
}

int wgx_noise_consume_response(struct wgx_handshake *hs, const uint8_t private_key[WGX_KEY_LEN],
			       const struct wgx_msg_response *msg)
{
	struct wgx_noise_state n = hs->noise;
	uint8_t key[WGX_KEY_LEN];
	int err = -EINVAL;

	if (hs->state != WGX_HS_CREATED_INITIATION || le32toh(msg->receiver) != hs->local_index)
		goto out;

	/* e */
	mix_ephemeral(&n, msg->ephemeral);

	/* ee */
	err = mix_dh(&n, NULL, hs->ephemeral_private, msg->ephemeral);
	if (err)
		goto out;

	/* se */
	err = mix_dh(&n, NULL, private_key, msg->ephemeral);
	if (err)
		goto out;

	/* psk */
	mix_psk(&n, key, hs->psk);

	/* {} */
	err = decrypt_and_hash(&n, NULL, msg->encrypted_nothing, WGX_TAG_LEN, key);
	if (err)
		goto out;

	hs->noise = n;
	hs->remote_index = le32toh(msg->sender);
	wgx_wipe(hs->ephemeral_private, sizeof(hs->ephemeral_private));
	hs->state = WGX_HS_CONSUMED_RESPONSE;
out:
	wgx_wipe(&n, sizeof(n));
	wgx_wipe(key, sizeof(key));
	return err;
}

/* ---- transport keys, [W] 5.4.5 ---- */

int wgx_noise_begin_session(struct wgx_handshake *hs, struct wgx_keypair *kp, uint64_t boot)
{
	if (hs->state != WGX_HS_CREATED_RESPONSE && hs->state != WGX_HS_CONSUMED_RESPONSE)
		return -EINVAL;
	kp->initiator = hs->state == WGX_HS_CONSUMED_RESPONSE;
	if (kp->initiator)
		wgx_kdf(kp->send_key, kp->recv_key, NULL, hs->noise.chaining_key, NULL, 0);
	else
		wgx_kdf(kp->recv_key, kp->send_key, NULL, hs->noise.chaining_key, NULL, 0);
	kp->local_index = hs->local_index;
	kp->remote_index = hs->remote_index;
	kp->created = boot;
	atomic_store_explicit(&kp->confirmed, kp->initiator, memory_order_relaxed);
	wgx_handshake_zero(hs);
	return 0;
}
