/* SPDX-License-Identifier: MIT */
/*
 * What the files of strict mode share; the rest of the daemon has daemon/state.h. They work in the control thread.
 *
 *	strict.c	  on which devices it is, and the program
 *	strict_networks.c what belongs into a tunnel, and by which sockets tunnels leave
 *	strict_default.c  default routes in allowed IPs
 *	strict_keep.c	  it goes on where a daemon ends
 *	strict_report.c	  what was dropped, for the log and for `wgx show`
 */
#ifndef WGX_DAEMON_STRICT_H
#define WGX_DAEMON_STRICT_H

#include "daemon/state.h"

/** wgx_strict_ready() - load the program, if that has not been done; 0 or a negative errno */
int wgx_strict_ready(struct wgx_daemon *d);

/** wgx_strict_networks_start() - tell the program, which is new, of all interfaces, and note what a dead daemon told it */
void wgx_strict_networks_start(struct wgx_daemon *d);
/** wgx_strict_protect() - the networks that devices want protected now; where that fails, everything is */
void wgx_strict_protect(struct wgx_daemon *d);

/** wgx_strict_shuts() - a device with @g drops all plaintext, which nobody may have meant */
bool wgx_strict_shuts(struct wgx_daemon *d, const struct wgx_guard *g);

/** wgx_strict_on_report() - of one packet, to the log; @arg: the daemon */
void wgx_strict_on_report(void *arg, const struct wgx_strict_report *r);
/** wgx_strict_listen() - take the program's reports in the loop; 0 or a negative errno */
int wgx_strict_listen(struct wgx_daemon *d);

#endif
