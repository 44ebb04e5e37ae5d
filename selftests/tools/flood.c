/* SPDX-License-Identifier: MIT */
/*
 * flood [options] DEV MAC DST PORT KIND: forged WireGuard messages out of DEV to MAC, DST (IPv4 or IPv6) and PORT,
 * from forged addresses. Prints what it sent. Ends at COUNT or after SECONDS, one of which has to be given.
 *
 *	KIND	mac1		initiations that are random but for their mac1 (-k)
 *		mac2		the same with a random mac2 instead of none (-k)
 *		badmac1		with a wrong mac1 (-k)
 *		index		data to random receivers
 *		tag		data to the receiver that a captured message has, with random payload and tag (-p)
 *		replay		captured data messages (-p)
 *		plain		no messages at all: 64 bytes of payload, one flow, with a checksum (-n 1)
 *		flows		likewise, each packet of another flow
 *	-k KEY		DST's public key (base64)
 *	-p PCAP		captured frames; what is as long as the first data message in it is used
 *	-s SOURCE	first source address (198.18.0.1, or 2001:db8:f::1); -n SOURCES: and so many from it on (65000)
 *	-c COUNT, -t SECONDS
 *	-r PPS		packets a second; without: as fast as one processor makes them
 *	-b BURST	so many at a time
 *
 * A BPF program is run on live frames: of all ways out of a veth the fastest. (One core, both ends of it: 2060 kpps;
 * AF_PACKET by sendmmsg(2) 510, by PACKET_TX_RING 550.) A run of frames takes 24 ms to end, in which the
 * processor is free, so some threads take turns. The messages repeat after 65536. DEV's other end must have NAPI:
 * be a real device, or a veth with GRO or native XDP. To bind it to a processor: taskset(1).
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wgx/wire.h>
#include "flood_live.skel.h"
#include "proto/cookie.h"
#include "tools/flood.h"

#define BATCH 64 /* frames from the program to the device */
#define RUN_MAX 16384 /* frames a run */
#define THREADS 8 /* at full speed */
#define THREADS_PACED 48 /* one begins each millisecond, and takes 24 ms or a few more */
#define MESSAGE_MAX \
	(sizeof(struct flood_frame) - ETH_HLEN - sizeof(struct ip6_hdr) - sizeof(struct udphdr))
#define CAPTURED_MAX 65536
#define PLAIN_LEN 64
#define TAG_LEN \
	(WGX_MSG_DATA_MIN + 64) /* a data message of kind `index`; `tag` has the captured length */

struct captured {
	uint8_t (*messages)[MESSAGE_MAX];
	size_t n, len;
	uint64_t counter; /* the highest */
};

struct flood {
	const char *kind, *pcap;
	int ifindex, family;
	uint8_t mac[6];
	struct in6_addr to; /* IPv4 in the last four bytes */
	struct in6_addr source;
	uint16_t port;
	bool has_key;
	struct wgx_cookie_maker maker; /* knows how to make mac1 */
	uint8_t key[WGX_KEY_LEN]; /* for @maker */
	uint32_t sources;
	uint64_t rate, burst, count;
	unsigned int seconds;
	struct captured captured;
	uint64_t made; /* frames */
	struct flood_live *bpf;
	uint32_t frame_len;
	pthread_mutex_t lock; /* of claimed */
	uint64_t claimed; /* frames that are sent or about to be */
	uint64_t began; /* ns */
};

static volatile sig_atomic_t stopping;

static void stop(int signal)
{
	stopping = 1;
}

static int fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	return -1;
}

/* ---- messages ---- */

static size_t make_initiation(struct flood *f, void *to, bool good)
{
	struct wgx_msg_initiation msg; /* aligned */

	randombytes_buf(&msg, sizeof(msg));
	msg.type = htole32(WGX_MSG_INITIATION);
	wgx_cookie_add_macs(&f->maker, &msg, sizeof(msg), 0);
	if (!good)
		msg.macs.mac1[f->made % WGX_COOKIE_LEN] ^= 1;
	memcpy(to, &msg, sizeof(msg));
	return sizeof(msg);
}

static size_t make_mac1(struct flood *f, void *to)
{
	return make_initiation(f, to, true);
}

/* For those who judge whether a cookie is right; mac1 does not cover it. */
static size_t make_mac2(struct flood *f, void *to)
{
	size_t len = make_initiation(f, to, true);

	randombytes_buf((uint8_t *)to + len - WGX_COOKIE_LEN, WGX_COOKIE_LEN);
	return len;
}

static size_t make_badmac1(struct flood *f, void *to)
{
	return make_initiation(f, to, false);
}

