/* SPDX-License-Identifier: MIT */
/*
 * wgx_strict by BPF_PROG_TEST_RUN, against strict mode as wgx(8) has it, written once more here over the bytes
 * of the whole frame. An input: a byte of flags, gso_size, then the frame. Checked, both ways: what goes into a tunnel
 * never passes in the clear, but for what the link needs and our own messages; all else does; a superframe is judged
 * like a packet; and the frame stays as it was. BPF gives libFuzzer no coverage: the model here does.
 */
#include "fuzz/fuzz.h"
#include "bpf/strict_env.h"
#include "fuzz/frame.h"
#include "proto/prefix.h"

static struct wgx_prefix allowed[4], exempted[2];
static uint8_t seen[64] __attribute__((section("__libfuzzer_extra_counters")));

static struct wgx_prefix prefix(const char *text)
{
	struct wgx_prefix p;

	assert_int_equal(wgx_prefix_parse(text, &p), 0);
	return p;
}

static void fuzz_begin(void)
{
	setup(NULL);
	skip_without_bpf(skel);
	exempt(DEVICE, "10.8.1.0", 24);
	exempt(DEVICE, "fd08:0:0:1::", 64);
	exempt(DEVICE + 1, "10.7.0.0", 16); /* another device's */
	allowed[0] = prefix("10.7.0.0/24");
	allowed[1] = prefix("10.8.0.0/16");
	allowed[2] = prefix("fd07::/64");
	allowed[3] = prefix("fd08::/48");
	exempted[0] = prefix("10.8.1.0/24");
	exempted[1] = prefix("fd08:0:0:1::/64");
}

/* ---- the model ---- */

/* A view of the bytes from some header on */
struct view {
	const uint8_t *p;
	size_t len;
};

struct ip {
	bool v6, fragment, first;
	const uint8_t *src, *dst;
	uint8_t hops, proto;
	struct view body;
};

enum kind { OTHER, IP, UNCLEAR };

static unsigned int u16_at(const struct view *v, size_t at)
{
	return (unsigned int)v->p[at] << 8 | v->p[at + 1];
}

static struct view behind(const struct view *v, size_t n)
{
	return n < v->len ? (struct view){v->p + n, v->len - n} : (struct view){v->p, 0};
}

static enum kind read_v4(struct view v, struct ip *ip)
{
	if (v.len < 20 || v.p[0] >> 4 != 4 || (v.p[0] & 15) < 5)
		return UNCLEAR;
	*ip = (struct ip){
		.src = v.p + 12,
		.dst = v.p + 16,
		.fragment = u16_at(&v, 6) & 0x3fff,
		.first = !(u16_at(&v, 6) & 0x1fff),
		.hops = v.p[8],
		.proto = v.p[9],
		.body = behind(&v, (v.p[0] & 15) * 4u),
	};
	return IP;
}

static enum kind read_v6(struct view v, struct ip *ip)
{
	if (v.len < 40 || v.p[0] >> 4 != 6)
		return UNCLEAR;
	*ip = (struct ip){
		.v6 = true,
		.src = v.p + 8,
		.dst = v.p + 24,
		.first = true,
		.hops = v.p[7],
		.proto = v.p[6],
		.body = behind(&v, 40),
	};
	if (ip->proto != 44 || ip->body.len < 8)
		return IP;
	ip->first = !(u16_at(&ip->body, 2) & 0xfff8);
	ip->fragment = !ip->first || u16_at(&ip->body, 2) & 1;
	ip->proto = ip->body.p[0];
	ip->body = behind(&ip->body, 8);
	return IP;
}

static enum kind read_frame(struct ip *ip)
{
	struct view v = {pkt.data + 12, pkt.len - 12};
	unsigned int tags = 0, type;

	for (; v.len >= 2; v = behind(&v, 4)) {
		type = u16_at(&v, 0);
		if (type == ETH_P_IP)
			return read_v4(behind(&v, 2), ip);
		if (type == ETH_P_IPV6)
			return read_v6(behind(&v, 2), ip);
		if (type != ETH_P_8021Q && type != ETH_P_8021AD && type != ETH_P_QINQ1)
			return OTHER;
		if (++tags > 2)
			break;
	}
	return UNCLEAR;
}

static bool is_in(const struct wgx_prefix *list, size_t n, bool v6, const uint8_t *addr)
{
	struct wgx_prefix one = {.family = v6 ? AF_INET6 : AF_INET, .cidr = v6 ? 128 : 32};

	memcpy(one.addr, addr, v6 ? 16 : 4);
	while (n--)
		if (wgx_prefix_contains(&list[n], &one))
			return true;
	return false;
}

