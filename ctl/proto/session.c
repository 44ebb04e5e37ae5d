/* SPDX-License-Identifier: MIT */
#include "proto/session.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include "proto/crypto.h"
#include "proto/internal.h"

#define REKEY_WANTS (WGX_WANT_REKEY | WGX_WANT_LAST_MINUTE)

/* ---- this interface ---- */

static void random_bytes(const struct wgx_local *l, void *buf, size_t len)
{
	l->up->random(l->ctx, buf, len);
}

void wgx_local_init(struct wgx_local *l, const struct wgx_upcalls *up, void *ctx,
		    const struct wgx_now *now)
{
	uint8_t secret[WGX_SECRET_LEN], limit_key[WGX_LIMIT_KEY_LEN];

	memset(l, 0, sizeof(*l));
	l->up = up;
	l->ctx = ctx;
	random_bytes(l, secret, sizeof(secret));
	random_bytes(l, limit_key, sizeof(limit_key));
	wgx_cookie_checker_init(&l->checker, secret, limit_key, now->boot);
	wgx_wipe(secret, sizeof(secret));
}

void wgx_local_set_key(struct wgx_local *l, const uint8_t private_key[WGX_KEY_LEN])
{
	l->has_identity = private_key && !wgx_is_zero(private_key, WGX_KEY_LEN);
	if (l->has_identity) {
		memmove(l->private_key, private_key, WGX_KEY_LEN);
		wgx_clamp(l->private_key);
		wgx_public_key(l->public_key, l->private_key);
		l->up->stamp_floor(l->ctx, l->last_stamp); /* for the key may not be new */
	} else {
		wgx_wipe(l->private_key, sizeof(l->private_key));
		memset(l->public_key, 0, sizeof(l->public_key));
	}
	wgx_cookie_checker_set_key(&l->checker, l->has_identity ? l->public_key : NULL);
}

void wgx_local_clear(struct wgx_local *l)
{
	wgx_wipe(l, sizeof(*l));
}

/* ---- this peer ---- */

/* The peer may know any stamp that was sent before it became ours, or before the key did (P-HS-3). */
static void begin_stamps(struct wgx_session *s)
{
	wgx_stamp_raise(s->handshake.last_stamp_sent, s->local->last_stamp);
}

static void abandon_index(struct wgx_session *s)
{
	if (s->handshake.has_index)
		s->local->up->index_free(s->local->ctx, s->handshake.local_index);
	s->handshake.has_index = false;
}

static void abandon_handshake(struct wgx_session *s)
{
	abandon_index(s);
	wgx_handshake_zero(&s->handshake);
}

void wgx_session_init(struct wgx_session *s, struct wgx_local *l,
		      const uint8_t public_key[WGX_KEY_LEN], const struct wgx_now *now)
{
	memset(s, 0, sizeof(*s));
	s->local = l;
	wgx_handshake_init(&s->handshake, public_key);
	begin_stamps(s);
	wgx_cookie_maker_init(&s->cookie, s->handshake.remote_static);
	wgx_timers_init(&s->timers);
}

void wgx_session_set_psk(struct wgx_session *s, const uint8_t psk[WGX_KEY_LEN])
{
	memcpy(s->handshake.psk, psk, WGX_KEY_LEN);
}

void wgx_session_set_keepalive(struct wgx_session *s, uint16_t seconds, const struct wgx_now *now)
{
	struct wgx_timers *t = &s->timers;

	if (!t->persistent && seconds && t->running)
		t->persistent_now = true;
	t->persistent = seconds * WGX_SECOND;
	if (t->running)
		wgx_timers_arm(s, wgx_timers_next(s));
}

void wgx_session_tell_expired(struct wgx_session *s)
{
	if (s->timers.expires_at == WGX_NEVER)
		return; /* there were none, or it was told */
	s->timers.expires_at = WGX_NEVER;
	s->local->up->tell(s->local->ctx, s, WGX_SESSION_EXPIRED);
}

