/* SPDX-License-Identifier: MIT */
/* Explicit congestion notification through the tunnel (RFC 6040, P-DT-7). */
#ifndef WGX_PATH_ECN_H
#define WGX_PATH_ECN_H

#include <stdint.h>

#define WGX_ECN_MASK 0x03
#define WGX_ECN_NOT_ECT 0x00
#define WGX_ECN_ECT_1 0x01
#define WGX_ECN_ECT_0 0x02
#define WGX_ECN_CE 0x03

/** wgx_ecn_tos() - TOS or traffic class of an IP packet whose header is there */
static inline uint8_t wgx_ecn_tos(const uint8_t *packet)
{
	return packet[0] >> 4 == 4 ? packet[1] : (uint8_t)(packet[0] << 4 | packet[1] >> 4);
}

/** wgx_ecn_encap() - outer TOS: the inner one's ECN field, DSCP 0 (RFC 6040 4.1, normal mode) */
static inline uint8_t wgx_ecn_encap(uint8_t inner_tos)
{
	return inner_tos & WGX_ECN_MASK;
}

/**
 * wgx_ecn_decap() - merge the outer ECN field into the inner header (RFC 6040 4.2, figure 4)
 * @packet: an IP packet, header checked; an IPv4 checksum stays as right or wrong as it was
 *
 * Where congestion was marked on a packet that is Not-ECT inside, the RFC would drop it. The Linux
 * driver does not look at what INET_ECN_decapsulate() returns and delivers it as it was: so do we.
 */
void wgx_ecn_decap(uint8_t outer_tos, uint8_t *packet);

#endif
