/* SPDX-License-Identifier: MIT */
/*
 * The timers of [W] 6, lazily: no event re-arms anything. Workers note when something first happened,
 * and ask for a wake-up only where the deadline that follows lies before the one already armed; the
 * locked side works out what is due when it runs. So a busy peer wakes it a few times a minute.
 */
#ifndef WGX_PROTO_TIMERS_H
#define WGX_PROTO_TIMERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/wire.h>

struct wgx_session;
struct wgx_now;

#define WGX_SECOND UINT64_C(1000000000)
#define WGX_REKEY_AFTER_TIME (120 * WGX_SECOND)
#define WGX_REJECT_AFTER_TIME (180 * WGX_SECOND)
#define WGX_REKEY_TIMEOUT (5 * WGX_SECOND)
#define WGX_REKEY_JITTER (WGX_SECOND / 3)
#define WGX_REKEY_ATTEMPT_TIME (90 * WGX_SECOND)
#define WGX_KEEPALIVE_TIMEOUT (10 * WGX_SECOND)
#define WGX_COOKIE_LIFE (120 * WGX_SECOND)
#define WGX_COOKIE_LATENCY (5 * WGX_SECOND)
#define WGX_INITIATION_INTERVAL (WGX_SECOND / 50) /* P-HS-4 */
#define WGX_REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)

#define WGX_NEW_HANDSHAKE_AFTER (WGX_KEEPALIVE_TIMEOUT + WGX_REKEY_TIMEOUT)
#define WGX_LAST_MINUTE_AFTER (WGX_REJECT_AFTER_TIME - WGX_KEEPALIVE_TIMEOUT - WGX_REKEY_TIMEOUT)
#define WGX_ZERO_AFTER (3 * WGX_REJECT_AFTER_TIME)
#define WGX_MAX_ATTEMPTS (WGX_REKEY_ATTEMPT_TIME / WGX_REKEY_TIMEOUT)
#define WGX_NEVER UINT64_MAX

/* what workers ask for; a bit asks for one wake-up, until the locked side takes it */
enum wgx_want {
	WGX_WANT_KEY = 1, /* packets are staged */
	WGX_WANT_REKEY = 2, /* sent under a key of 120 s, or of too many messages */
	WGX_WANT_LAST_MINUTE = 4, /* received while the key is 165 s old */
	WGX_WANT_CONFIRM = 8, /* something authenticated under the next keypair */
};

/**
 * struct wgx_timers - private to timers.c and session.c; times in boot ns
 * A cache line for each worker, which it writes all the time; filled with what is seldom written.
 */
struct wgx_timers {
	/* written by the seal worker */
	_Atomic uint64_t last_sent; /* anything authenticated */
	_Atomic uint64_t
		unanswered_since; /* first data sent since anything came; 0: none (P-TM-4) */
	/* under the lock */
	uint64_t initiate_at; /* the next (re)transmission of an initiation */
	uint64_t zero_at; /* P-TM-6 */
	uint64_t unanswered_seen; /* the value that @unanswered_jitter was drawn for */
	uint64_t unanswered_jitter;
	uint64_t persistent; /* interval; 0: off */
	uint64_t persistent_from; /* when it last fired */

	/* written by the open worker */
	_Atomic uint64_t last_received; /* anything authenticated */
	_Atomic uint64_t
		unreplied_since; /* first data received since anything was sent; 0: none (P-TM-5) */
	/* any thread */
	_Atomic uint64_t
		armed; /* the deadline that wgx_session_run() last gave, or a wake lowered */
	_Atomic uint64_t
		last_initiated; /* the last initiation or response we sent; 0: none (P-TM-1) */
	_Atomic uint64_t last_handshake; /* Unix ns */
	uint64_t
		expires_at; /* under the lock: when to tell that the last keys are past their life */
	_Atomic unsigned int wants; /* enum wgx_want */
	_Atomic bool last_minute_sent;
	/* under the lock */
	bool persistent_now;
	bool running;
	bool staged; /* packets may wait for the handshake that is under way */
	unsigned int attempts;
};
_Static_assert(offsetof(struct wgx_timers, last_received) == 64, "another cache line");

/** wgx_expired() - has @interval passed since @since? Right as well where @now is a little before @since. */
static inline bool wgx_expired(uint64_t since, uint64_t interval, uint64_t now)
{
	return now >= since + interval;
}

void wgx_timers_init(struct wgx_timers *t);

/* ---- any thread ---- */
/** wgx_timers_want() - set a bit of enum wgx_want; wakes where it was not set */
void wgx_timers_want(struct wgx_session *s, enum wgx_want want);
void wgx_timers_data_sent(struct wgx_session *s, uint64_t boot);
void wgx_timers_data_received(struct wgx_session *s, uint64_t boot);
/** wgx_timers_any_sent(), wgx_timers_any_received() - keepalive, data or handshake, authenticated */
void wgx_timers_any_sent(struct wgx_session *s, uint64_t boot);
void wgx_timers_any_received(struct wgx_session *s, uint64_t boot);
/** wgx_timers_may_initiate() - none sent within REKEY_TIMEOUT (P-TM-1) */
bool wgx_timers_may_initiate(const struct wgx_timers *t, uint64_t boot);

/* ---- under the lock ---- */
void wgx_timers_start(struct wgx_session *s);
void wgx_timers_stop(struct wgx_session *s);
void wgx_timers_session_derived(struct wgx_timers *t, uint64_t boot);
/** wgx_timers_handshake_complete() - a response was consumed, or our own response confirmed */
void wgx_timers_handshake_complete(struct wgx_timers *t, const struct wgx_now *now);
/** wgx_timers_retry() - arm the next initiation, REKEY_TIMEOUT plus jitter after the last one */
void wgx_timers_retry(struct wgx_session *s);
/** wgx_timers_run() - do what is due. Return: the next deadline, published as armed. */
uint64_t wgx_timers_run(struct wgx_session *s, const struct wgx_now *now);

#endif
