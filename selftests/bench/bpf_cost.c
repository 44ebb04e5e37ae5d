/* SPDX-License-Identifier: MIT */
/*
 * What wgx_ingress costs for each kind of packet: BPF_PROG_TEST_RUN, one thread, all in the cache; the median of
 * several rounds, lowest and highest. bpf_cost [rounds [runs a round]]
 */
#include "bpf/ingress_env.h"

#define ROUNDS_MAX 101

/* What is passed, steered, dropped; and what only the harness costs */
static const struct kind {
	const char *name;
	struct packet_spec spec;
	bool macs, flip; /* mac1 is right; but for one bit */
	enum verdict want;
} kinds[] = {
	{"an empty program", {DATA4, .payload = 1452}, .want = NOT_OURS},
	{"not ours: TCP", {.dst = LOCAL4, .proto = IPPROTO_TCP, .payload = 1440}, .want = NOT_OURS},
	{"not ours: another port", {DATA4, .dport = 53, .payload = 1452}, .want = NOT_OURS},
	{"not ours: another host",
	 {.dst = "192.0.2.2", .type = 4, .receiver = KNOWN, .payload = 1452},
	 .want = NOT_OURS},
	{"data, steered", {DATA4, .payload = 1452, .counter = 6000}, .want = STEER},
	{"data, steered, IPv6", {DATA6, .payload = 1452, .counter = 6000}, .want = STEER},
	{"data, unknown receiver",
	 {.dst = LOCAL4, .type = 4, .receiver = UNKNOWN, .payload = 1452},
	 .want = UNKNOWN_RECEIVER},
	{"data, replayed counter", {DATA4, .payload = 1452, .counter = 4999}, .want = REPLAY},
	{"initiation, right mac1", {.dst = LOCAL4, .payload = 148}, true, .want = PASS},
	{"initiation, wrong mac1", {.dst = LOCAL4, .payload = 148}, true, true, WRONG_MAC1},
	{"response, right mac1", {.dst = LOCAL4, .payload = 92}, true, .want = PASS},
	{"response, wrong mac1", {.dst = LOCAL4, .payload = 92}, true, true, WRONG_MAC1},
	{"cookie reply, unknown receiver",
	 {.dst = LOCAL4, .type = 3, .receiver = UNKNOWN, .payload = 64},
	 .want = UNKNOWN_RECEIVER},
	{"wrong type", {.dst = LOCAL4, .type = 5, .payload = 148}, .want = MALFORMED},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

enum { TC, XDP, XDP_LINEAR, PROGRAMS };
static const char *const titles[] = {"tc", "XDP", "XDP, linear"};

static struct packet packets[N_KINDS];
static int empty[PROGRAMS];
static __u32 samples[N_KINDS][PROGRAMS][ROUNDS_MAX];
static __u32 rounds = 7, runs = 1000000;

static void make_packet(const struct kind *k, struct packet *p)
{
	struct wgx_cookie_maker maker;
	struct wgx_msg_initiation msg = {0};
	size_t len = k->spec.payload;

	packet_build(p, &k->spec);
	if (!k->macs)
		return;
	wgx_cookie_maker_init(&maker, our_public_key);
	msg.type = htole32(len == sizeof(msg) ? WGX_MSG_INITIATION : WGX_MSG_RESPONSE);
	wgx_cookie_add_macs(&maker, &msg, len, 0);
	memcpy(p->data + p->len - len, &msg, len);
	p->data[p->len - len + 8] ^= k->flip;
}

static int empty_program(enum bpf_prog_type type, int action)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = action},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(type, "empty", "GPL", insns, 2, NULL);
}

static int program(size_t kind, int which)
{
	const struct bpf_program *const ours[] = {skel->progs.wgx_ingress_tc,
						  skel->progs.wgx_ingress_xdp,
						  skel->progs.wgx_ingress_xdp_linear};

	return kind ? bpf_program__fd(ours[which]) : empty[which];
}

/* One round; it must come to what it is called, or the time is of something else */
static __u32 run_kind(size_t kind, int which)
{
	const struct packet *p = &packets[kind];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p->data, .data_size_in = p->len,
		    .repeat = (int)runs);
	int want = which == TC ? tc_action(kinds[kind].want) : xdp_action(kinds[kind].want);
	int err = bpf_prog_test_run_opts(program(kind, which), &o);

	if (err || (int)o.retval != want) {
		fprintf(stderr, "bpf_cost: %s, %s: returned %d, wanted %d (%s)\n", kinds[kind].name,
			titles[which], (int)o.retval, want, strerror(-err));
		exit(1);
	}
	return o.duration;
}

static int compare(const void *a, const void *b)
{
	const __u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static void print_table(void)
{
	printf("| packet |");
	for (int w = 0; w < PROGRAMS; w++)
		printf(" %s, ns |", titles[w]);
	printf("\n| --- | --- | --- | --- |\n");
	for (size_t k = 0; k < N_KINDS; k++) {
		printf("| %s |", kinds[k].name);
		for (int w = 0; w < PROGRAMS; w++) {
			__u32 *s = samples[k][w];

			qsort(s, rounds, sizeof(*s), compare);
			printf(" **%u** (%u to %u) |", s[rounds / 2], s[0], s[rounds - 1]);
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = (__u32)atoi(argv[1]);
	if (argc > 2)
		runs = (__u32)atoi(argv[2]);
	if (!rounds || rounds > ROUNDS_MAX || !runs) {
		fprintf(stderr, "usage: bpf_cost [rounds (1 to %d) [runs a round]]\n", ROUNDS_MAX);
		return 2;
	}
	if (setup(NULL) || !skel) {
		fprintf(stderr, "bpf_cost: needs root, and BPF\n");
		return 1;
	}
	set_floor(5000);
	empty[TC] = empty_program(BPF_PROG_TYPE_SCHED_CLS, TC_ACT_UNSPEC);
	empty[XDP] = empty[XDP_LINEAR] = empty_program(BPF_PROG_TYPE_XDP, XDP_PASS);
	for (size_t k = 0; k < N_KINDS; k++)
		make_packet(&kinds[k], &packets[k]);
	for (__u32 r = 0; r < rounds; r++)
		for (size_t k = 0; k < N_KINDS; k++)
			for (int w = 0; w < PROGRAMS; w++)
				samples[k][w][r] = run_kind(k, w);
	print_table();
	return teardown(NULL);
}
