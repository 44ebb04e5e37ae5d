/* SPDX-License-Identifier: MIT */
#include "metrics/families.h"

#include <inttypes.h>
#include <string.h>

/* Labels are indexed, and 100,000 allowed IPs of one peer would be megabytes: longer lists are cut off. */
#define ALLOWED_IPS_MAX 1024

/* ---- one line ---- */

static void put_escaped(FILE *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '\\':
			fputs("\\\\", out);
			break;
		case '"':
			fputs("\\\"", out);
			break;
		case '\n':
			fputs("\\n", out);
			break;
		default:
			putc(*s, out);
		}
}

static void put_name(struct wgx_metrics_out *o, const struct wgx_family *f,
		     const struct wgx_label *labels)
{
	if (!o->headed)
		fprintf(o->out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
	o->headed = true;
	fputs(f->name, o->out);
	for (int i = 0; labels && i < WGX_LABELS_MAX && labels[i].name; i++) {
		fprintf(o->out, "%c%s=\"", i ? ',' : '{', labels[i].name);
		put_escaped(o->out, labels[i].value ? labels[i].value : "");
		putc('"', o->out);
	}
	if (labels && labels[0].name)
		putc('}', o->out);
}

static void put_integer(struct wgx_metrics_out *o, const struct wgx_family *f,
			const struct wgx_label *labels, int64_t value)
{
	put_name(o, f, labels);
	fprintf(o->out, " %" PRId64 "\n", value);
}

static void put_ns(struct wgx_metrics_out *o, const struct wgx_family *f,
		   const struct wgx_label *labels, uint64_t ns)
{
	put_name(o, f, labels);
	fprintf(o->out, " %" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* What @f is of @object. Where a daemon of another version has no such member, there is no sample. */
static const json_t *value_of(const struct wgx_family *f, const json_t *object)
{
	if (f->group)
		object = json_object_get(object, f->group);
	return json_object_get(object, f->member);
}

void wgx_family_put(struct wgx_metrics_out *o, const struct wgx_family *f,
		    const struct wgx_label *labels, const json_t *value)
{
	if (json_is_boolean(value))
		put_integer(o, f, labels, json_is_true(value));
	else if (json_is_integer(value))
		put_integer(o, f, labels, json_integer_value(value));
}

/* ---- of the daemon ---- */

static void write_up(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	put_integer(o, f, NULL, o->answer != NULL);
}

static void write_took(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	if (o->answer)
		put_ns(o, f, NULL, o->took_ns);
}

static void write_build(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	const struct wgx_label labels[] = {{"version", text_of(o->answer, "version")}, {0}};

	if (o->answer)
		put_integer(o, f, labels, 1);
}

void wgx_family_write(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	wgx_family_put(o, f, NULL, value_of(f, o->answer));
}

static void write_handshakes(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	static const struct {
		const char *type, *member;
	} types[] = {
		{"initiation", "initiations"},
		{"response", "responses"},
		{"cookie_reply", "cookies"},
	};
	const json_t *handshakes = json_object_get(o->answer, "handshakes");

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const struct wgx_label labels[] = {{"type", types[i].type}, {0}};

		wgx_family_put(o, f, labels, json_object_get(handshakes, types[i].member));
	}
}

/* ---- of its threads ---- */

static void write_worker(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	size_t i;
	json_t *worker;

	json_array_foreach(json_object_get(o->answer, "workers"), i, worker) {
		const struct wgx_label labels[] = {{"worker", text_of(worker, "name")}, {0}};

		wgx_family_put(o, f, labels, value_of(f, worker));
	}
}

static void write_cpu(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	size_t i;
	json_t *thread;

	json_array_foreach(json_object_get(o->answer, "threads"), i, thread) {
		const struct wgx_label labels[] = {{"thread", text_of(thread, "name")}, {0}};

		put_ns(o, f, labels, (uint64_t)json_integer_value(value_of(f, thread)));
	}
}

/* ---- of attached devices ---- */

static void write_attached(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	json_t *a;
	size_t i;

	json_array_foreach(json_object_get(o->answer, "attached"), i, a) {
		const struct wgx_label labels[] = {
			{"device", text_of(a, "device")},
			{"mode", text_of(a, "mode")},
			{"strict", json_is_object(json_object_get(a, "strict")) ? "1" : "0"},
			{0}};

		put_integer(o, f, labels, 1);
	}
	json_array_foreach(json_object_get(o->answer, "awaited"), i, a) {
		const struct wgx_label labels[] = {{"device", json_string_value(a)}, {0}};

		put_integer(o, f, labels, 0);
	}
}

/* The counters are the same in all attached devices: of all of them together. */
static void write_ingress(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	const json_t *first = json_array_get(json_object_get(o->answer, "attached"), 0);

	wgx_family_put(o, f, NULL, value_of(f, first));
}

/* ---- of interfaces ---- */

static void write_interface(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(o->answer, "interfaces"), i, interface) {
		const struct wgx_label labels[] = {{"interface", text_of(interface, "name")}, {0}};

		wgx_family_put(o, f, labels, value_of(f, interface));
	}
}

static void write_interface_info(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(o->answer, "interfaces"), i, interface) {
		const struct wgx_label labels[] = {{"interface", text_of(interface, "name")},
						   {"public_key", text_of(interface, "public_key")},
						   {"mode", text_of(interface, "mode")},
						   {"mode_in", text_of(interface, "mode_in")},
						   {"aead", text_of(interface, "aead")}};

		put_integer(o, f, labels, 1);
	}
}