static void expire_sending(struct wgx_keypair *kp)
{
	if (kp)
		atomic_store(&kp->send_expired, true);
}

static void take_identity(struct wgx_session *s)
{
	wgx_handshake_forget_private(&s->handshake);
	begin_stamps(s);
	abandon_handshake(s);
	atomic_store(&s->timers.last_initiated, 0);
}

void wgx_session_identity_succeeded(struct wgx_session *s, const struct wgx_now *now)
{
	take_identity(s);
	if (!s->timers.running || !wgx_session_sending_key(s, now->boot))
		return;
	s->timers.attempts = 0;
	s->timers.initiate_at = now->boot;
	wgx_timers_arm(s, now->boot);
}

void wgx_session_identity_changed(struct wgx_session *s)
{
	take_identity(s);
	expire_sending(s->keypairs.next);
	expire_sending(atomic_load(&s->keypairs.current));
}

void wgx_session_forget_keys(struct wgx_session *s)
{
	abandon_handshake(s);
	wgx_keypairs_clear(s);
	wgx_session_tell_expired(s);
}

void wgx_session_stop(struct wgx_session *s)
{
	wgx_timers_stop(s);
	wgx_session_forget_keys(s);
	s->local->up->drop_staged(s->local->ctx, s);
}

void wgx_session_start(struct wgx_session *s, const struct wgx_now *now)
{
	wgx_timers_start(s);
}

uint64_t wgx_session_last_handshake(const struct wgx_session *s)
{
	return atomic_load_explicit(&s->timers.last_handshake, memory_order_relaxed);
}

/* ---- out ---- */

static void send_handshake(struct wgx_session *s, void *msg, size_t len, const struct wgx_now *now)
{
	const struct wgx_local *l = s->local;

	wgx_cookie_add_macs(&s->cookie, msg, len, now->boot);
	wgx_timers_any_sent(s, now->boot);
	l->up->send_handshake(l->ctx, s, msg, len);
}

static void note_initiated(struct wgx_session *s, const struct wgx_now *now)
{
	atomic_store(&s->timers.last_initiated, now->boot ? now->boot : 1);
}

static int create_initiation(struct wgx_session *s, uint32_t index, struct wgx_msg_initiation *msg,
			     const struct wgx_now *now)
{
	struct wgx_local *l = s->local;
	uint8_t ephemeral[WGX_KEY_LEN], stamp[WGX_TIMESTAMP_LEN];
	int err;

	err = wgx_handshake_prepare(&s->handshake, l->private_key);
	if (err)
		return err;
	random_bytes(l, ephemeral, sizeof(ephemeral));
	wgx_noise_stamp(&s->handshake, now->real, l->last_stamp, stamp);
	l->up->stamp_reserve(l->ctx, stamp);
	err = wgx_noise_create_initiation(&s->handshake, l->public_key, ephemeral, stamp, index,
					  msg);
	wgx_wipe(ephemeral, sizeof(ephemeral));
	return err;
}

void wgx_session_initiate(struct wgx_session *s, const struct wgx_now *now)
{
	const struct wgx_local *l = s->local;
	struct wgx_msg_initiation msg;
	uint32_t index;

	s->timers.initiate_at = WGX_NEVER;
	if (!l->has_identity)
		return;
	note_initiated(s, now);
	abandon_handshake(s);
	if (l->up->index_new(l->ctx, s, &index)) {
		wgx_timers_retry(s);
		return;
	}
	if (create_initiation(s, index, &msg, now)) {
		/* the peer's key is a low-order point: never to succeed, so no retry */
		l->up->index_free(l->ctx, index);
		return;
	}
	wgx_timers_retry(s);
	send_handshake(s, &msg, sizeof(msg), now);
}

