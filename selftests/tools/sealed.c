/* SPDX-License-Identifier: MIT */
/*
 * A peer that has sealed all that it sends before it sends the first: so it costs little while it sends, and what the
 * other end opens is measured.
 *
 *	sealed key					the public key of the peer, base64
 *	sealed send PUBLIC_KEY ADDRESS PORT SOURCE DESTINATION SIZE FLOWS COUNT
 *							prints "ready", waits for SIGUSR1, sends, prints "N sent in S s"
 *
 * It initiates a session with PUBLIC_KEY at ADDRESS (IPv4). COUNT messages with UDP datagrams of SIZE bytes inside, from
 * SOURCE to port 9 of DESTINATION, of FLOWS flows by turns, a superframe each, as fast as the kernel takes them.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wgx/wire.h>
#include "path/aead.h"
#include "path/checksum.h"
#include "proto/cookie.h"
#include "proto/keypair.h"
#include "proto/noise.h"
#include "tools/connect.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define SUPERFRAME 64 /* messages, and no more than 65,000 bytes */
#define HEADERS (sizeof(struct iphdr) + sizeof(struct udphdr))

struct run {
	uint8_t private_key[WGX_KEY_LEN], public_key[WGX_KEY_LEN], remote[WGX_KEY_LEN];
	struct in_addr source, destination;
	size_t size, plain, stride; /* of the datagram's payload, the plaintext, the message */
	unsigned int flows, count, burst; /* messages of a superframe */
	uint8_t *messages;
	struct wgx_keypair kp;
	int fd;
};

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make_key(struct run *r)
{
	static const unsigned char seed[randombytes_SEEDBYTES] = "a peer that seals in advance";

	randombytes_buf_deterministic(r->private_key, sizeof(r->private_key), seed);
	wgx_clamp(r->private_key);
	wgx_public_key(r->public_key, r->private_key);
}

/* ---- the session ---- */

static int initiate(struct run *r, struct wgx_handshake *hs)
{
	uint8_t ephemeral[WGX_KEY_LEN], stamp[WGX_TIMESTAMP_LEN], last[WGX_TIMESTAMP_LEN] = {0};
	struct wgx_msg_initiation msg;
	struct wgx_cookie_maker maker;

	wgx_handshake_init(hs, r->remote);
	if (wgx_handshake_prepare(hs, r->private_key))
		return -1;
	wgx_noise_stamp(hs, now_ns(CLOCK_REALTIME), last, stamp);
	randombytes_buf(ephemeral, sizeof(ephemeral));
	if (wgx_noise_create_initiation(hs, r->public_key, ephemeral, stamp, 1, &msg))
		return -1;
	wgx_cookie_maker_init(&maker, r->remote);
	wgx_cookie_add_macs(&maker, &msg, sizeof(msg), 0);
	return send(r->fd, &msg, sizeof(msg), 0) == sizeof(msg) ? 0 : -1;
}

static int begin_session(struct run *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	struct wgx_msg_response response;
	struct wgx_handshake hs;

	if (initiate(r, &hs) || poll(&p, 1, 5000) != 1 ||
	    recv(r->fd, &response, sizeof(response), 0) != sizeof(response))
		return -1;
	if (wgx_noise_consume_response(&hs, r->private_key, &response))
		return -1;
	return wgx_noise_begin_session(&hs, &r->kp, now_ns(CLOCK_BOOTTIME));
}

/* ---- before ---- */

/* The datagram of message @n, padded */
static void make_packet(const struct run *r, unsigned int n, uint8_t *p)
{
	const size_t len = HEADERS + r->size, udp_len = len - sizeof(struct iphdr);
	const unsigned int flow = n / r->burst % r->flows;
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
	struct udphdr udp = {.dest = htons(9)};

	memset(p, (int)n & 0xff, r->plain);
	memset(p + len, 0, r->plain - len);
	ip.tot_len = htons((uint16_t)len);
	ip.id = htons((uint16_t)n);
	ip.saddr = r->source.s_addr;
	ip.daddr = r->destination.s_addr;
	memcpy(p, &ip, sizeof(ip));
	ip.check = wgx_csum_ip4(p, sizeof(ip));
	memcpy(p, &ip, sizeof(ip));
	udp.source = htons((uint16_t)(10000 + flow));
	udp.len = htons((uint16_t)udp_len);
	memcpy(p + sizeof(ip), &udp, sizeof(udp));
	udp.check = wgx_csum_fold(wgx_csum_add(
		wgx_csum_pseudo4(p + 12, IPPROTO_UDP, (uint32_t)udp_len), p + sizeof(ip), udp_len));
	if (!udp.check)
		udp.check = 0xffff;
	memcpy(p + sizeof(ip), &udp, sizeof(udp));
}

