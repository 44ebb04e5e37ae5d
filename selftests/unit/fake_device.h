/* SPDX-License-Identifier: MIT */
/*
 * An interface with nothing around it: the ops record what the model asks for, and keep what BPF maps
 * would hold, so that a test can compare the mirror with the model.
 */
#ifndef WGX_SELFTESTS_FAKE_DEVICE_H
#define WGX_SELFTESTS_FAKE_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "device/device.h"
#include "device/secmem.h"

#ifndef FAKE_BUCKETS
#define FAKE_BUCKETS 65536
#endif
#define FAKE_RECEIVERS 64
#define FAKE_IDS 4096
#define FAKE_MSG_MAX 256

struct fake_prefix {
	struct fake_prefix *next;
	struct wgx_prefix prefix;
	const struct wgx_peer *peer;
};

struct fake {
	struct wgx_device *dev;
	/* sockets */
	int rebinds, rebind_err, unbinds;
	uint16_t port;
	uint32_t fwmark;
	/* workers */
	unsigned int flushes, keepalives, drops, wakes;
	/* messages: the last one of each kind */
	unsigned int handshakes, replies;
	uint8_t handshake[FAKE_MSG_MAX], reply[FAKE_MSG_MAX];
	size_t handshake_len, reply_len;
	struct wgx_endpoint reply_to;
	uint8_t stamp[WGX_TIMESTAMP_LEN]; /* the latest that was reserved */
	/* mirrors */
	struct fake_prefix **prefixes;
	struct fake_prefix *spare; /* the fake must not be what fails in a test without memory */
	unsigned int n_prefixes, prefix_changes;
	const struct wgx_peer *peers[FAKE_IDS];
	unsigned int n_peers, peer_changes;
	uint32_t receivers[FAKE_RECEIVERS];
	unsigned int n_receivers;
	uint8_t public_key[WGX_KEY_LEN]; /* whose mac1 is right */
	bool has_public_key;
	unsigned int identity_changes;
};

static _Atomic unsigned int fake_staged_freed;

static struct wgx_index *fake_index;

static inline struct fake *fake_of(const struct wgx_device *dev)
{
	return dev->env;
}

static inline int fake_rebind(struct wgx_device *dev, uint16_t port, uint32_t fwmark,
			      uint16_t *ret_port)
{
	struct fake *f = fake_of(dev);

	f->rebinds++;
	if (f->rebind_err)
		return f->rebind_err;
	f->port = *ret_port = port ? port : 40000;
	f->fwmark = fwmark;
	return 0;
}

static inline void fake_unbind(struct wgx_device *dev)
{
	struct fake *f = fake_of(dev);

	f->unbinds++;
	f->port = 0;
}

static inline bool fake_receiver_is_mirrored(const struct fake *f, uint32_t index)
{
	for (unsigned int i = 0; i < f->n_receivers; i++)
		if (f->receivers[i] == index)
			return true;
	return false;
}

/* BPF drops a cookie reply for an index that it does not know: it is to be told before anybody else. */
static inline void fake_send_handshake(struct wgx_device *dev, struct wgx_peer *peer,
				       const void *msg, size_t len)
{
	struct fake *f = fake_of(dev);
	__le32 sender; /* stands there in an initiation and in a response */

	assert_true(dev->up && !peer->dead && len <= FAKE_MSG_MAX);
	f->handshakes++;
	memcpy(f->handshake, msg, len);
	memcpy(&sender, (const uint8_t *)msg + sizeof(__le32), sizeof(sender));
	assert_true(fake_receiver_is_mirrored(f, le32toh(sender)));
	f->handshake_len = len;
}

static inline void fake_send_reply(struct wgx_device *dev, const struct wgx_endpoint *to,
				   const void *msg, size_t len)
{
	struct fake *f = fake_of(dev);

	assert_true(dev->up && len <= FAKE_MSG_MAX);
	f->replies++;
	f->reply_to = *to;
	memcpy(f->reply, msg, len);
	f->reply_len = len;
}

static inline void fake_seal_command(struct wgx_device *dev, struct wgx_peer *peer,
				     uint32_t commands)
{
	struct fake *f = fake_of(dev);

	f->flushes += !!(commands & WGX_SEAL_FLUSH);
	f->keepalives += !!(commands & WGX_SEAL_KEEPALIVE);
	f->drops += !!(commands & WGX_SEAL_DROP);
}

