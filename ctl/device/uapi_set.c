/* SPDX-License-Identifier: MIT */
/* set=1: from lines to a checked transaction, and from that to the model (P-UA-2, P-UA-4). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "device/secmem.h"
#include "device/uapi_internal.h"

struct wgx_uapi_set_peer {
	uint8_t public_key[WGX_KEY_LEN];
	uint8_t preshared_key[WGX_KEY_LEN];
	struct wgx_endpoint endpoint;
	size_t first_op; /* its operations go up to those of the next peer */
	uint16_t keepalive;
	bool has_preshared_key, has_endpoint, has_keepalive, remove, update_only;
};

enum prefix_op {
	PREFIX_ADD,
	PREFIX_REMOVE,
	PREFIX_REPLACE, /* those before it go */
};

struct wgx_uapi_prefix_op {
	uint8_t op;
	struct wgx_prefix prefix;
};

typedef int (*parse_fn)(struct wgx_uapi_set *set, const char *value, size_t len);

/* ---- values ---- */

static struct wgx_uapi_set_peer *current_peer(struct wgx_uapi_set *set)
{
	return &set->peers[set->n_peers - 1];
}

static int parse_key(uint8_t key[WGX_KEY_LEN], const char *value, size_t len)
{
	size_t n;

	if (len != 2 * WGX_KEY_LEN ||
	    sodium_hex2bin(key, WGX_KEY_LEN, value, len, NULL, &n, NULL) != 0 || n != WGX_KEY_LEN)
		return -EINVAL;
	return 0;
}

static int parse_true(bool *flag, const char *value, size_t len)
{
	if (len != 4 || memcmp(value, "true", 4))
		return -EINVAL;
	*flag = true;
	return 0;
}

/* Values come without a terminator; and one with a NUL inside is no text. */
static int copy_text(char *buf, size_t size, const char *value, size_t len)
{
	if (len >= size || memchr(value, 0, len))
		return -EINVAL;
	memcpy(buf, value, len);
	buf[len] = 0;
	return 0;
}

static int parse_prefix(struct wgx_prefix *p, const char *value, size_t len)
{
	const char *slash = memchr(value, '/', len);
	char addr[INET6_ADDRSTRLEN];
	size_t digits;
	uint64_t cidr;

	if (!slash || copy_text(addr, sizeof(addr), value, (size_t)(slash - value)) < 0)
		return -EINVAL;
	p->family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(p->family, addr, p->addr) != 1)
		return -EINVAL;
	digits = len - (size_t)(slash + 1 - value);
	if (digits > 1 && slash[1] == '0')
		return -EINVAL;
	if (wgx_parse_number(slash + 1, digits, p->family == AF_INET6 ? 128 : 32, &cidr) < 0)
		return -EINVAL;
	p->cidr = (uint8_t)cidr;
	return 0;
}

/* ---- device keys ---- */

static int set_private_key(struct wgx_uapi_set *set, const char *value, size_t len)
{
	set->has_private_key = true;
	return parse_key(set->private_key, value, len);
}

static int set_listen_port(struct wgx_uapi_set *set, const char *value, size_t len)
{
	uint64_t n;
	int err = wgx_parse_number(value, len, UINT16_MAX, &n);

	if (err)
		return err;
	set->has_listen_port = true;
	set->listen_port = (uint16_t)n;
	return 0;
}

static int set_fwmark(struct wgx_uapi_set *set, const char *value, size_t len)
{
	uint64_t n;
	int err = wgx_parse_number(value, len, UINT32_MAX, &n);

	if (err)
		return err;
	set->has_fwmark = true;
	set->fwmark = (uint32_t)n;
	return 0;
}

static int set_replace_peers(struct wgx_uapi_set *set, const char *value, size_t len)
{
	return parse_true(&set->replace_peers, value, len);
}

static int set_keep_sessions(struct wgx_uapi_set *set, const char *value, size_t len)
{
	return parse_true(&set->keep_sessions, value, len);
}

/* ---- peer keys ---- */

