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
#include "daemon/burst.h"
#include "daemon/event.h"
#include "daemon/guard.h"
#include "daemon/mapqueue.h"
#include "daemon/news.h"
#include "daemon/protocol.h"
#include "daemon/stamps.h"
#include "daemon/transmit.h"
#include "device/floors.h"
#include "net/lan.h"
#include "net/link.h"
#include "net/lost.h"
#include "net/monitor.h"
#include "net/netns.h"
#include "net/programs.h"
#include "net/strict.h"
#include "path/iface.h"
#include "path/open.h"
#include "path/openers.h"
#include "path/seal.h"
#include "path/worker.h"

/** struct wgx_mirror - changes on their way into one interface's maps */
struct wgx_mirror {
	struct wgx_mapqueue allowed4, allowed6; /* the control thread's own */
	struct wgx_mapqueue peers, stats; /* under the model's lock */
};

/** struct wgx_served - one interface: what the workers see, and what made it */
struct wgx_served {
	struct wgx_iface path; /* first: the workers' struct wgx_iface * is this */
	struct wgx_daemon *daemon;
	struct cds_list_head all; /* wgx_daemon.ifaces */
	struct wgx_link link;
	struct wgx_egress_prog *egress;
	struct wgx_steer_prog *steer;
	struct wgx_mirror mirror;
	int route_fd; /* netlink, under the model's lock: by which device a peer is sent to */
	bool superframes;
	_Atomic uint64_t
		drops[WGX_DROP_COUNT]; /* of handshakes and sockets; each by one thread at a time */
	struct wgx_burst bursts[WGX_DROP_COUNT]; /* what was told of them */
	uint64_t counted[WGX_CTR_COUNT]; /* by its programs in the processes before this one */
	uint64_t base_far, base_wg; /* what both ends had counted before we came: daemon/drops.c */
	struct wgx_event uapi_listener; /* fd -1: none */
	struct cds_list_head uapi_clients;
	struct wgx_control_client *waiting; /* wgx -f: wants to know the end */
	bool doomed; /* to be deleted at the end of this turn of the loop */
	int strict_slot; /* of the strict program's tries; -1: none */
	bool strict_incomplete; /* its allowed_ips maps lack some: they were full */
	uint8_t default_routes; /* bits of the prefixes that make one, see daemon/strict_default.c */
	int lan_slot; /* of the router path's programs; -1: none */
	int lan_link; /* on its ingress; -1: none */
	struct wgx_lan_counts lan_before; /* while it had another slot, or none */
	bool unhooked,
		unhooked_far; /* told that its programs cannot be put back: daemon/restore.c */
	struct wgx_inherited *from; /* while it is being taken over from another process */
	uint64_t handed_drops[WGX_DROP_COUNT]; /* during a hand-over: all that was lost so far */
};

/** wgx_served_of() - the interface whose model @dev is */
static inline struct wgx_served *wgx_served_of(const struct wgx_device *dev)
{
	return dev->env;
}

/** enum wgx_lan_way - how packets of a LAN device go past the stack */
enum wgx_lan_way {
	WGX_LAN_OFF,
	WGX_LAN_TCX, /* superframes whole, to the interfaces' far ends */
	WGX_LAN_NATIVE, /* XDP in the driver, one packet a frame, to the device's own sockets */
};

/** struct wgx_attach_wish - how a device is to be attached; strict mode beside it is struct wgx_guard's */
struct wgx_attach_wish {
	const char *mode; /* "auto" or a name of the ladder */
	enum wgx_lan_way lan; /* the router path */
	bool transmit; /* sealed packets leave by AF_XDP */
	bool copy; /* no zero-copy on its own sockets, whatever its driver says */
};

