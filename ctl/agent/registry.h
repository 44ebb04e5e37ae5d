/* SPDX-License-Identifier: MIT */
/*
 * Where nodes find each other. A registry tells what it has, then each change, and takes the record of this node.
 * It lives in the agent's loop, one thread, and never waits.
 */
#ifndef WGX_AGENT_REGISTRY_H
#define WGX_AGENT_REGISTRY_H

#include "agent/node.h"

/**
 * struct wgx_registry_events - what a registry tells; @arg is the caller's
 * @begin: a list of all that there is begins: with upsert and refuse
 * @upsert: a node, new or changed; the file registry tells this node's own record too. It is the registry's, for the time of the call.
 * @refuse: there is a record of the name, and it cannot be read
 * @remove: there is none any more
 * @self: what the registry knows of this node: its pods' networks, and its addresses, with port 0
 * @published: what publish() was given is there now
 * @synced: the list was whole, and from now on changes are told
 * @lost: it does not answer, and says why; a list that had begun is void. It goes on trying, and begins a list.
 */
struct wgx_registry_events {
	void (*begin)(void *arg);
	void (*upsert)(void *arg, const struct wgx_node *node);
	void (*refuse)(void *arg, const char *name, const char *problem);
	void (*self)(void *arg, const struct wgx_node *node, const struct wgx_endpoint *internal,
		     size_t n_internal, const struct wgx_endpoint *external, size_t n_external);
	void (*published)(void *arg);
	void (*remove)(void *arg, const char *name);
	void (*synced)(void *arg);
	void (*lost)(void *arg, const char *why);
	void *arg;
};

/** struct wgx_registry - the first member of each kind's own */
struct wgx_registry {
	const struct wgx_registry_ops *ops;
	const struct wgx_registry_events *events;
	int epoll_fd;
};

/**
 * struct wgx_registry_ops - what a kind of registry does
 * @start: begin to tell; 0 or negative errno for what will never be right. A registry that does not answer yet is
 *	no error: it is lost().
 * @publish: have @self be the record of this node; it is kept so, whoever changes it. 0; or negative errno, and the
 *	caller tries again, which for -EINPROGRESS is no failure.
 * @report: tell people who look there, of a refusal, say; NULL: this kind has no place for it
 * @run: at each turn of the loop; returns when it wants the next at the latest, in ms from now; -1: when something
 *	happens
 */
struct wgx_registry_ops {
	const char *name;
	int (*start)(struct wgx_registry *r);
	int (*publish)(struct wgx_registry *r, const struct wgx_node *self);
	void (*report)(struct wgx_registry *r, const char *reason, const char *text);
	int (*run)(struct wgx_registry *r);
	void (*free)(struct wgx_registry *r);
};

/**
 * wgx_registry_file() - a directory with a file NODE.json for each node, as wgx_node_json() writes them
 * @directory: need not be there yet, but this node makes none: it may be on a file system that is mounted later
 * Return: for ops->free(); NULL: no memory left.
 */
struct wgx_registry *wgx_registry_file(const char *directory, int epoll_fd,
				       const struct wgx_registry_events *events);

/**
 * wgx_registry_k8s() - the Nodes of a Kubernetes cluster
 * @kubeconfig: a file; NULL: as a pod finds its cluster. @node: this one's name
 * @error: for the user, of @size bytes, where the return is NULL
 */
struct wgx_registry *wgx_registry_k8s(const char *kubeconfig, const char *node, int epoll_fd,
				      const struct wgx_registry_events *events, char *error,
				      size_t size);
/** wgx_registry_k8s_addresses() - of its API server: at most @max; how many; resolving a name may take a while */
size_t wgx_registry_k8s_addresses(const struct wgx_registry *r, struct wgx_endpoint *ret,
				  size_t max);

#endif