/* By hand: realloc() would leave the preshared keys behind in freed memory. */
static int grow_peers(struct wgx_uapi_set *set)
{
	size_t max = set->max_peers ? 2 * set->max_peers : 16;
	struct wgx_uapi_set_peer *peers;

	if (set->n_peers < set->max_peers)
		return 0;
	peers = wgx_secmem_alloc(max * sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	if (set->n_peers)
		memcpy(peers, set->peers, set->n_peers * sizeof(*peers));
	wgx_secmem_free(set->peers, set->max_peers * sizeof(*peers));
	set->peers = peers;
	set->max_peers = max;
	return 0;
}

static int set_public_key(struct wgx_uapi_set *set, const char *value, size_t len)
{
	struct wgx_uapi_set_peer peer = {.first_op = set->n_ops};
	int err = parse_key(peer.public_key, value, len);

	if (!err)
		err = grow_peers(set);
	if (!err)
		set->peers[set->n_peers++] = peer;
	return err;
}

static int set_preshared_key(struct wgx_uapi_set *set, const char *value, size_t len)
{
	current_peer(set)->has_preshared_key = true;
	return parse_key(current_peer(set)->preshared_key, value, len);
}

static int set_endpoint(struct wgx_uapi_set *set, const char *value, size_t len)
{
	char text[WGX_ENDPOINT_TEXT];

	if (copy_text(text, sizeof(text), value, len) < 0)
		return -EINVAL;
	current_peer(set)->has_endpoint = true;
	return wgx_endpoint_parse(text, &current_peer(set)->endpoint);
}

static int set_keepalive(struct wgx_uapi_set *set, const char *value, size_t len)
{
	uint64_t n;
	int err = wgx_parse_number(value, len, UINT16_MAX, &n);

	if (err)
		return err;
	current_peer(set)->has_keepalive = true;
	current_peer(set)->keepalive = (uint16_t)n;
	return 0;
}

static int set_remove(struct wgx_uapi_set *set, const char *value, size_t len)
{
	return parse_true(&current_peer(set)->remove, value, len);
}

static int set_update_only(struct wgx_uapi_set *set, const char *value, size_t len)
{
	return parse_true(&current_peer(set)->update_only, value, len);
}

static int add_op(struct wgx_uapi_set *set, const struct wgx_uapi_prefix_op *op)
{
	size_t max = set->max_ops ? 2 * set->max_ops : 64;
	struct wgx_uapi_prefix_op *ops;

	if (set->n_ops == set->max_ops) {
		ops = realloc(set->ops, max * sizeof(*ops));
		if (!ops)
			return -ENOMEM;
		set->ops = ops;
		set->max_ops = max;
	}
	set->ops[set->n_ops++] = *op;
	return 0;
}

static int set_replace_allowed_ips(struct wgx_uapi_set *set, const char *value, size_t len)
{
	bool replace = false;
	int err = parse_true(&replace, value, len);

	return err ? err : add_op(set, &(struct wgx_uapi_prefix_op){.op = PREFIX_REPLACE});
}

static int set_allowed_ip(struct wgx_uapi_set *set, const char *value, size_t len)
{
	struct wgx_uapi_prefix_op op = {.op = PREFIX_ADD};
	int err;

	if (len && value[0] == '-') {
		op.op = PREFIX_REMOVE;
		value++;
		len--;
	}
	err = parse_prefix(&op.prefix, value, len);
	return err ? err : add_op(set, &op);
}

static int set_protocol_version(struct wgx_uapi_set *set, const char *value, size_t len)
{
	return len == 1 && value[0] == '1' ? 0 : -EINVAL;
}

/* ---- lines ---- */

static const struct {
	const char *name;
	parse_fn parse;
	bool peer; /* stands after a public_key; otherwise before all of them */
} keys[] = {
	{"private_key", set_private_key, false},
	{"listen_port", set_listen_port, false},
	{"fwmark", set_fwmark, false},
	{"replace_peers", set_replace_peers, false},
	{"keep_sessions", set_keep_sessions, false},
	{"allowed_ip", set_allowed_ip, true},
	{"preshared_key", set_preshared_key, true},
	{"endpoint", set_endpoint, true},
	{"persistent_keepalive_interval", set_keepalive, true},
	{"replace_allowed_ips", set_replace_allowed_ips, true},
	{"remove", set_remove, true},
	{"update_only", set_update_only, true},
	{"protocol_version", set_protocol_version, true},
};

static parse_fn find_parser(const struct wgx_uapi_set *set, const char *name, size_t len)
{
	if (len == 10 && !memcmp(name, "public_key", 10))
		return set_public_key;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].name) == len && !memcmp(keys[i].name, name, len))
			return keys[i].peer == (set->n_peers > 0) ? keys[i].parse : NULL;
	}
	return NULL;
}

void wgx_uapi_set_line(struct wgx_uapi_set *set, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len);
	parse_fn parse;
	int err;

	if (set->err)
		return;
	if (!equals) {
		wgx_uapi_set_fail(set, -EPROTO);
		return;
	}
	parse = find_parser(set, line, (size_t)(equals - line));
	err = parse ? parse(set, equals + 1, len - (size_t)(equals + 1 - line)) : -EINVAL;
	if (err)
		wgx_uapi_set_fail(set, err);
}