static inline void fake_stamp_floor(struct wgx_device *dev, uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	wgx_stamp_raise(stamp, fake_of(dev)->stamp);
}

static inline void fake_stamp_reserve(struct wgx_device *dev,
				      const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	wgx_stamp_raise(fake_of(dev)->stamp, stamp);
}

static inline void fake_wake(struct wgx_device *dev, struct wgx_peer *peer)
{
	fake_of(dev)->wakes++;
}

static inline void fake_free_staged(struct wgx_staged *staged)
{
	if (staged)
		fake_staged_freed++;
}

static inline struct fake_prefix **fake_find_prefix(struct fake *f, const struct wgx_prefix *p)
{
	uint32_t hash = 2166136261u;
	struct fake_prefix **at;

	for (size_t i = 0; i < sizeof(*p); i++)
		hash = (hash ^ ((const uint8_t *)p)[i]) * 16777619;
	at = &f->prefixes[(hash ^ hash >> 16) % FAKE_BUCKETS];
	while (*at && memcmp(&(*at)->prefix, p, sizeof(*p)))
		at = &(*at)->next;
	return at;
}

static inline void fake_reserve(struct fake *f, unsigned int n)
{
	struct fake_prefix *p;

	while (n--) {
		p = calloc(1, sizeof(*p));
		assert_non_null(p);
		p->next = f->spare;
		f->spare = p;
	}
}

static inline void fake_mirror_prefix(struct wgx_device *dev, const struct wgx_prefix *prefix,
				      const struct wgx_peer *peer)
{
	struct fake *f = fake_of(dev);
	struct fake_prefix **at = fake_find_prefix(f, prefix), *old = *at;

	f->prefix_changes++;
	if (!peer) {
		assert_non_null(old); /* as bpf_map_delete_elem() would fail */
		*at = old->next;
		old->next = f->spare;
		f->spare = old;
		f->n_prefixes--;
		return;
	}
	if (!old) {
		if (!f->spare)
			fake_reserve(f, 1);
		old = *at = f->spare;
		f->spare = old->next;
		old->next = NULL;
		old->prefix = *prefix;
		f->n_prefixes++;
	}
	old->peer = peer;
}

static inline void fake_mirror_peer(struct wgx_device *dev, const struct wgx_peer *peer,
				    enum wgx_peer_news news)
{
	struct fake *f = fake_of(dev);

	assert_true(peer->id < FAKE_IDS);
	assert_ptr_equal(f->peers[peer->id], news == WGX_PEER_NEW ? NULL : peer);
	if (news > WGX_PEER_GONE)
		return; /* not of the model */
	f->peer_changes++;
	f->peers[peer->id] = news == WGX_PEER_GONE ? NULL : peer;
	f->n_peers += (news == WGX_PEER_NEW) - (news == WGX_PEER_GONE);
}

static inline void fake_mirror_prefixes(struct wgx_device *dev, bool all)
{
}

static inline void fake_mirror_peers(struct wgx_device *dev)
{
}

static inline void fake_mirror_receiver(struct wgx_device *dev, uint32_t index,
					const struct wgx_peer *peer)
{
	struct fake *f = fake_of(dev);
	unsigned int i = 0;

	while (i < f->n_receivers && f->receivers[i] != index)
		i++;
	if (peer) {
		assert_true(i == f->n_receivers && i < FAKE_RECEIVERS);
		f->receivers[f->n_receivers++] = index;
	} else {
		assert_true(i < f->n_receivers);
		f->receivers[i] = f->receivers[--f->n_receivers];
	}
}

/* BPF drops what has another's mac1: what is right with the new key must not meet the old one there. */
static inline void fake_mirror_identity(struct wgx_device *dev, const uint8_t *public_key)
{
	struct fake *f = fake_of(dev);

	assert_int_equal(f->has_public_key, dev->local->has_identity);
	assert_memory_equal(f->public_key, dev->local->public_key, WGX_KEY_LEN);
	f->identity_changes++;
	f->has_public_key = public_key;
	memset(f->public_key, 0, sizeof(f->public_key));
	if (public_key)
		memcpy(f->public_key, public_key, sizeof(f->public_key));
}

