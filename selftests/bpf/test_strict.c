/* SPDX-License-Identifier: MIT */
/*
 * wgx_strict: which packets cross an underlay in the clear, both ways; on frames of our own making, and on what real
 * sockets send.
 */
#include <time.h>
#include "strict_env.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define ND(type) ((type) << 8) /* of an ICMP header, in the place of a UDP header's source port */

static struct packet quoted;

enum { PASS, DROP };

/* A packet, and what becomes of it that way */
struct row {
	struct packet_spec spec;
	int out, in;
};

/* ---- verdicts ---- */

static void check_run(bool egress, int wanted, __u16 gso_size, __u16 gso_segs)
{
	__u32 reason = egress ? WGX_DROP_STRICT_EGRESS : WGX_DROP_STRICT_INGRESS;
	__u64 sum = percpu_sum(skel->maps.drops, reason), packets = gso_segs ? gso_segs : 1;
	struct wgx_strict_counts before = counts_of(DEVICE), after;
	const struct run *r =
		run_tc(egress ? skel->progs.wgx_strict_out : skel->progs.wgx_strict_in, &pkt,
		       gso_size, gso_segs);

	after = counts_of(DEVICE);
	assert_int_equal(r->verdict, wanted == DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC);
	assert_int_equal(percpu_sum(skel->maps.drops, reason) - sum, wanted == DROP ? packets : 0);
	assert_int_equal(after.egress - before.egress, egress && wanted == DROP ? packets : 0);
	assert_int_equal(after.ingress - before.ingress, !egress && wanted == DROP ? packets : 0);
	assert_int_equal(r->len, pkt.len);
	assert_memory_equal(r->data, pkt.data, pkt.len);
}