void wgx_session_attempt(struct wgx_session *s, const struct wgx_now *now)
{
	s->timers.attempts = 0;
	if (s->timers.initiate_at != WGX_NEVER)
		return; /* under way */
	if (wgx_timers_may_initiate(&s->timers, now->boot))
		wgx_session_initiate(s, now);
	else
		wgx_timers_retry(s);
}

void wgx_session_keepalive(struct wgx_session *s, const struct wgx_now *now)
{
	if (wgx_session_sending_key(s, now->boot)) {
		s->local->up->send_keepalive(s->local->ctx, s);
		return;
	}
	s->timers.staged = true; /* the keepalive itself, which flush_staged makes up for */
	wgx_session_attempt(s, now);
}

static void flush_staged(struct wgx_session *s)
{
	atomic_fetch_and(&s->timers.wants, ~(unsigned int)WGX_WANT_KEY);
	s->timers.staged = false;
	s->local->up->flush_staged(s->local->ctx, s);
}

/* The last message of a handshake has arrived: its keypair is current. */
static void complete(struct wgx_session *s, const struct wgx_now *now)
{
	wgx_timers_handshake_complete(&s->timers, now);
	s->timers.expires_at = now->boot + WGX_REJECT_AFTER_TIME;
	s->local->up->tell(s->local->ctx, s, WGX_SESSION_HANDSHAKE);
}

/* The responder's end of the handshake, if our response arrived: data came under its keys (P-HS-7). */
static void confirm(struct wgx_session *s, const struct wgx_now *now)
{
	if (!wgx_keypairs_promote(s))
		return;
	complete(s, now);
	if (s->timers.staged || (atomic_load(&s->timers.wants) & WGX_WANT_KEY))
		flush_staged(s);
}

/* A finished handshake becomes a keypair. On failure nothing is left of the handshake. */
static int begin_session(struct wgx_session *s, const struct wgx_now *now)
{
	const struct wgx_local *l = s->local;
	struct wgx_keypair *kp = l->up->keypair_new(l->ctx);
	int err;

	if (!kp) {
		abandon_handshake(s);
		return -ENOBUFS;
	}
	err = wgx_noise_begin_session(&s->handshake, kp, now->boot);
	if (err) {
		l->up->keypair_free(l->ctx, kp);
		return err;
	}
	kp->session = s;
	l->up->index_bind(l->ctx, kp->local_index, kp);
	/* else one in use, whose confirmation is not served yet, would make way for this one */
	confirm(s, now);
	wgx_keypairs_add(s, kp);
	wgx_timers_session_derived(&s->timers, now->boot);
	return 0;
}

/* ---- in ---- */

static int create_response(struct wgx_session *s, struct wgx_msg_response *msg)
{
	const struct wgx_local *l = s->local;
	uint8_t ephemeral[WGX_KEY_LEN];
	uint32_t index;
	int err;

	abandon_index(s); /* of an initiation of ours that crossed theirs */
	err = l->up->index_new(l->ctx, s, &index);
	if (err)
		return err;
	random_bytes(l, ephemeral, sizeof(ephemeral));
	err = wgx_noise_create_response(&s->handshake, ephemeral, index, msg);
	wgx_wipe(ephemeral, sizeof(ephemeral));
	if (err)
		l->up->index_free(l->ctx, index);
	return err;
}

static void respond(struct wgx_session *s, const struct wgx_now *now)
{
	struct wgx_msg_response msg;

	note_initiated(s, now); /* so that we do not initiate ourselves meanwhile, as the driver */
	if (create_response(s, &msg)) {
		abandon_handshake(s);
		return;
	}
	if (begin_session(s, now))
		return;
	send_handshake(s, &msg, sizeof(msg), now);
}

