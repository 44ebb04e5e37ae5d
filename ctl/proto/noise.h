/* SPDX-License-Identifier: MIT */
/*
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s ([W] 5.4, P-MSG-4).
 *
 *	<- s
 *	...
 *	-> e, es, s, ss, {timestamp}
 *	<- e, ee, se, psk, {}
 *
 * Pure: random bytes, time and indices are parameters. Every function computes on a copy, and changes
 * the handshake only when all of the message was right (P-HS-6).
 */
#ifndef WGX_PROTO_NOISE_H
#define WGX_PROTO_NOISE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wgx/wire.h>
#include "proto/crypto.h"

struct wgx_keypair;

enum wgx_handshake_state {
	WGX_HS_ZEROED,
	WGX_HS_CREATED_INITIATION,
	WGX_HS_CONSUMED_INITIATION,
	WGX_HS_CREATED_RESPONSE,
	WGX_HS_CONSUMED_RESPONSE,
};

/** struct wgx_noise_state - Noise's symmetric state */
struct wgx_noise_state {
	uint8_t hash[WGX_HASH_LEN];
	uint8_t chaining_key[WGX_HASH_LEN];
};

/** struct wgx_handshake - one peer's handshake: what lasts, then what one exchange leaves */
struct wgx_handshake {
	uint8_t remote_static[WGX_KEY_LEN];
	uint8_t psk[WGX_KEY_LEN]; /* zero: none */
	uint8_t static_static[WGX_KEY_LEN]; /* zero: not computed yet, or a low-order point */
	/* the greatest stamp accepted; its owner stores it, and puts it back after wgx_session_init() */
	uint8_t latest_stamp[WGX_TIMESTAMP_LEN];
	uint8_t last_stamp_sent[WGX_TIMESTAMP_LEN]; /* the next one is later */
	uint64_t last_initiation; /* boot ns of the last one consumed; 0: none */

	enum wgx_handshake_state state;
	struct wgx_noise_state noise;
	uint8_t ephemeral_private[WGX_KEY_LEN];
	uint8_t remote_ephemeral[WGX_KEY_LEN];
	uint32_t local_index;
	uint32_t remote_index;
	bool has_index; /* @local_index is ours, to be freed or handed to a keypair */
};

/** struct wgx_initiation - an initiation half read: its sender is known, but not yet proven */
struct wgx_initiation {
	struct wgx_noise_state noise;
	uint8_t remote_static[WGX_KEY_LEN];
	const struct wgx_msg_initiation *msg;
};

void wgx_handshake_init(struct wgx_handshake *hs, const uint8_t remote_static[WGX_KEY_LEN]);
/**
 * wgx_handshake_prepare() - compute static-static, where it is not there from an earlier handshake
 *
 * Before an initiation is created or consumed, and not when the peer is made: for many peers that would take
 * seconds. Return: 0, or -EKEYREJECTED for a low-order point (P-HS-2).
 */
int wgx_handshake_prepare(struct wgx_handshake *hs, const uint8_t private_key[WGX_KEY_LEN]);
/** wgx_handshake_forget_private() - our private key is another, or none */
void wgx_handshake_forget_private(struct wgx_handshake *hs);
/** wgx_handshake_zero() - wipe what the exchange left; the index is the caller's to free first */
void wgx_handshake_zero(struct wgx_handshake *hs);

/** wgx_stamp_raise() - from now on @stamp is @least or later */
static inline void wgx_stamp_raise(uint8_t stamp[WGX_TIMESTAMP_LEN],
				   const uint8_t least[WGX_TIMESTAMP_LEN])
{
	if (memcmp(stamp, least, WGX_TIMESTAMP_LEN) < 0)
		memcpy(stamp, least, WGX_TIMESTAMP_LEN);
}

/**
 * wgx_noise_stamp() - the TAI64N for the next initiation to @hs's peer (P-HS-3)
 * @real: Unix time, ns
 * @last: the last stamp this interface sent; takes the new one
 *
 * Rounded down to 2^24 ns; never before @last; for one peer always after the one before.
 */
void wgx_noise_stamp(struct wgx_handshake *hs, uint64_t real, uint8_t last[WGX_TIMESTAMP_LEN],
		     uint8_t stamp[WGX_TIMESTAMP_LEN]);

/**
 * wgx_noise_create_initiation() - @msg but for its macs
 * @ephemeral: 32 random bytes; @index: our receiver index, which then belongs to @hs
 *
 * @hs: prepared. Return: 0, or -EKEYREJECTED where a Diffie-Hellman result is zero.
 */
int wgx_noise_create_initiation(struct wgx_handshake *hs, const uint8_t public_key[WGX_KEY_LEN],
				const uint8_t ephemeral[WGX_KEY_LEN],
				const uint8_t stamp[WGX_TIMESTAMP_LEN], uint32_t index,
				struct wgx_msg_initiation *msg);

/**
 * wgx_noise_read_initiation() - find out who claims to have sent @msg; the caller wipes @in at last
 * @msg: stays where it is while @in is used
 *
 * Return: 0, -EKEYREJECTED or -EBADMSG.
 */
int wgx_noise_read_initiation(struct wgx_initiation *in, const uint8_t private_key[WGX_KEY_LEN],
			      const uint8_t public_key[WGX_KEY_LEN],
			      const struct wgx_msg_initiation *msg);

/**
 * wgx_noise_consume_initiation() - prove it, and commit it to @hs
 *
 * @hs: prepared. Return: 0; -EKEYREJECTED; -EBADMSG; -EALREADY for a stamp not after the last (P-HS-3); -EBUSY for one
 * less than 20 ms after the last initiation (P-HS-4).
 */
int wgx_noise_consume_initiation(struct wgx_handshake *hs, const struct wgx_initiation *in,
				 uint64_t boot);

/** wgx_noise_create_response() - as wgx_noise_create_initiation(); -EINVAL: nothing to respond to */
int wgx_noise_create_response(struct wgx_handshake *hs, const uint8_t ephemeral[WGX_KEY_LEN],
			      uint32_t index, struct wgx_msg_response *msg);

/** wgx_noise_consume_response() - Return: 0; -EINVAL: none awaited; -EKEYREJECTED; -EBADMSG */
int wgx_noise_consume_response(struct wgx_handshake *hs, const uint8_t private_key[WGX_KEY_LEN],
			       const struct wgx_msg_response *msg);

/**
 * wgx_noise_begin_session() - derive @kp's keys and indices from a finished handshake, and wipe that
 * @kp: zeroed; takes over the handshake's index. Return: 0, or -EINVAL where none is finished.
 */
int wgx_noise_begin_session(struct wgx_handshake *hs, struct wgx_keypair *kp, uint64_t boot);

#endif