/** struct wgx_attached - one accelerated device, or one that was and is awaited */
struct wgx_attached {
	struct cds_list_head all; /* wgx_daemon.attached, or .awaited */
	char name[IFNAMSIZ];
	int ifindex;
	const char *wanted; /* the mode asked for: "auto" or a name of the ladder */
	enum wgx_ingress_mode mode;
	struct wgx_ingress_attachment *attachment;
	unsigned int n_xsks; /* XDP modes, and the router path by XDP: one a queue */
	struct wgx_xsk **xsks;
	bool copy; /* wanted: they are in copy mode */
	uint32_t mtu_max; /* that those with zero-copy take; 0: there are none */
	char why_copy[96]; /* some are, or all; empty: none is */
	struct wgx_guard guard;
	enum wgx_lan_way lan; /* what is wanted */
	int lan_link; /* by tcx: on its ingress; -1: none */
	bool lan_gro; /* that has switched its GRO of UDP on */
	struct wgx_lan_native *lan_xdp; /* by XDP; NULL: none */
	bool transmit; /* wanted: sealed packets leave by AF_XDP */
	struct wgx_transmitter *transmitter; /* NULL: they do not; daemon/transmit.c */
	struct wgx_lan_counts lan_before; /* until the router path was switched off last */
	bool unhooked, unguarded; /* told that its programs cannot be put back: daemon/restore.c */
};

/** struct wgx_strict_state - strict mode, while it is on for a device; @slots, @inherited: of the program's tries */
struct wgx_strict_state {
	struct wgx_strict_prog *prog; /* NULL: off */
	struct wgx_served *slots[WGX_STRICT_TRIES];
	bool inherited[WGX_STRICT_TRIES]; /* a dead daemon's */
	uint32_t
		protect_slot; /* of the networks that are protected, and one more; 0: there are none */
	bool all; /* an interface's allowed IPs are not known: all plaintext is dropped */
	bool protect_incomplete; /* nor are the networks that are protected */
	bool keep; /* what is pinned is not ours to remove */
	bool unremoved; /* what is pinned could not be, and is unwanted */
	struct wgx_event reports;
};

/** struct wgx_lan_state - the router path, while there is a LAN device */
struct wgx_lan_state {
	struct wgx_lan_prog *prog; /* NULL: off */
	struct wgx_served *slots[WGX_LAN_TUNNELS];
};

/** struct wgx_collector - where tcx ingress sends what is ours; there while a device is attached so */
struct wgx_collector {
	bool there;
	struct wgx_link link;
	struct wgx_steer_prog *steer;
	struct wgx_xsk *xsk;
	bool unhooked; /* told that its program cannot be put back: daemon/restore.c */
};

/** struct wgx_spare - programs that are loaded, and are no interface's yet */
struct wgx_spare {
	struct wgx_egress_prog *egress;
	struct wgx_steer_prog *steer;
};

struct wgx_daemon {
	int epoll_fd;
	bool stopping;
	const struct wgx_features *features;
	struct wgx_netns *ns;
	struct wgx_index *index;
	struct wgx_floors *floors; /* the index's */
	struct wgx_stamps stamps;
	struct wgx_protocol protocol;
	struct wgx_worker sealers[WGX_QUEUES_MAX], opener;
	unsigned int n_sealers; /* that run; see daemon/workers.c */
	struct wgx_openers openers;
	struct wgx_seal_env seal_env;
	struct wgx_open_env open_env;
	pthread_mutex_t
		ifaces_lock; /* guards the list's changes; the control thread reads without */
	struct cds_list_head ifaces;
	uint32_t next_id;
	struct wgx_ingress_prog *ingress;
	struct wgx_lost_prog *lost; /* NULL: nobody tells us what the kernel loses */
	struct wgx_collector collector;
	uint64_t counted[WGX_CTR_COUNT]; /* by wgx_ingress in the processes before this one */
	_Atomic uint64_t drops[WGX_DROP_COUNT]; /* of devices that were detached */
	uint64_t handed_drops[WGX_DROP_COUNT]; /* as those of an interface */
	uint64_t frozen; /* CLOCK_MONOTONIC, ns: when the threads stood for the last hand-over */
	uint64_t handover_pause; /* ns, of that */
	uint32_t handovers; /* since the first process */
	unsigned int
		n_spare; /* of these: loaded ahead, for interfaces that are about to be taken over */
	struct wgx_spare *spare;
	int heir_of; /* the lock of the daemon whose place we are to take; -1: none */
	struct wgx_strict_state strict;
	struct wgx_lan_state lan;
	struct wgx_transmit_state transmit;
	struct cds_list_head attached;
	struct cds_list_head suspended; /* devices during a hand-over */
	struct cds_list_head
		awaited; /* devices that went away: by their names they are attached again */
	struct wgx_monitor *host_monitor, *far_monitor;
	struct wgx_event host_event, far_event;
	struct wgx_event routes, sources_due; /* changes of routes; a timer */
	struct wgx_event restore_due; /* a timer */
	uint64_t restored; /* programs that somebody had detached, and that were put back */
	struct wgx_event control_listener;
	char control_path[128]; /* of its socket */
	struct cds_list_head control_clients;
	struct wgx_news news;
	struct wgx_event news_ready, bursts_due; /* @news.fd; a timer, while somebody listens */
	struct wgx_burst bursts[WGX_DROP_COUNT]; /* of no interface */
	struct wgx_event uapi_watch; /* inotify on the directory of the UAPI sockets */
	struct wgx_event signals;
};

