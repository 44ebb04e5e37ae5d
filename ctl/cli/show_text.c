/* SPDX-License-Identifier: MIT */
/* wg's picture of interfaces and peers, with the data path's. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/show.h"

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n < 0 ? 0 : (uint64_t)n;
}

static void label(const struct wgx_text *t, const char *text)
{
	fprintf(t->out, "  %s%s%s: ", wgx_sgr(t, WGX_BOLD), text, wgx_sgr(t, WGX_RESET));
}

/* "  label: text", where there is a text. */
static void line(const struct wgx_text *t, const char *name, const char *text)
{
	if (!text)
		return;
	label(t, name);
	fprintf(t->out, "%s\n", text);
}

static void heading(const struct wgx_text *t, enum wgx_colour bold, enum wgx_colour plain,
		    const char *what, const char *name)
{
	fprintf(t->out, "%s%s%s: %s%s%s\n", wgx_sgr(t, bold), what, wgx_sgr(t, WGX_RESET),
		wgx_sgr(t, plain), name ? name : "(none)", wgx_sgr(t, WGX_RESET));
}

/* ---- peers ---- */

/* The latest handshake first, none at all last, as wg sorts. */
static int compare_peers(const void *a, const void *b)
{
	uint64_t ta = number_of(*(const json_t *const *)a, "latest_handshake");
	uint64_t tb = number_of(*(const json_t *const *)b, "latest_handshake");

	return ta == tb ? 0 : ta < tb ? 1 : -1;
}

static void print_allowed_ips(const struct wgx_text *t, const json_t *peer)
{
	const json_t *list = json_object_get(peer, "allowed_ips"), *item;
	size_t i;

	label(t, "allowed ips");
	if (!json_array_size(list))
		fputs("(none)", t->out);
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		fprintf(t->out, "%s%s", i ? ", " : "", text ? text : "?");
	}
	fputc('\n', t->out);
}

static void print_transfer(const struct wgx_text *t, const json_t *peer)
{
	uint64_t rx = number_of(peer, "rx_bytes"), tx = number_of(peer, "tx_bytes");

	if (!rx && !tx)
		return;
	label(t, "transfer");
	wgx_text_bytes(t, rx);
	fputs(" received, ", t->out);
	wgx_text_bytes(t, tx);
	fputs(" sent\n", t->out);
}

static void print_peer(const struct wgx_text *t, const json_t *peer, int64_t now)
{
	uint64_t handshake = number_of(peer, "latest_handshake");
	uint64_t keepalive = number_of(peer, "persistent_keepalive");

	heading(t, WGX_YELLOW_BOLD, WGX_YELLOW, "peer", string_of(peer, "public_key"));
	line(t, "name", string_of(peer, "name"));
	line(t, "endpoint", string_of(peer, "endpoint"));
	print_allowed_ips(t, peer);
	if (handshake) {
		label(t, "latest handshake");
		wgx_text_ago(t, (int64_t)handshake, now);
		fputc('\n', t->out);
	}
	print_transfer(t, peer);
	if (keepalive) {
		label(t, "persistent keepalive");
		fputs("every ", t->out);
		wgx_text_duration(t, keepalive);
		fputc('\n', t->out);
	}
}

static void print_peers(const struct wgx_text *t, const json_t *list, int64_t now)
{
	size_t n = json_array_size(list), i;
	const json_t **sorted = n ? calloc(n, sizeof(*sorted)) : NULL;

	for (i = 0; sorted && i < n; i++)
		sorted[i] = json_array_get(list, i);
	if (sorted)
		qsort(sorted, n, sizeof(*sorted), compare_peers);
	/* without memory for the sorting: as they come */
	for (i = 0; i < n; i++) {
		fputc('\n', t->out);
		print_peer(t, sorted ? sorted[i] : json_array_get(list, i), now);
	}
	free(sorted);
}

/* ---- the data path ---- */

/* "name N, name N" of what is not zero; nothing printed if all is. Return: anything printed? */
static bool print_counts(const struct wgx_text *t, const char *name, const json_t *counts)
{
	const char *key;
	const json_t *value;
	bool any = false;

	json_object_foreach((json_t *)counts, key, value) {
		json_int_t n = json_integer_value(value);

		if (!n)
			continue;
		if (any)
			fputs(", ", t->out);
		else
			label(t, name);
		fprintf(t->out, "%s %" JSON_INTEGER_FORMAT, key, n);
		any = true;
	}
	if (any)
		fputc('\n', t->out);
	return any;
}