static const struct wgx_device_ops fake_ops = {
	.rebind = fake_rebind,
	.unbind = fake_unbind,
	.send_handshake = fake_send_handshake,
	.send_reply = fake_send_reply,
	.seal_command = fake_seal_command,
	.stamp_floor = fake_stamp_floor,
	.stamp_reserve = fake_stamp_reserve,
	.wake = fake_wake,
	.free_staged = fake_free_staged,
	.mirror_prefix = fake_mirror_prefix,
	.mirror_peer = fake_mirror_peer,
	.mirror_prefixes = fake_mirror_prefixes,
	.mirror_peers = fake_mirror_peers,
	.mirror_receiver = fake_mirror_receiver,
	.mirror_identity = fake_mirror_identity,
};

static inline struct fake *fake_create(const char *name)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->prefixes = calloc(FAKE_BUCKETS, sizeof(f->prefixes[0]));
	assert_non_null(f->prefixes);
	assert_int_equal(wgx_device_create(name, 1, fake_index, &fake_ops, f, &f->dev), 0);
	return f;
}

/* Whatever the model held, no mirror may outlive it. */
static inline void fake_end(struct fake *f)
{
	wgx_device_destroy(f->dev);
	assert_int_equal(f->n_prefixes, 0);
	assert_int_equal(f->n_peers, 0);
	assert_int_equal(f->n_receivers, 0);
}

/* After a grace period */
static inline void fake_free(struct fake *f)
{
	while (f->spare) {
		struct fake_prefix *next = f->spare->next;

		free(f->spare);
		f->spare = next;
	}
	free(f->prefixes);
	free(f);
}

static inline void fake_destroy(struct fake *f)
{
	fake_end(f);
	wgx_rcu_barrier();
	fake_free(f);
}

struct fake_check {
	struct fake *f;
	const struct wgx_peer *peer;
	unsigned int n;
};

static inline int fake_check_prefix(const struct wgx_prefix *p, void *arg)
{
	struct fake_check *c = arg;
	struct fake_prefix **at = fake_find_prefix(c->f, p);

	assert_non_null(*at);
	assert_ptr_equal((*at)->peer, c->peer);
	c->n++;
	return 0;
}

/* The mirrors hold what the model holds, and nothing else. */
static inline void fake_check(struct fake *f)
{
	struct fake_check c = {.f = f};
	struct wgx_peer *peer;
	unsigned int n = 0;

	cds_list_for_each_entry(peer, &f->dev->peers, all) {
		c.peer = peer;
		wgx_allowedips_each(&f->dev->allowed, &peer->allowed, fake_check_prefix, &c);
		assert_ptr_equal(f->peers[peer->id], peer);
		n++;
	}
	assert_int_equal(c.n, f->n_prefixes);
	assert_int_equal(c.n, f->dev->allowed.count);
	assert_int_equal(n, f->n_peers);
	assert_int_equal(n, f->dev->n_peers);
}

static inline struct wgx_prefix fake_prefix(const char *text)
{
	struct wgx_prefix p = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	char addr[64] = "";

	strncpy(addr, text, sizeof(addr) - 1);
	*strchr(addr, '/') = 0;
	assert_int_equal(inet_pton(p.family, addr, p.addr), 1);
	p.cidr = (uint8_t)atoi(strchr(text, '/') + 1);
	return p;
}

static inline struct wgx_endpoint fake_endpoint(const char *text)
{
	struct wgx_endpoint e;

	assert_int_equal(wgx_endpoint_parse(text, &e), 0);
	return e;
}

/* A public key nobody has the private key of. */
static inline void fake_key(uint8_t key[WGX_KEY_LEN], uint32_t n)
{
	memset(key, 0x42, WGX_KEY_LEN);
	memcpy(key, &n, sizeof(n));
}

static inline int fake_setup(void **state)
{
	if (sodium_init() < 0)
		return -1;
	wgx_rcu_register();
	return wgx_index_create(&fake_index);
}

/* Neither keypairs nor peers, nor conversations, may be left. */
static inline int fake_teardown(void **state)
{
	wgx_rcu_barrier();
	assert_int_equal(wgx_secmem_used(), 0);
	wgx_index_destroy(fake_index);
	wgx_rcu_unregister();
	return 0;
}

#endif
