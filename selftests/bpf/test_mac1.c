/* SPDX-License-Identifier: MIT */
/*
 * mac1 in wgx_ingress, against libb2: every message whose mac1 is right passes, and none in which one bit is
 * wrong; wherever in the frame it lies.
 */
#include "ingress_env.h"
#include "mac1_batch.h"
#include "netns.h"
#include <sodium.h>
#include <sys/mman.h>
#include "mac1_batch.skel.h"
#include "unit/line_test.h"

#define MESSAGES 1000000 /* by the code alone */
#define FRAMES 20000 /* through the programs */
#define MAC2_BITS (8 * WGX_COOKIE_LEN)

static struct wgx_cookie_maker maker; /* a peer that knows our_public_key */

/* ---- messages ---- */

static size_t message_len(int type)
{
	return type == WGX_MSG_INITIATION ? sizeof(struct wgx_msg_initiation)
					  : sizeof(struct wgx_msg_response);
}

/* Random but for its type and its macs, which are right */
static void message_make(__u8 *msg, int type, struct wgx_cookie_maker *m)
{
	union {
		__le32 type;
		struct wgx_msg_initiation initiation;
	} aligned;
	size_t len = message_len(type);

	randombytes_buf(&aligned, len);
	aligned.type = htole32(type);
	wgx_cookie_add_macs(m, &aligned, len, 0);
	memcpy(msg, &aligned, len);
}

/* In a frame of its own; returns where it stands there */
static __u8 *frame_make(const char *dst, int type, size_t padding)
{
	size_t len = message_len(type);

	packet_build(&pkt, &(struct packet_spec){.dst = dst, .payload = len, .padding = padding});
	message_make(pkt.data + pkt.len - padding - len, type, &maker);
	return pkt.data + pkt.len - padding - len;
}

static void flip(__u8 *bytes, __u32 bit)
{
	bytes[bit / 8] ^= 1 << bit % 8;
}

static __u32 covered_bits(int type) /* mac1 included */
{
	return 8 * message_len(type) - MAC2_BITS;
}

static int mac1_setup(void **state)
{
	if (sodium_init() < 0)
		return -1;
	wgx_cookie_maker_init(&maker, our_public_key);
	return setup(state);
}

/* ---- the code, on a million messages under as many keys ---- */

static struct mac1_case *cases;
static bool case_right[MAC1_BATCH];

/* Every other one has one wrong bit, in what mac1 covers or in mac1 itself. */
static void case_make(struct mac1_case *c, bool *ret_right)
{
	int type = randombytes_uniform(2) ? WGX_MSG_RESPONSE : WGX_MSG_INITIATION;
	__u8 msg[sizeof(struct wgx_msg_initiation)], public_key[WGX_KEY_LEN];
	struct wgx_cookie_maker m;

	randombytes_buf(public_key, sizeof(public_key));
	wgx_cookie_maker_init(&m, public_key);
	message_make(msg, type, &m);
	*ret_right = randombytes_uniform(2);
	if (!*ret_right)
		flip(msg, randombytes_uniform(covered_bits(type)));
	wgx_cookie_mac1_state(c->key.state, public_key);
	c->key.present = 1;
	c->response = type == WGX_MSG_RESPONSE;
	memcpy(c->words, msg, covered_bits(type) / 8);
	c->right = 99;
}

static void run_batch(const struct mac1_batch *batch)
{
	LIBBPF_OPTS(bpf_test_run_opts, o);

	for (int i = 0; i < MAC1_BATCH; i++)
		case_make(&cases[i], &case_right[i]);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(batch->progs.mac1_batch), &o), 0);
	assert_int_equal(o.retval, MAC1_BATCH);
	for (int i = 0; i < MAC1_BATCH; i++)
		assert_int_equal(cases[i].right, case_right[i]);
}

