/* SPDX-License-Identifier: MIT */
/* The Internet checksum (RFC 1071). */
#ifndef WGX_PATH_CHECKSUM_H
#define WGX_PATH_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A sum is a ones' complement sum of 16-bit words as they lie in memory: what is folded from it can
 * be stored without a byte swap, and what is added to it by number must be in network byte order.
 * Sums of parts may be added with wgx_csum_plus(); a part of odd length can only be the last.
 */

/** wgx_csum_plus() - the ones' complement sum of two sums */
static inline uint32_t wgx_csum_plus(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return sum + (sum < a);
}

/** wgx_csum_from64() - a sum from as many 32-bit words as fit */
static inline uint32_t wgx_csum_from64(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (uint32_t)sum;
}

/**
 * wgx_csum_add() - add memory to a sum
 * @data: any alignment
 * @len: bytes; an odd length counts as if a zero byte followed
 */
uint32_t wgx_csum_add(uint32_t sum, const void *data, size_t len);

/** wgx_csum_fold() - the checksum to store: the complement of the folded sum */
static inline uint16_t wgx_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/** wgx_csum_nonzero() - fold where zero would mean "none", as in UDP: it becomes 0xffff */
static inline uint16_t wgx_csum_nonzero(uint32_t sum)
{
	uint16_t folded = wgx_csum_fold(sum);

	return folded ? folded : 0xffff;
}

/** struct wgx_csum_way - one implementation of the sum; the first usable one is used */
struct wgx_csum_way {
	const char *name; /* NULL ends the table */
	bool (*usable)(void); /* on this processor */
	uint64_t (*sum)(const uint8_t *p, size_t len); /* for wgx_csum_from64() */
};

extern const struct wgx_csum_way wgx_csum_ways[];

/** wgx_csum_ip4() - the checksum of an IPv4 header of @len bytes; the one in it counts as zero */
uint16_t wgx_csum_ip4(const uint8_t *header, size_t len);

/**
 * wgx_csum_pseudo4() - sum of the pseudo header (RFC 9293 3.1, RFC 768)
 * @addrs: source and destination address, one after the other, as in the IPv4 header
 * @proto: IPPROTO_*
 * @len: bytes of transport header and payload
 */
uint32_t wgx_csum_pseudo4(const uint8_t addrs[8], uint8_t proto, uint32_t len);

/** wgx_csum_pseudo6() - the same for IPv6 (RFC 8200 8.1) */
uint32_t wgx_csum_pseudo6(const uint8_t addrs[32], uint8_t proto, uint32_t len);

#endif