static bool is_text(const uint8_t *addr, bool v6)
{
	uint8_t own[16];

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? LOCAL6 : LOCAL4, own), 1);
	return !memcmp(own, addr, v6 ? 16 : 4);
}

static bool has_ports(const struct ip *ip, unsigned int *source, unsigned int *target)
{
	if (!ip->first || ip->body.len < 4)
		return false;
	*source = u16_at(&ip->body, 0);
	*target = u16_at(&ip->body, 2);
	return true;
}

/* An error about a datagram that one of our sockets sent */
static bool is_about_us(const struct ip *ip)
{
	struct view quoted = behind(&ip->body, 8);
	unsigned int source, target;
	struct ip about;
	uint8_t type;

	if (ip->proto != (ip->v6 ? 58 : 1) || ip->fragment || !ip->body.len)
		return false;
	type = ip->body.p[0];
	if (ip->v6 ? type < 1 || type > 4 : type != 3 && type != 11 && type != 12)
		return false;
	if ((ip->v6 ? read_v6(quoted, &about) : read_v4(quoted, &about)) != IP)
		return false;
	return about.proto == 17 && has_ports(&about, &source, &target) && source == PORT &&
	       is_text(about.src, ip->v6);
}

static bool is_for_us(const struct ip *ip)
{
	unsigned int source, target;

	if (ip->proto != 17)
		return is_about_us(ip);
	if (!is_text(ip->dst, ip->v6))
		return false;
	return !ip->first || (has_ports(ip, &source, &target) && target == PORT);
}

static bool the_link_needs(const struct ip *ip)
{
	unsigned int a, b;

	if (ip->v6 && ip->proto == 58 && !ip->fragment && ip->hops == 255 && ip->body.len &&
	    ip->body.p[0] >= 133 && ip->body.p[0] <= 137)
		return true;
	if (!ip->v6 && ip->proto == 2 && ip->dst[0] >> 4 == 14)
		return true;
	if (ip->proto != 17 || ip->fragment || !has_ports(ip, &a, &b))
		return false;
	return ip->v6 ? (a == 546 || a == 547) && (b == 546 || b == 547)
		      : (a == 67 || a == 68) && (b == 67 || b == 68);
}

static bool may_pass(bool egress, enum kind *ret_kind, bool *ret_tunnelled)
{
	struct ip ip;
	enum kind kind = read_frame(&ip);
	const uint8_t *addr;

	*ret_kind = kind;
	*ret_tunnelled = false;
	if (kind != IP)
		return kind == OTHER;
	addr = egress ? ip.dst : ip.src;
	*ret_tunnelled = is_in(allowed, 4, ip.v6, addr) && !is_in(exempted, 2, ip.v6, addr);
	return !*ret_tunnelled || the_link_needs(&ip) || (!egress && is_for_us(&ip));
}

/* ---- the program ---- */

static void judge(bool egress, uint16_t gso_size)
{
	const struct bpf_program *prog =
		egress ? skel->progs.wgx_strict_out : skel->progs.wgx_strict_in;
	struct wgx_strict_counts before = counts_of(DEVICE), after;
	enum kind kind;
	bool tunnelled, pass = may_pass(egress, &kind, &tunnelled);
	const struct run *r = run_tc(prog, &pkt, gso_size, 0);
	uint64_t dropped, other;

	after = counts_of(DEVICE);
	dropped = egress ? after.egress - before.egress : after.ingress - before.ingress;
	other = egress ? after.ingress - before.ingress : after.egress - before.egress;
	assert_int_equal(r->verdict, pass ? TC_ACT_UNSPEC : TC_ACT_SHOT);
	assert_int_equal(other, 0);
	if (pass)
		assert_int_equal(dropped, 0);
	else if (!gso_size)
		assert_int_equal(dropped, 1);
	else
		assert_in_range(dropped, 1, pkt.len);
	assert_int_equal(r->len, pkt.len);
	assert_memory_equal(r->data, pkt.data, pkt.len);
	seen[egress * 32 + kind * 8 + tunnelled * 4 + pass * 2 + (gso_size != 0)]++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t flags = take_u8(&in);
	uint16_t gso_size = take_u16(&in);

	if (!take_frame(&in, &pkt))
		return 0;
	gso_size = gso_of(&pkt, flags & 1, gso_size);
	judge(true, gso_size);
	judge(false, gso_size);
	return 0;
}
