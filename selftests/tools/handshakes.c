/* SPDX-License-Identifier: MIT */
/*
 * Handshakes of many known peers, as many as are answered.
 *
 *	handshakes peers N				a set request that makes the N peers
 *	handshakes shake PUBLIC_KEY ADDRESS PORT N SECONDS [WINDOW [RATE]]
 *							prints "answered-per-second sent answered right longest-us cookies"
 *
 * PUBLIC_KEY is base64, ADDRESS IPv4. The peers initiate one after the other, from one socket. All initiations are made
 * before the first is sent; WINDOW (32) of them are under way at a time, fewer than make anybody feel under load. One
 * that is not answered within a tenth of a second is given up; those that are under way at the end do not count as
 * sent. RATE: so many a second at most. Whether each answer is right is found out afterwards.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wgx/wire.h>
#include "proto/cookie.h"
#include "proto/noise.h"
#include "tools/connect.h"

#define A_SECOND 20000 /* initiations made for each second, more than anybody answers */
#define GIVE_UP_NS 100000000u
#define WINDOW_MAX 128

/* One initiation, and what came back. */
struct shake {
	struct wgx_handshake hs;
	struct wgx_msg_initiation msg;
	struct wgx_msg_response response;
	uint64_t sent; /* ns; 0: not yet */
	bool answered, over;
};

struct peer {
	uint8_t private_key[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	struct wgx_handshake hs; /* what lasts */
	uint8_t last_stamp[WGX_TIMESTAMP_LEN];
};

struct run {
	struct peer *peers;
	uint32_t n_peers;
	struct shake *shakes;
	uint32_t n, next; /* made; to be sent next */
	uint32_t answered, cookies;
	uint64_t longest; /* ns until an answer; that of what was given up as well */
	uint32_t oldest, under_way, window;
	uint64_t pause; /* ns from one to the next */
	int fd;
};

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make_peer(struct peer *p, uint32_t n)
{
	unsigned char seed[randombytes_SEEDBYTES] = "a peer that shakes hands";

	memcpy(seed + sizeof(seed) - sizeof(n), &n, sizeof(n));
	randombytes_buf_deterministic(p->private_key, sizeof(p->private_key), seed);
	wgx_clamp(p->private_key);
	wgx_public_key(p->public_key, p->private_key);
}

static int print_peers(uint32_t n)
{
	char hex[2 * WGX_KEY_LEN + 1];
	struct peer p;

	printf("set=1\n");
	for (uint32_t i = 0; i < n; i++) {
		make_peer(&p, i);
		printf("public_key=%s\n",
		       sodium_bin2hex(hex, sizeof(hex), p.public_key, sizeof(p.public_key)));
	}
	printf("\n");
	return fflush(stdout) ? 1 : 0;
}

/* ---- before ---- */

static int make_initiation(struct shake *s, struct peer *p, uint32_t index, uint64_t real,
			   const uint8_t public_key[WGX_KEY_LEN])
{
	uint8_t ephemeral[WGX_KEY_LEN], stamp[WGX_TIMESTAMP_LEN];
	struct wgx_cookie_maker maker;

	wgx_noise_stamp(&p->hs, real, p->last_stamp, stamp);
	s->hs = p->hs;
	randombytes_buf(ephemeral, sizeof(ephemeral));
	if (wgx_noise_create_initiation(&s->hs, p->public_key, ephemeral, stamp, index, &s->msg))
		return -1;
	wgx_cookie_maker_init(&maker, public_key);
	wgx_cookie_add_macs(&maker, &s->msg, sizeof(s->msg), 0);
	return 0;
}

static int make_all(struct run *r, const uint8_t public_key[WGX_KEY_LEN])
{
	uint64_t real = now_ns(CLOCK_REALTIME);

	r->peers = calloc(r->n_peers, sizeof(*r->peers));
	r->shakes = calloc(r->n, sizeof(*r->shakes));
	if (!r->peers || !r->shakes)
		return -1;
	for (uint32_t i = 0; i < r->n_peers; i++) {
		make_peer(&r->peers[i], i);
		wgx_handshake_init(&r->peers[i].hs, public_key);
		if (wgx_handshake_prepare(&r->peers[i].hs, r->peers[i].private_key))
			return -1;
	}
	for (uint32_t i = 0; i < r->n; i++)
		if (make_initiation(&r->shakes[i], &r->peers[i % r->n_peers], i + 1, real,
				    public_key))
			return -1;
	return 0;
}

/* ---- the run ---- */

static void send_next(struct run *r, uint64_t now)
{
	struct shake *s = &r->shakes[r->next++];

	s->sent = now;
	r->under_way++;
	if (send(r->fd, &s->msg, sizeof(s->msg), 0) < 0)
		perror("handshakes: send");
}

static void end(struct run *r, struct shake *s, uint64_t now)
{
	if (s->over)
		return;
	s->over = true;
	r->under_way--;
	if (now - s->sent > r->longest)
		r->longest = now - s->sent;
}

static void take(struct run *r, const void *msg, ssize_t len, uint64_t now)
{
	struct wgx_msg_response response;
	struct shake *s;
	uint32_t type, i;

	memcpy(&type, msg, sizeof(type));
	r->cookies += le32toh(type) == WGX_MSG_COOKIE;
	if (len != sizeof(response) || le32toh(type) != WGX_MSG_RESPONSE)
		return;
	memcpy(&response, msg, sizeof(response));
	i = le32toh(response.receiver) - 1;
	if (i >= r->next || r->shakes[i].answered)
		return;
	s = &r->shakes[i];
	s->response = response;
	s->answered = true;
	r->answered++;
	end(r, s, now);
}

static void give_up(struct run *r, uint64_t now)
{
	for (; r->oldest < r->next; r->oldest++) {
		if (!r->shakes[r->oldest].over && now - r->shakes[r->oldest].sent < GIVE_UP_NS)
			break;
		end(r, &r->shakes[r->oldest], now);
	}
}

/* Return: seconds that it took */
static double run(struct run *r, unsigned int seconds)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	uint64_t start = now_ns(CLOCK_MONOTONIC), now = start;
	uint8_t msg[2048];
	ssize_t len;