static int seal_all(struct run *r)
{
	struct wgx_aead *a = wgx_aead_create();

	r->messages = mmap(NULL, (size_t)r->count * r->stride, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!a || r->messages == MAP_FAILED)
		return -1;
	for (unsigned int n = 0; n < r->count; n++) {
		uint8_t *msg = r->messages + n * r->stride;
		struct wgx_msg_data header = {.type = htole32(WGX_MSG_DATA),
					      .receiver = htole32(r->kp.remote_index),
					      .counter = htole64(n)};

		memcpy(msg, &header, sizeof(header));
		make_packet(r, n, msg + sizeof(header));
		wgx_aead_seal(a, r->kp.send_key, n, msg + sizeof(header), msg + sizeof(header),
			      r->plain);
	}
	wgx_aead_destroy(a);
	return 0;
}

/* ---- the run ---- */

static void send_all(struct run *r)
{
	const int size = (int)r->stride;
	unsigned int sent = 0;
	uint64_t begin;

	if (setsockopt(r->fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)))
		perror("sealed: UDP_SEGMENT");
	begin = now_ns(CLOCK_MONOTONIC);
	for (unsigned int n = 0; n < r->count; n += r->burst) {
		unsigned int k = r->count - n < r->burst ? r->count - n : r->burst;

		if (send(r->fd, r->messages + n * r->stride, k * r->stride, 0) >= 0)
			sent += k;
		else if (errno != ENOBUFS && errno != EAGAIN)
			perror("sealed: send");
	}
	printf("%u sent in %.3f s\n", sent, (double)(now_ns(CLOCK_MONOTONIC) - begin) * 1e-9);
}

static bool read_arguments(struct run *r, char **args)
{
	size_t len;

	r->fd = connect_udp(args[1], args[2]);
	r->size = (size_t)atoi(args[5]);
	r->flows = (unsigned int)atoi(args[6]);
	r->count = (unsigned int)atoi(args[7]);
	r->plain = (HEADERS + r->size + 15) & ~(size_t)15;
	r->stride = r->plain + WGX_DATA_OVERHEAD;
	r->burst = 65000 / r->stride < SUPERFRAME ? (unsigned int)(65000 / r->stride) : SUPERFRAME;
	return !sodium_base642bin(r->remote, sizeof(r->remote), args[0], strlen(args[0]), NULL,
				  &len, NULL, sodium_base64_VARIANT_ORIGINAL) &&
	       len == sizeof(r->remote) && r->fd >= 0 &&
	       inet_pton(AF_INET, args[3], &r->source) == 1 &&
	       inet_pton(AF_INET, args[4], &r->destination) == 1 && r->size >= 1 &&
	       r->size <= 1392 && r->flows && r->count;
}

int main(int argc, char **argv)
{
	static struct run r;
	sigset_t go;
	int signal;
	char text[sodium_base64_ENCODED_LEN(WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL)];

	if (sodium_init() < 0)
		return 1;
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	make_key(&r);
	if (argc == 2 && !strcmp(argv[1], "key"))
		return puts(sodium_bin2base64(text, sizeof(text), r.public_key,
					      sizeof(r.public_key),
					      sodium_base64_VARIANT_ORIGINAL)) < 0;
	if (argc != 10 || strcmp(argv[1], "send") || !read_arguments(&r, argv + 2)) {
		fprintf(stderr,
			"usage: sealed key | send PUBLIC_KEY ADDRESS PORT SOURCE DESTINATION "
			"SIZE FLOWS COUNT\n");
		return 2;
	}
	if (begin_session(&r) || seal_all(&r)) {
		fprintf(stderr, "sealed: no session, or no memory\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	sigwait(&go, &signal);
	send_all(&r);
	return 0;
}
