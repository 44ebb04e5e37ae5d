/* SPDX-License-Identifier: MIT */
/* The model: identity, peers and their lives, sockets, mirrors, and what the protocol asks of it. */
#include "fake_device.h"

#include <stdbool.h>
#include "device/model.h"
#include "proto/crypto.h"

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
	struct wgx_allowedips_owner stale;

	add_prefix(a, "10.0.0.0/24");
	add_prefix(a, "10.0.1.0/24");
	wgx_peer_replace_begin(a, &stale);
	assert_ptr_equal(route(f, "10.0.0.1"), a); /* no packet is lost meanwhile */
	add_prefix(a, "10.0.1.0/24");
	add_prefix(a, "10.0.2.0/24");
	wgx_peer_replace_end(a, &stale);
	assert_null(route(f, "10.0.0.1"));
	assert_ptr_equal(route(f, "10.0.1.1"), a);
	assert_ptr_equal(route(f, "10.0.2.1"), a);
	assert_int_equal(f->prefix_changes, 4); /* three additions, one removal */
	fake_check(f);

	wgx_peer_replace_begin(a, &stale);
	add_prefix(a, "10.0.3.0/24");
	wgx_peer_replace_abort(a, &stale);
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

	/* down and up again: the sockets are still right */
	f->rebinds = 0;
	wgx_device_down(dev);
	assert_int_equal(wgx_device_up(dev), 0);
	assert_int_equal(f->rebinds, 0);
	wgx_device_down(dev);
	assert_int_equal(wgx_device_set_fwmark(dev, 0), 0);
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

static enum wgx_handshake_result deliver(struct fake *to, const struct fake *sender,
					 const struct wgx_endpoint *from)
{
	struct wgx_session *s = NULL;
	struct wgx_now now = wgx_now();
	struct wgx_from f;

	wgx_endpoint_from(from, &f);
	return wgx_receive_handshake(to->dev->local, sender->handshake, sender->handshake_len, &f,
				     false, &now, &s);
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
	wgx_device_down(p.a->dev);
	assert_false(p.a->dev->up);
	assert_null(wgx_session_sending_key(&p.ab->session, now.boot));
	assert_null(wgx_index_find(fake_index, index, &found));
	assert_int_equal(p.a->n_receivers, 0);
	assert_int_equal(p.a->drops, 1);
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
	kp = wgx_session_sending_key(&p.ab->session, wgx_now().boot);

	/* the same key again, clamped or not, leaves the session alone */
	memcpy(key, p.a->dev->local->private_key, sizeof(key));
	memcpy(unclamped, key, sizeof(key));
	unclamped[0] |= 7;
	wgx_device_set_private_key(p.a->dev, key);
	wgx_device_set_private_key(p.a->dev, unclamped);
	assert_ptr_equal(wgx_session_sending_key(&p.ab->session, wgx_now().boot), kp);

	/* our own key is no peer */
	assert_int_equal(wgx_peer_create(p.a->dev, p.a->dev->local->public_key, &peer),
			 -EADDRNOTAVAIL);

	/* a new key ends what we send under, and removes the peer that we have become */
	randombytes_buf(key, sizeof(key));
	wgx_public_key(public_key, key);
	assert_int_equal(wgx_peer_create(p.a->dev, public_key, &peer), 0);
	wgx_device_set_private_key(p.a->dev, key);
	assert_memory_equal(p.a->dev->local->public_key, public_key, sizeof(public_key));
	assert_null(wgx_device_find_peer(p.a->dev, public_key));
	assert_int_equal(p.a->dev->n_peers, 1);
	assert_null(wgx_session_sending_key(&p.ab->session, wgx_now().boot));

	wgx_device_set_private_key(p.a->dev, zero);
	assert_false(p.a->dev->local->has_identity);
	assert_true(wgx_is_zero(p.a->dev->local->private_key, WGX_KEY_LEN));
	wgx_device_set_private_key(p.a->dev, zero);
	assert_int_equal(wgx_peer_create(p.a->dev, public_key, &peer), 0);
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
	assert_int_equal(wgx_receive_handshake(p.b->dev->local, p.a->handshake, p.a->handshake_len,
					       &from, true, &now, &s),
			 WGX_HS_COOKIE_SENT);
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
		cmocka_unit_test(test_prefixes_move),
		cmocka_unit_test(test_replace_prefixes),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_configured_endpoint),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_index_of_another_interface),
		cmocka_unit_test(test_down_stops_sessions),
		cmocka_unit_test(test_private_key),
		cmocka_unit_test(test_removed_in_session),
		cmocka_unit_test(test_cookie_reply),
	};

	return cmocka_run_group_tests_name("device", tests, fake_setup, fake_teardown);
}
