/* SPDX-License-Identifier: MIT */
/* What the workers count for each interface. One writer each but where said, read by anyone (wgx_count()). */
#ifndef WGX_PATH_COUNTERS_H
#define WGX_PATH_COUNTERS_H

#include "device/drops.h"

/* X(field): names in `wgx show --json` */
#define WGX_SEAL_COUNTERS(X)                                                    \
	X(xsk_rx_frames) /* frames and superframes from wg0 through AF_XDP */   \
	X(xsk_rx_bytes)                                                         \
	X(sealed_packets) /* data messages made */                              \
	X(sealed_bytes) /* plaintext bytes in them */                           \
	X(sends) /* sendmsg calls */                                            \
	X(keepalives_sent)                                                      \
	X(staged_packets)                                                       \
	X(icmp_sent)                                                            \
	X(lan_xdp_frames) /* from LAN devices, by XDP */                        \
	X(lan_xdp_bytes)                                                        \
	X(xdp_tx_packets) /* data messages past the stack: path/transmit.h */   \
	X(xdp_tx_asked) /* those that were not, and why: WGX_TRANSMIT_PASSES */ \
	X(xdp_tx_elsewhere)                                                     \
	X(xdp_tx_route)                                                         \
	X(xdp_tx_neighbour)                                                     \
	X(xdp_tx_mtu)                                                           \
	X(xdp_tx_full)                                                          \
	X(credit_healed) /* descriptors that were credited and never arrived */

#define WGX_OPEN_COUNTERS(X)                                                                  \
	X(opened_packets) /* data messages authenticated */                                   \
	X(opened_bytes) /* plaintext bytes in them */                                         \
	X(opened_xsk_packets) /* of these, through AF_XDP */                                  \
	X(opened_xsk_bytes)                                                                   \
	X(opened_socket_packets) /* through the UDP socket */                                 \
	X(opened_socket_bytes)                                                                \
	X(keepalives_received)                                                                \
	X(handshakes_queued) /* for the protocol thread, which counts what it reads itself */ \
	X(injected_packets) /* written to wg0; a GSO packet is one */                         \
	X(injected_segments) /* IP packets in these */

#define X(name) _Atomic uint64_t name;
struct wgx_seal_counters {
	WGX_SEAL_COUNTERS(X)
	_Atomic uint64_t drops[WGX_DROP_COUNT];
	char apart[64]; /* from the next worker's */
};
struct wgx_open_counters {
	WGX_OPEN_COUNTERS(X)
	_Atomic uint64_t inject_dropped; /* GSO packets that the kernel told us it has dropped */
	_Atomic uint64_t drops[WGX_DROP_COUNT];
};
#undef X

#endif
