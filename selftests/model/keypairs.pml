/* SPDX-License-Identifier: MIT */
/*
 * The rotation of keypairs between two peers (ctl/proto/keypair.c, P-HS-7), over a network that loses, reorders,
 * duplicates and replays. Names are those of the code; sessions are numbers from 1, 0 is an empty slot.
 *
 * The network is a set: what was once sent may arrive at any later time, any number of times, or never. An
 * initiation is known by its stamp, a response by the session it begins, and data by the session whose keys seal
 * it. Each host is two threads, as in the daemon: one opens data and notes that a keypair is confirmed, the other
 * promotes it later, and handles handshakes.
 *
 * Checked, by assertions:
 *   - nothing is sealed under a session that the other end has not derived (SEAL);
 *   - the slots are as sim.h demands: no keypair twice, an unconfirmed one of ours as responder in `next` only, and
 *     `previous` empty beside it (slots());
 *   - no initiation begins two sessions;
 *   - whatever has happened before, one handshake that nobody disturbs, and the keepalive that ends it, and each
 *     end holds the session under which the other one seals (recovery());
 *   - where both had agreed on a session before that handshake, and the initiator has no other that is half done,
 *     what is under way under it can still be opened.
 *
 * MUTATION, set by model.sh, breaks a step, to show that the model can fail.
 */
#ifndef SESSIONS
#define SESSIONS 4 /* that are begun at most */
#endif
#ifndef MUTATION
#define MUTATION 0
#endif

#define N (SESSIONS + 1)
#define other(h) (1 - (h))

/* enum wgx_handshake_state: those in which a host can be between two events */
#define WGX_HS_ZEROED 0
#define WGX_HS_CREATED_INITIATION 1

typedef host {
	byte current, previous, next;
	byte state;
	byte stamp; /* of the initiation that this one has sent last: latest is the greatest */
	byte latest_stamp; /* accepted from the other one */
	bit derived[N]; /* sessions whose keys it has had */
	bit initiator[N]; /* it was, in this session */
	bit confirmed[N];
	bit want_confirm; /* WGX_WANT_CONFIRM */
}

host hosts[2];

/* the network: what each host has sent. An initiation's stamp is what the responder's session refers to. */
bit initiation[2 * N]; /* [sender * N + stamp] */
byte answers[2 * N]; /* [responder * N + session]: the stamp that this response answers, 0: not sent */
bit data[2 * N]; /* [sender * N + session] */
byte sessions; /* begun */
byte sealing; /* seal()'s own */
bit quiet; /* recovery(): the adversary and all else stand still */

/* ---- ctl/proto/keypair.c ---- */

inline add_as_initiator(h, kp)
{
	if
	:: hosts[h].next != 0 ->
		hosts[h].previous = hosts[h].next; /* the peer may already send under it */
		hosts[h].next = 0
	:: else ->
#if MUTATION == 3 /* the keypair in use is forgotten */
		hosts[h].previous = 0
#else
		hosts[h].previous = hosts[h].current
#endif
	fi;
	hosts[h].current = kp
}

inline add_as_responder(h, kp)
{
#if MUTATION == 1 /* used at once, before anything proves that the response arrived */
	hosts[h].previous = hosts[h].current;
	hosts[h].current = kp
#else
	hosts[h].next = kp;
#if MUTATION != 2 /* one more keypair lives on */
	hosts[h].previous = 0
#endif
#endif
}

/* wgx_keypairs_promote(): as far as there is something to promote */
inline promote(h)
{
	if
	:: hosts[h].next != 0 && hosts[h].confirmed[hosts[h].next] ->
		hosts[h].previous = hosts[h].current;
		hosts[h].current = hosts[h].next;
		hosts[h].next = 0
	:: else
	fi
}

/* wgx_session_sending_key() */
#define SENDING(h) ((hosts[h].next != 0 && hosts[h].confirmed[hosts[h].next]) -> hosts[h].next : hosts[h].current)
#define HOLDS(h, kp) (hosts[h].current == (kp) || hosts[h].previous == (kp) || hosts[h].next == (kp))

/* ---- what holds between any two events ---- */

inline slots(h)
{
	assert(hosts[h].current == 0 || hosts[h].current != hosts[h].previous);
	assert(hosts[h].current == 0 || hosts[h].current != hosts[h].next);
	assert(hosts[h].next == 0 || hosts[h].previous == 0);
	assert(hosts[h].next == 0 || !hosts[h].initiator[hosts[h].next]);
	assert(hosts[h].current == 0 || hosts[h].confirmed[hosts[h].current])
}

inline seal(h)
{
	sealing = SENDING(h);
	assert(hosts[other(h)].derived[sealing]);
	data[(h) * N + sealing] = 1;
	sealing = 0
}