/* daemon/iface.c */

/**
 * wgx_served_create() - make an interface, or take over that of a dead daemon
 * @workers: that seal for it, up to WGX_QUEUES_MAX; 0: one. One that is taken over has as many as before.
 * @error: for the user, of @size bytes, on failure
 *
 * Return: 0 or a negative errno.
 */
int wgx_served_create(struct wgx_daemon *d, const char *name, unsigned int workers, char *error,
		      size_t size);
/** wgx_served_delete() - links, sockets, pins, everything */
void wgx_served_delete(struct wgx_served *s);
struct wgx_served *wgx_served_find(struct wgx_daemon *d, const char *name);
/** wgx_served_here() - wg0 is in the daemon's namespace, and not moved to another */
bool wgx_served_here(const struct wgx_served *s);
/** wgx_served_link() - what netlink says of wg0 itself: up, down, MTU, MAC address */
void wgx_served_link(struct wgx_served *s, const struct wgx_link_event *e);

/* for daemon/handover.h, of which the interface is @from */
struct wgx_inherited;
/** wgx_served_bequeath() - what another process needs to make the same again; descriptors stay @s's */
void wgx_served_bequeath(const struct wgx_served *s, struct wgx_inherited *ret);
/** wgx_served_prepare() - load programs for @n interfaces that will be inherited: it takes a while. 0 or -errno. */
int wgx_served_prepare(struct wgx_daemon *d, unsigned int n);
/** wgx_served_prepared() - those that were not needed go */
void wgx_served_prepared(struct wgx_daemon *d);
/**
 * wgx_served_inherit() - make it from that: all but the model and its sockets, and BPF's links, whose programs
 *	stay as they are. Where it fails, the process is to end.
 */
int wgx_served_inherit(struct wgx_daemon *d, struct wgx_inherited *from, struct wgx_served **ret);
/** wgx_served_succeed() - our programs in the place of those of @from: now */
int wgx_served_succeed(struct wgx_served *s, const struct wgx_inherited *from);
/** wgx_served_settle() - when this process is the daemon: pins, the router path, what changed meanwhile */
void wgx_served_settle(struct wgx_served *s);
/** wgx_served_reassert() - another process did not take over: our programs in their places again */
void wgx_served_reassert(struct wgx_served *s);

/* daemon/sockets.c: struct wgx_device_ops */

int wgx_sockets_rebind(struct wgx_device *dev, uint16_t port, uint32_t fwmark, uint16_t *ret_port);
void wgx_sockets_unbind(struct wgx_device *dev);
/** wgx_sockets_inherit() - @b, of another process, are the interface's, which had none; under the model's lock */
int wgx_sockets_inherit(struct wgx_served *s, struct wgx_bind *b);

/* daemon/workers.c */

/**
 * wgx_workers_need() - start more until @n seal, at most WGX_QUEUES_MAX, and all but one as many help the open worker
 * Return: 0 or a negative errno. They have no ports yet.
 */
int wgx_workers_need(struct wgx_daemon *d, unsigned int n);
/** wgx_sealers_close(), wgx_sealers_open() - as wgx_worker_close() and _open(), all of them */
void wgx_sealers_close(struct wgx_daemon *d);
void wgx_sealers_open(struct wgx_daemon *d);
void wgx_sealers_stop(struct wgx_daemon *d);
/** wgx_opening_close(), wgx_opening_open(), wgx_opening_stop() - so with the open worker and its helpers */
void wgx_opening_close(struct wgx_daemon *d);
void wgx_opening_open(struct wgx_daemon *d);
void wgx_opening_stop(struct wgx_daemon *d);

