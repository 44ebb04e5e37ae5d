/* SPDX-License-Identifier: MIT */
#include "proto/replay.h"

#include "proto/timers.h"

_Static_assert((WGX_REPLAY_WORDS & (WGX_REPLAY_WORDS - 1)) == 0, "a power of two");

/* Clear the words between the old top and the new one: a ring of words, never shifted (RFC 6479, 2). */
static void advance(struct wgx_replay *r, uint64_t top)
{
	const uint64_t old_word = r->next / 64;
	uint64_t words = top / 64 - old_word;

	if (words > WGX_REPLAY_WORDS)
		words = WGX_REPLAY_WORDS;
	for (uint64_t i = 1; i <= words; i++)
		r->seen[(old_word + i) % WGX_REPLAY_WORDS] = 0;
	r->next = top;
}

bool wgx_replay_accept(struct wgx_replay *r, uint64_t counter)
{
	uint64_t *word, bit;

	if (counter >= WGX_REJECT_AFTER_MESSAGES)
		return false;
	counter++; /* so that 0 in @next means: none yet */
	if (counter > r->next)
		advance(r, counter);
	else if (r->next - counter > WGX_REPLAY_WINDOW)
		return false;
	word = &r->seen[counter / 64 % WGX_REPLAY_WORDS];
	bit = UINT64_C(1) << (counter % 64);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