static int consume_initiation(struct wgx_local *l, const struct wgx_msg_initiation *msg,
			      const struct wgx_now *now, struct wgx_session **ret_session)
{
	struct wgx_initiation in;
	struct wgx_session *s;
	int err;

	err = wgx_noise_read_initiation(&in, l->private_key, l->public_key, msg);
	if (err)
		goto out;
	s = l->up->find_key(l->ctx, in.remote_static);
	*ret_session = s;
	err = -ENOENT;
	if (!s || !s->timers.running)
		goto out;
	err = wgx_handshake_prepare(&s->handshake, l->private_key);
	if (!err)
		err = wgx_noise_consume_initiation(&s->handshake, &in, now->boot);
out:
	wgx_wipe(&in, sizeof(in));
	return err;
}

static enum wgx_handshake_result receive_initiation(struct wgx_local *l, const void *msg,
						    const struct wgx_from *from,
						    const struct wgx_now *now,
						    struct wgx_session **ret_session)
{
	int err = consume_initiation(l, msg, now, ret_session);
	struct wgx_session *s = *ret_session;

	if (err)
		return err == -EBUSY ? WGX_HS_LIMITED : WGX_HS_INVALID;
	l->up->set_endpoint(l->ctx, s, from);
	respond(s, now);
	wgx_timers_any_received(s, now->boot);
	wgx_timers_arm(s, wgx_timers_next(s));
	return WGX_HS_OK;
}

static enum wgx_handshake_result receive_response(struct wgx_local *l, const void *msg,
						  const struct wgx_from *from,
						  const struct wgx_now *now,
						  struct wgx_session **ret_session)
{
	const struct wgx_msg_response *response = msg;
	struct wgx_keypair *kp = NULL;
	struct wgx_session *s = l->up->find_index(l->ctx, le32toh(response->receiver), &kp);

	*ret_session = s;
	if (!s || kp || !s->timers.running)
		return WGX_HS_INVALID;
	if (wgx_noise_consume_response(&s->handshake, l->private_key, response))
		return WGX_HS_INVALID;
	l->up->set_endpoint(l->ctx, s, from);
	wgx_timers_any_received(s, now->boot);
	if (!begin_session(s, now)) {
		complete(s, now);
		flush_staged(s); /* or a keepalive: the responder waits for it (P-HS-7) */
	}
	wgx_timers_arm(s, wgx_timers_next(s));
	return WGX_HS_OK;
}

/* It neither roams nor counts as traffic (P-DT-1), so there is no session to give back. */
static enum wgx_handshake_result receive_cookie(struct wgx_local *l, const void *msg,
						const struct wgx_from *from,
						const struct wgx_now *now,
						struct wgx_session **ret_session)
{
	const struct wgx_msg_cookie *reply = msg;
	struct wgx_keypair *kp = NULL;
	struct wgx_session *s = l->up->find_index(l->ctx, le32toh(reply->receiver), &kp);

	if (s && !wgx_cookie_consume(&s->cookie, reply, now->boot))
		return WGX_HS_OK;
	*ret_session = s;
	return WGX_HS_INVALID;
}

static void refresh_secret(struct wgx_local *l, uint64_t boot)
{
	uint8_t secret[WGX_SECRET_LEN];

	if (!wgx_cookie_checker_stale(&l->checker, boot))
		return;
	random_bytes(l, secret, sizeof(secret));
	wgx_cookie_checker_rotate(&l->checker, secret, boot);
	wgx_wipe(secret, sizeof(secret));
}

/* They are no secret, and under load a system call for each would cost as much as a hash. */
static const uint8_t *next_nonce(struct wgx_local *l)
{
	if (!l->nonces_left) {
		random_bytes(l, l->nonces, sizeof(l->nonces));
		l->nonces_left = WGX_COOKIE_NONCES;
	}
	return l->nonces[--l->nonces_left];
}

void wgx_handshake_refuse(struct wgx_local *l, const void *msg, size_t len,
			  const struct wgx_from *from)
{
	struct wgx_msg_cookie reply;

	wgx_cookie_reply(&l->checker, msg, len, from, next_nonce(l), &reply);
	l->up->send_reply(l->ctx, from, &reply, sizeof(reply));
}