/* daemon/ports.c */

/** wgx_ports_update() - give all workers the ports that there are now; 0 or -ENOMEM */
int wgx_ports_update(struct wgx_daemon *d);

/* daemon/attach.c */

/**
 * wgx_attach() - accelerate @device, or for strict mode alone
 * @guard: strict mode, on or off
 * @text: for the user, of @size bytes: on failure what is wrong; else empty, or what to think of
 */
int wgx_attach(struct wgx_daemon *d, const char *device, const struct wgx_attach_wish *wish,
	       const struct wgx_guard *guard, const char **ret_mode, char *text, size_t size);
/** wgx_detach() - a device that is attached or awaited; @error: for the user, on failure */
int wgx_detach(struct wgx_daemon *d, const char *device, char *error, size_t size);
const char *wgx_attached_mode(const struct wgx_attached *a);
/** wgx_attached_wish() - what was asked for */
struct wgx_attach_wish wgx_attached_wish(const struct wgx_attached *a);
/** wgx_attached_wanted() - the name of a mode, or "auto", as it is kept in wgx_attached.wanted */
const char *wgx_attached_wanted(const char *name);
/** wgx_ingress_ready() - load the ingress programs, whose maps the rest fills; 0 or a negative errno */
int wgx_ingress_ready(struct wgx_daemon *d);

/* daemon/attached.c */

