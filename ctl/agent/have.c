/* SPDX-License-Identifier: MIT */
#include "agent/have.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cli/uapi_client.h"

static int parse_key(const char *hex, uint8_t key[WGX_KEY_LEN])
{
	size_t len;

	return sodium_hex2bin(key, WGX_KEY_LEN, hex, strlen(hex), NULL, &len, NULL) ||
			       len != WGX_KEY_LEN
		       ? -EPROTO
		       : 0;
}

static int add_peer(struct wgx_have *h, const char *hex)
{
	struct wgx_have_peer *p;

	if (h->n_peers == h->room) {
		size_t room = h->room ? 2 * h->room : 16;

		p = realloc(h->peers, room * sizeof(*p));
		if (!p)
			return -ENOMEM;
		h->peers = p;
		h->room = room;
	}
	p = &h->peers[h->n_peers++];
	*p = (struct wgx_have_peer){.endpoint.addr.sa.sa_family = AF_UNSPEC};
	return parse_key(hex, p->key);
}

static int add_prefix(struct wgx_have_peer *p, const char *text)
{
	if (p->n_prefixes == p->room) {
		size_t room = p->room ? 2 * p->room : 4;
		struct wgx_prefix *more = realloc(p->prefixes, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->prefixes = more;
		p->room = room;
	}
	return wgx_prefix_parse(text, &p->prefixes[p->n_prefixes++]) ? -EPROTO : 0;
}

static int read_peer(struct wgx_have_peer *p, const char *key, const char *value)
{
	if (!strcmp(key, "endpoint"))
		return wgx_endpoint_parse(value, &p->endpoint) ? -EPROTO : 0;
	if (!strcmp(key, "allowed_ip"))
		return add_prefix(p, value);
	if (!strcmp(key, "persistent_keepalive_interval"))
		p->keepalive = (uint16_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "last_handshake_time_sec"))
		p->handshake = (int64_t)strtoll(value, NULL, 10);
	/* others add to it */
	return p->handshake < 0 || p->handshake > INT64_MAX / 2 ? -EPROTO : 0;
}

static int read_line(struct wgx_have *h, const uint8_t *private_key, const char *key,
		     const char *value)
{
	uint8_t found[WGX_KEY_LEN];
	int err = 0;

	if (!strcmp(key, "public_key"))
		return add_peer(h, value);
	if (h->n_peers)
		return read_peer(&h->peers[h->n_peers - 1], key, value);
	if (!strcmp(key, "private_key")) {
		err = parse_key(value, found);
		h->has_key =
			!err && private_key && !sodium_memcmp(found, private_key, sizeof(found));
		sodium_memzero(found, sizeof(found));
	} else if (!strcmp(key, "listen_port")) {
		h->listen_port = (uint16_t)strtoul(value, NULL, 10);
	}
	return err;
}

static int compare_peers(const void *a, const void *b)
{
	return memcmp(((const struct wgx_have_peer *)a)->key,
		      ((const struct wgx_have_peer *)b)->key, WGX_KEY_LEN);
}

int wgx_have_parse(char *text, const uint8_t private_key[WGX_KEY_LEN], struct wgx_have *ret)
{
	struct wgx_have h = {0};
	char *key, *value;
	int err = 0;

	while (!err && wgx_uapi_next(&text, &key, &value))
		err = read_line(&h, private_key, key, value);
	if (err) {
		wgx_have_free(&h);
		return err;
	}
	if (h.n_peers)
		qsort(h.peers, h.n_peers, sizeof(*h.peers), compare_peers);
	*ret = h;
	return 0;
}

const struct wgx_have_peer *wgx_have_find(const struct wgx_have *h, const uint8_t key[WGX_KEY_LEN])
{
	struct wgx_have_peer wanted;

	if (!h->n_peers)
		return NULL;
	memcpy(wanted.key, key, sizeof(wanted.key));
	return bsearch(&wanted, h->peers, h->n_peers, sizeof(*h->peers), compare_peers);
}

void wgx_have_free(struct wgx_have *h)
{
	for (size_t i = 0; i < h->n_peers; i++)
		free(h->peers[i].prefixes);
	free(h->peers);
	*h = (struct wgx_have){0};
}