static size_t make_index(struct flood *f, void *to)
{
	const uint32_t type = htole32(WGX_MSG_DATA);

	randombytes_buf(to, TAG_LEN);
	memcpy(to, &type, sizeof(type));
	return TAG_LEN;
}

/* What a router is given to forward */
static size_t make_plain(struct flood *f, void *to)
{
	randombytes_buf(to, PLAIN_LEN);
	return PLAIN_LEN;
}

/* Its counter is one that may come: nothing but the tag tells. */
static size_t make_tag(struct flood *f, void *to)
{
	struct wgx_msg_data header;

	randombytes_buf(to, f->captured.len);
	memcpy(&header, f->captured.messages[0], sizeof(header));
	header.counter = htole64(f->captured.counter + 1 + f->made % 4096);
	memcpy(to, &header, sizeof(header));
	return f->captured.len;
}

static size_t make_replay(struct flood *f, void *to)
{
	memcpy(to, f->captured.messages[f->made % f->captured.n], f->captured.len);
	return f->captured.len;
}

static const struct kind {
	const char *name;
	size_t (*make)(struct flood *f, void *to);
	bool needs_key, needs_pcap;
} kinds[] = {
	{"mac1", make_mac1, true, false},	{"mac2", make_mac2, true, false},
	{"badmac1", make_badmac1, true, false}, {"index", make_index, false, false},
	{"tag", make_tag, false, true},		{"replay", make_replay, false, true},
	{"plain", make_plain, false, false},	{"flows", make_plain, false, false},
};

/* ---- frames ---- */