/* Before any Diffie-Hellman: mac1 (P-HS-1), and under load mac2 and the rate limit (P-DOS-2) */
static enum wgx_handshake_result admit(struct wgx_local *l, const void *msg, size_t len,
				       const struct wgx_from *from, bool under_load, uint64_t boot)
{
	if (under_load)
		refresh_secret(l, boot);
	switch (wgx_cookie_check(&l->checker, msg, len, from, under_load)) {
	case WGX_MAC_VALID:
		return under_load ? WGX_HS_NO_COOKIE : WGX_HS_OK;
	case WGX_MAC_COOKIE:
		return wgx_ratelimit_allow(&l->checker.limit, from->limit_id, from->v6, boot)
			       ? WGX_HS_OK
			       : WGX_HS_LIMITED;
	case WGX_MAC_INVALID:
		break;
	}
	return WGX_HS_INVALID;
}

struct message_type {
	size_t len;
	bool has_macs;
	enum wgx_handshake_result (*receive)(struct wgx_local *l, const void *msg,
					     const struct wgx_from *from, const struct wgx_now *now,
					     struct wgx_session **ret_session);
};

static const struct message_type message_types[] = {
	[WGX_MSG_INITIATION] = {sizeof(struct wgx_msg_initiation), true, receive_initiation},
	[WGX_MSG_RESPONSE] = {sizeof(struct wgx_msg_response), true, receive_response},
	[WGX_MSG_COOKIE] = {sizeof(struct wgx_msg_cookie), false, receive_cookie},
};

/* P-MSG-1, P-MSG-2: NULL where type, reserved bytes and length do not fit */
static const struct message_type *classify(const void *msg, size_t len)
{
	const struct message_type *type;
	__le32 word;

	if (len < sizeof(word))
		return NULL;
	memcpy(&word, msg, sizeof(word));
	if (le32toh(word) >= sizeof(message_types) / sizeof(*message_types))
		return NULL;
	type = &message_types[le32toh(word)];
	return type->receive && type->len == len ? type : NULL;
}

enum wgx_handshake_result wgx_handshake_admit(struct wgx_local *l, const void *msg, size_t len,
					      const struct wgx_from *from, bool under_load,
					      uint64_t boot)
{
	const struct message_type *type = classify(msg, len);

	if (!type || !l->has_identity)
		return WGX_HS_INVALID;
	return type->has_macs ? admit(l, msg, len, from, under_load, boot) : WGX_HS_OK;
}

enum wgx_handshake_result wgx_handshake_consume(struct wgx_local *l, const void *msg, size_t len,
						const struct wgx_from *from,
						const struct wgx_now *now,
						struct wgx_session **ret_session)
{
	/* a copy: a segment of a superframe is not aligned */
	union {
		struct wgx_msg_initiation initiation;
		struct wgx_msg_response response;
		struct wgx_msg_cookie cookie;
	} copy;
	const struct message_type *type = classify(msg, len);
	struct wgx_session *s = NULL;
	enum wgx_handshake_result result;

	if (!type || !l->has_identity)
		return WGX_HS_INVALID;
	memcpy(&copy, msg, len);
	result = type->receive(l, &copy, from, now, &s);
	if (s && ret_session)
		*ret_session = s;
	return result;
}

/* ---- what the workers asked for ---- */

static unsigned int take_wants(struct wgx_session *s, unsigned int wants)
{
	return atomic_fetch_and(&s->timers.wants, ~wants) & wants;
}

static void serve_confirm(struct wgx_session *s, const struct wgx_now *now)
{
	if (take_wants(s, WGX_WANT_CONFIRM))
		confirm(s, now);
}

