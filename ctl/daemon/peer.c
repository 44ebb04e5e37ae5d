/* SPDX-License-Identifier: MIT */
#include "daemon/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "daemon/state.h"
#include "device/name.h"
#include "proto/key_text.h"

struct wgx_peer *wgx_peer_find(struct wgx_served *s, const char *peer, char *error, size_t size)
{
	struct wgx_device *dev = s->path.dev;
	uint8_t key[WGX_KEY_LEN];
	bool is_key = !wgx_key_parse(peer, key);
	struct wgx_peer *found;

	found = is_key ? wgx_device_find_peer(dev, key) : wgx_device_find_named(dev, peer);
	if (found)
		return found;
	if (is_key && dev->local->has_identity && !memcmp(key, dev->local->public_key, sizeof(key)))
		snprintf(error, size, "%s: %s is its own public key", dev->name, peer);
	else if (is_key)
		snprintf(error, size, "%s: no peer has the key %s", dev->name, peer);
	else if (wgx_peer_name_problem(peer))
		snprintf(error, size, "%s: a peer's name %s", dev->name,
			 wgx_peer_name_problem(peer));
	else
		snprintf(error, size, "%s: no peer has the name '%s'", dev->name, peer);
	return NULL;
}

static int explain(int err, const char *interface, const char *name, char *error, size_t size)
{
	const char *problem = name ? wgx_peer_name_problem(name) : NULL;

	if (problem)
		snprintf(error, size, "%s: a peer's name %s", interface, problem);
	else if (err == -EEXIST)
		snprintf(error, size, "%s: another peer has the name '%s'", interface, name);
	else if (err)
		snprintf(error, size, "%s: %s", interface, strerror(-err));
	return err;
}

static struct wgx_served *find_served(struct wgx_daemon *d, const char *interface, char *error,
				      size_t size)
{
	struct wgx_served *s = wgx_served_find(d, interface);

	if (!s)
		snprintf(error, size, "%s: no such wgx interface in this network namespace",
			 interface);
	return s;
}

int wgx_peer_rename(struct wgx_daemon *d, const char *interface, const char *peer, const char *name,
		    char *error, size_t size)
{
	struct wgx_served *s = find_served(d, interface, error, size);
	struct wgx_peer *found;
	int err = -ENOENT;

	if (!s)
		return -ENODEV;
	wgx_device_lock(s->path.dev);
	found = wgx_peer_find(s, peer, error, size);
	if (found)
		err = explain(wgx_peer_set_name(found, name), interface, name, error, size);
	if (found && !err)
		wgx_tell_peer(s, WGX_NEWS_PEER_NAMED, found);
	wgx_device_unlock(s->path.dev);
	return err;
}

static int pair(struct wgx_served *s, const char *peer, const char *twin, char *error, size_t size)
{
	struct wgx_peer *a = wgx_peer_find(s, peer, error, size);
	struct wgx_peer *b = a && twin ? wgx_peer_find(s, twin, error, size) : NULL;

	if (!a || (twin && !b))
		return -ENOENT;
	if (a == b) {
		snprintf(error, size, "%s: a peer is no twin of its own", s->path.dev->name);
		return -EINVAL;
	}
	wgx_peer_set_twin(a, b);
	return 0;
}

int wgx_peer_pair(struct wgx_daemon *d, const char *interface, const char *peer, const char *twin,
		  char *error, size_t size)
{
	struct wgx_served *s = find_served(d, interface, error, size);
	int err;

	if (!s)
		return -ENODEV;
	wgx_device_lock(s->path.dev);
	err = pair(s, peer, twin, error, size);
	wgx_device_unlock(s->path.dev);
	return err;
}