static void test_code(void **state)
{
	struct mac1_batch *batch;
	int n = 0;

	need_bpf();
	batch = mac1_batch__open_and_load();
	assert_non_null(batch);
	cases = mmap(NULL, MAC1_BATCH * sizeof(*cases), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(batch->maps.cases), 0);
	assert_true(cases != MAP_FAILED);
	for (; n < MESSAGES; n += MAC1_BATCH)
		run_batch(batch);
	munmap(cases, MAC1_BATCH * sizeof(*cases));
	mac1_batch__destroy(batch);
	print_message("# %d messages\n", n);
}

/* ---- the programs ---- */

static void test_frames(void **state)
{
	static const char *const dst[] = {LOCAL4, LOCAL6};
	struct counts before;
	__u64 want[2] = {0};

	need_bpf();
	before = counts_now();
	for (int i = 0; i < FRAMES; i++) {
		int type = i % 2 ? WGX_MSG_RESPONSE : WGX_MSG_INITIATION;
		__u8 *msg = frame_make(dst[i / 2 % 2], type, randombytes_uniform(40));
		bool wrong = randombytes_uniform(2);

		if (wrong) /* not in the type */
			flip(msg, 32 + randombytes_uniform(covered_bits(type) - 32));
		assert_int_equal(run_tc(skel->progs.wgx_ingress_tc, &pkt, 0, 0)->verdict,
				 tc_action(wrong ? WRONG_MAC1 : PASS));
		assert_int_equal(run_xdp(skel->progs.wgx_ingress_xdp, &pkt)->verdict,
				 xdp_action(wrong ? WRONG_MAC1 : PASS));
		assert_int_equal(run_xdp(skel->progs.wgx_ingress_xdp_linear, &pkt)->verdict,
				 xdp_action(wrong ? WRONG_MAC1 : PASS));
		want[wrong] += 3;
	}
	assert_int_equal(counts_now().of[PASS] - before.of[PASS], want[0]);
	assert_int_equal(counts_now().of[WRONG_MAC1] - before.of[WRONG_MAC1], want[1]);
	assert_true(want[0] > FRAMES && want[1] > FRAMES);
}

/* Return: false where the kernel has no way to test it */
static bool check_frags(enum verdict want)
{
	/* as much as is looked at directly: the header of a data message */
	const __u32 linear = ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + 16;
	struct counts before = counts_now();
	const struct run *r = run_xdp_frags(skel->progs.wgx_ingress_xdp, &pkt, linear);

	if (r)
		check_xdp_run(r, &before, want);
	return r;
}

static void check_everywhere(enum verdict want)
{
	check(want);
	check_frags(want);
}

/* A wrong type, or with it a wrong length, is malformed */
static enum verdict with_bit_wrong(int type, __u32 bit)
{
	return bit < 32 ? MALFORMED : bit < covered_bits(type) ? WRONG_MAC1 : PASS;
}

static void check_flips(const char *dst, int type)
{
	__u8 *msg = frame_make(dst, type, 0);

	check_everywhere(PASS);
	for (__u32 bit = 0; bit < 8 * message_len(type); bit++) {
		flip(msg, bit);
		check_everywhere(with_bit_wrong(type, bit));
		flip(msg, bit);
	}
	check_everywhere(PASS);
}

static void test_flips(void **state)
{
	need_bpf();
	assert_int_equal(covered_bits(WGX_MSG_INITIATION), 8 * 132);
	assert_int_equal(covered_bits(WGX_MSG_RESPONSE), 8 * 76);
	check_flips(LOCAL4, WGX_MSG_INITIATION);
	check_flips(LOCAL4, WGX_MSG_RESPONSE);
	check_flips(LOCAL6, WGX_MSG_INITIATION);
	check_flips(LOCAL6, WGX_MSG_RESPONSE);
}

static void test_frags(void **state)
{
	need_bpf();
	frame_make(LOCAL4, WGX_MSG_INITIATION, 0);
	if (!check_frags(PASS))
		skip();
	flip(pkt.data, 8 * (pkt.len - 1) - MAC2_BITS);
	assert_true(check_frags(WRONG_MAC1));
}

/* ---- keys ---- */

