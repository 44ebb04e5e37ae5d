/* SPDX-License-Identifier: MIT */
/* The allowed-IPs trie against a plain list. Addresses are few, so that prefixes meet all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "line_test.h"
#include "proto/allowedips.h"
#include "unit/xorshift.h"

#define OWNERS 5
#define NAIVE_MAX 4096
#define STEPS 20000

struct naive {
	struct wgx_prefix prefix;
	int owner;
	uint64_t order; /* of insertion */
};

static struct wgx_allowedips trie;
static struct wgx_allowedips_owner owners[OWNERS];
static struct naive list[NAIVE_MAX];
static unsigned int n_list;
static uint64_t seed, clock_of_inserts;

static uint32_t rnd(uint32_t below)
{
	xorshift64(&seed);
	return (uint32_t)(seed >> 32) % below;
}

/* No reader is anywhere. */
static void reclaim(void)
{
	wgx_allowedips_reclaim(&trie, wgx_allowedips_take_retired(&trie));
}

static unsigned int nodes(void)
{
	reclaim();
	return trie.v4.pool.used + trie.v6.pool.used;
}

static void remove_owner(struct wgx_allowedips_owner *o)
{
	struct wgx_prefix p;

	while (wgx_allowedips_remove_first(&trie, o, &p))
		;
	reclaim();
}

static int setup(void **state)
{
	wgx_allowedips_init(&trie);
	for (int i = 0; i < OWNERS; i++)
		wgx_allowedips_owner_init(&owners[i]);
	n_list = 0;
	seed = 88172645463325252;
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < OWNERS; i++)
		remove_owner(&owners[i]);
	/* Nothing may be left of a trie without prefixes: an empty one has no nodes, and no memory. */
	return nodes() || trie.v4.root || trie.v6.root || trie.count || trie.v4.pool.chunks ||
	       trie.v6.pool.chunks;
}

/* ---- the plain list ---- */