static void check_packet(int out, int in)
{
	check_run(true, out, 0, 0);
	check_run(false, in, 0, 0);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		packet_build(&pkt, &rows[i].spec);
		print_message("# row %zu: %s to %s\n", i,
			      rows[i].spec.src ? rows[i].spec.src : "(default)", rows[i].spec.dst);
		check_packet(rows[i].out, rows[i].in);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_addresses(void **state)
{
	static const struct row rows[] = {
		{{.dst = "10.7.0.2"}, DROP, PASS},
		{{.dst = "10.7.0.255", .proto = IPPROTO_TCP}, DROP, PASS},
		{{.dst = "10.7.1.2"}, PASS, PASS},
		{{.dst = "10.8.200.2"}, DROP, PASS}, /* the second interface's */
		{{.dst = "10.9.0.1"}, PASS, PASS},
		{{.dst = "192.0.2.7", .src = "10.7.0.2"}, PASS, DROP},
		{{.dst = "192.0.2.7", .src = "10.8.0.1"}, PASS, DROP},
		{{.dst = "10.7.0.2", .src = "10.7.0.1"}, DROP, DROP},
		{{.dst = "fd07::2"}, DROP, PASS},
		{{.dst = "fd07:0:0:1::2"}, PASS, PASS},
		{{.dst = "fd08::2", .proto = IPPROTO_TCP}, DROP, PASS},
		{{.dst = "2001:db8::7", .src = "fd07::2"}, PASS, DROP},
		{{.dst = "2001:db8::7", .src = "fd08::1"}, PASS, DROP},
		/* to our own port it is for us from whoever it comes; but it goes to no tunnel address */
		{{.dst = LOCAL4, .src = "10.7.0.2", .dport = PORT}, PASS, PASS},
		{{.dst = LOCAL6, .src = "fd07::2", .dport = PORT}, PASS, PASS},
		{{.dst = "10.7.0.2", .dport = PORT, .sport = PORT}, DROP, PASS},
		{{.dst = LOCAL4, .src = "10.7.0.2", .dport = PORT + 1}, PASS, DROP},
		{{.dst = LOCAL4, .src = "10.7.0.2", .sport = PORT, .dport = 9}, PASS, DROP},
		{{.dst = "192.0.2.7", .src = "10.7.0.2", .dport = PORT}, PASS, DROP}, /* not us */
		{{.dst = LOCAL4, .src = "10.7.0.2", .dport = PORT, .proto = IPPROTO_TCP},
		 PASS,
		 DROP},
		{{.dst = LOCAL4, .src = "10.7.0.2", .dport = PORT, .options = 3}, PASS, PASS},
		{{.dst = "10.7.0.2", .options = 3}, DROP, PASS},
		/* other tunnels: by their outer addresses */
		{{.dst = "198.51.100.1", .proto = 4 /* IPIP */}, PASS, PASS},
		{{.dst = "10.7.0.2", .proto = 47 /* GRE */}, DROP, PASS},
		{{.dst = "fd07::2", .ext = EXT(60) /* destination options */}, DROP, PASS},
		{{.dst = LOCAL6, .src = "fd07::2", .ext = EXT(60)}, PASS, DROP},
	};

	need_bpf();
	CHECK_ROWS(rows);
}

/* No trie is looked into beyond those that there are; an empty slot is none; or all is as if it was allowed. */
static void test_slots(void **state)
{
	static const struct row more[] =
		{
			{{.dst = "10.7.0.2"}, DROP, PASS},
			{{.dst = "10.8.0.2"}, PASS, PASS},
		},
				all[] = {
					{{.dst = "198.51.100.1", .src = LOCAL4}, DROP, DROP},
					{{.dst = "2001:db8:9::1", .src = LOCAL6}, DROP, DROP},
					{{.dst = "198.51.100.1", .src = "172.16.9.9"}, DROP, PASS},
					{{.dst = "255.255.255.255", .src = "172.16.9.9"},
					 PASS,
					 PASS},
				};
	__u32 slot = 0;

	need_bpf();
	configure(5, 0);
	CHECK_ROWS(more);
	configure(7, 0);
	bpf_map_delete_elem(bpf_map__fd(skel->maps.strict_tries4), &slot);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	check_packet(PASS, PASS);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.8.0.2"});
	check_packet(DROP, PASS);
	packet_build(&pkt, &(struct packet_spec){.dst = "fd07::2"});
	check_packet(DROP, PASS);
	configure(0, 0);
	check_packet(PASS, PASS);
	configure(0, WGX_STRICT_ALL);
	exempt(DEVICE, "172.16.0.0", 12);
	CHECK_ROWS(all);
}

/* Behind one or two tags a packet is judged; what has more is dropped. */
static void test_tags(void **state)
{
	static const struct row rows[] = {
		{{.dst = "10.7.0.2", .vlan = ETH_P_8021Q}, DROP, PASS},
		{{.dst = "10.9.0.2", .vlan = ETH_P_8021Q}, PASS, PASS},
		{{.dst = "fd07::2", .vlan = ETH_P_8021AD}, DROP, PASS},
		{{.dst = "2001:db8::7", .src = "fd07::2", .vlan = ETH_P_8021Q}, PASS, DROP},
		{{.dst = "10.7.0.2", .vlan = ETH_P_8021AD, .inner_vlan = ETH_P_8021Q}, DROP, PASS},
		{{.dst = "10.9.0.2", .vlan = ETH_P_8021AD, .inner_vlan = ETH_P_8021Q}, PASS, PASS},
		{{.dst = "10.9.0.2",
		  .vlan = ETH_P_8021Q,
		  .inner_vlan = ETH_P_8021Q,
		  .ethertype = ETH_P_8021Q},
		 DROP,
		 DROP},
		{{.dst = LOCAL4, .src = "10.7.0.2", .vlan = ETH_P_8021Q},
		 PASS,
		 PASS}, /* our port */
		{{.dst = "10.7.0.2", .vlan = ETH_P_8021Q, .ethertype = ETH_P_ARP}, PASS, PASS},
	};

	need_bpf();
	CHECK_ROWS(rows);
}

/* What the link itself needs, though its addresses are in allowed IPs */
static void test_link_protocols(void **state)
{
	static const struct row rows[] = {
		{{.dst = "10.7.0.2", .ethertype = ETH_P_ARP}, PASS, PASS},
		{{.dst = "10.7.0.2", .ethertype = ETH_P_LLDP}, PASS, PASS},
		{{.dst = "224.0.0.251", .src = "10.7.0.2", .dport = 5353}, PASS, DROP},
		{{.dst = "224.0.0.22", .src = "10.7.0.2", .proto = IPPROTO_IGMP}, PASS, PASS},
		{{.dst = "10.7.0.2", .src = "10.7.0.1", .proto = IPPROTO_IGMP}, DROP, DROP},
		{{.dst = "255.255.255.255", .src = "0.0.0.0", .sport = 68, .dport = 67},
		 PASS,
		 PASS},
		{{.dst = "169.254.1.2", .src = "169.254.1.1"}, PASS, PASS},
		{{.dst = "10.7.0.1", .src = "10.7.0.2", .sport = 67, .dport = 68}, PASS, PASS},
		{{.dst = "10.7.0.1", .src = "10.7.0.2", .sport = 68, .dport = 67}, PASS, PASS},
		{{.dst = "10.7.0.1", .src = "10.7.0.2", .sport = 67, .dport = 67}, PASS, PASS},
		{{.dst = "10.7.0.1", .src = "10.7.0.2", .sport = 1068, .dport = 67}, DROP, DROP},
		{{.dst = "10.7.0.1",
		  .src = "10.7.0.2",
		  .sport = 67,
		  .dport = 68,
		  .proto = IPPROTO_TCP},
		 DROP,
		 DROP},
		{{.dst = "10.7.0.1",
		  .src = "10.7.0.2",
		  .sport = 67,
		  .dport = 68,
		  .frag_off = 0x2000},
		 DROP,
		 DROP},
		{{.dst = "10.7.0.1", .src = "10.7.0.2", .sport = 546, .dport = 547}, DROP, DROP},
		{{.dst = "fd07::1", .src = "fd07::2", .sport = 547, .dport = 546}, PASS, PASS},
		{{.dst = "fd07::1", .src = "fd07::2", .sport = 546, .dport = 547}, PASS, PASS},
		{{.dst = "fd07::1", .src = "fd07::2", .sport = 68, .dport = 67}, DROP, DROP},
		{{.dst = "fd07::1",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(132)},
		 DROP,
		 DROP},
		{{.dst = "fd07::1",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(133)},
		 PASS,
		 PASS},
		{{.dst = "fd07::1",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(135)},
		 PASS,
		 PASS},
		{{.dst = "fd07::1",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(137)},
		 PASS,
		 PASS},
		{{.dst = "fd07::1",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(138)},
		 DROP,
		 DROP},
		/* from beyond a router */
		{{.dst = "fd07::1",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 254,
		  .sport = ND(135)},
		 DROP,
		 DROP},
		{{.dst = "10.7.0.1",
		  .src = "10.7.0.2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(135)},
		 DROP,
		 DROP},
		{{.dst = "ff02::1:ff00:2",
		  .src = "fd07::2",
		  .proto = IPPROTO_ICMPV6,
		  .ttl = 255,
		  .sport = ND(135)},
		 PASS,
		 PASS},
		{{.dst = "ff02::16", .src = "::", .ext = EXT(0), .proto = IPPROTO_ICMPV6},
		 PASS,
		 PASS},
		{{.dst = "ff02::16", .src = "fe80::1", .ext = EXT(0), .proto = IPPROTO_ICMPV6},
		 PASS,
		 PASS},
		{{.dst = "fe80::1", .src = "fe80::2"}, PASS, PASS},
		{{.dst = "fec0::1", .src = "febf::2"}, DROP, PASS},
	};

	need_bpf();
	allow(1, "0.0.0.0", 0);
	allow(1, "::", 0);
	CHECK_ROWS(rows);
}

/* By addresses alone, but for what is ours: there the first one has the port. */
static void test_fragments(void **state)
{
	static const struct row rows[] = {
		{{.dst = "10.7.0.2", .frag_off = 0x2000}, DROP, PASS},
		{{.dst = "10.7.0.2", .frag_off = 0x2001}, DROP, PASS},
		{{.dst = "10.7.0.2", .frag_off = 0x00b9}, DROP, PASS},
		{{.dst = LOCAL4, .src = "10.7.0.2", .frag_off = 0x2000}, PASS, PASS},
		{{.dst = LOCAL4, .src = "10.7.0.2", .frag_off = 0x2000, .dport = 9}, PASS, DROP},
		{{.dst = LOCAL4, .src = "10.7.0.2", .frag_off = 0x20b9, .dport = 9}, PASS, PASS},
		{{.dst = LOCAL4, .src = "10.7.0.2", .frag_off = 0x00b9, .dport = 9}, PASS, PASS},
		{{.dst = "192.0.2.7", .src = "10.7.0.2", .frag_off = 0x00b9}, PASS, DROP},
		{{.dst = LOCAL4, .src = "10.7.0.2", .frag_off = 0x00b9, .proto = IPPROTO_TCP},
		 PASS,
		 DROP},
		{{.dst = "fd07::2", .ext = EXT(44)}, DROP, PASS},
	};
	struct packet_spec first = {.dst = LOCAL6, .src = "fd07::2", .ext = EXT(44)};
	size_t at = ETH_HLEN + sizeof(struct ipv6hdr) + 2; /* of the fragment offset */

	need_bpf();
	CHECK_ROWS(rows);
	packet_build(&pkt, &first);
	memcpy(pkt.data + at, "\x00\x01", 2);
	check_packet(PASS, PASS);
	first.dport = 9;
	packet_build(&pkt, &first);
	memcpy(pkt.data + at, "\x00\x01", 2);
	check_packet(PASS, DROP);
	memcpy(pkt.data + at, "\x05\xa9",
	       2); /* a later one has no ports: what stands there is data */
	check_packet(PASS, PASS);
	memcpy(pkt.data + at, "\x05\xa8", 2);
	check_packet(PASS, PASS);
}

/* What passes because of what it is passes whole only. */
static void test_fragments_of_link_protocols(void **state)
{
	static const struct packet_spec whole[] = {
		{.dst = "fd07::1", .src = "fd07::2", .sport = 546, .dport = 547, .ext = EXT(44)},
		{.dst = "fd07::1",
		 .src = "fd07::2",
		 .sport = ND(135),
		 .ttl = 255,
		 .ext = EXT(44),
		 .proto = IPPROTO_ICMPV6},
	};
	size_t at = ETH_HLEN + sizeof(struct ipv6hdr) + 2; /* of the fragment offset */

	need_bpf();
	for (int i = 0; i < 2; i++) {
		packet_build(&pkt, &whole[i]);
		memset(pkt.data + at, 0, 2);
		check_packet(PASS, PASS);
		pkt.data[at + 1] = 1; /* more follow */
		check_packet(DROP, DROP);
		pkt.data[at + 1] = 8; /* the last */
		check_packet(DROP, DROP);
	}
}

static void test_exemptions(void **state)
{
	static const struct row rows[] = {
		{{.dst = "192.168.1.9", .src = "10.7.0.1"}, PASS, DROP},
		{{.dst = "10.7.0.1", .src = "192.168.1.9"}, DROP, PASS},
		{{.dst = "192.168.2.9", .src = "192.168.2.9"}, DROP, DROP},
		{{.dst = "2001:db8:1::9", .src = "fd07::1"}, PASS, DROP},
		{{.dst = "2001:db8:2::9", .src = "2001:db8:2::9"}, DROP, DROP},
		{{.dst = "10.7.0.77", .src = "10.7.0.77"}, PASS, PASS},
	};

	need_bpf();
	allow(1, "0.0.0.0", 0);
	allow(1, "::", 0);
	exempt(DEVICE, "192.168.1.0", 24);
	exempt(DEVICE, "2001:db8:1::", 48);
	exempt(DEVICE, "10.7.0.77", 32); /* also against a longer prefix of allowed IPs */
	exempt(DEVICE + 1, "192.168.2.0", 24); /* another device's */
	exempt(DEVICE + 1, "2001:db8:2::", 48);
	CHECK_ROWS(rows);
}

/* ---- ICMP errors ---- */

/* An error of @type, from a router on the way, about what @about describes */
static void icmp_error(bool v6, __u8 type, const struct packet_spec *about)
{
	packet_build(&quoted, about);
	packet_build(&pkt, &(struct packet_spec){.dst = v6 ? LOCAL6 : LOCAL4,
						 .src = v6 ? "fd07::99" : "10.7.0.99",
						 .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
						 .sport = type << 8 | 4});
	put(&pkt, quoted.data + ETH_HLEN, quoted.len - ETH_HLEN);
}

static void test_icmp_errors(void **state)
{
	struct packet_spec ours = {.dst = "10.7.0.2", .src = LOCAL4, .sport = PORT, .payload = 100};

	need_bpf();
	for (int v6 = 0; v6 < 2; v6++) {
		const char *own = v6 ? LOCAL6 : LOCAL4, *other = v6 ? "2001:db8::7" : "192.0.2.7";

		ours.dst = v6 ? "fd07::2" : "10.7.0.2";
		for (int type = 0; type <= 130; type++) {
			bool error =
				v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;

			ours.src = own;
			icmp_error(v6, type, &ours);
			check_run(false, error ? PASS : DROP, 0, 0);
		}
		ours.src = other;
		icmp_error(v6, 3, &ours);
		check_run(false, DROP, 0, 0);
		ours.src = own;
		ours.sport = PORT + 1;
		icmp_error(v6, 3, &ours);
		check_run(false, DROP, 0, 0);
		ours.sport = PORT;
		ours.proto = IPPROTO_TCP;
		icmp_error(v6, 3, &ours);
		check_run(false, DROP, 0, 0);
		ours.proto = 0;
		icmp_error(v6, 3, &ours);
		pkt.len -= 100 + sizeof(struct udphdr); /* without the ports */
		check_run(false, DROP, 0, 0);
		if (!v6) { /* a part of an error */
			icmp_error(v6, 3, &ours);
			pkt.data[ETH_HLEN + offsetof(struct iphdr, frag_off)] = 0x20;
			check_run(false, DROP, 0, 0);
		}
		icmp_error(v6, 3, &ours);
		check_run(true, PASS, 0, 0); /* from us to us: the address is no tunnel's */
	}
}

/* ---- frames that cannot be read, and superframes ---- */

static void test_unclear(void **state)
{
	static const struct row rows[] = {
		{{.dst = "10.9.0.2", .version = 5}, DROP, DROP},
		{{.dst = "10.9.0.2", .payload = 100, .ethertype = ETH_P_IPV6}, DROP, DROP},
		{{.dst = "2001:db8::7", .version = 4}, DROP, DROP},
		{{.dst = "2001:db8::7", .ethertype = ETH_P_IP}, DROP, DROP},
	};

	need_bpf();
	CHECK_ROWS(rows);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.9.0.2"});
	pkt.data[ETH_HLEN] = 0x44; /* an IHL of 16 bytes */
	check_packet(DROP, DROP);
}

static void test_superframes(void **state)
{
	need_bpf();
	packet_build(&pkt, &(struct packet_spec){
				   .dst = "10.7.0.2", .proto = IPPROTO_TCP, .payload = 3000});
	check_run(true, DROP, 1400, 3);
	packet_build(&pkt, &(struct packet_spec){
				   .dst = "fd09::2", .proto = IPPROTO_TCP, .payload = 3000});
	check_run(true, PASS, 1400, 3);
	packet_build(&pkt, &(struct packet_spec){.dst = LOCAL4,
						 .src = "10.7.0.2",
						 .proto = IPPROTO_TCP,
						 .payload = 3000});
	check_run(false, DROP, 1400, 3);
	packet_build(&pkt,
		     &(struct packet_spec){.dst = LOCAL4, .src = "10.7.0.2", .payload = 3000});
	check_run(false, PASS, 1400, 3); /* of messages to our port */
}

/* ---- reports ---- */

static struct wgx_strict_report report;
static int reports;

static int on_report(void *ctx, void *data, size_t size)
{
	assert_int_equal(size, sizeof(report));
	memcpy(&report, data, sizeof(report));
	reports++;
	return 0;
}

static void check_report(const char *src, const char *dst, __u16 sport, __u16 dport, __u8 proto,
			 bool egress)
{
	struct wgx_addr from = {.addr = {[10] = 0xff, [11] = 0xff}}, to = from;

	if (inet_pton(AF_INET, src, from.addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, src, from.addr), 1);
	if (inet_pton(AF_INET, dst, to.addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, dst, to.addr), 1);
	assert_memory_equal(&report.src, &from, sizeof(from));
	assert_memory_equal(&report.dst, &to, sizeof(to));
	assert_int_equal(report.device, DEVICE);
	assert_int_equal(report.sport, sport);
	assert_int_equal(report.dport, dport);
	assert_int_equal(report.proto, proto);
	assert_int_equal(report.egress, egress);
}

static __u64 now_ns(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static __u64 next_report(void)
{
	struct wgx_strict_device d;
	__u32 device = DEVICE;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.strict_devices), &device, &d),
			 0);
	return d.next_report;
}