/** wgx_attached_free() - detach one; the device may be gone already */
void wgx_attached_free(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_attached_lost() - its device is gone; another of that name will be attached in its place */
void wgx_attached_lost(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_attached_back() - a device has this name now: attach it if it is awaited */
void wgx_attached_back(struct wgx_daemon *d, const char *name);
/** wgx_awaited_free() - wait for none any more */
void wgx_awaited_free(struct wgx_daemon *d);
/** wgx_attached_resized() - its MTU is @mtu now: where zero-copy cannot take such frames, its sockets are opened anew */
void wgx_attached_resized(struct wgx_daemon *d, struct wgx_attached *a, uint32_t mtu);
/** wgx_attached_suspend() - take all devices back to the UDP sockets, for a while; strict mode stays on */
void wgx_attached_suspend(struct wgx_daemon *d);
/** wgx_attached_resume() - and attach them again as they were; what fails is logged */
void wgx_attached_resume(struct wgx_daemon *d);

/* daemon/collector.c */

/** wgx_collector_lost() - somebody deleted its device: another takes its place */
void wgx_collector_lost(struct wgx_daemon *d);
/** wgx_collector_again() - put back what somebody has detached from it; -EALREADY: nothing, 0, or a negative errno */
int wgx_collector_again(struct wgx_daemon *d);

/* daemon/xsks.c */

/**
 * wgx_attached_open_xsks() - an AF_XDP socket on each of the device's queues: what comes in on one without would pass
 *	to the UDP socket, or the stack. With zero-copy where the driver can; why not is logged. Where it fails, some
 *	may be there: see wgx_attached_free_xsks()
 */
int wgx_attached_open_xsks(struct wgx_daemon *d, struct wgx_attached *a,
			   const struct wgx_link_info *info);
void wgx_attached_free_xsks(struct wgx_attached *a);
/** wgx_attached_copies() - "zero-copy", "copy", "zero-copy and copy": how frames get into them; NULL: there are none */
const char *wgx_attached_copies(const struct wgx_attached *a);
/** wgx_attached_xsks_json() - for `wgx show`: how many, with zero-copy, and why not all; null where there are none */
json_t *wgx_attached_xsks_json(const struct wgx_attached *a);

/* daemon/strict*.c; what they share is in daemon/strict.h */

/** wgx_strict_set() - strict mode of @a as @wanted, on or off; 0, or a negative errno with nothing changed */
int wgx_strict_set(struct wgx_daemon *d, struct wgx_attached *a, const struct wgx_guard *wanted);
void wgx_strict_off(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_strict_unload() - nothing of it is left where no device has it; what cannot be removed is when called again */
void wgx_strict_unload(struct wgx_daemon *d);
/** wgx_strict_lost() - the device is gone; what is wanted of it stays known, to the next daemon too */
void wgx_strict_lost(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_strict_renamed() - @a->name is new */
void wgx_strict_renamed(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_strict_adopt() - go on with what a dead daemon left; 0: where that fails it is logged, and stays */
int wgx_strict_adopt(struct wgx_daemon *d);
/** wgx_strict_confirm() - from now on only the allowed IPs that this daemon knows count */
void wgx_strict_confirm(struct wgx_daemon *d);
/**
 * wgx_strict_end_begin() - the daemon is about to end: what protects networks stays; what it has not confirmed it
 *	leaves as it found it, while interfaces of the dead daemon are there
 */
void wgx_strict_end_begin(struct wgx_daemon *d);
/** wgx_strict_end() - when devices and interfaces are gone */
void wgx_strict_end(struct wgx_daemon *d);
/** wgx_strict_reclaim() - after a process that did not take over: what it has put beside ours goes */
void wgx_strict_reclaim(struct wgx_daemon *d);
/** wgx_strict_default_route() - allowed IPs have one, in one piece or two */
bool wgx_strict_default_route(struct wgx_daemon *d);
/** wgx_strict_join() - an interface is there; its allowed IPs count from now on */
void wgx_strict_join(struct wgx_served *s);
void wgx_strict_leave(struct wgx_served *s);
/** wgx_strict_sockets() - before the first packet of @b, after the last; @b NULL: none */
void wgx_strict_sockets(struct wgx_served *s, const struct wgx_bind *b, bool there);
/** wgx_strict_prefix() - allowed IPs have got or lost @prefix */
void wgx_strict_prefix(struct wgx_served *s, const struct wgx_prefix *prefix, bool there);
/** wgx_strict_incomplete() - and their BPF map has not taken all of them */
void wgx_strict_incomplete(struct wgx_served *s);
/** wgx_strict_json() - for `wgx show`; null where it is off */
json_t *wgx_strict_json(struct wgx_daemon *d, const struct wgx_guard *g);

/* daemon/lan.c, daemon/lan_gro.c */

/** wgx_lan_check() - can it be done on this device? @text: for the user, of @size bytes, where it cannot */
int wgx_lan_check(struct wgx_daemon *d, const struct wgx_link_info *info, char *text, size_t size);
/** wgx_lan_parse() - "tcx", "native"; NULL: off. -EINVAL: none of them */
int wgx_lan_parse(const char *text, enum wgx_lan_way *ret);
/**
 * wgx_lan_on() - packets between @a and the interfaces go past the stack, as a->lan has it
 * @text: for the user, of @size bytes, where it fails. Return: 0 or a negative errno.
 */
int wgx_lan_on(struct wgx_daemon *d, struct wgx_attached *a, const struct wgx_link_info *info,
	       char *text, size_t size);
/** wgx_lan_off() - the stack has them again; the device may be gone. Its AF_XDP sockets stay: free_xsks() */
void wgx_lan_off(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_lan_join() - an interface is there; where it cannot, its packets go through the stack, and the log tells */
void wgx_lan_join(struct wgx_served *s);
void wgx_lan_leave(struct wgx_served *s);
/** wgx_lan_link() - what netlink says of devices here: wg0 may go to another namespace, and come back */
void wgx_lan_link(struct wgx_daemon *d, const struct wgx_link_event *e);
/** wgx_lan_gro_on() - GRO of UDP that is forwarded, where the device can and has it not; a->lan_gro then */
void wgx_lan_gro_on(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_lan_gro_off() - as it was */
void wgx_lan_gro_off(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_lan_gro_adopt() - as it was before a daemon that died had switched it on. Return: 0 */
int wgx_lan_gro_adopt(struct wgx_daemon *d);
/** wgx_lan_json() - for `wgx show`, of a device; null where it is off */
json_t *wgx_lan_json(struct wgx_daemon *d, const struct wgx_attached *a);
/** wgx_lan_counters_json() - adds what came out of the tunnel to @counters of an interface */
void wgx_lan_counters_json(const struct wgx_served *s, json_t *counters);

/* daemon/mirror.c: the BPF maps' copy of the model */

int wgx_mirror_init(struct wgx_mirror *m, const struct wgx_egress_maps *maps); /* 0 or -ENOMEM */
void wgx_mirror_free(struct wgx_mirror *m); /* zeroed is legal */
/* prefixes and peers are gathered (struct wgx_device_ops); the rest is done at once */
void wgx_mirror_prefix(struct wgx_device *dev, const struct wgx_prefix *prefix,
		       const struct wgx_peer *peer);
void wgx_mirror_prefixes(struct wgx_device *dev, bool all);
void wgx_mirror_peer(struct wgx_device *dev, const struct wgx_peer *peer, enum wgx_peer_news news);
void wgx_mirror_peers(struct wgx_device *dev);
void wgx_mirror_receiver(struct wgx_device *dev, uint32_t index, const struct wgx_peer *peer);
/** wgx_mirror_identity() - which mac1 is right; @public_key NULL: none, there is no private key */
void wgx_mirror_identity(struct wgx_device *dev, const uint8_t *public_key);
/** wgx_mirror_gone() - the interface has no mac1 any more */
void wgx_mirror_gone(struct wgx_device *dev);
/** wgx_mirror_sockets() - @new (NULL: none) takes the place of @old (NULL: none) */
void wgx_mirror_sockets(struct wgx_served *s, const struct wgx_bind *old,
			const struct wgx_bind *new);
void wgx_mirror_local(struct wgx_daemon *d, const uint8_t addr[16], bool there);

/* daemon/netlink.c */

int wgx_netlink_start(struct wgx_daemon *d);
void wgx_netlink_stop(struct wgx_daemon *d);

/* daemon/source.c */

/** wgx_source_check() - forget the peer's sticky source where its route leaves by another device; under the
 * model's lock */
void wgx_source_check(struct wgx_served *s, struct wgx_peer *peer);
int wgx_sources_start(struct wgx_daemon *d);
void wgx_sources_stop(struct wgx_daemon *d);

/* daemon/restore.c: programs of ours that somebody else has detached are put back */

int wgx_restore_start(struct wgx_daemon *d); /* 0 or a negative errno */
void wgx_restore_stop(struct wgx_daemon *d);

/* daemon/uapi.c */

int wgx_uapi_listen(struct wgx_served *s);
/** wgx_uapi_inherit() - go on listening at another process's socket; @fd is taken */
int wgx_uapi_inherit(struct wgx_served *s, int fd);
void wgx_uapi_unlisten(struct wgx_served *s);
int wgx_uapi_watch_start(struct wgx_daemon *d);
void wgx_uapi_watch_stop(struct wgx_daemon *d);

/* daemon/tell.c: what happens, to those who listen (daemon/news.h) */

/** wgx_tell_start() - before anything is told; 0 or a negative errno */
int wgx_tell_start(struct wgx_daemon *d);
void wgx_tell_stop(struct wgx_daemon *d);
/** wgx_tell_listen() - somebody does, from now on: as wgx_news_listen(), and lost packets are looked for */
int wgx_tell_listen(struct wgx_daemon *d, uint64_t *ret_cursor);
void wgx_tell_leave(struct wgx_daemon *d);
/** wgx_tell_interface() - of the types that have an interface alone */
void wgx_tell_interface(struct wgx_served *s, enum wgx_news_type type);
/** wgx_tell_device() - of an underlay; @mode: where it was attached, else NULL */
void wgx_tell_device(struct wgx_daemon *d, enum wgx_news_type type, const char *device,
		     const char *mode);
/** wgx_tell_peer() - under the model's lock; any thread */
void wgx_tell_peer(struct wgx_served *s, enum wgx_news_type type, const struct wgx_peer *peer);

/* daemon/control.c */

/** wgx_control_tell() - send what is new to those who listen */
void wgx_control_tell(struct wgx_daemon *d);

int wgx_control_start(struct wgx_daemon *d);
void wgx_control_stop(struct wgx_daemon *d);
/** wgx_control_codec() - the listening socket, and those who wait or listen, but for whom @fd is */
struct wgx_handover;
void wgx_control_codec(struct wgx_daemon *d, struct wgx_handover *h, int fd);
/** wgx_control_gone() - the interface that @c waits for is gone */
void wgx_control_gone(struct wgx_control_client *c);

#endif
