/* SPDX-License-Identifier: MIT */
#include "device/device_state.h"

#include <errno.h>
#include "device/model.h"
#include "device/name.h"
#include "proto/codec.h"
#include "proto/crypto.h"

/* ---- allowed IPs ---- */

void wgx_prefix_codec(struct wgx_codec *c, struct wgx_prefix *p)
{
	uint32_t family = p->family, cidr = p->cidr;

	wgx_codec_u32(c, &family);
	wgx_codec_upto(c, &cidr, 128);
	wgx_codec_bytes(c, p->addr, sizeof(p->addr));
	p->family = (uint8_t)family;
	p->cidr = (uint8_t)cidr;
}

static int count_prefix(const struct wgx_prefix *p, void *n)
{
	++*(uint32_t *)n;
	return 0;
}

static int write_prefix(const struct wgx_prefix *p, void *c)
{
	struct wgx_prefix copy = *p;

	wgx_prefix_codec(c, &copy);
	return 0;
}

static void prefixes(struct wgx_codec *c, struct wgx_peer *peer)
{
	struct wgx_device *dev = peer->dev;
	struct wgx_prefix p = {0};
	uint32_t n = 0;

	if (!c->reading)
		wgx_allowedips_each(&dev->allowed, &peer->allowed, count_prefix, &n);
	wgx_codec_u32(c, &n);
	if (!c->reading)
		wgx_allowedips_each(&dev->allowed, &peer->allowed, write_prefix, c);
	for (; c->reading && n && !c->failed; n--) {
		wgx_prefix_codec(c, &p);
		if (c->failed || wgx_peer_add_prefix(peer, &p))
			c->failed = true;
		wgx_device_pause(dev);
	}
}

/* ---- peers ---- */

static void name(struct wgx_codec *c, struct wgx_peer *peer)
{
	char text[WGX_PEER_NAME_MAX + 1] = "";
	const char *known = c->reading ? NULL : wgx_peer_name(peer);

	if (known)
		memcpy(text, known, strlen(known));
	wgx_codec_text(c, text, sizeof(text));
	if (c->reading && *text && wgx_peer_set_name(peer, text))
		c->failed = true;
}

static void endpoint(struct wgx_codec *c, struct wgx_peer *peer)
{
	struct wgx_endpoint e;

	wgx_endpoint_read(&peer->endpoint, &e);
	wgx_codec_bytes(c, &e, sizeof(e));
	if (!c->reading || e.addr.sa.sa_family == AF_UNSPEC)
		return;
	if (e.addr.sa.sa_family != AF_INET && e.addr.sa.sa_family != AF_INET6) {
		c->failed = true;
		return;
	}
	wgx_endpoint_write(&peer->endpoint, &e);
	peer->dev->ops->mirror_peer(peer->dev, peer, WGX_PEER_MOVED);
}

static void peer_fields(struct wgx_codec *c, struct wgx_peer *peer)
{
	uint32_t n_drops = WGX_PEER_DROP_COUNT;

	name(c, peer);
	endpoint(c, peer);
	wgx_codec_u16(c, &peer->keepalive);
	wgx_codec_atomic(c, &peer->tx_bytes);
	wgx_codec_atomic(c, &peer->rx_bytes);
	wgx_codec_atomic(c, &peer->tx_packets);
	wgx_codec_atomic(c, &peer->rx_packets);
	wgx_codec_u32(c, &n_drops);
	if (n_drops != WGX_PEER_DROP_COUNT)
		c->failed = true;
	for (int i = 0; i < WGX_PEER_DROP_COUNT; i++)
		wgx_codec_atomic(c, &peer->drops.n[i]);
	wgx_session_codec(&peer->session, c);
	prefixes(c, peer);
}

static void twin(struct wgx_codec *c, struct wgx_peer *peer)
{
	struct wgx_peer *of = atomic_load(&peer->twin), *at;
	uint8_t key[WGX_KEY_LEN] = {0};

	if (of)
		memcpy(key, wgx_peer_key(of), sizeof(key));
	wgx_codec_bytes(c, key, sizeof(key));
	if (!c->reading || c->failed || wgx_is_zero(key, sizeof(key)))
		return;
	at = wgx_device_find_peer(peer->dev, key);
	if (at && at != peer)
		wgx_peer_set_twin(peer, at);
	else
		c->failed = true;
}

static void write_peers(struct wgx_codec *c, struct wgx_device *dev)
{
	struct wgx_peer *peer;

	cds_list_for_each_entry(peer, &dev->peers, all) {
		uint8_t key[WGX_KEY_LEN];

		memcpy(key, wgx_peer_key(peer), sizeof(key));
		wgx_codec_bytes(c, key, sizeof(key));
		peer_fields(c, peer);
	}
}

static void read_peers(struct wgx_codec *c, struct wgx_device *dev, uint32_t n)
{
	uint8_t key[WGX_KEY_LEN];
	struct wgx_peer *peer;

	for (; n && !c->failed; n--) {
		wgx_codec_bytes(c, key, sizeof(key));
		if (c->failed || wgx_peer_create(dev, key, &peer))
			c->failed = true;
		else
			peer_fields(c, peer);
		wgx_device_pause(dev);
	}
}

/* ---- the interface ---- */

static void identity(struct wgx_codec *c, struct wgx_device *dev)
{
	uint8_t key[WGX_KEY_LEN];

	memcpy(key, dev->local->private_key, sizeof(key));
	wgx_codec_bytes(c, key, sizeof(key));
	if (c->reading)
		wgx_device_set_private_key(dev, key);
	wgx_wipe(key, sizeof(key));
	wgx_local_codec(dev->local, c);
}

static void settings(struct wgx_codec *c, struct wgx_device *dev)
{
	uint32_t mtu = atomic_load(&dev->mtu);

	wgx_codec_u16(c, &dev->listen_port);
	wgx_codec_u32(c, &dev->fwmark);
	wgx_codec_bool(c, &dev->up);
	wgx_codec_bool(c, &dev->wanted);
	wgx_codec_bool(c, &dev->bound);
	wgx_codec_u16(c, &dev->bound_port);
	wgx_codec_u32(c, &dev->bound_fwmark);
	wgx_codec_u32(c, &mtu);
	atomic_store(&dev->mtu, mtu);
}

void wgx_device_codec(struct wgx_device *dev, struct wgx_codec *c)
{
	uint32_t n = dev->n_peers;
	struct wgx_peer *peer;

	identity(c, dev);
	wgx_codec_upto(c, &n, WGX_PEERS_MAX);
	if (c->reading)
		read_peers(c, dev, n);
	else
		write_peers(c, dev);
	cds_list_for_each_entry(peer, &dev->peers, all) {
		twin(c, peer);
	}
	settings(c, dev); /* last: a peer that is made under a link that is up begins to act */
}