/* Drops pkt. Return: the number of reports */
static int drop_reported(struct ring_buffer *ring, bool egress, __u64 not_before)
{
	__u32 device = DEVICE;
	struct wgx_strict_device d = {.flags = WGX_STRICT_REPORT, .next_report = not_before};

	reports = 0;
	map_put(skel->maps.strict_devices, &device, &d);
	check_run(egress, DROP, 0, 0);
	assert_true(ring_buffer__consume(ring) >= 0);
	return reports;
}

/* Off unless asked for; then one each tenth of a second and device */
static void test_reports(void **state)
{
	struct ring_buffer *ring;
	__u64 before;

	need_bpf();
	ring = ring_buffer__new(bpf_map__fd(skel->maps.strict_reports), on_report, NULL, NULL);
	assert_non_null(ring);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2", .sport = 4000, .dport = 53});
	check_run(true, DROP, 0, 0);
	assert_int_equal(ring_buffer__consume(ring), 0);
	before = now_ns();
	assert_int_equal(drop_reported(ring, true, 0), 1);
	check_report("192.0.2.99", "10.7.0.2", 4000, 53, IPPROTO_UDP, true);
	assert_in_range(next_report(), before + 100000000, now_ns() + 100000000);
	assert_int_equal(drop_reported(ring, true, now_ns() + 3600000000000ULL), 0);
	packet_build(&pkt, &(struct packet_spec){.dst = "2001:db8::7",
						 .src = "fd07::2",
						 .sport = 5000,
						 .dport = 80,
						 .proto = IPPROTO_TCP});
	assert_int_equal(drop_reported(ring, false, now_ns()), 1);
	check_report("fd07::2", "2001:db8::7", 5000, 80, IPPROTO_TCP, false);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2", .proto = IPPROTO_ICMP});
	assert_int_equal(drop_reported(ring, true, 0), 1);
	check_report("192.0.2.99", "10.7.0.2", 0, 0, IPPROTO_ICMP, true);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2", .frag_off = 1});
	assert_int_equal(drop_reported(ring, true, 0), 1);
	check_report("192.0.2.99", "10.7.0.2", 0, 0, IPPROTO_UDP, true);
	pkt.data[ETH_HLEN] = 0x44; /* what cannot be read has no addresses */
	assert_int_equal(drop_reported(ring, true, 0), 0);
	ring_buffer__free(ring);
}

