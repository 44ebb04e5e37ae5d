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
 * @upsert: a node, new or changed; this node's own record too. It is the registry's, for the time of the call.
 * @refuse: there is a record of the name, and it cannot be read
 * @remove: there is none any more
 * @synced: the list was whole, and from now on changes are told
 * @lost: it does not answer, and says why; a list that had begun is void. It goes on trying, and begins a list.
 */
struct wgx_registry_events {
	void (*begin)(void *arg);
	void (*upsert)(void *arg, const struct wgx_node *node);
	void (*refuse)(void *arg, const char *name, const char *problem);
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
 *	caller tries again.
 * @run: at each turn of the loop; returns when it wants the next at the latest, in ms from now; -1: when something
 *	happens
 */
struct wgx_registry_ops {
	const char *name;
	int (*start)(struct wgx_registry *r);
	int (*publish)(struct wgx_registry *r, const struct wgx_node *self);
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

#endif