static void write_peers(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(o->answer, "interfaces"), i, interface) {
		const struct wgx_label labels[] = {{"interface", text_of(interface, "name")}, {0}};

		put_integer(o, f, labels,
			    (int64_t)json_array_size(json_object_get(interface, "peers")));
	}
}

static void put_drops(struct wgx_metrics_out *o, const struct wgx_family *f, const char *interface,
		      const json_t *drops)
{
	const char *reason;
	json_t *value;

	/* the macro wants no const, and changes nothing */
	json_object_foreach((json_t *)drops, reason, value) {
		const struct wgx_label labels[] = {
			{"interface", interface}, {"reason", reason}, {0}};

		wgx_family_put(o, f, labels, value);
	}
}

static void write_drops(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(o->answer, "interfaces"), i, interface)
		put_drops(o, f, text_of(interface, "name"), json_object_get(interface, "drops"));
	put_drops(o, f, "", json_object_get(o->answer, "drops"));
}

/* ---- of peers ---- */

/* "10.0.0.0/8,fd00::/8"; a list that is too long ends with ",..." */
static void join(char *buf, size_t size, const json_t *list)
{
	static const char more[] = ",...";
	size_t len = 0, i;
	json_t *item;

	buf[0] = '\0';
	json_array_foreach(list, i, item) {
		const char *s = json_string_value(item);
		size_t n = s ? strlen(s) : 0;

		if (len + 1 + n + sizeof(more) > size) {
			snprintf(buf + len, size - len, "%s", i ? more : more + 1);
			return;
		}
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? "," : "", s ? s : "");
	}
}

/* As the exporters that dashboards were made for have it */
static void write_wireguard(struct wgx_metrics_out *o, const struct wgx_family *f,
			    const json_t *interface, const json_t *peer)
{
	char allowed_ips[ALLOWED_IPS_MAX];
	const struct wgx_label labels[] = {{"interface", text_of(interface, "name")},
					   {"public_key", text_of(peer, "public_key")},
					   {"allowed_ips", allowed_ips},
					   {"friendly_name", text_of(peer, "name")},
					   {0}};

	join(allowed_ips, sizeof(allowed_ips), json_object_get(peer, "allowed_ips"));
	wgx_family_put(o, f, labels, value_of(f, peer));
}

static void write_peer(struct wgx_metrics_out *o, const struct wgx_family *f,
		       const json_t *interface, const json_t *peer)
{
	const struct wgx_label labels[] = {{"interface", text_of(interface, "name")},
					   {"public_key", text_of(peer, "public_key")},
					   {"friendly_name", text_of(peer, "name")},
					   {0}};

	wgx_family_put(o, f, labels, value_of(f, peer));
}

static void write_peer_drops(struct wgx_metrics_out *o, const struct wgx_family *f,
			     const json_t *interface, const json_t *peer)
{
	const char *reason;
	json_t *value;

	json_object_foreach(json_object_get(peer, "drops"), reason, value) {
		const struct wgx_label labels[] = {{"interface", text_of(interface, "name")},
						   {"public_key", text_of(peer, "public_key")},
						   {"friendly_name", text_of(peer, "name")},
						   {"reason", reason},
						   {0}};

		wgx_family_put(o, f, labels, value);
	}
}

/* ---- all ---- */

#define COUNTER(name, group, member, write, help)                                 \
	{                                                                         \
		"wgx_" name "_total", "counter", help, group, member, write, NULL \
	}
#define GAUGE(name, group, member, write, help)                        \
	{                                                              \
		"wgx_" name, "gauge", help, group, member, write, NULL \
	}
#define OF_INTERFACE(member, help) COUNTER(member, "counters", member, write_interface, help)
#define OF_INGRESS(member, help) COUNTER("ingress_" member, "counters", member, write_ingress, help)
#define OF_PEER(name, type, member, write, help)            \
	{                                                   \
		name, type, help, NULL, member, NULL, write \
	}

