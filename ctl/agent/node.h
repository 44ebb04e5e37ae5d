/* SPDX-License-Identifier: MIT */
/* What a node of the cluster says of itself, as a registry hands it out. Pure: no clock, no I/O. */
#ifndef WGX_AGENT_NODE_H
#define WGX_AGENT_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/wire.h>
#include "device/endpoint.h"
#include "proto/prefix.h"

#define WGX_NODE_NAME_MAX 253 /* bytes; RFC 1123, as Kubernetes has it */
#define WGX_NODE_CIDRS 16
#define WGX_NODE_ENDPOINTS 8
#define WGX_NODE_SEEN 4096

/** struct wgx_node_seen - "I know that node's next key": a word of a node about another */
struct wgx_node_seen {
	char name[WGX_NODE_NAME_MAX + 1];
	uint8_t key[WGX_KEY_LEN];
};

/**
 * struct wgx_node - one record
 * @has_key: false: the node is there and has not published a key yet
 * @has_next: @next will be its key: peers are asked to know it, and to say so in @seen
 * @has_previous: @previous was its key until a moment ago: packets that it sealed may still be on their way
 * @endpoints: the preferred first
 * @cidrs: networks of its pods
 * @seen: what it has seen of others, for wgx_node_free(); NULL: nothing
 */
struct wgx_node {
	char name[WGX_NODE_NAME_MAX + 1];
	bool has_key, has_next, has_previous;
	uint8_t key[WGX_KEY_LEN], next[WGX_KEY_LEN], previous[WGX_KEY_LEN];
	struct wgx_endpoint endpoints[WGX_NODE_ENDPOINTS];
	size_t n_endpoints;
	struct wgx_prefix cidrs[WGX_NODE_CIDRS];
	size_t n_cidrs;
	struct wgx_node_seen *seen;
	size_t n_seen;
};

/** wgx_node_name_problem() - end of a sentence, or NULL where @name can be a node's */
const char *wgx_node_name_problem(const char *name);

/** wgx_node_set_name() - of at most WGX_NODE_NAME_MAX bytes */
void wgx_node_set_name(struct wgx_node *n, const char *name);
/** wgx_node_add_seen() - 0, -ENOMEM, or -E2BIG beyond WGX_NODE_SEEN */
int wgx_node_add_seen(struct wgx_node *n, const char *name, const uint8_t key[WGX_KEY_LEN]);
/** wgx_node_has_seen() - does @n say that it knows @key as the next of the node @name? */
bool wgx_node_has_seen(const struct wgx_node *n, const char *name, const uint8_t key[WGX_KEY_LEN]);
/** wgx_node_copy() - with a list of its own; 0, or -ENOMEM with *@ret as it was */
int wgx_node_copy(struct wgx_node *ret, const struct wgx_node *n);
bool wgx_node_equal(const struct wgx_node *a, const struct wgx_node *b);
/** wgx_node_same_cidrs() - the same networks, in the same order */
bool wgx_node_same_cidrs(const struct wgx_node *a, const struct wgx_node *b);
/** wgx_node_free() - what it holds; all zero then */
void wgx_node_free(struct wgx_node *n);

/**
 * wgx_node_json() - as the file registry and the state directory keep it; NULL: no memory left
 * The members: name, public_key, next_public_key, previous_public_key, endpoints, pod_cidrs, seen.
 */
json_t *wgx_node_json(const struct wgx_node *n);
/** wgx_node_key_json() - a key of it as text, or null where it @has none */
json_t *wgx_node_key_json(bool has, const uint8_t key[WGX_KEY_LEN]);

/**
 * wgx_node_parse() - from such an object
 * @error: what is wrong and where, of @size bytes, on failure
 *
 * Members that it does not know are passed over, so that a later version may add some. Return: 0, or -EINVAL or
 * -ENOMEM with *@ret as it was; *@ret is for wgx_node_free().
 */
int wgx_node_parse(const json_t *o, struct wgx_node *ret, char *error, size_t size);

/**
 * wgx_node_key_usable() - could @key be a public key?
 * Not one of small order: with it anybody could compute the secret ([W] 5.4.2), and handshakes are refused.
 */
bool wgx_node_key_usable(const uint8_t key[WGX_KEY_LEN]);
/** wgx_prefix_of_address() - the address of @e alone, as a network */
struct wgx_prefix wgx_prefix_of_address(const struct wgx_endpoint *e);

#endif
