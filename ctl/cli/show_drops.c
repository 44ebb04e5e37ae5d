/* SPDX-License-Identifier: MIT */
/* wgx show --drops: a line for each reason that has occurred. */
#include <string.h>
#include <wgx/drops.h>

#include "cli/show.h"

/* Where a packet is lost, by the first part of the reason's name. */
static const struct {
	const char *prefix, *where;
} places[] = {
	{"egress_", "wg0, outgoing"},	   {"ingress_", "underlay, incoming"},
	{"steer_", "AF_XDP ring"},	   {"seal_", "seal worker"},
	{"send_", "UDP socket, outgoing"}, {"socket_", "UDP socket, incoming"},
	{"open_", "open worker"},	   {"inject_", "wg0, incoming"},
	{"handshake_", "protocol thread"}, {"strict_", "underlay, strict mode"},
};

static const char *place_of(const char *reason)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!strncmp(reason, places[i].prefix, strlen(places[i].prefix)))
			return places[i].where;
	return "-";
}

/* An answer of another version may have reasons that we do not know. */
static const char *meaning_of(const char *reason)
{
	static const struct {
		const char *label, *text;
	} meanings[] = {
#define X(name, label, text) {label, text},
		WGX_DROP_REASONS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (!strcmp(reason, meanings[i].label))
			return meanings[i].text;
	return "(unknown to this version)";
}

static void print_reasons(const struct wgx_text *t, const json_t *drops)
{
	const char *reason;
	json_t *value;
	bool any = false;

	json_object_foreach((json_t *)drops, reason, value) {
		json_int_t n = json_integer_value(value);

		if (!n)
			continue;
		any = true;
		fprintf(t->out, "  %-24s %12" JSON_INTEGER_FORMAT "  %-20s  %s\n", reason, n,
			place_of(reason), meaning_of(reason));
	}
	if (!any)
		fputs("  none\n", t->out);
}

/* "what: text (name)"; @name: JSON null or none: it has none */
static void print_heading(const struct wgx_text *t, const char *what, const json_t *text,
			  const json_t *name)
{
	const char *s = json_string_value(text);

	fprintf(t->out, "%s%s%s: %s", wgx_sgr(t, WGX_BOLD), what, wgx_sgr(t, WGX_RESET),
		s ? s : "(none)");
	if (json_is_string(name))
		fprintf(t->out, " (%s)", json_string_value(name));
	fputc('\n', t->out);
}

static void print_peer(const struct wgx_text *t, const json_t *peer)
{
	print_heading(t, "peer", json_object_get(peer, "public_key"),
		      json_object_get(peer, "name"));
	print_reasons(t, json_object_get(peer, "drops"));
}

/* Those of which nothing was lost are left out: there may be many. */
static void print_peers(const struct wgx_text *t, const json_t *iface)
{
	const json_t *peer;
	size_t i;

	json_array_foreach(json_object_get(iface, "peers"), i, peer) {
		if (json_object_size(json_object_get(peer, "drops")))
			print_peer(t, peer);
	}
}

void wgx_show_drops_print(const struct wgx_text *t, const json_t *answer)
{
	const json_t *iface;
	size_t i;

	json_array_foreach(json_object_get(answer, "interfaces"), i, iface) {
		print_heading(t, "interface", json_object_get(iface, "name"), NULL);
		print_reasons(t, json_object_get(iface, "drops"));
		print_peers(t, iface);
	}
	fprintf(t->out, "%sof no interface%s:\n", wgx_sgr(t, WGX_BOLD), wgx_sgr(t, WGX_RESET));
	print_reasons(t, json_object_get(answer, "drops"));
}

void wgx_show_peer_drops_print(const struct wgx_text *t, const json_t *answer)
{
	const json_t *iface = json_array_get(json_object_get(answer, "interfaces"), 0);

	print_peer(t, json_array_get(json_object_get(iface, "peers"), 0));
}