static bool bit_of(const uint8_t *addr, unsigned int i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

static bool naive_covers(const struct wgx_prefix *p, int family, const uint8_t *addr)
{
	if (p->family != family)
		return false;
	for (unsigned int i = 0; i < p->cidr; i++) {
		if (bit_of(p->addr, i) != bit_of(addr, i))
			return false;
	}
	return true;
}

static int naive_find(const struct wgx_prefix *p)
{
	for (unsigned int i = 0; i < n_list; i++) {
		if (list[i].prefix.cidr == p->cidr &&
		    naive_covers(&list[i].prefix, p->family, p->addr))
			return (int)i;
	}
	return -1;
}

static int naive_lookup(int family, const uint8_t *addr)
{
	int best = -1, cidr = -1;

	for (unsigned int i = 0; i < n_list; i++) {
		if (list[i].prefix.cidr > cidr && naive_covers(&list[i].prefix, family, addr)) {
			cidr = list[i].prefix.cidr;
			best = list[i].owner;
		}
	}
	return best;
}

static int naive_insert(const struct wgx_prefix *p, int owner)
{
	int i = naive_find(p), old = -1;

	if (i < 0)
		i = (int)n_list++;
	else
		old = list[i].owner;
	list[i].prefix = *p;
	list[i].owner = owner;
	list[i].order = ++clock_of_inserts;
	return old;
}

static void naive_drop(unsigned int i)
{
	list[i] = list[--n_list];
}

/* ---- random input ---- */

/* Runs of equal bits, and few of them, so that prefixes nest and neighbours share long paths. */
static void random_addr(int family, uint8_t *addr)
{
	unsigned int len = family == AF_INET ? 4 : 16, flips = rnd(4);

	memset(addr, rnd(2) ? 0xff : 0, 16);
	while (flips--) {
		unsigned int bit = rnd(3) ? rnd(len * 8) : rnd(len) * 8;

		addr[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
	memset(addr + len, 0, 16 - len);
}

static struct wgx_prefix random_prefix(void)
{
	static const uint8_t edges[] = {0, 1, 31, 32, 63, 64, 65, 127, 128};
	struct wgx_prefix p = {.family = rnd(2) ? AF_INET : AF_INET6};
	unsigned int bits = p.family == AF_INET ? 32 : 128;

	random_addr(p.family, p.addr);
	p.cidr = (uint8_t)(rnd(3) ? rnd(bits + 1) : edges[rnd(sizeof(edges))]);
	if (p.cidr > bits)
		p.cidr = (uint8_t)bits;
	return p;
}

/* ---- comparison ---- */

static void check_lookup(int family, const uint8_t *addr)
{
	int want = naive_lookup(family, addr);

	assert_ptr_equal(wgx_allowedips_lookup(&trie, family, addr),
			 want < 0 ? NULL : &owners[want]);
}

static void check_some_lookups(void)
{
	uint8_t addr[16];

	for (int i = 0; i < 8; i++) {
		int family = rnd(2) ? AF_INET : AF_INET6;

		random_addr(family, addr);
		check_lookup(family, addr);
	}
}

struct walk {
	int owner;
	uint64_t order;
	unsigned int seen;
};

static int check_listed(const struct wgx_prefix *p, void *arg)
{
	struct walk *w = arg;
	int i = naive_find(p);

	assert_true(i >= 0);
	assert_int_equal(list[i].owner, w->owner);
	assert_true(list[i].order > w->order); /* in order of insertion */
	w->order = list[i].order;
	w->seen++;
	for (unsigned int bit = p->cidr; bit < 128; bit++)
		assert_false(bit_of(p->addr, bit)); /* host bits are clear */
	return 0;
}

static void check_all(void)
{
	unsigned int total = 0;

	for (int o = 0; o < OWNERS; o++) {
		struct walk w = {.owner = o};

		assert_int_equal(wgx_allowedips_each(&trie, &owners[o], check_listed, &w), 0);
		assert_int_equal(w.seen, owners[o].count);
		total += w.seen;
	}
	assert_int_equal(total, n_list);
	assert_int_equal(trie.count, n_list);
}

/* ---- steps ---- */

static void step_insert(void)
{
	struct wgx_allowedips_owner *old = (void *)1;
	struct wgx_prefix p = random_prefix();
	int owner = (int)rnd(OWNERS), want;

	if (n_list == NAIVE_MAX)
		return;
	want = naive_insert(&p, owner);
	assert_int_equal(wgx_allowedips_insert(&trie, &p, &owners[owner], &old), 0);
	assert_ptr_equal(old, want < 0 ? NULL : &owners[want]);
	check_lookup(p.family, p.addr);
}

static void step_remove(void)
{
	struct wgx_prefix p = n_list && rnd(4) ? list[rnd(n_list)].prefix : random_prefix();
	int owner = (int)rnd(OWNERS), i = naive_find(&p);
	bool has;

	if (i >= 0 && rnd(3))
		owner = list[i].owner;
	has = i >= 0 && list[i].owner == owner;
	assert_int_equal(wgx_allowedips_remove(&trie, &p, &owners[owner]), has ? 0 : -ENOENT);
	if (has)
		naive_drop((unsigned int)i);
	check_lookup(p.family, p.addr);
}

static void step_remove_owner(void)
{
	int owner = (int)rnd(OWNERS);

	remove_owner(&owners[owner]);
	for (unsigned int i = n_list; i-- > 0;) {
		if (list[i].owner == owner)
			naive_drop(i);
	}
	assert_int_equal(owners[owner].count, 0);
}

/* Some old prefixes again, some new ones; the rest goes, or stays. */
static void step_replace(void)
{
	struct wgx_allowedips_owner *o;
	int owner = (int)rnd(OWNERS);
	uint64_t start = clock_of_inserts;
	struct wgx_prefix gone;
	bool commit = rnd(3);

	o = &owners[owner];
	wgx_allowedips_replace_begin(o);
	for (unsigned int n = rnd(20); n > 0 && n_list < NAIVE_MAX; n--) {
		struct wgx_prefix p = n_list && rnd(2) ? list[rnd(n_list)].prefix : random_prefix();

		naive_insert(&p, owner);
		assert_int_equal(wgx_allowedips_insert(&trie, &p, o, NULL), 0);
		check_some_lookups(); /* those set aside are still found */
	}
	if (!commit) {
		wgx_allowedips_replace_abort(&trie, o);
		return;
	}
	while (wgx_allowedips_remove_aside(&trie, o, &gone)) {
		int found = naive_find(&gone);

		assert_true(found >= 0 && list[found].owner == owner && list[found].order <= start);
	}
	for (unsigned int i = n_list; i-- > 0;) {
		if (list[i].owner == owner && list[i].order <= start)
			naive_drop(i);
	}
}

static void test_random_tables(void **state)
{
	for (int i = 0; i < STEPS; i++) {
		uint32_t what = rnd(1000);

		if (what < 550)
			step_insert();
		else if (what < 990)
			step_remove();
		else if (what < 995)
			step_replace();
		else
			step_remove_owner();
		check_some_lookups();
		if (i % 64 == 0) {
			reclaim();
			check_all();
		}
	}
	check_all();
}

/* ---- by hand ---- */

static struct wgx_prefix prefix(const char *text)
{
	struct wgx_prefix p = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	char addr[64];
	char *slash;

	strncpy(addr, text, sizeof(addr) - 1);
	addr[sizeof(addr) - 1] = 0;
	slash = strchr(addr, '/');
	assert_non_null(slash);
	*slash = 0;
	assert_int_equal(inet_pton(p.family, addr, p.addr), 1);
	p.cidr = (uint8_t)atoi(slash + 1);
	return p;
}

static void insert(const char *text, int owner)
{
	struct wgx_prefix p = prefix(text);

	assert_int_equal(wgx_allowedips_insert(&trie, &p, &owners[owner], NULL), 0);
}

static int owner_of(const char *text)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	struct wgx_allowedips_owner *o;
	uint8_t addr[16];

	assert_int_equal(inet_pton(family, text, addr), 1);
	o = wgx_allowedips_lookup(&trie, family, addr);
	return o ? (int)(o - owners) : -1;
}

static void test_longest_match(void **state)
{
	assert_int_equal(owner_of("1.2.3.4"), -1);
	insert("0.0.0.0/0", 0);
	insert("192.168.4.0/24", 1);
	insert("192.168.4.4/32", 2);
	insert("192.168.0.0/16", 3);
	insert("192.95.5.64/27", 4);
	assert_int_equal(owner_of("192.168.4.20"), 1);
	assert_int_equal(owner_of("192.168.4.4"), 2);
	assert_int_equal(owner_of("192.168.200.182"), 3);
	assert_int_equal(owner_of("192.95.5.68"), 4);
	assert_int_equal(owner_of("192.95.5.96"), 0);
	assert_int_equal(owner_of("255.255.255.255"), 0);
	assert_int_equal(owner_of("::1"), -1); /* families are apart */

	insert("::/0", 1);
	insert("2607:5300:6006:6b00::/64", 2);
	insert("2607:5300:6006:6b00::c05f:543/128", 3);
	assert_int_equal(owner_of("2607:5300:6006:6b00::c05f:543"), 3);
	assert_int_equal(owner_of("2607:5300:6006:6b00::c02e:1ee"), 2);
	assert_int_equal(owner_of("2607:5300:6006:6b01::c02e:1ee"), 1);
	assert_int_equal(owner_of("10.0.0.1"), 0);
}

static void test_host_bits(void **state)
{
	struct wgx_prefix p = prefix("10.1.2.3/8"), q = prefix("10.0.0.0/8");

	insert("10.1.2.3/8", 0);
	insert("10.200.0.0/8", 1); /* the same prefix */
	assert_int_equal(trie.count, 1);
	assert_int_equal(owner_of("10.0.0.1"), 1);

	assert_int_equal(wgx_prefix_canonical(&p), 0);
	assert_memory_equal(&p, &q, sizeof(p));
	q = prefix("ff:ff:ff:ff:ff:ff:ff:ff/65");
	assert_int_equal(wgx_prefix_canonical(&q), 0);
	p = prefix("ff:ff:ff:ff::/65");
	assert_memory_equal(&p, &q, sizeof(p));
	p = prefix("1.2.3.4/33");
	assert_int_equal(wgx_prefix_canonical(&p), -EINVAL);
	p = prefix("::/129");
	assert_int_equal(wgx_prefix_canonical(&p), -EINVAL);
	p.family = AF_UNIX;
	assert_int_equal(wgx_prefix_canonical(&p), -EINVAL);
}

/* A fork goes with the second of its children, and one that somebody owns stays. */
static void test_nodes_merge(void **state)
{
	struct wgx_prefix b = prefix("10.0.1.0/24"), fork = prefix("10.0.0.0/23");

	insert("10.0.0.0/24", 0);
	insert("10.0.1.0/24", 1);
	assert_int_equal(nodes(), 3);
	assert_int_equal(wgx_allowedips_remove(&trie, &b, &owners[1]), 0);
	assert_int_equal(nodes(), 1);
	assert_int_equal(owner_of("10.0.0.9"), 0);
	assert_int_equal(owner_of("10.0.1.9"), -1);

	insert("10.0.1.0/24", 1);
	insert("10.0.0.0/23", 2); /* the fork itself */
	assert_int_equal(nodes(), 3);
	assert_int_equal(wgx_allowedips_remove(&trie, &b, &owners[1]), 0);
	assert_int_equal(nodes(), 2);
	assert_int_equal(owner_of("10.0.1.9"), 2);
	assert_int_equal(wgx_allowedips_remove(&trie, &fork, &owners[2]), 0);
	assert_int_equal(nodes(), 1);
	assert_int_equal(owner_of("10.0.1.9"), -1);
	assert_int_equal(owner_of("10.0.0.9"), 0);
}

static int stop_at_second(const struct wgx_prefix *p, void *arg)
{
	int *n = arg;

	return ++*n == 2 ? -EINTR : 0;
}

static void test_each_stops(void **state)
{
	int n = 0;

	insert("10.0.0.0/24", 0);
	insert("10.0.1.0/24", 0);
	insert("10.0.2.0/24", 0);
	assert_int_equal(wgx_allowedips_each(&trie, &owners[0], stop_at_second, &n), -EINTR);
	assert_int_equal(n, 2);
}

static void test_many(void **state)
{
	struct wgx_prefix p = {.family = AF_INET, .cidr = 32};
	uint32_t addr;

	for (uint32_t i = 0; i < 130560; i++) {
		addr = htonl(0x0a000000 + i * 7);
		memcpy(p.addr, &addr, sizeof(addr));
		assert_int_equal(wgx_allowedips_insert(&trie, &p, &owners[i % 2], NULL), 0);
	}
	remove_owner(&owners[1]);
	assert_int_equal(trie.count, 65280);
	for (uint32_t i = 0; i < 130560; i++) {
		addr = htonl(0x0a000000 + i * 7);
		assert_ptr_equal(wgx_allowedips_lookup(&trie, AF_INET, &addr),
				 i % 2 ? NULL : &owners[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test_setup_teardown("P-DT-4", test_longest_match, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nodes_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_stops, setup, teardown),
		line_test_setup_teardown("P-DT-4", test_random_tables, setup, teardown),
		line_test_setup_teardown("P-UA-5", test_many, setup, teardown),
	};

	return cmocka_run_group_tests_name("allowedips", tests, NULL, NULL);
}
