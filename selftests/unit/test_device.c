/* SPDX-License-Identifier: MIT */
/* The model: identity, peers and their lives, sockets, mirrors, and what the protocol asks of it. */
#include "fake_device.h"
#include "receive.h"
#include "line_test.h"
#include "memory_scan.h"

#include <dlfcn.h>
#include <stdbool.h>
#include "device/model.h"
#include "device/name.h"
#include "proto/crypto.h"
#include "proto/data.h"

static struct wgx_peer *add_peer(struct fake *f, uint32_t n)
{
	uint8_t key[WGX_KEY_LEN];
	struct wgx_peer *peer;

	fake_key(key, n);
	assert_int_equal(wgx_peer_create(f->dev, key, &peer), 0);
	assert_ptr_equal(wgx_device_find_peer(f->dev, key), peer);
	return peer;
}

static void add_prefix(struct wgx_peer *peer, const char *text)
{
	struct wgx_prefix p = fake_prefix(text);

	assert_int_equal(wgx_peer_add_prefix(peer, &p), 0);
}

static struct wgx_peer *route(struct fake *f, const char *addr)
{
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	uint8_t bytes[16];

	assert_int_equal(inet_pton(family, addr, bytes), 1);
	return wgx_device_route(f->dev, family, bytes);
}

/* ---- peers ---- */

static void test_lowest_free_id(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *peers[200] = {0};
	uint64_t seed = 42;

	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal((peers[i] = add_peer(f, i))->id, i);
	wgx_peer_remove(peers[3]);
	wgx_peer_remove(peers[1]);
	wgx_peer_remove(peers[7]);
	assert_int_equal((peers[1] = add_peer(f, 1))->id, 1);
	assert_int_equal((peers[3] = add_peer(f, 3))->id, 3);
	assert_int_equal((peers[7] = add_peer(f, 7))->id, 7);
	for (int step = 0; step < 5000; step++) {
		uint32_t i, lowest = 0;

		seed = seed * 6364136223846793005 + 1442695040888963407;
		i = (uint32_t)(seed >> 33) % 200;
		while (f->peers[lowest])
			lowest++;
		if (peers[i]) {
			wgx_peer_remove(peers[i]);
			peers[i] = NULL;
		} else {
			assert_int_equal((peers[i] = add_peer(f, i))->id, lowest);
		}
	}
	fake_check(f);
	fake_destroy(f);
}

static void test_create_twice(void **state)
{
	struct fake *f = fake_create("wg0");
	uint8_t key[WGX_KEY_LEN];
	struct wgx_peer *peer = add_peer(f, 1), *other = NULL;

	fake_key(key, 1);
	assert_int_equal(wgx_peer_create(f->dev, key, &other), -EEXIST);
	assert_null(other);
	assert_int_equal(f->dev->n_peers, 1);
	fake_key(key, 2);
	assert_null(wgx_device_find_peer(f->dev, key));
	wgx_peer_remove(peer);
	fake_key(key, 1);
	assert_null(wgx_device_find_peer(f->dev, key));
	fake_destroy(f);
}

/* A removed peer is gone from everything at once, but its memory waits for the last reference. */
static void test_removed_peer(void **state)
{
	static char staged;
	struct fake *f = fake_create("wg0");
	struct wgx_peer *peer = add_peer(f, 1), *other = add_peer(f, 2);
	unsigned int freed = fake_staged_freed;

	add_prefix(peer, "10.0.0.0/8");
	add_prefix(peer, "2001:db8::/32");
	add_prefix(other, "10.1.0.0/16");
	peer->staged = (struct wgx_staged *)&staged;
	peer->stages = true;
	wgx_peer_get(peer);
	assert_false(peer->dead);
	wgx_peer_remove(peer);
	assert_true(peer->dead);
	assert_int_equal(f->drops, 1);
	assert_null(route(f, "10.2.0.1"));
	assert_null(route(f, "2001:db8::1"));
	assert_ptr_equal(route(f, "10.1.0.1"), other);
	fake_check(f);

	wgx_rcu_barrier();
	assert_int_equal(fake_staged_freed, freed);
	assert_ptr_equal(peer->staged, &staged);
	wgx_peer_put(peer);
	wgx_peer_put(NULL);
	wgx_rcu_barrier();
	assert_int_equal(fake_staged_freed, freed + 1);
	fake_destroy(f);
}

