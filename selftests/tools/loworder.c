/* SPDX-License-Identifier: MIT */
/*
 * Points of low order: what Diffie-Hellman with one of them gives is zero, whatever the private key, so that
 * anybody can complete a handshake with a peer who does not refuse it.
 *
 *	loworder points				every such public key, in base64, one a line
 *	loworder initiate KEY ADDRESS PORT	initiations to the owner of the public key KEY, each authentic for
 *						one who takes zero: every point as the ephemeral key, and as
 *						the static one; prints how many
 */
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>
#include <wgx/wire.h>
#include "proto/crypto.h"

/* 0, 1, two of order 8, p - 1; and p, p + 1, which stand for 0 and 1 (RFC 7748 takes them) */
static const char *const points[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

/* each twice: the highest bit does not count */
#define POINTS (2 * (int)(sizeof(points) / sizeof(points[0])))

struct noise {
	uint8_t chaining_key[WGX_HASH_LEN], hash[WGX_HASH_LEN];
};

static void point(int i, uint8_t ret[WGX_KEY_LEN])
{
	sodium_hex2bin(ret, WGX_KEY_LEN, points[i / 2], 2 * WGX_KEY_LEN, NULL, NULL, NULL);
	ret[WGX_KEY_LEN - 1] |= i % 2 ? 0x80 : 0;
}

/* Diffie-Hellman gave zero: encrypt under what follows from it */
static void encrypt_by_zero(struct noise *n, uint8_t *to, const void *from, size_t len)
{
	static const uint8_t zero[WGX_KEY_LEN];
	uint8_t key[WGX_KEY_LEN];

	wgx_kdf(n->chaining_key, key, NULL, n->chaining_key, zero, sizeof(zero));
	wgx_seal(to, from, len, n->hash, sizeof(n->hash), 0, key);
	wgx_hash(n->hash, n->hash, sizeof(n->hash), to, len + WGX_TAG_LEN);
}

static void stamp_now(uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	struct timespec now;
	uint64_t seconds;
	uint32_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	seconds = htobe64(UINT64_C(0x400000000000000a) + (uint64_t)now.tv_sec);
	ns = htobe32((uint32_t)now.tv_nsec);
	memcpy(stamp, &seconds, sizeof(seconds));
	memcpy(stamp + sizeof(seconds), &ns, sizeof(ns));
}

static void initiation(struct wgx_msg_initiation *msg, const uint8_t responder[WGX_KEY_LEN],
		       int ephemeral, int static_key)
{
	static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
			  identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
	uint8_t stamp[WGX_TIMESTAMP_LEN], public_key[WGX_KEY_LEN], mac1_key[WGX_HASH_LEN];
	struct noise n;

	memset(msg, 0, sizeof(*msg));
	msg->type = htole32(WGX_MSG_INITIATION);
	msg->sender = htole32((uint32_t)(1 + ephemeral * POINTS + static_key));
	point(ephemeral, msg->ephemeral);
	point(static_key, public_key);
	stamp_now(stamp);
	wgx_hash(n.chaining_key, construction, sizeof(construction) - 1, NULL, 0);
	wgx_hash(n.hash, n.chaining_key, sizeof(n.chaining_key), identifier,
		 sizeof(identifier) - 1);
	wgx_hash(n.hash, n.hash, sizeof(n.hash), responder, WGX_KEY_LEN);
	wgx_hash(n.hash, n.hash, sizeof(n.hash), msg->ephemeral, WGX_KEY_LEN);
	wgx_kdf(n.chaining_key, NULL, NULL, n.chaining_key, msg->ephemeral, WGX_KEY_LEN);
	encrypt_by_zero(&n, msg->encrypted_static, public_key, sizeof(public_key));
	encrypt_by_zero(&n, msg->encrypted_timestamp, stamp, sizeof(stamp));
	wgx_hash(mac1_key, "mac1----", 8, responder, WGX_KEY_LEN);
	wgx_mac(msg->macs.mac1, mac1_key, sizeof(mac1_key), msg,
		offsetof(struct wgx_msg_initiation, macs));
}

static int print_points(void)
{
	char text[sodium_base64_ENCODED_LEN(WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL)];
	uint8_t key[WGX_KEY_LEN];

	for (int i = 0; i < POINTS; i++) {
		point(i, key);
		puts(sodium_bin2base64(text, sizeof(text), key, sizeof(key),
				       sodium_base64_VARIANT_ORIGINAL));
	}
	return 0;
}

static int initiate(const char *responder, const char *address, const char *port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = inet_addr(address),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct wgx_msg_initiation msg;
	uint8_t key[WGX_KEY_LEN];

	if (fd < 0 || sodium_base642bin(key, sizeof(key), responder, strlen(responder), NULL, NULL,
					NULL, sodium_base64_VARIANT_ORIGINAL))
		return 1;
	for (int i = 0; i < POINTS * POINTS; i++) {
		initiation(&msg, key, i / POINTS, i % POINTS);
		if (sendto(fd, &msg, sizeof(msg), 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
			perror("sendto");
			return 1;
		}
	}
	printf("%d\n", POINTS * POINTS);
	return 0;
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0)
		return 1;
	if (argc == 2 && !strcmp(argv[1], "points"))
		return print_points();
	if (argc == 5 && !strcmp(argv[1], "initiate"))
		return initiate(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: loworder points | loworder initiate KEY ADDRESS PORT\n");
	return 2;
}
