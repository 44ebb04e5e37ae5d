/* SPDX-License-Identifier: MIT */
/* A session as bytes, from one process to the next: handshake, keypairs, cookie and timers. */
#include "proto/codec.h"
#include "proto/internal.h"

static void timers(struct wgx_codec *c, struct wgx_timers *t)
{
	uint32_t wants = atomic_load(&t->wants), attempts = t->attempts;

	wgx_codec_atomic(c, &t->last_sent);
	wgx_codec_atomic(c, &t->unanswered_since);
	wgx_codec_u64(c, &t->initiate_at);
	wgx_codec_u64(c, &t->zero_at);
	wgx_codec_u64(c, &t->unanswered_seen);
	wgx_codec_u64(c, &t->unanswered_jitter);
	wgx_codec_u64(c, &t->persistent);
	wgx_codec_u64(c, &t->persistent_from);
	wgx_codec_atomic(c, &t->last_received);
	wgx_codec_atomic(c, &t->unreplied_since);
	wgx_codec_atomic(c, &t->last_initiated);
	wgx_codec_atomic(c, &t->last_handshake);
	wgx_codec_u64(c, &t->expires_at);
	wgx_codec_u32(c, &wants);
	wgx_codec_u32(c, &attempts);
	wgx_codec_atomic_bool(c, &t->last_minute_sent);
	wgx_codec_bool(c, &t->persistent_now);
	wgx_codec_bool(c, &t->running);
	wgx_codec_bool(c, &t->staged);
	if (!c->reading)
		return;
	atomic_store(&t->wants, wants);
	t->attempts = attempts;
	atomic_store(&t->armed, WGX_NEVER); /* wgx_session_run() works it out */
}

static void handshake(struct wgx_codec *c, struct wgx_session *s)
{
	struct wgx_handshake *h = &s->handshake;
	uint32_t state = h->state;
	bool has_index = h->has_index;

	wgx_codec_bytes(c, h->psk, sizeof(h->psk));
	wgx_codec_bytes(c, h->static_static, sizeof(h->static_static));
	wgx_codec_bytes(c, h->latest_stamp, sizeof(h->latest_stamp));
	wgx_codec_bytes(c, h->last_stamp_sent, sizeof(h->last_stamp_sent));
	wgx_codec_u64(c, &h->last_initiation);
	wgx_codec_upto(c, &state, WGX_HS_CONSUMED_RESPONSE);
	wgx_codec_bytes(c, &h->noise, sizeof(h->noise));
	wgx_codec_bytes(c, h->ephemeral_private, sizeof(h->ephemeral_private));
	wgx_codec_bytes(c, h->remote_ephemeral, sizeof(h->remote_ephemeral));
	wgx_codec_u32(c, &h->local_index);
	wgx_codec_u32(c, &h->remote_index);
	wgx_codec_bool(c, &has_index);
	if (!c->reading)
		return;
	h->state = (enum wgx_handshake_state)state;
	if (has_index && s->local->up->index_claim(s->local->ctx, s, h->local_index))
		c->failed = true;
	else
		h->has_index = has_index;
}

static void keypair(struct wgx_codec *c, struct wgx_keypair *kp)
{
	wgx_codec_bytes(c, kp->send_key, sizeof(kp->send_key));
	wgx_codec_bytes(c, kp->recv_key, sizeof(kp->recv_key));
	wgx_codec_u32(c, &kp->local_index);
	wgx_codec_u32(c, &kp->remote_index);
	wgx_codec_u64(c, &kp->created);
	wgx_codec_bool(c, &kp->initiator);
	wgx_codec_atomic(c, &kp->send_counter);
	wgx_codec_atomic_bool(c, &kp->send_expired);
	wgx_codec_atomic_bool(c, &kp->confirmed);
	wgx_codec_bytes(c, &kp->replay, sizeof(kp->replay));
}

/* Return: NULL: the slot is empty, or @c has failed */
static struct wgx_keypair *slot(struct wgx_codec *c, struct wgx_session *s, struct wgx_keypair *kp)
{
	const struct wgx_local *l = s->local;
	bool there = kp;

	wgx_codec_bool(c, &there);
	if (!there)
		return NULL;
	if (!c->reading) {
		keypair(c, kp);
		return kp;
	}
	kp = l->up->keypair_new(l->ctx);
	if (kp)
		keypair(c, kp);
	if (!kp || c->failed || l->up->index_claim(l->ctx, s, kp->local_index)) {
		c->failed = true;
		l->up->keypair_free(l->ctx, kp);
		return NULL;
	}
	kp->session = s;
	l->up->index_bind(l->ctx, kp->local_index, kp);
	return kp;
}

void wgx_session_codec(struct wgx_session *s, struct wgx_codec *c)
{
	struct wgx_keypairs *k = &s->keypairs;
	struct wgx_keypair *current, *previous, *next;

	timers(c, &s->timers);
	handshake(c, s);
	current = slot(c, s, atomic_load(&k->current));
	previous = slot(c, s, k->previous);
	next = slot(c, s, atomic_load(&k->next));
	if (c->reading) {
		atomic_store(&k->current, current);
		k->previous = previous;
		atomic_store(&k->next, next);
	}
	wgx_codec_bytes(c, s->cookie.cookie, sizeof(s->cookie.cookie));
	wgx_codec_u64(c, &s->cookie.cookie_birth);
	wgx_codec_bool(c, &s->cookie.has_cookie);
	wgx_codec_bytes(c, s->cookie.last_mac1, sizeof(s->cookie.last_mac1));
	wgx_codec_bool(c, &s->cookie.sent_mac1);
}

void wgx_local_codec(struct wgx_local *l, struct wgx_codec *c)
{
	uint8_t stamp[WGX_TIMESTAMP_LEN];

	memcpy(stamp, l->last_stamp, sizeof(stamp));
	wgx_codec_bytes(c, l->checker.secret, sizeof(l->checker.secret));
	wgx_codec_u64(c, &l->checker.secret_birth);
	wgx_codec_bytes(c, stamp, sizeof(stamp));
	if (c->reading)
		wgx_stamp_raise(l->last_stamp, stamp);
}