/* ---- real packets: whose socket is it? ---- */

static struct world {
	int home, host, far, link, own, foreign, rx;
} world;

/* Two sockets of one port: in allowed IPs is what they send to */
static int udp_socket(int family)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	if (family == AF_INET)
		assert_int_equal(bind(fd, (struct sockaddr *)&a4, sizeof(a4)), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&a6, sizeof(a6)), 0);
	return fd;
}

static void world_open(int family, __u32 *ret_device)
{
	socklen_t len = sizeof(__u64);
	__u64 cookie;
	__u8 one = 1;

	world.home = netns_self();
	world.far = netns_new();
	world.host = netns_new();
	veth_new("eth0", "far0", world.far, 1500);
	sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0");
	sh("ip addr add 192.0.2.1/24 dev eth0 && ip route add default dev eth0");
	sh("ip addr add 2001:db8::1/64 dev eth0 nodad && ip -6 route add default dev eth0");
	world.link = tcx_attach(skel->progs.wgx_strict_out, "eth0", ATTACH_TCX_EGRESS);
	if (world.link < 0)
		skip();
	*ret_device = if_nametoindex("eth0");
	add_device(*ret_device, 0);
	world.own = udp_socket(family);
	world.foreign = udp_socket(family);
	assert_int_equal(getsockopt(world.own, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	map_put(skel->maps.own_sockets, &cookie, &one);
	netns_enter(world.far);
	world.rx = packet_socket("far0");
	while (recv(world.rx, &pkt, sizeof(pkt), MSG_DONTWAIT) > 0)
		; /* what the kernel had to say on eth0's address */
	netns_enter(world.host);
}

static int world_close(void **state)
{
	const int fds[] = {world.own, world.foreign, world.rx,	world.link,
			   world.far, world.host,    world.home};

	if (world.home)
		netns_enter(world.home);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] > 0)
			close(fds[i]);
	world = (struct world){};
	return teardown(state);
}

