/* SPDX-License-Identifier: MIT */
/* The daemon and its interfaces: are they there, are they up, does anybody answer, which way do packets take? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doctor/doctor.h"
#include "net/link.h"
#include "path/aead.h"

#define TOLD_MAX 5 /* findings of one kind: a gateway may have thousands */

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool is_served(const struct wgx_doctor *d, int ifindex)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		if (number_of(interface, "ifindex") == ifindex)
			return true;
	}
	return false;
}

/* Interfaces that a daemon has left behind when it was killed: they keep routes and carry nothing. */
static void check_orphans(struct wgx_doctor *d)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		struct wgx_link_info info;

		if (wgx_link_query_index((int)i->if_index, &info) || !wgx_link_is_ours(&info) ||
		    !strcmp(info.name, WGX_COLLECTOR_NAME) || is_served(d, info.ifindex))
			continue;
		wgx_found(&d->report, WGX_PROBLEM, "daemon", info.name,
			  "its daemon has died: it carries nothing");
		wgx_remedy(&d->report,
			   "wgx %s takes it over, then configure it again; or ip link delete %s",
			   info.name, info.name);
	}
	if_freenameindex(all);
}

void wgx_check_daemon(struct wgx_doctor *d)
{
	if (d->show) {
		wgx_found(&d->report, WGX_FINE, "daemon", NULL, "version %s, process %d",
			  string_of(d->show, "version"), (int)number_of(d->show, "pid"));
	} else if (d->no_daemon) {
		wgx_found(&d->report, WGX_NOTE, "daemon", NULL,
			  "none runs in this network namespace");
		wgx_remedy(&d->report, "wgx up NAME, or wgx wg0, starts one");
	} else {
		wgx_found(&d->report, WGX_NOTE, "daemon", NULL, "it cannot be asked");
		wgx_remedy(&d->report, "run wgx as root");
	}
	if (d->show || d->no_daemon)
		check_orphans(d);
}

/* ---- each interface ---- */

static void check_link(struct wgx_doctor *d, const json_t *interface, const char *name)
{
	struct wgx_link_info info;
	json_int_t port = number_of(interface, "listen_port");

	if (wgx_link_query_index((int)number_of(interface, "ifindex"), &info))
		return; /* it is in another namespace */
	if (!(info.flags & IFF_UP)) {
		wgx_found(&d->report, WGX_NOTE, "interface", name, "it is down");
		wgx_remedy(&d->report, "ip link set %s up", name);
	} else if (!json_is_true(json_object_get(interface, "up"))) {
		wgx_found(&d->report, WGX_PROBLEM, "interface", name,
			  "UDP port %d cannot be had: another program has it", (int)port);
		wgx_remedy(&d->report,
			   "ss -Hulpn 'sport = :%d' tells which; or wg set %s "
			   "listen-port N",
			   (int)port, name);
	}
}

static bool is_silent(const json_t *peer)
{
	return json_is_string(json_object_get(peer, "endpoint")) && number_of(peer, "tx_bytes") &&
	       !number_of(peer, "rx_bytes");
}

static void check_peers(struct wgx_doctor *d, const json_t *interface, const char *name)
{
	unsigned int silent = 0;
	const json_t *peer;
	size_t i;

	json_array_foreach(json_object_get(interface, "peers"), i, peer) {
		const char *known = string_of(peer, "name");

		if (!is_silent(peer) || silent++ >= TOLD_MAX)
			continue;
		wgx_found(&d->report, WGX_WARNING, "handshake", name,
			  "nothing has come back from peer %s at %s",
			  known ? known : string_of(peer, "public_key"),
			  string_of(peer, "endpoint"));
		wgx_remedy(&d->report, "is the peer up, with this host's public key, and is there "
				       "no firewall in between?");
	}
	if (silent > TOLD_MAX)
		wgx_found(&d->report, WGX_WARNING, "handshake", name, "nor from %u more peers",
			  silent - TOLD_MAX);
}

static void report_fine(struct wgx_doctor *d, const json_t *interface, const char *name)
{
	size_t peers = json_array_size(json_object_get(interface, "peers"));

	wgx_found(&d->report, WGX_FINE, "interface", name, "up, port %d, %zu peer%s",
		  (int)number_of(interface, "listen_port"), peers, peers == 1 ? "" : "s");
}

void wgx_check_interfaces(struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		const char *name = string_of(interface, "name");
		size_t before = json_array_size(d->report.findings);

		if (json_is_null(json_object_get(interface, "public_key"))) {
			wgx_found(&d->report, WGX_PROBLEM, "interface", name,
				  "it has no private key: no handshake is possible");
			wgx_remedy(&d->report, "wg set %s private-key FILE", name);
		}
		check_link(d, interface, name);
		check_peers(d, interface, name);
		if (json_array_size(d->report.findings) == before)
			report_fine(d, interface, name);
	}
}

/* ---- the way that packets take, and a better one ---- */

static const json_t *attached_as(const struct wgx_doctor *d, const char *device)
{
	const json_t *a;
	size_t i;

	json_array_foreach(json_object_get(d->show, "attached"), i, a) {
		if (!strcmp(string_of(a, "device"), device))
			return a;
	}
	return NULL;
}

static void check_underlay(struct wgx_doctor *d, const struct wgx_way_out *w)
{
	const char *device = w->way.device;
	const json_t *attached = attached_as(d, device);
	const char *mode = attached ? string_of(attached, "mode") : "none";
	struct wgx_link_info info;

	if (!strcmp(mode, "tcx") || !strcmp(mode, "native")) {
		wgx_found(&d->report, WGX_FINE, "mode", device, "attached, mode %s%s", mode,
			  strcmp(mode, "tcx") != 0 ? ": one packet a frame" : "");
		return;
	}
	if (wgx_link_query_index(w->way.ifindex, &info) || !wgx_link_is_ethernet(&info) ||
	    info.flags & IFF_LOOPBACK)
		return;
	wgx_found(
		&d->report, WGX_NOTE, "mode", device,
		"not attached: what comes for %s takes the UDP socket, which is slower than AF_XDP",
		*w->interface ? w->interface : "wgx");
	wgx_remedy(&d->report, "wgx attach %s", device);
}

static void check_superframes(struct wgx_doctor *d, const json_t *interface)
{
	const char *name = string_of(interface, "name"), *mode = string_of(interface, "mode");

	if (strstr(mode, "superframes")) {
		wgx_found(&d->report, WGX_FINE, "mode", name, "%s", mode);
		return;
	}
	wgx_found(&d->report, WGX_WARNING, "mode", name, "%s: slow", mode);
	wgx_remedy(&d->report, "Linux 6.9 or later takes superframes");
}

static void check_aead(struct wgx_doctor *d, const json_t *interface)
{
	const char *aead = string_of(interface, "aead");

	if (!aead || strcmp(aead, "libsodium") != 0)
		return;
	wgx_found(&d->report, WGX_NOTE, "mode", string_of(interface, "name"),
		  "the cryptography is libsodium's; intel-ipsec-mb is up to three times as fast");
	wgx_remedy(&d->report, "on x86-64, a wgx that is built with intel-ipsec-mb");
}

void wgx_check_mode(struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	if (!d->show)
		return;
	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		check_superframes(d, interface);
	}
	if (!WGX_IPSEC_MB) /* else it was there, and slower on this processor */
		check_aead(d, json_array_get(json_object_get(d->show, "interfaces"), 0));
	for (unsigned int w = 0; w < d->n_ways; w++)
		if (wgx_way_is_first(d, w))
			check_underlay(d, &d->ways[w]);
}
