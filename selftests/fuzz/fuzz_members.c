/* SPDX-License-Identifier: MIT */
/*
 * A cluster's story: records come, change, clash and go, lists begin and end, the registry is lost, time passes. Checked
 * after each step, of what the interface is to have: allowed IPs are within the cluster's, nobody's are another's or
 * ours, no key is there twice or is ours; and nobody goes but by a deletion and a grace time.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>
#include <stdio.h>

#include "agent/plan.h"

#define NODES 12
#define KEYS 16
#define GRACE 100
#define STEPS 100

static uint8_t keys[KEYS][WGX_KEY_LEN];
static struct wgx_prefix cluster[2];

static struct wgx_prefix prefix(const char *text)
{
	struct wgx_prefix p;

	assert_int_equal(wgx_prefix_parse(text, &p), 0);
	return p;
}

static void fuzz_begin(void)
{
	uint8_t secret[WGX_KEY_LEN];

	assert_true(sodium_init() >= 0);
	for (uint8_t i = 0; i < KEYS; i++) {
		memset(secret, i + 1, sizeof(secret));
		crypto_scalarmult_base(keys[i], secret);
	}
	cluster[0] = prefix("10.244.0.0/16");
	cluster[1] = prefix("fd10:244::/48");
}

static void name_of(uint8_t n, char *name)
{
	snprintf(name, WGX_NODE_NAME_MAX + 1, "node-%u", n % NODES);
}

/* Networks of 2 to 6 bits within 10.244.0.0/16, or outside, that are likely to overlap */
static struct wgx_prefix some_cidr(struct bytes *b)
{
	uint8_t where = take_u8(b), length = take_u8(b);
	char text[64];

	switch (length % 4) {
	case 0:
		snprintf(text, sizeof(text), "fd10:244:0:%x::/%d", where % 16,
			 48 + length / 4 % 17);
		break;
	case 1:
		snprintf(text, sizeof(text), "10.%d.%d.0/%d", 240 + where % 8, where,
			 length / 4 % 33);
		break;
	default:
		snprintf(text, sizeof(text), "10.244.%d.0/%d", where, 16 + length / 4 % 17);
	}
	return prefix(text);
}

static void take_node(struct bytes *b, struct wgx_node *n)
{
	uint8_t has = take_u8(b), k = take_u8(b), next = take_u8(b);

	*n = (struct wgx_node){.has_key = has & 1, .has_next = has & 2, .has_previous = has & 4};
	memcpy(n->key, keys[k % KEYS], WGX_KEY_LEN);
	memcpy(n->next, keys[next % KEYS], WGX_KEY_LEN);
	memcpy(n->previous, keys[next / KEYS % KEYS], WGX_KEY_LEN);
	for (has >>= 4; n->n_cidrs < has % 4u; n->n_cidrs++)
		n->cidrs[n->n_cidrs] = some_cidr(b);
	if (has & 8)
		assert_int_equal(
			wgx_endpoint_parse("192.0.2.1:51820", &n->endpoints[n->n_endpoints++]), 0);
}

/* ---- what has to hold ---- */

static bool overlap(const struct wgx_prefix *a, const struct wgx_prefix *b)
{
	return wgx_prefix_contains(a, b) || wgx_prefix_contains(b, a);
}

static void check_prefixes(const struct wgx_want *w, const struct wgx_node *self, size_t i)
{
	const struct wgx_want_peer *p = &w->peers[i];

	assert_true(p->part == WGX_KEY_CURRENT || !p->n_prefixes);
	for (size_t k = 0; k < p->n_prefixes; k++) {
		const struct wgx_prefix *one = &p->prefixes[k];

		assert_true(wgx_prefix_contains(&cluster[0], one) ||
			    wgx_prefix_contains(&cluster[1], one));
		for (size_t j = 0; j < self->n_cidrs; j++)
			assert_false(overlap(one, &self->cidrs[j]));
		for (size_t j = 0; j < w->n_peers; j++)
			for (size_t l = 0;
			     l < w->peers[j].n_prefixes && w->peers[j].member != p->member; l++)
				assert_false(overlap(one, &w->peers[j].prefixes[l]));
	}
}