static void send_to(int fd, const char *dst, size_t len, int segment)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	static char data[9000];
	bool v6 = inet_pton(AF_INET, dst, &a4.sin_addr) != 1;

	if (v6)
		assert_int_equal(inet_pton(AF_INET6, dst, &a6.sin6_addr), 1);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	assert_int_equal(sendto(fd, data, len, 0,
				v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4,
				v6 ? sizeof(a6) : sizeof(a4)),
			 len);
}

/* IP frames at the far end, until none comes any more; ND is not counted */
static int arrived(void)
{
	struct virtio_net_hdr hdr;
	int n = 0;

	while (packet_recv(world.rx, &hdr, &pkt)) {
		const struct ipv6hdr *ip6 = (const void *)(pkt.data + ETH_HLEN);

		n += ip6->version == 4 || ip6->nexthdr == IPPROTO_UDP ||
		     ip6->nexthdr == IPPROTO_FRAGMENT;
	}
	return n;
}

static void check_sockets(int family, const char *tunnelled, const char *elsewhere)
{
	__u32 device;

	need_bpf();
	world_open(family, &device);
	exempt(DEVICE, tunnelled, family == AF_INET ? 32 : 128); /* there, and not here */
	send_to(world.own, tunnelled, 100, 0);
	send_to(world.own, tunnelled, 4000, 0); /* three fragments */
	send_to(world.own, tunnelled, 4000, 1000); /* a superframe */
	assert_int_equal(arrived(), 5);
	assert_int_equal(counts_of(device).egress, 0);
	send_to(world.foreign, tunnelled, 100, 0);
	assert_int_equal(counts_of(device).egress, 1);
	send_to(world.foreign, tunnelled, 4000, 0); /* the kernel gives up after the first */
	assert_int_equal(counts_of(device).egress, 2);
	send_to(world.foreign, tunnelled, 4000, 1000);
	assert_int_equal(counts_of(device).egress, 6);
	send_to(world.foreign, elsewhere, 100, 0);
	assert_int_equal(arrived(), 1);
	assert_int_equal(counts_of(device).egress, 6);
	assert_int_equal(counts_of(device).ingress, 0);
}