static void serve_key(struct wgx_session *s, const struct wgx_now *now)
{
	if (!(atomic_load(&s->timers.wants) & WGX_WANT_KEY))
		return;
	if (wgx_session_sending_key(s, now->boot)) {
		flush_staged(s); /* the key came while they were being staged */
		return;
	}
	s->timers.staged = true;
	if (s->timers.initiate_at != WGX_NEVER)
		return; /* the bit stays set: one wake a retransmission, which then looks at it */
	take_wants(s, WGX_WANT_KEY);
	wgx_session_attempt(s, now);
}

static bool rekey_due(const struct wgx_keypair *kp, uint64_t boot)
{
	return atomic_load_explicit(&kp->send_counter, memory_order_relaxed) >
		       WGX_REKEY_AFTER_MESSAGES ||
	       (kp->initiator && wgx_expired(kp->created, WGX_REKEY_AFTER_TIME, boot));
}

/* P-TM-2 */
static void serve_rekey(struct wgx_session *s, const struct wgx_now *now)
{
	const struct wgx_keypair *kp = atomic_load(&s->keypairs.current);
	unsigned int wants = atomic_load(&s->timers.wants) & REKEY_WANTS;

	if (!wants)
		return;
	if (kp && rekey_due(kp, now->boot) && !atomic_load(&kp->send_expired)) {
		if (take_wants(s, WGX_WANT_LAST_MINUTE))
			atomic_store(&s->timers.last_minute_sent, true);
		if (s->timers.initiate_at != WGX_NEVER)
			return; /* as in serve_key() */
		wgx_session_attempt(s, now);
	}
	take_wants(s, REKEY_WANTS);
}

uint64_t wgx_session_run(struct wgx_session *s, const struct wgx_now *now)
{
	atomic_store(&s->timers.armed, WGX_NEVER); /* see wgx_timers_arm() */
	if (!s->timers.running)
		return WGX_NEVER;
	serve_confirm(s, now);
	serve_key(s, now);
	serve_rekey(s, now);
	return wgx_timers_run(s, now);
}

/* ---- data workers ---- */

void wgx_session_want_handshake(struct wgx_session *s, uint64_t boot)
{
	wgx_timers_want(s, WGX_WANT_KEY);
}

static bool is_current(const struct wgx_session *s, const struct wgx_keypair *kp)
{
	return atomic_load_explicit(&s->keypairs.current, memory_order_relaxed) == kp;
}

void wgx_session_note_sent(struct wgx_session *s, struct wgx_keypair *kp, uint64_t boot, bool data)
{
	wgx_timers_any_sent(s, boot);
	if (data)
		wgx_timers_data_sent(s, boot);
	if (rekey_due(kp, boot) && is_current(s, kp) && wgx_timers_may_initiate(&s->timers, boot))
		wgx_timers_want(s, WGX_WANT_REKEY);
}

/* P-TM-2: the key will soon be spent, and we may have nothing to send that would renew it. */
static void keep_key_fresh(struct wgx_session *s, uint64_t boot)
{
	const struct wgx_keypair *kp =
		atomic_load_explicit(&s->keypairs.current, memory_order_acquire);

	if (kp && kp->initiator && wgx_expired(kp->created, WGX_LAST_MINUTE_AFTER, boot) &&
	    !atomic_load_explicit(&s->timers.last_minute_sent, memory_order_relaxed) &&
	    !atomic_load_explicit(&kp->send_expired, memory_order_relaxed) &&
	    wgx_timers_may_initiate(&s->timers, boot))
		wgx_timers_want(s, WGX_WANT_LAST_MINUTE);
}

void wgx_session_note_received(struct wgx_session *s, struct wgx_keypair *kp, uint64_t boot,
			       bool data)
{
	if (!atomic_load_explicit(&kp->confirmed, memory_order_relaxed) &&
	    !atomic_exchange(&kp->confirmed, true))
		wgx_timers_want(s, WGX_WANT_CONFIRM);
	keep_key_fresh(s, boot);
	wgx_timers_any_received(s, boot);
	if (data)
		wgx_timers_data_received(s, boot);
}
