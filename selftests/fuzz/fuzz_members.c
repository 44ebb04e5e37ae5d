/* SPDX-License-Identifier: MIT */
/*
 * A cluster's story: records come, change, clash and go, lists begin and end, the registry is lost, time passes, and others
 * meddle with the interface. Checked after each step, of what the interface is to have: allowed IPs are within the cluster's,
 * nobody's are another's or ours, no key is there twice or is ours; that the plan, done line by line, leads there and
 * leaves nothing to do, while no network that stays is nobody's for a moment; and nobody goes but by a deletion
 * and a grace time or by consent, nor do more than half of all.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>
#include <stdio.h>

#include "agent/plan.h"
#include "cli/uapi_client.h"

#define NODES 12
#define KEYS 16
#define FOREIGN 2 /* keys that no node has */
#define PREFIXES 64 /* of a peer */
#define GRACE 100
#define STEPS 100

static uint8_t keys[KEYS + FOREIGN][WGX_KEY_LEN];
static struct wgx_prefix cluster[2];
static struct wgx_rules rules = {.cluster = cluster, .n_cluster = 2};

/* the interface; what its peers point to is in @stores, in no order */
static struct wgx_have_peer peers[KEYS + FOREIGN + 1];
static struct wgx_prefix stores[KEYS + FOREIGN + 1][PREFIXES];
static struct wgx_have have;

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
	for (uint8_t i = 0; i < KEYS + FOREIGN; i++) {
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

/* ---- the interface, as the daemon would change it ---- */

static int compare_peers(const void *a, const void *b)
{
	return memcmp(((const struct wgx_have_peer *)a)->key,
		      ((const struct wgx_have_peer *)b)->key, WGX_KEY_LEN);
}

static struct wgx_have_peer *peer_of(const uint8_t key[WGX_KEY_LEN])
{
	return (struct wgx_have_peer *)wgx_have_find(&have, key);
}

static struct wgx_have_peer *add_peer(const uint8_t key[WGX_KEY_LEN])
{
	struct wgx_prefix *store = NULL;

	assert_true(have.n_peers < KEYS + FOREIGN);
	for (size_t i = 0; i < KEYS + FOREIGN && !store; i++) {
		store = stores[i];
		for (size_t k = 0; k < have.n_peers; k++)
			if (peers[k].prefixes == stores[i])
				store = NULL;
	}
	peers[have.n_peers] = (struct wgx_have_peer){.prefixes = store};
	memcpy(peers[have.n_peers++].key, key, WGX_KEY_LEN);
	qsort(peers, have.n_peers, sizeof(*peers), compare_peers);
	return peer_of(key);
}

static void remove_peer(struct wgx_have_peer *p)
{
	memmove(p, p + 1, (size_t)(peers + have.n_peers - p - 1) * sizeof(*p));
	have.n_peers--;
}

static bool take_prefix(struct wgx_have_peer *p, const struct wgx_prefix *one)
{
	for (size_t i = 0; i < p->n_prefixes; i++)
		if (wgx_prefix_equal(&p->prefixes[i], one)) {
			p->prefixes[i] = p->prefixes[--p->n_prefixes];
			return true;
		}
	return false;
}

static void give_prefix(struct wgx_have_peer *p, const struct wgx_prefix *one)
{
	for (size_t i = 0; i < have.n_peers; i++)
		(void)take_prefix(&peers[i], one);
	assert_true(p->n_prefixes < PREFIXES);
	p->prefixes[p->n_prefixes++] = *one;
}

static bool has(const struct wgx_have_peer *p, const struct wgx_prefix *one)
{
	for (size_t i = 0; i < p->n_prefixes; i++)
		if (wgx_prefix_equal(&p->prefixes[i], one))
			return true;
	return false;
}

static bool has_anybody(const struct wgx_prefix *one)
{
	for (size_t i = 0; i < have.n_peers; i++)
		if (has(&peers[i], one))
			return true;
	return false;
}

/* Lines of one peer, of which each has to mean something */
static void set(char *text)
{
	struct wgx_have_peer *p = NULL;
	uint8_t key[WGX_KEY_LEN];
	bool created = false;
	char *name, *value;

	while (wgx_uapi_next(&text, &name, &value)) {
		struct wgx_prefix one;
		bool minus = *value == '-';

		if (!strcmp(name, "public_key")) {
			assert_int_equal(strlen(value), 2 * WGX_KEY_LEN);
			assert_int_equal(sodium_hex2bin(key, sizeof(key), value, strlen(value),
							NULL, NULL, NULL),
					 0);
			p = peer_of(key);
			created = !p;
			p = p ? p : add_peer(key);
			continue;
		}
		assert_non_null(p);
		if (!strcmp(name, "update_only")) {
			assert_false(created);
		} else if (!strcmp(name, "endpoint")) {
			assert_int_equal(wgx_endpoint_parse(value, &p->endpoint), 0);
		} else if (!strcmp(name, "persistent_keepalive_interval")) {
			p->keepalive = (uint16_t)atoi(value);
		} else if (!strcmp(name, "allowed_ip")) {
			assert_int_equal(wgx_prefix_parse(value + minus, &one), 0);
			if (minus)
				(void)take_prefix(p, &one);
			else
				give_prefix(p, &one);
		} else {
			assert_string_equal(name, "remove");
			remove_peer(p);
			p = NULL;
		}
	}
}

/* What the interface is to have of this peer, it has, and nothing else. */
static void check_peer(const struct wgx_want_peer *w)
{
	const struct wgx_have_peer *p = peer_of(w->key);

	assert_non_null(p);
	assert_int_equal(p->keepalive, w->keepalive);
	assert_int_equal(p->n_prefixes, w->n_prefixes);
	for (size_t i = 0; i < w->n_prefixes; i++)
		assert_true(has(p, &w->prefixes[i]));
	if (w->endpoint.addr.sa.sa_family != AF_UNSPEC)
		assert_int_not_equal(p->endpoint.addr.sa.sa_family, AF_UNSPEC);
}

static void do_step(const struct wgx_step *s, const struct wgx_want *want, const bool *held)
{
	char text[WGX_STEP_UAPI_MAX], words[WGX_STEP_TEXT_MAX];
	int n = wgx_step_uapi(s, text, sizeof(text));

	assert_in_range(n, 1, sizeof(text) - 1);
	assert_int_equal(strlen(text), n);
	assert_true(strlen(wgx_step_text(s, words, sizeof(words))) < sizeof(words) - 1);
	set(text);
	for (size_t i = 0; i < want->n_peers; i++)
		for (size_t k = 0; k < want->peers[i].n_prefixes; k++)
			if (held[i * WGX_NODE_CIDRS + k])
				assert_true(has_anybody(&want->peers[i].prefixes[k]));
}

static void converge(const struct wgx_want *want, int64_t now)
{
	bool held[(KEYS + 1) * WGX_NODE_CIDRS];
	struct wgx_plan plan = {0};

	for (size_t i = 0; i < want->n_peers; i++)
		for (size_t k = 0; k < want->peers[i].n_prefixes; k++)
			held[i * WGX_NODE_CIDRS + k] = has_anybody(&want->peers[i].prefixes[k]);
	assert_int_equal(wgx_plan_make(want, &have, now, &plan), 0);
	for (size_t i = 0; i < plan.n; i++)
		do_step(&plan.steps[i], want, held);
	wgx_plan_free(&plan);
	/* as wgx_agent_note_told() does it */
	for (size_t i = 0; i < want->n_peers; i++)
		if (want->peers[i].part == WGX_KEY_CURRENT)
			want->peers[i].member->told = want->peers[i].endpoint;
	assert_int_equal(have.n_peers, want->n_peers);
	for (size_t i = 0; i < want->n_peers; i++)
		check_peer(&want->peers[i]);
	assert_int_equal(wgx_plan_make(want, &have, now, &plan), 0);
	assert_int_equal(plan.n, 0);
	wgx_plan_free(&plan);
}

static void check(const struct wgx_members *m, const struct wgx_node *self, uint64_t now)
{
	struct wgx_want want = {0};

	for (size_t i = 1; i < m->n; i++)
		assert_true(strcmp(m->items[i - 1]->node.name, m->items[i]->node.name) < 0);
	assert_int_equal(wgx_rules_apply(&rules, self, m, &want), 0);
	check_want(&want, self);
	converge(&want, (int64_t)now);
	wgx_want_free(&want);
}

/* ---- a story ---- */

static size_t count_gone(const struct wgx_members *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->items[i]->gone;
	return n;
}

static void expire(struct wgx_members *m, uint64_t now, const uint64_t *deleted)
{
	bool was_there[NODES], synced = m->synced, accepted = m->accept;
	size_t gone = count_gone(m);
	bool mass = gone > 1 && 2 * gone > m->n;
	char name[WGX_NODE_NAME_MAX + 1];
	uint64_t next;

	for (uint8_t i = 0; i < NODES; i++) {
		name_of(i, name);
		was_there[i] = wgx_members_find(m, name);
	}
	wgx_members_expire(m, now, &next);
	assert_true(next > now || !synced);
	for (uint8_t i = 0; i < NODES; i++) {
		name_of(i, name);
		if (!was_there[i] || wgx_members_find(m, name))
			continue;
		assert_true(synced && deleted[i]);
		assert_true(accepted || (now >= deleted[i] + GRACE && !mass));
	}
}

static void accept_all(struct wgx_members *m)
{
	size_t gone = count_gone(m);

	assert_int_equal(wgx_members_accept(m), gone);
	assert_int_equal(m->accept, gone > 0);
}

/* Somebody else changes the interface, or a peer roams. */
static void meddle(struct bytes *b, uint64_t now)
{
	uint8_t what = take_u8(b), who = take_u8(b);
	struct wgx_have_peer *p = have.n_peers ? &peers[who % have.n_peers] : NULL;
	const uint8_t *key = keys[KEYS + who % FOREIGN];
	struct wgx_prefix one;

	switch (what % 6) {
	case 0:
		if (p)
			remove_peer(p);
		break;
	case 1:
		one = some_cidr(b);
		p = peer_of(key) ? peer_of(key) : add_peer(key);
		give_prefix(p, &one);
		break;
	case 2:
		if (!p)
			break;
		assert_int_equal(wgx_endpoint_parse("198.51.100.7:1", &p->endpoint), 0);
		p->handshake = (int64_t)now;
		break;
	case 3:
		if (p && p->n_prefixes)
			p->n_prefixes--;
		break;
	case 4:
		if (p)
			p->keepalive = what;
		break;
	default:
		rules.keepalive = who;
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

	rules.keepalive = 0;
	have = (struct wgx_have){.peers = peers};
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
			if (what & 8) {
				meddle(&b, now);
			} else if (what & 16) {
				accept_all(&m);
			} else {
				wgx_members_lost(&m);
				listing = false;
			}
			break;
		default:
			now += what / 8 * (uint64_t)10;
			expire(&m, now, deleted);
		}
		check(&m, &self, now);
	}
	wgx_members_free(&m);
	return 0;
}
