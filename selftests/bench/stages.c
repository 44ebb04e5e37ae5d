/* SPDX-License-Identifier: MIT */
/*
 * What each stage of the packet path costs by itself: one thread but for lists of the open worker, data in the cache, the best of several rounds.
 * First those without the kernel, the rings with memory that nobody else reads or writes; then, as root, what ends in
 * a system call, into a veth whose other end drops all. stages [seconds a stage]
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "path/aead.h"
#include "path/checksum.h"
#include "path/coalesce.h"
#include "path/ecn.h"
#include "path/inner.h"
#include "path/segment.h"
#include "stages.h"
#include "stages_kernel.h"
#include "stages_openers.h"

#define HEADERS 52 /* IPv4, TCP with timestamps */
#define MSS 1368
#define SEGMENTS 44
#define PACKET (HEADERS + MSS)
#define SUPERFRAME (HEADERS + SEGMENTS * MSS)
#define CHUNK 3840 /* payload bytes of an AF_XDP descriptor */
#define CHUNK_STRIDE 4096

static uint8_t key[32], source[2048], sealed[2048], opened[2048];
static uint8_t original[SUPERFRAME], contiguous[WGX_SEGMENT_HEADERS_MAX + SUPERFRAME + 16];
static uint8_t umem[(SUPERFRAME / CHUNK + 2) * CHUNK_STRIDE], scratch[65535 + 16];
static uint8_t packets[SEGMENTS][PACKET], originals[SEGMENTS][PACKET];
static struct wgx_coalescer coalescer;
static struct wgx_aead *aead;
static size_t message_len;
static uint64_t counter;
static volatile uint32_t sink; /* keeps results alive */

static void do_seal(void)
{
	wgx_aead_seal(aead, key, counter++, source, sealed, message_len);
}

static void do_open(void)
{
	sink += (uint32_t)wgx_aead_open(aead, key, 7, sealed, opened, message_len);
}

static void bench_aead(const struct wgx_aead_backend *backend, size_t len)
{
	char name[64];
	struct stage s = {.name = name, .work = do_seal, .packets = 1, .bytes = len};

	message_len = len;
	snprintf(name, sizeof(name), "seal %zu %s", len, backend->name);
	report(&s);
	wgx_aead_seal(aead, key, 7, source, sealed, len);
	if (wgx_aead_open(aead, key, 7, sealed, opened, len)) {
		fprintf(stderr, "%s does not open what it sealed\n", backend->name);
		exit(1);
	}
	snprintf(name, sizeof(name), "open %zu %s", len, backend->name);
	s.work = do_open;
	report(&s);
}

static void bench_backends(void)
{
	for (size_t i = 0; wgx_aead_backends[i]; i++) {
		aead = wgx_aead_backends[i]->create();
		if (!aead)
			continue;
		bench_aead(wgx_aead_backends[i], 64);
		bench_aead(wgx_aead_backends[i], 1424);
		wgx_aead_destroy(aead);
	}
}

static void build_superframe(void)
{
	static const uint8_t headers[HEADERS] = {
		0x45,
		0,
		SUPERFRAME >> 8,
		SUPERFRAME & 0xff,
		0x12,
		0x34,
		0x40,
		0,
		64,
		6,
		0,
		0,
		10,
		0,
		0,
		1,
		10,
		0,
		0,
		2, /* TCP */
		0x9c,
		0x40,
		0x14,
		0x51,
		1,
		2,
		3,
		4,
		5,
		6,
		7,
		8,
		0x80,
		0x18,
		1,
		0xf5,
		0,
		0,
		0,
		0,
		1,
		1,
		8,
		10,
		0,
		1,
		2,
		3,
		4,
		5,
		6,
		7,
	};

	for (size_t i = 0; i < sizeof(original); i++)
		original[i] = (uint8_t)(i * 31 >> 3);
	memcpy(original, headers, sizeof(headers));
}

static struct wgx_frame stamp(void)
{
	return (struct wgx_frame){
		.len = SUPERFRAME,
		.gso_size = MSS,
		.csum_start = 20,
		.csum_offset = 16,
		.partial = true,
	};
}

static void walk(struct wgx_frame *frame)
{
	struct wgx_segmenter s;
	uint8_t *packet;
	size_t len;

	if (wgx_segment_begin(&s, frame)) {
		fprintf(stderr, "the segmenter refuses the frame\n");
		exit(1);
	}
	while (wgx_segment_next(&s, scratch, &packet, &len))
		sink += packet[len - 1];
}

static void refill_contiguous(void)
{
	memcpy(contiguous + WGX_SEGMENT_HEADERS_MAX, original, SUPERFRAME);
}