static uint32_t sum16(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The source and the checksum are the BPF program's to write. */
static size_t put_ip4(const struct flood *f, uint8_t *at, size_t payload)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(sizeof(ip) + payload)),
	};

	memcpy(&ip.daddr, f->to.s6_addr + 12, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

/* The next source: it counts the last four bytes of the address up. */
static size_t put_ip6(const struct flood *f, uint8_t *at, size_t payload)
{
	struct ip6_hdr ip = {.ip6_src = f->source, .ip6_dst = f->to};
	uint32_t *low = &ip.ip6_src.s6_addr32[3];

	ip.ip6_vfc = 6 << 4;
	ip.ip6_hlim = 64;
	ip.ip6_nxt = IPPROTO_UDP;
	ip.ip6_plen = htons((uint16_t)payload);
	*low = htonl(ntohl(*low) + (uint32_t)(f->made % f->sources));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

/* IPv6 demands a checksum; IPv4 does without, but GRO does not. @addrs: source and destination, as in the header */
static uint16_t checksum(const uint8_t *addrs, size_t addrs_len, const struct udphdr *udp,
			 const void *message, size_t len)
{
	uint32_t sum = sum16(IPPROTO_UDP + ntohs(udp->len), addrs, addrs_len);

	return fold(sum16(sum16(sum, udp, sizeof(*udp)), message, len));
}

static uint16_t checksum4(const struct flood *f, const struct udphdr *udp, const void *message,
			  size_t len)
{
	uint8_t addrs[8];

	memcpy(addrs, f->source.s6_addr + 12, 4);
	memcpy(addrs + 4, f->to.s6_addr + 12, 4);
	return checksum(addrs, sizeof(addrs), udp, message, len);
}

/* Return: the frame's length */
static size_t make_frame(struct flood *f, const struct kind *kind, struct flood_frame *frame)
{
	const bool v4 = f->family == AF_INET, one_flow = !strcmp(kind->name, "plain");
	const uint16_t ethertype = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	uint8_t message[MESSAGE_MAX], *l3 = frame->bytes + ETH_HLEN, *l4;
	const size_t len = kind->make(f, message);
	struct udphdr udp = {
		.source = htons((uint16_t)(1024 + (one_flow ? 0 : f->made % 60000))),
		.dest = htons(f->port),
		.len = htons((uint16_t)(sizeof(udp) + len)),
	};

	memset(frame->bytes, 0, ETH_HLEN);
	memcpy(frame->bytes, f->mac, sizeof(f->mac));
	memcpy(frame->bytes + 2 * sizeof(f->mac), &ethertype, sizeof(ethertype));
	l4 = l3 + (v4 ? put_ip4 : put_ip6)(f, l3, sizeof(udp) + len);
	if (!v4)
		udp.check = checksum(l3 + 8, 2 * sizeof(struct in6_addr), &udp, message, len);
	else if (one_flow)
		udp.check = checksum4(f, &udp, message, len);
	memcpy(l4, &udp, sizeof(udp));
	memcpy(l4 + sizeof(udp), message, len);
	f->made++;
	return (size_t)(l4 - frame->bytes) + sizeof(udp) + len;
}

/* ---- a capture ---- */

/* The data message in an Ethernet frame; NULL: none */
static const uint8_t *data_message(const uint8_t *frame, size_t len, size_t *ret_len)
{
	size_t l3 = len > ETH_HLEN && frame[ETH_HLEN] >> 4 == 6 ? sizeof(struct ip6_hdr)
								: sizeof(struct iphdr);
	size_t headers = ETH_HLEN + l3 + sizeof(struct udphdr);
	uint32_t type;

	if (len < headers + WGX_MSG_DATA_MIN)
		return NULL;
	memcpy(&type, frame + headers, sizeof(type));
	*ret_len = (size_t)(frame[headers - 4] << 8 | frame[headers - 3]) - sizeof(struct udphdr);
	return le32toh(type) == WGX_MSG_DATA && *ret_len <= len - headers ? frame + headers : NULL;
}

static void keep(struct captured *c, const uint8_t *message, size_t len)
{
	uint64_t counter;

	if (len > MESSAGE_MAX || (c->len && len != c->len) || c->n == CAPTURED_MAX)
		return;
	c->len = len;
	memcpy(c->messages[c->n++], message, len);
	memcpy(&counter, message + offsetof(struct wgx_msg_data, counter), sizeof(counter));
	if (le64toh(counter) > c->counter)
		c->counter = le64toh(counter);
}

/* As tcpdump writes it, on a machine of this byte order; all that it has seen is one direction's. */
static int read_pcap(struct flood *f)
{
	uint32_t header[6], record[4];
	uint8_t frame[2048];
	FILE *in = fopen(f->pcap, "r");
	const uint8_t *message;
	size_t len;

	f->captured.messages = calloc(CAPTURED_MAX, sizeof(*f->captured.messages));
	if (!in || !f->captured.messages)
		return fail(f->pcap);
	if (fread(header, sizeof(header), 1, in) != 1 || header[0] != 0xa1b2c3d4 ||
	    header[5] != 1) {
		fprintf(stderr, "flood: %s: not a capture of Ethernet\n", f->pcap);
		return -1;
	}
	while (fread(record, sizeof(record), 1, in) == 1 && record[2] <= sizeof(frame) &&
	       fread(frame, 1, record[2], in) == record[2]) {
		message = data_message(frame, record[2], &len);
		if (message)
			keep(&f->captured, message, len);
	}
	fclose(in);
	if (f->captured.n)
		return 0;
	fprintf(stderr, "flood: %s: no data message\n", f->pcap);
	return -1;
}

/* ---- live frames ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int load(struct flood *f, const struct kind *kind)
{
	struct flood_frame frame;
	struct flood_live *bpf;

	f->bpf = bpf = flood_live__open();
	if (!bpf)
		return fail("the BPF program");
	bpf->rodata->device = (uint32_t)f->ifindex;
	bpf->rodata->frame_len = f->frame_len = (uint32_t)make_frame(f, kind, &frame);
	if (f->family == AF_INET) {
		memcpy((void *)&bpf->rodata->source, f->source.s6_addr + 12, sizeof(uint32_t));
		bpf->rodata->source = ntohl(bpf->rodata->source);
		bpf->rodata->sources = f->sources;
	}
	if (flood_live__load(bpf))
		return fail("loading the BPF program");
	for (uint32_t i = 0; i < FLOOD_FRAMES; i++) {
		make_frame(f, kind, &frame);
		if (bpf_map__update_elem(bpf->maps.frames, &i, sizeof(i), &frame, sizeof(frame),
					 BPF_ANY))
			return fail("frames");
	}
	return 0;
}

/* How many to send now; 0: none before @ret_at, ns */
static uint64_t claim(struct flood *f, uint64_t *ret_at)
{
	const uint64_t quantum = f->burst ? f->burst : f->rate ? f->rate / 1000 + 1 : RUN_MAX;
	uint64_t due = quantum;

	if (f->rate) {
		*ret_at = f->began + f->claimed * 1000000000 / f->rate;
		due = (now_ns() - f->began) * f->rate / 1000000000 + quantum - f->claimed;
		due = due < quantum		  ? 0
		      : f->burst || due < RUN_MAX ? due / quantum * quantum
						  : RUN_MAX;
	}
	if (f->count && due > f->count - f->claimed)
		due = f->count - f->claimed;
	f->claimed += due;
	return due;
}

static bool over(const struct flood *f)
{
	return stopping || (f->count && f->claimed == f->count) ||
	       (f->seconds && now_ns() - f->began > f->seconds * UINT64_C(1000000000));
}

static int run(struct flood *f, uint64_t n)
{
	struct flood_frame frame = {0};
	struct xdp_md ctx = {.data_end = f->frame_len};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &frame, .data_size_in = f->frame_len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)n,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	if (!bpf_prog_test_run_opts(bpf_program__fd(f->bpf->progs.flood_xdp), &opts))
		return 0;
	return errno == EINTR ? 0 : fail("running the BPF program");
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
				   .tv_nsec = (long)(ns % 1000000000)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* One waits for the next frames to be due, the others for it. */
static void *send_main(void *arg)
{
	struct flood *f = arg;
	uint64_t n, at = 0;

	do {
		pthread_mutex_lock(&f->lock);
		n = 0;
		while (!over(f) && !(n = claim(f, &at)))
			sleep_until(at);
		pthread_mutex_unlock(&f->lock);
	} while (n && !run(f, n));
	return NULL;
}

static int send_all(struct flood *f)
{
	const int wanted = f->rate ? THREADS_PACED : THREADS;
	pthread_t threads[THREADS_PACED];
	int n = 0;

	prctl(PR_SET_TIMERSLACK, 1);
	f->began = now_ns();
	while (n < wanted && !pthread_create(&threads[n], NULL, send_main, f))
		n++;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return n == wanted ? 0 : fail("threads");
}

/* ---- the command ---- */

static int usage(void)
{
	fprintf(stderr,
		"usage: flood [-k KEY] [-p PCAP] [-s SOURCE] [-n SOURCES] [-c COUNT] [-t SECONDS]\n"
		"             [-r PPS] [-b BURST] DEV MAC DST PORT "
		"mac1|mac2|badmac1|index|tag|replay\n");
	return 2;
}

/* IPv4 in the last four bytes. Return: the family, 0: neither */
static int parse_address(const char *text, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, ret->s6_addr + 12) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, ret) == 1 ? AF_INET6 : 0;
}

