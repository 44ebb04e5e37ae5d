/* SPDX-License-Identifier: MIT */
/* Features that show only where packets flow: tried on the loopback of a network namespace made for it. */
#ifndef WGX_NET_PROBE_H
#define WGX_NET_PROBE_H

#include <stdbool.h>

/**
 * wgx_probe_network() - try struct wgx_features' @uso and @generic_frags
 *
 * Needs CAP_SYS_ADMIN; false is what cannot be tried. Nothing of the caller's namespace is touched.
 */
void wgx_probe_network(bool *ret_uso, bool *ret_generic_frags);

#endif