void wgx_uapi_set_clear(struct wgx_uapi_set *set)
{
	wgx_secmem_free(set->peers, set->max_peers * sizeof(*set->peers));
	free(set->ops);
	sodium_memzero(set, sizeof(*set));
}

void wgx_uapi_set_fail(struct wgx_uapi_set *set, int err)
{
	wgx_uapi_set_clear(set);
	set->err = err;
}

/* ---- application ---- */

static int apply_op(struct wgx_peer *peer, const struct wgx_uapi_prefix_op *op)
{
	switch (op->op) {
	case PREFIX_ADD:
		return wgx_peer_add_prefix(peer, &op->prefix);
	case PREFIX_REMOVE:
		wgx_peer_remove_prefix(peer, &op->prefix); /* not its own: nothing to do */
		return 0;
	default:
		wgx_peer_replace_begin(peer);
		return 0;
	}
}

static int apply_ops(struct wgx_peer *peer, const struct wgx_uapi_prefix_op *op,
		     const struct wgx_uapi_prefix_op *end)
{
	int err = 0;

	for (; op < end && !err; op++) {
		err = apply_op(peer, op);
		wgx_device_pause(peer->dev);
	}
	if (err)
		wgx_peer_replace_abort(peer);
	return err;
}

/* In the Linux driver's order: the keepalive, which may send at once, comes last. */
static int configure_peer(const struct wgx_uapi_set *set, const struct wgx_uapi_set_peer *sp,
			  struct wgx_peer *peer)
{
	size_t end = sp + 1 < set->peers + set->n_peers ? sp[1].first_op : set->n_ops;
	int err;

	if (sp->has_preshared_key)
		wgx_peer_set_psk(peer, sp->preshared_key);
	if (sp->has_endpoint)
		wgx_peer_set_endpoint(peer, &sp->endpoint);
	if (end > sp->first_op) {
		err = apply_ops(peer, set->ops + sp->first_op, set->ops + end);
		if (err)
			return err;
	}
	if (sp->has_keepalive)
		wgx_peer_set_keepalive(peer, sp->keepalive);
	return 0;
}

static int apply_peer(const struct wgx_uapi_set *set, const struct wgx_uapi_set_peer *sp,
		      struct wgx_device *dev)
{
	struct wgx_peer *peer = wgx_device_find_peer(dev, sp->public_key), *created = NULL;
	int err;

	if (sp->remove) {
		if (peer)
			peer->doomed = true;
		return 0;
	}
	if (peer && peer->doomed && !sp->update_only) { /* and now it is made anew */
		wgx_peer_remove(peer);
		peer = NULL;
	}
	if (!peer || peer->doomed) {
		if (sp->update_only)
			return 0;
		err = wgx_peer_create(dev, sp->public_key, &created);
		if (err)
			return err == -EADDRNOTAVAIL ? 0 : err; /* P-HS-8 */
		peer = created;
	}
	err = configure_peer(set, sp, peer);
	if (err && created)
		wgx_peer_remove(created);
	return err;
}

/*
 * Peers and prefixes that are to go do so at last, so that no packet misses a prefix that stays, or one
 * that moves from one of the peers to another.
 */
static void end_peer(const struct wgx_uapi_set_peer *sp, struct wgx_device *dev)
{
	struct wgx_peer *peer = wgx_device_find_peer(dev, sp->public_key);

	if (peer && peer->doomed)
		wgx_peer_remove(peer);
	else if (peer)
		wgx_peer_replace_end(peer);
}

static void remove_all_peers(struct wgx_device *dev)
{
	struct wgx_peer *peer, *next;

	cds_list_for_each_entry_safe(peer, next, &dev->peers, all) {
		wgx_peer_remove(peer);
		wgx_device_pause(dev);
	}
}

int wgx_uapi_set_apply(const struct wgx_uapi_set *set, struct wgx_device *dev)
{
	int err;

	if (set->err)
		return set->err;
	err = wgx_device_set_sockets(dev,
				     set->has_listen_port ? set->listen_port : dev->listen_port,
				     set->has_fwmark ? set->fwmark : dev->fwmark);
	if (err)
		return err;
	if (set->replace_peers)
		remove_all_peers(dev);
	if (set->has_private_key && set->keep_sessions)
		wgx_device_succeed_private_key(dev, set->private_key);
	else if (set->has_private_key)
		wgx_device_set_private_key(dev, set->private_key);
	for (size_t i = 0; i < set->n_peers && !err; i++) {
		err = apply_peer(set, &set->peers[i], dev);
		wgx_device_pause(dev);
	}
	for (size_t i = 0; i < set->n_peers; i++) {
		end_peer(&set->peers[i], dev);
		wgx_device_pause(dev);
	}
	return err;
}
