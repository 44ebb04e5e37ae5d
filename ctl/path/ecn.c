/* SPDX-License-Identifier: MIT */
#include "path/ecn.h"

#include <string.h>
#include "path/checksum.h"

#define IP4_CHECK 10

/* RFC 1624, equation 3: check' = ~(~check + ~old + new), of the header's first 16-bit word. */
static void set_ecn4(uint8_t *packet, uint8_t ecn)
{
	uint16_t old, new, check;

	memcpy(&old, packet, 2);
	packet[1] = (uint8_t)((packet[1] & ~WGX_ECN_MASK) | ecn);
	memcpy(&new, packet, 2);
	memcpy(&check, packet + IP4_CHECK, 2);
	check = wgx_csum_fold((uint32_t)(uint16_t)~check + (uint16_t)~old + new);
	memcpy(packet + IP4_CHECK, &check, 2);
}

/* The traffic class straddles two bytes: its last two bits are bits 5 and 4 of the second. */
static void set_ecn6(uint8_t *packet, uint8_t ecn)
{
	packet[1] = (uint8_t)((packet[1] & ~(WGX_ECN_MASK << 4)) | ecn << 4);
}

void wgx_ecn_decap(uint8_t outer_tos, uint8_t *packet)
{
	uint8_t outer = outer_tos & WGX_ECN_MASK, inner = wgx_ecn_tos(packet) & WGX_ECN_MASK;

	/* CE wins; ECT(1) outside tells more than ECT(0) inside */
	if (inner == WGX_ECN_NOT_ECT || inner == outer || inner == WGX_ECN_CE ||
	    (outer != WGX_ECN_CE && !(outer == WGX_ECN_ECT_1 && inner == WGX_ECN_ECT_0)))
		return;
	if (packet[0] >> 4 == 4)
		set_ecn4(packet, outer);
	else
		set_ecn6(packet, outer);
}