/* "  label: N packets, N GiB" */
static void print_volume(const struct wgx_text *t, const char *name, uint64_t packets,
			 uint64_t bytes)
{
	if (!packets)
		return;
	label(t, name);
	fprintf(t->out, "%" PRIu64 " packets, ", packets);
	wgx_text_bytes(t, bytes);
	fputc('\n', t->out);
}

/* How much took the fast way: of what was received, and of what BPF stamped on wg0's egress. */
static void print_af_xdp(const struct wgx_text *t, const json_t *c)
{
	uint64_t opened = number_of(c, "opened_bytes"), stamped = number_of(c, "egress_bytes");

	if (!opened && !stamped)
		return;
	label(t, "af_xdp");
	fprintf(t->out, "%" PRIu64 " packets in", number_of(c, "opened_xsk_packets"));
	if (opened) {
		fputs(", ", t->out);
		wgx_text_share(t, number_of(c, "opened_xsk_bytes"), opened);
		fputs(" of received data", t->out);
	}
	fprintf(t->out, "; %" PRIu64 " frames out", number_of(c, "xsk_rx_frames"));
	if (stamped) {
		fputs(", ", t->out);
		wgx_text_share(t, number_of(c, "xsk_rx_bytes"), stamped);
		fputs(" of sent data", t->out);
	}
	fputc('\n', t->out);
}

static void print_injected(const struct wgx_text *t, const json_t *c)
{
	if (!number_of(c, "injected_packets"))
		return;
	label(t, "injected");
	fprintf(t->out, "%" PRIu64 " packets of %" PRIu64 " segments\n",
		number_of(c, "injected_packets"), number_of(c, "injected_segments"));
}

/* Of what was sealed and opened, the part of the router path */
static void print_lan_path(const struct wgx_text *t, const json_t *c)
{
	uint64_t in = number_of(c, "lan_tcx_frames") + number_of(c, "lan_xdp_frames"),
		 out = number_of(c, "lan_out_packets");

	if (!in && !out)
		return;
	label(t, "lan");
	fprintf(t->out, "%" PRIu64 " frames into the tunnel, %" PRIu64 " packets out of it\n", in,
		out);
}

/* Of what was sealed, the part that left by AF_XDP, and why the rest did not */
static void print_transmitted(const struct wgx_text *t, const json_t *counters)
{
	static const char prefix[] = "xdp_tx_";
	uint64_t packets = number_of(counters, "xdp_tx_packets");
	json_t *passed = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)counters, key, value) {
		if (!strncmp(key, prefix, sizeof(prefix) - 1) && strcmp(key, "xdp_tx_packets") != 0)
			json_object_set(passed, key + sizeof(prefix) - 1, value);
	}
	if (packets) {
		label(t, "transmitted");
		fprintf(t->out, "%" PRIu64 " packets past the stack\n", packets);
	}
	print_counts(t, "by the socket", passed);
	json_decref(passed);
}

static void print_path(const struct wgx_text *t, const json_t *iface)
{
	const json_t *c = json_object_get(iface, "counters");

	line(t, "mode", string_of(iface, "mode"));
	line(t, "mode in", string_of(iface, "mode_in"));
	line(t, "mode out", string_of(iface, "mode_out"));
	line(t, "aead", string_of(iface, "aead"));
	print_volume(t, "sealed", number_of(c, "sealed_packets"), number_of(c, "sealed_bytes"));
	print_volume(t, "opened", number_of(c, "opened_packets"), number_of(c, "opened_bytes"));
	print_af_xdp(t, c);
	print_volume(t, "socket", number_of(c, "opened_socket_packets"),
		     number_of(c, "opened_socket_bytes"));
	print_injected(t, c);
	print_lan_path(t, c);
	print_transmitted(t, c);
	print_counts(t, "drops", json_object_get(iface, "drops"));
}

static void print_interface(const struct wgx_text *t, const json_t *iface, int64_t now)
{
	uint64_t port = number_of(iface, "listen_port"), mark = number_of(iface, "fwmark");

	heading(t, WGX_GREEN_BOLD, WGX_GREEN, "interface", string_of(iface, "name"));
	line(t, "public key", string_of(iface, "public_key"));
	if (port) {
		label(t, "listening port");
		fprintf(t->out, "%" PRIu64 "\n", port);
	}
	if (mark) {
		label(t, "fwmark");
		fprintf(t->out, "0x%" PRIx64 "\n", mark);
	}
	label(t, "state");
	fprintf(t->out, "%s, mtu %" PRIu64 "\n",
		json_is_true(json_object_get(iface, "up")) ? "up" : "down",
		number_of(iface, "mtu"));
	print_path(t, iface);
	print_peers(t, json_object_get(iface, "peers"), now);
}

