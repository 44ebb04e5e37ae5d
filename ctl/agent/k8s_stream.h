/* SPDX-License-Identifier: MIT */
/*
 * What the Kubernetes API says, taken apart: frames of a watch, events, nodes, lists; and when to try again. Pure: the
 * bytes of a server, which may be anything, are a parameter, and so are times and chance.
 */
#ifndef WGX_AGENT_K8S_STREAM_H
#define WGX_AGENT_K8S_STREAM_H

#include <jansson.h>
#include "agent/node.h"

/* A node with very many images is some megabytes. */
#define WGX_K8S_FRAME_MAX (16u << 20)

/** struct wgx_k8s_frames - a watch's body: lines of JSON, however they are cut. All zero is empty. */
struct wgx_k8s_frames {
	char *data;
	size_t len, room;
};

/** wgx_k8s_frames_add() - what has come; 0, -EMSGSIZE beyond WGX_K8S_FRAME_MAX without an end, -ENOMEM */
int wgx_k8s_frames_add(struct wgx_k8s_frames *f, const void *data, size_t len);
/**
 * wgx_k8s_frames_next() - the next whole frame, or NULL
 * It is terminated, without its newline, and good until frames are added. Empty lines are none.
 */
char *wgx_k8s_frames_next(struct wgx_k8s_frames *f, size_t *at);
/** wgx_k8s_frames_drop() - those that were taken; @at is what wgx_k8s_frames_next() left */
void wgx_k8s_frames_drop(struct wgx_k8s_frames *f, size_t at);
void wgx_k8s_frames_free(struct wgx_k8s_frames *f);

enum wgx_k8s_event_type {
	WGX_K8S_UPSERT, /* ADDED, MODIFIED */
	WGX_K8S_DELETED,
	WGX_K8S_BOOKMARK,
	WGX_K8S_ERROR,
	WGX_K8S_UNKNOWN, /* of a later version: to be passed over */
};

/**
 * struct wgx_k8s_event - one frame
 * @object: borrowed from @root, which is the caller's to drop
 * @version: of the object, borrowed; NULL: it has none
 * @code: of ERROR
 */
struct wgx_k8s_event {
	enum wgx_k8s_event_type type;
	json_t *root, *object;
	const char *version;
	int code;
};

/** wgx_k8s_event_parse() - 0; -EBADMSG for what is no event; -ENOMEM */
int wgx_k8s_event_parse(const char *text, size_t len, struct wgx_k8s_event *ret);

/**
 * struct wgx_k8s_node - a Node, as far as it matters here
 * @node: endpoints are those that it has published
 * @uid: of the object: another one is another Node of the same name
 * @internal, @external: addresses of its status, with port 0
 */
struct wgx_k8s_node {
	struct wgx_node node;
	char uid[64];
	struct wgx_endpoint internal[WGX_NODE_ENDPOINTS], external[WGX_NODE_ENDPOINTS];
	size_t n_internal, n_external;
};

/* Annotations of a Node */
#define WGX_K8S_PREFIX "wgx.dev/"

/** wgx_k8s_name() - of an object, or NULL where that is no node's name */
const char *wgx_k8s_name(const json_t *object);
/** wgx_k8s_node_parse() - from a Node object, as wgx_node_parse(); for wgx_node_free(&ret->node) */
int wgx_k8s_node_parse(const json_t *object, struct wgx_k8s_node *ret, char *error, size_t size);
/**
 * wgx_k8s_node_patch() - a merge patch that makes a Node's annotations say what @self does; or NULL: no memory left
 * Nothing but our own annotations is named.
 */
json_t *wgx_k8s_node_patch(const struct wgx_node *self);

/**
 * struct wgx_k8s_backoff - how long to wait after failures; all zero begins
 * 800 ms to 30 s, doubling, any part of it by chance, and from the start again after two healthy minutes.
 */
struct wgx_k8s_backoff {
	unsigned int failures;
	uint64_t failed; /* when the last one was, ms */
};

/**
 * wgx_k8s_backoff_failed() - how long to wait now, in ms
 * @chance: any number; @retry_after: what the server asks for, in seconds; 0: nothing
 */
uint64_t wgx_k8s_backoff_failed(struct wgx_k8s_backoff *b, uint64_t now, uint32_t chance,
				uint32_t retry_after);
/** wgx_k8s_backoff_healthy() - it works now, as it did at the last call */
void wgx_k8s_backoff_healthy(struct wgx_k8s_backoff *b, uint64_t now);

#endif
