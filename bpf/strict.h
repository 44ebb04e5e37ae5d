/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Strict mode: nothing that belongs into a tunnel crosses an underlay in the clear. On egress the destination of
 * an IP packet is looked at, on ingress its source. What is in allowed IPs is dropped, unless it is wgx's own
 * message, exempt, or of a protocol that the link itself needs. What cannot be read is dropped too.
 */
#ifndef WGX_BPF_STRICT_H
#define WGX_BPF_STRICT_H

#include "gso.h"
#include "ours.h"
#include "strict_icmp.h"
#include "strict_packet.h"

#define REPORT_INTERVAL_NS 100000000 /* of one device */

/* allowed_ips4 of an interface, as allowed_ips.h has it */
struct trie4 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct wgx_lpm4));
	__uint(value_size, sizeof(__u32));
};

struct trie6 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct wgx_lpm6));
	__uint(value_size, sizeof(__u32));
};

/* slot -> allowed IPs of an interface. The control thread writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WGX_STRICT_TRIES);
	__type(key, __u32);
	__array(values, struct trie4);
} strict_tries4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WGX_STRICT_TRIES);
	__type(key, __u32);
	__array(values, struct trie6);
} strict_tries6 SEC(".maps");

/* What may stay plaintext, by device. The control thread writes. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_exempt4);
	__type(value, __u8);
} strict_exempt4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_exempt6);
	__type(value, __u8);
} strict_exempt6 SEC(".maps");

/* socket cookie -> 1: the UDP sockets of all interfaces. The control thread writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u8);
} own_sockets SEC(".maps");

/* The control thread writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wgx_strict_config);
} strict_config SEC(".maps");

/* ifindex -> how it wants it. The control thread writes; next_report is the program's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct wgx_strict_device);
} strict_devices SEC(".maps");

/* ifindex -> packets dropped there. The control thread makes entries, the program counts. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct wgx_strict_counts);
} strict_counts SEC(".maps");

/* Of packets dropped, for the log: the program writes, the control thread reads. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} strict_reports SEC(".maps");

/* ---- which addresses ---- */

/* The address never goes into a tunnel: none, multicast, broadcast, of this link only. */
static __always_inline bool is_of_link(bool v6, const __u8 addr[16])
{
	const __u8 *a = addr + 12;

	if (v6)
		return addr[0] == 0xff || (addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80) ||
		       !(*(__u64 *)addr | *(__u64 *)(addr + 8));
	return (a[0] & 0xf0) == 0xe0 || (a[0] == 169 && a[1] == 254) || *(__u32 *)a == 0 ||
	       *(__u32 *)a == 0xffffffff;
}

static __always_inline bool is_allowed4(__u32 tries, const __u8 addr[4])
{
	struct wgx_lpm4 key = {.prefixlen = 32};

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	for (__u32 i = 0; i < WGX_STRICT_TRIES && i < tries; i++) {
		void *trie = bpf_map_lookup_elem(&strict_tries4, &i);

		if (trie && bpf_map_lookup_elem(trie, &key))
			return true;
	}
	return false;
}

static __always_inline bool is_allowed6(__u32 tries, const __u8 addr[16])
{
	struct wgx_lpm6 key = {.prefixlen = 128};

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	for (__u32 i = 0; i < WGX_STRICT_TRIES && i < tries; i++) {
		void *trie = bpf_map_lookup_elem(&strict_tries6, &i);

		if (trie && bpf_map_lookup_elem(trie, &key))
			return true;
	}
	return false;
}

/* Is the address in the allowed IPs of an interface? */
static __always_inline bool is_allowed(bool v6, const __u8 addr[16])
{
	const __u32 zero = 0;
	struct wgx_strict_config *cfg = bpf_map_lookup_elem(&strict_config, &zero);

	if (!cfg || cfg->flags & WGX_STRICT_ALL)
		return true;
	return v6 ? is_allowed6(cfg->tries, addr) : is_allowed4(cfg->tries, addr + 12);
}

static __always_inline bool is_exempt(__u32 device, bool v6, const __u8 addr[16])
{
	struct wgx_exempt4 key4 = {.prefixlen = 32 + 32, .device = device};
	struct wgx_exempt6 key6 = {.prefixlen = 32 + 128, .device = device};

	if (v6) {
		__builtin_memcpy(key6.addr, addr, sizeof(key6.addr));
		return bpf_map_lookup_elem(&strict_exempt6, &key6);
	}
	__builtin_memcpy(key4.addr, addr + 12, sizeof(key4.addr));
	return bpf_map_lookup_elem(&strict_exempt4, &key4);
}