/* "  strict: on; exempt 192.168.1.0/24, fd01::/64" */
static void print_strict(const struct wgx_text *t, const json_t *strict)
{
	const json_t *list = json_object_get(strict, "exempt"), *item;
	size_t i;

	if (!json_is_object(strict))
		return;
	label(t, "strict");
	fputs("on", t->out);
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		fprintf(t->out, "%s%s", i ? ", " : "; exempt ", text ? text : "?");
	}
	if (json_is_true(json_object_get(strict, "inherited")))
		fputs("; as the daemon that died had it", t->out);
	if (json_is_true(json_object_get(strict, "all_plaintext")))
		fputs("; all plaintext that is not exempt is dropped", t->out);
	fputc('\n', t->out);
	print_counts(t, "drops", json_object_get(strict, "drops"));
}

/* "  lan: N packets, N GiB past the stack; to the stack: route N, ttl N" */
static void print_lan(const struct wgx_text *t, const json_t *lan)
{
	if (!json_is_object(lan))
		return;
	label(t, "lan");
	fprintf(t->out, "%s, %" PRIu64 " packets, ", string_of(lan, "way"),
		number_of(lan, "packets"));
	wgx_text_bytes(t, number_of(lan, "bytes"));
	fputs(" past the stack\n", t->out);
	print_counts(t, "lan, to the stack", json_object_get(lan, "passed"));
}

static void print_transmit(const struct wgx_text *t, const json_t *transmit)
{
	if (!json_is_object(transmit))
		return;
	label(t, "transmit");
	fprintf(t->out, "on, %" PRIu64 " packets, ", number_of(transmit, "packets"));
	wgx_text_bytes(t, number_of(transmit, "bytes"));
	fputs(" past the stack\n", t->out);
}

/* "  af_xdp: zero-copy on 3 of 4 queues; copy mode: why" */
static void print_sockets(const struct wgx_text *t, const json_t *xsks)
{
	const uint64_t queues = number_of(xsks, "queues"), zero_copy = number_of(xsks, "zero_copy");
	const char *why = string_of(xsks, "why_copy");

	if (!queues)
		return;
	label(t, "af_xdp");
	fprintf(t->out, "zero-copy on %" PRIu64 " of %" PRIu64 " queues", zero_copy, queues);
	if (zero_copy < queues)
		fprintf(t->out, "; copy mode: %s", why ? why : "?");
	fputc('\n', t->out);
}

static void print_attached(const struct wgx_text *t, const json_t *device)
{
	heading(t, WGX_GREEN_BOLD, WGX_GREEN, "attached", string_of(device, "device"));
	line(t, "mode", string_of(device, "mode"));
	print_sockets(t, json_object_get(device, "af_xdp"));
	print_strict(t, json_object_get(device, "strict"));
	print_lan(t, json_object_get(device, "lan"));
	print_transmit(t, json_object_get(device, "transmit"));
	print_counts(t, "counters", json_object_get(device, "counters"));
}

static bool any_count(const json_t *counts)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)counts, name, value) {
		if (json_integer_value(value))
			return true;
	}
	return false;
}

void wgx_show_print(const struct wgx_text *t, const json_t *answer, int64_t now)
{
	const json_t *item;
	const char *gap = "";
	size_t i;

	json_array_foreach(json_object_get(answer, "interfaces"), i, item) {
		fputs(gap, t->out);
		print_interface(t, item, now);
		gap = "\n";
	}
	json_array_foreach(json_object_get(answer, "attached"), i, item) {
		fputs(gap, t->out);
		print_attached(t, item);
		gap = "\n";
	}
	json_array_foreach(json_object_get(answer, "awaited"), i, item) {
		fputs(gap, t->out);
		heading(t, WGX_YELLOW_BOLD, WGX_YELLOW, "awaited", json_string_value(item));
		line(t, "mode", "the device went away; attached again when it is back");
		gap = "\n";
	}
	if (any_count(json_object_get(answer, "drops"))) {
		fputs(gap, t->out);
		heading(t, WGX_GREEN_BOLD, WGX_GREEN, "dropped before",
			"it was known for which interface");
		print_counts(t, "drops", json_object_get(answer, "drops"));
	}
}

void wgx_show_peer_print(const struct wgx_text *t, const json_t *answer, int64_t now)
{
	const json_t *iface = json_array_get(json_object_get(answer, "interfaces"), 0);
	const json_t *peer = json_array_get(json_object_get(iface, "peers"), 0);

	print_peer(t, peer, now);
	print_counts(t, "drops", json_object_get(peer, "drops"));
}