const struct wgx_family wgx_families[] = {
	GAUGE("up", NULL, NULL, write_up, "Whether the daemon of this network namespace answers."),
	GAUGE("build_info", NULL, NULL, write_build, "The daemon's version; 1."),
	GAUGE("answer_seconds", NULL, NULL, write_took,
	      "How long the daemon took to tell all this."),

	GAUGE("interface_info", NULL, NULL, write_interface_info,
	      "Public key, modes and AEAD implementation of an interface; 1."),
	GAUGE("interface_up", NULL, "up", write_interface,
	      "Whether the link is up and the UDP sockets are open."),
	GAUGE("interface_mtu_bytes", NULL, "mtu", write_interface, "MTU."),
	GAUGE("interface_listen_port", NULL, "listen_port", write_interface, "UDP port; 0: none."),
	GAUGE("interface_peers", NULL, NULL, write_peers, "Peers of an interface."),

	COUNTER("drops", NULL, NULL, write_drops,
		"Packets lost, by reason; interface is empty where it was not known."),

	OF_INTERFACE("egress_frames", "Frames and superframes that wgx_egress passed on."),
	OF_INTERFACE("egress_bytes", "Bytes in them."),
	OF_INTERFACE("xsk_rx_frames",
		     "Frames and superframes that reached the seal worker by AF_XDP."),
	OF_INTERFACE("xsk_rx_bytes", "Bytes in them."),
	OF_INTERFACE("sealed_packets", "Data messages made."),
	OF_INTERFACE("sealed_bytes", "Bytes of plaintext in them."),
	OF_INTERFACE("xdp_tx_packets", "Data messages that left past the stack, by AF_XDP."),
	OF_INTERFACE("sends", "System calls that sent data messages."),
	OF_INTERFACE("keepalives_sent", "Keepalives sent."),
	OF_INTERFACE("keepalives_received", "Keepalives received."),
	OF_INTERFACE("staged_packets", "Packets that waited for a handshake."),
	OF_INTERFACE("icmp_sent", "ICMP errors to senders on the interface."),
	OF_INTERFACE("credit_healed", "Descriptors that were credited and never arrived."),
	OF_INTERFACE("opened_packets", "Data messages authenticated."),
	OF_INTERFACE("opened_bytes", "Bytes of plaintext in them."),
	OF_INTERFACE("opened_xsk_packets", "Of these, messages that came by AF_XDP."),
	OF_INTERFACE("opened_xsk_bytes", "Bytes of plaintext in them."),
	OF_INTERFACE("opened_socket_packets", "And messages that came by the UDP socket."),
	OF_INTERFACE("opened_socket_bytes", "Bytes of plaintext in them."),
	OF_INTERFACE("handshakes_queued", "Handshake messages for the protocol thread."),
	OF_INTERFACE("injected_packets",
		     "Packets written into the interface; a GSO packet is one."),
	OF_INTERFACE("injected_segments", "IP packets in them."),

	GAUGE("attached", NULL, NULL, write_attached,
	      "Attached devices and their modes; 0: it has gone and is awaited."),
	OF_INGRESS("steered_frames",
		   "Frames and superframes that attached devices sent to AF_XDP."),
	OF_INGRESS("steered_bytes", "Bytes in them."),
	OF_INGRESS("passed_frames", "Frames for a listen port that went to the UDP socket."),

	COUNTER("handshake_messages", NULL, NULL, write_handshakes,
		"Handshake messages accepted, by type."),
	GAUGE("handshakes_waiting", "handshakes", "waiting", wgx_family_write,
	      "Initiations and responses that wait for their turn, of 4096 at most."),
	COUNTER("thread_cpu_seconds", NULL, "cpu_ns", write_cpu,
		"Processor time of one of the daemon's threads."),
	COUNTER("worker_rounds", NULL, "rounds", write_worker,
		"How often a worker looked for packets."),
	COUNTER("worker_sleeps", NULL, "sleeps", write_worker,
		"How often it found none for long and slept."),

	OF_PEER("wireguard_sent_bytes_total", "counter", "tx_bytes", write_wireguard,
		"Bytes sent to the peer."),
	OF_PEER("wireguard_received_bytes_total", "counter", "rx_bytes", write_wireguard,
		"Bytes received from the peer."),
	OF_PEER("wireguard_latest_handshake_seconds", "gauge", "latest_handshake", write_wireguard,
		"When the latest handshake was, in seconds since 1970; 0: there was none."),
	OF_PEER("wgx_peer_sent_packets_total", "counter", "tx_packets", write_peer,
		"Data messages sent to the peer."),
	OF_PEER("wgx_peer_received_packets_total", "counter", "rx_packets", write_peer,
		"Data messages received from the peer."),
	OF_PEER("wgx_peer_drops_total", "counter", NULL, write_peer_drops,
		"Packets lost of which the peer was known, by reason."),
};

const size_t wgx_families_count = sizeof(wgx_families) / sizeof(*wgx_families);
