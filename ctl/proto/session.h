/* SPDX-License-Identifier: MIT */
/*
 * One peer's WireGuard session: handshake, keypairs, cookies and timers. Pure: no I/O, no clock, no
 * memory of its own; time is a parameter, output goes through struct wgx_upcalls.
 *
 * Threads. The functions in the first group run under one lock (the device's). Those in the second,
 * wgx_session_*key and _note_*, are called by data workers at any time, concurrently: they touch
 * atomics only, and ask for wgx_session_run() by the wake upcall when the locked side has to act.
 */
#ifndef WGX_PROTO_SESSION_H
#define WGX_PROTO_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/wire.h>
#include "proto/cookie.h"
#include "proto/keypair.h"
#include "proto/noise.h"
#include "proto/timers.h"

struct wgx_codec;
struct wgx_session;
struct wgx_local;

/** struct wgx_now - the two clocks, in ns: @boot CLOCK_BOOTTIME, @real Unix time */
struct wgx_now {
	uint64_t boot;
	uint64_t real;
};

/**
 * struct wgx_from - where a handshake message came from, as far as the protocol cares
 * @cookie_id: source address and port as bytes ([W] 5.4.7), @cookie_id_len of them
 * @limit_id: what the rate limit counts by: IPv4 address, or the upper 8 bytes of an IPv6 one
 * @endpoint: the caller's own description, handed back in upcalls; opaque here
 */
struct wgx_from {
	uint8_t cookie_id[18];
	size_t cookie_id_len;
	uint64_t limit_id;
	bool v6;
	const void *endpoint;
};

/** enum wgx_session_news - what people may want to hear of a session */
enum wgx_session_news {
	WGX_SESSION_HANDSHAKE, /* one is complete */
	WGX_SESSION_EXPIRED, /* its last keys are past their life, or wiped: no data until the next */
	WGX_SESSION_UNANSWERED, /* the peer did not answer for REKEY_ATTEMPT_TIME: no more tries */
};

/** struct wgx_upcalls - all that the protocol asks of its surroundings; every one is set */
struct wgx_upcalls {
	/* peers and receiver indices */
	struct wgx_session *(*find_key)(void *ctx, const uint8_t public_key[WGX_KEY_LEN]);
	struct wgx_session *(*find_index)(void *ctx, uint32_t index,
					  struct wgx_keypair **ret_keypair);
	int (*index_new)(void *ctx, struct wgx_session *s,
			 uint32_t *ret_index); /* random, unique */
	/* one that another process gave out: 0, -EEXIST or -ENOMEM; for wgx_session_codec() only */
	int (*index_claim)(void *ctx, struct wgx_session *s, uint32_t index);
	void (*index_bind)(void *ctx, uint32_t index,
			   struct wgx_keypair *kp); /* data may come under it */
	void (*index_free)(void *ctx, uint32_t index);
	struct wgx_keypair *(*keypair_new)(void *ctx); /* zeroed, locked memory; NULL: none left */
	void (*keypair_free)(void *ctx,
			     struct wgx_keypair *kp); /* when no worker reads it any more; wipe */
	/* messages out */
	void (*send_handshake)(void *ctx, struct wgx_session *s, const void *msg, size_t len);
	void (*send_reply)(void *ctx, const struct wgx_from *to, const void *msg, size_t len);
	void (*send_keepalive)(void *ctx,
			       struct wgx_session *s); /* an empty data packet, under current */
	/* packets that wait for a keypair */
	void (*flush_staged)(void *ctx,
			     struct wgx_session *s); /* send them; none there: a keepalive */
	void (*drop_staged)(void *ctx, struct wgx_session *s);
	/* endpoint */
	void (*set_endpoint)(void *ctx, struct wgx_session *s, const struct wgx_from *from);
	void (*clear_source)(void *ctx,
			     struct wgx_session *s); /* forget the sticky source address */
	/* what has been sent outlives the interface (P-HS-3) */
	void (*stamp_floor)(
		void *ctx, uint8_t stamp[WGX_TIMESTAMP_LEN]); /* raise to what was sent before us */
	void (*stamp_reserve)(
		void *ctx,
		const uint8_t stamp[WGX_TIMESTAMP_LEN]); /* to be sent: remember before */
	/* the rest */
	void (*tell)(void *ctx, struct wgx_session *s, enum wgx_session_news news);
	void (*wake)(void *ctx,
		     struct wgx_session *s); /* from any thread: call wgx_session_run() soon */
	void (*random)(void *ctx, void *buf, size_t len);
};

#define WGX_COOKIE_NONCES 32

/**
 * struct wgx_local - this interface's own identity, shared by its sessions
 * Keys are in the owner's locked memory.
 */
struct wgx_local {
	uint8_t private_key[WGX_KEY_LEN];
	uint8_t public_key[WGX_KEY_LEN];
	bool has_identity;
	struct wgx_cookie_checker checker;
	uint8_t nonces[WGX_COOKIE_NONCES][WGX_COOKIE_NONCE_LEN]; /* random, for cookie replies */
	unsigned int nonces_left;
	uint8_t last_stamp
		[WGX_TIMESTAMP_LEN]; /* the last TAI64N sent: never goes backwards (P-HS-3) */
	const struct wgx_upcalls *up;
	void *ctx;
};

/** struct wgx_session - one peer. Fields are private to ctl/proto but for those read below. */
struct wgx_session {
	struct wgx_timers timers; /* first: in a peer it begins with a cache line */
	struct wgx_local *local;
	struct wgx_handshake handshake;
	struct wgx_keypairs keypairs;
	struct wgx_cookie_maker cookie;
};

