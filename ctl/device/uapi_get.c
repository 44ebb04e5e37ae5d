/* SPDX-License-Identifier: MIT */
/* get=1: the whole interface as text (P-UA-3); order, and what is left out where it is not set, as wireguard-go. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <sodium.h>
#include "device/model.h"
#include "device/uapi_internal.h"

#define SECOND UINT64_C(1000000000)

static void put_key(struct wgx_uapi_out *o, const char *name, const uint8_t key[WGX_KEY_LEN])
{
	char hex[2 * WGX_KEY_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), key, WGX_KEY_LEN);
	wgx_uapi_printf(o, "%s=%s\n", name, hex);
	sodium_memzero(hex, sizeof(hex));
}

struct prefixes {
	struct wgx_uapi_out *out;
	struct wgx_device *dev;
};

static int put_prefix(const struct wgx_prefix *p, void *arg)
{
	const struct prefixes *to = arg;
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->family, p->addr, addr, sizeof(addr));
	wgx_uapi_printf(to->out, "allowed_ip=%s/%u\n", addr, p->cidr);
	wgx_device_pause(to->dev);
	return to->out->failed;
}

static void put_count(struct wgx_uapi_out *o, const char *name, uint64_t n)
{
	wgx_uapi_printf(o, "%s=%" PRIu64 "\n", name, n);
}

static void put_peer(struct wgx_uapi_out *o, const struct wgx_peer *peer)
{
	uint64_t handshake = wgx_session_last_handshake(&peer->session);
	struct prefixes prefixes = {o, peer->dev};
	char text[WGX_ENDPOINT_TEXT];
	struct wgx_endpoint e;

	put_key(o, "public_key", wgx_peer_key(peer));
	put_key(o, "preshared_key", peer->session.handshake.psk);
	wgx_uapi_printf(o, "protocol_version=1\n");
	wgx_endpoint_read(&peer->endpoint, &e);
	if (e.addr.sa.sa_family != AF_UNSPEC)
		wgx_uapi_printf(o, "endpoint=%s\n", wgx_endpoint_format(&e, text));
	put_count(o, "last_handshake_time_sec", handshake / SECOND);
	put_count(o, "last_handshake_time_nsec", handshake % SECOND);
	put_count(o, "tx_bytes", atomic_load_explicit(&peer->tx_bytes, memory_order_relaxed));
	put_count(o, "rx_bytes", atomic_load_explicit(&peer->rx_bytes, memory_order_relaxed));
	put_count(o, "persistent_keepalive_interval", peer->keepalive);
	wgx_allowedips_each(&peer->dev->allowed, &peer->allowed, put_prefix, &prefixes);
}

void wgx_uapi_get(struct wgx_uapi_out *o, struct wgx_device *dev)
{
	struct wgx_peer *peer;

	if (dev->local->has_identity)
		put_key(o, "private_key", dev->local->private_key);
	if (dev->listen_port)
		put_count(o, "listen_port", dev->listen_port);
	if (dev->fwmark)
		put_count(o, "fwmark", dev->fwmark);
	cds_list_for_each_entry(peer, &dev->peers, all) {
		put_peer(o, peer);
		wgx_device_pause(dev);
	}
}