static void check_want(const struct wgx_want *w, const struct wgx_node *self)
{
	for (size_t i = 0; i < w->n_peers; i++) {
		assert_true(!i || memcmp(w->peers[i - 1].key, w->peers[i].key, WGX_KEY_LEN) < 0);
		assert_int_not_equal(memcmp(w->peers[i].key, self->key, WGX_KEY_LEN), 0);
		check_prefixes(w, self, i);
	}
	for (size_t i = 0; i < w->n_refusals; i++) {
		char text[512];

		assert_non_null(wgx_refusal_text(&w->refusals[i], text, sizeof(text)));
		assert_true(strlen(text) > 0);
	}
}

static void check(const struct wgx_members *m, const struct wgx_node *self)
{
	const struct wgx_rules rules = {.cluster = cluster, .n_cluster = 2};
	struct wgx_have have = {0};
	struct wgx_plan plan = {0};
	struct wgx_want want = {0};

	for (size_t i = 1; i < m->n; i++)
		assert_true(strcmp(m->items[i - 1]->node.name, m->items[i]->node.name) < 0);
	assert_int_equal(wgx_rules_apply(&rules, self, m, &want), 0);
	check_want(&want, self);
	assert_int_equal(wgx_plan_make(&want, &have, 0, &plan), 0);
	/* of nothing, each peer is a step at least */
	assert_true(plan.n >= want.n_peers);
	wgx_plan_free(&plan);
	wgx_want_free(&want);
}

/* ---- a story ---- */

static void expire(struct wgx_members *m, uint64_t now, const uint64_t *deleted)
{
	bool was_there[NODES], synced = m->synced;
	char name[WGX_NODE_NAME_MAX + 1];
	uint64_t next;

	for (uint8_t i = 0; i < NODES; i++) {
		name_of(i, name);
		was_there[i] = wgx_members_find(m, name);
	}
	wgx_members_expire(m, now, &next);
	for (uint8_t i = 0; i < NODES; i++) {
		name_of(i, name);
		if (!was_there[i] || wgx_members_find(m, name))
			continue;
		assert_true(synced);
		assert_true(deleted[i] && now >= deleted[i] + GRACE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wgx_members m = {.grace_ms = GRACE};
	uint64_t now = 1000, deleted[NODES] = {0};
	struct bytes b = {data, size};
	char name[WGX_NODE_NAME_MAX + 1];
	bool listing = false;
	struct wgx_node self, n;

	take_node(&b, &self);
	wgx_node_set_name(&self, "self");
	self.has_key = true;
	for (unsigned int i = 0; i < STEPS && b.left; i++) {
		uint8_t what = take_u8(&b), who = take_u8(&b) % NODES;

		name_of(who, name);
		switch (what % 8) {
		case 0:
		case 1:
			take_node(&b, &n);
			wgx_node_set_name(&n, name);
			assert_true(wgx_members_upsert(&m, &n) >= 0);
			deleted[who] = 0;
			break;
		case 2:
			assert_true(wgx_members_refuse(&m, name, "broken") >= 0);
			deleted[who] = 0;
			break;
		case 3:
			if (wgx_members_delete(&m, name, now) && !deleted[who])
				deleted[who] = now;
			break;
		case 4:
			wgx_members_begin(&m);
			listing = true;
			break;
		case 5:
			if (!listing)
				break;
			listing = false;
			wgx_members_end(&m, now);
			for (uint8_t i = 0; i < NODES; i++) {
				const struct wgx_member *one;

				name_of(i, name);
				one = wgx_members_find(&m, name);
				if (one && one->gone && !deleted[i])
					deleted[i] = now;
			}
			break;
		case 6:
			wgx_members_lost(&m);
			listing = false;
			break;
		default:
			now += what / 8 * (uint64_t)10;
			expire(&m, now, deleted);
		}
		check(&m, &self);
	}
	wgx_members_free(&m);
	return 0;
}