/* A peer that a queue still holds may outlive its device. */
static void test_peer_outlives_device(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *peer = add_peer(f, 1);

	wgx_peer_get(peer);
	fake_destroy(f);
	assert_true(peer->dead);
	assert_string_equal(peer->dev->name, "wg0");
	wgx_peer_put(peer);
	wgx_rcu_barrier();
}

/* ---- names ---- */

static void test_name_rule(void **state)
{
	char longest[WGX_PEER_NAME_MAX + 2];
	static const char *const good[] = {
		"B", "alice@laptop", "\"'\\$;",
		"-", "!~",	     "N+B4Nelg+4ysvbLW3qenxIwrJVE9MdjMyqrIisH7V0Y"};
	static const char *const bad[] = {"",
					  "a b",
					  "a\n",
					  "\x1b[2J",
					  "\x7f",
					  "Z\xc3\xbcrich",
					  "N+B4Nelg+4ysvbLW3qenxIwrJVE9MdjMyqrIisH7V0Y="};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_null(wgx_peer_name_problem(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(wgx_peer_name_problem(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[WGX_PEER_NAME_MAX + 1] = 0;
	assert_non_null(wgx_peer_name_problem(longest));
	longest[WGX_PEER_NAME_MAX] = 0;
	assert_null(wgx_peer_name_problem(longest));
}

static void test_names(void **state)
{
	struct fake *f = fake_create("wg0"), *g = fake_create("wg1");
	struct wgx_peer *a = add_peer(f, 1), *b = add_peer(f, 2), *other = add_peer(g, 1);

	assert_null(wgx_peer_name(a));
	assert_null(wgx_device_find_named(f->dev, "A"));
	assert_int_equal(wgx_peer_set_name(a, "A"), 0);
	assert_int_equal(wgx_peer_set_name(a, "A"), 0);
	assert_int_equal(wgx_peer_set_name(b, "A"), -EEXIST);
	assert_int_equal(wgx_peer_set_name(a, "A A"), -EINVAL);
	assert_string_equal(wgx_peer_name(a), "A");
	assert_null(wgx_peer_name(b));
	assert_ptr_equal(wgx_device_find_named(f->dev, "A"), a);
	assert_int_equal(wgx_peer_set_name(other, "A"), 0); /* another interface's */
	assert_ptr_equal(wgx_device_find_named(g->dev, "A"), other);

	assert_int_equal(wgx_peer_set_name(a, "A2"), 0); /* the old name is free */
	assert_null(wgx_device_find_named(f->dev, "A"));
	assert_int_equal(wgx_peer_set_name(b, "A"), 0);
	assert_int_equal(wgx_peer_set_name(b, NULL), 0);
	assert_int_equal(wgx_peer_set_name(b, NULL), 0);
	assert_null(wgx_peer_name(b));

	wgx_peer_remove(a); /* and so is that of a peer that goes */
	assert_null(wgx_device_find_named(f->dev, "A2"));
	assert_int_equal(wgx_peer_set_name(b, "A2"), 0);
	a = add_peer(f, 1);
	assert_null(wgx_peer_name(a));
	fake_destroy(f);
	assert_ptr_equal(wgx_device_find_named(g->dev, "A"), other);
	fake_destroy(g);
}

static void test_many_names(void **state)
{
	struct fake *f = fake_create("wg0");
	char name[16];

	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "peer%u", i);
		assert_int_equal(wgx_peer_set_name(add_peer(f, i), name), 0);
	}
	for (uint32_t i = 0; i < 1000; i += 2) {
		snprintf(name, sizeof(name), "peer%u", i);
		wgx_peer_remove(wgx_device_find_named(f->dev, name));
	}
	for (uint32_t i = 0; i < 1000; i++) {
		struct wgx_peer *peer;

		snprintf(name, sizeof(name), "peer%u", i);
		peer = wgx_device_find_named(f->dev, name);
		assert_true(i % 2 ? peer && !strcmp(wgx_peer_name(peer), name) : !peer);
	}
	fake_destroy(f);
}

/* ---- allowed IPs ---- */

static void test_prefixes_move(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *a = add_peer(f, 1), *b = add_peer(f, 2);
	struct wgx_prefix p = fake_prefix("10.9.9.9/8"), bad = fake_prefix("1.2.3.4/33");

	add_prefix(a, "10.0.0.0/8");
	assert_int_equal(f->prefix_changes, 1);
	add_prefix(a, "10.1.2.3/8"); /* the same: no news for the mirror */
	assert_int_equal(f->prefix_changes, 1);
	add_prefix(b, "10.0.0.0/8");
	assert_int_equal(f->prefix_changes, 2);
	assert_int_equal(a->allowed.count, 0);
	assert_ptr_equal(route(f, "10.0.0.1"), b);
	fake_check(f);

	assert_int_equal(wgx_peer_remove_prefix(a, &p), -ENOENT);
	assert_int_equal(wgx_peer_remove_prefix(b, &p), 0);
	assert_null(route(f, "10.0.0.1"));
	assert_int_equal(wgx_peer_add_prefix(a, &bad), -EINVAL);
	assert_int_equal(wgx_peer_remove_prefix(a, &bad), -EINVAL);
	fake_check(f);
	fake_destroy(f);
}

static void test_replace_prefixes(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *a = add_peer(f, 1);

	add_prefix(a, "10.0.0.0/24");
	add_prefix(a, "10.0.1.0/24");
	wgx_peer_replace_begin(a);
	assert_ptr_equal(route(f, "10.0.0.1"), a); /* no packet is lost meanwhile */
	add_prefix(a, "10.0.1.0/24");
	add_prefix(a, "10.0.2.0/24");
	wgx_peer_replace_end(a);
	assert_null(route(f, "10.0.0.1"));
	assert_ptr_equal(route(f, "10.0.1.1"), a);
	assert_ptr_equal(route(f, "10.0.2.1"), a);
	assert_int_equal(f->prefix_changes, 4); /* three additions, one removal */
	fake_check(f);

	wgx_peer_replace_begin(a);
	add_prefix(a, "10.0.3.0/24");
	wgx_peer_replace_abort(a);
	assert_int_equal(a->allowed.count, 3);
	fake_check(f);
	fake_destroy(f);
}

/* ---- sockets ---- */

static void test_sockets(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_device *dev = f->dev;
	struct wgx_peer *peer = add_peer(f, 1);
	struct wgx_endpoint e = fake_endpoint("1.2.3.4:5"), got;

	/* down: nothing is opened */
	assert_int_equal(wgx_device_set_listen_port(dev, 5555), 0);
	assert_int_equal(wgx_device_set_fwmark(dev, 7), 0);
	assert_int_equal(f->rebinds, 0);
	f->rebind_err = -EADDRINUSE;
	assert_int_equal(wgx_device_up(dev), -EADDRINUSE);
	assert_false(dev->up);
	f->rebind_err = 0;
	assert_int_equal(wgx_device_up(dev), 0);
	assert_true(dev->up && f->rebinds == 2 && f->port == 5555 && f->fwmark == 7);
	assert_int_equal(wgx_device_up(dev), 0);
	assert_int_equal(f->rebinds, 2);

	/* up: what does not change does nothing, what fails changes nothing */
	e.src4.s_addr = htonl(0x7f000001);
	wgx_endpoint_write(&peer->endpoint, &e);
	assert_int_equal(wgx_device_set_sockets(dev, 5555, 7), 0);
	assert_int_equal(f->rebinds, 2);
	f->rebind_err = -EADDRINUSE;
	assert_int_equal(wgx_device_set_sockets(dev, 5556, 8), -EADDRINUSE);
	assert_int_equal(wgx_device_set_fwmark(dev, 9), -EADDRINUSE);
	assert_true(dev->listen_port == 5555 && dev->fwmark == 7);
	wgx_endpoint_read(&peer->endpoint, &got);
	assert_true(wgx_endpoint_equal(&got, &e));

	/* one rebind for both; the sticky source goes (P-DT-10) */
	f->rebind_err = 0;
	f->rebinds = 0;
	assert_int_equal(wgx_device_set_sockets(dev, 5556, 8), 0);
	assert_true(f->rebinds == 1 && f->port == 5556 && f->fwmark == 8);
	assert_true(dev->listen_port == 5556 && dev->fwmark == 8);
	wgx_endpoint_read(&peer->endpoint, &got);
	assert_int_equal(got.src4.s_addr, 0);
	assert_true(wgx_endpoint_same_destination(&got, &e));
	assert_int_equal(wgx_device_set_listen_port(dev, 0), 0);
	assert_int_equal(dev->listen_port, 40000); /* the one that was chosen */

	/* down: they are closed, once; up again: with the port that was chosen */
	f->rebinds = f->unbinds = 0;
	wgx_device_down(dev);
	assert_true(f->unbinds == 1 && f->port == 0 && dev->listen_port == 40000);
	wgx_device_down(dev);
	assert_int_equal(f->unbinds, 1);
	assert_int_equal(wgx_device_set_fwmark(dev, 0), 0);
	assert_int_equal(f->rebinds, 0);
	assert_int_equal(wgx_device_up(dev), 0);
	assert_true(f->rebinds == 1 && f->port == 40000 && f->fwmark == 0);
	fake_destroy(f);
}

static void test_configured_endpoint(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *peer = add_peer(f, 1);
	struct wgx_endpoint e = fake_endpoint("1.2.3.4:5"), sticky = e, got;

	f->peer_changes = 0;
	wgx_peer_set_endpoint(peer, &e);
	assert_int_equal(f->peer_changes, 1);
	sticky.src4.s_addr = htonl(0x7f000001);
	wgx_endpoint_write(&peer->endpoint, &sticky);
	wgx_peer_set_endpoint(peer, &e);
	assert_int_equal(f->peer_changes, 1);
	wgx_endpoint_read(&peer->endpoint, &got);
	assert_true(wgx_endpoint_equal(&got, &sticky));
	e = fake_endpoint("[2001:db8::1]:5");
	wgx_peer_set_endpoint(peer, &e);
	assert_int_equal(f->peer_changes, 2);
	wgx_endpoint_read(&peer->endpoint, &got);
	assert_true(wgx_endpoint_equal(&got, &e));
	fake_destroy(f);
}

/* ---- two interfaces that shake hands through the upcalls ---- */

struct pair {
	struct fake *a, *b;
	struct wgx_peer *ab, *ba; /* b as a's peer, a as b's */
	struct wgx_endpoint at_a, at_b;
};

static void pair_up(struct pair *p)
{
	uint8_t key_a[WGX_KEY_LEN], key_b[WGX_KEY_LEN];

	*p = (struct pair){.a = fake_create("wga"), .b = fake_create("wgb")};
	randombytes_buf(key_a, sizeof(key_a));
	randombytes_buf(key_b, sizeof(key_b));
	wgx_device_set_private_key(p->a->dev, key_a);
	wgx_device_set_private_key(p->b->dev, key_b);
	assert_int_equal(wgx_peer_create(p->a->dev, p->b->dev->local->public_key, &p->ab), 0);
	assert_int_equal(wgx_peer_create(p->b->dev, p->a->dev->local->public_key, &p->ba), 0);
	assert_int_equal(wgx_device_up(p->a->dev), 0);
	assert_int_equal(wgx_device_up(p->b->dev), 0);
	p->at_a = fake_endpoint("192.0.2.1:1000");
	p->at_b = fake_endpoint("192.0.2.2:2000");
	wgx_peer_set_endpoint(p->ab, &p->at_b);
}

static void pair_down(struct pair *p)
{
	fake_destroy(p->a);
	fake_destroy(p->b);
}

static enum wgx_handshake_result deliver_as(struct fake *to, const struct fake *sender,
					    const struct wgx_endpoint *from,
					    struct wgx_session **ret_session)
{
	struct wgx_now now = wgx_now();
	struct wgx_from f;

	wgx_endpoint_from(from, &f);
	return receive_handshake(to->dev->local, sender->handshake, sender->handshake_len, &f,
				 false, &now, ret_session);
}

static enum wgx_handshake_result deliver(struct fake *to, const struct fake *sender,
					 const struct wgx_endpoint *from)
{
	return deliver_as(to, sender, from, NULL);
}

static void shake_hands(struct pair *p)
{
	struct wgx_now now = wgx_now();

	wgx_session_want_handshake(&p->ab->session, now.boot);
	wgx_session_run(&p->ab->session, &now);
	assert_int_equal(p->a->handshakes, 1);
	assert_int_equal(deliver(p->b, p->a, &p->at_a), WGX_HS_OK);
	assert_int_equal(p->b->handshakes, 1);
	assert_int_equal(deliver(p->a, p->b, &p->at_b), WGX_HS_OK);
}

static void test_handshake(void **state)
{
	uint64_t boot = wgx_now().boot;
	struct wgx_keypair *ours, *theirs, *found = NULL;
	struct wgx_endpoint got;
	struct pair p;

	pair_up(&p);
	shake_hands(&p);
	assert_true(p.a->wakes > 0);
	assert_int_equal(p.a->flushes, 1);
	ours = wgx_session_sending_key(&p.ab->session, boot);
	theirs = p.ba->session.keypairs.next; /* not confirmed yet (P-HS-7) */
	assert_non_null(ours);
	assert_non_null(theirs);
	assert_memory_equal(ours->send_key, theirs->recv_key, WGX_KEY_LEN);
	assert_memory_equal(ours->recv_key, theirs->send_key, WGX_KEY_LEN);

	/* receiver indices lead to peer and keypair, and stand in the mirror */
	assert_int_equal(p.a->n_receivers, 1);
	assert_int_equal(p.a->receivers[0], ours->local_index);
	assert_int_equal(p.b->n_receivers, 1);
	assert_ptr_equal(wgx_index_find(fake_index, ours->local_index, &found), p.ab);
	assert_ptr_equal(found, ours);
	assert_ptr_equal(wgx_index_find(fake_index, ours->remote_index, &found), p.ba);
	assert_ptr_equal(found, theirs);

	/* b has learnt where a is */
	wgx_endpoint_read(&p.ba->endpoint, &got);
	assert_true(wgx_endpoint_equal(&got, &p.at_a));
	pair_down(&p);
}

/* An index of one interface means nothing to another one of the same daemon. */
static void test_index_of_another_interface(void **state)
{
	struct wgx_keypair *kp = NULL;
	struct pair p;
	uint32_t index;

	pair_up(&p);
	shake_hands(&p);
	index = p.a->receivers[0];
	assert_ptr_equal(wgx_device_upcalls.find_index(p.a->dev, index, &kp), &p.ab->session);
	assert_ptr_equal(kp, wgx_session_sending_key(&p.ab->session, wgx_now().boot));
	assert_null(wgx_device_upcalls.find_index(p.b->dev, index, &kp));
	pair_down(&p);
}

static void test_down_stops_sessions(void **state)
{
	struct wgx_now now = wgx_now();
	struct wgx_keypair *found;
	struct wgx_endpoint got;
	uint32_t index;
	struct pair p;

	pair_up(&p);
	shake_hands(&p);
	index = p.a->receivers[0];
	p.ab->stages = true;
	wgx_device_down(p.a->dev);
	assert_false(p.a->dev->up);
	assert_null(wgx_session_sending_key(&p.ab->session, now.boot));
	assert_null(wgx_index_find(fake_index, index, &found));
	assert_int_equal(p.a->n_receivers, 0);
	assert_int_equal(p.a->drops, 1);
	wgx_device_down(p.b->dev);
	assert_int_equal(p.b->drops, 0); /* it never had any packets to keep */
	assert_int_equal(wgx_device_up(p.b->dev), 0);
	wgx_endpoint_read(&p.ab->endpoint, &got);
	assert_true(wgx_endpoint_same_destination(&got, &p.at_b));

	p.a->handshakes = 0;
	wgx_session_want_handshake(&p.ab->session, now.boot);
	wgx_session_run(&p.ab->session, &now);
	assert_int_equal(p.a->handshakes, 0);
	pair_down(&p);
}

/* P-HS-8 */
static void test_private_key(void **state)
{
	uint8_t key[WGX_KEY_LEN], unclamped[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	static const uint8_t zero[WGX_KEY_LEN];
	struct wgx_keypair *kp;
	struct wgx_peer *peer;
	struct pair p;

	pair_up(&p);
	shake_hands(&p);
	assert_int_equal(p.a->identity_changes, 1);
	kp = wgx_session_sending_key(&p.ab->session, wgx_now().boot);

	/* the same key again, clamped or not, leaves the session alone */
	memcpy(key, p.a->dev->local->private_key, sizeof(key));
	memcpy(unclamped, key, sizeof(key));
	unclamped[0] |= 7;
	wgx_device_set_private_key(p.a->dev, key);
	wgx_device_set_private_key(p.a->dev, unclamped);
	assert_ptr_equal(wgx_session_sending_key(&p.ab->session, wgx_now().boot), kp);
	assert_int_equal(p.a->identity_changes, 1);

	/* our own key is no peer */
	assert_int_equal(wgx_peer_create(p.a->dev, p.a->dev->local->public_key, &peer),
			 -EADDRNOTAVAIL);

	/* a new key ends what we send under, and removes the peer that we have become */
	randombytes_buf(key, sizeof(key));
	wgx_public_key(public_key, key);
	assert_int_equal(wgx_peer_create(p.a->dev, public_key, &peer), 0);
	wgx_device_set_private_key(p.a->dev, key);
	assert_memory_equal(p.a->dev->local->public_key, public_key, sizeof(public_key));
	assert_memory_equal(p.a->public_key, public_key, sizeof(public_key));
	assert_true(p.a->has_public_key);
	assert_null(wgx_device_find_peer(p.a->dev, public_key));
	assert_int_equal(p.a->dev->n_peers, 1);
	assert_null(wgx_session_sending_key(&p.ab->session, wgx_now().boot));

	wgx_device_set_private_key(p.a->dev, zero);
	assert_false(p.a->dev->local->has_identity);
	assert_true(wgx_is_zero(p.a->dev->local->private_key, WGX_KEY_LEN));
	assert_false(p.a->has_public_key);
	wgx_device_set_private_key(p.a->dev, zero);
	assert_int_equal(p.a->identity_changes, 3);
	assert_int_equal(wgx_peer_create(p.a->dev, public_key, &peer), 0);
	pair_down(&p);
}

/* A key that the other end takes beside the old one: what is sent under that goes on, and a handshake begins. */
static void test_key_succeeds(void **state)
{
	uint8_t key[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	static const uint8_t zero[WGX_KEY_LEN];
	struct wgx_keypair *kp;
	struct wgx_now now;
	struct wgx_peer *successor;
	struct pair p;

	pair_up(&p);
	shake_hands(&p);
	kp = wgx_session_sending_key(&p.ab->session, wgx_now().boot);
	randombytes_buf(key, sizeof(key));
	wgx_public_key(public_key, key);
	assert_int_equal(wgx_peer_create(p.b->dev, public_key, &successor), 0);
	wgx_device_succeed_private_key(p.a->dev, key);
	assert_memory_equal(p.a->dev->local->public_key, public_key, sizeof(public_key));
	assert_ptr_equal(wgx_session_sending_key(&p.ab->session, wgx_now().boot), kp);

	p.a->handshakes = p.b->handshakes = 0;
	now = wgx_now();
	wgx_session_run(&p.ab->session, &now);
	assert_int_equal(p.a->handshakes, 1);
	assert_int_equal(deliver(p.b, p.a, &p.at_a), WGX_HS_OK);
	assert_non_null(successor->session.keypairs.next);
	assert_int_equal(deliver(p.a, p.b, &p.at_b), WGX_HS_OK);
	assert_ptr_not_equal(wgx_session_sending_key(&p.ab->session, wgx_now().boot), kp);

	/* none is no successor */
	wgx_device_succeed_private_key(p.a->dev, zero);
	assert_null(wgx_session_sending_key(&p.ab->session, wgx_now().boot));
	pair_down(&p);
}

static void test_removed_in_session(void **state)
{
	struct pair p;

	pair_up(&p);
	shake_hands(&p);
	wgx_peer_remove(p.ab);
	assert_int_equal(p.a->n_receivers, 0);
	fake_check(p.a);
	/* and a newcomer on a link that is up starts at once */
	assert_int_equal(wgx_peer_create(p.a->dev, p.b->dev->local->public_key, &p.ab), 0);
	wgx_peer_set_endpoint(p.ab, &p.at_b);
	p.a->wakes = 0;
	wgx_peer_set_keepalive(p.ab, 25);
	assert_int_equal(p.ab->keepalive, 25);
	assert_true(p.a->wakes > 0);
	pair_down(&p);
}

/* ---- what is left of a session: P-TM-6, P-HS-10 ---- */

static struct scan scan;
static const struct pair *watched; /* whose Diffie-Hellman operations are looked at */

/* libsodium's function through one of the same name: ephemeral private keys and results are secrets. */
int crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	static int (*real)(unsigned char *q, const unsigned char *n, const unsigned char *p);
	int err;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "crypto_scalarmult_curve25519");
	assert_non_null(real);
	err = real(q, n, p);
	if (!watched)
		return err;
	scan_for(&scan, "a Diffie-Hellman result", q);
	if (memcmp(n, watched->a->dev->local->private_key, WGX_KEY_LEN) &&
	    memcmp(n, watched->b->dev->local->private_key, WGX_KEY_LEN))
		scan_for(&scan, "an ephemeral private key", n);
	return err;
}

/* Each step of the handshake has a stack of its own, which nothing writes over afterwards. */
static uint8_t stacks[3][SCAN_STACK];
static struct pair *stepping;

static void initiate_step(void)
{
	const struct wgx_now now = wgx_now();

	wgx_session_want_handshake(&stepping->ab->session, now.boot);
	wgx_session_run(&stepping->ab->session, &now);
}

static void respond_step(void)
{
	deliver(stepping->b, stepping->a, &stepping->at_a);
}

static void finish_step(void)
{
	deliver(stepping->a, stepping->b, &stepping->at_b);
}

static void shake_hands_in_steps(struct pair *p)
{
	stepping = p;
	scan_on_stack(stacks[0], initiate_step);
	scan_on_stack(stacks[1], respond_step);
	scan_on_stack(stacks[2], finish_step);
	assert_int_equal(p->a->handshakes + p->b->handshakes, 2);
}

static void use_keypair(struct pair *p, struct wgx_keypair *ours, struct wgx_keypair *theirs)
{
	const uint64_t boot = wgx_now().boot;
	uint8_t msg[16 + WGX_DATA_OVERHEAD], plain[16] = {0};

	assert_int_equal(wgx_data_seal(ours, plain, sizeof(plain), boot, msg), 0);
	assert_int_equal(wgx_data_open(theirs, msg, sizeof(msg), boot, plain), 0);
	wgx_session_note_received(&p->ba->session, theirs, boot, true);
	wgx_session_note_sent(&p->ab->session, ours, boot, true);
	/* and a keepalive back, so that nobody waits for anything */
	wgx_session_note_sent(&p->ba->session, theirs, boot, false);
	wgx_session_note_received(&p->ab->session, ours, boot, false);
}

static void zero(struct wgx_session *s, const struct wgx_now *now)
{
	wgx_session_run(s, now);
	assert_null(atomic_load(&s->keypairs.current));
	assert_int_equal(s->handshake.state, WGX_HS_ZEROED);
}

static void test_nothing_is_left(void **state)
{
	struct wgx_keypair *ours, *theirs;
	struct wgx_now now;
	struct pair p;

#ifdef WGX_SANITIZE
	skip(); /* it has gigabytes of its own to look through */
#endif
	pair_up(&p);
	/* static-static stays */
	wgx_handshake_prepare(&p.ab->session.handshake, p.a->dev->local->private_key);
	wgx_handshake_prepare(&p.ba->session.handshake, p.b->dev->local->private_key);
	memset(&scan, 0, sizeof(scan));
	watched = &p;
	shake_hands_in_steps(&p);
	watched = NULL;
	assert_int_equal(scan.n,
			 6 + 4); /* es, ee and se at both ends; two ephemeral keys, twice each */
	now = wgx_now();
	ours = wgx_session_sending_key(&p.ab->session, now.boot);
	theirs = p.ba->session.keypairs.next;
	use_keypair(&p, ours, theirs);
	wgx_session_run(&p.ba->session, &now);
	assert_ptr_equal(atomic_load(&p.ba->session.keypairs.current), theirs);
	assert_int_equal(scan_memory(&scan), 0); /* the handshake's are gone already */

	scan_for(&scan, "a transport key", ours->send_key);
	scan_for(&scan, "a transport key", ours->recv_key);
	assert_true(scan_memory(&scan) >= 4); /* at both ends: it does find */

	now.boot += WGX_ZERO_AFTER;
	zero(&p.ab->session, &now);
	zero(&p.ba->session, &now);
	wgx_rcu_synchronize();
	wgx_rcu_barrier();
	assert_int_equal(scan_memory(&scan), 0);
	pair_down(&p);
}

/* A message that is refused names the peer that it claims to be of, if it names one: for the counts. */
static void test_claimed_peer(void **state)
{
	struct wgx_session *s = NULL;
	struct wgx_now now = wgx_now();
	struct pair p;

	pair_up(&p);
	wgx_session_want_handshake(&p.ab->session, now.boot);
	wgx_session_run(&p.ab->session, &now);
	assert_int_equal(deliver_as(p.b, p.a, &p.at_a, &s), WGX_HS_OK);
	assert_ptr_equal(s, &p.ba->session);
	s = NULL;
	assert_int_not_equal(deliver_as(p.b, p.a, &p.at_a, &s), WGX_HS_OK); /* a replay */
	assert_ptr_equal(s, &p.ba->session);
	s = NULL;
	assert_int_equal(deliver_as(p.a, p.b, &p.at_b, &s), WGX_HS_OK);
	assert_ptr_equal(s, &p.ab->session);
	s = NULL;
	assert_int_equal(deliver_as(p.a, p.b, &p.at_b, &s), WGX_HS_INVALID);
	assert_ptr_equal(s, &p.ab->session);
	s = NULL;
	p.a->handshake[p.a->handshake_len - 20] ^= 1; /* mac1: nothing else is looked at */
	assert_int_equal(deliver_as(p.b, p.a, &p.at_a, &s), WGX_HS_INVALID);
	assert_null(s);
	pair_down(&p);
}

/* Under load an initiation is answered with a cookie, to where it came from. */
static void test_cookie_reply(void **state)
{
	struct wgx_now now = wgx_now();
	struct wgx_session *s = NULL;
	struct wgx_from from;
	struct pair p;

	pair_up(&p);
	wgx_session_want_handshake(&p.ab->session, now.boot);
	wgx_session_run(&p.ab->session, &now);
	wgx_endpoint_from(&p.at_a, &from);
	assert_int_equal(receive_handshake(p.b->dev->local, p.a->handshake, p.a->handshake_len,
					   &from, true, &now, &s),
			 WGX_HS_NO_COOKIE);
	assert_int_equal(p.b->replies, 1);
	assert_int_equal(p.b->reply_len, sizeof(struct wgx_msg_cookie));
	assert_true(wgx_endpoint_equal(&p.b->reply_to, &p.at_a));
	wgx_endpoint_read(&p.ba->endpoint, &p.at_b);
	assert_int_equal(p.at_b.addr.sa.sa_family, AF_UNSPEC); /* nothing was believed */
	pair_down(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lowest_free_id),
		cmocka_unit_test(test_create_twice),
		cmocka_unit_test(test_removed_peer),
		cmocka_unit_test(test_peer_outlives_device),
		cmocka_unit_test(test_name_rule),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_many_names),
		line_test("P-UA-5", test_prefixes_move),
		cmocka_unit_test(test_replace_prefixes),
		line_test("P-DT-10 P-DT-11", test_sockets),
		cmocka_unit_test(test_configured_endpoint),
		line_test("P-HS-7", test_handshake),
		line_test("P-HS-5", test_index_of_another_interface),
		cmocka_unit_test(test_down_stops_sessions),
		line_test("P-HS-8", test_private_key),
		cmocka_unit_test(test_key_succeeds),
		line_test("P-HS-5", test_removed_in_session),
		line_test("P-TM-6 P-HS-10", test_nothing_is_left),
		line_test("P-DOS-2", test_cookie_reply),
		cmocka_unit_test(test_claimed_peer),
	};

	return cmocka_run_group_tests_name("device", tests, fake_setup, fake_teardown);
}
