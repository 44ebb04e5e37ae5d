/* SPDX-License-Identifier: MIT */
/*
 * From the members of the cluster to the peers that the interface is to have. Allowed IPs are pod CIDRs within the
 * cluster's, and nothing else. Where two nodes claim a key, or networks that overlap, the first holder keeps it; this
 * node is before all others, and one whose record is gone behind all. What is wrong with a node is its own affair:
 * the others do not notice.
 *
 * Pure.
 */
#ifndef WGX_AGENT_RULES_H
#define WGX_AGENT_RULES_H

#include "agent/members.h"

/** struct wgx_rules - @cluster: the networks of all pods; @keepalive: in seconds, of every peer; 0: none */
struct wgx_rules {
	const struct wgx_prefix *cluster;
	size_t n_cluster;
	uint16_t keepalive;
};

/** enum wgx_key_part - of whose key a peer has it */
enum wgx_key_part {
	WGX_KEY_CURRENT, /* its packets, both ways */
	WGX_KEY_NEXT, /* known, so that it can be used at once; no allowed IPs yet */
	WGX_KEY_PREVIOUS, /* no allowed IPs any more */
};

/**
 * struct wgx_want_peer - a peer that the interface is to have
 * @member: borrowed, as all that it points to
 * @endpoint: AF_UNSPEC: it has none that this node could use
 */
struct wgx_want_peer {
	uint8_t key[WGX_KEY_LEN];
	enum wgx_key_part part;
	struct wgx_member *member;
	struct wgx_endpoint endpoint;
	uint16_t keepalive;
	struct wgx_prefix prefixes[WGX_NODE_CIDRS];
	size_t n_prefixes;
};

enum wgx_refusal_reason {
	WGX_REFUSED_RECORD, /* it cannot be read */
	WGX_REFUSED_KEY_TAKEN,
	WGX_REFUSED_OUTSIDE, /* a network that is not within the cluster's */
	WGX_REFUSED_OVERLAP,
};

/** struct wgx_refusal - @member: borrowed; @other: who keeps it, NULL: this node; @prefix: of OUTSIDE and OVERLAP */
struct wgx_refusal {
	enum wgx_refusal_reason reason;
	const struct wgx_member *member, *other;
	struct wgx_prefix prefix;
};

/** struct wgx_want - @peers: sorted by key */
struct wgx_want {
	struct wgx_want_peer *peers;
	size_t n_peers;
	struct wgx_refusal *refusals;
	size_t n_refusals;
};

/**
 * wgx_rules_apply() - what the interface of @self is to have
 * @ret: for wgx_want_free(); good as long as @members are not changed. Return: 0 or -ENOMEM.
 */
int wgx_rules_apply(const struct wgx_rules *rules, const struct wgx_node *self,
		    const struct wgx_members *members, struct wgx_want *ret);
void wgx_want_free(struct wgx_want *w);

/** wgx_rules_in_cluster() - is @p within one of the cluster's networks? */
bool wgx_rules_in_cluster(const struct wgx_rules *rules, const struct wgx_prefix *p);

/** wgx_refusal_text() - "node-b: its pod CIDR 10.0.0.0/8 is outside of the cluster's"; returns @text */
const char *wgx_refusal_text(const struct wgx_refusal *r, char *text, size_t size);

#endif
