/* SPDX-License-Identifier: MIT */
/*
 * wgx restart (ctl/daemon/handover.h): an old and a new process, a connection between them, and one session, of
 * which there is a counter of nonces. Either may die between any two steps, and the old one may lose patience.
 *
 * Checked, by assertions:
 *   - no nonce is used twice, and none is left behind for a later process to use (seal());
 *   - never do both seal;
 *   - where both live to the end, one of them seals, and where the hand-over has failed it is the old one;
 *   - where the new one dies before the old one has said 'A', the old one goes on.
 *
 * MUTATION, set by model.sh, breaks a step, to show that the model can fail.
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#ifndef NONCES
#define NONCES 4 /* that are used at most */
#endif

mtype = { FREEZE, STATE, COMMIT, FAILED, ACK }

chan to_old = [3] of { mtype }
chan to_new = [3] of { mtype, byte }

bit old_lives = 1, new_lives = 1;
bit old_seals = 1, new_seals; /* its threads go, or stand at their gates */
bit acked; /* the old one has said so, and does nothing any more */
byte used; /* the next nonce that nobody has used */
byte old_next, new_next; /* wgx_keypair.send_counter, of each */

inline seal(next)
{
	assert(!(old_seals && new_seals));
	assert(next == used);
	next++;
	used++
}

proctype old_process()
{
	byte tried;

go_on:
	old_seals = 1;
	do
	:: atomic { used < NONCES -> seal(old_next) }
	:: to_old?FREEZE -> break
#if MUTATION == 3 /* the old one loses patience, and still answers a commit that comes late */
	:: to_old?COMMIT -> to_new!ACK(0)
#endif
	:: atomic { old_lives = 0; old_seals = 0; goto end }
	:: tried -> goto end /* it serves, to the end */
	od;
	tried = 1;
#if MUTATION != 2 /* the old one's threads do not stand while it writes */
	old_seals = 0;
#endif
	to_new!STATE(old_next);
	do
	:: atomic { to_old?COMMIT -> /* send(2) tells whether the other is there */
		if
		:: new_lives -> to_new!ACK(0); acked = 1; old_lives = 0; old_seals = 0; goto end
		:: else -> goto go_on
		fi }
	:: atomic { to_old?FAILED -> new_lives = 0; new_seals = 0; goto go_on }
	:: atomic { !new_lives && empty(to_old) -> goto go_on } /* it hung up */
	:: atomic { /* patience ends: it is killed */
#if MUTATION != 3
		new_lives = 0; new_seals = 0;
#endif
		goto go_on }
	:: atomic { old_lives = 0; goto end }
#if MUTATION == 2
	:: atomic { used < NONCES -> seal(old_next) }
#endif
	od;
end:
	skip
}

/* Each step only while it lives: it may have been killed. */
proctype new_process()
{
	byte n;

	if
	:: atomic { new_lives -> to_old!FREEZE }
	:: atomic { new_lives = 0; goto end }
	fi;
	if
	:: to_new?STATE(n) -> new_next = n
	:: !old_lives && empty(to_new) -> new_lives = 0; goto end
	:: atomic { new_lives = 0; goto end }
	:: !new_lives -> goto end
	fi;
	if
	:: atomic { new_lives -> to_old!COMMIT }
	:: atomic { new_lives -> to_old!FAILED; new_lives = 0; goto end }
	:: atomic { new_lives = 0; goto end }
	:: !new_lives -> goto end
	fi;
#if MUTATION != 1 /* the new one goes on without an ack */
	if
	:: to_new?ACK(n)
	:: !old_lives && empty(to_new) -> new_lives = 0; goto end
	:: atomic { new_lives = 0; goto end }
	:: !new_lives -> goto end
	fi;
#endif
	atomic { new_lives -> new_seals = 1 };
	do
	:: atomic { new_lives && used < NONCES -> seal(new_next) }
	:: !new_lives || used == NONCES -> break
	:: atomic { new_lives = 0; new_seals = 0; goto end }
	od;
end:
	skip
}

init {
	pid o, n;

	atomic { o = run old_process(); n = run new_process() };
	(_nr_pr == 1);
	assert(!(old_lives && new_lives && !old_seals && !new_seals)); /* one seals */
	assert(!(old_lives && !old_seals)); /* an old one that lives goes on */
	assert(!(acked && old_seals))
}