/* ---- which packets all the same ---- */

/* RFC 4861, 7.1: with a hop limit of 255 it comes from this link */
static __always_inline bool is_neighbour_discovery(const struct __sk_buff *skb,
						   const struct strict_packet *p)
{
	__u8 type;

	if (!p->v6 || p->proto != IPPROTO_ICMPV6 || p->fragment || p->hop_limit != 255)
		return false;
	return !bpf_skb_load_bytes(skb, p->l4, &type, sizeof(type)) && type >= 133 && type <= 137;
}

static __always_inline bool is_port_of(__be16 port, __u16 a, __u16 b)
{
	return port == bpf_htons(a) || port == bpf_htons(b);
}

static __always_inline bool is_dhcp(const struct strict_packet *p)
{
	if (p->proto != IPPROTO_UDP || p->fragment)
		return false;
	return p->v6 ? is_port_of(p->sport, 546, 547) && is_port_of(p->dport, 546, 547)
		     : is_port_of(p->sport, 67, 68) && is_port_of(p->dport, 67, 68);
}

/* MLD comes from link-local addresses. */
static __always_inline bool is_igmp(const struct strict_packet *p)
{
	return !p->v6 && p->proto == IPPROTO_IGMP && (p->dst.addr[12] & 0xf0) == 0xe0;
}

static __always_inline bool is_of_own_socket(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);

	return cookie && bpf_map_lookup_elem(&own_sockets, &cookie);
}

/*
 * A message for one of our sockets, or an error about one. Of a fragment that is not the first only the address is
 * known; without its first, which is judged by its port, nothing comes of it.
 */
static __always_inline bool is_for_own_socket(const struct __sk_buff *skb,
					      const struct strict_packet *p)
{
	if (p->proto != IPPROTO_UDP)
		return is_about_ours(skb, p);
	return p->later_fragment ? is_local(&p->dst) : whose(&p->dst, p->dport) != NULL;
}

/* ---- the verdict ---- */

static __always_inline void strict_count(struct __sk_buff *skb, bool egress)
{
	__u32 device = skb->ifindex, packets = segments(skb);
	struct wgx_strict_counts *counts = bpf_map_lookup_elem(&strict_counts, &device);

	count_drops(egress ? WGX_DROP_STRICT_EGRESS : WGX_DROP_STRICT_INGRESS, packets);
	if (counts)
		*(egress ? &counts->egress : &counts->ingress) += packets;
}

static __always_inline void strict_report(const struct __sk_buff *skb,
					  const struct strict_packet *p, bool egress)
{
	__u32 device = skb->ifindex;
	struct wgx_strict_device *d = bpf_map_lookup_elem(&strict_devices, &device);
	struct wgx_strict_report report = {
		.src = p->src,
		.dst = p->dst,
		.device = device,
		.sport = bpf_ntohs(p->sport),
		.dport = bpf_ntohs(p->dport),
		.proto = p->proto,
		.egress = egress,
	};
	__u64 now;

	if (!d || !(d->flags & WGX_STRICT_REPORT))
		return;
	now = bpf_ktime_get_ns();
	if (now < d->next_report)
		return;
	d->next_report = now + REPORT_INTERVAL_NS;
	bpf_ringbuf_output(&strict_reports, &report, sizeof(report), 0);
}

/* On egress the destination is in question, on ingress the source. */
static __always_inline bool is_tunnelled(const struct __sk_buff *skb, const struct strict_packet *p,
					 bool egress)
{
	const __u8 *addr = egress ? p->dst.addr : p->src.addr;

	return !is_of_link(p->v6, addr) && is_allowed(p->v6, addr) &&
	       !is_exempt(skb->ifindex, p->v6, addr);
}

static __always_inline bool passes(struct __sk_buff *skb, const struct strict_packet *p,
				   bool egress)
{
	return is_neighbour_discovery(skb, p) || is_dhcp(p) || is_igmp(p) ||
	       (egress ? is_of_own_socket(skb) : is_for_own_socket(skb, p));
}

static __always_inline int strict(struct __sk_buff *skb, bool egress)
{
	struct strict_packet p = {};
	enum strict_frame frame = strict_read(skb, &p);

	if (frame == STRICT_NOT_IP)
		return TC_ACT_UNSPEC; /* other programs on the device get their turn */
	if (frame == STRICT_IP && (!is_tunnelled(skb, &p, egress) || passes(skb, &p, egress)))
		return TC_ACT_UNSPEC;
	strict_count(skb, egress);
	if (frame == STRICT_IP)
		strict_report(skb, &p, egress);
	return TC_ACT_SHOT;
}

#endif