/* ---- events ---- */

/* The stamp is greater than any this host has sent (P-HS-3). */
inline create_initiation(h)
{
	hosts[h].stamp++;
	hosts[h].state = WGX_HS_CREATED_INITIATION;
	initiation[(h) * N + hosts[h].stamp] = 1
}

/* consume_initiation(), create_response() and begin_session() are one event, under the lock */
inline consume_initiation(h, t)
{
	hosts[h].latest_stamp = t;
	hosts[h].state = WGX_HS_ZEROED; /* what we had begun ourselves is overwritten */
	sessions++;
	assert(sessions <= hosts[0].stamp + hosts[1].stamp);
	hosts[h].derived[sessions] = 1;
#if MUTATION != 5 /* a confirmed keypair that is not yet promoted makes way */
	promote(h);
#endif
	add_as_responder(h, sessions);
	answers[(h) * N + sessions] = t
}

/* consume_response(), begin_session(), and the keepalive or staged packets under it */
inline consume_response(h, kp)
{
	hosts[h].state = WGX_HS_ZEROED;
	hosts[h].derived[kp] = 1;
	hosts[h].initiator[kp] = 1;
	hosts[h].confirmed[kp] = 1;
	promote(h);
	add_as_initiator(h, kp);
	seal(h)
}

/* The open worker: the first data under a keypair confirms it; the other thread hears of it. */
inline open_data(h, kp)
{
	if
	:: !hosts[h].confirmed[kp] ->
		hosts[h].confirmed[kp] = 1;
		hosts[h].want_confirm = 1
	:: else
	fi
}

inline wake(h)
{
	hosts[h].want_confirm = 0;
	promote(h)
}

/* Each host, with all that may happen to it in any order. */
proctype life(byte h)
{
	byte i;

	do
	/* a timer, or data without a key: an initiation, which overwrites one that is under way */
	:: atomic { !quiet && hosts[h].stamp < SESSIONS && sessions < SESSIONS ->
		create_initiation(h); slots(h) }
	/* an initiation arrives; old ones fail by their stamp */
	:: atomic { !quiet && sessions < SESSIONS ->
		select (i : 1 .. SESSIONS);
		if
		:: initiation[other(h) * N + i] &&
#if MUTATION == 4 /* an old initiation is taken again */
		   true ->
#else
		   i > hosts[h].latest_stamp ->
#endif
			consume_initiation(h, i); slots(h)
		:: else
		fi; i = 0 }
	/* a response arrives: that to our latest initiation counts, by its index */
	:: atomic { !quiet && hosts[h].state == WGX_HS_CREATED_INITIATION ->
		select (i : 1 .. SESSIONS);
		if
		:: answers[other(h) * N + i] == hosts[h].stamp && hosts[h].stamp != 0 ->
			consume_response(h, i); slots(h)
		:: else
		fi; i = 0 }
	/* data arrives, under a session that we still have */
	:: atomic { !quiet ->
		select (i : 1 .. SESSIONS);
		if
		:: data[other(h) * N + i] && HOLDS(h, i) -> open_data(h, i)
		:: else
		fi; i = 0 }
	/* the protocol thread is woken */
	:: atomic { !quiet && hosts[h].want_confirm -> wake(h); slots(h) }
	/* a packet to send */
	:: atomic { !quiet && SENDING(h) != 0 -> seal(h) }
	:: quiet -> break
	od
}

/* At any moment the network turns good: what was under way is lost, and @h begins a handshake. */
proctype recovery()
{
	byte h, o, k, agreed;

	atomic {
		sessions < SESSIONS;
		quiet = 1;
		if
		:: h = 0
		:: h = 1
		fi;
		o = other(h);
		hosts[0].stamp < N - 1 && hosts[1].stamp < N - 1;
		if
		/* with an unconfirmed `next` of its own, an initiator drops `current`, as the Linux driver does */
		:: SENDING(h) == SENDING(o) && hosts[h].next == 0 -> agreed = SENDING(h)
		:: else
		fi;
		create_initiation(h);
		consume_initiation(o, hosts[h].stamp);
		slots(o);
		consume_response(h, sessions);
		slots(h);
		k = SENDING(h);
		assert(HOLDS(o, k));
		open_data(o, k);
		wake(o);
		wake(h);
		slots(h);
		slots(o);
		/* both seal under the new session, and both hold it */
		assert(SENDING(h) == sessions);
		assert(SENDING(o) == sessions);
		assert(HOLDS(h, sessions));
		assert(HOLDS(o, sessions));
		assert(agreed == 0 || (HOLDS(h, agreed) && HOLDS(o, agreed)))
	}
}

init {
	atomic {
		run life(0);
		run life(1);
		run recovery()
	}
}
