/* SPDX-License-Identifier: MIT */
/*
 * The agent: keeps an interface equal to what a registry tells of the cluster. One thread, one loop; it forwards
 * nothing, so its death and its restart disturb no packet.
 */
#ifndef WGX_AGENT_AGENT_H
#define WGX_AGENT_AGENT_H

#include "agent/options.h"
#include "agent/registry.h"
#include "agent/state.h"
#include "agent/tunnel.h"
#include "daemon/event.h"
#include "metrics/listen.h"
#include "metrics/server.h"

/** enum wgx_rotation - where the change of this node's key is */
enum wgx_rotation {
	WGX_ROTATION_NONE,
	WGX_ROTATION_ANNOUNCED, /* the next key is published; others are yet to say that they know it */
	WGX_ROTATION_RETIRING, /* the key is new; packets under the previous one may be on their way */
};

struct wgx_agent {
	const struct wgx_agent_options *options;
	bool dry; /* change nothing: for `plan` without an agent */
	int epoll_fd;
	struct wgx_event signals, addresses, daemon, server, pages_event;
	char socket_path[128]; /* of @server */
	struct wgx_registry *registry;
	struct wgx_registry_events events;
	struct wgx_members members;
	struct wgx_state state;
	struct wgx_tunnel tunnel;
	struct wgx_own_addresses own;
	struct wgx_prefixes exempt; /* of the registry's own */
	struct wgx_endpoint known
		[WGX_NODE_ENDPOINTS]; /* addresses that the registry has of this node, as chosen */
	size_t n_known;
	struct wgx_node self, published;
	struct wgx_want want;
	struct wgx_have have;
	struct wgx_plan plan;
	char registry_problem[512];
	bool publish_due, save_due, own_due, names_due, stopping;
	bool greet; /* the interface is new, and its peers may have sessions of the one before */
	bool was_synced; /* the registry has told all that it has, once */
	bool known_before; /* nodes were there in the state directory */
	size_t failed_steps;
	uint64_t losses; /* of the registry */
	struct wgx_metrics_source source; /* the daemon, as of a second ago */
	struct wgx_metrics_server *pages; /* NULL: none were asked for */
	struct wgx_metrics_extra extra;
	uint64_t converge_at, expire_at, retire_at, save_at; /* ms of CLOCK_BOOTTIME */
	uint64_t converged; /* how often */
	enum wgx_rotation rotation;
	struct wgx_have before; /* what the interface was when it got its new key */
	uint64_t settle_at; /* the new key is published then at the latest */
};

/** wgx_agent_run() - until a signal ends it; an exit status */
int wgx_agent_run(const struct wgx_agent_options *o);
/** wgx_agent_dry_plan() - print what an agent with these options would change; an exit status */
int wgx_agent_dry_plan(const struct wgx_agent_options *o);

/** wgx_agent_now() - ms of the clock by which the agent goes */
uint64_t wgx_agent_now(void);
/** wgx_agent_soon() - look at everything again within @ms */
void wgx_agent_soon(struct wgx_agent *a, uint64_t ms);

/* waits, in ms */
#define WGX_AGENT_SETTLE_MS 100 /* changes that come together are one */
#define WGX_AGENT_RETRY_MS 2000

/* self.c */
void wgx_agent_set_keys(struct wgx_agent *a);
/** wgx_agent_set_addresses() - as they are now, where they may have changed */
void wgx_agent_set_addresses(struct wgx_agent *a);
/** wgx_agent_known_chosen() - is it the registry that has the addresses of this node? */
bool wgx_agent_known_chosen(const struct wgx_agent *a);
/** wgx_agent_publish() - tell the registry of this node, if there is something new */
void wgx_agent_publish(struct wgx_agent *a);

/* converge.c */
/** wgx_agent_work() - what is due */
void wgx_agent_work(struct wgx_agent *a);
/** wgx_agent_make_plan() - what is to be changed; 0 or a negative errno */
int wgx_agent_make_plan(struct wgx_agent *a);
/** wgx_agent_note_told() - the interface has the endpoints that are wanted */
void wgx_agent_note_told(struct wgx_agent *a);
/** wgx_agent_save() - what nodes there are, if there is something new, and it is time */
void wgx_agent_save(struct wgx_agent *a, uint64_t now);

/* registry_events.c */
/** wgx_agent_registry_events() - for a registry, as @a takes them */
struct wgx_registry_events wgx_agent_registry_events(struct wgx_agent *a);

/* rotate.c */
/** wgx_agent_rotate() - announce the next key; NULL, or why not */
const char *wgx_agent_rotate(struct wgx_agent *a);
/** wgx_agent_rotate_step() - switch once all have seen it, retire what is over; after each convergence */
void wgx_agent_rotate_step(struct wgx_agent *a);
/** wgx_agent_rotation_settled() - may the present key be published? Not before it is in use, or 5 seconds have passed */
bool wgx_agent_rotation_settled(struct wgx_agent *a);
/** wgx_agent_rotation_begin() - where a former agent has left it */
void wgx_agent_rotation_begin(struct wgx_agent *a);
/** wgx_agent_waits_for() - the names of those that have not seen the next key yet */
json_t *wgx_agent_waits_for(const struct wgx_agent *a);

/* report.c */
/** wgx_agent_status_json() - asks daemon and kernel whether all stands that is to */
json_t *wgx_agent_status_json(struct wgx_agent *a);
json_t *wgx_agent_peers_json(const struct wgx_agent *a);
/** wgx_agent_plan_json() - {"steps": [text], "pending": [text], "refused": [text]} */
json_t *wgx_agent_plan_json(const struct wgx_agent *a);
/** wgx_agent_print_plan() - that, for people, on standard output */
void wgx_agent_print_plan(const json_t *plan);

/* health.c */
/** wgx_agent_obstacles() - why this node is not ready: an array of texts, empty where it is */
json_t *wgx_agent_obstacles(struct wgx_agent *a);
/** wgx_agent_strict() - is strict mode in force, as far as can be told? */
bool wgx_agent_strict(struct wgx_agent *a);
/** wgx_agent_pages_begin() - serve --http; an exit status, and the user has been told of a failure */
int wgx_agent_pages_begin(struct wgx_agent *a);
/** wgx_agent_pages_run() - at each turn of the loop; returns ms until the next is due, -1: when something happens */
int wgx_agent_pages_run(struct wgx_agent *a);
void wgx_agent_pages_end(struct wgx_agent *a);

/* families.c */
extern const struct wgx_family wgx_agent_families[];
extern const size_t wgx_agent_families_count;

/* server.c */
/** wgx_agent_socket() - /run/wgx/INODE.IFACE.agent; 0, or a negative errno */
int wgx_agent_socket(const char *interface, char *path, size_t size);
int wgx_agent_serve(struct wgx_agent *a);
void wgx_agent_serve_end(struct wgx_agent *a);

#endif