static void segment_contiguous(void)
{
	struct wgx_frame frame = stamp();

	frame.iov[0] = (struct iovec){contiguous + WGX_SEGMENT_HEADERS_MAX, SUPERFRAME};
	frame.n = 1;
	walk(&frame);
}

static void refill_chunks(void)
{
	for (size_t at = 0, i = 0; at < SUPERFRAME; at += CHUNK, i++) {
		size_t n = SUPERFRAME - at < CHUNK ? SUPERFRAME - at : CHUNK;

		memcpy(umem + i * CHUNK_STRIDE + WGX_SEGMENT_HEADERS_MAX, original + at, n);
	}
}

static void segment_chunks(void)
{
	struct wgx_frame frame = stamp();

	for (size_t at = 0; at < SUPERFRAME; at += CHUNK) {
		size_t n = SUPERFRAME - at < CHUNK ? SUPERFRAME - at : CHUNK;
		uint8_t *base = umem + frame.n * (size_t)CHUNK_STRIDE + WGX_SEGMENT_HEADERS_MAX;

		frame.iov[frame.n++] = (struct iovec){base, n};
	}
	walk(&frame);
}

static void cut_originals(void)
{
	struct wgx_frame frame = stamp();
	struct wgx_segmenter s;
	unsigned int i = 0;
	uint8_t *packet;
	size_t len;

	refill_contiguous();
	frame.iov[0] = (struct iovec){contiguous + WGX_SEGMENT_HEADERS_MAX, SUPERFRAME};
	frame.n = 1;
	if (wgx_segment_begin(&s, &frame))
		exit(1);
	while (wgx_segment_next(&s, scratch, &packet, &len))
		memcpy(originals[i++], packet, len);
	memcpy(packets, originals, sizeof(packets));
}

/* Coalescing changes the first packet's headers only. */
static void refill_first(void)
{
	memcpy(packets[0], originals[0], HEADERS);
}

static void coalesce(void)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		wgx_coalesce_add(&coalescer, packets[i], PACKET);
	if (wgx_coalesce_finish(&coalescer) != 1) {
		fprintf(stderr, "the coalescer built more than one packet\n");
		exit(1);
	}
	wgx_coalesce_reset(&coalescer);
}

static void checksum(void)
{
	sink += wgx_csum_fold(wgx_csum_add(0, source + 1, 1400));
}

static const struct wgx_csum_way *way;

static void checksum_way(void)
{
	sink += (uint32_t)way->sum(source + 1, 1400);
}

static void checksum_header(void)
{
	sink += wgx_csum_ip4(original, 20);
}

static void parse_and_ecn(void)
{
	struct wgx_inner ip;

	sink += (uint32_t)wgx_inner_parse(packets[1], PACKET, &ip) + ip.addr_len;
	wgx_ecn_decap(0, packets[1]);
	sink += packets[1][1];
}

static void bench_checksums(void)
{
	char name[64];
	struct stage s = {.name = name, .work = checksum_way, .packets = 1, .bytes = 1400};

	for (way = wgx_csum_ways; way->name; way++) {
		if (!way->usable())
			continue;
		snprintf(name, sizeof(name), "checksum 1400 %s", way->name);
		report(&s);
	}
}

int main(int argc, char **argv)
{
	static const struct stage stages[] = {
		{"segment 60 KB, one slice", refill_contiguous, segment_contiguous, SEGMENTS,
		 SUPERFRAME},
		{"segment 60 KB, 3840 a slice", refill_chunks, segment_chunks, SEGMENTS,
		 SUPERFRAME},
		{"coalesce 44 x 1420", refill_first, coalesce, SEGMENTS, SEGMENTS * PACKET},
		{"checksum 1400", NULL, checksum, 1, 1400},
		{"checksum IPv4 header", NULL, checksum_header, 1, 20},
		{"parse inner, ECN", NULL, parse_and_ecn, 1, PACKET},
	};
	static const uint8_t mac[ETH_ALEN] = {2, 0, 0, 0, 0, 1};

	if (argc > 1)
		seconds = atof(argv[1]);
	if (!(seconds > 0 && seconds <= 60)) {
		fprintf(stderr, "usage: stages [seconds a stage, to 60]\n");
		return 2;
	}
	build_superframe();
	wgx_coalesce_init(&coalescer, mac, true);
	bench_backends();
	cut_originals();
	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		report(&stages[i]);
	bench_checksums();
	bench_rings();
	bench_openers();
	bench_kernel(original, SUPERFRAME, MSS);
	return 0;
}