static void test_sockets4(void **state)
{
	check_sockets(AF_INET, "10.7.0.2", "198.51.100.1");
}

static void test_sockets6(void **state)
{
	check_sockets(AF_INET6, "fd07::2", "2001:db8:9::1");
}

static void test_tag_beside(void **state)
{
	const struct virtio_net_hdr none = {};
	int tx, first;
	__u32 device;

	need_bpf();
	world_open(AF_INET, &device);
	close(world.link); /* programs run in the order of their attachment */
	first = vlan_push_attach("eth0");
	world.link = tcx_attach(skel->progs.wgx_strict_out, "eth0", ATTACH_TCX_EGRESS);
	assert_true(world.link >= 0);
	send_to(world.foreign, "10.7.0.2", 100, 0);
	assert_int_equal(counts_of(device).egress, 1);
	send_to(world.foreign, "198.51.100.1", 100, 0);
	assert_int_equal(counts_of(device).egress, 1);
	send_to(world.own, "10.7.0.2", 100, 0);
	assert_int_equal(counts_of(device).egress, 1);
	/* two in the frame and one beside it */
	tx = packet_socket("eth0");
	packet_build(&pkt, &(struct packet_spec){
				   .dst = "198.51.100.1", .vlan = ETH_P_8021Q, .payload = 100});
	assert_true(packet_send(tx, &none, &pkt));
	assert_int_equal(counts_of(device).egress, 1);
	packet_build(&pkt, &(struct packet_spec){.dst = "198.51.100.1",
						 .vlan = ETH_P_8021AD,
						 .inner_vlan = ETH_P_8021Q,
						 .payload = 100});
	assert_false(packet_send(tx, &none, &pkt));
	assert_int_equal(counts_of(device).egress, 2);
	close(tx);
	close(first);
}