enum wgx_handshake_result {
	WGX_HS_OK, /* consumed; state advanced */
	WGX_HS_INVALID, /* does not verify; nothing changed */
	WGX_HS_NO_COOKIE, /* under load: it has shown no cookie, or a wrong one */
	WGX_HS_LIMITED, /* over its source's rate, or the peer's flood gate */
};

/* ---- under the lock ---- */

void wgx_local_init(struct wgx_local *l, const struct wgx_upcalls *up, void *ctx,
		    const struct wgx_now *now);
/** wgx_local_set_key() - @private_key is clamped; NULL or all zero removes it. Call
 * wgx_session_identity_changed() for each session afterwards. */
void wgx_local_set_key(struct wgx_local *l, const uint8_t private_key[WGX_KEY_LEN]);
void wgx_local_clear(struct wgx_local *l); /* wipe */

void wgx_session_init(struct wgx_session *s, struct wgx_local *l,
		      const uint8_t public_key[WGX_KEY_LEN], const struct wgx_now *now);
void wgx_session_set_psk(struct wgx_session *s, const uint8_t psk[WGX_KEY_LEN]);
void wgx_session_set_keepalive(struct wgx_session *s, uint16_t seconds, const struct wgx_now *now);
void wgx_session_identity_changed(struct wgx_session *s); /* P-HS-8 */
/**
 * wgx_session_identity_succeeded() - the same, where the peer takes both keys: what is sent under the old one goes on,
 * and a handshake with the new one begins at once
 */
void wgx_session_identity_succeeded(struct wgx_session *s, const struct wgx_now *now);
/** wgx_session_forget_keys() - keypairs and handshake wiped, timers go on: after a suspend (P-TM-8) */
void wgx_session_forget_keys(struct wgx_session *s);
/** wgx_session_stop() - link down: timers off, keypairs and handshake wiped, staged dropped */
void wgx_session_stop(struct wgx_session *s);
/** wgx_session_start() - link up, or peer added to a link that is up: persistent keepalive begins */
void wgx_session_start(struct wgx_session *s, const struct wgx_now *now);

/**
 * wgx_handshake_admit() - the cheap look at one message of type 1, 2 or 3, before any Diffie-Hellman: its form,
 * mac1 (P-HS-1), and under load mac2 and its source's rate (P-DOS-2)
 * @under_load: P-DOS-1, judged by the caller from its queue
 *
 * Return: WGX_HS_OK: it is worth wgx_handshake_consume(); WGX_HS_NO_COOKIE: and no more than wgx_handshake_refuse()
 */
enum wgx_handshake_result wgx_handshake_admit(struct wgx_local *l, const void *msg, size_t len,
					      const struct wgx_from *from, bool under_load,
					      uint64_t boot);
/** wgx_handshake_refuse() - answer a message with WGX_HS_NO_COOKIE: a cookie reply */
void wgx_handshake_refuse(struct wgx_local *l, const void *msg, size_t len,
			  const struct wgx_from *from);
/**
 * wgx_handshake_consume() - a message that was admitted, at once or after it has waited in a queue
 * @ret_session: when WGX_HS_OK, the peer it authenticated as; else, unproven, the one it claims to be of. May
 *	be NULL; left alone where there is none
 */
enum wgx_handshake_result wgx_handshake_consume(struct wgx_local *l, const void *msg, size_t len,
						const struct wgx_from *from,
						const struct wgx_now *now,
						struct wgx_session **ret_session);

/**
 * wgx_session_run() - do what is due: timers, and what the workers noted (promote the next keypair,
 * begin a handshake, rekey)
 *
 * Return: the time (boot ns) at which it has to be called again at the latest; UINT64_MAX: not before
 * a wake upcall.
 */
uint64_t wgx_session_run(struct wgx_session *s, const struct wgx_now *now);

/**
 * wgx_session_codec() - the session to bytes, while no worker uses it, or from bytes into one of the same peer that
 *	was just made (proto/codec.h)
 * What is read goes on where it was: no nonce, stamp or replay is taken twice, as long as the other does not go on.
 * wgx_session_run() is due then. Where reading fails, wgx_session_stop() frees what was read.
 */
void wgx_session_codec(struct wgx_session *s, struct wgx_codec *c);
/** wgx_local_codec() - the same of the interface's cookies and stamps; its key is set before */
void wgx_local_codec(struct wgx_local *l, struct wgx_codec *c);

/** wgx_session_last_handshake() - Unix time in ns of the last completed handshake; 0: none */
uint64_t wgx_session_last_handshake(const struct wgx_session *s);

/* ---- data workers, any thread ---- */

/**
 * wgx_session_sending_key() - the keypair to seal under; within a read-side critical section
 * Return: NULL where there is none or it is spent (P-TM-3): stage the packet, and
 * wgx_session_want_handshake().
 */
struct wgx_keypair *wgx_session_sending_key(struct wgx_session *s, uint64_t boot);
void wgx_session_want_handshake(struct wgx_session *s, uint64_t boot);

/**
 * wgx_keypair_take() - @n consecutive nonce counters for sealing
 * Return: 0 and the first in @ret_first; -EKEYEXPIRED past REJECT_AFTER_MESSAGES or _TIME
 */
int wgx_keypair_take(struct wgx_keypair *kp, unsigned int n, uint64_t boot, uint64_t *ret_first);
/** wgx_keypair_may_open() - neither too old nor past its messages (P-TM-3) */
bool wgx_keypair_may_open(const struct wgx_keypair *kp, uint64_t boot);

/** wgx_session_note_sent() - after sealing and sending; @data: not only keepalives */
void wgx_session_note_sent(struct wgx_session *s, struct wgx_keypair *kp, uint64_t boot, bool data);
/** wgx_session_note_received() - after authentication and replay check; @data: as above */
void wgx_session_note_received(struct wgx_session *s, struct wgx_keypair *kp, uint64_t boot,
			       bool data);

#endif
