/* SPDX-License-Identifier: MIT */
/* The steps of `wgx up` and `wgx down`. Each tells the user of its failure, and returns an exit status. */
#ifndef WGX_QUICK_QUICK_H
#define WGX_QUICK_QUICK_H

#include "quick/conf.h"
#include "quick/record.h"
#include "quick/resolve.h"

/**
 * struct wgx_quick - an interface that is being brought up or down
 * @ifindex: 0: it is not there
 * @made: by us, now
 * @resolved: for each peer of @conf: where its host name leads; NULL when bringing down
 */
struct wgx_quick {
	const struct wgx_conf *conf;
	struct wgx_record record;
	int ifindex;
	bool made;
	struct wgx_resolved *resolved;
};

/* up.c: the one argument of up and down is argv[optind] then; @ret_wait NULL: the command has no --wait */
int wgx_quick_arguments(const char *command, int argc, char **argv, bool *ret_wait);

/* The exit status by which a service manager knows that starting again helps: deploy/wgx@.service */
#define WGX_QUICK_DAEMON_DIED 3

/*
 * wait.c: until the interface is deleted, or has no daemon any more; tells a service manager first that it is up
 * (sd_notify(3)). Return: an exit status.
 */
int wgx_quick_wait(const char *name);

/* undo.c: a daemon is there, and has it */
bool wgx_quick_served(const char *name);

/* setup.c: what `wg setconf` does, and the names of peers */
int wgx_quick_configure(struct wgx_quick *q);
int wgx_quick_name_peers(struct wgx_quick *q);

/* routes.c: addresses, MTU, routes and rules */
int wgx_quick_addresses(struct wgx_quick *q);
int wgx_quick_mtu_and_up(struct wgx_quick *q);
int wgx_quick_routes(struct wgx_quick *q);
int wgx_quick_undo_rules(struct wgx_record *r);

/* firewall.c: nothing from outside reaches an inner address past the tunnel */
int wgx_quick_firewall(struct wgx_quick *q, uint8_t family, uint32_t mark);
int wgx_quick_undo_firewall(struct wgx_record *r);

/* dns.c: by resolvconf or resolvectl */
int wgx_quick_check_dns(const struct wgx_conf *conf);
int wgx_quick_dns(struct wgx_quick *q);
int wgx_quick_undo_dns(struct wgx_record *r);

/* devices.c: attach and detach */
int wgx_quick_attach(struct wgx_quick *q);
int wgx_quick_undo_attach(struct wgx_record *r);

/* resolver.c: the process that looks host names up again */
int wgx_quick_resolver(struct wgx_quick *q);
int wgx_quick_undo_resolver(struct wgx_record *r);

/* hooks.c */
int wgx_quick_hooks(const struct wgx_conf *conf, enum wgx_hook hook);

/* save.c: SaveConfig */
int wgx_quick_save(struct wgx_quick *q);

/*
 * undo.c: all that the record holds, the interface included, the last first; what cannot be undone is told, and the
 * rest done. The record stays then. Return: an exit status; so do the parts above
 */
int wgx_quick_undo(struct wgx_quick *q);

#endif
