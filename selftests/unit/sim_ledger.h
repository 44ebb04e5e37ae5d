/* SPDX-License-Identifier: MIT */
/*
 * Every transport key of a simulation, one entry for each direction of each session: who seals under it,
 * which nonces were sealed, which were accepted. Asserts P-DT-6 (no nonce twice), P-DT-2 (nothing
 * accepted twice, nor what was never sealed) and P-TM-3 (no key past its life), whatever the product says.
 *
 * The ledger holds no key in the clear, so that a test may look for keys in all of the process's memory.
 */
#ifndef WGX_SELFTESTS_SIM_LEDGER_H
#define WGX_SELFTESTS_SIM_LEDGER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/timers.h"

#define LEDGER_MASK 0xa5
#define LEDGER_LIFE (180 * WGX_SECOND)
#define LEDGER_LAST_NONCE (UINT64_MAX - (1 << 13) - 1)
#define LEDGER_NONCES \
	(1u << 20) /* those above are not remembered: tests that set a counter have them */

struct ledger_key {
	uint8_t masked[32];
	unsigned int owner; /* who seals */
	uint64_t next; /* nonce */
	uint64_t born; /* by the owner's clock */
	uint8_t *accepted; /* a bit for each nonce */
	size_t accepted_len;
};

struct ledger {
	struct ledger_key *keys;
	size_t n, room;
};

static inline struct ledger_key *ledger_find(const struct ledger *l, const uint8_t key[32])
{
	uint8_t masked[32];

	for (size_t i = 0; i < sizeof(masked); i++)
		masked[i] = key[i] ^ LEDGER_MASK;
	for (size_t i = l->n; i-- > 0;) {
		if (!memcmp(l->keys[i].masked, masked, sizeof(masked)))
			return &l->keys[i];
	}
	return NULL;
}

/* A key to seal under has come to be: a fresh one each time. */
static inline void ledger_born(struct ledger *l, unsigned int owner, const uint8_t key[32],
			       uint64_t boot)
{
	struct ledger_key *k;

	assert_null(ledger_find(l, key));
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->keys = realloc(l->keys, l->room * sizeof(*l->keys));
		assert_non_null(l->keys);
	}
	k = &l->keys[l->n++];
	*k = (struct ledger_key){.owner = owner, .born = boot};
	for (size_t i = 0; i < sizeof(k->masked); i++)
		k->masked[i] = key[i] ^ LEDGER_MASK;
}

static inline void ledger_seal(struct ledger *l, unsigned int owner, const uint8_t key[32],
			       uint64_t nonce, uint64_t boot)
{
	struct ledger_key *k = ledger_find(l, key);

	assert_non_null(k);
	assert_int_equal(k->owner, owner);
	assert_true(nonce >= k->next);
	assert_true(nonce <= LEDGER_LAST_NONCE);
	assert_true(boot - k->born < LEDGER_LIFE);
	k->next = nonce + 1;
}

/* @born: when the receiver's half came to be, by its own clock */
static inline void ledger_open(struct ledger *l, unsigned int receiver, const uint8_t key[32],
			       uint64_t nonce, uint64_t born, uint64_t boot)
{
	struct ledger_key *k = ledger_find(l, key);
	size_t len;

	assert_non_null(k);
	assert_int_not_equal(k->owner, receiver);
	assert_true(nonce < k->next);
	assert_true(boot - born < LEDGER_LIFE);
	if (nonce >= LEDGER_NONCES)
		return;
	len = nonce / 8 + 1;
	if (k->accepted_len < len) {
		k->accepted = realloc(k->accepted, 2 * len);
		assert_non_null(k->accepted);
		memset(k->accepted + k->accepted_len, 0, 2 * len - k->accepted_len);
		k->accepted_len = 2 * len;
	}
	assert_false(k->accepted[nonce / 8] & 1 << nonce % 8);
	k->accepted[nonce / 8] |= 1 << nonce % 8;
}

static inline void ledger_free(struct ledger *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->keys[i].accepted);
	free(l->keys);
}

#endif