static int parse_key(struct flood *f, const char *text)
{
	size_t len;

	if (sodium_base642bin(f->key, sizeof(f->key), text, strlen(text), NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) ||
	    len != sizeof(f->key))
		return -1;
	wgx_cookie_maker_init(&f->maker, f->key);
	f->has_key = true;
	return 0;
}

static int parse_options(struct flood *f, int argc, char **argv, const char **ret_source)
{
	int c;

	while ((c = getopt(argc, argv, "k:p:s:n:c:t:r:b:")) != -1) {
		switch (c) {
		case 'k':
			if (parse_key(f, optarg))
				return -1;
			break;
		case 'p':
			f->pcap = optarg;
			break;
		case 's':
			*ret_source = optarg;
			break;
		case 'n':
			f->sources = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			f->count = strtoull(optarg, NULL, 10);
			break;
		case 't':
			f->seconds = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			f->rate = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			f->burst = strtoull(optarg, NULL, 10);
			break;
		default:
			return -1;
		}
	}
	return argc - optind == 5 && f->sources && (f->count || f->seconds) ? 0 : -1;
}

static const struct kind *parse(struct flood *f, int argc, char **argv)
{
	const char *source = NULL;
	uint8_t *m = f->mac;

	if (parse_options(f, argc, argv, &source))
		return NULL;
	argv += optind;
	f->ifindex = (int)if_nametoindex(argv[0]);
	f->family = parse_address(argv[2], &f->to);
	if (!source)
		source = f->family == AF_INET ? "198.18.0.1" : "2001:db8:f::1";
	f->port = (uint16_t)atoi(argv[3]);
	if (!f->ifindex || !f->family || parse_address(source, &f->source) != f->family ||
	    sscanf(argv[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4,
		   m + 5) != 6)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, argv[4]))
			return kinds[i].needs_key && !f->has_key ? NULL
			       : kinds[i].needs_pcap && !f->pcap ? NULL
								 : &kinds[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct flood f = {.sources = 65000, .lock = PTHREAD_MUTEX_INITIALIZER};
	const struct sigaction act = {.sa_handler = stop};
	const struct kind *kind = sodium_init() < 0 ? NULL : parse(&f, argc, argv);
	double seconds;
	int err;

	if (!kind)
		return usage();
	if ((f.pcap && read_pcap(&f)) || load(&f, kind))
		return 1;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	err = send_all(&f);
	seconds = (double)(now_ns() - f.began) / 1e9;
	printf("sent %llu in %.3f s, %.1f kpps\n", (unsigned long long)f.bpf->bss->sent, seconds,
	       (double)f.bpf->bss->sent / seconds / 1e3);
	return err ? 1 : 0;
}
