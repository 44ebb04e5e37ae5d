/* SPDX-License-Identifier: MIT */
#include "device/name.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "device/device.h"
#include "proto/key_text.h"

/* A node of wgx_device.by_name, a balanced tree: whoever gives the names chooses no bucket. */
struct wgx_peer_name {
	struct wgx_peer *peer;
	char text[WGX_PEER_NAME_MAX + 1];
};

const char *wgx_peer_name_problem(const char *name)
{
	uint8_t key[WGX_KEY_LEN];

	if (!*name)
		return "is empty";
	if (strlen(name) > WGX_PEER_NAME_MAX)
		return "is longer than 63 bytes";
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || *p > '~')
			return "has something else than printable ASCII characters, or a space";
	return wgx_key_parse(name, key) ? NULL : "is a key";
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct wgx_peer_name *)a)->text,
		      ((const struct wgx_peer_name *)b)->text);
}

struct wgx_peer *wgx_device_find_named(struct wgx_device *dev, const char *name)
{
	struct wgx_peer_name key = {0}, *const * node;

	if (strlen(name) > WGX_PEER_NAME_MAX)
		return NULL;
	memcpy(key.text, name, strlen(name));
	node = tfind(&key, &dev->by_name, compare);
	return node ? (*node)->peer : NULL;
}

const char *wgx_peer_name(const struct wgx_peer *peer)
{
	return peer->name ? peer->name->text : NULL;
}

static void forget(struct wgx_peer *peer)
{
	if (!peer->name)
		return;
	tdelete(peer->name, &peer->dev->by_name, compare);
	free(peer->name);
	peer->name = NULL;
}

int wgx_peer_set_name(struct wgx_peer *peer, const char *name)
{
	struct wgx_peer_name *new;
	struct wgx_peer *other;

	if (!name) {
		forget(peer);
		return 0;
	}
	if (wgx_peer_name_problem(name))
		return -EINVAL;
	other = wgx_device_find_named(peer->dev, name);
	if (other)
		return other == peer ? 0 : -EEXIST;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->peer = peer;
	memcpy(new->text, name, strlen(name));
	if (!tsearch(new, &peer->dev->by_name, compare)) {
		free(new);
		return -ENOMEM;
	}
	forget(peer);
	peer->name = new;
	return 0;
}