/* What a state of zeros, of an entry that is not filled in, would call right */
static void make_right_for_zero(__u8 *msg)
{
	__u32 h[WGX_BLAKE2S_WORDS] = {0}, m[WGX_BLAKE2S_BLOCK] = {0};
	const size_t covered = offsetof(struct wgx_msg_response, macs);

	memcpy(m, msg, covered);
	for (int i = 0; i < WGX_BLAKE2S_BLOCK; i++)
		m[i] = le32toh(m[i]);
	wgx_blake2s_compress(h, m, WGX_BLAKE2S_BLOCK_LEN + covered, true);
	for (int i = 0; i < WGX_COOKIE_LEN / 4; i++)
		h[i] = htole32(h[i]);
	memcpy(msg + covered, h, WGX_COOKIE_LEN);
}

static void test_keys(void **state)
{
	const uint8_t other[WGX_KEY_LEN] = {1};
	__u32 iface = IFACE;
	__u8 *msg;

	need_bpf();
	frame_make(LOCAL4, WGX_MSG_INITIATION, 0);
	check(PASS);
	set_identity(other);
	check(WRONG_MAC1);
	wgx_cookie_maker_init(&maker, other);
	frame_make(LOCAL6, WGX_MSG_INITIATION, 0);
	check(PASS);

	/* no private key: nothing is right */
	set_identity(NULL);
	check(WRONG_MAC1);
	msg = frame_make(LOCAL4, WGX_MSG_RESPONSE, 0);
	check(WRONG_MAC1);
	make_right_for_zero(msg);
	check(WRONG_MAC1);

	/* where BPF has not been told, the protocol thread judges; lengths are judged all the same */
	bpf_map_delete_elem(bpf_map__fd(skel->maps.mac1_keys), &iface);
	check(PASS);
	packet_build(&pkt, &(struct packet_spec){.dst = LOCAL4, .type = 1, .payload = 147});
	check(MALFORMED);
}

/* ---- tc, with the message in a page: far host's u0 ──veth──► eth0 here, wgx_ingress_tc ---- */

static void until_counted(const struct counts *before, enum verdict want)
{
	for (int ms = 0; ms < 10000 && counts_now().of[want] == before->of[want]; ms++)
		usleep(1000);
	assert_counted(before, want, 1);
}

static void send_paged(int tx, enum verdict want)
{
	struct virtio_net_hdr hdr = {.hdr_len = ETH_HLEN}; /* only so much is linear */
	struct counts before = counts_now();

	assert_true(packet_send(tx, &hdr, &pkt));
	until_counted(&before, want);
}

static void test_paged(void **state)
{
	const int types[] = {WGX_MSG_INITIATION, WGX_MSG_RESPONSE};
	int home, host, far, link, tx;

	need_bpf();
	home = netns_self();
	host = netns_new();
	far = netns_new();
	veth_new("u0", "eth0", host, 9000);
	netns_enter(host);
	link = tcx_attach(skel->progs.wgx_ingress_tc, "eth0", ATTACH_TCX_INGRESS);
	netns_enter(far);
	if (link >= 0) {
		tx = packet_socket("u0");
		for (int i = 0; i < 2; i++) {
			/* AF_PACKET puts nothing into pages below one page */
			__u8 *msg = frame_make(i ? LOCAL6 : LOCAL4, types[i], 5000);

			send_paged(tx, PASS);
			flip(msg, covered_bits(types[i]) - 1);
			send_paged(tx, WRONG_MAC1);
		}
		close(tx);
	}
	netns_enter(home);
	close(link);
	close(far);
	close(host);
	close(home);
	if (link < 0)
		skip();
}

#define LINE_TEST(line, f) line_test_setup_teardown(line, f, mac1_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINE_TEST("P-HS-1 P-MSG-5", test_code), LINE_TEST("P-HS-1", test_frames),
		LINE_TEST("P-HS-1", test_flips),	LINE_TEST("P-HS-1", test_frags),
		LINE_TEST("P-HS-1", test_keys),		LINE_TEST("P-HS-1", test_paged),
	};

	return cmocka_run_group_tests_name("bpf_mac1", tests, NULL, NULL);
}
