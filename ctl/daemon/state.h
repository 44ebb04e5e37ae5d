/* SPDX-License-Identifier: MIT */
/*
 * What the daemon holds. The control thread owns all of it, but for what ctl/path says is a worker's and
 * what struct wgx_protocol says is the protocol thread's.
 *
 * Lock order: wgx_daemon.ifaces_lock, then wgx_device.lock. The protocol thread goes RCU-offline before it
 * waits for either, since their holder may wait for a grace period.
 */
#ifndef WGX_DAEMON_STATE_H
#define WGX_DAEMON_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <urcu/list.h>
#include "daemon/event.h"
#include "daemon/protocol.h"
#include "net/link.h"
#include "net/monitor.h"
#include "net/netns.h"
#include "net/programs.h"
#include "path/iface.h"
#include "path/open.h"
#include "path/seal.h"
#include "path/worker.h"

/** struct wgx_served - one interface: what the workers see, and what made it */
struct wgx_served {
	struct wgx_iface path; /* first: the workers' struct wgx_iface * is this */
	struct wgx_daemon *daemon;
	struct cds_list_head all; /* wgx_daemon.ifaces */
	struct wgx_link link;
	struct wgx_egress_prog *egress;
	struct wgx_steer_prog *steer;
	bool superframes;
	struct wgx_event uapi_listener; /* fd -1: none */
	struct cds_list_head uapi_clients;
	struct wgx_control_client *waiting; /* wgx -f: wants to know the end */
	bool doomed; /* to be deleted at the end of this turn of the loop */
};

/** wgx_served_of() - the interface whose model @dev is */
static inline struct wgx_served *wgx_served_of(const struct wgx_device *dev)
{
	return dev->env;
}

/** struct wgx_attached - one accelerated device */
struct wgx_attached {
	struct cds_list_head all; /* wgx_daemon.attached */
	char name[IFNAMSIZ];
	int ifindex;
	enum wgx_ingress_mode mode;
	struct wgx_ingress_attachment *attachment;
	unsigned int n_xsks; /* XDP modes: one a queue */
	struct wgx_xsk **xsks;
};

/** struct wgx_collector - where tcx ingress sends what is ours; there while a device is attached so */
struct wgx_collector {
	bool there;
	struct wgx_link link;
	struct wgx_steer_prog *steer;
	struct wgx_xsk *xsk;
};

struct wgx_daemon {
	int epoll_fd;
	bool stopping;
	const struct wgx_features *features;
	struct wgx_netns *ns;
	struct wgx_index *index;
	struct wgx_protocol protocol;
	struct wgx_worker sealer, opener;
	struct wgx_seal_env seal_env;
	struct wgx_open_env open_env;
	pthread_mutex_t
		ifaces_lock; /* guards the list's changes; the control thread reads without */
	struct cds_list_head ifaces;
	uint32_t next_id;
	struct wgx_ingress_prog *ingress;
	struct wgx_collector collector;
	struct cds_list_head attached;
	struct wgx_monitor *host_monitor, *far_monitor;
	struct wgx_event host_event, far_event;
	struct wgx_event control_listener;
	struct cds_list_head control_clients;
	struct wgx_event uapi_watch; /* inotify on the directory of the UAPI sockets */
	struct wgx_event signals;
};

/* daemon/iface.c */

/** wgx_served_create() - @error: for the user, of @size bytes, on failure. 0 or a negative errno. */
int wgx_served_create(struct wgx_daemon *d, const char *name, char *error, size_t size);
/** wgx_served_delete() - links, sockets, pins, everything */
void wgx_served_delete(struct wgx_served *s);
struct wgx_served *wgx_served_find(struct wgx_daemon *d, const char *name);
/** wgx_served_link() - what netlink says of wg0 itself: up, down, MTU */
void wgx_served_link(struct wgx_served *s, const struct wgx_link_event *e);

/* daemon/ports.c */

/** wgx_ports_update() - give both workers the ports that there are now; 0 or -ENOMEM */
int wgx_ports_update(struct wgx_daemon *d);

/* daemon/attach.c */

/** wgx_attach() - @mode: "auto" or a name of the ladder; @note and @error are for the user */
int wgx_attach(struct wgx_daemon *d, const char *device, const char *mode, const char **ret_mode,
	       char *error, size_t size);
int wgx_detach(struct wgx_daemon *d, const char *device, char *error, size_t size);
/** wgx_attached_free() - detach one; the device may be gone already */
void wgx_attached_free(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_collector_lost() - somebody deleted its device: another takes its place */
void wgx_collector_lost(struct wgx_daemon *d);
const char *wgx_attached_mode(const struct wgx_attached *a);
/** wgx_ingress_ready() - load the ingress programs, whose maps the rest fills; 0 or a negative errno */
int wgx_ingress_ready(struct wgx_daemon *d);

/* daemon/mirror.c: the BPF maps' copy of the model */

void wgx_mirror_prefix(struct wgx_device *dev, const struct wgx_prefix *prefix,
		       const struct wgx_peer *peer);
void wgx_mirror_peer(struct wgx_device *dev, const struct wgx_peer *peer, bool gone);
void wgx_mirror_receiver(struct wgx_device *dev, uint32_t index, const struct wgx_peer *peer);
/** wgx_mirror_port() - @port (0: none) takes the place of @old (0: none) */
void wgx_mirror_port(struct wgx_served *s, uint16_t old, uint16_t port);
void wgx_mirror_local(struct wgx_daemon *d, const uint8_t addr[16], bool there);

/* daemon/netlink.c */

int wgx_netlink_start(struct wgx_daemon *d);
void wgx_netlink_stop(struct wgx_daemon *d);

/* daemon/uapi.c */

int wgx_uapi_listen(struct wgx_served *s);
void wgx_uapi_unlisten(struct wgx_served *s);
int wgx_uapi_watch_start(struct wgx_daemon *d);
void wgx_uapi_watch_stop(struct wgx_daemon *d);

/* daemon/control.c */

int wgx_control_start(struct wgx_daemon *d);
void wgx_control_stop(struct wgx_daemon *d);
/** wgx_control_gone() - the interface that @c waits for is gone */
void wgx_control_gone(struct wgx_control_client *c);

#endif