/* The last byte of an IP header is there or not: nothing shorter gets through BPF_PROG_TEST_RUN. */
static void test_truncated(void **state)
{
	static const struct packet_spec whole[] = {{.dst = "198.51.100.1"}, {.dst = "2001:db8::7"}};
	const struct virtio_net_hdr none = {};
	__u32 device;
	int tx;

	need_bpf();
	world_open(AF_INET, &device);
	tx = packet_socket("eth0");
	for (int v6 = 0; v6 < 2; v6++) {
		packet_build(&pkt, &whole[v6]);
		pkt.len = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
		assert_true(packet_send(tx, &none, &pkt));
		pkt.len--;
		assert_false(packet_send(tx, &none, &pkt));
	}
	assert_int_equal(counts_of(device).egress, 2);
	close(tx);
}

static void test_abi(void **state)
{
	static const struct map_abi abi[] = {
		{"strict_devices", BPF_MAP_TYPE_HASH, 0, 1024, 4, sizeof(struct wgx_strict_device),
		 NULL, "wgx_strict_device"},
		{"strict_counts", BPF_MAP_TYPE_PERCPU_HASH, 0, 1024, 4,
		 sizeof(struct wgx_strict_counts), NULL, "wgx_strict_counts"},
		{"strict_config", BPF_MAP_TYPE_ARRAY, 0, 1, 4, sizeof(struct wgx_strict_config),
		 NULL, "wgx_strict_config"},
		{"strict_exempt4", BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, 65536,
		 sizeof(struct wgx_exempt4), 1, "wgx_exempt4", NULL},
		{"strict_exempt6", BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, 65536,
		 sizeof(struct wgx_exempt6), 1, "wgx_exempt6", NULL},
		{"own_sockets", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 8192, 8, 1, NULL, NULL},
		{"ports", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 1024, 4, 4, NULL, NULL},
		MAP_DROPS,
	};

	need_bpf();
	check_maps(skel->obj, abi, sizeof(abi) / sizeof(abi[0]));
}

static void test_speed(void **state)
{
	need_bpf();
	packet_build(&pkt, &(struct packet_spec){.dst = "10.9.0.2", .payload = 1300});
	print_message("# wgx_strict_out, two interfaces: %u ns a packet that passes\n",
		      run_ns(skel->progs.wgx_strict_out, &pkt));
	packet_build(&pkt,
		     &(struct packet_spec){.dst = LOCAL4, .src = "10.7.0.2", .payload = 1300});
	print_message("# wgx_strict_in, two interfaces: %u ns a message of ours\n",
		      run_ns(skel->progs.wgx_strict_in, &pkt));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_abi),
		TEST(test_addresses),
		TEST(test_slots),
		TEST(test_tags),
		TEST(test_link_protocols),
		TEST(test_fragments),
		TEST(test_fragments_of_link_protocols),
		TEST(test_exemptions),
		TEST(test_icmp_errors),
		TEST(test_unclear),
		TEST(test_superframes),
		TEST(test_reports),
		TEST(test_sockets4),
		TEST(test_sockets6),
		TEST(test_tag_beside),
		TEST(test_truncated),
		TEST(test_speed),
	};

	return cmocka_run_group_tests_name("bpf_strict", tests, NULL, NULL);
}