	while (now - start < seconds * UINT64_C(1000000000)) {
		while (r->under_way < r->window && r->next < r->n &&
		       now - start >= r->next * r->pause)
			send_next(r, now);
		poll(&p, 1, r->pause ? 1 : 10);
		while ((len = recv(r->fd, msg, sizeof(msg), MSG_DONTWAIT)) >= 4)
			take(r, msg, len, now_ns(CLOCK_MONOTONIC));
		now = now_ns(CLOCK_MONOTONIC);
		give_up(r, now);
	}
	return (double)(now - start) * 1e-9;
}

/* ---- after ---- */

static uint32_t count_right(struct run *r)
{
	uint32_t right = 0;

	for (uint32_t i = 0; i < r->next; i++) {
		struct shake *s = &r->shakes[i];

		right += s->answered &&
			 !wgx_noise_consume_response(&s->hs, r->peers[i % r->n_peers].private_key,
						     &s->response);
	}
	return right;
}

static int shake(char **args, int n)
{
	struct run r = {.n_peers = (uint32_t)atoi(args[3]),
			.window = n > 5 ? (uint32_t)atoi(args[5]) : 32,
			.pause = n > 6 ? UINT64_C(1000000000) / (uint64_t)atoi(args[6]) : 0};
	unsigned int seconds = (unsigned int)atoi(args[4]);
	uint8_t public_key[WGX_KEY_LEN];
	double took;
	uint32_t right;
	size_t len;

	r.n = seconds * A_SECOND;
	r.fd = connect_udp(args[1], args[2]);
	if (sodium_base642bin(public_key, sizeof(public_key), args[0], strlen(args[0]), NULL, &len,
			      NULL, sodium_base64_VARIANT_ORIGINAL) ||
	    len != sizeof(public_key) || r.fd < 0 || !r.n_peers || !r.n || !r.window ||
	    r.window > WINDOW_MAX || make_all(&r, public_key)) {
		fprintf(stderr, "handshakes: wrong arguments, or no memory\n");
		return 1;
	}
	took = run(&r, seconds);
	right = count_right(&r);
	printf("%.0f %u %u %u %.0f %u\n", right / took, r.next - r.under_way, r.answered, right,
	       (double)r.longest * 1e-3, r.cookies);
	free(r.shakes);
	free(r.peers);
	close(r.fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0)
		return 1;
	if (argc == 3 && !strcmp(argv[1], "peers"))
		return print_peers((uint32_t)atoi(argv[2]));
	if (argc >= 7 && argc <= 9 && !strcmp(argv[1], "shake"))
		return shake(argv + 2, argc - 2);
	fprintf(stderr, "usage: handshakes peers N | shake PUBLIC_KEY ADDRESS PORT N SECONDS "
			"[WINDOW [RATE]]\n");
	return 2;
}
